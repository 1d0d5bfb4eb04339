//! What holds many values: dicts, sets, lists, and a served vector. Users put in and take out; who waits watches.

use callboard::{
    Dict, DictError, DictOptions, DictWatchError, List, ListError, ListOptions, Reply, Serve, Served,
    ServedError, Set, SetOptions,
};

use crate::notes::{Account, What, check_bag};
use crate::subject::{Ended, Subject, Turn, or_ended};

fn value(number: u64) -> u64 {
    number ^ 0xFFFF
}

impl Subject for Dict<u64, u64> {
    fn options() -> DictOptions<u64, u64> {
        DictOptions::new()
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        match turn.random.below(6) {
            0..2 => turn.confirm(|n| or_ended!(self.insert(n, value(n)).map(drop), DictError::Disconnected)),
            2 => turn.give(|n| or_ended!(self.cast_insert(n, value(n)), DictError::Disconnected)),
            3 => or_ended!(self.flush().map(drop), DictError::Disconnected),
            _ => turn.take(|| {
                let popped = or_ended!(self.pop(), DictError::Disconnected)?;
                Ok(popped.map(|(n, found)| (assert_eq!(found, value(n)), n).1))
            }),
        }
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        let mut watch = or_ended!(self.watch_all(), DictError::Disconnected)?;
        let told = watch.next().map(|_| ());
        if told != Err(DictWatchError::Lagged) {
            or_ended!(told, DictWatchError::Disconnected)?;
        }
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        or_ended!(self.len().map(drop), DictError::Disconnected)
    }

    fn release(&self) {
        self.insert(0, 0).unwrap();
        self.remove(&0).unwrap();
    }

    fn check(&self, accounts: &[Account]) {
        let left = self.snapshot().unwrap();
        assert!(left.iter().all(|(n, found)| *found == value(*n)));
        check_bag(accounts, left.into_iter().map(|(n, _)| n).collect());
    }
}

impl Subject for Set<u64> {
    fn options() -> SetOptions {
        SetOptions::new()
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        match turn.random.below(6) {
            0..2 => {
                turn.confirm(|n| or_ended!(self.insert(n).map(|new| assert!(new)), DictError::Disconnected))
            }
            2 => turn.give(|n| or_ended!(self.cast_insert(n), DictError::Disconnected)),
            3 => or_ended!(self.flush().map(drop), DictError::Disconnected),
            _ => turn.take(|| or_ended!(self.pop(), DictError::Disconnected)),
        }
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        let mut watch = or_ended!(self.watch(), DictError::Disconnected)?;
        let told = watch.next().map(|_| ());
        if told != Err(DictWatchError::Lagged) {
            or_ended!(told, DictWatchError::Disconnected)?;
        }
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        or_ended!(self.len().map(drop), DictError::Disconnected)
    }

    fn release(&self) {
        self.insert(0).unwrap();
        self.remove(&0).unwrap();
    }

    fn check(&self, accounts: &[Account]) {
        check_bag(accounts, self.snapshot().unwrap());
    }
}

impl Subject for List<u64> {
    fn options() -> ListOptions<u64> {
        ListOptions::new()
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        match turn.random.below(7) {
            0..2 => turn.confirm(|n| or_ended!(self.push(n).map(drop), ListError::Disconnected)),
            2 => turn.give(|n| or_ended!(self.cast_push(n), ListError::Disconnected)),
            3 => or_ended!(self.flush().map(drop), ListError::Disconnected),
            4 => turn.take(|| or_ended!(self.pop_front(), ListError::Disconnected)),
            _ => turn.take(|| or_ended!(self.pop(), ListError::Disconnected)),
        }
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        let mut watch = or_ended!(self.watch(), ListError::Disconnected)?;
        or_ended!(watch.next(), ListError::Disconnected)?;
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        or_ended!(self.len().map(drop), ListError::Disconnected)
    }

    fn release(&self) {
        self.push(0).unwrap();
        self.remove_value(&0).unwrap();
    }

    fn check(&self, accounts: &[Account]) {
        check_bag(accounts, self.snapshot().unwrap());
    }
}

impl Subject for Served<Vec<u64>> {
    fn options() -> Serve<Vec<u64>> {
        Serve::new(Vec::new())
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        match turn.random.below(5) {
            0..2 => turn.confirm(|n| or_ended!(self.call(Vec::push, n), ServedError::Disconnected)),
            2 => {
                let numbers: Vec<u64> = (0..5).map(|_| turn.number()).collect();
                numbers.iter().for_each(|n| turn.note(What::Begins, *n));
                let begin = |n: &u64| or_ended!(self.begin_call(Vec::push, *n), ServedError::Disconnected);
                let replies: Vec<Reply<()>> = numbers.iter().map(begin).collect::<Result<_, _>>()?;
                for (n, reply) in numbers.into_iter().zip(replies) {
                    or_ended!(reply.wait(), ServedError::Disconnected)?;
                    turn.note(What::Confirmed, n);
                }
                Ok(())
            }
            _ => {
                turn.take(|| or_ended!(self.call(|numbers, ()| numbers.pop(), ()), ServedError::Disconnected))
            }
        }
    }

    /// Each call waits for its method, and for those before it.
    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        self.look(turn)?;
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        or_ended!(self.call(|numbers, ()| numbers.len(), ()).map(drop), ServedError::Disconnected)
    }

    fn release(&self) {}

    fn check(&self, accounts: &[Account]) {
        check_bag(accounts, self.call(|numbers, ()| numbers.clone(), ()).unwrap());
    }
}

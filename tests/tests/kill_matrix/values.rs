//! What holds one value: events, counters, registers.

use callboard::{
    Counter, CounterError, CounterOptions, Event, EventOptions, ObjectError, Register, RegisterError,
    RegisterOptions,
};
use callboard_tests::PATIENCE;

use crate::notes::{Account, What, check_bag, check_sum};
use crate::subject::{Ended, Subject, Turn, or_ended};

impl Subject for Event {
    fn options() -> EventOptions {
        EventOptions::new()
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        let done = match turn.random.below(3) {
            0 => self.set(),
            1 => self.clear(),
            _ => self.is_set().map(drop),
        };
        or_ended!(done, ObjectError::Disconnected)?;
        turn.note(What::Saw, 0);
        Ok(())
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        or_ended!(self.wait(), ObjectError::Disconnected)?;
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        or_ended!(self.is_set().map(drop), ObjectError::Disconnected)
    }

    fn release(&self) {
        self.set().unwrap();
    }

    fn check(&self, _: &[Account]) {
        self.clear().unwrap();
        assert_eq!(self.is_set(), Ok(false));
        self.set().unwrap();
        assert_eq!(self.wait_timeout(PATIENCE), Ok(true));
    }
}

/// More than all that users add.
const RELEASE: i64 = 1 << 40;

impl Subject for Counter {
    fn options() -> CounterOptions {
        CounterOptions::new()
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        let by = 1 + turn.random.below(9);
        let flushes = turn.random.below(4) == 0;
        turn.note(What::Begins, by);
        let casts = turn.random.below(2) == 0;
        let done = if casts { self.cast_add(by as i64) } else { self.add(by as i64).map(drop) };
        or_ended!(done, CounterError::Disconnected)?;
        turn.note(if casts { What::Gave } else { What::Confirmed }, by);
        if flushes {
            or_ended!(self.flush().map(drop), CounterError::Disconnected)?;
        }
        Ok(())
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        let now = or_ended!(self.get(), CounterError::Disconnected)?;
        let then = or_ended!(self.wait_at_least(now + 1), CounterError::Disconnected)?;
        assert!(then > now);
        turn.note(What::Saw, then as u64);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        or_ended!(self.get().map(drop), CounterError::Disconnected)
    }

    fn release(&self) {
        self.add(RELEASE).unwrap();
    }

    fn check(&self, accounts: &[Account]) {
        check_sum(accounts, (self.get().unwrap() % RELEASE) as u64);
    }
}

/// A register holds one number at most: whoever puts another in takes the one before out.
fn replace(
    turn: &mut Turn,
    put: impl FnOnce(u64) -> Result<Option<Option<u64>>, Ended>,
) -> Result<(), Ended> {
    let number = turn.number();
    turn.note(What::Begins, number);
    turn.note(What::Takes, 0);
    let Some(before) = put(number)? else {
        turn.note(What::Saw, 0);
        return Ok(());
    };
    match before {
        Some(before) => turn.note(What::Took, before),
        None => turn.note(What::Saw, 0),
    }
    turn.note(What::Confirmed, number);
    Ok(())
}

impl Subject for Register<u64> {
    fn options() -> RegisterOptions<u64> {
        RegisterOptions::empty()
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        match turn.random.below(4) {
            0 => replace(turn, |n| or_ended!(self.set(n), RegisterError::Disconnected).map(Some)),
            1 => {
                let before = or_ended!(self.get(), RegisterError::Disconnected)?;
                replace(turn, |n| {
                    let swap = self.compare_and_swap(before.as_ref(), Some(n));
                    let swap = or_ended!(swap, RegisterError::Disconnected)?;
                    Ok(swap.is_done().then_some(before))
                })
            }
            _ => turn.take(|| or_ended!(self.take(), RegisterError::Disconnected)),
        }
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        or_ended!(self.wait(), RegisterError::Disconnected)?;
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        or_ended!(self.get().map(drop), RegisterError::Disconnected)
    }

    /// Zero is nobody's number, and stands only where there was none.
    fn release(&self) {
        let _ = self.compare_and_swap(None, Some(0)).unwrap();
    }

    fn check(&self, accounts: &[Account]) {
        let left = self.get().unwrap();
        check_bag(accounts, left.into_iter().filter(|n| *n != 0).collect());
    }
}

//! Values and arrays in shared memory, changed as fast as they can be.

use callboard::{Array, ArrayError, ArrayOptions, LockError, Value, ValueOptions};
use callboard_tests::PATIENCE;

use crate::notes::{Account, What};
use crate::subject::{Ended, Subject, Turn, or_ended};

/// How often something is changed before it is noted.
const TIMES: u64 = 100;
/// More than a word.
type Large = [u64; 9];

fn whole(value: &Large) {
    assert!(value.iter().all(|part| *part == value[0]), "half a change: {value:?}");
}

fn told<T>(result: Result<T, LockError>) -> Result<T, Ended> {
    or_ended!(result, LockError::Disconnected)
}

fn reached<T>(result: Result<T, ArrayError>) -> Result<T, Ended> {
    or_ended!(result, ArrayError::Lock(LockError::Disconnected))
}

impl Subject for Value<Large> {
    fn options() -> ValueOptions<Large> {
        ValueOptions::new([0; 9])
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        for _ in 0..TIMES {
            let mut guard = told(self.lock())?;
            whole(&guard);
            *guard = guard.map(|part| part + 1);
            drop(guard);
            whole(&told(self.get())?);
        }
        turn.note(What::Took, TIMES);
        Ok(())
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        if let Some(guard) = told(self.lock_timeout(PATIENCE))? {
            whole(&guard);
        }
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        whole(&told(self.get())?);
        told(self.holder().map(drop))
    }

    fn release(&self) {}

    /// Every change that was finished is there.
    fn check(&self, accounts: &[Account]) {
        let guard = self.lock_timeout(PATIENCE).unwrap().unwrap();
        whole(&guard);
        let noted: u64 = accounts.iter().flat_map(|account| account.all(What::Took)).sum();
        assert!(guard[0] >= noted, "{} of at least {noted} changes", guard[0]);
    }
}

/// Elements of each of the two stripes are equal, but after a death.
const STRIPE: usize = 8;

impl Subject for Array<u64> {
    fn options() -> ArrayOptions<u64> {
        ArrayOptions::new(2 * STRIPE).stripes(2)
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        for _ in 0..TIMES {
            let first = turn.random.below(2) as usize * STRIPE;
            let all = turn.random.below(4) == 0;
            let range = if all { 0..2 * STRIPE } else { first..first + STRIPE };
            if turn.random.below(3) == 0 {
                let part = reached(self.read(range))?;
                let equal =
                    part.chunks(STRIPE).all(|stripe| stripe.iter().all(|element| *element == stripe[0]));
                assert!(equal || part.was_abandoned(), "half a change, and nobody was told: {:?}", &*part);
                continue;
            }
            let mut part = reached(self.write(range))?;
            let told = part.was_abandoned();
            for stripe in part.chunks_mut(STRIPE) {
                assert!(
                    told || stripe.iter().all(|element| *element == stripe[0]),
                    "half a change: {stripe:?}"
                );
                let next = stripe.iter().max().map_or(0, |most| most + 1);
                stripe.fill(next);
            }
        }
        turn.note(What::Saw, 0);
        Ok(())
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        if turn.random.below(2) == 0 {
            reached(self.read_timeout(.., PATIENCE))?;
        } else if let Some(mut part) = reached(self.write_timeout(.., PATIENCE))? {
            part.fill(0);
        }
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        reached(self.read(..1).map(drop))?;
        told(self.len().map(drop))
    }

    fn release(&self) {}

    fn check(&self, _: &[Account]) {
        self.write_timeout(.., PATIENCE).unwrap().unwrap().fill(1);
        assert!(!self.try_read(..).unwrap().unwrap().was_abandoned());
    }
}

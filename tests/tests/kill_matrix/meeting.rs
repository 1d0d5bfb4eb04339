//! Where processes meet: latches and barriers.

use std::time::Duration;

use callboard::{
    Barrier, BarrierError, BarrierOptions, BrokenBy, Latch, LatchError, LatchOptions, ObjectError,
};

use crate::notes::{Account, What, check_sum};
use crate::subject::{Ended, Subject, Turn, or_ended};

/// How long one waits for what may never come.
const A_MOMENT: Duration = Duration::from_millis(2);
/// More than all that users count down.
const COUNT: u64 = 1 << 40;

impl Subject for Latch {
    fn options() -> LatchOptions {
        LatchOptions::new(COUNT)
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        let by = 1 + turn.random.below(9);
        turn.note(What::Begins, by);
        or_ended!(self.count_down_by(by), LatchError::Disconnected)?;
        turn.note(What::Confirmed, by);
        Ok(())
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        assert!(!or_ended!(self.wait_timeout(A_MOMENT), ObjectError::Disconnected)?);
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        or_ended!(self.left().map(drop), ObjectError::Disconnected)
    }

    /// Nobody waits for long.
    fn release(&self) {}

    fn check(&self, accounts: &[Account]) {
        check_sum(accounts, COUNT - self.left().unwrap());
    }
}

/// Of two parties, who are the two who wait: each meets the other, or is told why not.
impl Subject for Barrier {
    fn options() -> BarrierOptions {
        BarrierOptions::new(2).expect("two are more than none")
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        let done = match turn.random.below(4) {
            0 => self.abort(),
            1 => self.reset(),
            2 => self.broken_by().map(drop),
            _ => self.waiting().map(|waiting| assert!(waiting <= 2)),
        };
        or_ended!(done, ObjectError::Disconnected)?;
        turn.note(What::Saw, 0);
        Ok(())
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        let met = if turn.random.below(2) == 0 {
            self.wait_timeout(A_MOMENT)
        } else {
            self.wait_with_timeout(|| turn.note(What::Saw, 1), A_MOMENT)
        };
        match met {
            Ok(number) => assert!(number < 2),
            Err(BarrierError::Broken(by)) => {
                assert_ne!(by, BrokenBy::ActionPanicked);
                or_ended!(self.reset(), ObjectError::Disconnected)?;
            }
            Err(BarrierError::Disconnected) => return Err(Ended),
            Err(other) => panic!("{other}"),
        }
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        or_ended!(self.waiting().map(drop), ObjectError::Disconnected)
    }

    /// Nobody waits for long.
    fn release(&self) {}

    fn check(&self, _: &[Account]) {
        assert_eq!(self.waiting(), Ok(0));
        self.reset().unwrap();
        let meets = std::thread::spawn({
            let barrier = self.clone();
            move || barrier.wait()
        });
        let own = self.wait().unwrap();
        assert_eq!(own + meets.join().unwrap().unwrap(), 1);
    }
}

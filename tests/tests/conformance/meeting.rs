//! Latches and barriers as all cases know them.

use std::time::Duration;

use callboard::{Barrier, BarrierOptions, Latch, LatchError, LatchOptions, Member, ObjectError, WaitAny};

use crate::sample::{Ended, Sample, Waits, or_ended};

/// Of one to go: whoever comes later can't count it down.
impl Sample for Latch {
    fn options() -> LatchOptions {
        LatchOptions::new(1)
    }

    fn give(&self, _: u64) {
        let counted = self.count_down();
        assert!(matches!(counted, Ok(0) | Err(LatchError::BelowZero { left: 0 })), "{counted:?}");
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        vec![self.left().unwrap()]
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        vec![u64::from(given.is_empty())]
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.left().map(drop), ObjectError::Disconnected)
    }
}

impl Waits for Latch {
    fn wait(&self, timeout: Duration) -> Result<bool, Ended> {
        or_ended!(self.wait_timeout(timeout), ObjectError::Disconnected)
    }

    fn add_to(&self, any: &mut WaitAny) -> Member {
        any.add(self)
    }
}

/// What it can be given is that it is broken.
impl Sample for Barrier {
    fn options() -> BarrierOptions {
        BarrierOptions::new(2).unwrap()
    }

    fn give(&self, _: u64) {
        self.abort().unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        vec![u64::from(self.is_broken().unwrap())]
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        vec![u64::from(!given.is_empty())]
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.waiting().map(drop), ObjectError::Disconnected)
    }
}

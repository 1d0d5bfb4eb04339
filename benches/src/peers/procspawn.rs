//! The procspawn crate: a process started, called and joined.
//!
//! Its children enter at `procspawn::init`, which `main` calls.

use std::time::Instant;

use crate::harness::{Measured, Outcome, check};
use crate::item::sum_of;

/// `count` processes, one after another.
pub(crate) fn one_at_a_time(count: u64) -> Outcome {
    let start = Instant::now();
    let mut sum = 0;
    for number in 0..count {
        sum += procspawn::spawn(number, |number: u64| number).join()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

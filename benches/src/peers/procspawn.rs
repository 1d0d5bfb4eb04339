//! The procspawn crate: a process started, called and joined.
//!
//! Its children enter at `procspawn::init`, which `main` calls.

use std::time::Instant;

use procspawn::Pool;

use crate::harness::{Measured, Outcome, check};
use crate::item::sum_of;
use crate::rows::latency::Latencies;
use crate::rows::pools::{WORKERS, square, squares};

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

/// Each task under way has descriptors of its own, and there are not many.
const AT_ONCE: u64 = 100;

/// `count` light tasks on a pool, handed in a hundred at once.
pub(crate) fn pool_light(count: u64) -> Outcome {
    let pool = Pool::new(WORKERS)?;
    pool.spawn(1, square).join()?;
    let start = Instant::now();
    let (mut sum, mut next) = (0, 0);
    while next < count {
        let batch = next..(next + AT_ONCE).min(count);
        next = batch.end;
        let tasks: Vec<_> = batch.map(|number| pool.spawn(number, square)).collect();
        for task in tasks {
            sum += task.join()?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    pool.shutdown();
    check("sum", &sum, &squares(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

/// `count` light tasks on a pool, one at a time.
pub(crate) fn pool_latency(count: u64) -> Outcome {
    let pool = Pool::new(WORKERS)?;
    pool.spawn(1, square).join()?;
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0;
    for number in 0..count {
        let start = Instant::now();
        sum += pool.spawn(number, square).join()?;
        latencies.add(start.elapsed());
    }
    pool.shutdown();
    check("sum", &sum, &squares(count))?;
    Ok(latencies.measured())
}

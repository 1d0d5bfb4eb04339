//! Starting a process, calling a function in it, and joining it.

use std::time::Instant;

use callboard::Node;

use crate::harness::{Bench, Measured, Outcome, check};
use crate::item::sum_of;

/// `count` processes, one after another.
pub(super) fn one_at_a_time(bench: &Bench, count: u64) -> Outcome {
    let start = Instant::now();
    let mut sum = 0;
    for number in 0..count {
        sum += bench.node.spawn("child", |_: &Node, number: u64| number, number)?.join()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

/// `count` processes, fifty at once.
pub(super) fn fifty_at_once(bench: &Bench, count: u64) -> Outcome {
    let start = Instant::now();
    let (mut sum, mut next) = (0, 0);
    while next < count {
        let batch = next..(next + 50).min(count);
        next = batch.end;
        let started: Result<Vec<_>, _> =
            batch.map(|number| bench.node.spawn("child", |_: &Node, number: u64| number, number)).collect();
        for child in started? {
            sum += child.join()?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

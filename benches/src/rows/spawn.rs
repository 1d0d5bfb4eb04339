//! Starting a process, calling a function in it, and joining it.

use std::time::Instant;

use callboard::{Node, Process, SpawnError, StartMethod};

use crate::harness::{Bench, Measured, Outcome, Trouble, check};
use crate::item::sum_of;

/// A process that gives a number back.
fn begin(bench: &Bench, method: StartMethod, number: u64) -> Result<Process<u64>, SpawnError> {
    bench.node.process("child").start_method(method).spawn(|_: &Node, number: u64| number, number)
}

/// What starts with the first of them, and stays.
fn prepare(bench: &Bench, method: StartMethod) -> Result<(), Trouble> {
    if !StartMethod::available().contains(&method) {
        return Err(Trouble::Skipped(format!("this system has no {method}")));
    }
    begin(bench, method, 0)?.join()?;
    Ok(())
}

/// `count` processes, one after another.
pub(super) fn one_at_a_time(bench: &Bench, count: u64, method: StartMethod) -> Outcome {
    prepare(bench, method)?;
    let start = Instant::now();
    let mut sum = 0;
    for number in 0..count {
        sum += begin(bench, method, number)?.join()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

/// `count` processes, fifty at once.
pub(super) fn fifty_at_once(bench: &Bench, count: u64, method: StartMethod) -> Outcome {
    prepare(bench, method)?;
    let start = Instant::now();
    let (mut sum, mut next) = (0, 0);
    while next < count {
        let batch = next..(next + 50).min(count);
        next = batch.end;
        let started: Result<Vec<_>, _> = batch.map(|number| begin(bench, method, number)).collect();
        for child in started? {
            sum += child.join()?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

//! Two threads and a channel: what any actors of one process must do at least.

use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use crate::clock::stamp;
use crate::harness::{Measured, Outcome, Trouble, check};
use crate::item::sum_of;
use crate::rows::latency::Latencies;

/// As many as an actor's mailbox holds.
const CAPACITY: usize = 1024;

/// Numbers from this thread to another.
pub(crate) fn one_way(count: u64) -> Outcome {
    let (numbers, theirs) = bounded::<u64>(CAPACITY);
    let sums = thread::spawn(move || (theirs.iter().sum::<u64>(), stamp()));
    let start = stamp();
    for number in 0..count {
        numbers.send(number)?;
    }
    drop(numbers);
    let (sum, end) = sums.join().map_err(|_| Trouble::failed("a panic"))?;
    check("sum of what came", &sum, &sum_of(count))?;
    Ok(Measured::between(count, start, end))
}

/// One number after the other there and back; both sides yield until it is there.
pub(crate) fn round_trips(count: u64) -> Outcome {
    let (numbers, theirs) = bounded::<u64>(1);
    let (back, answers) = bounded::<u64>(1);
    let echo = thread::spawn(move || {
        while let Some(number) = next(&theirs) {
            if back.send(number).is_err() {
                return;
            }
        }
    });
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0;
    for number in 0..count {
        let start = Instant::now();
        numbers.send(number)?;
        sum += next(&answers).ok_or_else(|| Trouble::failed("no answer"))?;
        latencies.add(start.elapsed());
    }
    drop(numbers);
    echo.join().map_err(|_| Trouble::failed("a panic"))?;
    check("sum of the answers", &sum, &sum_of(count))?;
    Ok(latencies.measured())
}

fn next(from: &Receiver<u64>) -> Option<u64> {
    loop {
        match from.try_recv() {
            Ok(number) => return Some(number),
            Err(TryRecvError::Empty) => thread::yield_now(),
            Err(TryRecvError::Disconnected) => return None,
        }
    }
}

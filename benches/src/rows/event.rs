//! Events, and waiting for any of many things.

use std::time::Instant;

use callboard::{Event, EventOptions, Node, Queue, QueueOptions, WaitAny};

use super::latency::Latencies;
use crate::harness::{Bench, Outcome, Trouble, check};
use crate::item::sum_of;

/// Round trips before the clock starts.
const WARM_UP: u64 = 100;

/// What a child says if something went wrong.
type Said<R> = Result<R, String>;

/// Waits for the one event and sets the other, so many times.
fn answer(_: &Node, (there, back, count): (Event, Event, u64)) -> Said<()> {
    let turn = || {
        there.wait()?;
        there.clear()?;
        back.set()
    };
    (0..count).try_for_each(|_| turn()).map_err(|error| error.to_string())
}

/// Sets an event that another process waits for, which sets another; halved.
pub(super) fn round_trips(bench: &Bench, count: u64) -> Outcome {
    let node = &bench.node;
    let (there, back): (Event, Event) =
        (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
    let every = WARM_UP + count;
    let other = node.spawn("answer", answer, (there.clone(), back.clone(), every))?;
    let mut latencies = Latencies::new(count, 2);
    for number in 0..every {
        let start = Instant::now();
        there.set().map_err(Trouble::failed)?;
        back.wait().map_err(Trouble::failed)?;
        back.clear().map_err(Trouble::failed)?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    other.join()?.map_err(Trouble::Failed)?;
    check("whether all were seen", &there.is_set().map_err(Trouble::failed)?, &false)?;
    Ok(latencies.measured())
}

/// Puts what it gets from `asked` into one of the queues after another.
fn spread(_: &Node, (asked, queues): (Queue<u64>, Vec<Queue<u64>>)) -> Said<()> {
    for number in &asked {
        let queue = &queues[number as usize % queues.len()];
        queue.put(number).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A number to another process and back by one of `members` queues, all of which are waited for.
pub(super) fn of_many(bench: &Bench, count: u64, members: u64) -> Outcome {
    let node = &bench.node;
    let asked: Queue<u64> = node.anonymous(QueueOptions::new());
    let queues: Vec<Queue<u64>> = (0..members).map(|_| node.anonymous(QueueOptions::new())).collect();
    let other = node.spawn("spread", spread, (asked.clone(), queues.clone()))?;
    let mut any = WaitAny::new(node);
    let names: Vec<_> = queues.iter().map(|queue| any.add(queue)).collect();
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0;
    // Each queue has been heard of once before the clock starts.
    let warm_up = WARM_UP.max(members);
    for number in 0..warm_up + count {
        let start = Instant::now();
        asked.put(number)?;
        let ready = any.wait();
        let at = number as usize % queues.len();
        check("which one is ready", &ready, &Some(names[at]))?;
        sum += queues[at].try_get().map_err(Trouble::failed)?;
        if number >= warm_up {
            latencies.add(start.elapsed());
        }
    }
    asked.close()?;
    other.join()?.map_err(Trouble::Failed)?;
    check("sum", &sum, &sum_of(warm_up + count))?;
    Ok(latencies.measured())
}

//! Queues of this project: throughput with the owner in either process or in a third, latency, leases.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callboard::{GetError, Node, Process, Queue, QueueOptions};

use super::latency::Latencies;
use crate::clock::stamp;
use crate::harness::{Bench, Measured, Outcome, Trouble, check};
use crate::item::{Item, sum_of};

/// How long a node waits for what must come at once.
const SOON: Duration = Duration::from_secs(10);
/// Longer than any round.
const WHOLE_ROUND: Duration = Duration::from_secs(600);
/// Round trips before the clock starts.
const WARM_UP: u64 = 100;

/// What a child says if something went wrong.
type Said<R> = Result<R, String>;

/// Puts the items; when it began.
fn produce<T: Item>(_: &Node, (queue, count): (Queue<T>, u64)) -> Said<u64> {
    put_all(&queue, count)
}

fn put_all<T: Item>(queue: &Queue<T>, count: u64) -> Said<u64> {
    let start = stamp();
    for number in 0..count {
        queue.put(T::nth(number)).map_err(|error| error.to_string())?;
    }
    Ok(start)
}

/// Takes so many items; their sum, and when the last one was there.
fn consume<T: Item>(_: &Node, (queue, count): (Queue<T>, u64)) -> Said<(u64, u64)> {
    take(&queue, count)
}

fn take<T: Item>(queue: &Queue<T>, count: u64) -> Said<(u64, u64)> {
    let mut sum = 0;
    for _ in 0..count {
        sum += queue.get().map_err(|error| error.to_string())?.number();
    }
    Ok((sum, stamp()))
}

/// Takes items until the queue's end; how many, their sum, and when that was.
fn drain<T: Item>(_: &Node, queue: Queue<T>) -> Said<(u64, u64, u64)> {
    let (mut count, mut sum) = (0, 0);
    loop {
        match queue.get() {
            Ok(item) => sum += item.number(),
            Err(GetError::Closed) => return Ok((count, sum, stamp())),
            Err(error) => return Err(error.to_string()),
        }
        count += 1;
    }
}

/// Owns a queue until it is asked to end.
fn own<T: Item>(node: &Node, name: String) -> Said<()> {
    let _queue: Queue<T> = node.create(&name, QueueOptions::new()).map_err(|error| error.to_string())?;
    node.wait_stopping(WHOLE_ROUND);
    Ok(())
}

/// A queue that lives in a process of its own.
pub(super) struct Hub<T> {
    owner: Process<Said<()>>,
    pub(super) queue: Queue<T>,
}

impl<T: Item> Hub<T> {
    pub(super) fn start(node: &Node) -> Result<Self, Trouble> {
        static HUBS: AtomicU64 = AtomicU64::new(0);
        // Only uniqueness matters.
        let name = format!("/bench/{}", HUBS.fetch_add(1, Ordering::Relaxed));
        let owner = node.spawn("owner", own::<T>, name.clone())?;
        let queue = node.open_timeout(&name, SOON)?;
        Ok(Self { owner, queue })
    }

    pub(super) fn end(self) -> Result<(), Trouble> {
        self.owner.terminate(SOON);
        self.owner.join_timeout(SOON)?.map_err(Trouble::Failed)
    }
}

/// Another process puts, this one owns the queue and takes.
pub(super) fn owner_takes<T: Item>(bench: &Bench, count: u64, options: QueueOptions) -> Outcome {
    let queue: Queue<T> = bench.node.anonymous(options);
    let producer = bench.node.spawn("producer", produce::<T>, (queue.clone(), count))?;
    let (sum, end) = take(&queue, count).map_err(Trouble::Failed)?;
    let start = producer.join()?.map_err(Trouble::Failed)?;
    finished(&queue, count, sum)?;
    Ok(Measured::between(count, start, end))
}

/// This process owns the queue and puts, another takes.
pub(super) fn owner_puts<T: Item>(bench: &Bench, count: u64, options: QueueOptions) -> Outcome {
    let queue: Queue<T> = bench.node.anonymous(options);
    let consumer = bench.node.spawn("consumer", consume::<T>, (queue.clone(), count))?;
    let start = put_all(&queue, count).map_err(Trouble::Failed)?;
    let (sum, end) = consumer.join()?.map_err(Trouble::Failed)?;
    finished(&queue, count, sum)?;
    Ok(Measured::between(count, start, end))
}

/// One process owns the queue, one puts, this one takes.
pub(super) fn hub<T: Item>(bench: &Bench, count: u64) -> Outcome {
    let hub = Hub::<T>::start(&bench.node)?;
    let producer = bench.node.spawn("producer", produce::<T>, (hub.queue.clone(), count))?;
    let (sum, end) = take(&hub.queue, count).map_err(Trouble::Failed)?;
    let start = producer.join()?.map_err(Trouble::Failed)?;
    finished(&hub.queue, count, sum)?;
    hub.end()?;
    Ok(Measured::between(count, start, end))
}

/// One process owns the queue, two put, two take until its end.
pub(super) fn hub_two_by_two<T: Item>(bench: &Bench, count: u64) -> Outcome {
    let hub = Hub::<T>::start(&bench.node)?;
    let (node, queue) = (&bench.node, &hub.queue);
    let consumers = [
        node.spawn("consumer", drain::<T>, queue.clone())?,
        node.spawn("consumer", drain::<T>, queue.clone())?,
    ];
    let half = count / 2;
    let producers = [
        node.spawn("producer", produce::<T>, (queue.clone(), half))?,
        node.spawn("producer", produce::<T>, (queue.clone(), half))?,
    ];
    let mut start = u64::MAX;
    for producer in producers {
        start = start.min(producer.join()?.map_err(Trouble::Failed)?);
    }
    queue.close()?;
    let (mut got, mut sum, mut end) = (0, 0, 0);
    for consumer in consumers {
        let (more, part, ended) = consumer.join()?.map_err(Trouble::Failed)?;
        (got, sum, end) = (got + more, sum + part, end.max(ended));
    }
    check("count", &got, &(2 * half))?;
    check("sum", &sum, &(2 * sum_of(half)))?;
    hub.end()?;
    Ok(Measured::between(2 * half, start, end))
}

/// Another process puts, this one owns the queue, leases each item and acknowledges it.
pub(super) fn owner_leases(bench: &Bench, count: u64) -> Outcome {
    let queue: Queue<u64> = bench.node.anonymous(QueueOptions::new());
    let producer = bench.node.spawn("producer", produce::<u64>, (queue.clone(), count))?;
    let (sum, end) = lease_all(&queue, count).map_err(Trouble::Failed)?;
    let start = producer.join()?.map_err(Trouble::Failed)?;
    finished(&queue, count, sum)?;
    Ok(Measured::between(count, start, end))
}

/// This process owns the queue and puts, another leases each item and acknowledges it.
pub(super) fn owner_puts_leased(bench: &Bench, count: u64) -> Outcome {
    let queue: Queue<u64> = bench.node.anonymous(QueueOptions::new());
    let lease = |_: &Node, (queue, count): (Queue<u64>, u64)| lease_all(&queue, count);
    let consumer = bench.node.spawn("consumer", lease, (queue.clone(), count))?;
    let start = put_all(&queue, count).map_err(Trouble::Failed)?;
    let (sum, end) = consumer.join()?.map_err(Trouble::Failed)?;
    finished(&queue, count, sum)?;
    Ok(Measured::between(count, start, end))
}

fn lease_all(queue: &Queue<u64>, count: u64) -> Said<(u64, u64)> {
    let mut sum = 0;
    for _ in 0..count {
        let lease = queue.lease().map_err(|error| error.to_string())?;
        sum += *lease;
        lease.ack();
    }
    Ok((sum, stamp()))
}

/// Fails unless everything has arrived and nothing is left.
fn finished<T: Item>(queue: &Queue<T>, count: u64, sum: u64) -> Result<(), Trouble> {
    check("sum", &sum, &sum_of(count))?;
    check("what is left", &queue.len()?, &0)?;
    check("whether all is settled", &queue.join_timeout(SOON)?, &true)?;
    Ok(queue.close()?)
}

/// Sends each item back until the queue's end.
fn echo(_: &Node, (there, back): (Queue<u64>, Queue<u64>)) -> Said<()> {
    for item in &there {
        back.put(item).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A number there and back over two queues of this process, halved; each after `pause`.
pub(super) fn round_trips(bench: &Bench, count: u64, pause: Duration) -> Outcome {
    let node = &bench.node;
    let there: Queue<u64> = node.anonymous(QueueOptions::new());
    let back: Queue<u64> = node.anonymous(QueueOptions::new());
    let other = node.spawn("echo", echo, (there.clone(), back.clone()))?;
    let mut latencies = Latencies::new(count, 2);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        if !pause.is_zero() && number >= WARM_UP {
            std::thread::sleep(pause);
        }
        let start = Instant::now();
        there.put(number)?;
        sum += back.get()?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    there.close()?;
    other.join()?.map_err(Trouble::Failed)?;
    finished(&back, WARM_UP + count, sum)?;
    Ok(latencies.measured())
}

/// The length of a queue in another process, asked for one at a time; each after `pause`.
pub(super) fn calls(bench: &Bench, count: u64, pause: Duration) -> Outcome {
    let hub = Hub::<u64>::start(&bench.node)?;
    hub.queue.put(1)?;
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        if !pause.is_zero() && number >= WARM_UP {
            std::thread::sleep(pause);
        }
        let start = Instant::now();
        sum += hub.queue.len()? as u64;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    check("sum of the lengths", &sum, &(WARM_UP + count))?;
    hub.end()?;
    Ok(latencies.measured())
}

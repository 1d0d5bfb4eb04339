// cargo run --release -p callboard-examples --example locks_and_permits
//! Six workers share two permits; and when the holder of a lock is killed, the next one gets it and is told.

use std::time::Duration;

use callboard::{
    Counter, CounterOptions, Failure, Lock, LockOptions, Node, Queue, QueueOptions, Semaphore,
    SemaphoreOptions,
};

/// Works with a permit in hand; how many were at work then, itself included.
fn works(node: &Node, (two, at_work): (Semaphore, Counter)) -> Result<i64, Failure> {
    let _permit = two.acquire()?;
    let together = at_work.add(1)?;
    node.wait_stopping(Duration::from_millis(5));
    at_work.sub(1)?;
    Ok(together)
}

/// Takes the lock and never gives it back.
fn keeps(_: &Node, (lock, told): (Lock, Queue<bool>)) -> Result<(), Failure> {
    let guard = lock.lock()?;
    told.put_confirmed(guard.was_abandoned())?;
    loop {
        std::thread::park();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let two: Semaphore = node.create("/two", SemaphoreOptions::bounded(2))?;
    let at_work: Counter = node.anonymous(CounterOptions::new());
    let mut workers = Vec::new();
    for _ in 0..6 {
        workers.push(node.spawn("works", works, (two.clone(), at_work.clone()))?);
    }
    let mut most = 0;
    for worker in workers {
        most = most.max(worker.join()??);
    }
    println!("6 workers, never more than 2 at work: {}", most <= 2);
    println!("permits free at the end: {}", two.available()?);

    let lock: Lock = node.create("/printer", LockOptions::new())?;
    let told: Queue<bool> = node.anonymous(QueueOptions::new());
    let holder = node.spawn("keeps", keeps, (lock.clone(), told.clone()))?;
    println!("the holder was told of an abandoned lock: {}", told.get()?);
    println!("free while it is held: {}", lock.try_lock()?.is_some());
    holder.kill()?;
    let guard = lock.lock()?;
    println!("the holder was killed; the next one is told: {}", guard.was_abandoned());
    drop(guard);
    println!("and the one after that: {}", lock.lock()?.was_abandoned());
    Ok(())
}

// cargo run --release -p callboard-examples --example queue_leases
//! Work that is not lost with the worker, and knowing when all of it is done.
//!
//! A lease hands an item out and keeps it in the queue's books until it is acknowledged. If the worker dies before, the item
//! is delivered again and its attempt is one higher. `join` waits until every item has been settled, like
//! Python's `JoinableQueue`, except that nobody has to remember to call `task_done`.

use std::error::Error;
use std::thread::sleep;
use std::time::Duration;

use callboard::{Failure, Node, Queue, QueueOptions};

/// Long enough that only the kill ends it.
const VERY_LONG: Duration = Duration::from_secs(60);

/// Leases one item, tells which, and never gets round to it.
fn gets_stuck(node: &Node, (jobs, begun): (Queue<String>, Queue<String>)) -> Result<(), Failure> {
    let job = jobs.lease()?;
    begun.put_confirmed(job.item().clone())?;
    node.wait_stopping(VERY_LONG);
    Ok(())
}

/// Does all jobs until the queue ends; each with its attempt.
fn finishes(_: &Node, jobs: Queue<String>) -> Vec<(String, u32)> {
    let mut done = Vec::new();
    while let Ok(job) = jobs.lease() {
        done.push((job.item().clone(), job.attempt()));
        job.ack();
    }
    done
}

/// Takes its time for each job, and says so before it is settled.
fn takes_time(node: &Node, jobs: Queue<u32>) {
    while let Ok(job) = jobs.lease() {
        sleep(Duration::from_millis(20));
        println!("{} has done job {}", node.name(), *job);
        job.ack();
    }
}

fn survive_a_kill(node: &Node) -> Result<(), Box<dyn Error>> {
    let jobs: Queue<String> = node.anonymous(QueueOptions::new());
    let begun: Queue<String> = node.anonymous(QueueOptions::new());
    jobs.put_many(["bake", "cool", "serve"].map(String::from))?;

    let first = node.spawn("first", gets_stuck, (jobs.clone(), begun.clone()))?;
    println!("the first worker has begun to {}", begun.get()?);
    first.kill()?;
    if let Err(reason) = first.join() {
        println!("the first worker: {reason}");
    }

    let second = node.spawn("second", finishes, jobs.clone())?;
    jobs.close()?;
    let mut done = second.join()?;
    done.sort();
    println!("the second worker did, with the attempt: {done:?}");
    Ok(())
}

fn know_when_all_is_done(node: &Node) -> Result<(), Box<dyn Error>> {
    let jobs: Queue<u32> = node.anonymous(QueueOptions::new());
    jobs.put_many(1..=6)?;
    println!("all settled within 10 ms: {}", jobs.join_timeout(Duration::from_millis(10))?);

    let mut workers = Vec::new();
    for n in 1..=2 {
        workers.push(node.spawn(&format!("worker-{n}"), takes_time, jobs.clone())?);
    }
    jobs.join()?;
    println!("all settled; jobs left: {}", jobs.len()?);
    jobs.close()?;
    for worker in workers {
        worker.join()?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    survive_a_kill(&node)?;
    know_when_all_is_done(&node)
}

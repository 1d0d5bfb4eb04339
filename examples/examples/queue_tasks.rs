// cargo run --release -p callboard-examples --example queue_tasks
//! A queue of tasks, four workers, and a queue of results.
//!
//! Where Python would put dicts into the queues, here are structs: both sides agree on the fields at compile time.

use std::error::Error;

use callboard::{Failure, Node, Queue, QueueOptions};
use serde::{Deserialize, Serialize};

const TASKS: u64 = 8;
const WORKERS: u64 = 4;

/// Sum the numbers from `start` up to but without `end`.
#[derive(Serialize, Deserialize)]
struct Task {
    start: u64,
    end: u64,
}

#[derive(Serialize, Deserialize)]
struct Done {
    start: u64,
    end: u64,
    sum: u64,
    worker: String,
}

/// Works until there are no more tasks; how many it has done.
fn work(node: &Node, (tasks, results): (Queue<Task>, Queue<Done>)) -> Result<usize, Failure> {
    let mut count = 0;
    for Task { start, end } in &tasks {
        let done = Done { start, end, sum: (start..end).sum(), worker: node.name().to_owned() };
        results.put(done)?;
        count += 1;
    }
    Ok(count)
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let tasks: Queue<Task> = node.anonymous(QueueOptions::new());
    let results: Queue<Done> = node.anonymous(QueueOptions::new());
    let mut workers = Vec::new();
    for n in 1..=WORKERS {
        workers.push(node.spawn(&format!("worker-{n}"), work, (tasks.clone(), results.clone()))?);
    }

    tasks.put_many((0..TASKS).map(|n| Task { start: n * 1000, end: (n + 1) * 1000 }))?;
    tasks.close()?;
    for worker in workers {
        println!("{} has done {} tasks", worker.name(), worker.join()??);
    }
    // What a child has put is there once it is joined, so nothing more can come.
    results.close()?;

    let mut done: Vec<Done> = results.iter().collect();
    done.sort_by_key(|done| done.start);
    for Done { start, end, sum, worker } in &done {
        println!("{start}..{end} makes {sum}, says {worker}");
    }
    println!("{} results", done.len());
    Ok(())
}

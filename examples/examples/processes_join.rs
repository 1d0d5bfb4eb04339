// cargo run --release -p callboard-examples --example processes_join
//! Starts processes, works on beside them, and joins them.
//!
//! First three processes that sleep: all are started before the first is joined, so they take the time of one.
//! Then one worker that prints a line a round, while its parent prints lines of its own.

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use callboard::Node;

const TASK: Duration = Duration::from_millis(300);
const ROUND: Duration = Duration::from_millis(100);

/// Takes its time, and returns how long that was.
fn task(_: &Node, name: String) -> Duration {
    let begun = Instant::now();
    sleep(TASK);
    println!("{name} is done");
    begun.elapsed()
}

fn rounds(_: &Node, (name, delay): (String, Duration)) {
    for round in 1..=3 {
        sleep(delay);
        println!("{name}: round {round} of 3");
    }
}

fn three_at_once(node: &Node) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let mut children = Vec::new();
    for name in ["one", "two", "three"] {
        children.push(node.spawn(name, task, name.to_owned())?);
    }
    let mut one_by_one = Duration::ZERO;
    for child in &children {
        one_by_one += child.join()?;
        println!("joined {}", child.name());
    }
    let together = begun.elapsed();
    println!("together {together:.1?}; one after the other {one_by_one:.1?}");
    println!("starting all before joining any saved time: {}", together < one_by_one);
    Ok(())
}

fn beside_a_worker(node: &Node) -> Result<(), Box<dyn Error>> {
    let worker = node.spawn("worker", rounds, ("A".to_owned(), ROUND))?;
    println!("waiting");
    worker.join()?;
    println!("finished");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    three_at_once(&node)?;
    beside_a_worker(&node)
}

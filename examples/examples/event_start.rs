// cargo run --release -p callboard-examples --example event_start
//! Three processes wait for an event that another one sets; then it is cleared, and a wait with a timeout says so.

use std::time::Duration;

use callboard::{Event, EventOptions, Node, Queue, QueueOptions};

/// Says that it is ready, waits for the start, and returns its number.
fn runner(_: &Node, (number, ready, start): (u32, Queue<u32>, Event)) -> Result<u32, callboard::Failure> {
    ready.put(number)?;
    start.wait()?;
    Ok(number)
}

/// Gives the start after a while.
fn starter(node: &Node, start: Event) -> Result<(), callboard::Failure> {
    node.wait_stopping(Duration::from_millis(20));
    Ok(start.set()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let start: Event = node.create("/start", EventOptions::new())?;
    let ready: Queue<u32> = node.anonymous(QueueOptions::new());

    let mut runners = Vec::new();
    for number in 1..=3 {
        runners.push(node.spawn("runner", runner, (number, ready.clone(), start.clone()))?);
    }
    for _ in 0..3 {
        ready.get()?;
    }
    println!("three are ready; set: {}", start.is_set()?);
    node.spawn("starter", starter, start.clone())?.join()??;
    for process in runners {
        println!("runner {} has started", process.join()??);
    }
    start.clear()?;
    println!("cleared; set within 10 ms: {}", start.wait_timeout(Duration::from_millis(10))?);
    Ok(())
}

// cargo run --release -p callboard-examples --example served_counter
//! A counter of one's own, hosted by a manager and called by name from two processes: both see one state.

use std::time::Duration;

use callboard::{Failure, Manager, Node, Serve, Served};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Counter {
    value: u64,
}

impl Counter {
    fn increment(&mut self, by: u64) -> u64 {
        self.value += by;
        self.value
    }
}

fn add(node: &Node, (by, times): (u64, u64)) -> Result<(), Failure> {
    let counter: Served<Counter> = node.open("/counter")?;
    for _ in 0..times {
        counter.call(Counter::increment, by)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let manager = Manager::start(&node, "/manager")?;
    let counter: Served<Counter> = manager.host().create("/counter", Serve::new(Counter::default()))?;

    let workers = [node.spawn("ones", add, (1, 1000))?, node.spawn("tens", add, (10, 100))?];
    for worker in workers {
        worker.join()??;
    }
    println!("counted: {}", counter.call(|counter, ()| counter.value, ())?);

    manager.shutdown(Duration::from_secs(10))?;
    match counter.call(Counter::increment, 1) {
        Err(error) => println!("after the shutdown: {error}"),
        Ok(value) => println!("unexpected: {value}"),
    }
    Ok(())
}

// cargo run --release -p callboard-examples --example processes_names
//! Processes with names and ids, and arguments that differ from one to the next.
//!
//! A name is for people: it is given at the spawn and read in the child with `node.name()`. Arguments travel as one
//! value, here a tuple. Lines of different processes come in any order, so what is compared is what the joins return.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use callboard::{Failure, Node};

/// Tells when it runs, as what process, under what name.
fn who(node: &Node, (): ()) -> Result<(u32, String), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let pid = std::process::id();
    println!("[{}] process {pid} is {}", clock(now), node.name());
    Ok((pid, node.name().to_owned()))
}

/// The time of day in UTC.
fn clock(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn show(_: &Node, (start, end): (u32, u32)) -> (u32, u32) {
    println!("process {} got ({start}, {end})", std::process::id());
    (start, end)
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;

    let mut workers = Vec::new();
    for n in 1..=4 {
        workers.push(node.spawn(&format!("worker-{n}"), who, ())?);
    }
    let mut pids = BTreeSet::new();
    for worker in &workers {
        let (pid, name) = worker.join()??;
        println!("{} says it is {name}; its pid is right: {}", worker.name(), pid == worker.pid());
        pids.insert(pid);
    }
    println!("{} distinct pids", pids.len());

    let pairs = [(0, 25), (25, 50), (50, 75), (75, 100)];
    let mut children = Vec::new();
    for pair in pairs {
        children.push(node.spawn("shower", show, pair)?);
    }
    for child in children {
        println!("returned {:?}", child.join()?);
    }
    Ok(())
}

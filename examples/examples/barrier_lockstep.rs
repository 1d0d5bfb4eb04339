// cargo run --release -p callboard-examples --example barrier_lockstep
//! Three processes go in lockstep: a latch says when all are ready, a barrier has them wait for each other in each round, and tells them when one is killed.

use std::time::Duration;

use callboard::{Barrier, BarrierOptions, Failure, Latch, LatchOptions, List, ListOptions, Node};

const ROUNDS: usize = 3;

/// Marks each round, and the last to come closes it before anybody goes on.
fn walk(name: char, barrier: &Barrier, marks: &List<String>) -> Result<(), Failure> {
    for round in 1..=ROUNDS {
        marks.push(format!("{round}{name}"))?;
        let mut closed = Ok(0);
        barrier.wait_with(|| closed = marks.push(format!("round {round} is over")))?;
        closed?;
    }
    Ok(())
}

fn walker(
    _: &Node,
    (name, ready, barrier, marks): (char, Latch, Barrier, List<String>),
) -> Result<(), Failure> {
    ready.count_down()?;
    ready.wait()?;
    walk(name, &barrier, &marks)?;
    // There is no fourth round.
    barrier.wait()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let ready: Latch = node.create("/ready", LatchOptions::new(3))?;
    let options = BarrierOptions::new(3)?.timeout(Duration::from_secs(30));
    let barrier: Barrier = node.create("/barrier", options)?;
    let marks: List<String> = node.create("/marks", ListOptions::new())?;

    let mut walkers = Vec::new();
    for name in ['a', 'b'] {
        walkers.push(node.spawn("walker", walker, (name, ready.clone(), barrier.clone(), marks.clone()))?);
    }
    ready.count_down()?;
    ready.wait()?;
    walk('c', &barrier, &marks)?;
    let mut in_round = Vec::new();
    for mark in marks.snapshot()? {
        if mark.ends_with("over") {
            in_round.sort();
            println!("{}: {mark}", in_round.join(" "));
            in_round.clear();
        } else {
            in_round.push(mark);
        }
    }

    // Both wait, and one is killed.
    while barrier.waiting()? < 2 {
        node.wait_stopping(Duration::from_millis(1));
    }
    walkers[0].kill()?;
    println!("a is killed; b: {}", walkers[1].join()?.err().ok_or("it passed")?);
    println!("waiting: {}, broken: {}", barrier.waiting()?, barrier.is_broken()?);
    Ok(())
}

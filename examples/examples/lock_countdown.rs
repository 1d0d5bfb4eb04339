// cargo run --release -p callboard-examples --example lock_countdown
//! Two processes count down at the same time; each holds a lock meanwhile, so their lines don't mix.

use callboard::{Failure, List, ListOptions, Lock, LockOptions, Node};

/// Counts down from 3 with the lock in hand.
fn counts(_: &Node, (name, lock, lines): (char, Lock, List<String>)) -> Result<(), Failure> {
    let _guard = lock.lock()?;
    for number in (1..=3).rev() {
        lines.push(format!("{name} counts {number}"))?;
        std::thread::yield_now();
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let lock: Lock = node.create("/countdown", LockOptions::new())?;
    let lines: List<String> = node.create("/lines", ListOptions::new())?;
    let mut children = Vec::new();
    for name in ['a', 'b'] {
        children.push(node.spawn("counts", counts, (name, lock.clone(), lines.clone()))?);
    }
    for child in children {
        child.join()??;
    }
    let lines = lines.snapshot()?;
    for line in &lines {
        println!("{line}");
    }
    let in_one_piece = lines.chunks(3).all(|three| three.iter().all(|line| line[..1] == three[0][..1]));
    println!("each countdown is in one piece: {in_one_piece}");
    Ok(())
}

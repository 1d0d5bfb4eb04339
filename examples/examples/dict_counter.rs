// cargo run --release -p callboard-examples --example dict_counter
//! Four processes count on one key of a dict, and nothing is lost, though no lock is to be seen.
//!
//! `add` reads, adds and writes in one step, where the dict is. What no such method does is read here, computed here and
//! put back only if nobody was faster: `compare_and_swap`.

use callboard::{Dict, DictOptions, Failure, Node, Swap};

const PROCESSES: u64 = 4;
const ADDS: u64 = 10_000;
const SWAPS: u64 = 1_000;

fn adds(_: &Node, counts: Dict<String, u64>) -> Result<(), Failure> {
    for _ in 0..ADDS {
        counts.add("added", 1)?;
    }
    Ok(())
}

/// How often another process was faster.
fn swaps(_: &Node, counts: Dict<String, u64>) -> Result<u64, Failure> {
    let mut slower = 0;
    let mut known = counts.get("swapped")?;
    for _ in 0..SWAPS {
        loop {
            let next = known.unwrap_or(0) + 1;
            match counts.compare_and_swap("swapped", known.as_ref(), Some(next))? {
                Swap::Done => {
                    known = Some(next);
                    break;
                }
                Swap::Differs(found) => known = found,
            }
            slower += 1;
        }
    }
    Ok(slower)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let counts: Dict<String, u64> = node.create("/counts", DictOptions::new())?;

    let mut adders = Vec::new();
    for _ in 0..PROCESSES {
        adders.push(node.spawn("adds", adds, counts.clone())?);
    }
    for process in adders {
        process.join()??;
    }
    println!("added: {:?}", counts.get("added")?);

    let mut swappers = Vec::new();
    for _ in 0..PROCESSES {
        swappers.push(node.spawn("swaps", swaps, counts.clone())?);
    }
    let mut slower = 0;
    for process in swappers {
        slower += process.join()??;
    }
    println!("swapped: {:?}", counts.get("swapped")?);
    println!("another process was faster {slower} times");
    Ok(())
}

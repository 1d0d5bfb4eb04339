// cargo run --release -p callboard-examples --example dict_results
//! Four workers write their results into a dict and a list that all of them share, in whatever order they come to it.
//!
//! The dict is keyed by each task's start, so the results can be put into order afterwards; the list only has them all.

use std::collections::BTreeMap;

use callboard::{Dict, DictOptions, Failure, List, ListOptions, Node};

/// Adds up two numbers, the first of which is `start`.
fn sum(_: &Node, (start, by_start, all): (u64, Dict<u64, u64>, List<u64>)) -> Result<(), Failure> {
    let sum = start + (start + 1);
    by_start.insert(start, sum)?;
    all.push(sum)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let by_start: Dict<u64, u64> = node.anonymous(DictOptions::new());
    let all: List<u64> = node.anonymous(ListOptions::new());

    let mut workers = Vec::new();
    for start in 0..4 {
        workers.push(node.spawn("sum", sum, (start, by_start.clone(), all.clone()))?);
    }
    for worker in workers {
        worker.join()??;
    }
    println!("{} keys, {} elements", by_start.len()?, all.len()?);

    // A shared dict is in the order of insertion, which was that of the workers.
    let ordered: BTreeMap<u64, u64> = by_start.snapshot()?.into_iter().collect();
    println!("by start: {ordered:?}");
    println!("in order: {:?}", ordered.values().collect::<Vec<_>>());
    let mut sums = all.snapshot()?;
    sums.sort_unstable();
    println!("the list, sorted: {sums:?}");
    Ok(())
}

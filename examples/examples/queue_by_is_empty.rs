// cargo run --release -p callboard-examples --example queue_by_is_empty
//! One process fills a queue and is joined; then a second one empties it, asking whether it is empty.
//!
//! Elsewhere that may miss items that are still under way. Here `is_empty` is exact after the join of the process that put
//! them.

use callboard::{Node, Queue, QueueOptions};

fn fill(_: &Node, queue: Queue<u32>) -> Result<usize, callboard::Failure> {
    Ok(queue.put_many((1..=5).map(|n| n * n))?)
}

fn empty(_: &Node, queue: Queue<u32>) -> Result<Vec<u32>, callboard::Failure> {
    let mut squares = Vec::new();
    while !queue.is_empty()? {
        squares.push(queue.get()?);
    }
    Ok(squares)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let queue: Queue<u32> = node.anonymous(QueueOptions::new());
    println!("put: {}", node.spawn("fill", fill, queue.clone())?.join()??);
    println!("got: {:?}", node.spawn("empty", empty, queue.clone())?.join()??);
    println!("empty: {}", queue.is_empty()?);
    Ok(())
}

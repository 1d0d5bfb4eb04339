// cargo run --release -p callboard-examples --example queue_consumers
//! Producers and consumers in processes of their own, and how everybody learns of the end.
//!
//! A queue is closed when nothing more will come. Consumers drain it and then see the end of the stream, however many
//! they are: no item has to be set apart to mean "stop".

use std::error::Error;

use callboard::{Failure, Node, Queue, QueueOptions};

/// Puts `count` numbers, beginning with `from`.
fn produce(_: &Node, (numbers, from, count): (Queue<u64>, u64, u64)) -> Result<usize, Failure> {
    Ok(numbers.put_many(from..from + count)?)
}

/// Gets until the end of the stream, and returns what came.
fn consume(node: &Node, numbers: Queue<u64>) -> Vec<u64> {
    let got: Vec<u64> = numbers.iter().collect();
    println!("{} saw the end after {got:?}", node.name());
    got
}

/// Gets so many and no more.
fn take(node: &Node, (numbers, count): (Queue<u64>, usize)) -> Result<Vec<u64>, Failure> {
    let mut got = Vec::new();
    for _ in 0..count {
        got.push(numbers.get()?);
    }
    println!("{} took {got:?}", node.name());
    Ok(got)
}

fn one_producer_three_consumers(node: &Node) -> Result<(), Box<dyn Error>> {
    let numbers: Queue<u64> = node.anonymous(QueueOptions::new());
    let mut consumers = Vec::new();
    for n in 1..=3 {
        consumers.push(node.spawn(&format!("consumer-{n}"), consume, numbers.clone())?);
    }
    node.spawn("producer", produce, (numbers.clone(), 1, 10))?.join()??;
    // After the join all ten are in the queue, so this is the place to say that no more will come.
    numbers.close()?;
    let mut all = Vec::new();
    for consumer in consumers {
        all.extend(consumer.join()?);
    }
    all.sort_unstable();
    println!("three consumers got {all:?}");
    Ok(())
}

fn producer_ends_first(node: &Node) -> Result<(), Box<dyn Error>> {
    let numbers: Queue<u64> = node.anonymous(QueueOptions::new());
    let producer = node.spawn("producer", produce, (numbers.clone(), 1, 5))?;
    let put = producer.join()??;
    println!("the producer has ended; it put {put}, and the queue holds {}", numbers.len()?);
    numbers.close()?;
    let got = node.spawn("late consumer", consume, numbers)?.join()?;
    println!("all {} arrived", got.len());
    Ok(())
}

fn five_each(node: &Node) -> Result<(), Box<dyn Error>> {
    let numbers: Queue<u64> = node.anonymous(QueueOptions::new());
    numbers.put_many(0..10)?;
    let first = node.spawn("first", take, (numbers.clone(), 5))?;
    let second = node.spawn("second", take, (numbers.clone(), 5))?;
    let mut all = first.join()??;
    all.extend(second.join()??);
    all.sort_unstable();
    println!("five each make {all:?}, and {} are left", numbers.len()?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    one_producer_three_consumers(&node)?;
    producer_ends_first(&node)?;
    five_each(&node)
}

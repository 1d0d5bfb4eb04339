// cargo run --release -p callboard-examples --example pool_basics
//! Every way to run a function on a pool, and the same without one.
//!
//! A function that a pool runs is an `fn`: a plain one, or a closure that captures nothing. What it needs is its argument.

use std::error::Error;
use std::hint::black_box;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use callboard::Node;
use callboard::pool::{Pool, PoolOptions, Until, wait};

const WITHIN: Duration = Duration::from_secs(10);

fn square(n: u64) -> u64 {
    n * n
}

/// The same, the hard way.
fn square_by_ones(n: u64) -> u64 {
    (0..n * n).fold(0, |sum, _| black_box(sum + 1))
}

fn in_turn_and_on_a_pool(pool: &Pool) -> Result<(), Box<dyn Error>> {
    let inputs = 2000..2008;
    let begun = Instant::now();
    let in_turn: Vec<u64> = inputs.clone().map(square_by_ones).collect();
    let in_turn_took = begun.elapsed();
    let begun = Instant::now();
    let on_the_pool = pool.map(square_by_ones, inputs)?;
    println!("in turn {in_turn_took:.1?}, on the pool {:.1?}", begun.elapsed());
    println!("both give the same: {}", in_turn == on_the_pool);
    Ok(())
}

fn every_way(pool: &Pool) -> Result<(), Box<dyn Error>> {
    println!("map: {:?}", pool.map(square, 0..10)?);

    // Tasks with handles: this thread goes on, and asks for them when it likes.
    let tasks = (0..10).map(|n| pool.submit(square, n)).collect::<Result<Vec<_>, _>>()?;
    let (_, late) = wait(&tasks, Until::AllDone, Some(WITHIN));
    println!("not done within {WITHIN:?}: {}", late.len());
    let squares: Vec<u64> = tasks.into_iter().map(|task| task.result()).collect::<Result<_, _>>()?;
    println!("tasks: {squares:?}");

    let ordered = pool.each(square, 0..10).ordered().collect::<Result<Vec<_>, _>>()?;
    println!("in order, as they come: {ordered:?}");

    let mut unordered = Vec::new();
    for (_, square) in pool.each(square, 0..10).unordered() {
        unordered.push(square?);
    }
    unordered.sort_unstable();
    println!("in any order, sorted: {unordered:?}");

    let sums = pool.map(|(a, b): (u64, u64)| a + b, [(1, 2), (3, 4), (5, 6)])?;
    println!("two arguments: {sums:?}");
    println!("one call: {}", pool.apply(square, 5)?);
    println!("one call with a handle: {}", pool.submit(square, 5)?.result()?);
    Ok(())
}

/// Calls back with each square, in the order in which they are done.
fn call_backs(pool: &Pool) -> Result<(), Box<dyn Error>> {
    let (sender, done) = channel();
    for n in 0..20 {
        let sender = sender.clone();
        // The call-back, unlike the function, may capture. That nobody listens any more is no concern of its own.
        pool.submit(square, n)?.on_done(move |square| drop(sender.send(square)));
    }
    drop(sender);
    let squares = done.into_iter().collect::<Result<Vec<u64>, _>>()?;
    println!("called back {} times, in this order: {squares:?}", squares.len());
    println!("their sum: {}", squares.iter().sum::<u64>());
    Ok(())
}

fn inline(node: &Node) -> Result<(), Box<dyn Error>> {
    let pool = node.pool(PoolOptions::new().inline())?;
    println!("inline: {:?}", pool.map(square, 0..10)?);
    println!("in this process: {}", pool.apply(|()| std::process::id(), ())? == std::process::id());
    println!("processes of that pool: {}", pool.pids().len());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let three = node.pool(PoolOptions::new().workers(3))?;
    println!("squares: {:?}", three.map(square, 1..=5)?);
    in_turn_and_on_a_pool(&three)?;
    every_way(&three)?;
    call_backs(&node.pool(PoolOptions::new().workers(5))?)?;
    inline(&node)
}

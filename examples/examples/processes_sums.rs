// cargo run --release -p callboard-examples --example processes_sums -- [COUNT]
//! The same work three ways: one after the other, in two threads, in two processes.
//!
//! Each of two tasks sums the numbers below COUNT, fifty million unless told otherwise. Threads and processes both use two
//! cores, so they come out alike, but for the time that starting a process takes: a smaller COUNT shows it.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use callboard::Node;

const DEFAULT_COUNT: u64 = 50_000_000;

/// Adds up one by one, which the compiler would otherwise replace by a formula.
fn sum_below(count: u64) -> u64 {
    let mut sum = 0;
    let mut n = 0;
    while n < count {
        sum += black_box(n);
        n += 1;
    }
    sum
}

fn in_turn(count: u64) -> [u64; 2] {
    [sum_below(count), sum_below(count)]
}

fn in_threads(count: u64) -> Result<[u64; 2], Box<dyn Error>> {
    let first = std::thread::spawn(move || sum_below(count));
    let second = std::thread::spawn(move || sum_below(count));
    let joined = |thread: std::thread::JoinHandle<u64>| thread.join().map_err(|_| "a thread panicked");
    Ok([joined(first)?, joined(second)?])
}

fn in_processes(node: &Node, count: u64) -> Result<[u64; 2], Box<dyn Error>> {
    let first = node.spawn("first", |_, count| sum_below(count), count)?;
    let second = node.spawn("second", |_, count| sum_below(count), count)?;
    Ok([first.join()?, second.join()?])
}

/// Runs `work`, and how long it took.
fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let count = std::env::args().nth(1).map_or(Ok(DEFAULT_COUNT), |count| count.parse())?;

    let (plain, plain_took) = timed(|| in_turn(count));
    let (threads, threads_took) = timed(|| in_threads(count));
    let (processes, processes_took) = timed(|| in_processes(&node, count));
    let (threads, processes) = (threads?, processes?);

    println!("two sums of the numbers below {count}, {} each", plain[0]);
    println!("one after the other  {plain_took:>10.1?}");
    println!("two threads          {threads_took:>10.1?}");
    println!("two processes        {processes_took:>10.1?}");
    println!("all six sums are equal: {}", plain == threads && plain == processes && plain[0] == plain[1]);
    Ok(())
}

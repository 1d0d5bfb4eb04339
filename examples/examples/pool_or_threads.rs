// cargo run --release -p callboard-examples --example pool_or_threads -- [processes|threads]
//! Processes or threads: one interface, what each costs, and which is better for which work.
//!
//! With an argument only that kind is measured. The verdict looks at the work done in turn: how long a task takes, and how
//! much of that it had use for a processor.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::thread::sleep;
use std::time::{Duration, Instant};

use callboard::Node;
use callboard::pool::{PoolOptions, Workers};

const BOTH: [Workers; 2] = [Workers::Threads, Workers::Processes];
/// A task below this costs less than handing it over.
const TOO_LIGHT: Duration = Duration::from_micros(5);

fn compute(n: u64) -> u64 {
    (0..2_000_000).fold(n, |sum, i| black_box(sum ^ i))
}

fn wait_a_little(n: u64) -> u64 {
    sleep(Duration::from_millis(20));
    n
}

fn add(n: u64) -> u64 {
    n + 1
}

/// What a pool costs: until its workers are there, and for a task that does nothing.
fn costs(node: &Node, mode: Workers) -> Result<(), Box<dyn Error>> {
    const TASKS: u32 = 2000;
    let begun = Instant::now();
    let pool = node.pool(PoolOptions::new().mode(mode).workers(2))?;
    pool.apply(add, 0)?;
    let start = begun.elapsed();
    let begun = Instant::now();
    for n in 0..TASKS {
        pool.apply(add, n.into())?;
    }
    let alone = begun.elapsed() / TASKS;
    let begun = Instant::now();
    pool.map(add, 0..TASKS.into())?;
    let in_a_map = begun.elapsed() / TASKS;
    println!("{mode:?}: first value after {start:.1?}; a call {alone:.1?}; a task of a map {in_a_map:.1?}");
    Ok(())
}

/// How long this thread has been on a processor, or has stood in line for one.
fn at_work() -> Result<Duration, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: Vec<u64> = text.split_whitespace().take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_nanos(nanos.iter().sum()))
}

fn verdict(took: Duration, busy: Duration, tasks: u32) -> &'static str {
    match () {
        () if took / tasks < TOO_LIGHT => "too light for a pool",
        () if busy * 2 < took => "I/O-bound: threads, more than processors; processes if it may crash",
        () => "CPU-bound: as many as processors; processes if it may crash",
    }
}

/// The same work in turn, in threads and in processes, and what follows.
fn compare(node: &Node, name: &str, work: fn(u64) -> u64, tasks: u32) -> Result<(), Box<dyn Error>> {
    let inputs = 0..u64::from(tasks);
    let (begun, busy_before) = (Instant::now(), at_work()?);
    let in_turn: Vec<u64> = inputs.clone().map(work).collect();
    let (took, busy) = (begun.elapsed(), at_work()? - busy_before);
    let mut row = format!("{name:<8} in turn {took:>8.1?}");
    for mode in BOTH {
        let pool = node.pool(PoolOptions::new().mode(mode).workers(4))?;
        // The workers are there before the time runs.
        pool.apply(add, 0)?;
        let begun = Instant::now();
        let values = pool.map(work, inputs.clone())?;
        let took = begun.elapsed();
        row += &format!(", {mode:?} {took:>8.1?}");
        if values != in_turn {
            return Err("the values differ".into());
        }
    }
    println!("{row}");
    println!("{name}: {}", verdict(took, busy, tasks));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    match std::env::args().nth(1).as_deref() {
        Some("processes") => return costs(&node, Workers::Processes),
        Some("threads") => return costs(&node, Workers::Threads),
        Some(other) => return Err(format!("{other} is neither processes nor threads").into()),
        None => BOTH.into_iter().try_for_each(|mode| costs(&node, mode))?,
    }
    compare(&node, "compute", compute, 16)?;
    compare(&node, "wait", wait_a_little, 16)?;
    compare(&node, "add", add, 100_000)
}

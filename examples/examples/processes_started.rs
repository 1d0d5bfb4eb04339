// cargo run --release -p callboard-examples --example processes_started
//! The two ways to start a process, and what they differ in: `spawn` runs the program again, `forkserver` copies one that has come as far as
//! `Node::start`, with all that `main` has made by then.

use std::error::Error;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use callboard::{Node, StartMethod};

/// What takes long to make, and is the same in all processes: here the primes below a million.
static TABLE: OnceLock<Vec<u32>> = OnceLock::new();

fn make_table() -> Vec<u32> {
    const BELOW: usize = 1_000_000;
    let mut is_prime = vec![true; BELOW];
    (2..BELOW).for_each(|n| (n * n..BELOW).step_by(n).for_each(|multiple| is_prime[multiple] = false));
    (2..BELOW as u32).filter(|n| is_prime[*n as usize]).collect()
}

/// The nth prime.
fn prime(_: &Node, n: usize) -> u32 {
    TABLE.get().map_or(0, |table| table[n])
}

/// Starts, asks and joins so many; how long each took.
fn ask(node: &Node, method: StartMethod, count: usize) -> Result<(u32, Duration), Box<dyn Error>> {
    let begun = Instant::now();
    let mut last = 0;
    for _ in 0..count {
        last = node.process("primes").start_method(method).spawn(prime, 9_999)?.join()?;
    }
    Ok((last, begun.elapsed() / count as u32))
}

fn main() -> Result<(), Box<dyn Error>> {
    // A child that is spawned comes through here too. One that is forked begins after it.
    TABLE.get_or_init(make_table);
    let node = Node::start()?;
    println!("the method is {}", node.start_method());
    for method in StartMethod::available() {
        // The first one starts the server.
        let (answer, first) = ask(&node, method, 1)?;
        let (_, each) = ask(&node, method, 10)?;
        println!("{method}: the 10,000th prime is {answer}");
        println!("{method}: the first after {first:.1?}, then {each:.1?} each");
    }
    // Not every system has it.
    if StartMethod::available().contains(&StartMethod::ForkServer) {
        node.set_start_method(StartMethod::ForkServer)?;
        println!("the method is {}", node.start_method());
    }
    println!("chosen: {}", node.spawn("primes", prime, 0)?.join()?);
    if let Err(error) = "fork".parse::<StartMethod>() {
        println!("{error}");
    }
    Ok(())
}

// cargo run --release -p callboard-examples --example processes_fail
//! Children that fail, and what the parent is told: each way to fail has a reason of its own.
//!
//! An error that the function returns is part of its value, so it arrives as the value does. Everything else is a
//! [`JoinError`]. A child that runs out of memory is aborted by Rust's own runtime, which prints why to the
//! standard error before it does; the parent collects that through a pipe. Here it asks for more than any machine has, so that
//! no memory is really used up.

use std::error::Error;
use std::hint::black_box;
use std::io::Read;
use std::time::Duration;

use callboard::{JoinError, Node};

/// Long enough that only the kill ends it.
const VERY_LONG: Duration = Duration::from_secs(60);

fn refuse(_: &Node, (): ()) -> Result<u32, String> {
    "seven".parse().map_err(|error| format!("\"seven\": {error}"))
}

fn panics(_: &Node, sizes: Vec<u32>) -> u32 {
    let first = sizes.first();
    *first.expect("at least one size")
}

fn exits(_: &Node, code: i32) {
    std::process::exit(code);
}

fn hangs(node: &Node, (): ()) {
    node.wait_stopping(VERY_LONG);
}

fn asks_for_too_much(_: &Node, bytes: usize) {
    black_box(Vec::<u8>::with_capacity(bytes));
}

/// Says how a child ended that is not expected to succeed.
fn reason<R: std::fmt::Debug>(ended: Result<R, JoinError>) -> String {
    match ended {
        Ok(value) => format!("it returned {value:?}"),
        Err(JoinError::Panicked(panic)) => format!("it panicked at {}: {}", panic.place, panic.message),
        Err(other) => other.to_string(),
    }
}

fn out_of_memory(node: &Node) -> Result<(), Box<dyn Error>> {
    let (mut words, end) = std::io::pipe()?;
    let too_much = isize::MAX.unsigned_abs();
    // With a backtrace, should the environment ask for one, it would be told as an abort alone.
    let child = node.process("greedy").env("RUST_BACKTRACE", "0").stderr(end);
    let child = child.spawn(asks_for_too_much, too_much)?;
    let ended = reason(child.join());
    let mut text = String::new();
    words.read_to_string(&mut text)?;
    println!("out of memory: {ended}");
    println!("its last words: {}", text.lines().find(|line| line.contains("alloc")).unwrap_or("none"));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;

    let refused = node.spawn("refuses", refuse, ())?;
    match refused.join()? {
        Ok(number) => println!("no error: {number}"),
        Err(error) => println!("error: {error}"),
    }

    let panicked = node.spawn("panics", panics, Vec::new())?;
    println!("panic: {}", reason(panicked.join()));

    let exited = node.spawn("exits", exits, 3)?;
    println!("exit: {}", reason(exited.join()));

    let killed = node.spawn("hangs", hangs, ())?;
    killed.kill()?;
    println!("kill: {}", reason(killed.join()));

    out_of_memory(&node)
}

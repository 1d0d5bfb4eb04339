// cargo run --release -p callboard-examples --example array_sum -- --megabytes 100
//! A large array summed in four parts by a pool of processes, none of which copies it.
//!
//! With `--megabytes 1000` it is a gigabyte, and no worker's own memory grows.

use std::ops::Range;
use std::time::Instant;

use callboard::pool::PoolOptions;
use callboard::{Array, ArrayOptions, Failure, Node};
use clap::Parser;

/// Sums an array in shared memory.
#[derive(Parser)]
struct Arguments {
    /// How large the array is.
    #[arg(long, default_value_t = 100)]
    megabytes: usize,
}

/// The sum of a part, and how much memory of its own the worker has, in kilobytes.
fn sum((numbers, part): (Array<u64>, Range<usize>)) -> Result<(u64, u64), Failure> {
    let sum = numbers.read(part)?.iter().sum();
    Ok((sum, own_kilobytes()?))
}

/// What of this process's memory in use is neither shared with others nor read from files.
fn own_kilobytes() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    Ok(line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let Arguments { megabytes } = Arguments::parse();
    let len = megabytes * 1_000_000 / size_of::<u64>();

    let numbers: Array<u64> = node.create("/numbers", ArrayOptions::new(len))?;
    for (index, number) in numbers.write(..)?.iter_mut().enumerate() {
        *number = index as u64;
    }

    let pool = node.pool(PoolOptions::new().workers(2))?;
    let parts = (0..4).map(|part| (numbers.clone(), len * part / 4..len * (part + 1) / 4));
    let begun = Instant::now();
    let mut total = 0;
    let mut largest = 0;
    for (part, outcome) in pool.map(sum, parts)?.into_iter().enumerate() {
        let (sum, kilobytes) = outcome?;
        println!("part {part}: {sum}");
        total += sum;
        largest = largest.max(kilobytes);
    }
    let expected = (len as u64 - 1) * len as u64 / 2;
    println!("summed {megabytes} MB in {:?}, right: {}", begun.elapsed(), total == expected);
    println!("each worker has under 20 MB of its own: {} ({largest} kB)", largest < 20_000);
    Ok(())
}

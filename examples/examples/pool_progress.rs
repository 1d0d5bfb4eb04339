// cargo run --release -p callboard-examples --example pool_progress
//! A long map with a progress bar, which is written to standard error: a bar on a terminal, plain lines otherwise.
//!
//! `progress_bar` needs the crate's feature `progress`. Without it there is `progress`, which calls a function of one's own.

use std::error::Error;
use std::thread::sleep;
use std::time::Duration;

use callboard::Node;
use callboard::pool::PoolOptions;

fn slow_square(n: u64) -> u64 {
    sleep(Duration::from_millis(15));
    assert!(n % 50 != 7, "{n} is one of those that fail");
    n * n
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let pool = node.pool(PoolOptions::new().workers(4))?;
    let outcomes = pool.each(slow_square, 0..200).progress_bar("squares").outcomes()?;
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    println!("{} squares, {failed} failed", outcomes.len() - failed);

    let mut last = None;
    let sum: u64 =
        pool.each(|n: u64| n * n, 0..1000).progress(|progress| last = Some(progress)).collect()?.iter().sum();
    println!("a hook of one's own: {:?} done, the sum is {sum}", last.map(|progress| progress.done));
    Ok(())
}

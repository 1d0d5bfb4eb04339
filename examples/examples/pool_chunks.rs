// cargo run --release -p callboard-examples --example pool_chunks -- [TASKS]
//! Light tasks, by the number that travels together: one by one, as the pool finds best, and ten thousand.
//!
//! By itself a pool begins with single tasks and makes as many a chunk as take half a millisecond. TASKS is a million unless
//! told otherwise; one by one a tenth of them are done.

use std::error::Error;
use std::time::Instant;

use callboard::Node;
use callboard::pool::{Mapping, Pool, PoolOptions};

const TASKS: u64 = 1_000_000;

fn square(n: u64) -> u64 {
    n * n
}

/// Does so many tasks, prints the rate; the sum of what came.
fn measure(
    pool: &Pool,
    name: &str,
    tasks: u64,
    chunks: impl FnOnce(
        Mapping<'_, u64, u64, std::ops::Range<u64>>,
    ) -> Mapping<'_, u64, u64, std::ops::Range<u64>>,
) -> Result<u64, Box<dyn Error>> {
    let begun = Instant::now();
    let mut sum = 0;
    for (_, square) in chunks(pool.each(square, 0..tasks)).unordered() {
        sum += square?;
    }
    let rate = tasks as f64 / begun.elapsed().as_secs_f64();
    println!("{name:<15} {tasks:>9} tasks {rate:>11.0} a second");
    Ok(sum)
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let tasks = std::env::args().nth(1).map_or(Ok(TASKS), |tasks| tasks.parse())?;
    let pool = node.pool(PoolOptions::new().workers(2))?;
    // So that no measurement has the start of the workers in it.
    pool.map(square, 0..1000)?;

    let few = tasks / 10;
    let one = measure(&pool, "one by one", few, |each| each.chunk(1))?;
    let own = measure(&pool, "by itself", tasks, |each| each)?;
    let many = measure(&pool, "ten thousand", tasks, |each| each.chunk(10_000))?;

    let right = |tasks: u64| (0..tasks).map(square).sum::<u64>();
    println!("all squares came: {}", one == right(few) && own == right(tasks) && many == own);
    Ok(())
}

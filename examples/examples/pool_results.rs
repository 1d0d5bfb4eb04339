// cargo run --release -p callboard-examples --example pool_results
//! What comes of tasks: as they are done, in order, and where one stands; and one function over four lists.

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use callboard::Node;
use callboard::pool::{Pool, PoolOptions, as_completed};

fn slow_square(n: u64) -> u64 {
    sleep(Duration::from_millis(100));
    n * n
}

fn results(pool: &Pool) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let tasks = (0..20).map(|n| pool.submit(slow_square, n)).collect::<Result<Vec<_>, _>>()?;
    let mut squares = Vec::new();
    for (place, square) in as_completed(tasks) {
        squares.push((place, square?));
    }
    println!("20 tasks of 0.1 s on {} workers took {:.2?}", pool.max_workers(), begun.elapsed());
    println!("the first that were done: {:?}", &squares[..4]);
    squares.sort_unstable();
    println!(
        "as they are done, then sorted: {:?}",
        squares.iter().map(|(_, square)| square).collect::<Vec<_>>()
    );

    let begun = Instant::now();
    let squares = pool.each(slow_square, 0..20).ordered().collect::<Result<Vec<_>, _>>()?;
    println!("in order, in {:.2?}: {squares:?}", begun.elapsed());
    Ok(())
}

fn states(node: &Node) -> Result<(), Box<dyn Error>> {
    let pool = node.pool(PoolOptions::new().workers(1))?;
    let first = pool.submit(slow_square, 1)?;
    let mut second = pool.submit(slow_square, 2)?;
    println!("behind another: {:?}, done: {}", second.state(), second.is_done());
    println!("in a hundredth of a second: {:?}", second.result_timeout(Duration::from_millis(10))?);
    println!("the first is {}", first.result()?);
    let value = second.result_timeout(Duration::from_secs(10))?;
    println!("afterwards: {:?}, with {value:?}", second.state());
    Ok(())
}

/// The area of a box from its left, right, upper and lower edge.
fn area((x1, x2, y1, y2): (u32, u32, u32, u32)) -> u32 {
    (x2 - x1) * (y2 - y1)
}

fn boxes(pool: &Pool) -> Result<(), Box<dyn Error>> {
    let (x1, x2) = ([5, 10, 20, 35], [15, 20, 30, 55]);
    let (y1, y2) = ([10, 10, 20, 15], [20, 20, 30, 35]);
    let boxes = x1.into_iter().zip(x2).zip(y1.into_iter().zip(y2));
    let areas = pool.map(area, boxes.map(|((x1, x2), (y1, y2))| (x1, x2, y1, y2)))?;
    println!("areas: {areas:?}");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let pool = node.pool(PoolOptions::new().workers(4))?;
    results(&pool)?;
    states(&node)?;
    boxes(&pool)
}

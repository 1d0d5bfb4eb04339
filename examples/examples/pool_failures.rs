// cargo run --release -p callboard-examples --example pool_failures
//! Bad tasks among good ones: each fails for a reason of its own, and the good ones all have their values. Then workers' lives:
//! an initializer, workers that are replaced, a pool within a task.

use std::collections::BTreeSet;
use std::error::Error;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use callboard::pool::{Pool, PoolOptions, Retries, TaskError, Worker};
use callboard::{Counter, CounterOptions, Failure, Node};

/// Long enough that only a kill ends it.
const VERY_LONG: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_millis(100);

fn square(n: u64) -> u64 {
    n * n
}

fn divide((a, b): (u64, u64)) -> u64 {
    a / b
}

/// An error that a function returns is its value: the task has not failed.
fn parse(text: String) -> Result<u64, Failure> {
    Ok(text.parse()?)
}

fn never_ends((): ()) {
    sleep(VERY_LONG);
}

/// Its shell kills this worker, which is its parent.
fn is_killed((): ()) {
    if Command::new("sh").args(["-c", "kill -9 $PPID"]).status().is_ok() {
        sleep(VERY_LONG);
    }
}

/// Fails twice, wherever it runs.
fn fails_twice(tries: Counter) -> Result<i64, Failure> {
    let tries = tries.add(1)?;
    assert!(tries > 2, "this is try {tries}");
    Ok(tries)
}

/// How a task ended that is not expected to succeed.
fn reason<R>(result: Result<R, TaskError>) -> String {
    match result {
        Ok(_) => "it has a value".to_owned(),
        Err(TaskError::Panicked(panic)) => format!("it panicked at {}: {}", panic.place, panic.message),
        Err(other) => other.to_string(),
    }
}

fn bad_among_good(node: &Node, pool: &Pool) -> Result<(), Box<dyn Error>> {
    let tries: Counter = node.anonymous(CounterOptions::new());
    let mut good = (0..10).map(|n| pool.submit(square, n)).collect::<Result<Vec<_>, _>>()?;
    let divided = pool.submit(divide, (1, 0))?;
    let parsed = pool.submit(parse, "seven".to_owned())?;
    let endless = pool.task(never_ends, ()).time_limit(LIMIT).submit()?;
    let killed = pool.submit(is_killed, ())?;
    let tried = pool.task(fails_twice, tries).retries(Retries::up_to(5)).submit()?;
    for n in 10..20 {
        good.push(pool.submit(square, n)?);
    }

    println!("divided: {}", reason(divided.result()));
    println!("parsed: {:?}", parsed.result()?.map_err(|failure| failure.to_string()));
    println!("endless: {}", reason(endless.result()));
    println!("killed: {}", reason(killed.result()));
    println!("tried again until try {}", tried.result()??);
    let good = good.into_iter().map(|task| task.result()).collect::<Result<Vec<_>, _>>()?;
    println!("{} good ones, with the sum {}", good.len(), good.iter().sum::<u64>());
    Ok(())
}

/// How often a worker was set up in this process.
static SET_UP: AtomicU32 = AtomicU32::new(0);

/// What each worker does first: it keeps what its tasks need.
fn set_up(worker: &mut Worker, word: String) -> Result<(), Failure> {
    SET_UP.fetch_add(1, Relaxed);
    worker.set_state(word);
    Ok(())
}

fn greet(worker: &mut Worker, n: u64) -> (String, u32, u32) {
    let word = worker.state::<String>().map_or("nothing", |word| word.as_str());
    (format!("{word} {n}"), std::process::id(), SET_UP.load(Relaxed))
}

fn lives(node: &Node) -> Result<(), Box<dyn Error>> {
    let options = PoolOptions::new().workers(2).initializer(set_up, "hello".to_owned()).tasks_per_worker(3);
    let pool = node.pool(options)?;
    let greetings = pool.each_on_worker(greet, 1..=12).collect()?;
    let workers: BTreeSet<u32> = greetings.iter().map(|(_, pid, _)| *pid).collect();
    println!("{} to {}", greetings[0].0, greetings[11].0);
    println!("each worker was set up once: {}", greetings.iter().all(|(_, _, times)| *times == 1));
    println!("12 tasks, three a worker at most: four workers or more: {}", workers.len() >= 4);
    println!("{}", pool.stats());
    Ok(())
}

/// A task that makes a pool of its own, on the node of its worker.
fn nested(worker: &mut Worker, upto: u64) -> Result<u64, Failure> {
    let node = worker.node().ok_or(Failure::new("the node has ended"))?;
    let pool = node.pool(PoolOptions::new())?;
    Ok(pool.map(square, 1..=upto)?.into_iter().sum())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let pool = node.pool(PoolOptions::new().workers(2))?;
    bad_among_good(&node, &pool)?;
    lives(&node)?;
    println!("a pool within a task: {}", pool.submit_to_worker(nested, 5)?.result()??);
    Ok(())
}

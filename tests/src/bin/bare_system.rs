//! A program for the test `bare_systems`: tells what the system lacks, then does a little of everything and says that it works.

use std::error::Error;
use std::time::Duration;

use callboard::pool::PoolOptions;
use callboard::{Failure, Lack, Lock, LockOptions, Node, Queue, QueueOptions};

const LONG: Duration = Duration::from_secs(60);

/// Puts so many numbers under a lock.
fn puts(_: &Node, (numbers, lock, count): (Queue<u64>, Lock, u64)) -> bool {
    (0..count).all(|n| lock.lock().is_ok_and(|_held| numbers.put(n).is_ok()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let started = Node::start();
    let lacks = callboard::check();
    for lack in &lacks {
        println!("lacks: {lack}");
    }
    if let Some(fatal) = lacks.iter().find(|lack| lack.is_fatal()) {
        // For the test alone: what a program would hear that had not asked.
        if let Ok(Err(error)) = started.map(|node| node.spawn("child", |_, ()| (), ())) {
            println!("spawn: {}", Failure::from(error));
        }
        return Err(fatal.to_string().into());
    }
    let node = started?;
    let numbers: Queue<u64> = node.anonymous(QueueOptions::new());
    let lock: Lock = node.anonymous(LockOptions::new());
    let children =
        [1, 2].map(|n| node.spawn(&format!("child {n}"), puts, (numbers.clone(), lock.clone(), 100)));
    let mut sum = 0;
    for _ in 0..200 {
        sum += numbers.get_timeout(LONG)?;
    }
    for child in children {
        assert!(child?.join()?, "a child could not put");
    }
    let pool = node.pool(PoolOptions::new().workers(2))?;
    let squares: u64 = pool.map(|n: u64| n * n, 0..100)?.into_iter().sum();
    assert!(pool.shutdown(LONG), "the pool did not end");
    if lacks.contains(&Lack::Proc) {
        let refused = node.command("true").spawn().err().ok_or("a program was started without /proc")?;
        println!("programs: {refused}");
    } else {
        let grep = node.command("grep").args(["SigIgn", "/proc/self/status"]).stdout_captured().spawn()?;
        let line = grep.stdout().ok_or("it is captured")?.read_line()?;
        grep.wait()?;
        println!("programs: {}", line.ok_or("it wrote nothing")?);
    }
    println!("works: {sum} {squares}");
    Ok(())
}

// cargo run --release -p callboard-examples --example lockstep_group
//! A group of four workers goes in lockstep: in each round all of them work under a lock that they take twice, wait for each other at a barrier, and
//! then have their turn one after the other, for which they wait by a condition.

use callboard::{
    Barrier, BarrierOptions, Condition, ConditionOptions, Failure, List, ListOptions, LockOptions, Node,
    ReentrantLock, Value, ValueOptions,
};
use serde::{Deserialize, Serialize};

const WORKERS: u64 = 4;
const ROUNDS: u64 = 3;

/// What the group shares.
#[derive(Clone, Serialize, Deserialize)]
struct Shared {
    lock: ReentrantLock,
    /// Changed in two steps, with the lock in hand.
    done: Value<u64>,
    barrier: Barrier,
    turns: Condition,
    /// Whose turn it is.
    turn: Value<u64>,
    marks: List<String>,
}

/// Takes the lock, which its caller has too.
fn count(shared: &Shared) -> Result<(), Failure> {
    let guard = shared.lock.lock()?;
    assert_eq!(guard.depth(), 2);
    let before = shared.done.get()?;
    shared.done.set(before + 1)?;
    Ok(())
}

fn worker(_: &Node, (number, shared): (u64, Shared)) -> Result<(), Failure> {
    for _ in 0..ROUNDS {
        let guard = shared.lock.lock()?;
        count(&shared)?;
        drop(guard);
        shared.barrier.wait()?;

        let mut guard = shared.turns.lock()?;
        while shared.turn.get()? != number {
            guard.wait()?;
        }
        shared.marks.push(number.to_string())?;
        shared.turn.set((number + 1) % WORKERS)?;
        guard.notify_all()?;
        drop(guard);
        shared.barrier.wait()?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let shared = Shared {
        lock: node.create("/lock", LockOptions::new())?,
        done: node.create("/done", ValueOptions::new(0))?,
        barrier: node.create("/barrier", BarrierOptions::new(WORKERS as usize)?)?,
        turns: node.create("/turns", ConditionOptions::new())?,
        turn: node.create("/turn", ValueOptions::new(0))?,
        marks: node.create("/marks", ListOptions::new())?,
    };
    let start = |number| node.spawn(&format!("worker-{number}"), worker, (number, shared.clone()));
    for worker in (0..WORKERS).map(start).collect::<Result<Vec<_>, _>>()? {
        worker.join()??;
    }
    for (round, marks) in shared.marks.snapshot()?.chunks(WORKERS as usize).enumerate() {
        println!("round {}, in turn: {}", round + 1, marks.join(" "));
    }
    println!("done {} times, the lock is free: {}", shared.done.get()?, shared.lock.holder()?.is_none());
    Ok(())
}

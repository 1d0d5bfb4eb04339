//! What the cases share: functions, and tasks that wait until the test lets them go on.

use callboard::pipeline::Workers;
use callboard::pool::{Pool, PoolOptions, Task, TaskState};
use callboard::{Event, EventOptions, Node};
use callboard_tests::eventually;

pub(crate) fn square(n: u64) -> u64 {
    n * n
}

/// Panics if the number is odd.
pub(crate) fn even(n: u64) -> u64 {
    assert!(n.is_multiple_of(2), "{n} is odd");
    n
}

pub(crate) fn process(_: ()) -> u32 {
    std::process::id()
}

pub(crate) fn pool_of(node: &Node, mode: Workers, workers: usize) -> Pool {
    node.pool(PoolOptions::new().mode(mode).workers(workers)).unwrap()
}

/// A gate that is shut.
pub(crate) fn gate(node: &Node) -> Event {
    node.anonymous(EventOptions::new())
}

fn waits((open, value): (Event, u64)) -> u64 {
    open.wait().unwrap();
    value
}

/// A task that returns `value` once the gate is open.
pub(crate) fn at_gate(pool: &Pool, gate: &Event, value: u64) -> Task<u64> {
    pool.submit(waits, (gate.clone(), value)).unwrap()
}

/// The same, when it runs already.
pub(crate) fn running(pool: &Pool, gate: &Event, value: u64) -> Task<u64> {
    let task = at_gate(pool, gate, value);
    eventually("it runs", || task.state() == TaskState::Running);
    task
}

/// The right values of [`square`].
pub(crate) fn squares(of: std::ops::Range<u64>) -> Vec<u64> {
    of.map(square).collect()
}

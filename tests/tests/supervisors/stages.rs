//! Pipelines and pools as children of a supervisor: each in a process whose function runs it.

use std::error::Error;
use std::time::Duration;

use callboard::pipeline::{Outputs, Pipeline, Stage, StageOptions, Workers};
use callboard::pool::PoolOptions;
use callboard::{ChildSpec, Failure, Node, Queue, QueueOptions, SupervisorEnd};
use callboard_tests::{LeakCheck, PATIENCE, eventually, is_running, pause, rounds, send_signal};
use serde::{Deserialize, Serialize};

use crate::quiet;

/// What a child has done: who it was, and a value.
type Done = (u32, u64);

#[derive(Clone, Serialize, Deserialize)]
struct Double;

impl Stage for Double {
    type In = u64;
    type Out = u64;
    fn item(&mut self, n: u64, out: &mut Outputs<u64>) -> Result<(), Box<dyn Error>> {
        out.put(&(n * 2));
        Ok(())
    }
}

/// A pipeline that ends when its process is asked to: then its source does, and what is under way is finished.
fn pipeline(node: &Node, (to, ended): (Queue<Done>, Queue<String>)) -> Result<(), Failure> {
    let numbers = (0..).inspect(|_| pause(Duration::from_millis(1)));
    let report = Pipeline::source(numbers)
        .stage(StageOptions::new("double").workers(2), Double)
        .run(node, Workers::Processes, |double: u64| {
            // Full, if nobody looks: then this value is not needed.
            let _ = to.try_put((std::process::id(), double));
        })
        .map_err(|error| Failure::new(error.to_string()))?;
    // Once for each end in order.
    Ok(ended.put(format!("pipeline: {} were left behind", report.read - report.delivered))?)
}

/// A pool that works until its process is asked to end.
fn pool(node: &Node, (to, ended): (Queue<Done>, Queue<String>)) -> Result<(), Failure> {
    let pool = node.pool(PoolOptions::new().workers(2))?;
    while !node.stopping() {
        let sum = pool.map(|n: u64| n * n, 0..100).map_err(|error| Failure::new(error.to_string()))?;
        let _ = to.try_put((std::process::id(), sum.into_iter().sum()));
        node.wait_stopping(Duration::from_millis(1));
    }
    let is_done = pool.shutdown(PATIENCE);
    Ok(ended.put(format!("pool: all was done: {is_done}"))?)
}

/// The process that a child is in now: another than `before`.
fn next(from: &Queue<Done>, before: u32) -> u32 {
    let mut pid = before;
    eventually("it works", || {
        pid = from.get_timeout(PATIENCE).unwrap().0;
        pid != before
    });
    pid
}

/// > A pipeline or a pool is a child by a process whose function runs it: killed it is started again with its workers, asked to
/// > end it finishes what is under way.
#[test]
fn pipelines_and_pools_are_children_by_a_process() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let doubles: Queue<Done> = node.anonymous(QueueOptions::new().capacity(4));
        let sums: Queue<Done> = node.anonymous(QueueOptions::new().capacity(4));
        let ended: Queue<String> = node.anonymous(QueueOptions::new());
        let spec = quiet()
            .child(ChildSpec::process("pipeline", pipeline, (doubles.clone(), ended.clone())))
            .child(ChildSpec::process("pool", pool, (sums.clone(), ended.clone())));
        let supervisor = node.supervise(&spec).unwrap();
        for from in [&doubles, &sums] {
            let mut pid = next(from, 0);
            for _ in 0..rounds(5) {
                send_signal(pid, 9);
                let again = next(from, pid);
                eventually("it is gone", || !is_running(pid));
                pid = again;
            }
        }
        supervisor.stop();
        assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
        let said: Vec<String> = std::iter::from_fn(|| ended.try_get().ok()).collect();
        assert_eq!(said, ["pool: all was done: true", "pipeline: 0 were left behind"]);
    }
    check.check();
}

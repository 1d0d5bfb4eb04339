//! Rounds of everything that a program does, each time from start to end: nothing is left of any.
//!
//! One test alone, since it counts what this process holds.

use std::time::Duration;

use callboard::pipeline::{Outputs, Pipeline, Stage, StageOptions, Workers};
use callboard::{Node, Queue, QueueOptions};
use callboard_tests::{LeakCheck, PATIENCE, rounds, send_signal};
use serde::{Deserialize, Serialize};

callboard::test_door!();

#[derive(Clone, Serialize, Deserialize)]
struct Double;

impl Stage for Double {
    type In = u64;
    type Out = u64;
    fn item(&mut self, n: u64, out: &mut Outputs<u64>) -> Result<(), Box<dyn std::error::Error>> {
        out.put(&(2 * n));
        Ok(())
    }
}

/// Passes numbers on through a child of its own.
fn passes(node: &Node, (from, to, depth): (Queue<u64>, Queue<u64>, u32)) {
    if depth > 0 {
        node.spawn("deeper", passes, (from, to, depth - 1)).unwrap().join().unwrap();
        return;
    }
    for n in &from {
        to.put(n).unwrap();
    }
}

fn waits(node: &Node, queue: Queue<u64>) {
    let _lease = queue.lease();
    node.wait_stopping(PATIENCE);
}

fn one_round(round: u64) {
    let node = Node::start().unwrap();
    let from: Queue<u64> = node.create("/from", QueueOptions::new()).unwrap();
    let to: Queue<u64> = node.anonymous(QueueOptions::new());
    let passing = node.spawn("passes", passes, (from.clone(), to.clone(), (round % 2) as u32)).unwrap();
    from.put_many(0..100).unwrap();
    from.close().unwrap();
    assert_eq!((0..100).map(|_| to.get().unwrap()).sum::<u64>(), 4950);
    passing.join().unwrap();

    let killed = node.spawn("waits", waits, to.clone()).unwrap();
    to.put(1).unwrap();
    if round.is_multiple_of(3) {
        send_signal(killed.pid(), 19);
    }
    send_signal(killed.pid(), 9);
    assert!(killed.join().is_err());
    let guest = Node::join(&node.job()).unwrap();
    assert_eq!(guest.open::<Queue<u64>>("/from").unwrap().len(), Ok(0));
    if round.is_multiple_of(5) {
        let mut sum = 0;
        let mode = if round.is_multiple_of(2) { Workers::Processes } else { Workers::Threads };
        Pipeline::source(0..10_u64)
            .stage(StageOptions::new("double"), Double)
            .run(&node, mode, |n: u64| sum += n)
            .unwrap();
        assert_eq!(sum, 90);
    }
    // One that is left to the end of the node.
    let _left = node.process("left").stderr_null().spawn(waits, to).unwrap();
}

/// > Start, spawn, use, kill, shut down: after any number of rounds no process, thread, descriptor, socket or
/// > shared memory is left.
#[test]
fn nothing_is_left_after_many_rounds() {
    one_round(0);
    let leaks = LeakCheck::new();
    let begun = std::time::Instant::now();
    for round in 1..=rounds(60) {
        one_round(round);
        assert!(begun.elapsed() < Duration::from_secs(3600));
    }
    leaks.check();
}

//! Rounds of everything that a program does, each time from start to end: nothing is left of any.
//!
//! One test alone, since it counts what this process holds.

use std::time::Duration;

use callboard::pipeline::{Outputs, Pipeline, Stage, StageOptions, Workers};
use callboard::{Node, PipeReceiver, PutError, Queue, QueueOptions, SendError};
use callboard_tests::{LeakCheck, PATIENCE, rounds, send_signal};
use serde::ser::{Error as _, SerializeTuple as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// A handle, and beside it something that can't be encoded.
struct Half(Queue<u64>);

impl Serialize for Half {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&self.0)?;
        // While this value is half encoded, another goes the same way, and another fails.
        self.0.put(1).map_err(S::Error::custom)?;
        Err(S::Error::custom("the other half is missing"))
    }
}

impl<'de> Deserialize<'de> for Half {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <(Queue<u64>, u64)>::deserialize(deserializer).map(|(queue, _)| Self(queue))
    }
}

/// Handles that start on their way and do not leave.
fn fails_to_send(node: &Node, there: &Queue<u64>) {
    let halves: Queue<Half> = node.anonymous(QueueOptions::new());
    let before = there.len().unwrap();
    for _ in 0..10 {
        let own: Queue<u64> = node.anonymous(QueueOptions::new());
        assert!(matches!(halves.put(Half(own)), Err(PutError::Encode(..))));
        assert!(matches!(halves.put(Half(there.clone())), Err(PutError::Encode(..))));
        assert!(node.spawn("never", |_: &Node, _: Half| (), Half(there.clone())).is_err());
    }
    assert_eq!(halves.len(), Ok(0));
    // What each of them put on its way has arrived.
    there.flush().unwrap();
    assert_eq!(there.len(), Ok(before + 20));
    (0..20).for_each(|_| assert_eq!(there.get(), Ok(1)));
}

/// An end of a pipe, and beside it something that can't be encoded.
struct Broken(PipeReceiver<u64>);

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer).and(Err(S::Error::custom("the other half is missing")))
    }
}

impl<'de> Deserialize<'de> for Broken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PipeReceiver::deserialize(deserializer).map(Self)
    }
}

/// Ends of pipes that leave, do not leave, arrive nowhere, and are not claimed.
fn passes_ends(node: &Node) {
    fn receives(_: &Node, (line, own): (PipeReceiver<PipeReceiver<u64>>, PipeReceiver<u64>)) -> u64 {
        line.recv().unwrap().recv().unwrap() + own.recv().unwrap()
    }
    let (line, their_line) = node.one_way_pipe().unwrap();
    let (own, their_own) = node.one_way_pipe::<u64>().unwrap();
    let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
    let child = node.spawn("receives", receives, (their_line, their_own)).unwrap();
    let broken = node.one_way_pipe::<Broken>().unwrap();
    let Err(SendError::Encode(Broken(receiver), _)) = broken.0.send(Broken(receiver)) else { panic!() };
    line.send(receiver).unwrap();
    sender.send(1).unwrap();
    own.send(2).unwrap();
    assert_eq!(child.join().unwrap(), 3);
    let (lost, unclaimed) = (node.one_way_pipe().unwrap(), node.one_way_pipe::<u64>().unwrap());
    lost.0.send((unclaimed.1, serde_bytes::ByteBuf::from(vec![1; 100_000]))).unwrap();
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

    fails_to_send(&node, &to);
    passes_ends(&node);

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
///
/// > Nor of handles in values and arguments whose encoding fails half way.
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

//! Pipes have no owner: killed is who holds the sending end, the receiving one, an end that does both, or who passed one on.

use std::path::PathBuf;
use std::time::Duration;

use callboard::{Node, PipeEnd, PipeReceiver, PipeSender, Process, RecvError, SendError};
use callboard_tests::{PATIENCE, Random, eventually, pause};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::notes::{Notes, What, count};
use crate::{Kill, every_cell};

const LONGEST: Duration = Duration::from_millis(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Sender,
    Receiver,
    Both,
    PassedItOn,
}

/// A number, and as many bytes of it as it says.
#[derive(Serialize, Deserialize)]
struct Message {
    number: u64,
    bytes: ByteBuf,
}

impl Message {
    fn new(number: u64) -> Self {
        // Now and then one that is larger than what may be on its way.
        let len = if number % 64 == 63 { 300_000 } else { number % 97 * (number % 13) };
        Self { number, bytes: ByteBuf::from(vec![number as u8; len as usize]) }
    }

    #[track_caller]
    fn check(&self, number: u64) {
        assert_eq!(self.number, number, "lost, doubled or out of order");
        assert!(self.bytes == Self::new(number).bytes, "message {number} is spoilt");
    }
}

/// Sends until nobody receives, or it is asked to end; how many were sent.
fn sends(node: &Node, (sender, notes): (PipeSender<Message>, PathBuf)) -> u64 {
    let notes = Notes::open(&notes);
    for number in 0.. {
        match sender.send(Message::new(number)) {
            Ok(()) => notes.note(What::Gave, number),
            Err(SendError::Closed(_)) => return number,
            Err(error) => panic!("{error}"),
        }
        if node.stopping() {
            return number + 1;
        }
    }
    unreachable!("there are more numbers")
}

/// Receives until the end; how many came.
fn receives(_: &Node, (receiver, notes): (PipeReceiver<Message>, PathBuf)) -> u64 {
    let notes = Notes::open(&notes);
    for number in 0.. {
        match receiver.recv() {
            Ok(message) => message.check(number),
            Err(RecvError::Closed) => return number,
            Err(error) => panic!("{error}"),
        }
        notes.note(What::Took, number);
    }
    unreachable!("there are more numbers")
}

/// Says a number and hears it back, or the other way round, until the other has ended.
fn talks(_: &Node, (end, begins, notes): (PipeEnd<Message, Message>, bool, PathBuf)) {
    let notes = Notes::open(&notes);
    for number in 0.. {
        let says = || match end.send(Message::new(number)) {
            Ok(()) => true,
            Err(SendError::Closed(_)) => false,
            Err(error) => panic!("{error}"),
        };
        let hears = || match end.recv() {
            Ok(message) => {
                message.check(number);
                true
            }
            Err(RecvError::Closed) => false,
            Err(error) => panic!("{error}"),
        };
        let steps: [&dyn Fn() -> bool; 2] = if begins { [&says, &hears] } else { [&hears, &says] };
        if !steps.iter().all(|step| step()) {
            return;
        }
        notes.note(What::Took, number);
    }
}

/// Takes an end from one pipe, sends it back by another, and stays.
fn passes_on(
    node: &Node,
    (line, back): (PipeReceiver<PipeReceiver<Message>>, PipeSender<PipeReceiver<Message>>),
) {
    back.send(line.recv().unwrap()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

fn kill<R>(process: &Process<R>, kill: Kill, notes: [&PathBuf; 2], random: &mut Random) {
    if random.below(4) > 0 {
        eventually("messages pass", || notes.iter().all(|notes| count(notes) > 0));
    }
    pause(random.time(LONGEST));
    kill.strike(process.pid(), random);
}

fn one_way(node: &Node, victim: Victim, how: Kill, random: &mut Random) {
    let folder = tempfile::tempdir().unwrap();
    let (sent, received) = (folder.path().join("sent"), folder.path().join("received"));
    let (sender, receiver) = node.one_way_pipe().unwrap();
    let ((line, their_line), (their_back, back)) =
        (node.one_way_pipe().unwrap(), node.one_way_pipe().unwrap());
    let passing = node.process("passes").stderr_null().spawn(passes_on, (their_line, their_back)).unwrap();
    line.send(receiver).unwrap();
    let receiver = back.recv_timeout(PATIENCE).unwrap();
    let sends = node.spawn("sends", sends, (sender, sent.clone())).unwrap();
    let receives = node.spawn("receives", receives, (receiver, received.clone())).unwrap();
    let files = [&sent, &received];
    match victim {
        Victim::Sender => {
            kill(&sends, how, files, random);
            let came = receives.join_timeout(PATIENCE).unwrap();
            assert!(came >= count(&sent), "{came} came of {} that were sent", count(&sent));
            assert!(sends.join_timeout(PATIENCE).is_err());
        }
        Victim::Receiver => {
            kill(&receives, how, files, random);
            let gone = sends.join_timeout(PATIENCE).unwrap();
            assert!(gone >= count(&received));
            assert!(receives.join_timeout(PATIENCE).is_err());
        }
        Victim::PassedItOn | Victim::Both => {
            kill(&passing, how, files, random);
            assert!(passing.join_timeout(PATIENCE).is_err());
            let before = count(&received);
            eventually("more messages pass", || count(&received) > before + 2);
            sends.terminate(PATIENCE);
            let count = sends.join_timeout(PATIENCE).unwrap();
            assert_eq!(receives.join_timeout(PATIENCE).unwrap(), count);
            return;
        }
    }
    passing.terminate(PATIENCE);
    passing.join_timeout(PATIENCE).unwrap();
}

fn both_ways(node: &Node, how: Kill, random: &mut Random) {
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("one"), folder.path().join("other")];
    let (one, other) = node.pipe().unwrap();
    let one = node.spawn("one", talks, (one, true, files[0].clone())).unwrap();
    let other = node.spawn("other", talks, (other, false, files[1].clone())).unwrap();
    let (victim, left) = if random.below(2) == 0 { (one, other) } else { (other, one) };
    kill(&victim, how, [&files[0], &files[1]], random);
    left.join_timeout(PATIENCE).unwrap();
    assert!(victim.join_timeout(PATIENCE).is_err());
}

/// > So it is with pipes, whether the killed one sends, receives, does both, or once held an end.
#[test]
fn a_pipe() {
    let victims = [Victim::Sender, Victim::Receiver, Victim::Both, Victim::PassedItOn];
    every_cell(&victims, |node, victim, kill, random| match victim {
        Victim::Both => both_ways(node, kill, random),
        victim => one_way(node, victim, kill, random),
    });
}

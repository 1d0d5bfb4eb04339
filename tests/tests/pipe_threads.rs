//! Ends of pipes that several threads of a process use at once, also while they are sent away.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use callboard::{Node, PipeReceiver, PipeSender, RecvBytesError, SendError, SpawnError, WaitAny};
use callboard_tests::{PATIENCE, eventually, pause, rounds};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

callboard::test_door!();

/// Longer than what goes through the ring, so that a receive also reads the socket.
const LONG: usize = 70_000;

/// > A bell that one thread reads wakes the others too, whatever each of them waits for.
#[test]
fn a_bell_that_one_thread_reads_wakes_the_others_too() {
    let node = Node::start().unwrap();
    // Who waits among other things has been told; the message is taken otherwise, and the next one must be told again.
    let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
    let mut any = WaitAny::new(&node);
    let member = any.add(&receiver);
    for _ in 0..rounds(100) {
        while any.try_wait().is_some() {}
        sender.send_bytes(&[7; LONG]).unwrap();
        assert_eq!(receiver.recv_bytes().unwrap().len(), LONG);
        pause(Duration::from_millis(1));
        sender.send_bytes(b"x").unwrap();
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
        assert_eq!(receiver.recv_bytes_timeout(Duration::ZERO).unwrap(), b"x");
    }
    // One thread waits for room while another receives.
    let (ours, theirs) = node.pipe::<u64, u64>().unwrap();
    let (ours, theirs) = (Arc::new(ours), Arc::new(theirs));
    let receives = Arc::clone(&theirs);
    let receiving = std::thread::spawn(move || while receives.recv_bytes().is_ok() {});
    let (go, told) = mpsc::channel::<()>();
    let sending = std::thread::spawn(move || {
        for () in told {
            (0..6).for_each(|_| theirs.send_bytes(&[1; 60_000]).unwrap());
        }
    });
    for round in 0..rounds(200) {
        go.send(()).unwrap();
        pause(Duration::from_micros(600));
        ours.send_bytes(&[2; LONG]).unwrap();
        pause(Duration::from_nanos(round * 7919 % 60_000));
        (0..6).for_each(|_| assert_eq!(ours.recv_bytes_timeout(PATIENCE).unwrap().len(), 60_000));
    }
    drop((go, ours));
    sending.join().unwrap();
    receiving.join().unwrap();
}

/// An end that its sender keeps a share of.
#[derive(Debug)]
struct Shared<E>(Arc<E>);

impl<E: Serialize> Serialize for Shared<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, E: Deserialize<'de>> Deserialize<'de> for Shared<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        E::deserialize(deserializer).map(|end| Self(Arc::new(end)))
    }
}

/// > An end whose message is under way says `Moved` to all who use it, and is whole where it arrives.
#[test]
fn an_end_whose_message_is_under_way_says_so_and_arrives_whole() {
    let node = Node::start().unwrap();
    let (inner, receiver) = node.one_way_pipe::<PipeReceiver<u64>>().unwrap();
    let receiver = Arc::new(receiver);
    let (senders, ends): (Vec<_>, Vec<_>) = (0..3).map(|_| node.one_way_pipe::<u64>().unwrap()).unzip();
    ends.into_iter().for_each(|end| inner.send(end).unwrap());
    // All three have been heard of; one is received.
    let first = receiver.recv().unwrap();
    let (outer, other) = node.one_way_pipe::<Shared<PipeReceiver<PipeReceiver<u64>>>>().unwrap();
    let mut filled = 0;
    while outer.send_bytes_timeout(&[0; 60_000], Duration::ZERO).is_ok() {
        filled += 1;
    }
    while outer.send_bytes_timeout(&[0; 60], Duration::ZERO).is_ok() {
        filled += 1;
    }
    let shared = Arc::clone(&receiver);
    let sending = std::thread::spawn(move || outer.send(Shared(shared)).map(|()| outer));
    eventually("it is under way", || {
        matches!(receiver.recv_bytes_timeout(Duration::ZERO), Err(RecvBytesError::Moved))
    });
    (0..filled).for_each(|_| drop(other.recv_bytes().unwrap()));
    let _outer = sending.join().unwrap().unwrap();
    let Shared(arrived) = other.recv().unwrap();
    for (n, sender) in senders.iter().enumerate() {
        sender.send(n as u64).unwrap();
    }
    assert_eq!(first.recv().unwrap(), 0);
    let rest = [arrived.recv().unwrap().recv().unwrap(), arrived.recv().unwrap().recv().unwrap()];
    assert_eq!(rest, [1, 2]);
}

/// > An end can't be sent through itself, nor two through each other: that is `Moved`, and both stay.
#[test]
fn an_end_can_not_be_sent_through_itself() {
    #[derive(Debug)]
    struct Own(Shared<PipeSender<Own>>);
    impl Serialize for Own {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }
    let node = Node::start().unwrap();
    let (sender, receiver) = node.one_way_pipe::<Own>().unwrap();
    let sender = Arc::new(sender);
    for _ in 0..3 {
        let refused = sender.send(Own(Shared(Arc::clone(&sender))));
        assert!(matches!(refused, Err(SendError::Moved(_))), "{refused:?}");
        sender.send_bytes(b"still here").unwrap();
        assert_eq!(receiver.recv_bytes().unwrap(), b"still here");
    }
}

/// > A send that fails hands back the ends in its message as they were.
#[test]
fn a_send_that_fails_hands_back_the_ends_in_its_message() {
    fn sits(node: &Node, _end: PipeReceiver<PipeReceiver<u64>>) {
        while !node.wait_stopping(PATIENCE) {}
    }
    let node = Node::start().unwrap();
    let (line, theirs) = node.one_way_pipe::<PipeReceiver<u64>>().unwrap();
    let child = node.spawn("sits", sits, theirs).unwrap();
    child.kill().unwrap();
    assert!(child.join().is_err());
    let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
    sender.send(5).unwrap();
    // The first use of this end: nobody has told it yet.
    let Err(SendError::Closed(receiver)) = line.send(receiver) else { panic!("nobody is there") };
    assert_eq!(receiver.recv().unwrap(), 5);
}

#[test]
fn more_ends_than_a_message_can_carry_are_refused() {
    fn counts(_: &Node, ends: Vec<PipeReceiver<u64>>) -> usize {
        ends.len()
    }
    let node = Node::start().unwrap();
    let ends = |count: usize| (0..count).map(|_| node.one_way_pipe::<u64>().unwrap().1).collect::<Vec<_>>();
    assert_eq!(node.spawn("counts", counts, ends(300)).unwrap().join().unwrap(), 300);
    let refused = node.spawn("counts", counts, ends(600)).unwrap_err();
    assert!(matches!(refused, SpawnError::TooManyEnds { descriptors: 1200 }), "{refused}");
    let (line, _other) = node.one_way_pipe::<Vec<PipeReceiver<u64>>>().unwrap();
    let Err(SendError::TooLarge(back)) = line.send(ends(40)) else { panic!("80 descriptors were sent") };
    line.send(back.into_iter().take(30).collect()).unwrap();
}

#[test]
fn pipes_outlive_their_node() {
    let node = Node::start().unwrap();
    let (ours, theirs) = node.pipe::<u64, u64>().unwrap();
    drop(node);
    let theirs = Arc::new(theirs);
    let receiving: Vec<_> = (0..2)
        .map(|_| {
            let theirs = Arc::clone(&theirs);
            std::thread::spawn(move || theirs.recv_timeout(PATIENCE).unwrap())
        })
        .collect();
    ours.send(1).unwrap();
    ours.send(2).unwrap();
    assert_eq!(receiving.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>(), 3);
}

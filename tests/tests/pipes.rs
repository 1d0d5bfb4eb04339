//! Pipes between threads and processes: order, ends that move, bytes, sizes, limits.

use std::time::{Duration, Instant};

use callboard::{
    List, ListError, ListOptions, Node, PipeEnd, PipeReceiver, PipeSender, Queue, QueueOptions,
    RecvBytesError, RecvError, SendError, TryRecvError, WaitAny, wait_any,
};
use callboard_tests::{PATIENCE, eventually, rounds};
use serde::{Deserialize, Serialize};

callboard::test_door!();

/// Answers each text in capitals until the other end is closed.
fn shouts(_: &Node, end: PipeEnd<String, String>) -> usize {
    let mut count = 0;
    while let Ok(text) = end.recv() {
        end.send(text.to_uppercase()).unwrap();
        count += 1;
    }
    count
}

fn sends(_: &Node, (sender, from, count): (PipeSender<u64>, u64, u64)) {
    (from..from + count).for_each(|n| sender.send(n).unwrap());
}

fn receives(_: &Node, receiver: PipeReceiver<u64>) -> Vec<u64> {
    std::iter::from_fn(|| receiver.recv().ok()).collect()
}

/// > Messages go both ways in order; when one end is closed the other receives what had been sent, then sees the end.
#[test]
fn messages_go_both_ways_in_order_until_an_end_is_closed() {
    let node = Node::start().unwrap();
    let (ours, theirs) = node.pipe::<String, String>().unwrap();
    let child = node.spawn("shouts", shouts, theirs).unwrap();
    for text in ["hello", "world", ""] {
        ours.send(text.to_owned()).unwrap();
        assert_eq!(ours.recv().unwrap(), text.to_uppercase());
    }
    (0..1000).for_each(|n| ours.send(format!("n{n}")).unwrap());
    for n in 0..1000 {
        assert_eq!(ours.recv_timeout(PATIENCE).unwrap(), format!("N{n}"));
    }
    drop(ours);
    assert_eq!(child.join().unwrap(), 1003);

    let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
    (0..10).for_each(|n| sender.send(n).unwrap());
    drop(sender);
    assert!((0..10).all(|n| receiver.recv().unwrap() == n));
    for _ in 0..2 {
        assert!(matches!(receiver.recv(), Err(RecvError::Closed)));
        assert!(matches!(receiver.try_recv(), Err(TryRecvError::Recv(RecvError::Closed))));
    }
    let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
    drop(receiver);
    assert!(matches!(sender.send(7), Err(SendError::Closed(7))));
}

/// > A full pipe makes a send wait, an empty one a receive; `try_` does not wait, a timeout is kept.
#[test]
fn a_full_pipe_makes_a_send_wait_and_an_empty_one_a_receive() {
    let node = Node::start().unwrap();
    let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    let begun = Instant::now();
    assert!(matches!(receiver.recv_timeout(Duration::from_millis(5)), Err(RecvError::TimedOut)));
    let mut count = 0;
    while sender.try_send(count).is_ok() {
        count += 1;
    }
    assert!(count > 10_000, "only {count} numbers found room");
    assert!(matches!(sender.try_send(1), Err(SendError::Full(1))));
    assert!(matches!(sender.send_timeout(2, Duration::from_millis(5)), Err(SendError::Full(2))));
    assert!(begun.elapsed() >= Duration::from_millis(10));
    let thread = std::thread::spawn(move || (count..2 * count).for_each(|n| sender.send(n).unwrap()));
    assert!((0..2 * count).all(|n| receiver.recv().unwrap() == n));
    thread.join().unwrap();
    assert!(matches!(receiver.recv(), Err(RecvError::Closed)));
}

/// > Messages of any size up to 256 MiB arrive whole and in order, also when they are larger than what may be on its way.
#[test]
fn messages_of_any_size_arrive_whole_and_in_order() {
    fn lengths(_: &Node, receiver: PipeReceiver<serde_bytes::ByteBuf>) -> Vec<(usize, u64)> {
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum();
        std::iter::from_fn(|| receiver.recv().ok()).map(|bytes| (bytes.len(), sum(&bytes))).collect()
    }
    let node = Node::start().unwrap();
    let (sender, receiver) = node.one_way_pipe().unwrap();
    let child = node.spawn("lengths", lengths, receiver).unwrap();
    let sizes = [0, 1, 65_000, 65_531, 65_536, 65_537, 100_000, 3_000_000, 7, 70_000_000, 80_000_000, 5];
    for size in sizes {
        sender.send(serde_bytes::ByteBuf::from(vec![3; size])).unwrap();
    }
    let beyond = serde_bytes::ByteBuf::from(vec![0; 256 << 20]);
    assert!(matches!(sender.send(beyond), Err(SendError::TooLarge(_))));
    drop(sender);
    let expected: Vec<_> = sizes.iter().map(|size| (*size, 3 * *size as u64)).collect();
    assert_eq!(child.join().unwrap(), expected);
}

/// > Bytes pass as they are; what is received in the wrong form, or into a buffer too short, stays.
#[test]
fn bytes_pass_as_they_are_and_what_does_not_fit_stays() {
    let node = Node::start().unwrap();
    let (ours, theirs) = node.pipe::<u64, u64>().unwrap();
    ours.send_bytes(b"latin").unwrap();
    ours.send_bytes(b"").unwrap();
    ours.send(5).unwrap();
    ours.send_bytes(&vec![9; 200_000]).unwrap();
    assert!(theirs.poll(PATIENCE).unwrap());
    assert!(matches!(theirs.recv(), Err(RecvError::IsBytes)));
    let mut buffer = [0; 8];
    let short = theirs.recv_bytes_into(&mut buffer[..4]);
    assert!(matches!(short, Err(RecvBytesError::TooShort { len: 5, room: 4 })), "{short:?}");
    assert_eq!(theirs.recv_bytes_into(&mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"latin");
    assert_eq!(theirs.recv_bytes().unwrap(), b"");
    assert!(matches!(theirs.recv_bytes(), Err(RecvBytesError::IsValue)));
    assert_eq!(theirs.recv().unwrap(), 5);
    assert!(matches!(theirs.recv_bytes_into(&mut buffer), Err(RecvBytesError::TooShort { .. })));
    assert_eq!(theirs.recv_bytes().unwrap(), vec![9; 200_000]);
    assert!(!theirs.poll(Duration::ZERO).unwrap());
    assert!(!theirs.poll(Duration::from_millis(1)).unwrap());
    let nothing = theirs.recv_bytes_timeout(Duration::ZERO);
    assert!(matches!(nothing, Err(RecvBytesError::TimedOut)));
    drop(ours);
    assert!(theirs.poll(PATIENCE).unwrap());
    assert!(matches!(theirs.recv_bytes(), Err(RecvBytesError::Closed)));
}

#[derive(Debug, Serialize, Deserialize)]
enum Order {
    Take(PipeReceiver<u64>),
    GiveBack,
}

/// Takes ends that come by a pipe, receives one message from each, and sends them back.
fn takes_turns(_: &Node, (orders, back): (PipeReceiver<Order>, PipeSender<PipeReceiver<u64>>)) -> u64 {
    let mut sum = 0;
    let mut held = None;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Take(receiver) => {
                sum += receiver.recv().unwrap();
                held = Some(receiver);
            }
            Order::GiveBack => back.send(held.take().unwrap()).unwrap(),
        }
    }
    sum
}

/// > An end moves between processes while messages are on their way; none is lost, doubled or out of order.
#[test]
fn an_end_moves_while_messages_are_on_their_way() {
    const CHILDREN: u64 = 3;
    let node = Node::start().unwrap();
    let turns = rounds(100);
    let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
    let count = turns * CHILDREN;
    let sender = node.spawn("sends", sends, (sender, 0, count + 5)).unwrap();
    let mut children = Vec::new();
    for _ in 0..CHILDREN {
        let ((orders, their_orders), (their_back, back)) =
            (node.one_way_pipe().unwrap(), node.one_way_pipe().unwrap());
        let child = node.spawn("takes", takes_turns, (their_orders, their_back)).unwrap();
        children.push((orders, back, child));
    }
    let mut held = receiver;
    for _ in 0..turns {
        for (orders, back, _) in &children {
            orders.send(Order::Take(held)).unwrap();
            orders.send(Order::GiveBack).unwrap();
            held = back.recv().unwrap();
        }
    }
    assert_eq!(receives(&node, held), (count..count + 5).collect::<Vec<_>>());
    sender.join().unwrap();
    let sums = children.into_iter().map(|(orders, _, child)| {
        drop(orders);
        child.join().unwrap()
    });
    assert_eq!(sums.sum::<u64>(), (0..count).sum());
}

/// > An end that moves takes along what came with messages not yet received: other ends, and long messages.
#[test]
fn an_end_that_moves_takes_along_ends_and_long_messages_not_yet_received() {
    fn unpacks(_: &Node, outer: PipeReceiver<(u64, Vec<PipeReceiver<u64>>)>) -> Vec<u64> {
        let mut got = Vec::new();
        while let Ok((n, inner)) = outer.recv() {
            got.push(n);
            got.extend(inner.iter().map(|receiver| receiver.recv().unwrap()));
        }
        got
    }
    let node = Node::start().unwrap();
    let (outer, theirs) = node.one_way_pipe().unwrap();
    // Have it heard here what it brings, before it moves on.
    assert!(matches!(theirs.try_recv(), Err(TryRecvError::Empty)));
    let mut senders = Vec::new();
    for n in 0..4 {
        let (sender, receiver): (Vec<_>, Vec<_>) = (0..n).map(|_| node.one_way_pipe().unwrap()).unzip();
        senders.extend(sender);
        outer.send((100 + n, receiver)).unwrap();
    }
    let mut any = WaitAny::new(&node);
    any.add(&theirs);
    assert!(any.wait_timeout(PATIENCE).is_some());
    drop(any);
    assert_eq!(theirs.recv().unwrap().0, 100);
    drop(outer);
    let child = node.spawn("unpacks", unpacks, theirs).unwrap();
    for (n, sender) in senders.iter().enumerate() {
        sender.send(n as u64).unwrap();
    }
    assert_eq!(child.join().unwrap(), [101, 0, 102, 1, 2, 103, 3, 4, 5]);
}

/// Ends inside, and then something that can't be encoded.
#[derive(Debug)]
struct Half(PipeReceiver<u64>, Queue<u64>);

impl Serialize for Half {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        let bytes = self.0.serialize(serializer);
        // Another message meanwhile takes nothing along.
        self.1.put(1).map_err(S::Error::custom)?;
        bytes.and(Err(S::Error::custom("the other half is missing")))
    }
}

impl<'de> Deserialize<'de> for Half {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        Err(D::Error::custom(format!("{:?}", PipeReceiver::<u64>::deserialize(deserializer).is_ok())))
    }
}

/// > An end whose message fails to be encoded or does not leave stays; where ends can't travel is an error that says so.
#[test]
fn an_end_whose_message_does_not_leave_stays() {
    let node = Node::start().unwrap();
    let marks: Queue<u64> = node.anonymous(QueueOptions::new());
    let (line, other) = node.one_way_pipe::<Half>().unwrap();
    let (sender, mut receiver) = node.one_way_pipe::<u64>().unwrap();
    for n in 0..20 {
        let failed = line.send(Half(receiver, marks.clone()));
        let Err(SendError::Encode(Half(back, _), error)) = failed else { panic!("{failed:?}") };
        assert!(error.to_string().contains("other half"), "{error}");
        sender.send(n).unwrap();
        assert_eq!(back.recv().unwrap(), n);
        receiver = back;
    }
    assert!(matches!(other.try_recv(), Err(TryRecvError::Empty)));
    assert_eq!(marks.len(), Ok(20));

    let list: List<PipeReceiver<u64>> = node.anonymous(ListOptions::new());
    let refused = list.position(&receiver);
    assert!(
        matches!(&refused, Err(ListError::Encode(error)) if error.to_string().contains("where a value moves"))
    );
    // Full, and so the message comes back with its end.
    let (full, _other) = node.one_way_pipe::<(serde_bytes::ByteBuf, Option<PipeReceiver<u64>>)>().unwrap();
    while full.try_send((vec![0; 60_000].into(), None)).is_ok() {}
    let refused = full.try_send((vec![0; 60_000].into(), Some(receiver)));
    let Err(SendError::Full((_, Some(receiver)))) = refused else { panic!("{refused:?}") };
    sender.send(9).unwrap();
    assert_eq!(receiver.recv().unwrap(), 9);
    // Nobody claims it where its message is not decoded: both are closed.
    let (line, other) = node.one_way_pipe::<PipeReceiver<u64>>().unwrap();
    line.send(receiver).unwrap();
    drop((line, other));
    eventually("its sender is told", || matches!(sender.try_send(1), Err(SendError::Closed(1))));
}

#[test]
fn a_child_that_is_not_started_or_does_not_take_its_end_closes_it() {
    fn drops(_: &Node, _end: PipeEnd<u64, u64>) {}
    let node = Node::start().unwrap();
    let (ours, theirs) = node.pipe::<u64, u64>().unwrap();
    node.spawn("drops", drops, theirs).unwrap().join().unwrap();
    assert!(matches!(ours.recv(), Err(RecvError::Closed)));
    let (ours, theirs) = node.pipe::<u64, u64>().unwrap();
    let failed = node.process("never").cwd("/there/is/no/such/folder").spawn(drops, theirs);
    assert!(failed.is_err());
    assert!(matches!(ours.recv(), Err(RecvError::Closed)));
}

/// > A pipe is waited for together with other things.
#[test]
fn a_pipe_is_waited_for_together_with_other_things() {
    let node = Node::start().unwrap();
    let queue: Queue<u64> = node.anonymous(QueueOptions::new());
    let (ours, theirs) = node.pipe::<String, String>().unwrap();
    let child = node.spawn("shouts", shouts, theirs).unwrap();
    let mut any = WaitAny::new(&node);
    let (item, message) = (any.add(&queue), any.add(&ours));
    for round in 0..100 {
        assert_eq!(any.try_wait(), None);
        ours.send("text".to_owned()).unwrap();
        assert_eq!(any.wait(), Some(message));
        assert_eq!(ours.try_recv().unwrap(), "TEXT");
        queue.put(round).unwrap();
        assert_eq!((any.wait(), queue.try_get()), (Some(item), Ok(round)));
    }
    drop(any);
    child.kill().unwrap();
    assert_eq!(wait_any(&[&queue, &ours], Some(PATIENCE)), Some(1));
    assert!(matches!(ours.recv(), Err(RecvError::Closed)));
}

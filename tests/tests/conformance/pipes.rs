//! Pipes, of short messages and of long ones, which have memory of their own. They have no names, and are no shared objects:
//! an end has one holder.

use std::time::{Duration, Instant};

use callboard::{
    Event, EventOptions, Node, PipeEnd, PipeReceiver, PipeSender, RecvError, SendError, TryRecvError, WaitAny,
};
use callboard_tests::PATIENCE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use crate::place::Place;

const SHORT: Duration = Duration::from_millis(20);

trait Message: Serialize + DeserializeOwned + Send + std::fmt::Debug + PartialEq + 'static {
    fn new(n: u64) -> Self;
}

impl Message for u64 {
    fn new(n: u64) -> Self {
        n
    }
}

impl Message for ByteBuf {
    fn new(n: u64) -> Self {
        ByteBuf::from([&n.to_le_bytes()[..], &[7; 200_000]].concat())
    }
}

macro_rules! for_every_message {
    ($case:ident) => {
        in_every_place! { $case: of_short_messages = u64, of_long_messages = ByteBuf }
    };
}

fn messages_go_both_ways_in_order_until_an_end_is_closed<T: Message>(place: Place) {
    fn echoes<T: Message>(_: &Node, end: PipeEnd<T, T>) -> u64 {
        let mut count = 0;
        loop {
            match end.recv() {
                Ok(message) => end.send(message).unwrap(),
                Err(RecvError::Closed) => return count,
                Err(other) => panic!("{other}"),
            }
            count += 1;
        }
    }
    let home = Node::start().unwrap();
    let (ours, theirs) = home.pipe::<T, T>().unwrap();
    let part = place.start(&home, echoes::<T>, theirs);
    (0..20).for_each(|n| ours.send(T::new(n)).unwrap());
    (0..20).for_each(|n| assert_eq!(ours.recv_timeout(PATIENCE).unwrap(), T::new(n)));
    drop(ours);
    assert_eq!(part.join(), 20);
}

for_every_message!(messages_go_both_ways_in_order_until_an_end_is_closed);

fn what_was_sent_is_received_before_the_end_is_told<T: Message>(place: Place) {
    fn sends<T: Message>(_: &Node, end: PipeEnd<T, T>) {
        (0..5).for_each(|n| end.send(T::new(n)).unwrap());
    }
    let home = Node::start().unwrap();
    let (ours, theirs) = home.pipe::<T, T>().unwrap();
    place.run(&home, sends::<T>, theirs);
    (0..5).for_each(|n| assert_eq!(ours.recv_timeout(PATIENCE).unwrap(), T::new(n)));
    assert!(matches!(ours.recv_timeout(PATIENCE), Err(RecvError::Closed)));
    assert!(matches!(ours.send(T::new(6)), Err(SendError::Closed(message)) if message == T::new(6)));
}

for_every_message!(what_was_sent_is_received_before_the_end_is_told);

fn a_receive_keeps_its_timeout_and_is_woken_from_elsewhere<T: Message>(place: Place) {
    fn waits<T: Message>(_: &Node, (end, waited): (PipeEnd<u64, T>, Event)) {
        let begun = Instant::now();
        assert!(matches!(end.recv_timeout(SHORT), Err(RecvError::TimedOut)));
        assert!(begun.elapsed() >= SHORT);
        assert!(matches!(end.try_recv(), Err(TryRecvError::Empty)));
        assert!(!end.poll(Duration::ZERO).unwrap());
        waited.set().unwrap();
        assert_eq!(end.recv_timeout(PATIENCE).unwrap(), T::new(1));
        end.send(2).unwrap();
    }
    let home = Node::start().unwrap();
    let (ours, theirs) = home.pipe::<T, u64>().unwrap();
    let waited: Event = home.anonymous(EventOptions::new());
    let part = place.start(&home, waits::<T>, (theirs, waited.clone()));
    assert_eq!(waited.wait_timeout(PATIENCE), Ok(true));
    ours.send(T::new(1)).unwrap();
    assert_eq!(ours.recv_timeout(PATIENCE).unwrap(), 2);
    part.join();
}

for_every_message!(a_receive_keeps_its_timeout_and_is_woken_from_elsewhere);

fn a_full_pipe_is_told_as_full_and_a_send_waits_for_room<T: Message>(place: Place) {
    fn fills<T: Message>(_: &Node, (sender, count): (PipeSender<T>, PipeSender<u64>)) {
        let mut sent = 0;
        while sender.try_send(T::new(sent)).is_ok() {
            sent += 1;
        }
        let full = sender.send_timeout(T::new(sent), SHORT);
        assert!(matches!(full, Err(SendError::Full(message)) if message == T::new(sent)));
        count.send(sent).unwrap();
        assert!(sender.send(T::new(sent)).is_ok());
    }
    let home = Node::start().unwrap();
    let (sender, receiver) = home.one_way_pipe::<T>().unwrap();
    let (count, counted) = home.one_way_pipe::<u64>().unwrap();
    let part = place.start(&home, fills::<T>, (sender, count));
    let sent = counted.recv_timeout(PATIENCE).unwrap();
    assert!(sent > 10, "{sent}");
    (0..=sent).for_each(|n| assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), T::new(n)));
    assert!(matches!(receiver.recv_timeout(PATIENCE), Err(RecvError::Closed)));
    part.join();
}

for_every_message!(a_full_pipe_is_told_as_full_and_a_send_waits_for_room);

fn an_end_is_handed_on_and_comes_back_with_what_was_not_received<T: Message>(place: Place) {
    fn borrows<T: Message>(_: &Node, carrier: PipeEnd<PipeReceiver<T>, PipeReceiver<T>>) {
        let lent = carrier.recv().unwrap();
        assert_eq!(lent.recv().unwrap(), T::new(0));
        carrier.send(lent).unwrap();
    }
    let home = Node::start().unwrap();
    let (sender, receiver) = home.one_way_pipe::<T>().unwrap();
    let (ours, theirs) = home.pipe().unwrap();
    let part = place.start(&home, borrows::<T>, theirs);
    (0..4).for_each(|n| sender.send(T::new(n)).unwrap());
    ours.send(receiver).unwrap();
    let back: PipeReceiver<T> = ours.recv_timeout(PATIENCE).unwrap();
    part.join();
    sender.send(T::new(4)).unwrap();
    (1..5).for_each(|n| assert_eq!(back.recv_timeout(PATIENCE).unwrap(), T::new(n)));
    drop(back);
    assert!(matches!(sender.send(T::new(5)), Err(SendError::Closed(_))));
}

for_every_message!(an_end_is_handed_on_and_comes_back_with_what_was_not_received);

fn an_end_is_waited_for_together_with_other_things<T: Message>(place: Place) {
    fn waits<T: Message>(node: &Node, (end, ready): (PipeReceiver<T>, Event)) {
        let mut any = WaitAny::new(node);
        any.add(&node.anonymous::<Event>(EventOptions::new()));
        let member = any.add(&end);
        assert_eq!(any.wait_timeout(Duration::from_millis(1)), None);
        ready.set().unwrap();
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
        assert_eq!(end.try_recv().unwrap(), T::new(1));
        // The end of the other side is readiness too.
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
        assert!(matches!(end.try_recv(), Err(TryRecvError::Recv(RecvError::Closed))));
    }
    let home = Node::start().unwrap();
    let (sender, receiver) = home.one_way_pipe::<T>().unwrap();
    let ready: Event = home.anonymous(EventOptions::new());
    let part = place.start(&home, waits::<T>, (receiver, ready.clone()));
    assert_eq!(ready.wait_timeout(PATIENCE), Ok(true));
    sender.send(T::new(1)).unwrap();
    drop(sender);
    part.join();
}

for_every_message!(an_end_is_waited_for_together_with_other_things);

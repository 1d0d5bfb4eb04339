//! Ends of pipes as items of queues: who has one, who sees the end of the stream, whoever is killed.

use std::time::Duration;

use callboard::{
    Event, EventOptions, GetError, LifoQueue, Node, PipeEnd, PipeReceiver, PipeSender, PriorityQueue,
    Process, PutError, Queue, QueueOptions, RecvError, SendError,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal};

callboard::test_door!();

type MaybeEnd = Option<PipeSender<u8>>;
type Ends = Queue<(u64, PipeReceiver<u64>)>;

/// Owns a queue of ends until it is told to stop.
fn owns(node: &Node, (name, ready): (String, Event)) {
    let _queue = node.create::<Ends>(&name, QueueOptions::new()).unwrap();
    ready.set().unwrap();
    node.wait_stopping(PATIENCE * 10);
}

fn owner(node: &Node, name: &str) -> (Process<()>, Ends) {
    let ready = node.anonymous::<Event>(EventOptions::new());
    let owner = node.process("owns").stderr_null().spawn(owns, (name.to_owned(), ready.clone())).unwrap();
    ready.wait_timeout(PATIENCE).unwrap();
    (owner, node.open::<Ends>(name).unwrap())
}

/// Takes ends until the queue is closed, and what comes by each.
fn takes(_: &Node, queue: Ends) -> u64 {
    let mut sum = 0;
    while let Ok((count, receiver)) = queue.get() {
        sum += (0..count).map(|_| receiver.recv().unwrap()).sum::<u64>();
        assert!(matches!(receiver.recv(), Err(RecvError::Closed)));
    }
    sum
}

/// > An end of a pipe travels as an item of a queue, or in one, with what had been sent to it, to the one who gets it.
#[test]
fn ends_arrive_with_what_had_been_sent_to_them_wherever_the_owner_is() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let (owner, there) = owner(&node, "/ends");
        let here: Ends = node.anonymous(QueueOptions::new().capacity(3));
        for queue in [here, there] {
            let takers: Vec<_> = (0..2).map(|_| node.spawn("takes", takes, queue.clone()).unwrap()).collect();
            for n in 0..50_u64 {
                let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
                sender.send(n).unwrap();
                queue.put((3, receiver)).unwrap();
                sender.send(1).unwrap();
                sender.send(0).unwrap();
            }
            queue.close().unwrap();
            let sum: u64 = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
            assert_eq!(sum, (0..50).sum::<u64>() + 50);
        }
        owner.terminate(PATIENCE);
        owner.join().unwrap();
    }
    check.check();
}

/// > An end of a pipe travels as an item of a queue, or in one, with what had been sent to it, to the one who gets it.
#[test]
fn ends_travel_among_plain_items_in_every_order() {
    fn puts(node: &Node, (lifo, by): (LifoQueue<MaybeEnd>, PriorityQueue<MaybeEnd>)) -> u8 {
        let (sender, receiver) = node.one_way_pipe().unwrap();
        for end in [None, Some(sender), None] {
            lifo.put(end).unwrap();
        }
        let first = receiver.recv().unwrap();
        let (sender, receiver) = node.one_way_pipe().unwrap();
        for (priority, end) in [(2, None), (1, Some(sender)), (0, None)] {
            by.put((priority, end)).unwrap();
        }
        first + receiver.recv().unwrap()
    }
    let node = Node::start().unwrap();
    let lifo: LifoQueue<_> = node.create("/lifo", QueueOptions::new()).unwrap();
    let by: PriorityQueue<_> = node.create("/by", QueueOptions::new()).unwrap();
    let child = node.spawn("puts", puts, (lifo.clone(), by.clone())).unwrap();
    eventually("three are there", || lifo.len().unwrap() == 3);
    let got = [lifo.get().unwrap(), lifo.get().unwrap(), lifo.get().unwrap()];
    got[1].as_ref().unwrap().send(40).unwrap();
    assert!(got[0].is_none() && got[2].is_none());
    eventually("three are there", || by.len().unwrap() == 3);
    let got = [by.get().unwrap(), by.get().unwrap(), by.get().unwrap()].map(|(_, end)| end);
    got[1].as_ref().unwrap().send(2).unwrap();
    assert!(got[0].is_none() && got[2].is_none());
    assert_eq!(child.join().unwrap(), 42);
}

/// > A refused put leaves the end with its holder; an item that nobody can get any more closes the ends in it.
#[test]
fn a_refused_put_leaves_the_end_and_what_nobody_gets_is_closed() {
    fn refused(node: &Node, queue: Queue<PipeSender<u8>>) {
        let (sender, receiver) = node.one_way_pipe().unwrap();
        let Err(PutError::Full(sender)) = queue.put_timeout(sender, Duration::from_millis(5)) else {
            panic!("there is no room")
        };
        let Err(PutError::Full(sender)) = queue.try_put(sender) else { panic!("there is no room") };
        sender.send(1).unwrap();
        queue.close().unwrap();
        let Err(PutError::Closed(sender)) = queue.put(sender) else { panic!("it is closed") };
        sender.send(2).unwrap();
        assert_eq!((receiver.recv().unwrap(), receiver.recv().unwrap()), (1, 2));
    }
    let node = Node::start().unwrap();
    let full: Queue<PipeSender<u8>> = node.anonymous(QueueOptions::new().capacity(1));
    let (sender, receiver) = node.one_way_pipe().unwrap();
    full.put(sender).unwrap();
    node.spawn("refused", refused, full.clone()).unwrap().join().unwrap();
    refused_here(&node);
    full.get().unwrap().send(3).unwrap();
    assert_eq!(receiver.recv().unwrap(), 3);
    assert!(matches!(receiver.recv(), Err(RecvError::Closed)));

    // The queue ends with an end in it.
    let (owner, queue) = owner(&node, "/ends");
    let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
    queue.put_confirmed((0, receiver)).unwrap();
    owner.kill().unwrap();
    assert!(owner.join().is_err());
    eventually("the other side is told", || matches!(sender.send(1), Err(SendError::Closed(1))));
}

fn refused_here(node: &Node) {
    let full: Queue<Option<PipeSender<u8>>> = node.anonymous(QueueOptions::new().capacity(1));
    full.put(None).unwrap();
    let (sender, receiver) = node.one_way_pipe().unwrap();
    let Err(PutError::Full(Some(sender))) = full.try_put(Some(sender)) else { panic!("there is no room") };
    sender.send(9).unwrap();
    assert_eq!(receiver.recv().unwrap(), 9);
}

/// > An end in an item can't be leased: the item becomes a dead letter, and the end is closed.
#[test]
fn an_end_can_not_be_leased() {
    let node = Node::start().unwrap();
    let queue: Ends = node.anonymous(QueueOptions::new());
    let (sender, receiver) = node.one_way_pipe().unwrap();
    queue.put((0, receiver)).unwrap();
    match queue.lease() {
        Err(GetError::Decode(error)) => assert!(error.to_string().contains("leased"), "{error}"),
        other => panic!("{other:?}"),
    }
    eventually("it is a dead letter", || queue.dead_letters().unwrap().0.len() == 1);
    eventually("the other side is told", || matches!(sender.send(1), Err(SendError::Closed(1))));
}

/// Answers whoever has the other end of what it gets, until it is killed.
fn answers(_: &Node, queue: Queue<PipeEnd<u64, u64>>) {
    while let Ok(end) = queue.get() {
        while let Ok(n) = end.recv() {
            if end.send(n + 1).is_err() {
                break;
            }
        }
    }
}

/// > A killed getter closes the ends it had got, and leaves those it had not: another gets them, with what had been sent.
#[test]
fn whoever_is_killed_an_end_is_either_closed_or_got_by_another() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let mut random = Random::new();
        let queue: Queue<PipeEnd<u64, u64>> = node.anonymous(QueueOptions::new());
        let answerer = || node.process("answers").stderr_null().spawn(answers, queue.clone()).unwrap();
        let mut answering = answerer();
        let mut served = 0;
        for round in 0..rounds(40) as u64 {
            let ends: Vec<_> = (0..4)
                .map(|_| {
                    let (ours, theirs) = node.pipe::<u64, u64>().unwrap();
                    ours.send(round).unwrap();
                    queue.put(theirs).unwrap();
                    ours
                })
                .collect();
            pause(random.time(Duration::from_millis(2)));
            send_signal(answering.pid(), if random.below(2) == 0 { 19 } else { 9 });
            send_signal(answering.pid(), 9);
            assert!(answering.join().is_err());
            answering = answerer();
            for end in ends {
                match end.recv_timeout(PATIENCE) {
                    Ok(n) => {
                        assert_eq!(n, round + 1);
                        served += 1;
                    }
                    Err(RecvError::Closed) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        assert!(served >= rounds(40) as u64 * 2, "at most the one in hand is lost: {served}");
        queue.close().unwrap();
        answering.join().unwrap();
    }
    check.check();
}

/// > A producer killed while its put waits closes the ends in it.
#[test]
fn a_producer_killed_while_it_waits_closes_its_ends() {
    fn waits(_: &Node, (full, end, go): (Queue<PipeSender<u8>>, PipeSender<u8>, Event)) {
        go.set().unwrap();
        let _ = full.put(end);
    }
    let node = Node::start().unwrap();
    let full: Queue<PipeSender<u8>> = node.anonymous(QueueOptions::new().capacity(1));
    let (plug, _receiver) = node.one_way_pipe().unwrap();
    full.put(plug).unwrap();
    for _ in 0..rounds(10) {
        let (sender, receiver) = node.one_way_pipe::<u8>().unwrap();
        let go = node.anonymous::<Event>(EventOptions::new());
        let child = node.process("waits").stderr_null();
        let child = child.spawn(waits, (full.clone(), sender, go.clone())).unwrap();
        go.wait_timeout(PATIENCE).unwrap();
        send_signal(child.pid(), 9);
        assert!(child.join().is_err());
        assert!(matches!(receiver.recv_timeout(PATIENCE), Err(RecvError::Closed)));
    }
    assert_eq!(full.len().unwrap(), 1);
}

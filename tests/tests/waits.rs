//! One wait for several things: queues, ends of processes, requests to stop, times, descriptors.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use callboard::{
    Event, EventOptions, GetError, Interest, JoinError, Node, Process, Queue, QueueOptions, TryGetError,
    WaitAny, wait_any,
};
use callboard_tests::{PATIENCE, Random, eventually, pause, rounds, send_signal};

callboard::test_door!();

fn queue(node: &Node) -> Queue<u64> {
    node.anonymous(QueueOptions::new())
}

/// Puts `count` numbers into `queue`.
fn put(_: &Node, (queue, count): (Queue<u64>, u64)) {
    queue.put_many(0..count).unwrap();
}

fn own(node: &Node, name: String) {
    let _queue: Queue<u64> = node.create(&name, QueueOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// > A wait for several queues loses nothing, whichever of them is taken from, and each gets its turn.
#[test]
fn a_wait_for_several_queues_gets_everything_from_all_of_them() {
    const COUNT: u64 = 20_000;
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let mut queues: Vec<Queue<u64>> = (0..3).map(|_| queue(&node)).collect();
    queues.push(node.open_timeout("/theirs", PATIENCE).unwrap());
    let mut any = WaitAny::new(&node);
    let members: Vec<_> = queues.iter().map(|queue| any.add(queue)).collect();
    assert_eq!(any.try_wait(), None);
    let putters: Vec<Process<()>> =
        queues.iter().map(|queue| node.spawn("putter", put, (queue.clone(), COUNT)).unwrap()).collect();
    let mut next = vec![0; queues.len()];
    while next.iter().sum::<u64>() < COUNT * queues.len() as u64 {
        let ready = any.wait_timeout(PATIENCE).expect("numbers are on their way");
        let at = members.iter().position(|member| *member == ready).unwrap();
        match queues[at].try_get() {
            Ok(n) => assert_eq!(n, next[at]),
            other => panic!("a single taker finds what it was told of: {other:?}"),
        }
        next[at] += 1;
    }
    assert_eq!(any.try_wait(), None);
    for putter in putters {
        putter.join().unwrap();
    }
    owner.terminate(PATIENCE);
    owner.join().unwrap();
}

#[test]
fn a_busy_member_does_not_keep_the_others_from_their_turn() {
    let node = Node::start().unwrap();
    let (busy, rare) = (queue(&node), queue(&node));
    busy.put_many(0..1000).unwrap();
    rare.put_many(0..10).unwrap();
    let mut any = WaitAny::new(&node);
    let (busy_member, rare_member) = (any.add(&busy), any.add(&rare));
    for n in 0..10 {
        assert_eq!(any.wait(), Some(busy_member));
        assert_eq!(busy.try_get(), Ok(n));
        assert_eq!(any.wait(), Some(rare_member));
        assert_eq!(rare.try_get(), Ok(n));
    }
    // The same without a set that remembers whose turn it is.
    rare.put(0).unwrap();
    // Chosen by chance each time: that one of them never comes in so many is out of the question.
    let places: Vec<_> = (0..64).map(|_| wait_any(&[&busy, &rare], None).unwrap()).collect();
    assert!(places.contains(&0) && places.contains(&1), "{places:?}");
}

/// > Ends of processes, requests to stop, times and descriptors are waited for together with queues.
#[test]
fn ends_of_processes_requests_times_and_descriptors_are_waited_for_too() {
    fn waits(node: &Node, told: Queue<u64>) -> u64 {
        let nothing: Queue<u64> = queue(node);
        let mut any = WaitAny::new(node);
        let (_, stop) = (any.add(&nothing), any.add(node));
        told.put_confirmed(1).unwrap();
        assert_eq!(any.wait(), Some(stop));
        7
    }
    let node = Node::start().unwrap();
    let told = queue(&node);
    let child = node.spawn("waits", waits, told.clone()).unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    eventually("it has put", || told.len() == Ok(1));
    let (soon, later) = (Duration::from_millis(200), Duration::from_millis(400));
    let begun = Instant::now();
    let mut any = WaitAny::new(&node);
    let late = any.add_time(begun + later);
    let early = any.add_time(begun + soon);
    let queue = any.add(&told);
    let end = any.add(&child);
    let readable = any.add_fd(&ours, Interest::Readable).unwrap();
    assert_eq!(any.len(), 5);

    assert_eq!(any.wait(), Some(queue));
    assert_eq!(told.try_get(), Ok(1));
    assert_eq!(any.wait(), Some(early));
    assert!(begun.elapsed() >= soon);
    assert_eq!(any.wait(), Some(late));
    assert!(begun.elapsed() >= later);
    // Each time was a member for once.
    assert_eq!((any.len(), any.wait_timeout(Duration::from_millis(5))), (3, None));

    theirs.write_all(b"ab").unwrap();
    for expected in [b"a", b"b"] {
        assert_eq!(any.wait(), Some(readable));
        let mut byte = [0];
        (&ours).read_exact(&mut byte).unwrap();
        assert_eq!(&byte, expected);
    }
    assert_eq!(any.try_wait(), None);
    drop(theirs);
    assert_eq!(any.wait(), Some(readable));
    assert!(any.remove(readable) && !any.remove(readable));

    child.terminate(PATIENCE);
    assert_eq!(any.wait(), Some(end));
    assert_eq!(child.join_timeout(Duration::ZERO).unwrap(), 7);
    assert_eq!(wait_any(&[&told, &child], Some(PATIENCE)), Some(1));
}

#[test]
fn what_can_not_be_waited_for_is_refused_and_room_to_write_is_seen() {
    let node = Node::start().unwrap();
    let mut any = WaitAny::new(&node);
    let file = tempfile::tempfile().unwrap();
    let refused = any.add_fd(&file, Interest::Readable).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let writable = any.add_fd(&ours, Interest::Writable).unwrap();
    assert_eq!(any.wait(), Some(writable));
    let mut sent = 0;
    while let Ok(n) = (&ours).write(&[0; 4096]) {
        sent += n;
    }
    assert_eq!(any.wait_timeout(Duration::from_millis(5)), None);
    theirs.read_exact(&mut vec![0; sent]).unwrap();
    assert_eq!(any.wait(), Some(writable));
}

/// > A wait keeps its timeout; a set without members is not waited for.
#[test]
fn a_wait_keeps_its_timeout_and_an_empty_set_is_no_wait() {
    let node = Node::start().unwrap();
    let mut any = WaitAny::new(&node);
    assert_eq!((any.wait(), any.try_wait(), any.is_empty()), (None, None, true));
    assert_eq!(wait_any(&[], None), None);
    let nothing = queue(&node);
    let begun = Instant::now();
    assert_eq!(wait_any(&[&nothing], Some(Duration::from_millis(20))), None);
    any.add(&nothing);
    assert_eq!(any.wait_timeout(Duration::from_millis(20)), None);
    assert!(begun.elapsed() >= Duration::from_millis(40));
    assert_eq!(any.wait_timeout(Duration::ZERO), None);
}

/// > Who waits for several things keeps no item from a getter, on its own node or on another.
#[test]
fn who_waits_for_several_things_keeps_no_item_from_a_getter() {
    fn gets(_: &Node, queue: Queue<u64>) -> u64 {
        queue.get().unwrap()
    }
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let remote: Queue<u64> = node.open_timeout("/theirs", PATIENCE).unwrap();
    for queue in [queue(&node), remote] {
        let mut any = WaitAny::new(&node);
        let member = any.add(&queue);
        assert_eq!(any.try_wait(), None);
        // A thread of this node.
        let getter = std::thread::spawn({
            let queue = queue.clone();
            move || queue.get().unwrap()
        });
        pause(Duration::from_millis(20));
        queue.put(1).unwrap();
        assert_eq!(getter.join().unwrap(), 1);
        // Another process, while this one has been told and does not take.
        queue.put(2).unwrap();
        assert_eq!(any.wait(), Some(member));
        let child = node.spawn("gets", gets, queue.clone()).unwrap();
        assert_eq!(child.join().unwrap(), 2);
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
        // And after a set that has asked for an item is gone.
        assert_eq!(any.wait_timeout(Duration::from_millis(5)), None);
        drop(any);
        let child = node.spawn("gets", gets, queue.clone()).unwrap();
        queue.put(3).unwrap();
        assert_eq!(child.join().unwrap(), 3);
    }
}

#[test]
fn a_closed_queue_is_ready_until_it_is_removed() {
    let node = Node::start().unwrap();
    let (closed, open) = (queue(&node), queue(&node));
    let mut any = WaitAny::new(&node);
    let (closed_member, open_member) = (any.add(&closed), any.add(&open));
    closed.put(1).unwrap();
    closed.close().unwrap();
    assert_eq!((any.wait(), closed.try_get()), (Some(closed_member), Ok(1)));
    for _ in 0..3 {
        assert_eq!((any.wait(), closed.try_get()), (Some(closed_member), Err(TryGetError::Closed)));
    }
    any.remove(closed_member);
    assert_eq!(any.wait_timeout(Duration::from_millis(5)), None);
    open.put(1).unwrap();
    assert_eq!(any.wait(), Some(open_member));
}

/// > A wait for several things ends when the owner of one of them is killed, or any process among them.
#[test]
fn owners_and_processes_killed_at_any_moment_end_the_wait() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    let nothing = queue(&node);
    for round in 0..rounds(20) {
        let name = format!("/owned/{round}");
        let owner = node.process("owner").stderr_null().spawn(own, name.clone()).unwrap();
        let theirs: Queue<u64> = node.open_timeout(&name, PATIENCE).unwrap();
        let mut any = WaitAny::new(&node);
        let (_, queue, end) = (any.add(&nothing), any.add(&theirs), any.add(&owner));
        let killer = std::thread::spawn({
            let (pid, wait) = (owner.pid(), random.time(Duration::from_micros(300)));
            let stops_first = random.below(3) == 0;
            move || {
                pause(wait);
                if stops_first {
                    send_signal(pid, 19);
                }
                send_signal(pid, 9);
            }
        });
        let mut left = vec![queue, end];
        while !left.is_empty() {
            let ready = any.wait_timeout(PATIENCE).expect("its owner was killed");
            left.retain(|member| *member != ready);
            any.remove(ready);
        }
        killer.join().unwrap();
        assert!(matches!(theirs.get(), Err(GetError::Disconnected)));
        assert!(matches!(owner.join(), Err(JoinError::Signalled { signal: 9, .. })));
    }
    eventually("nobody is left waiting", || nothing.is_empty() == Ok(true));
}

/// Two threads that wait for the same queue by sets of their own.
#[test]
fn of_two_who_wait_for_the_same_queue_each_item_reaches_one() {
    const COUNT: u64 = 5_000;
    let node = Node::start().unwrap();
    let queue = queue(&node);
    let child = node.spawn("putter", put, (queue.clone(), COUNT)).unwrap();
    let takers: Vec<_> = (0..2)
        .map(|_| {
            let (node, queue) = (node.clone(), queue.clone());
            std::thread::spawn(move || {
                let mut any = WaitAny::new(&node);
                any.add(&queue);
                let mut got = Vec::new();
                while any.wait_timeout(PATIENCE).is_some() {
                    match queue.try_get() {
                        Ok(n) => got.push(n),
                        Err(TryGetError::Empty) => {}
                        Err(TryGetError::Closed) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                got
            })
        })
        .collect();
    child.join().unwrap();
    queue.close().unwrap();
    let mut all: Vec<u64> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..COUNT));
}

/// > A look at an object of another process finds what is there at the next try, also if nobody ever waits.
#[test]
fn a_look_at_an_object_of_another_process_finds_what_is_there_at_the_next_try() {
    fn own_event(node: &Node, name: String) {
        let _event: Event = node.create(&name, EventOptions::new().set()).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let node = Node::start().unwrap();
    let _owners = [
        node.spawn("owner", own_event, "/event".to_owned()).unwrap(),
        node.spawn("owner", own_event, "/other".to_owned()).unwrap(),
    ];
    let event: Event = node.open_timeout("/event", PATIENCE).unwrap();
    let mut any = WaitAny::new(&node);
    let member = any.add(&event);
    eventually("a set event is found", || any.try_wait() == Some(member));
    // Objects of another node of this process, too, which has a loop of its own.
    let beside = node.start_beside("beside").unwrap();
    let other: Event = beside.open_timeout("/other", PATIENCE).unwrap();
    let mut any = WaitAny::new(&node);
    let member = any.add(&other);
    assert_eq!(any.wait_timeout(PATIENCE), Some(member));
    assert_eq!(wait_any(&[&queue(&node), &other], Some(PATIENCE)), Some(1));
}

#[test]
fn members_of_another_node_of_the_process_lose_nothing() {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let ours: Queue<u64> = node.open_timeout("/theirs", PATIENCE).unwrap();
    let beside = node.start_beside("beside").unwrap();
    let theirs: Queue<u64> = beside.open_timeout("/theirs", PATIENCE).unwrap();
    let mut any = WaitAny::new(&node);
    let member = any.add(&theirs);
    for n in 0..1000 {
        ours.put_confirmed(n).unwrap();
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
        assert_eq!(theirs.get_timeout(PATIENCE), Ok(n));
    }
}

/// > Leases are waited for among other things; the item goes back if whoever was told of it takes none or is killed.
#[test]
fn leases_are_waited_for_among_other_things() {
    const COUNT: u64 = 500;
    /// Takes leases as it is told of them, until the end; how many.
    fn works(node: &Node, (items, done): (Queue<u64>, Queue<u64>)) -> u64 {
        let mut any = WaitAny::new(node);
        let (_, stop) = (any.add(&items.leasable()), any.add(node));
        for count in 0.. {
            assert_ne!(any.wait(), Some(stop));
            match items.lease_timeout(Duration::ZERO) {
                Ok(lease) => {
                    done.put_confirmed(*lease).unwrap();
                    lease.ack_confirmed().unwrap();
                }
                Err(GetError::TimedOut) => {}
                Err(GetError::Closed) => return count,
                Err(error) => panic!("{error}"),
            }
        }
        unreachable!("the queue ends");
    }
    /// Is told of leases, and takes none.
    fn looks(node: &Node, items: Queue<u64>) {
        let mut any = WaitAny::new(node);
        any.add(&items.leasable());
        while any.wait_timeout(PATIENCE).is_some() && !node.stopping() {}
    }
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for _ in 0..rounds(5) {
        let items: Queue<u64> = node.anonymous(QueueOptions::new().max_attempts(1_000_000));
        let done = queue(&node);
        let worker = || node.spawn("works", works, (items.clone(), done.clone())).unwrap();
        let (victim, others) = (worker(), [worker(), worker()]);
        let looks = node.spawn("looks", looks, items.clone()).unwrap();
        items.put_many(0..COUNT / 2).unwrap();
        pause(random.time(Duration::from_millis(5)));
        send_signal(victim.pid(), 9);
        assert!(victim.join().is_err());
        items.put_many(COUNT / 2..COUNT).unwrap();
        assert!(items.join_timeout(PATIENCE).unwrap(), "an item is neither settled nor there");
        items.close().unwrap();
        for other in others {
            other.join_timeout(PATIENCE).unwrap();
        }
        looks.kill().unwrap();
        assert!(looks.join().is_err());
        done.close().unwrap();
        let mut came: Vec<u64> = done.iter().collect();
        // The one in the victim's hands may come once more.
        assert!(came.len() as u64 <= COUNT + 1);
        came.sort_unstable();
        came.dedup();
        assert!(came.into_iter().eq(0..COUNT));
    }
}

//! Lists between processes: watches, casts, handles as elements, and what a death does.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callboard::{List, ListChange, ListError, ListOptions, Node, Queue, QueueOptions, WaitAny, wait_any};
use callboard_tests::{PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};
use rustix::net::sockopt::socket_send_buffer_size;

callboard::test_door!();

fn own(node: &Node, (name, capacity): (String, u64)) {
    let _list: List<u64> = node.create(&name, ListOptions::new().capacity(capacity)).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// > Every change of a list is followed by a report to whoever watches it, also through `WaitAny`; those between may be skipped.
#[test]
fn every_change_is_followed_by_a_report() {
    fn changes(_: &Node, list: List<u64>) {
        for i in 0..1000 {
            list.push(i).unwrap();
        }
    }
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, ("/theirs".to_owned(), 10_000)).unwrap();
    let remote: List<u64> = node.open_timeout("/theirs", PATIENCE).unwrap();
    for list in [node.anonymous(ListOptions::new()), remote] {
        let mut watch = list.watch().unwrap();
        assert_eq!((watch.try_next(), watch.next_timeout(Duration::from_millis(1))), (Ok(None), Ok(None)));
        list.push(1).unwrap();
        assert_eq!(watch.try_next(), Ok(Some(ListChange { version: 1, len: 1 })));
        assert_eq!((watch.try_next(), list.pop(), list.pop()), (Ok(None), Ok(Some(1)), Ok(None)));
        assert_eq!(watch.next(), Ok(ListChange { version: 2, len: 0 }));
        let mut any = WaitAny::new(&node);
        let member = any.add(&watch);
        let child = node.spawn("changes", changes, list.clone()).unwrap();
        let mut versions = vec![2];
        while versions.last() != Some(&1002) {
            assert_eq!(any.wait_timeout(PATIENCE), Some(member));
            if let Some(change) = watch.try_next().unwrap() {
                assert_eq!(change.version, change.len as u64 + 2);
                versions.push(change.version);
            }
        }
        assert!(versions.is_sorted_by(|a, b| a < b));
        child.join().unwrap();
        while any.wait_timeout(Duration::from_millis(1)).is_some() {
            assert_eq!(watch.try_next(), Ok(None));
        }
        list.clear().unwrap();
        assert_eq!(watch.next_timeout(PATIENCE), Ok(Some(ListChange { version: 1003, len: 0 })));
    }
}

/// > `flush` returns when the owner has all that this node cast to a list, and is an error that tells once how many it had no room for.
#[test]
fn a_flush_waits_for_all_casts_and_tells_of_those_that_were_refused() {
    fn casts(_: &Node, (list, count): (List<u64>, u64)) -> u64 {
        for i in 0..count {
            list.cast_push(i).unwrap();
        }
        match list.flush() {
            Err(ListError::Lost(count)) => count,
            other => other.map(|()| 0).unwrap(),
        }
    }
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, ("/theirs".to_owned(), 5000)).unwrap();
    let remote: List<u64> = node.open_timeout("/theirs", PATIENCE).unwrap();
    for list in [node.anonymous(ListOptions::new().capacity(5000)), remote] {
        let casting: Vec<_> =
            (0..3).map(|_| node.spawn("casts", casts, (list.clone(), 2000)).unwrap()).collect();
        let refused: u64 = casting.into_iter().map(|child| child.join().unwrap()).sum();
        assert_eq!((refused, list.len()), (1000, Ok(5000)));
        assert_eq!(list.flush(), Ok(()));
        assert_eq!((list.cast_push(1), list.cast_push(2)), (Ok(()), Ok(())));
        assert_eq!((list.flush_timeout(PATIENCE), list.flush()), (Err(ListError::Lost(2)), Ok(())));
        assert_eq!(list.take_all().map(|all| all.len()), Ok(5000));
        for i in 0..3000 {
            list.cast_push(i).unwrap();
        }
        // In order with all else.
        assert_eq!((list.push(3000), list.flush()), (Ok(3001), Ok(())));
        assert_eq!(list.snapshot(), Ok((0..=3000).collect()));
        list.clear().unwrap();
    }
}

/// > After the join of a child all that it cast is there, also at a third process's list.
#[test]
fn after_the_join_of_a_child_all_that_it_cast_is_there() {
    fn casts(_: &Node, list: List<u64>) {
        for i in 0..500 {
            list.cast_push(i).unwrap();
        }
    }
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, ("/theirs".to_owned(), 100_000)).unwrap();
    let remote: List<u64> = node.open_timeout("/theirs", PATIENCE).unwrap();
    for list in [node.anonymous(ListOptions::new()), remote] {
        for _ in 0..rounds(10) {
            node.spawn("casts", casts, list.clone()).unwrap().join().unwrap();
            assert_eq!(list.take_all(), Ok((0..500).collect()));
        }
    }
}

/// > Casts to an owner that does not read wait at 8 MiB, and come in order when it goes on; a flush keeps its timeout.
#[test]
fn casts_to_an_owner_that_does_not_read_wait_and_come_when_it_goes_on() {
    fn own_texts(node: &Node, name: String) {
        let _list: List<String> = node.create(&name, ListOptions::new()).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    fn text(number: usize) -> String {
        format!("{number:0>50}").repeat(20_000)
    }
    // In MiB: each text is about as long. Systems have from 0.2 on.
    let (socket, _) = UnixStream::pair().unwrap();
    let socket_holds = socket_send_buffer_size(&socket).unwrap() >> 20;
    let count = 40 + 2 * socket_holds;
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own_texts, "/theirs".to_owned()).unwrap();
    let list: List<String> = node.open_timeout("/theirs", PATIENCE).unwrap();
    send_signal(owner.pid(), 19);
    eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
    let sent = Arc::new(AtomicUsize::new(0));
    let casts = std::thread::spawn({
        let (list, sent) = (list.clone(), Arc::clone(&sent));
        move || {
            for number in 0..count {
                list.cast_push(text(number)).unwrap();
                sent.fetch_add(1, Ordering::AcqRel);
            }
        }
    });
    eventually("much is sent", || sent.load(Ordering::Acquire) >= 8);
    assert_eq!(list.flush_timeout(Duration::from_millis(30)), Err(ListError::Unresponsive));
    // What the socket holds, and what a writer had in hand, may come on top.
    let sent = sent.load(Ordering::Acquire);
    assert!(sent < 20 + socket_holds, "{sent}, of which a socket may hold {socket_holds}");
    send_signal(owner.pid(), 18);
    casts.join().unwrap();
    assert_eq!((list.flush(), list.len()), (Ok(()), Ok(count)));
    assert!(list.iter().map(Result::unwrap).eq((0..count).map(text)));
}

/// > A list of handles gives every process the objects themselves.
#[test]
fn a_list_of_handles_gives_every_process_the_objects_themselves() {
    type Nested = List<(Queue<u64>, List<u64>)>;
    fn uses(node: &Node, nested: Nested) {
        for (i, each) in nested.iter().enumerate() {
            let (queue, list) = each.unwrap();
            queue.put_confirmed(i as u64).unwrap();
            list.push(i as u64).unwrap();
        }
        // These end with this process.
        nested.push((node.anonymous(QueueOptions::new()), node.anonymous(ListOptions::new()))).unwrap();
    }
    fn own_nested(node: &Node, name: String) {
        let _list: Nested = node.create(&name, ListOptions::new()).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own_nested, "/theirs".to_owned()).unwrap();
    let remote: Nested = node.open_timeout("/theirs", PATIENCE).unwrap();
    for nested in [node.anonymous(ListOptions::new()), remote] {
        for _ in 0..3 {
            nested.push((node.anonymous(QueueOptions::new()), node.anonymous(ListOptions::new()))).unwrap();
        }
        node.spawn("uses", uses, nested.clone()).unwrap().join().unwrap();
        let (_, ended) = nested.pop().unwrap().unwrap();
        assert_eq!(ended.len(), Err(ListError::Disconnected));
        for (i, each) in nested.take_all().unwrap().into_iter().enumerate() {
            assert_eq!((each.0.get(), each.1.take_all()), (Ok(i as u64), Ok(vec![i as u64])));
        }
    }
}

/// > A stopped owner of a list costs a watch no more than its timeout.
#[test]
fn a_stopped_owner_costs_a_watch_no_more_than_its_timeout() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own, ("/theirs".to_owned(), 10)).unwrap();
    let list: List<u64> = node.open_timeout("/theirs", PATIENCE).unwrap();
    let mut watch = list.watch().unwrap();
    send_signal(owner.pid(), 19);
    eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
    let begun = Instant::now();
    list.cast_push(1).unwrap();
    assert_eq!(watch.next_timeout(Duration::from_millis(30)), Ok(None));
    assert_eq!(wait_any(&[&watch], Some(Duration::from_millis(30))), None);
    assert!(begun.elapsed() >= Duration::from_millis(60));
    send_signal(owner.pid(), 18);
    assert_eq!(watch.next(), Ok(ListChange { version: 1, len: 1 }));
}

/// Pushes pairs in one step each, for ever.
fn pushes_pairs(_: &Node, (list, told): (List<u64>, Queue<u64>)) {
    told.put_confirmed(0).unwrap();
    for i in 0.. {
        list.extend([i, i]).unwrap();
    }
}

/// Says each number that it got of a list which nobody but itself takes from.
fn watches(_: &Node, (list, told): (List<u64>, Queue<u64>)) {
    let mut watch = list.watch().unwrap();
    told.put_confirmed(0).unwrap();
    while watch.next().is_ok() {}
    panic!("its owner has ended");
}

/// > The death of a list's owner reaches everyone who asks or watches; that of another process leaves nothing half done.
#[test]
fn whoever_is_killed_nothing_hangs_and_nothing_is_half_done() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(30) {
        let name = format!("/owned/{round}");
        let owner = node.process("owner").stderr_null().spawn(own, (name.clone(), 1 << 20)).unwrap();
        let list: List<u64> = node.open_timeout(&name, PATIENCE).unwrap();
        let told: Queue<u64> = node.anonymous(QueueOptions::new());
        let spawn = |f| node.process("child").stderr_null().spawn(f, (list.clone(), told.clone())).unwrap();
        let (pusher, watcher) = (spawn(pushes_pairs), spawn(watches));
        (0..2).for_each(|_| assert_eq!(told.get(), Ok(0)));
        let thread = std::thread::spawn({
            let mut watch = list.watch().unwrap();
            move || loop {
                if let Err(error) = watch.next() {
                    return error;
                }
            }
        });
        pause(random.time(Duration::from_millis(2)));
        let victim = *random.pick(&[&owner, &pusher, &watcher]);
        if random.below(2) == 0 {
            send_signal(victim.pid(), 19);
        }
        send_signal(victim.pid(), 9);
        assert!(victim.join().is_err());
        if victim.pid() != owner.pid() {
            pusher.kill().unwrap();
            assert!(pusher.join().is_err());
            let all = list.take_all().unwrap();
            assert!(all.len().is_multiple_of(2));
            assert!(all.iter().enumerate().all(|(at, number)| *number == at as u64 / 2));
            assert!(victim.pid() == watcher.pid() || watcher.is_alive());
            owner.kill().unwrap();
        }
        assert_eq!(thread.join().unwrap(), ListError::Disconnected);
        assert_eq!(
            (list.push(1), list.flush()),
            (Err(ListError::Disconnected), Err(ListError::Disconnected))
        );
        assert_eq!(list.iter().next(), Some(Err(ListError::Disconnected)));
        assert!(list.watch().is_err());
        // Both are told, and panic, unless they were the victim.
        assert!(pusher.join().is_err() && watcher.join().is_err());
    }
}

//! Queues whose next item is not the first that was put.

use std::time::Duration;

use callboard::{
    GetError, LifoQueue, NameError, Node, PriorityQueue, Queue, QueueOptions, TryGetError, WaitAny,
};
use callboard_tests::{PATIENCE, eventually, send_signal};

callboard::test_door!();

fn put_last(_: &Node, (queue, count): (LifoQueue<u64>, u64)) {
    queue.put_many(0..count).unwrap();
}

fn own_lifo(node: &Node, name: String) {
    let _queue: LifoQueue<u64> = node.create(&name, QueueOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// > In a `LifoQueue` the last that was put is next, wherever it lives and whoever gets.
#[test]
fn the_last_that_was_put_is_next() {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own_lifo, "/theirs".to_owned()).unwrap();
    let remote: LifoQueue<u64> = node.open_timeout("/theirs", PATIENCE).unwrap();
    for queue in [node.anonymous::<LifoQueue<u64>>(QueueOptions::new()), remote] {
        queue.put_many(1..=3).unwrap();
        assert_eq!(queue.get_many(9).unwrap(), [3, 2, 1]);
        node.spawn("put", put_last, (queue.clone(), 1000)).unwrap().join().unwrap();
        assert_eq!(queue.len(), Ok(1000));
        // What one get had asked for must not be what the next one gets.
        assert_eq!(queue.get(), Ok(999));
        queue.put_confirmed(5).unwrap();
        assert_eq!((queue.get(), queue.get(), queue.try_get()), (Ok(5), Ok(998), Ok(997)));
        queue.close().unwrap();
        assert!(queue.iter().eq((0..997).rev()));
        assert_eq!(queue.get(), Err(GetError::Closed));
    }
}

/// > In a `PriorityQueue` the lowest priority is next, and of one priority the first that was put.
#[test]
fn the_lowest_priority_is_next_and_of_one_the_first_that_was_put() {
    fn puts(_: &Node, (queue, own): (PriorityQueue<String>, u64)) {
        for n in 0..100 {
            queue.put((n % 7 - 3, format!("{own}-{n}"))).unwrap();
        }
    }
    let node = Node::start().unwrap();
    let queue: PriorityQueue<String> = node.create("/tasks", QueueOptions::new()).unwrap();
    queue.put((5, "late".to_owned())).unwrap();
    queue.put((i64::MIN, "first".to_owned())).unwrap();
    queue.put((-1, "soon".to_owned())).unwrap();
    assert_eq!(queue.get().unwrap().1, "first");
    assert_eq!(queue.try_get().unwrap(), (-1, "soon".to_owned()));
    let children: Vec<_> =
        (0..3).map(|own| node.spawn("puts", puts, (queue.clone(), own)).unwrap()).collect();
    for child in children {
        child.join().unwrap();
    }
    queue.close().unwrap();
    let got: Vec<(i64, String)> = queue.iter().collect();
    assert_eq!(got.len(), 301);
    assert!(got.is_sorted_by_key(|(priority, _)| *priority));
    for own in 0..3 {
        for priority in -3..=3 {
            let of_one =
                got.iter().filter(|(p, text)| *p == priority && text.starts_with(&format!("{own}-")));
            let numbers: Vec<i64> = of_one.map(|(_, text)| text[2..].parse().unwrap()).collect();
            assert!(numbers.is_sorted() && numbers.len() >= 14, "{numbers:?}");
        }
    }
}

/// > What comes back to such a queue, from a lease or a killed process, is next of its kind again.
#[test]
fn what_comes_back_is_next_of_its_kind_again() {
    fn leases(node: &Node, (queue, told): (PriorityQueue<u64>, Queue<u64>)) {
        let lease = queue.lease().unwrap();
        told.put_confirmed(lease.1).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let node = Node::start().unwrap();
    let queue: PriorityQueue<u64> = node.anonymous(QueueOptions::new().max_attempts(3));
    let told: Queue<u64> = node.anonymous(QueueOptions::new());
    for (priority, n) in [(1, 10), (0, 20), (0, 21), (2, 30)] {
        queue.put((priority, n)).unwrap();
    }
    let child = node.process("leases").stderr_null().spawn(leases, (queue.clone(), told.clone())).unwrap();
    assert_eq!(told.get(), Ok(20));
    send_signal(child.pid(), 9);
    assert!(child.join().is_err());
    let lease = queue.lease().unwrap();
    assert_eq!((*lease, lease.attempt()), ((0, 20), 2));
    lease.nack(Duration::ZERO);
    let lease = queue.lease().unwrap();
    assert_eq!((*lease, lease.attempt()), ((0, 20), 3));
    drop(lease);
    eventually("it is a dead letter", || {
        let (letters, _) = queue.dead_letters().unwrap();
        letters.iter().any(|letter| letter.item == Some((0, 20)))
    });
    assert_eq!(queue.get_many(9).unwrap(), [(0, 21), (1, 10), (2, 30)]);
}

#[test]
fn kinds_are_types_of_their_own_and_are_waited_for() {
    let node = Node::start().unwrap();
    let queue: LifoQueue<u64> = node.create("/lifo", QueueOptions::new().capacity(2)).unwrap();
    let wrong = node.open::<Queue<u64>>("/lifo").unwrap_err();
    assert!(matches!(wrong, NameError::WrongType { ref found, .. } if found == "LifoQueue<u64>"), "{wrong}");
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    let mut any = WaitAny::new(&node);
    let member = any.add(&queue);
    for n in 0..3 {
        assert_eq!(any.try_wait(), None);
        queue.put(n).unwrap();
        assert_eq!((any.wait(), queue.try_get()), (Some(member), Ok(n)));
    }
}

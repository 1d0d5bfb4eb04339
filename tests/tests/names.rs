//! Names, and processes that find each other by them.

use callboard::{GetError, NameError, Node, Queue, QueueOptions, TryGetError};
use callboard_tests::{PATIENCE, rounds};

callboard::test_door!();

fn queue(node: &Node, capacity: u64) -> Queue<u64> {
    node.anonymous(QueueOptions::new().capacity(capacity))
}

/// Puts `count` numbers, the first of them `from`.
fn put_range(queue: &Queue<u64>, from: u64, count: u64) {
    queue.put_many(from..from + count).unwrap();
}

/// > A name stands for one object, of one type; opening it as another type names both.
#[test]
fn names_are_typed_and_unique() {
    let node = Node::start().unwrap();
    let _queue: Queue<u64> = node.create("/a", QueueOptions::new()).unwrap();
    let again = node.create::<Queue<u64>>("/a", QueueOptions::new());
    assert!(matches!(again, Err(NameError::Taken { .. })));
    let other = node.open::<Queue<String>>("/a").unwrap_err();
    let NameError::WrongType { expected, found, .. } = other else { panic!("{other}") };
    assert!(expected.contains("String") && found.contains("u64"));
    assert!(node.get_or_create::<Queue<u64>>("/a", QueueOptions::new()).is_ok());
    assert!(matches!(node.open::<Queue<u64>>(""), Err(NameError::BadName(_))));
    assert!(matches!(node.open::<Queue<u64>>("a\nb"), Err(NameError::BadName(_))));
    let long = "x".repeat(256);
    assert!(matches!(node.open::<Queue<u64>>(&long), Err(NameError::BadName(_))));
}

/// Creates a queue by name and serves it until asked to stop.
fn own_by_name(node: &Node, name: String) {
    let _queue: Queue<u64> = node.create(&name, QueueOptions::new()).unwrap();
    node.wait_stopping(PATIENCE);
}

fn put_by_name(node: &Node, (name, from, count): (String, u64, u64)) {
    let queue: Queue<u64> = node.open_timeout(&name, PATIENCE).unwrap();
    put_range(&queue, from, count);
}

#[test]
fn three_processes_meet_by_name_and_the_queue_is_exact_after_the_join() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own_by_name, "/numbers".to_owned()).unwrap();
    let queue: Queue<u64> = node.open_timeout("/numbers", PATIENCE).unwrap();
    for round in 0..20 {
        let args = ("/numbers".to_owned(), round, 500);
        node.spawn("putter", put_by_name, args).unwrap().join().unwrap();
        assert_eq!(queue.len(), Ok(500));
        for n in round..round + 500 {
            assert_eq!(queue.try_get(), Ok(n));
        }
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    }
    owner.terminate(PATIENCE);
    owner.join().unwrap();
    assert_eq!(queue.get(), Err(GetError::Disconnected));
    assert_eq!(node.open::<Queue<u64>>("/numbers").unwrap_err(), NameError::NotFound("/numbers".into()));
}

/// Where a crowd's members meet: their number, and how many there are.
type Crowd = (Queue<u64>, Queue<u64>, u64, u64);

/// Creates a queue of its own; once all others have, opens theirs, greets them, and waits for their greetings. How many
/// sockets that took.
fn meets_all(node: &Node, (ready, go, own, count): Crowd) -> usize {
    let sockets = || {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = links.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    };
    let ears: Queue<u64> = node.create(&format!("/ears/{own}"), QueueOptions::new()).unwrap();
    let before = sockets();
    ready.put_confirmed(own).unwrap();
    go.get().unwrap();
    for other in (0..count).filter(|other| *other != own) {
        let queue: Queue<u64> = node.open(&format!("/ears/{other}")).unwrap();
        queue.put_confirmed(own).unwrap();
    }
    let mut heard: Vec<u64> = (1..count).map(|_| ears.get().unwrap()).collect();
    heard.sort_unstable();
    assert_eq!(heard, (0..count).filter(|other| *other != own).collect::<Vec<_>>());
    // Nobody leaves before all have counted.
    let took = sockets() - before;
    ready.put_confirmed(own).unwrap();
    go.get().unwrap();
    took
}

/// > Two nodes that want each other at the same moment get one connection.
#[test]
fn nodes_that_meet_at_the_same_moment_have_one_connection() {
    const COUNT: u64 = 5;
    let node = Node::start().unwrap();
    for _ in 0..rounds(5) {
        let (ready, go) = (queue(&node, COUNT), queue(&node, COUNT));
        let members: Vec<_> = (0..COUNT)
            .map(|own| node.spawn("member", meets_all, (ready.clone(), go.clone(), own, COUNT)).unwrap())
            .collect();
        for _ in 0..2 {
            assert!((0..COUNT).all(|_| ready.get().is_ok()));
            go.put_many(0..COUNT).unwrap();
        }
        for member in members {
            assert_eq!(member.join().unwrap(), COUNT as usize - 1);
        }
    }
}

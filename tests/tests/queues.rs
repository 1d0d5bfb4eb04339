//! Queues between threads and processes: order, capacity, close, and who gets what when somebody dies.

use std::time::{Duration, Instant};

use callboard::{GetError, Node, PutError, Queue, QueueOptions, TryGetError};
use callboard_tests::{PATIENCE, eventually, pause, send_signal, stop_state};

callboard::test_door!();

fn queue(node: &Node, capacity: u64) -> Queue<u64> {
    node.anonymous(QueueOptions::new().capacity(capacity))
}

/// Puts `count` numbers, the first of them `from`.
fn put_range(_: &Node, (queue, from, count): (Queue<u64>, u64, u64)) {
    for n in from..from + count {
        queue.put(n).unwrap();
    }
}

/// Gets until the end; what came.
fn get_all(_: &Node, queue: Queue<u64>) -> Vec<u64> {
    queue.iter().collect()
}

/// Creates a queue by name and serves it until asked to stop.
fn own_by_name(node: &Node, name: String) {
    let _queue: Queue<u64> = node.create(&name, QueueOptions::new()).unwrap();
    node.wait_stopping(PATIENCE);
}

/// > FIFO; closed, it drains, then says so.
#[test]
fn items_come_out_in_the_order_they_went_in() {
    let node = Node::start().unwrap();
    let queue = queue(&node, 1000);
    assert_eq!(queue.put_many(0..100).unwrap(), 100);
    assert_eq!(queue.len(), Ok(100));
    queue.close().unwrap();
    assert_eq!(queue.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    assert_eq!(queue.get(), Err(GetError::Closed));
    assert_eq!(queue.try_get(), Err(TryGetError::Closed));
    assert!(matches!(queue.put(1), Err(PutError::Closed(1))));
}

#[test]
fn an_empty_queue_says_so_and_a_timeout_is_kept() {
    let node = Node::start().unwrap();
    let queue = queue(&node, 10);
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    assert_eq!(queue.get_timeout(Duration::from_millis(5)), Err(GetError::TimedOut));
    assert_eq!(queue.get_timeout(Duration::ZERO), Err(GetError::TimedOut));
    queue.put(1).unwrap();
    assert_eq!(queue.get_timeout(PATIENCE), Ok(1));
}

/// > Full is reported as full and order is kept.
#[test]
fn a_full_queue_is_reported_as_full_and_keeps_its_order() {
    let node = Node::start().unwrap();
    let queue = queue(&node, 2);
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert!(matches!(queue.try_put(3), Err(PutError::Full(3))));
    assert!(matches!(queue.put_timeout(3, Duration::from_millis(5)), Err(PutError::Full(3))));
    assert_eq!(queue.get(), Ok(1));
    queue.try_put(4).unwrap();
    assert_eq!((queue.get(), queue.get()), (Ok(2), Ok(4)));
}

/// > A put waits for room and a get for an item.
#[test]
fn a_put_waits_for_room_and_a_get_for_an_item() {
    let node = Node::start().unwrap();
    let queue = queue(&node, 1);
    let putter = queue.clone();
    let thread = std::thread::spawn(move || (0..1000).for_each(|n| putter.put(n).unwrap()));
    let got: Vec<u64> = (0..1000).map(|_| queue.get().unwrap()).collect();
    thread.join().unwrap();
    assert_eq!(got, (0..1000).collect::<Vec<_>>());
}

/// > After the join of a child, what it put is there and `len` is exact.
#[test]
fn a_child_puts_into_the_parents_queue_and_after_the_join_all_is_there() {
    let node = Node::start().unwrap();
    let queue = queue(&node, 1 << 20);
    for count in [5, 100_000] {
        let child = node.spawn("putter", put_range, (queue.clone(), 0, count)).unwrap();
        child.join().unwrap();
        assert_eq!(queue.len(), Ok(count as usize));
        for n in 0..count {
            assert_eq!(queue.try_get(), Ok(n));
        }
        assert_eq!(queue.is_empty(), Ok(true));
    }
}

/// > Each item goes to one getter.
#[test]
fn children_get_each_item_of_the_parent_exactly_once() {
    let node = Node::start().unwrap();
    let queue = queue(&node, 1 << 20);
    let children: Vec<_> = (0..3).map(|_| node.spawn("getter", get_all, queue.clone()).unwrap()).collect();
    queue.put_many(0..20_000).unwrap();
    queue.close().unwrap();
    let mut all = Vec::new();
    for child in children {
        all.extend(child.join().unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (0..20_000).collect::<Vec<_>>());
}

/// > A lease that comes back after the end was told is delivered to whoever asks, also on the node that held it.
#[test]
fn a_lease_that_comes_back_after_the_end_was_told_is_delivered() {
    fn holds(_: &Node, queue: Queue<u64>) -> (u64, u32) {
        let lease = queue.lease().unwrap();
        assert!(matches!(queue.lease(), Err(GetError::Closed)), "nothing is left but what it holds");
        assert!(matches!(queue.lease_timeout(Duration::ZERO), Err(GetError::Closed)));
        drop(lease);
        let again = queue.lease().unwrap();
        let was = (*again, again.attempt());
        again.ack_confirmed().unwrap();
        assert!(matches!(queue.lease(), Err(GetError::Closed)));
        was
    }
    let node = Node::start().unwrap();
    for is_here in [true, false] {
        let queue = queue(&node, 10);
        queue.put(8).unwrap();
        queue.close().unwrap();
        let was = if is_here {
            holds(&node, queue.clone())
        } else {
            node.spawn("holds", holds, queue.clone()).unwrap().join().unwrap()
        };
        assert_eq!(was, (8, 2));
        assert_eq!(queue.join_timeout(PATIENCE), Ok(true));
    }
}

/// > A node may hold 32,768 leases of a queue; one more is an error, and settling one makes room.
#[test]
fn a_node_may_hold_so_many_leases_and_one_more_is_an_error() {
    const MOST: u64 = 32_768;
    fn holds(_: &Node, queue: Queue<u64>) {
        let mut leases: Vec<_> = (0..MOST).map(|_| queue.lease().unwrap()).collect();
        assert!(matches!(queue.lease(), Err(GetError::TooManyLeases)));
        assert!(matches!(queue.lease_timeout(Duration::ZERO), Err(GetError::TooManyLeases)));
        leases.pop().unwrap().ack();
        leases.push(queue.lease().unwrap());
        assert!(matches!(queue.lease(), Err(GetError::TooManyLeases)));
    }
    let node = Node::start().unwrap();
    let queue = queue(&node, 2 * MOST);
    queue.put_many(0..2 * MOST).unwrap();
    holds(&node, queue.clone());
    node.spawn("holds", holds, queue.clone()).unwrap().join().unwrap();
    assert_eq!(queue.len(), Ok(2 * MOST as usize - 2));
}

/// > `get_many` takes what is there, up to what was asked for.
#[test]
fn get_many_takes_what_is_there() {
    fn takes(_: &Node, queue: Queue<u64>) -> Vec<usize> {
        let mut next = 0;
        let mut take = |most| {
            let items = queue.get_many(most).unwrap();
            assert!(items.iter().copied().eq(next..next + items.len() as u64));
            next += items.len() as u64;
            items.len()
        };
        vec![take(10), take(90), take(1000)]
    }
    let node = Node::start().unwrap();
    let queue = queue(&node, 1000);
    queue.put_many(0..150).unwrap();
    assert_eq!(node.spawn("takes", takes, queue.clone()).unwrap().join(), Ok(vec![10, 90, 50]));
    queue.put_many(0..150).unwrap();
    assert_eq!(takes(&node, queue), [10, 90, 50]);
}

/// > The owner's death reaches everyone who waits.
#[test]
fn a_get_from_an_owner_that_is_killed_ends_at_once() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own_by_name, "/doomed".to_owned()).unwrap();
    let queue: Queue<u64> = node.open_timeout("/doomed", PATIENCE).unwrap();
    let waits = queue.clone();
    let getter = std::thread::spawn(move || (waits.get(), Instant::now()));
    pause(Duration::from_millis(50));
    let killed = Instant::now();
    owner.kill().unwrap();
    let (got, at) = getter.join().unwrap();
    assert_eq!(got, Err(GetError::Disconnected));
    assert!(at - killed < Duration::from_secs(10), "it came {:?} after the kill", at - killed);
    assert!(matches!(queue.put(1), Err(PutError::Disconnected(1))));
    assert!(queue.len().is_err());
}

/// > A stopped owner costs no more than the caller's deadline, and a second for what had to be asked at it; `try_`
/// > verbs take a second at most.
#[test]
fn a_stopped_owner_costs_no_more_than_the_callers_deadline() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own_by_name, "/slow".to_owned()).unwrap();
    let queue: Queue<u64> = node.open_timeout("/slow", PATIENCE).unwrap();
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    send_signal(owner.pid(), 19);
    eventually("the owner is stopped", || stop_state(owner.pid()) == Some('T'));
    let begun = Instant::now();
    assert_eq!(queue.get_timeout(Duration::from_millis(50)), Err(GetError::TimedOut));
    assert_eq!(queue.try_get(), Err(TryGetError::Unresponsive));
    assert!(!queue.join_timeout(Duration::from_millis(50)).unwrap());
    assert!(begun.elapsed() < Duration::from_secs(30));
    send_signal(owner.pid(), 18);
    queue.put(7).unwrap();
    assert_eq!(queue.get(), Ok(7));
}

/// Takes one item, says which in `taken`, and hangs with whatever was prefetched.
fn take_one_and_hang(node: &Node, (queue, taken): (Queue<u64>, Queue<u64>)) {
    for _ in 0..200 {
        taken.put_confirmed(queue.get().unwrap()).unwrap();
    }
    node.wait_stopping(PATIENCE);
}

/// > What a killed consumer had prefetched goes back to the head, in order.
#[test]
fn what_a_killed_consumer_had_prefetched_goes_back_in_order() {
    let node = Node::start().unwrap();
    let queue = queue(&node, 1 << 20);
    let taken = node.anonymous::<Queue<u64>>(QueueOptions::new());
    queue.put_many(0..10_000).unwrap();
    let child = node.spawn("getter", take_one_and_hang, (queue.clone(), taken.clone())).unwrap();
    let mut got: Vec<u64> = (0..200).map(|_| taken.get().unwrap()).collect();
    child.kill().unwrap();
    assert!(child.join().is_err());
    assert_eq!(queue.len(), Ok(9800));
    queue.close().unwrap();
    got.extend(queue.iter());
    assert_eq!(got, (0..10_000).collect::<Vec<_>>());
}

fn lease_and_hang(node: &Node, (queue, ready): (Queue<u64>, Queue<u32>)) {
    let lease = queue.lease().unwrap();
    ready.put_confirmed(lease.attempt()).unwrap();
    node.wait_stopping(PATIENCE);
}

/// > A lease whose holder is killed is delivered again, its attempt one higher.
#[test]
fn getter_killed_holding_a_lease_gives_the_item_to_the_next_getter() {
    let node = Node::start().unwrap();
    let queue = queue(&node, 10);
    let ready = node.anonymous::<Queue<u32>>(QueueOptions::new());
    queue.put(42).unwrap();
    let child = node.spawn("leaser", lease_and_hang, (queue.clone(), ready.clone())).unwrap();
    assert_eq!(ready.get(), Ok(1));
    assert_eq!(queue.len(), Ok(0));
    assert!(!queue.join_timeout(Duration::ZERO).unwrap());
    child.kill().unwrap();
    let lease = queue.lease_timeout(PATIENCE).unwrap();
    assert_eq!((*lease.item(), lease.attempt()), (42, 2));
    lease.ack();
    assert!(queue.join_timeout(PATIENCE).unwrap());
}

/// > Dropped, nacked and expired leases come back until the item is a dead letter.
#[test]
fn a_lease_that_is_dropped_nacked_or_expired_comes_back_until_it_is_a_dead_letter() {
    let node = Node::start().unwrap();
    let queue: Queue<u64> = node.anonymous(QueueOptions::new().max_attempts(3));
    queue.put(5).unwrap();
    drop(queue.lease().unwrap());
    queue.lease().unwrap().nack(Duration::from_millis(5));
    let third = queue.lease_for(Duration::from_secs(1)).unwrap();
    assert_eq!(third.attempt(), 3);
    assert!(queue.join_timeout(PATIENCE).unwrap(), "an item given up is settled");
    assert_eq!(third.ack_confirmed(), Err(callboard::LeaseError::Expired));
    let (letters, dropped) = queue.dead_letters().unwrap();
    assert_eq!((letters.len(), dropped), (1, 0));
    assert_eq!((letters[0].item, letters[0].attempts), (Some(5), 3));
}

/// > Handles travel.
#[test]
fn a_queue_travels_through_a_queue() {
    let node = Node::start().unwrap();
    let inner = queue(&node, 10);
    let outer: Queue<Queue<u64>> = node.anonymous(QueueOptions::new());
    let answers = |_: &Node, outer: Queue<Queue<u64>>| outer.get().unwrap().put(9).unwrap();
    let child = node.spawn("answers", answers, outer.clone()).unwrap();
    outer.put(inner.clone()).unwrap();
    assert_eq!(inner.get(), Ok(9));
    child.join().unwrap();
}

/// > Items of many megabytes pass; one beyond the capacity is refused.
#[test]
fn an_item_of_many_megabytes_passes_and_one_beyond_the_capacity_is_refused() {
    let node = Node::start().unwrap();
    let options = QueueOptions::new().capacity_bytes(40 << 20);
    let queue: Queue<String> = node.anonymous(options);
    let child = node
        .spawn(
            "putter",
            |_, queue: Queue<String>| {
                let refused = queue.put("x".repeat(50 << 20));
                assert!(matches!(refused, Err(PutError::TooLarge(_))));
                queue.put("x".repeat(30 << 20)).unwrap();
            },
            queue.clone(),
        )
        .unwrap();
    assert_eq!(queue.get().unwrap().len(), 30 << 20);
    child.join().unwrap();
}

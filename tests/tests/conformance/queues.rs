//! What only queues do, of each kind: they are closed, they are full, their items are leased, and somebody joins them.

use std::time::{Duration, Instant};

use callboard::{
    ByPriority, Event, EventOptions, Fifo, GetError, Kind, Lifo, Node, PutError, Queue, QueueOptions,
};
use callboard_tests::PATIENCE;

use crate::place::Place;

/// All kinds take the items of a `PriorityQueue`.
type Item = (i64, u64);

const SHORT: Duration = Duration::from_millis(20);

macro_rules! for_every_kind {
    ($case:ident) => {
        in_every_place! { $case: a_queue = Fifo, a_lifo_queue = Lifo, a_priority_queue = ByPriority }
    };
}

fn drains<K: Kind<Item>>(_: &Node, queue: Queue<Item, K>) -> Vec<u64> {
    queue.iter().map(|(_, n)| n).collect()
}

fn closes<K: Kind<Item>>(_: &Node, queue: Queue<Item, K>) {
    queue.close().unwrap();
}

fn a_closed_queue_is_closed_for_all_and_drains<K: Kind<Item>>(place: Place) {
    let home = Node::start().unwrap();
    let queue: Queue<Item, K> = home.anonymous(QueueOptions::new());
    queue.put_many((0..3).map(|n| (0, n))).unwrap();
    place.run(&home, closes::<K>, queue.clone());
    assert!(matches!(queue.put((0, 9)), Err(PutError::Closed((0, 9)))));
    let mut drained = place.run(&home, drains::<K>, queue.clone());
    drained.sort_unstable();
    assert_eq!(drained, [0, 1, 2]);
    assert_eq!(queue.get(), Err(GetError::Closed));
}

for_every_kind!(a_closed_queue_is_closed_for_all_and_drains);

fn who_waits_for_an_item_is_told_of_the_close<K: Kind<Item>>(place: Place) {
    let home = Node::start().unwrap();
    let queue: Queue<Item, K> = home.anonymous(QueueOptions::new());
    let waiting =
        [place.start(&home, drains::<K>, queue.clone()), place.start(&home, drains::<K>, queue.clone())];
    place.run(&home, closes::<K>, queue);
    for part in waiting {
        assert!(part.join().is_empty());
    }
}

for_every_kind!(who_waits_for_an_item_is_told_of_the_close);

fn a_full_queue_is_told_as_full_and_a_put_waits_for_room<K: Kind<Item>>(place: Place) {
    fn puts<K: Kind<Item>>(_: &Node, (queue, refused): (Queue<Item, K>, Event)) {
        // On a machine that stands still for a second the owner may not answer in time.
        let refused_now = queue.try_put((0, 7));
        assert!(matches!(refused_now, Err(PutError::Full((0, 7)) | PutError::Unresponsive((0, 7)))));
        let begun = Instant::now();
        let refused_late = queue.put_timeout((0, 8), SHORT);
        assert!(matches!(refused_late, Err(PutError::Full((0, 8)) | PutError::Unresponsive((0, 8)))));
        assert!(begun.elapsed() >= SHORT);
        refused.set().unwrap();
        queue.put_many((2..10).map(|n| (0, n))).unwrap();
        queue.flush().unwrap();
    }
    let home = Node::start().unwrap();
    let queue: Queue<Item, K> = home.anonymous(QueueOptions::new().capacity(2));
    queue.put_many((0..2).map(|n| (0, n))).unwrap();
    let refused: Event = home.anonymous(EventOptions::new());
    let part = place.start(&home, puts::<K>, (queue.clone(), refused.clone()));
    assert_eq!(refused.wait_timeout(PATIENCE), Ok(true));
    let mut got: Vec<u64> = (0..10).map(|_| queue.get_timeout(PATIENCE).unwrap().1).collect();
    got.sort_unstable();
    assert_eq!(got, (0..10).collect::<Vec<_>>());
    part.join();
}

for_every_kind!(a_full_queue_is_told_as_full_and_a_put_waits_for_room);

fn a_lease_given_up_elsewhere_comes_back_and_a_join_waits_for_it<K: Kind<Item>>(place: Place) {
    fn gives_up<K: Kind<Item>>(_: &Node, queue: Queue<Item, K>) -> u32 {
        queue.lease().unwrap().attempt()
    }
    fn settles<K: Kind<Item>>(_: &Node, queue: Queue<Item, K>) -> u32 {
        let lease = queue.lease().unwrap();
        let attempt = lease.attempt();
        lease.ack_confirmed().unwrap();
        attempt
    }
    let home = Node::start().unwrap();
    let queue: Queue<Item, K> = home.anonymous(QueueOptions::new().max_attempts(5));
    queue.put((0, 1)).unwrap();
    assert_eq!(place.run(&home, gives_up::<K>, queue.clone()), 1);
    assert_eq!(queue.join_timeout(Duration::from_millis(1)), Ok(false));
    assert_eq!(place.run(&home, settles::<K>, queue.clone()), 2);
    assert_eq!(queue.join_timeout(PATIENCE), Ok(true));
}

for_every_kind!(a_lease_given_up_elsewhere_comes_back_and_a_join_waits_for_it);

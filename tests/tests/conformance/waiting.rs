//! Cases of every type that can be waited for: timeouts, waking, the owner's end, and waiting for several things.

use std::time::{Duration, Instant};

use callboard::{
    Counter, Dict, Event, EventOptions, Latch, LifoQueue, List, Node, PriorityQueue, Queue, QueueOptions,
    Register, Set, WaitAny,
};
use callboard_tests::PATIENCE;

use crate::place::Place;
use crate::sample::{Ended, Waits};

const SHORT: Duration = Duration::from_millis(20);

fn a_wait_keeps_its_timeout<O: Waits>(place: Place) {
    fn waits<O: Waits>(_: &Node, object: O) {
        let begun = Instant::now();
        assert_eq!(object.wait(SHORT), Ok(false));
        assert!(begun.elapsed() >= SHORT);
        assert_eq!(object.wait(Duration::ZERO), Ok(false));
    }
    let home = Node::start().unwrap();
    let object: O = home.anonymous(O::options());
    place.run(&home, waits::<O>, object.clone());
    object.give(1);
    assert_eq!(object.wait(Duration::ZERO), Ok(true));
}

for_every_type_that_waits!(a_wait_keeps_its_timeout);

fn a_wait_is_woken_from_elsewhere<O: Waits>(place: Place) {
    /// Waits for one and gives to the other.
    fn answers<O: Waits>(_: &Node, (question, answer): (O, O)) {
        assert_eq!(question.wait(PATIENCE), Ok(true));
        answer.give(2);
    }
    let home = Node::start().unwrap();
    let (question, answer): (O, O) = (home.anonymous(O::options()), home.anonymous(O::options()));
    let other = place.start(&home, answers::<O>, (question.clone(), answer.clone()));
    assert_eq!(answer.wait(Duration::from_millis(1)), Ok(false), "nothing was asked");
    question.give(1);
    assert_eq!(answer.wait(PATIENCE), Ok(true));
    other.join();
}

for_every_type_that_waits!(a_wait_is_woken_from_elsewhere);

fn a_wait_ends_with_the_owner<O: Waits>(place: Place) {
    fn hands_on<O: Waits>(node: &Node, (told, end): (Queue<O>, Event)) {
        told.put(node.anonymous(O::options())).unwrap();
        end.wait().unwrap();
    }
    let home = Node::start().unwrap();
    let told: Queue<O> = home.anonymous(QueueOptions::new());
    let end: Event = home.anonymous(EventOptions::new());
    let owner = place.start(&home, hands_on::<O>, (told.clone(), end.clone()));
    let object = told.get_timeout(PATIENCE).unwrap();
    let mut any = WaitAny::new(&home);
    let member = object.add_to(&mut any);
    assert_eq!(any.try_wait(), None);
    let waiting = std::thread::spawn({
        let object = object.clone();
        move || object.wait(PATIENCE)
    });
    end.set().unwrap();
    owner.join();
    if place == Place::Thread {
        // It belongs to the node, not to the thread that created it.
        object.give(1);
        assert_eq!(waiting.join().unwrap(), Ok(true));
        return;
    }
    assert_eq!(waiting.join().unwrap(), Err(Ended));
    for _ in 0..2 {
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
    }
}

for_every_type_that_waits!(a_wait_ends_with_the_owner);

fn it_is_waited_for_together_with_other_things<O: Waits>(place: Place) {
    fn waits<O: Waits>(node: &Node, (object, ready): (O, Event)) {
        let never: Event = node.anonymous(EventOptions::new());
        let mut any = WaitAny::new(node);
        any.add(&never);
        any.add(node);
        let member = object.add_to(&mut any);
        assert_eq!(any.wait_timeout(Duration::from_millis(1)), None);
        ready.set().unwrap();
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
    }
    let home = Node::start().unwrap();
    let object: O = home.anonymous(O::options());
    let ready: Event = home.anonymous(EventOptions::new());
    let other = place.start(&home, waits::<O>, (object.clone(), ready.clone()));
    assert_eq!(ready.wait_timeout(PATIENCE), Ok(true));
    object.give(1);
    other.join();

    let object: O = home.anonymous(O::options());
    let mut any = WaitAny::new(&home);
    any.add(&home.anonymous::<Event>(EventOptions::new()));
    let member = object.add_to(&mut any);
    assert_eq!(any.try_wait(), None);
    let other = place.start(&home, |_, object: O| object.give(1), object);
    assert_eq!(any.wait_timeout(PATIENCE), Some(member));
    other.join();
}

for_every_type_that_waits!(it_is_waited_for_together_with_other_things);

//! Events between threads and processes: who is woken, what a quick set and clear does, and what a death does.

use std::time::{Duration, Instant};

use callboard::{Event, EventOptions, Node, ObjectError, Queue, QueueOptions, WaitAny, wait_any};
use callboard_tests::{PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

callboard::test_door!();

fn event(node: &Node) -> Event {
    node.anonymous(EventOptions::new())
}

fn own(node: &Node, name: String) {
    let _event: Event = node.create(&name, EventOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// Says that it is about to wait, waits, and says what it saw.
fn waits(_: &Node, (event, told): (Event, Queue<u64>)) -> bool {
    told.put_confirmed(1).unwrap();
    event.wait().unwrap();
    event.is_set().unwrap()
}

/// > An event is set for everybody when `set` returns, until it is cleared.
#[test]
fn an_event_is_set_for_everybody_until_it_is_cleared() {
    fn sees(_: &Node, (event, expected): (Event, bool)) -> bool {
        let timeout = if expected { PATIENCE } else { Duration::from_millis(1) };
        event.is_set().unwrap() == expected && event.wait_timeout(timeout).unwrap() == expected
    }
    let node = Node::start().unwrap();
    let begins_set: Event = node.create("/set", EventOptions::new().set()).unwrap();
    assert_eq!(begins_set.is_set(), Ok(true));
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let remote: Event = node.open_timeout("/theirs", PATIENCE).unwrap();
    for event in [event(&node), remote] {
        assert_eq!((event.is_set(), event.wait_timeout(Duration::ZERO)), (Ok(false), Ok(false)));
        for expected in [true, false, true] {
            for _ in 0..2 {
                if expected { event.set().unwrap() } else { event.clear().unwrap() }
            }
            assert!(node.spawn("sees", sees, (event.clone(), expected)).unwrap().join().unwrap());
        }
        event.wait().unwrap();
    }
}

/// > A set wakes all who wait, in every process.
#[test]
fn a_set_wakes_all_who_wait_in_every_process() {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let remote: Event = node.open_timeout("/theirs", PATIENCE).unwrap();
    for event in [event(&node), remote] {
        let told: Queue<u64> = node.anonymous(QueueOptions::new());
        let children: Vec<_> =
            (0..3).map(|_| node.spawn("waits", waits, (event.clone(), told.clone())).unwrap()).collect();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let event = event.clone();
                std::thread::spawn(move || event.wait())
            })
            .collect();
        (0..3).for_each(|_| assert_eq!(told.get(), Ok(1)));
        event.set().unwrap();
        assert!(children.into_iter().all(|child| child.join().unwrap()));
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == Ok(())));
    }
}

/// > Who waited when an event was set is woken, also if it is cleared at once; who comes after the clear is not.
#[test]
fn a_quick_set_and_clear_wakes_who_waited_and_nobody_else() {
    fn quick(_: &Node, (event, told): (Event, Queue<u64>)) {
        told.get().unwrap();
        event.set().unwrap();
        event.clear().unwrap();
        told.get().unwrap();
    }
    let node = Node::start().unwrap();
    for round in 0..rounds(50) {
        let event = event(&node);
        let told: Queue<u64> = node.anonymous(QueueOptions::new());
        let child = node.spawn("quick", quick, (event.clone(), told.clone())).unwrap();
        let mut any = WaitAny::new(&node);
        let member = any.add(&event);
        // The owner has heard of this wait when the next message leaves.
        assert_eq!(any.try_wait(), None);
        told.put(round).unwrap();
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
        told.put(round).unwrap();
        child.join().unwrap();
        assert_eq!(event.is_set(), Ok(false));
        assert_eq!(event.wait_timeout(Duration::from_millis(1)), Ok(false));
        assert_eq!(any.wait_timeout(Duration::from_millis(1)), None);
    }
}

/// > A wait for an event keeps its timeout, also with the owner stopped.
#[test]
fn a_wait_keeps_its_timeout_also_with_the_owner_stopped() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let event: Event = node.open_timeout("/theirs", PATIENCE).unwrap();
    let begun = Instant::now();
    assert_eq!(event.wait_timeout(Duration::from_millis(30)), Ok(false));
    send_signal(owner.pid(), 19);
    eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
    assert_eq!(event.wait_timeout(Duration::from_millis(30)), Ok(false));
    assert_eq!(wait_any(&[&event], Some(Duration::from_millis(30))), None);
    assert!(begun.elapsed() >= Duration::from_millis(90));
    send_signal(owner.pid(), 18);
    event.set().unwrap();
    assert_eq!(wait_any(&[&event], Some(PATIENCE)), Some(0));
}

/// > The death of an event's owner reaches everyone who waits; that of a waiter or a bystander nobody.
#[test]
fn whoever_is_killed_nobody_waits_for_the_dead() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(30) {
        let name = format!("/owned/{round}");
        let owner = node.process("owner").stderr_null().spawn(own, name.clone()).unwrap();
        let event: Event = node.open_timeout(&name, PATIENCE).unwrap();
        let told: Queue<u64> = node.anonymous(QueueOptions::new());
        let spawn = || {
            let waiter = node.process("waits").stderr_null();
            waiter.spawn(waits, (event.clone(), told.clone())).unwrap()
        };
        let children = [spawn(), spawn()];
        (0..2).for_each(|_| assert_eq!(told.get(), Ok(1)));
        let thread = std::thread::spawn({
            let event = event.clone();
            move || event.wait()
        });
        pause(random.time(Duration::from_micros(300)));
        let (victim, owner_dies) = match random.below(2) {
            0 => (owner.pid(), true),
            _ => (children[0].pid(), false),
        };
        if random.below(2) == 0 {
            send_signal(victim, 19);
        }
        send_signal(victim, 9);
        if owner_dies {
            assert_eq!(thread.join().unwrap(), Err(ObjectError::Disconnected));
            assert_eq!(event.set(), Err(ObjectError::Disconnected));
            assert_eq!(wait_any(&[&event], Some(PATIENCE)), Some(0));
            for child in &children {
                assert!(child.join().is_err(), "its wait fails, and it panics");
            }
        } else {
            event.set().unwrap();
            assert_eq!(thread.join().unwrap(), Ok(()));
            assert!(children[0].join().is_err());
            assert!(children[1].join().unwrap());
            owner.kill().unwrap();
        }
    }
}

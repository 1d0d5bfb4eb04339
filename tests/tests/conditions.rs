//! Conditions between threads and processes: who is notified, and what a death does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use callboard::{
    Condition, ConditionOptions, Counter, CounterOptions, LockError, Node, Process, Queue, QueueOptions,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

callboard::test_door!();

const SOON: Duration = Duration::from_millis(5);
const WITHIN: Duration = Duration::from_secs(20);

fn condition(node: &Node) -> Condition {
    node.anonymous(ConditionOptions::new())
}

fn counter(node: &Node) -> Counter {
    node.anonymous(CounterOptions::new())
}

/// Waits once and says so.
fn waits(_: &Node, (condition, woken): (Condition, Counter)) -> bool {
    let mut guard = condition.lock().unwrap();
    guard.wait().unwrap();
    woken.add(1).unwrap();
    guard.was_abandoned()
}

fn waiter(node: &Node, condition: &Condition, woken: &Counter) -> Process<bool> {
    let before = condition.waiters().unwrap();
    let child = node.spawn("waits", waits, (condition.clone(), woken.clone())).unwrap();
    eventually("it waits", || condition.waiters() == Ok(before + 1));
    child
}

fn notify(condition: &Condition, most: usize) -> usize {
    condition.lock_timeout(WITHIN).unwrap().unwrap().notify(most).unwrap()
}

fn joined(child: &Process<bool>) -> bool {
    child.join_timeout(WITHIN).unwrap()
}

fn own(node: &Node, name: String) {
    let _condition: Condition = node.create(&name, ConditionOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// > A condition notifies as many as it is told to, those who have waited longest, and none who came later.
#[test]
fn those_who_waited_longest_are_notified_and_no_others() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let remote: Condition = node.open_timeout("/theirs", PATIENCE).unwrap();
    for condition in [condition(&node), remote] {
        let woken = counter(&node);
        assert_eq!(notify(&condition, 2), 0);
        let mut children: VecDeque<_> = (0..5).map(|_| waiter(&node, &condition, &woken)).collect();
        let mut told = 0;
        for (most, are) in [(1, 1), (0, 0), (2, 2), (9, 2)] {
            assert_eq!(notify(&condition, most), are);
            told += are;
            children.drain(..are).for_each(|child| assert!(!joined(&child)));
            assert_eq!((woken.get(), condition.waiters()), (Ok(told as i64), Ok(5 - told)));
        }
    }
    owner.terminate(PATIENCE);
    owner.join().unwrap();
}

/// > After a wait the lock is held again, as often as before, whether it was notified or its time was over.
#[test]
fn a_wait_gives_the_lock_up_wholly_and_has_it_again_as_often() {
    fn tries(_: &Node, condition: Condition) -> bool {
        condition.try_lock().unwrap().is_some()
    }
    let node = Node::start().unwrap();
    let condition = condition(&node);
    let is_free = || node.spawn("tries", tries, condition.clone()).unwrap().join().unwrap();
    let one = condition.lock().unwrap();
    let mut two = condition.lock().unwrap();
    let begun = Instant::now();
    assert_eq!(two.wait_timeout(SOON), Ok(false));
    assert!(begun.elapsed() >= SOON);
    assert_eq!((two.depth(), one.depth()), (2, 2));
    assert!(!is_free());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut guard = condition.lock().unwrap();
            assert_eq!(guard.depth(), 1);
            assert!(is_waiting(&condition) && guard.notify_one() == Ok(1));
            // It goes on only when this one has gone.
            assert_eq!(condition.holder().unwrap().map(|holder| holder.pid), Some(std::process::id()));
        });
        two.wait().unwrap();
        assert_eq!(two.depth(), 2);
        assert!(!is_free());
    });
    drop(two);
    assert!(!is_free());
    drop(one);
    assert!(is_free());
}

fn is_waiting(condition: &Condition) -> bool {
    condition.waiters() == Ok(1)
}

#[test]
fn a_wait_that_is_not_notified_keeps_its_timeout_but_for_the_lock() {
    let node = Node::start().unwrap();
    let condition = condition(&node);
    let mut guard = condition.lock().unwrap();
    assert_eq!(guard.wait_timeout(Duration::ZERO), Ok(false));
    assert_eq!(guard.wait_while_timeout(SOON, || true), Ok(false));
    assert_eq!(guard.wait_while_timeout(SOON, || false), Ok(true));
    guard.wait_while(|| false).unwrap();
    assert_eq!(guard.notify_all(), Ok(0));
    drop(guard);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut guard = condition.lock().unwrap();
            let notified = guard.wait_timeout(SOON).unwrap();
            (notified, Instant::now())
        });
        eventually("it waits", || is_waiting(&condition) || waits.is_finished());
        let Some(guard) = condition.try_lock().unwrap() else { return };
        let held_until = Instant::now() + 4 * SOON;
        pause(4 * SOON);
        drop(guard);
        let (notified, ended) = waits.join().unwrap();
        assert!(!notified && ended >= held_until - SOON);
    });
}

#[test]
fn more_threads_than_a_condition_is_made_for_are_refused_and_keep_the_lock() {
    let node = Node::start().unwrap();
    let condition: Condition = node.anonymous(ConditionOptions::new().waiters(1));
    let woken = counter(&node);
    let child = waiter(&node, &condition, &woken);
    let mut guard = condition.lock().unwrap();
    assert_eq!(guard.wait_timeout(SOON), Err(LockError::TooManyWaiters(1)));
    assert_eq!(guard.notify_one(), Ok(1));
    assert_eq!(guard.wait_timeout(SOON), Err(LockError::TooManyWaiters(1)));
    drop(guard);
    assert!(!joined(&child));
}

/// > Whoever waits for a condition and is killed is waited for by nobody, and what it was told another who waits is told.
#[test]
fn a_waiter_that_is_killed_keeps_no_notification_from_the_others() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let remote: Condition = node.open_timeout("/theirs", PATIENCE).unwrap();
    let mut random = Random::new();
    for condition in [condition(&node), remote] {
        for round in 0..rounds(6) {
            let woken = counter(&node);
            let [dies, lives] = [(); 2].map(|()| waiter(&node, &condition, &woken));
            if round % 2 == 0 {
                send_signal(dies.pid(), 19);
                eventually("it is stopped", || stop_state(dies.pid()) == Some('T'));
                // It can't go on: what it is told comes to the other.
                assert_eq!(notify(&condition, 1), 1);
                assert_eq!(condition.waiters(), Ok(1));
                dies.kill().unwrap();
            } else {
                dies.kill().unwrap();
                pause(random.time(Duration::from_millis(2)));
                assert_eq!(notify(&condition, 1), 1);
                // If it was told before its death was known, the other is told when it is.
            }
            assert!(!joined(&lives));
            assert!(dies.join().is_err());
            assert_eq!(condition.waiters(), Ok(0));
        }
    }
}

/// > A notification waits for nobody: neither for whom it wakes, stopped or killed, nor for the owner.
#[test]
fn a_notification_waits_for_nobody() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let condition: Condition = node.open_timeout("/theirs", PATIENCE).unwrap();
    let woken = counter(&node);
    let child = waiter(&node, &condition, &woken);
    for pid in [child.pid(), owner.pid()] {
        send_signal(pid, 19);
        eventually("it is stopped", || stop_state(pid) == Some('T'));
    }
    // None of them goes on before this has returned.
    assert_eq!(notify(&condition, 9), 1);
    assert_eq!(notify(&condition, 9), 0);
    send_signal(owner.pid(), 18);
    send_signal(child.pid(), 18);
    assert!(!joined(&child));
}

/// > When a process dies with a condition's lock, the next one gets it and is told, also at the end of a wait.
#[test]
fn who_waits_is_told_that_the_holder_of_the_lock_was_killed() {
    fn notifies(_: &Node, (condition, told): (Condition, Queue<u32>)) {
        let mut guard = condition.lock().unwrap();
        assert_eq!(guard.notify_one(), Ok(1));
        told.put_confirmed(std::process::id()).unwrap();
        loop {
            std::thread::park();
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let condition = condition(&node);
    for _ in 0..rounds(4) {
        let woken = counter(&node);
        let told: Queue<u32> = node.anonymous(QueueOptions::new());
        let waits = waiter(&node, &condition, &woken);
        let dies = node.spawn("notifies", notifies, (condition.clone(), told.clone())).unwrap();
        told.get().unwrap();
        // Notified, and not woken yet: it wakes all the same.
        dies.kill().unwrap();
        assert!(joined(&waits), "it was abandoned");
        assert!(dies.join().is_err());
        assert!(!condition.lock().unwrap().was_abandoned());
    }
}

/// > When the owner of a condition has ended, all who wait and all who come are told.
#[test]
fn all_who_wait_are_told_when_the_owner_of_a_condition_is_killed() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    for round in 0..rounds(3) {
        let name = format!("/owned/{round}");
        let owner = node.spawn("owner", own, name.clone()).unwrap();
        let condition: Condition = node.open_timeout(&name, PATIENCE).unwrap();
        let gone = Err(LockError::Disconnected);
        std::thread::scope(|scope| {
            let ends = [
                scope.spawn(|| condition.lock()?.wait()),
                scope.spawn(|| condition.lock()?.wait_timeout(PATIENCE).map(drop)),
                scope.spawn(|| condition.lock()?.wait_while(|| true)),
                scope.spawn(|| condition.lock()?.wait_while_timeout(PATIENCE, || true).map(drop)),
            ];
            if round % 2 == 0 {
                eventually("they wait", || condition.waiters() == Ok(4));
            }
            owner.kill().unwrap();
            for end in ends {
                assert_eq!(end.join().unwrap(), gone);
            }
        });
        assert_eq!(condition.lock().map(drop), gone);
        assert_eq!(condition.try_lock().map(drop), gone);
        assert!(owner.join().is_err());
    }
}

/// > Whoever is killed of those who notify and wait, at whatever instant, the others go on, and nobody waits for ever.
#[test]
fn producers_and_consumers_that_are_killed_leave_the_others_at_work() {
    fn plays(node: &Node, (condition, count, gives): (Condition, Counter, bool)) {
        while !node.stopping() {
            let mut guard = condition.lock().unwrap();
            if gives {
                count.add(1).unwrap();
                guard.notify_one().unwrap();
            } else if guard.wait_while_timeout(SOON, || count.get() == Ok(0)).unwrap() {
                count.sub(1).unwrap();
            }
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let (condition, count) = (condition(&node), counter(&node));
    let mut random = Random::new();
    let start = |gives| node.spawn("plays", plays, (condition.clone(), count.clone(), gives)).unwrap();
    for _ in 0..rounds(5) {
        let children = [true, false, true, false].map(start);
        pause(random.time(Duration::from_millis(10)));
        let killed = random.below(4) as usize;
        children[killed].kill().unwrap();
        for (at, child) in children.iter().enumerate() {
            child.terminate(WITHIN);
            assert_eq!(child.join_timeout(WITHIN).is_ok(), at != killed);
        }
        assert!(count.get().unwrap() >= 0);
        eventually("nobody waits", || condition.waiters() == Ok(0));
        assert!(condition.lock_timeout(WITHIN).unwrap().is_some());
    }
}

//! Threads stand for processes.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::{Holder, Member};
use super::*;
use crate::region::Region;

static CUT: Cut = Cut::new();

fn condition(waiters: usize) -> RobustCondition {
    let region = Arc::new(Region::create(4096).unwrap().0);
    assert!(RobustCondition::new(Block::new(Arc::clone(&region), 0, 64).unwrap(), 1).is_none());
    RobustCondition::new(Block::new(region, 0, 4096).unwrap(), waiters).unwrap()
}

fn me(number: u32) -> Caller<'static> {
    Caller { member: Member { number, entry: 0 }, thread: 1, cut: &CUT }
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(5))
}

fn eventually(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come to be");
        std::thread::yield_now();
    }
}

fn take(condition: &RobustCondition, number: u32) -> Taken {
    condition.lock().take(me(number).holder(), &CUT, None).unwrap()
}

/// A thread that waits, and has begun to; then it gives the lock back and says what came.
fn waits(condition: &RobustCondition, number: u32) -> JoinHandle<Waited> {
    let before = condition.waiters();
    let there = condition.clone();
    let thread = std::thread::spawn(move || {
        take(&there, number);
        let waited = there.wait(me(number), None, &[]).unwrap();
        assert_eq!(there.lock().holder(), Some(me(number).holder()));
        there.lock().give_back(me(number).holder());
        waited
    });
    eventually(|| condition.waiters() > before);
    thread
}

fn notify(condition: &RobustCondition, number: u32, most: usize) -> usize {
    take(condition, number);
    let chosen = condition.notify(me(number), most).unwrap();
    condition.lock().give_back(me(number).holder());
    condition.wake(&chosen);
    chosen.len()
}

const CLEAN: Waited = Waited { was_notified: true, taken: Taken::Clean };

#[test]
fn those_who_waited_longest_are_notified_first_and_no_others() {
    let condition = condition(8);
    assert_eq!(notify(&condition, 9, 3), 0, "it is for nobody, and nobody later");
    let mut threads: std::collections::VecDeque<_> = (1..=6).map(|n| waits(&condition, n)).collect();
    for (most, left) in [(1, 5), (2, 3), (0, 3), (9, 0)] {
        let told = threads.len() - left;
        assert_eq!(notify(&condition, 9, most), told);
        threads.drain(..told).for_each(|thread| assert_eq!(thread.join().unwrap(), CLEAN));
        assert_eq!(condition.waiters(), left);
        assert!(threads.iter().all(|thread| !thread.is_finished()));
    }
}

#[test]
fn a_wait_that_is_over_has_the_lock_and_leaves_nothing_behind() {
    let condition = condition(1);
    take(&condition, 1);
    for _ in 0..3 {
        let waited = condition.wait(me(1), soon(), &[]);
        assert_eq!(waited, Ok(Waited { was_notified: false, taken: Taken::Clean }));
        assert_eq!((condition.waiters(), condition.lock().holder()), (0, Some(me(1).holder())));
    }
    assert_eq!(condition.notify(me(1), 1), Ok(vec![]));
    condition.lock().give_back(me(1).holder());
    assert_eq!(condition.notify(me(1), 1), Err(NotTaken::CutOff), "it is not held");
    assert_eq!(condition.wait(me(1), None, &[]), Err(NotWaited::CutOff), "it is not held");
}

#[test]
fn more_than_there_are_slots_for_are_refused_and_keep_the_lock() {
    let condition = condition(1);
    let thread = waits(&condition, 1);
    take(&condition, 2);
    assert_eq!(condition.wait(me(2), None, &[]), Err(NotWaited::Full));
    assert_eq!(condition.notify(me(2), 1), Ok(vec![0]));
    assert_eq!(condition.wait(me(2), soon(), &[0]), Err(NotWaited::Full), "the chosen one is still there");
    condition.lock().give_back(me(2).holder());
    condition.wake(&[0]);
    assert_eq!(thread.join().unwrap(), CLEAN);
}

#[test]
fn who_waits_and_dies_is_not_notified() {
    let condition = condition(8);
    take(&condition, 1);
    condition.words().claim(me(1)).unwrap();
    condition.lock().give_back(me(1).holder());
    let thread = waits(&condition, 2);
    condition.recover(1);
    assert_eq!(notify(&condition, 9, 1), 1);
    assert_eq!(thread.join().unwrap(), CLEAN);
}

#[test]
fn a_notification_of_one_who_died_before_it_went_on_is_passed_to_the_next() {
    let condition = condition(8);
    take(&condition, 1);
    condition.words().claim(me(1)).unwrap();
    condition.lock().give_back(me(1).holder());
    let [second, third] = [2, 3].map(|number| waits(&condition, number));
    assert_eq!(notify(&condition, 9, 1), 1);
    assert_eq!(condition.waiters(), 2);
    condition.recover(1);
    assert_eq!(second.join().unwrap(), CLEAN);
    assert_eq!(condition.waiters(), 1);
    condition.recover(1);
    assert_eq!(condition.waiters(), 1, "once");
    assert_eq!(notify(&condition, 9, 1), 1);
    third.join().unwrap();
}

#[test]
fn one_that_died_with_the_lock_and_before_it_woke_the_chosen_is_made_up_for() {
    let condition = condition(8);
    let thread = waits(&condition, 1);
    take(&condition, 2);
    condition.notify(me(2), 1).unwrap();
    condition.recover(2);
    assert_eq!(thread.join().unwrap(), Waited { was_notified: true, taken: Taken::Abandoned });
}

#[test]
fn who_is_cut_off_is_told_while_it_waits() {
    let condition = condition(8);
    let cut = Arc::new(Cut::default());
    let (there, cuts) = (condition.clone(), Arc::clone(&cut));
    let thread = std::thread::spawn(move || {
        let me = Caller { member: Member { number: 1, entry: 0 }, thread: 1, cut: &cuts };
        there.lock().take(me.holder(), me.cut, None).unwrap();
        there.wait(me, None, &[])
    });
    eventually(|| condition.waiters() == 1);
    let other = waits(&condition, 2);
    cut.set();
    for _ in 0..40 {
        condition.nudge();
    }
    assert_eq!(thread.join().unwrap(), Err(NotWaited::CutOff));
    condition.recover(1);
    assert_eq!(notify(&condition, 9, 1), 1, "ticks mean nothing");
    assert_eq!(other.join().unwrap(), CLEAN);
}

#[test]
fn who_is_cut_off_gives_its_place_up_and_passes_its_notification_on() {
    let condition = condition(8);
    let cut = Arc::new(Cut::default());
    let (there, cuts) = (condition.clone(), Arc::clone(&cut));
    let thread = std::thread::spawn(move || {
        let me = Caller { member: Member { number: 1, entry: 0 }, thread: 1, cut: &cuts };
        there.lock().take(me.holder(), me.cut, None).unwrap();
        there.wait(me, None, &[])
    });
    eventually(|| condition.waiters() == 1);
    let other = waits(&condition, 2);
    take(&condition, 9);
    assert_eq!(condition.notify(me(9), 1).unwrap().len(), 1, "the first is chosen, and not woken yet");
    cut.set();
    condition.nudge();
    condition.lock().give_back(me(9).holder());
    assert_eq!(thread.join().unwrap(), Err(NotWaited::CutOff));
    assert_eq!(other.join().unwrap(), CLEAN);
}

#[test]
fn each_notification_wakes_one_and_nobody_waits_for_ever() {
    const EACH: i64 = 4_000;
    let condition = condition(8);
    // Items made and not taken; written by the holder of the lock.
    let items = Arc::new(AtomicI64::new(0));
    let threads: Vec<_> = (1..=6)
        .map(|number| {
            let (condition, items) = (condition.clone(), Arc::clone(&items));
            std::thread::spawn(move || {
                for _ in 0..EACH {
                    take(&condition, number);
                    let mut chosen = vec![];
                    if number <= 3 {
                        items.store(items.load(Relaxed) + 1, Relaxed);
                        chosen = condition.notify(me(number), 1).unwrap();
                    } else {
                        while items.load(Relaxed) == 0 {
                            condition.wait(me(number), None, &[]).unwrap();
                        }
                        items.store(items.load(Relaxed) - 1, Relaxed);
                    }
                    assert!(condition.lock().give_back(me(number).holder()));
                    condition.wake(&chosen);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((items.load(SeqCst), condition.waiters()), (0, 0));
}

#[test]
fn nonsense_in_the_words_is_survived() {
    let condition = condition(2);
    let words = condition.words();
    for nonsense in [u64::MAX, WAITS, CHOSEN, TICKS, (7 << 32) | WAITS | CHOSEN] {
        words.head.used.store(nonsense as u32, SeqCst);
        words.head.next.store(nonsense, SeqCst);
        words.slots[1].state.store(nonsense, SeqCst);
        take(&condition, 1);
        let _ = condition.wait(me(1), soon(), &[usize::MAX, 1]);
        let _ = condition.notify(me(1), 9);
        condition.lock().give_back(me(1).holder());
        condition.nudge();
        condition.recover(7);
        let _ = condition.waiters();
    }
    assert_eq!(Some(Holder { member: 1, thread: 1 }), Some(me(1).holder()));
}

//! Threads stand for processes.

use std::sync::Arc;
use std::time::Duration;

use super::*;

const ME: Holder = Holder { member: 1, thread: 1 };
const OTHER: Holder = Holder { member: 2, thread: 1 };
const THIRD: Holder = Holder { member: 3, thread: 7 };

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(5))
}

#[test]
fn it_is_taken_once_and_given_back_by_its_holder() {
    let lock = LockWord::default();
    assert_eq!(lock.take(ME, &Cut::default(), None), Ok(Taken::Clean));
    assert_eq!(lock.holder(), Some(ME));
    assert_eq!(lock.try_take(OTHER), Ok(None));
    assert_eq!(lock.take(OTHER, &Cut::default(), soon()), Err(NotTaken::TimedOut));
    assert_eq!(lock.try_take(ME), Err(NotTaken::HeldByCaller));
    assert_eq!(lock.take(ME, &Cut::default(), None), Err(NotTaken::HeldByCaller));
    assert!(!lock.give_back(OTHER));
    assert!(lock.give_back(ME));
    assert!(!lock.give_back(ME));
    assert_eq!(lock.holder(), None);
    assert_eq!(lock.try_take(OTHER), Ok(Some(Taken::Clean)));
}

#[test]
fn whoever_takes_it_after_a_death_is_told_once() {
    let lock = LockWord::default();
    lock.take(ME, &Cut::default(), None).unwrap();
    assert!(!lock.recover(OTHER.member), "the dead one did not hold it");
    assert_eq!(lock.try_take(OTHER), Ok(None));
    assert!(lock.recover(ME.member));
    assert_eq!(lock.holder(), None);
    assert!(!lock.give_back(ME), "it is not the dead one's any more");
    assert_eq!(lock.take(OTHER, &Cut::default(), None), Ok(Taken::Abandoned));
    assert!(lock.recover(OTHER.member));
    assert_eq!(lock.take(THIRD, &Cut::default(), None), Ok(Taken::Abandoned));
    assert!(lock.give_back(THIRD));
    assert_eq!(lock.take(THIRD, &Cut::default(), None), Ok(Taken::Clean));
}

#[test]
fn who_is_cut_off_is_told_and_the_others_go_on() {
    let lock = Arc::new(LockWord::default());
    let cut = Arc::new(Cut::default());
    lock.take(ME, &Cut::default(), None).unwrap();
    let (waiting, cuts) = (Arc::clone(&lock), Arc::clone(&cut));
    let waiter = std::thread::spawn(move || waiting.take(OTHER, &cuts, None));
    let waiting = Arc::clone(&lock);
    let goes_on = std::thread::spawn(move || waiting.take(THIRD, &Cut::default(), None));
    while lock.0.load(SeqCst) & WAITERS == 0 {
        std::thread::yield_now();
    }
    cut.set();
    lock.nudge();
    assert_eq!(waiter.join().unwrap(), Err(NotTaken::CutOff));
    assert_eq!(lock.holder(), Some(ME));
    for _ in 0..40 {
        lock.nudge();
    }
    assert!(lock.give_back(ME), "ticks mean nothing");
    assert_eq!(goes_on.join().unwrap(), Ok(Taken::Clean));
}

#[test]
fn one_that_gives_up_leaves_word_that_others_may_sleep() {
    let lock = LockWord::default();
    lock.take(ME, &Cut::default(), None).unwrap();
    // It was woken by the last release, which was to wake the next sleeper by it; somebody was faster.
    assert_eq!(lock.take(OTHER, &Cut::default(), Some(Instant::now())), Err(NotTaken::TimedOut));
    assert_ne!(lock.0.load(SeqCst) & WAITERS, 0, "the holder wakes the next one");
}

#[test]
fn who_is_cut_off_takes_nothing() {
    let lock = LockWord::default();
    let cut = Cut::default();
    cut.set();
    // Nobody would take it back from one whom the owner takes for dead.
    assert_eq!(lock.take(ME, &cut, None), Err(NotTaken::CutOff));
    assert_eq!(lock.holder(), None);
    lock.take(OTHER, &Cut::default(), None).unwrap();
    assert!(lock.recover(OTHER.member));
    assert_eq!(lock.take(ME, &cut, soon()), Err(NotTaken::CutOff));
    assert_eq!(lock.take(THIRD, &Cut::default(), None), Ok(Taken::Abandoned), "the next one is told");
}

#[test]
fn it_can_be_given_back_for_whoever_holds_it() {
    let lock = LockWord::default();
    assert!(!lock.force_back());
    lock.take(ME, &Cut::default(), None).unwrap();
    assert!(lock.force_back());
    assert!(!lock.give_back(ME));
    assert_eq!(lock.try_take(OTHER), Ok(Some(Taken::Clean)));
}

#[test]
fn nobody_loses_a_count_and_nobody_sleeps_for_ever() {
    let lock = Arc::new(LockWord::default());
    let count = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let threads = (1..=4).map(|thread| {
        let (lock, count) = (Arc::clone(&lock), Arc::clone(&count));
        std::thread::spawn(move || {
            let me = Holder { member: thread, thread };
            for _ in 0..20_000 {
                lock.take(me, &Cut::default(), None).unwrap();
                count.store(count.load(Relaxed) + 1, Relaxed);
                assert!(lock.give_back(me));
            }
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(count.load(Relaxed), 80_000);
}

#[test]
fn nonsense_in_the_word_is_survived() {
    for word in [u64::MAX, WAITERS, ABANDONED, 7 << 32, (9 << 32) | WAITERS, THREAD | ABANDONED | WAITERS] {
        let lock = LockWord::default();
        lock.0.store(word, SeqCst);
        let _ = lock.try_take(ME);
        let _ = lock.take(ME, &Cut::default(), soon());
        let _ = lock.give_back(ME);
        lock.recover(9);
        lock.force_back();
        let _ = lock.holder();
    }
}

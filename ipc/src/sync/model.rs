//! `RUSTFLAGS="--cfg loom" cargo test -p callboard-ipc --lib model`: threads in every order, and every value that the orderings allow a
//! load to see. Nobody looks for itself after a while there, so whoever sleeps beside what is free sleeps for ever, and the model says so.

mod leaving;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::lock::{Cut, Holder, LockWord, NotTaken, Taken, WAITERS};
use super::rw_lock::{self, Want};
use super::{Caller, Member, condition};

pub(super) fn holder(member: u32) -> Holder {
    Holder { member, thread: 1 }
}

pub(super) fn member(number: u32) -> Member {
    Member { number, entry: number as usize - 1 }
}

pub(super) fn caller(number: u32, cut: &Cut) -> Caller<'_> {
    Caller { member: member(number), thread: 1, cut }
}

/// All orders with up to three interruptions of a thread that could go on: all others would take hours.
pub(super) fn explore(what: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(what);
}

#[derive(Default)]
struct Locked {
    lock: LockWord,
    /// The model fails where two could be at it at once.
    content: UnsafeCell<u64>,
}

impl Locked {
    fn add(&self, me: Holder) -> Taken {
        let taken = self.lock.take(me, &Cut::default(), None).unwrap();
        // SAFETY: what the model is to show.
        self.content.with_mut(|content| unsafe { *content += 1 });
        assert!(self.lock.give_back(me));
        taken
    }
}

#[test]
fn a_lock_is_held_by_one_and_nobody_sleeps_beside_it() {
    explore(|| {
        let locked = Arc::new(Locked::default());
        let other = Arc::clone(&locked);
        let thread = thread::spawn(move || {
            other.add(holder(2));
            other.add(holder(2));
        });
        locked.add(holder(1));
        locked.add(holder(1));
        thread.join().unwrap();
        locked.lock.take(holder(3), &Cut::default(), None).unwrap();
        // SAFETY: the lock is held.
        locked.content.with(|content| assert_eq!(unsafe { *content }, 4));
    });
}

#[test]
fn a_lock_of_a_dead_holder_goes_to_one_who_waits() {
    explore(|| {
        let locked = Arc::new(Locked::default());
        // Never given back.
        locked.lock.take(holder(9), &Cut::default(), None).unwrap();
        let other = Arc::clone(&locked);
        let thread = thread::spawn(move || other.add(holder(2)));
        assert!(locked.lock.recover(9));
        let mine = locked.add(holder(1));
        let others = thread.join().unwrap();
        assert!(matches!(
            (mine, others),
            (Taken::Abandoned, Taken::Clean) | (Taken::Clean, Taken::Abandoned)
        ));
    });
}

#[test]
fn a_wake_that_went_to_somebody_who_died_is_not_lost() {
    explore(|| {
        let locked = Arc::new(Locked::default());
        locked.lock.take(holder(1), &Cut::default(), None).unwrap();
        let other = Arc::clone(&locked);
        let waiter = thread::spawn(move || other.add(holder(2)));
        let other = Arc::clone(&locked);
        let dies = thread::spawn(move || {
            let seen = other.lock.0.load(Relaxed);
            let waited_for = seen | WAITERS;
            if seen != 0 && (seen == waited_for || other.lock.0.exchange(seen, waited_for, Relaxed).is_ok()) {
                other.lock.0.sleep(waited_for, None);
            }
            // Woken, it does nothing more; its owner hears of that.
            other.lock.recover(3);
        });
        assert!(locked.lock.give_back(holder(1)));
        waiter.join().unwrap();
        dies.join().unwrap();
    });
}

#[test]
fn a_wake_that_went_to_somebody_who_gave_up_is_not_lost() {
    explore(|| {
        let locked = Arc::new(Locked::default());
        locked.lock.take(holder(1), &Cut::default(), None).unwrap();
        let other = Arc::clone(&locked);
        let waiter = thread::spawn(move || other.add(holder(2)));
        let other = Arc::clone(&locked);
        let gives_up = thread::spawn(move || {
            let seen = other.lock.0.load(Relaxed);
            let waited_for = seen | WAITERS;
            if seen != 0 && (seen == waited_for || other.lock.0.exchange(seen, waited_for, Relaxed).is_ok()) {
                other.lock.0.sleep(waited_for, None);
            }
            // Woken, it finds that somebody was faster and that its time is over.
            match other.lock.wait_for(holder(3), &Cut::default(), Some(Instant::now())) {
                Ok(_) => assert!(other.lock.give_back(holder(3))),
                Err(error) => assert_eq!(error, NotTaken::TimedOut),
            }
        });
        assert!(locked.lock.give_back(holder(1)));
        locked.add(holder(1));
        waiter.join().unwrap();
        gives_up.join().unwrap();
    });
}

#[test]
fn a_writer_and_a_reader_shut_each_other_out_and_neither_sleeps_for_ever() {
    explore(|| {
        let lock = Arc::new((
            rw_lock::Head::default(),
            [(); 2].map(|()| rw_lock::Entry::default()),
            UnsafeCell::new(0_u64),
        ));
        let words = rw_lock::Words { head: &lock.0, entries: &lock.1 };
        assert!(words.join(member(1)) && words.join(member(2)));
        let other = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            let words = rw_lock::Words { head: &other.0, entries: &other.1 };
            words.take(caller(2, &Cut::default()), Want::Write { in_turn: true }, None).unwrap();
            // SAFETY: what the model is to show.
            other.2.with_mut(|content| unsafe { *content += 1 });
            words.give_back_write(caller(2, &Cut::default()));
        });
        words.take(caller(1, &Cut::default()), Want::Read { since: None }, None).unwrap();
        // SAFETY: what the model is to show.
        lock.2.with(|content| assert!(unsafe { *content } <= 1));
        words.give_back_read(caller(1, &Cut::default()));
        thread.join().unwrap();
    });
}

#[test]
fn who_is_cut_off_while_it_goes_to_sleep_is_told() {
    explore(|| {
        let locked = Arc::new((Locked::default(), Cut::default()));
        locked.0.lock.take(holder(1), &Cut::default(), None).unwrap();
        let other = Arc::clone(&locked);
        let thread = thread::spawn(move || other.0.lock.take(holder(2), &other.1, None));
        locked.1.set();
        locked.0.lock.nudge();
        assert_eq!(thread.join().unwrap(), Err(NotTaken::CutOff));
    });
}

type Condition = (condition::Head, [condition::Slot; 2], UnsafeCell<u64>);

fn new_condition() -> Arc<Condition> {
    Arc::new(Default::default())
}

fn words(condition: &Condition) -> condition::Words<'_> {
    condition::Words { head: &condition.0, slots: &condition.1 }
}

/// Waits until there is something, and takes it.
fn takes_one(condition: &Condition, number: u32) {
    let cut = Cut::default();
    let me = caller(number, &cut);
    condition.0.lock.take(me.holder(), &cut, None).unwrap();
    // SAFETY: what the model is to show: the lock is held.
    while condition.2.with(|content| unsafe { *content }) == 0 {
        words(condition).wait(me, None, &[]).unwrap();
    }
    // SAFETY: as above.
    condition.2.with_mut(|content| unsafe { *content -= 1 });
    condition.0.lock.give_back(me.holder());
}

/// Puts one there and notifies one, whom it wakes if it lives so long.
fn gives_one(condition: &Condition, number: u32, lives: bool) {
    let cut = Cut::default();
    let me = caller(number, &cut);
    condition.0.lock.take(me.holder(), &cut, None).unwrap();
    // SAFETY: what the model is to show: the lock is held.
    condition.2.with_mut(|content| unsafe { *content += 1 });
    let chosen = words(condition).notify(me, 1).unwrap();
    if lives {
        condition.0.lock.give_back(me.holder());
        words(condition).wake(&chosen);
    } else {
        words(condition).recover(number);
    }
}

#[test]
fn a_notification_is_not_lost_between_the_lock_and_the_sleep() {
    explore(|| {
        let condition = new_condition();
        let other = Arc::clone(&condition);
        let thread = thread::spawn(move || takes_one(&other, 2));
        gives_one(&condition, 1, true);
        thread.join().unwrap();
    });
}

#[test]
fn two_notifications_wake_two() {
    explore(|| {
        let condition = new_condition();
        let others = [2, 3].map(|number| {
            let other = Arc::clone(&condition);
            thread::spawn(move || takes_one(&other, number))
        });
        gives_one(&condition, 1, true);
        gives_one(&condition, 1, true);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn who_was_notified_by_one_that_died_wakes_all_the_same() {
    explore(|| {
        let condition = new_condition();
        let other = Arc::clone(&condition);
        let thread = thread::spawn(move || takes_one(&other, 2));
        gives_one(&condition, 1, false);
        thread.join().unwrap();
    });
}

#[test]
fn what_one_was_told_that_died_another_hears() {
    explore(|| {
        let condition = new_condition();
        // Waits first, and dies whether it was told or not.
        assert!(words(&condition).claim_for(caller(9, &Cut::default())));
        let other = Arc::clone(&condition);
        let waiter = thread::spawn(move || takes_one(&other, 2));
        let other = Arc::clone(&condition);
        let owner = thread::spawn(move || words(&other).recover(9));
        gives_one(&condition, 1, true);
        waiter.join().unwrap();
        owner.join().unwrap();
    });
}

#[test]
fn who_is_cut_off_while_it_goes_to_sleep_for_a_notification_is_told() {
    explore(|| {
        let condition = Arc::new((new_condition(), Cut::default()));
        let other = Arc::clone(&condition);
        let thread = thread::spawn(move || {
            let me = caller(1, &other.1);
            if other.0.0.lock.take(me.holder(), me.cut, None).is_ok() {
                assert_eq!(words(&other.0).wait(me, None, &[]), Err(condition::NotWaited::CutOff));
            }
        });
        condition.1.set();
        words(&condition.0).nudge();
        thread.join().unwrap();
    });
}

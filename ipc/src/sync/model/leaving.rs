//! Giving back beside somebody who stands inside, and leaving with something in hand.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
use loom::thread;

use super::super::lock::{Cut, LockWord, NotTaken};
use super::super::rw_lock::{Entry, Head, Want, Words};
use super::{caller, explore, holder, member};

const WRITE: Want = Want::Write { in_turn: false };
const READ: Want = Want::Read { since: None };

type RwLock = (Head, [Entry; 3]);

fn new_lock() -> Arc<RwLock> {
    let lock: Arc<RwLock> = Arc::default();
    (1..=3).for_each(|number| assert!(words(&lock).join(member(number))));
    lock
}

fn words(lock: &RwLock) -> Words<'_> {
    Words { head: &lock.0, entries: &lock.1 }
}

fn all_is_given_back(lock: &RwLock) {
    assert!(words(lock).try_take(caller(3, &Cut::default()), WRITE).unwrap().is_some());
}

#[test]
fn a_reader_that_gives_back_while_a_writer_stands_inside_leaves_it_not_asleep() {
    explore(|| {
        let lock = new_lock();
        words(&lock).take(caller(1, &Cut::default()), READ, None).unwrap();
        let other = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            let cut = Cut::default();
            words(&other).take(caller(2, &cut), WRITE, None).unwrap();
            words(&other).give_back_write(caller(2, &cut));
        });
        words(&lock).give_back_read(caller(1, &Cut::default()));
        thread.join().unwrap();
        all_is_given_back(&lock);
    });
}

#[test]
fn a_writer_that_gives_back_while_others_stand_inside_leaves_nobody_asleep() {
    explore(|| {
        let lock = new_lock();
        words(&lock).take(caller(1, &Cut::default()), WRITE, None).unwrap();
        let other = Arc::clone(&lock);
        let reader = thread::spawn(move || {
            let cut = Cut::default();
            words(&other).take(caller(2, &cut), READ, None).unwrap();
            words(&other).give_back_read(caller(2, &cut));
        });
        let other = Arc::clone(&lock);
        let writer = thread::spawn(move || {
            // Nothing that has patience: it is measured by a clock, which no model has.
            let cut = Cut::default();
            words(&other).take(caller(3, &cut), WRITE, None).unwrap();
            words(&other).give_back_write(caller(3, &cut));
        });
        words(&lock).give_back_write(caller(1, &Cut::default()));
        reader.join().unwrap();
        writer.join().unwrap();
        all_is_given_back(&lock);
    });
}

#[test]
fn what_is_given_back_beside_one_who_dies_inside_is_not_lost() {
    explore(|| {
        let lock = new_lock();
        words(&lock).take(caller(1, &Cut::default()), READ, None).unwrap();
        // Dies there, and the owner hears of it while the others are at work.
        assert!(lock.0.guard.try_take(holder(3)).unwrap().is_some());
        let other = Arc::clone(&lock);
        let owner = thread::spawn(move || {
            while !words(&other).recover(member(3), holder(9)) {
                thread::yield_now();
            }
        });
        let other = Arc::clone(&lock);
        let writer = thread::spawn(move || {
            words(&other).take(caller(2, &Cut::default()), WRITE, None).unwrap();
        });
        words(&lock).give_back_read(caller(1, &Cut::default()));
        owner.join().unwrap();
        writer.join().unwrap();
    });
}

/// A process's side: whether it has let go of what says that it has something in hand.
#[derive(Default)]
struct Leaves {
    lock: LockWord,
    cut: Cut,
    has_let_go: AtomicU32,
}

impl Leaves {
    fn settle(&self) {
        if self.cut.is_set() && !self.lock.is_held_by(1) {
            self.has_let_go.store(1, SeqCst);
        }
    }

    fn give_back(&self) {
        assert_eq!(self.has_let_go.load(SeqCst), 0, "it is still in hand");
        assert!(self.lock.give_back(holder(1)));
        self.settle();
    }
}

#[test]
fn who_is_cut_off_with_a_lock_in_hand_lets_go_when_it_has_given_back_and_not_before() {
    explore(|| {
        let leaves = Arc::new(Leaves::default());
        leaves.lock.take(holder(1), &leaves.cut, None).unwrap();
        let other = Arc::clone(&leaves);
        let thread = thread::spawn(move || other.give_back());
        leaves.cut.set();
        leaves.settle();
        thread.join().unwrap();
        assert_eq!(leaves.has_let_go.load(SeqCst), 1);
    });
}

#[test]
fn who_takes_a_lock_while_it_is_cut_off_has_let_go_of_it_or_not_let_go() {
    explore(|| {
        let leaves = Arc::new(Leaves::default());
        let other = Arc::clone(&leaves);
        let thread = thread::spawn(move || match other.lock.take(holder(1), &other.cut, None) {
            Ok(_) => other.give_back(),
            Err(error) => {
                assert_eq!(error, NotTaken::CutOff);
                other.settle();
            }
        });
        leaves.cut.set();
        leaves.settle();
        thread.join().unwrap();
        assert_eq!(leaves.has_let_go.load(SeqCst), 1);
    });
}

#[test]
fn who_is_cut_off_while_it_reads_lets_go_when_it_has_given_back_and_not_before() {
    explore(|| {
        let lock = Arc::new((new_lock(), Cut::default(), AtomicU32::new(0)));
        let settle = |lock: &(Arc<RwLock>, Cut, AtomicU32)| {
            if lock.1.is_set() && !words(&lock.0).is_in_use_by(member(1)) {
                lock.2.store(1, SeqCst);
            }
        };
        words(&lock.0).take(caller(1, &lock.1), READ, None).unwrap();
        let other = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            assert_eq!(other.2.load(SeqCst), 0, "it is still in hand");
            words(&other.0).give_back_read(caller(1, &other.1));
            settle(&other);
        });
        lock.1.set();
        words(&lock.0).nudge();
        settle(&lock);
        thread.join().unwrap();
        assert_eq!(lock.2.load(SeqCst), 1);
    });
}

//! Giving back beside somebody who stands inside.

use loom::sync::Arc;
use loom::thread;

use super::super::lock::Cut;
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

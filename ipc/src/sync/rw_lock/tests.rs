//! Threads stand for processes.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicI64, AtomicU32};
use std::time::Duration;

use super::super::Cut;
use super::*;
use crate::region::Region;

static CUT: Cut = Cut::new();
const OWNER: Holder = Holder { member: 99, thread: 1 };

fn lock() -> RobustRwLock {
    let region = Arc::new(Region::create(4096).unwrap().0);
    let lock = RobustRwLock::new(Block::new(region, 0, RobustRwLock::bytes(8).unwrap()).unwrap()).unwrap();
    for number in 1..=8 {
        assert!(lock.join(member(number)));
    }
    lock
}

fn member(number: u32) -> Member {
    Member { number, entry: number as usize - 1 }
}

fn me(number: u32) -> Caller<'static> {
    Caller { member: member(number), thread: 1, cut: &CUT }
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

#[test]
fn many_read_or_one_writes() {
    let lock = lock();
    assert_eq!(lock.read(me(1), None), Ok(Taken::Clean));
    assert_eq!(lock.try_read(me(2)), Ok(Some(Taken::Clean)));
    assert_eq!(lock.try_write(me(3)), Ok(None));
    assert_eq!(lock.write(me(3), soon()), Err(NotTaken::TimedOut));
    assert_eq!(lock.readers(), [(1, 1), (2, 1)]);
    lock.give_back_read(me(1));
    lock.give_back_read(me(2));
    lock.give_back_read(me(2));
    assert_eq!(lock.write(me(3), None), Ok(Taken::Clean));
    assert_eq!(lock.writer(), Some(me(3).holder()));
    assert_eq!(lock.try_read(me(1)), Ok(None));
    assert_eq!(lock.read(me(1), soon()), Err(NotTaken::TimedOut));
    assert_eq!(lock.write(me(3), None), Err(NotTaken::HeldByCaller));
    assert_eq!(lock.read(me(3), None), Err(NotTaken::HeldByCaller));
    lock.give_back_write(me(1));
    assert!(lock.writer().is_some(), "it is not the other's to give back");
    lock.give_back_write(me(3));
    assert_eq!(lock.try_read(me(1)), Ok(Some(Taken::Clean)));
}

#[test]
fn a_dead_writer_is_told_of_until_another_has_written_and_dead_readers_are_not() {
    let lock = lock();
    lock.read(me(1), None).unwrap();
    assert!(lock.recover(member(1), OWNER));
    assert_eq!(lock.write(me(2), None), Ok(Taken::Clean));
    assert!(lock.recover(member(2), OWNER));
    assert_eq!(lock.read(me(3), None), Ok(Taken::Abandoned));
    lock.give_back_read(me(3));
    assert_eq!(lock.write(me(3), None), Ok(Taken::Abandoned));
    lock.give_back_write(me(3));
    assert_eq!(lock.write(me(4), None), Ok(Taken::Clean));
}

#[test]
fn a_reader_that_comes_while_a_writer_waits_goes_after_it_and_the_next_writer_after_the_reader() {
    let lock = lock();
    lock.read(me(1), None).unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let goes = |number: u32, writes: bool| {
        let (lock, order) = (lock.clone(), Arc::clone(&order));
        std::thread::spawn(move || {
            if writes {
                lock.write(me(number), None).unwrap();
                order.lock().unwrap().push(number);
                lock.give_back_write(me(number));
            } else {
                lock.read(me(number), None).unwrap();
                order.lock().unwrap().push(number);
                lock.give_back_read(me(number));
            }
        })
    };
    let writer = goes(2, true);
    eventually(|| lock.words().head.waiting_writers.load(SeqCst) == 1);
    assert_eq!(lock.try_read(me(3)), Ok(None));
    let reader = goes(3, false);
    eventually(|| lock.words().head.waiting_readers.load(SeqCst) == 1);
    lock.give_back_read(me(1));
    writer.join().unwrap();
    reader.join().unwrap();
    assert_eq!(*order.lock().unwrap(), [2, 3]);
}

#[test]
fn a_reader_behind_a_writer_that_gives_up_or_dies_goes_on() {
    let lock = lock();
    lock.read(me(1), None).unwrap();
    let waits = lock.clone();
    let writer =
        std::thread::spawn(move || waits.write(me(2), Some(Instant::now() + Duration::from_millis(30))));
    eventually(|| lock.words().head.waiting_writers.load(SeqCst) == 1 || writer.is_finished());
    assert_eq!(lock.read(me(3), None), Ok(Taken::Clean));
    assert_eq!(writer.join().unwrap(), Err(NotTaken::TimedOut));
    // One that is killed while it waits.
    lock.words().entries[3].waiting_writers.store(1, SeqCst);
    lock.words().sum_up();
    let waits = lock.clone();
    let reader = std::thread::spawn(move || waits.read(me(5), None));
    eventually(|| lock.words().head.waiting_readers.load(SeqCst) == 1);
    assert!(lock.recover(member(4), OWNER));
    assert_eq!(reader.join().unwrap(), Ok(Taken::Clean));
}

#[test]
fn whoever_dies_inside_is_made_up_for_by_the_next() {
    let lock = lock();
    let words = lock.words();
    words.head.guard.take(me(1).holder(), &CUT, None).unwrap();
    words.entries[0].writing.store(1, Relaxed);
    words.head.guard.recover(1);
    assert_eq!(lock.try_read(me(2)), Ok(None), "the dead one writes until the owner has heard");
    assert!(lock.recover(member(1), OWNER));
    assert_eq!(lock.try_read(me(2)), Ok(Some(Taken::Abandoned)));
}

#[test]
fn a_writer_that_can_not_even_say_that_it_gave_up_keeps_no_reader_out() {
    let lock = lock();
    lock.read(me(1), None).unwrap();
    let waits = lock.clone();
    let writer =
        std::thread::spawn(move || waits.write(me(2), Some(Instant::now() + Duration::from_millis(200))));
    // A machine may stand still for all of its time: then all that follows holds as well.
    eventually(|| lock.words().head.waiting_writers.load(SeqCst) == 1 || writer.is_finished());
    // Stopped inside, for longer than the writer waits.
    lock.words().head.guard.take(me(3).holder(), &CUT, None).unwrap();
    assert_eq!(writer.join().unwrap(), Err(NotTaken::TimedOut));
    let waits = lock.clone();
    let reader = std::thread::spawn(move || waits.read(me(4), None));
    assert!(lock.words().head.guard.give_back(me(3).holder()));
    eventually(|| lock.try_read(me(5)) == Ok(Some(Taken::Clean)));
    assert_eq!(reader.join().unwrap(), Ok(Taken::Clean));
}

/// Gives `guard` back as one who leaves does.
fn leaves(lock: &RobustRwLock, number: u32) {
    assert!(lock.words().head.guard.give_back(me(number).holder()));
    lock.words().fold_outside(me(number).holder());
}

#[test]
fn what_is_given_back_beside_somebody_who_stands_inside_is_free_when_that_leaves_or_dies() {
    for (writes, dies) in [(false, false), (false, true), (true, false), (true, true)] {
        let lock = lock();
        let take = || if writes { lock.write(me(1), None) } else { lock.read(me(1), None) };
        let give_back = || if writes { lock.give_back_write(me(1)) } else { lock.give_back_read(me(1)) };
        for _ in 0..3 {
            take().unwrap();
            let waits = lock.clone();
            let writer = std::thread::spawn(move || {
                let taken = waits.write(me(2), None);
                waits.give_back_write(me(2));
                taken
            });
            eventually(|| lock.words().head.waiting_writers.load(SeqCst) == 1);
            lock.words().head.guard.take(me(3).holder(), &CUT, None).unwrap();
            give_back();
            assert_eq!((lock.writer(), lock.readers()), (None, vec![]));
            if dies {
                assert!(lock.recover(member(3), OWNER) && lock.join(member(3)));
            } else {
                leaves(&lock, 3);
            }
            assert_eq!(writer.join().unwrap(), Ok(Taken::Clean));
        }
        assert_eq!(lock.try_write(me(4)), Ok(Some(Taken::Clean)));
    }
}

#[test]
fn whoever_dies_after_it_gave_back_outside_has_given_back() {
    let lock = lock();
    lock.write(me(1), None).unwrap();
    lock.words().head.guard.take(me(3).holder(), &CUT, None).unwrap();
    lock.give_back_write(me(1));
    lock.words().head.guard.give_back(me(3).holder());
    assert!(lock.recover(member(1), OWNER));
    assert_eq!(lock.write(me(2), None), Ok(Taken::Clean));
}

#[test]
fn who_is_cut_off_gives_back_what_it_has_and_gets_nothing_more() {
    let lock = lock();
    let cut = Cut::new();
    let caller = Caller { member: member(1), thread: 1, cut: &cut };
    for writes in [false, true] {
        let cut_off = Caller { cut: &CUT, ..caller };
        if writes {
            lock.write(cut_off, None).unwrap()
        } else {
            lock.read(cut_off, None).unwrap()
        };
        cut.set();
        assert_eq!(lock.read(caller, soon()), Err(NotTaken::CutOff));
        if writes {
            lock.give_back_write(caller);
        } else {
            lock.give_back_read(caller);
        };
        assert_eq!(lock.try_write(me(2)), Ok(Some(Taken::Clean)));
        lock.give_back_write(me(2));
    }
}

#[test]
fn writers_and_readers_never_meet_and_nobody_sleeps_for_ever() {
    let lock = lock();
    let inside = Arc::new(AtomicI64::new(0));
    let threads: Vec<_> = (1..=6)
        .map(|number| {
            let (lock, inside) = (lock.clone(), Arc::clone(&inside));
            std::thread::spawn(move || {
                for _ in 0..5_000 {
                    if number <= 2 {
                        lock.write(me(number), None).unwrap();
                        assert_eq!(inside.swap(-1, SeqCst), 0);
                        inside.store(0, SeqCst);
                        lock.give_back_write(me(number));
                    } else {
                        lock.read(me(number), None).unwrap();
                        assert!(inside.fetch_add(1, SeqCst) >= 0);
                        inside.fetch_sub(1, SeqCst);
                        lock.give_back_read(me(number));
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((lock.writer(), lock.readers()), (None, vec![]));
}

#[test]
fn one_that_is_cut_off_while_it_waits_leaves_no_count_behind() {
    for want in [Want::Write { in_turn: true }, Want::Read { since: None }] {
        let lock = lock();
        lock.write(me(1), None).unwrap();
        let cut = Arc::new(Cut::new());
        let (waits, cuts) = (lock.clone(), Arc::clone(&cut));
        let waiter = std::thread::spawn(move || {
            let caller = Caller { member: member(2), thread: 1, cut: &cuts };
            waits.words().take(caller, want, None)
        });
        let head = lock.words().head;
        eventually(|| head.waiting_writers.load(SeqCst) + head.waiting_readers.load(SeqCst) == 1);
        // Somebody stands inside, the owner has cleared the entry away, and only then the waiter comes to itself.
        head.guard.take(me(3).holder(), &CUT, None).unwrap();
        let entry = &lock.words().entries[1];
        for word in [&entry.waiting_writers, &entry.waiting_readers, &entry.member] {
            word.store(0, SeqCst);
        }
        cut.set();
        lock.nudge();
        assert_eq!(waiter.join().unwrap(), Err(NotTaken::CutOff));
        lock.words().sum_up();
        assert!(head.guard.give_back(me(3).holder()));
        assert_eq!((head.waiting_writers.load(SeqCst), head.waiting_readers.load(SeqCst)), (0, 0));
        lock.give_back_write(me(1));
        assert_eq!(lock.try_read(me(3)), Ok(Some(Taken::Clean)));
    }
}

#[test]
fn a_writer_that_comes_again_and_again_lets_readers_in() {
    let lock = lock();
    let over = Arc::new(AtomicU32::new(0));
    let (writes, ends) = (lock.clone(), Arc::clone(&over));
    let writer = std::thread::spawn(move || {
        while ends.load(SeqCst) == 0 {
            writes.write(me(1), None).unwrap();
            std::hint::black_box((0..100).sum::<u64>());
            writes.give_back_write(me(1));
        }
    });
    for _ in 0..200 {
        let deadline = Some(Instant::now() + Duration::from_secs(20));
        assert_eq!(lock.read(me(2), deadline), Ok(Taken::Clean));
        lock.give_back_read(me(2));
    }
    over.store(1, SeqCst);
    writer.join().unwrap();
}

#[test]
fn a_writer_that_is_stopped_while_it_waits_keeps_readers_out_for_a_second_or_so() {
    let lock = lock();
    // What such a writer leaves when the one for whom it waited has gone.
    lock.words().entries[0].waiting_writers.store(1, SeqCst);
    lock.words().sum_up();
    assert_eq!(lock.try_read(me(2)), Ok(None));
    let deadline = Some(Instant::now() + Duration::from_secs(20));
    assert_eq!(lock.read(me(2), deadline), Ok(Taken::Clean));
}

#[test]
fn a_writer_that_tries_or_has_slept_goes_before_readers_that_do_not_come() {
    let lock = lock();
    lock.words().entries[0].waiting_readers.store(1, SeqCst);
    lock.words().sum_up();
    lock.write(me(2), None).unwrap();
    lock.give_back_write(me(2));
    assert_eq!(lock.try_write_in_turn(me(2)), Ok(None));
    assert_eq!(lock.try_write(me(2)), Ok(Some(Taken::Clean)));
    lock.give_back_write(me(2));
    let deadline = Some(Instant::now() + Duration::from_secs(20));
    assert_eq!(lock.write(me(2), deadline), Ok(Taken::Clean));
    lock.abandon_again(me(3));
    lock.abandon_again(me(2));
    lock.give_back_write(me(2));
    assert_eq!(lock.try_write(me(3)), Ok(Some(Taken::Abandoned)), "told again by the writer alone");
}

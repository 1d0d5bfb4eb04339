//! Locks for readers, and arrays, while another process is stopped among the few instructions in which it counts itself in or out.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use callboard::testing::{resume, stop};
use callboard::{Array, ArrayError, ArrayOptions, LockError, Node, Process, RwLock, RwLockOptions};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, stop_state};

callboard::test_door!();

const WITHIN: Duration = Duration::from_secs(20);
/// Longer than it takes to stop somebody inside.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A child that goes in and out all the time, and is stopped inside.
struct Stopped<'a> {
    child: &'a Process<()>,
    is_over: bool,
}

impl Stopped<'_> {
    /// Its next ones go on, by its going on or by its death.
    fn goes_on(&mut self, dies: bool) {
        self.is_over = true;
        if dies {
            self.child.kill().unwrap();
        } else {
            resume(self.child.pid());
        }
    }
}

impl Drop for Stopped<'_> {
    /// A test that fails is not to wait for it.
    fn drop(&mut self) {
        if !self.is_over {
            resume(self.child.pid());
        }
    }
}

/// Stops the child again and again, until it stands inside.
fn stop_inside<'a>(child: &'a Process<()>, is_inside: impl Fn() -> bool) -> Stopped<'a> {
    let mut random = Random::new();
    let until = Instant::now() + PATIENCE;
    loop {
        stop(child.pid());
        eventually("it is stopped", || stop_state(child.pid()) == Some('T'));
        let stopped = Stopped { child, is_over: false };
        if is_inside() {
            return stopped;
        }
        drop(stopped);
        assert!(Instant::now() < until, "it was never stopped inside");
        pause(random.time(Duration::from_micros(300)));
    }
}

fn ended(child: Process<()>) {
    child.kill().unwrap();
    assert!(child.join_timeout(PATIENCE).is_err());
}

/// Takes something in a thread of its own, which drops it when it is told to; what `then` does once it has it.
fn held<G>(take: impl FnOnce() -> G + Send, then: impl FnOnce(&dyn Fn())) {
    let (has_it, is_held) = mpsc::channel();
    let (drop_it, is_to_drop) = mpsc::channel();
    let (has_dropped, is_dropped) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let guard = take();
            has_it.send(()).unwrap();
            // A test that has failed says nothing any more.
            let _ = is_to_drop.recv();
            drop(guard);
            let _ = has_dropped.send(());
        });
        is_held.recv_timeout(PATIENCE).expect("it is taken");
        then(&move || {
            drop_it.send(()).unwrap();
            is_dropped.recv_timeout(PATIENCE).expect("it is dropped");
        });
    });
}

fn goes_in_and_out(_: &Node, lock: RwLock) {
    loop {
        drop(lock.try_read());
    }
}

/// > Giving back a lock for readers and writers waits for nobody, also while another process is stopped among the instructions in which it counts itself in or out; who waited gets the lock when that goes on or is killed.
#[test]
fn a_lock_for_readers_is_given_back_while_another_process_is_stopped_inside() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    for round in 0..rounds(4) {
        let (writes, dies) = (round % 2 == 0, round % 4 < 2);
        let lock: RwLock = node.anonymous(RwLockOptions::new());
        let child = node.spawn("goes in and out", goes_in_and_out, lock.clone()).unwrap();
        let take = || {
            if writes { (None, Some(lock.write().unwrap())) } else { (Some(lock.read().unwrap()), None) }
        };
        held(take, |drop_it| {
            let is_inside = || matches!(lock.try_read(), Err(LockError::Unresponsive));
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| lock.write_timeout(WITHIN).map(|guard| guard.is_some()));
                pause(Duration::from_millis(2));
                let mut stopped = stop_inside(&child, is_inside);
                drop_it();
                assert_eq!(stop_state(child.pid()), Some('T'), "nobody has let it go on");
                assert_eq!(lock.writer(), Ok(None));
                let me = std::process::id();
                assert!(lock.readers().unwrap().iter().all(|(reader, _)| reader.pid != me));
                stopped.goes_on(dies);
                assert_eq!(waits.join().unwrap(), Ok(true));
            });
        });
        ended(child);
        assert!(lock.write_timeout(WITHIN).unwrap().is_some());
        assert_eq!((lock.writer(), lock.readers()), (Ok(None), Ok(vec![])));
    }
}

fn looks_at_first(_: &Node, array: Array<u64>) {
    loop {
        drop(array.try_read(..1));
    }
}

fn is_inside(array: &Array<u64>) -> bool {
    matches!(array.try_read(..1), Err(ArrayError::Lock(LockError::Unresponsive)))
}

/// > An array's guard is dropped at once also while another process is stopped in the middle of a lock of a stripe.
#[test]
fn an_arrays_guard_is_dropped_while_another_process_is_stopped_inside() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    for round in 0..rounds(4) {
        let (writes, dies) = (round % 2 == 0, round % 4 < 2);
        let array: Array<u64> = node.anonymous(ArrayOptions::new(30).stripes(3));
        let child = node.spawn("looks", looks_at_first, array.clone()).unwrap();
        let take = || {
            if writes {
                let mut part = array.write(..).unwrap();
                part.fill(round + 1);
                (None, Some(part))
            } else {
                (Some(array.read(..).unwrap()), None)
            }
        };
        held(take, |drop_it| {
            let mut stopped = stop_inside(&child, || is_inside(&array));
            drop_it();
            assert_eq!(stop_state(child.pid()), Some('T'), "nobody has let it go on");
            assert!(array.write_timeout(10.., WITHIN).unwrap().is_some(), "the others are free at once");
            stopped.goes_on(dies);
        });
        let part = array.write_timeout(.., WITHIN).unwrap().unwrap();
        assert!(!part.was_abandoned() && part.iter().all(|e| *e == if writes { round + 1 } else { 0 }));
        drop(part);
        ended(child);
    }
}

/// > A verb of an array keeps its timeout also if it has taken the locks of some stripes when it gives up, and must give them back beside a process that is stopped inside.
#[test]
fn a_verb_of_several_stripes_keeps_its_timeout_beside_a_process_that_is_stopped_inside() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let array: Array<u64> = node.anonymous(ArrayOptions::new(30).stripes(3));
    let child = node.spawn("looks", looks_at_first, array.clone()).unwrap();
    held(
        || array.write(29..).unwrap(),
        |drop_it| {
            let mut random = Random::new();
            let mut stopped_in_time = 0;
            while stopped_in_time < rounds(2) {
                std::thread::scope(|scope| {
                    let verb = scope.spawn(|| {
                        let got = if random.below(2) == 0 {
                            array.write_timeout(.., TIMEOUT).map(|part| part.is_some())
                        } else {
                            array.read_timeout(.., TIMEOUT).map(|part| part.is_some())
                        };
                        assert_eq!(got, Ok(false));
                    });
                    // It has the first ones, and waits for the last.
                    eventually("it has begun", || {
                        verb.is_finished() || matches!(array.try_write(..1), Ok(None))
                    });
                    let _stopped = stop_inside(&child, || verb.is_finished() || is_inside(&array));
                    let was_in_time = !verb.is_finished() && is_inside(&array) && !verb.is_finished();
                    stopped_in_time += u64::from(was_in_time);
                    eventually("it gives up", || verb.is_finished());
                    assert_eq!(stop_state(child.pid()), Some('T'), "nobody has let it go on");
                });
            }
            drop_it();
        },
    );
    assert!(array.write_timeout(.., WITHIN).unwrap().is_some());
    ended(child);
}

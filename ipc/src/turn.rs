//! A lock that costs the thread which nearly always takes it next to nothing.
//!
//! Each end of a pipe is nearly always used by one thread. The first to lock becomes the favourite: it says by a word of its own
//! that it is inside, [passes](crate::fence::light) a fence and looks whether it is the favourite still, which is no atomic operation
//! that any other core hears of. The first other thread that comes takes that away for good: it writes that
//! nobody is the favourite, has the kernel make a [heavy fence](crate::fence::heavy), waits until the favourite of old is not
//! inside, and from then on all go by an ordinary lock. Whoever looks second sees what the other wrote, so never are two inside.
//!
//! In a process that has not [registered](crate::fence::register) there are no favourites.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use self::favourite::Favourite;

mod favourite;
#[cfg(all(test, loom))]
mod model;

/// So often a thread yields to a favourite that is inside before it sleeps a little each time.
const YIELDS: u32 = 100;
const NAP: Duration = Duration::from_micros(50);

/// A value that one thread at a time may use.
#[derive(Default)]
pub struct Turn<T> {
    favourite: Favourite,
    lock: Mutex<()>,
    value: UnsafeCell<T>,
}

// SAFETY: `lock` lets one thread at a time at the value, which is all that `&Turn` gives access to. The module says why.
unsafe impl<T: Send> Sync for Turn<T> {}

/// A thread's turn, until it is dropped.
pub struct TurnGuard<'a, T> {
    turn: &'a Turn<T>,
    /// None for the favourite.
    lock: Option<MutexGuard<'a, ()>>,
    /// A turn belongs to its thread.
    stays: PhantomData<*const ()>,
}

impl<T> Turn<T> {
    /// A lock around `value`.
    pub fn new(value: T) -> Self {
        Self { favourite: Favourite::default(), lock: Mutex::new(()), value: UnsafeCell::new(value) }
    }

    /// Waits until it is this thread's turn.
    ///
    /// # Panics
    ///
    /// Perhaps, if this thread has its turn already; else it waits for itself for ever.
    #[inline]
    pub fn lock(&self) -> TurnGuard<'_, T> {
        let me = thread_number();
        let lock = if self.favourite.enter(me) { None } else { self.lock_as(me) };
        TurnGuard { turn: self, lock, stays: PhantomData }
    }

    /// Goes in by the lock: none if that made this thread the favourite.
    fn lock_as(&self, me: u64) -> Option<MutexGuard<'_, ()>> {
        let guard = self.lock.lock();
        if self.favourite.become_first(me) {
            return None;
        }
        if self.favourite.end() {
            let mut looks = 0;
            while self.favourite.is_inside() {
                looks += 1;
                if looks < YIELDS { std::thread::yield_now() } else { std::thread::sleep(NAP) }
            }
        }
        Some(guard)
    }
}

impl<T> Drop for TurnGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.lock.is_none() {
            self.turn.favourite.leave();
        }
    }
}

impl<T> Deref for TurnGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it is this thread's turn, and no other's, until the guard is dropped; `deref_mut` borrows the guard.
        unsafe { &*self.turn.value.get() }
    }
}

impl<T> DerefMut for TurnGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and this borrow of the guard is the only one.
        unsafe { &mut *self.turn.value.get() }
    }
}

impl<T> fmt::Debug for Turn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("favourite", &self.favourite).finish_non_exhaustive()
    }
}

/// A number that no other thread of this process has or ever had.
#[inline]
fn thread_number() -> u64 {
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    match NUMBER.get() {
        0 => {
            static LAST: AtomicU64 = AtomicU64::new(0);
            let number = LAST.fetch_add(1, Relaxed) + 1;
            NUMBER.set(number);
            number
        }
        number => number,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use super::*;
    use crate::fence;

    /// Adds to a number by reading and writing it, from several threads at once.
    fn count(threads: u64, each: u64) {
        let turn = Turn::new(0);
        let add = || {
            for _ in 0..each {
                let mut value = turn.lock();
                let read = *value;
                *value = std::hint::black_box(read) + 1;
            }
        };
        std::thread::scope(|scope| {
            // The favourite, in the middle of its work when the others come.
            let first = scope.spawn(add);
            while *turn.lock() == 0 && !first.is_finished() {
                std::thread::yield_now();
            }
            (1..threads).for_each(|_| drop(scope.spawn(add)));
        });
        assert_eq!(*turn.lock(), threads * each);
    }

    #[test]
    fn threads_take_turns_with_a_favourite_and_without() {
        count(3, 10_000);
        assert!(fence::register(), "this kernel has no membarrier");
        for _ in 0..200 {
            count(3, 1_000);
        }
    }

    #[test]
    fn others_wait_for_a_favourite_that_is_inside() {
        fence::register();
        let turn = Turn::new(0);
        let is_out = AtomicBool::new(false);
        let mut inside = turn.lock();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let value = turn.lock();
                assert!(is_out.load(SeqCst), "two were inside");
                *value
            });
            while !turn.lock.is_locked() {
                std::thread::yield_now();
            }
            *inside = 7;
            is_out.store(true, SeqCst);
            drop(inside);
            assert_eq!(other.join().unwrap(), 7);
        });
    }

    #[test]
    #[should_panic(expected = "twice")]
    fn a_favourite_that_would_wait_for_itself_is_told() {
        fence::register();
        let turn = Turn::new(0);
        let _inside = turn.lock();
        let _again = turn.lock();
    }
}

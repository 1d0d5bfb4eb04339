//! The locks of the C library that processes can share: a robust mutex, and a semaphore. By threads, for whom they cost the same.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Barrier;

use crate::clock::stamp;
use crate::harness::{Measured, Outcome, check};

/// A lock of the C library and what it guards.
trait Locks: Sync {
    fn lock(&self);
    fn unlock(&self);
}

struct Mutex(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a mutex is made to be used by many threads.
unsafe impl Sync for Mutex {}

impl Mutex {
    /// In its place for good: it is not moved when it has been used.
    fn new() -> Box<Self> {
        // SAFETY: a struct of integers and pointers, for which zeros are a value.
        let mutex = Box::new(Self(UnsafeCell::new(unsafe { std::mem::zeroed() })));
        let mut how = MaybeUninit::uninit();
        // SAFETY: made here, and used by nobody else.
        unsafe { libc::pthread_mutexattr_init(how.as_mut_ptr()) };
        // SAFETY: initialised by the line before.
        unsafe { libc::pthread_mutexattr_setpshared(how.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED) };
        // SAFETY: as before.
        unsafe { libc::pthread_mutexattr_setrobust(how.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST) };
        // SAFETY: the mutex has its place, and nobody knows it yet.
        unsafe { libc::pthread_mutex_init(mutex.0.get(), how.as_ptr()) };
        mutex
    }
}

impl Locks for Mutex {
    #[inline]
    fn lock(&self) {
        // SAFETY: initialised, and where it was then.
        unsafe { libc::pthread_mutex_lock(self.0.get()) };
    }

    #[inline]
    fn unlock(&self) {
        // SAFETY: as in `lock`; this thread has locked it.
        unsafe { libc::pthread_mutex_unlock(self.0.get()) };
    }
}

struct Semaphore(UnsafeCell<libc::sem_t>);

// SAFETY: a semaphore is made to be used by many threads.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    /// With one permit.
    fn new() -> Box<Self> {
        // SAFETY: a struct of bytes, for which zeros are a value.
        let semaphore = Box::new(Self(UnsafeCell::new(unsafe { std::mem::zeroed() })));
        // SAFETY: it has its place, and nobody knows it yet.
        unsafe { libc::sem_init(semaphore.0.get(), 1, 1) };
        semaphore
    }
}

impl Locks for Semaphore {
    #[inline]
    fn lock(&self) {
        // SAFETY: initialised, and where it was then.
        unsafe { libc::sem_wait(self.0.get()) };
    }

    #[inline]
    fn unlock(&self) {
        // SAFETY: as in `lock`.
        unsafe { libc::sem_post(self.0.get()) };
    }
}

fn run(locks: &dyn Locks, threads: u64, times: u64) -> Outcome {
    let begin = Barrier::new(threads as usize);
    let spans: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let turns = || {
            begin.wait();
            let start = stamp();
            for _ in 0..times {
                locks.lock();
                locks.unlock();
            }
            (start, stamp())
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(turns)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    check("threads that came to their end", &(spans.len() as u64), &threads)?;
    let start = spans.iter().map(|span| span.0).min().unwrap_or_default();
    let end = spans.iter().map(|span| span.1).max().unwrap_or_default();
    Ok(Measured::between(threads * times, start, end))
}

/// A robust mutex, locked and unlocked by each of so many threads.
pub(crate) fn mutex(threads: u64, times: u64) -> Outcome {
    run(&*Mutex::new(), threads, times)
}

/// A semaphore, taken and given back by each of so many threads.
pub(crate) fn semaphore(threads: u64, times: u64) -> Outcome {
    run(&*Semaphore::new(), threads, times)
}

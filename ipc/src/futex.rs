//! A word in shared memory that threads of any process sleep on, and its double for models.
//!
//! The word has 64 bits, so that who holds it fits in; the kernel compares the lower half only. So a sleeper wakes by itself from a
//! change in that half alone, and whoever changes the upper half alone must mean nothing to it.

#[cfg(not(all(test, loom)))]
mod kernel {
    use std::io;
    use std::ptr;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    use std::time::Duration;

    use rustix::thread::futex::{self, Flags, Timespec};

    /// A word that can be slept on.
    #[repr(transparent)]
    #[derive(Debug, Default)]
    pub(crate) struct Word(AtomicU64);

    impl Word {
        #[inline]
        pub(crate) fn load(&self, order: Ordering) -> u64 {
            self.0.load(order)
        }

        #[cfg(test)]
        pub(crate) fn store(&self, value: u64, order: Ordering) {
            self.0.store(value, order);
        }

        #[inline]
        pub(crate) fn exchange(&self, from: u64, to: u64, order: Ordering) -> Result<u64, u64> {
            self.0.compare_exchange(from, to, order, Ordering::Relaxed)
        }

        #[inline]
        pub(crate) fn add(&self, more: u64, order: Ordering) -> u64 {
            self.0.fetch_add(more, order)
        }

        /// Sleeps while the lower half is that of `seen`, until somebody wakes it, or for `at_most`; it may also return for no reason.
        pub(crate) fn sleep(&self, seen: u64, at_most: Option<Duration>) {
            let timeout = at_most.map(|time| Timespec {
                tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: time.subsec_nanos().into(),
            });
            let slept = futex::wait(self.lower_half(), Flags::empty(), seen as u32, timeout.as_ref());
            let may_be = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted, io::ErrorKind::TimedOut];
            debug_assert!(slept.is_ok() || slept.is_err_and(|error| may_be.contains(&error.kind())));
        }

        /// Wakes up to `most` of those who sleep.
        pub(crate) fn wake(&self, most: u32) {
            self.wake_counted(most);
        }

        /// The same; how many slept and are woken.
        pub(crate) fn wake_counted(&self, most: u32) -> u32 {
            // The kernel takes the number as a signed one.
            let woken = futex::wake(self.lower_half(), Flags::empty(), most.min(i32::MAX as u32));
            debug_assert!(woken.is_ok(), "waking those who sleep on a mapped word: {woken:?}");
            woken.map_or(0, |woken| u32::try_from(woken).unwrap_or(u32::MAX))
        }

        /// What the kernel looks at.
        fn lower_half(&self) -> &AtomicU32 {
            let whole = ptr::from_ref(&self.0).cast::<u32>();
            let half = if cfg!(target_endian = "little") { whole } else { whole.wrapping_add(1) };
            // SAFETY: one of the two halves of a word that `self` borrows, so it is mapped and aligned. This program reads and writes the word
            // only whole: the half is handed to the kernel as an address, and it alone looks there.
            unsafe { AtomicU32::from_ptr(half.cast_mut()) }
        }
    }
}

/// A model has no kernel: a lock and a condition stand for its queue of sleepers.
#[cfg(all(test, loom))]
mod model {
    use std::time::Duration;

    use loom::sync::atomic::{AtomicU64, Ordering};
    use loom::sync::{Condvar, Mutex};

    #[derive(Debug, Default)]
    pub(crate) struct Word {
        value: AtomicU64,
        /// How many sleep and are not woken.
        queue: Mutex<u32>,
        sleepers: Condvar,
    }

    impl Word {
        pub(crate) fn load(&self, order: Ordering) -> u64 {
            self.value.load(order)
        }

        pub(crate) fn exchange(&self, from: u64, to: u64, order: Ordering) -> Result<u64, u64> {
            self.value.compare_exchange(from, to, order, Ordering::Relaxed)
        }

        pub(crate) fn add(&self, more: u64, order: Ordering) -> u64 {
            self.value.fetch_add(more, order)
        }

        /// As the kernel does it: it looks under the lock of the queue. Time does not pass, so nothing but a wake ends it.
        pub(crate) fn sleep(&self, seen: u64, _at_most: Option<Duration>) {
            let mut queue = self.queue.lock().unwrap();
            if self.value.load(Ordering::SeqCst) as u32 == seen as u32 {
                *queue += 1;
                drop(self.sleepers.wait(queue).unwrap());
            }
        }

        pub(crate) fn wake(&self, most: u32) {
            self.wake_counted(most);
        }

        pub(crate) fn wake_counted(&self, most: u32) -> u32 {
            let mut queue = self.queue.lock().unwrap();
            let woken = if most == 1 { (*queue).min(1) } else { *queue };
            *queue -= woken;
            if most == 1 {
                self.sleepers.notify_one();
            } else {
                self.sleepers.notify_all();
            }
            woken
        }
    }
}

#[cfg(not(all(test, loom)))]
pub(crate) use kernel::Word;
#[cfg(all(test, loom))]
pub(crate) use model::Word;

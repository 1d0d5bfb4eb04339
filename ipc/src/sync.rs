//! Locks in shared memory that survive whoever holds them.
//!
//! Each is a few words in a [`Block`], which an owner lays out and any process maps. Taking and giving back goes by these words alone;
//! the owner is needed only when a process has died: it then takes back what that process held (`recover`).
//! No process ever waits for another but on a word, and there it wakes when the owner has taken back, or has ended
//! and somebody in the waiting process has said so (`nudge`).
//!
//! Whatever a process writes into these words, others are only ever told something wrong: a number is checked where it is used.

#![cfg_attr(all(test, loom), allow(dead_code, reason = "a model has no regions"))]

mod block;
mod condition;
mod guard;
mod lock;
mod rw_lock;
mod semaphore;
#[cfg(not(all(test, loom)))]
mod value;

#[cfg(any(all(test, not(loom)), fuzzing))]
mod fuzzing;

#[cfg(all(test, loom))]
mod model;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub use self::block::{BLOCK_ALIGNMENT, Block};
pub use self::condition::{NotWaited, RobustCondition, Waited};
#[cfg(any(all(test, not(loom)), fuzzing))]
pub(crate) use self::fuzzing::run as fuzz;
pub use self::guard::{Caller, Member};
pub use self::lock::{Cut, Holder, LockWord, NotTaken, RobustLock, Taken};
pub use self::rw_lock::RobustRwLock;
pub use self::semaphore::{RobustSemaphore, TooManyPermits};
#[cfg(not(all(test, loom)))]
pub use self::value::RobustValue;

/// How often a sleeper looks for itself. Nobody who plays by the rules needs that: it is for the case that a process was stopped, not
/// killed, in the instant in which it had been woken, or was about to wake somebody.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long to sleep until `deadline`; none when that is over.
fn time_to_sleep(deadline: Option<Instant>) -> Option<Duration> {
    let Some(deadline) = deadline else { return Some(LOOK_AGAIN) };
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then(|| left.min(LOOK_AGAIN))
}

/// This thread's number among those of its process that have asked: 1 to 2^25 - 1, and then from the start again.
pub fn this_thread() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NUMBER: u32 = LAST.fetch_add(1, Relaxed) % lock::MOST_THREADS + 1;
    }
    NUMBER.with(|number| *number)
}

//! Waiting for a condition with a generous deadline.

use std::time::{Duration, Instant};

/// How long the waits of this module take unless they are told: 60 s. Machines are shared and slow at times, and a test that waits for
/// what comes does not get slower by it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, which is asked every millisecond.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static DONE: AtomicBool = AtomicBool::new(false);
/// let thread = std::thread::spawn(|| DONE.store(true, Ordering::SeqCst));
/// callboard::testing::eventually("the thread has done it", || DONE.load(Ordering::SeqCst));
/// # thread.join().unwrap();
/// ```
///
/// # Panics
///
/// After [`PATIENCE`], naming `what` was waited for.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, condition);
}

/// As [`eventually`], with another patience. Zero asks once.
///
/// # Panics
///
/// After `patience`, naming `what` was waited for.
#[track_caller]
pub fn eventually_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < patience, "not within {patience:?}: {what}");
        pause(Duration::from_millis(1));
    }
}

/// Lets time pass where the passing of time is the point, for instance before a kill at a random moment. It may end early.
pub fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

//! Waiting for a condition with a generous deadline.

use std::time::{Duration, Instant};

/// How long a test waits for what must come. Machines are shared and slow at times.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
///
/// # Panics
///
/// After [`PATIENCE`], naming `what` was waited for.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        pause(Duration::from_millis(1));
    }
}

/// Lets time pass where the passing of time is the point, for instance before a kill at a random moment.
pub fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

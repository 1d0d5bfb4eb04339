//! Ends the program when a contestant hangs, and says which.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Watches one contestant's round until it is dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Dropping it tells the watching thread that the round is over.
    _alive: Sender<()>,
}

/// Ends this program with an error unless the returned guard is dropped within `limit`.
pub(crate) fn watch(what: String, limit: Duration) -> Watched {
    let (alive, ended) = channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            eprintln!("callboard-bench: FAILED {what}: no end within {limit:?}");
            std::process::exit(1);
        }
    });
    Watched { _alive: alive }
}

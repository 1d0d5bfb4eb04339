//! The signals by which a terminal or an init system asks a program to end, as something an event loop can watch.
//!
//! The first one is seen by whoever watches; the second does what it does by default: it kills. So a program that does
//! not come to its end can be ended by pressing Ctrl-C again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

/// Readable once SIGINT or SIGTERM has come. Dropped, it gives the signals their default effect back.
#[derive(Debug)]
pub struct StopSignals {
    reader: UnixStream,
    /// From the first signal on.
    by_default: Arc<AtomicBool>,
    pipes: Vec<SigId>,
}

impl StopSignals {
    /// Catches both signals from here on.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub fn catch() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let by_default = Arc::new(AtomicBool::new(false));
        let mut pipes = Vec::new();
        for signal in [SIGINT, SIGTERM] {
            // In this order: what is set by a signal counts for the next.
            flag::register_conditional_default(signal, Arc::clone(&by_default))?;
            flag::register(signal, Arc::clone(&by_default))?;
            pipes.push(low_level::pipe::register(signal, writer.try_clone()?)?);
        }
        Ok(Self { reader, by_default, pipes })
    }
}

impl AsFd for StopSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        self.by_default.store(true, Ordering::SeqCst);
        for id in self.pipes.drain(..) {
            low_level::unregister(id);
        }
    }
}

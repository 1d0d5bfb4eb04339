//! What a program reads, written by its parent.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_ipc::InputPipe;

use crate::runtime::Runtime;
use crate::standing::Sought;

/// The standard input of a program, to be written to. Dropped, it is the end of the program's input.
///
/// A write waits while the pipe is full, which holds 64 KiB as a rule: so do not write much to a program whose own output only the same thread
/// reads. It is a [`BrokenPipe`](io::ErrorKind::BrokenPipe) once the program has closed its input or has ended. What was written before that may
/// not have been read.
#[derive(Debug)]
pub struct CommandInput {
    runtime: Arc<Runtime>,
    pipe: InputPipe,
}

impl CommandInput {
    pub(super) fn new(runtime: &Arc<Runtime>, pipe: InputPipe) -> Self {
        Self { runtime: Arc::clone(runtime), pipe }
    }

    /// Writes some of `bytes`, waiting up to `timeout` for room; zero means do not wait. How many.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut): nothing was written. [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    pub fn write_timeout(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<usize> {
        self.write_until(bytes, Instant::now().checked_add(timeout))
    }

    fn write_until(&mut self, bytes: &[u8], deadline: Option<Instant>) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // While there is room there is no wait.
        match self.pipe.write(bytes, Some(Instant::now())) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                let pipe = &self.pipe;
                self.runtime.wait_elsewhere(Sought::plain("room in the input of a program"), || {
                    pipe.write(bytes, deadline)
                })
            }
            written => written,
        }
    }
}

/// Waits for room.
impl Write for CommandInput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_until(bytes, None)
    }

    /// Does nothing: nothing is held back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Our end of the pipe, to be waited for as [`Writable`](crate::Interest::Writable).
impl AsFd for CommandInput {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

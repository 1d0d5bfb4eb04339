//! What a process writes, for its parent to read.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_ipc::{Got, OutputPipe};

use super::lines::LineBuffer;
use crate::runtime::Runtime;
use crate::standing::Sought;

/// How much is read at once; as much as a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// What a process writes to its standard output or error: lines, or bytes by [`Read`].
///
/// It ends when the process has closed it, or has ended and what it wrote before has been read: not later because others, whom it started and
/// left behind, have it open.
///
/// Nothing is kept here beyond one line and 64 KiB: a process whose output nobody reads waits in its write once the pipe is full, which is after
/// 64 KiB as a rule. So a [join](crate::Process::join) of it waits for ever, if nobody else reads. Dropped before its end the pipe is closed: then
/// writes of the process are errors, or end it by SIGPIPE.
///
/// To wait for it among other things, give it to [`WaitAny::add_fd`](crate::WaitAny::add_fd); then take lines with
/// [`try_read_line`](Self::try_read_line) until there is none. Ready when it is closed too; add the process besides, whose end is the end of this.
#[derive(Debug)]
pub struct Output {
    runtime: Arc<Runtime>,
    pipe: OutputPipe,
    lines: LineBuffer,
    is_over: bool,
}

impl Output {
    pub(crate) fn new(runtime: &Arc<Runtime>, pipe: OutputPipe) -> Self {
        Self { runtime: Arc::clone(runtime), pipe, lines: LineBuffer::default(), is_over: false }
    }

    /// Waits for the next line; none at the end.
    ///
    /// Without its line feed. What follows the last one is a line too, if there is anything. A line of more than 1 MiB comes in pieces of that
    /// length. What is no UTF-8 is replaced by `U+FFFD`; [`Read`] has the bytes as they are.
    ///
    /// # Errors
    ///
    /// What the system says; none is expected.
    pub fn read_line(&mut self) -> io::Result<Option<String>> {
        self.line_until(None)
    }

    /// Waits up to `timeout` for the next line; zero means do not wait. None at the end.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut): nothing is lost of a line that has come in part.
    pub fn read_line_timeout(&mut self, timeout: Duration) -> io::Result<Option<String>> {
        // One that lies beyond all time never comes.
        self.line_until(Instant::now().checked_add(timeout))
    }

    /// The next line if it is there; none at the end. Never waits.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) if it is not there yet.
    pub fn try_read_line(&mut self) -> io::Result<Option<String>> {
        self.read_line_timeout(Duration::ZERO)
    }

    /// The lines up to the end, as [`read_line`](Self::read_line) has them.
    pub fn lines(&mut self) -> impl Iterator<Item = io::Result<String>> + use<'_> {
        std::iter::from_fn(|| self.read_line().transpose())
    }

    fn line_until(&mut self, deadline: Option<Instant>) -> io::Result<Option<String>> {
        loop {
            if let Some(line) = self.lines.line() {
                return Ok(Some(text(line)));
            }
            if self.is_over {
                return Ok(self.lines.rest().as_deref().map(text));
            }
            let mut buffer = vec![0; READ_BYTES];
            match self.read_pipe(&mut buffer, deadline)? {
                Got::Bytes(n) => self.lines.push(&buffer[..n]),
                Got::End => {}
                Got::Nothing if deadline.is_some_and(|at| at <= Instant::now()) => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Got::Nothing => {}
            }
        }
    }

    /// Reads what has not been read in lines; nothing at the deadline.
    pub(crate) fn read_pipe(&mut self, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<Got> {
        // What is there costs no wait.
        let mut got = self.pipe.read(buffer, Some(Instant::now()))?;
        if got == Got::Nothing && deadline.is_none_or(|at| at > Instant::now()) {
            let pipe = &mut self.pipe;
            got = self
                .runtime
                .wait_elsewhere(Sought::plain("output of a process"), || pipe.read(buffer, deadline))?;
        }
        self.is_over |= got == Got::End;
        Ok(got)
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// Waits for bytes; zero at the end.
impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let kept = self.lines.take(buffer);
        if kept > 0 || buffer.is_empty() {
            return Ok(kept);
        }
        loop {
            match self.read_pipe(buffer, None)? {
                Got::Bytes(n) => return Ok(n),
                Got::End => return Ok(0),
                Got::Nothing => {}
            }
        }
    }
}

/// Our end of the pipe.
impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

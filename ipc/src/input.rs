//! The writing end of what a process reads: a pipe that is closed with the process, whoever else could read it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::poller::timespec;

/// What a process reads, for one writer.
#[derive(Debug)]
pub struct InputPipe {
    pipe: OwnedFd,
    /// The process's own descriptor, readable when it has ended.
    process: OwnedFd,
}

impl InputPipe {
    /// Joins the writing end of a pipe and the descriptor of the process that has the other.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn new(pipe: OwnedFd, process: OwnedFd) -> io::Result<Self> {
        // Of our end alone: the program at the other expects its reads to wait.
        let flags = rustix::fs::fcntl_getfl(&pipe)?;
        rustix::fs::fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?;
        Ok(Self { pipe, process })
    }

    /// Writes some of `bytes`, at least one, waiting for room until `deadline`; none waits for ever. How many.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the process has closed it or has ended, `TimedOut`, else what the kernel says.
    pub fn write(&self, bytes: &[u8], deadline: Option<Instant>) -> io::Result<usize> {
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::OUT),
                PollFd::from_borrowed_fd(self.process.as_fd(), PollFlags::IN),
            ];
            let left = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
            match rustix::event::poll(&mut fds, left.as_ref()) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            if !fds[1].revents().is_empty() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            match rustix::io::write(&self.pipe, bytes) {
                // There is room for less than what is never divided.
                Err(Errno::AGAIN) if bytes.len() > 1 => match rustix::io::write(&self.pipe, &bytes[..1]) {
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    written => return Ok(written?),
                },
                Err(Errno::AGAIN | Errno::INTR) => {}
                written => return Ok(written?),
            }
        }
    }
}

impl AsFd for InputPipe {
    /// Our end of the pipe, to be waited for among others.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_write_waits_for_room_and_ends_with_the_process() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (process, lives) = io::pipe().unwrap();
        let input = InputPipe::new(writer.into(), process.into()).unwrap();
        let soon = || Instant::now().checked_add(Duration::from_millis(1));
        let mut written = 0;
        let full = loop {
            match input.write(&[7; 5000], soon()) {
                Ok(n) => written += n,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::TimedOut);
        assert!(written >= 4096);
        reader.read_exact(&mut vec![0; written]).unwrap();
        assert_eq!(input.write(b"more", soon()).unwrap(), 4);
        drop(lives);
        assert_eq!(
            input.write(b"more", None).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe,
            "others have it open"
        );
    }

    #[test]
    fn a_write_to_what_was_closed_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        let (process, _lives) = io::pipe().unwrap();
        let input = InputPipe::new(writer.into(), process.into()).unwrap();
        drop(reader);
        assert_eq!(input.write(b"x", None).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

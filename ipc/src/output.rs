//! The reading end of what a process writes: a pipe that ends with the process, whoever else has the other end.
//!
//! A process may leave behind others that keep its standard output open for as long as they like. So an output is over at
//! its end, or when the process has ended and what was in the pipe at that moment has been read.
//!
//! Nothing is read ahead: a pipe that nobody reads is full at some time, and then the process waits in its write.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use crate::poller::{Bell, timespec};

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// This many bytes; at least one.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// Nothing more will come.
    End,
}

/// A pipe for what a process is to write: its end, to be given away, and ours.
///
/// # Errors
///
/// What the kernel says when descriptors run out.
pub fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    // Of our end alone: the program at the other expects its writes to wait.
    rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((theirs, ours))
}

/// What a process writes, for one reader.
#[derive(Debug)]
pub struct OutputPipe {
    pipe: OwnedFd,
    /// The process's own descriptor, readable when it has ended.
    process: OwnedFd,
    /// How many bytes are left, once the process has ended.
    left: Option<u64>,
    is_over: bool,
}

impl OutputPipe {
    /// Joins our end of an [`output_pipe`] and the descriptor of the process that has the other.
    pub fn new(pipe: OwnedFd, process: OwnedFd) -> Self {
        Self { pipe, process, left: None, is_over: false }
    }

    /// Reads into `buffer`, which is not empty, waiting until `deadline`; none waits for ever, one that has passed does not wait.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn read(&mut self, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<Got> {
        if !self.wait(deadline)? {
            return Ok(Got::Nothing);
        }
        self.take(buffer)
    }

    /// Waits until there is something to take, or the end; false at `deadline`.
    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        // Asked before each read: others may write on and on after the process's end.
        while !self.is_over && self.left.is_none() {
            let mut fds = self.fds();
            let left = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
            match rustix::event::poll(&mut fds, left.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) => {
                    let [pipe, process] = fds.map(|fd| !fd.revents().is_empty());
                    self.seen(pipe, process)?;
                    return Ok(true);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn fds(&self) -> [PollFd<'_>; 2] {
        [&self.pipe, &self.process].map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN))
    }

    /// Whether a poll found something at either; remembers how much there is at the process's end.
    fn seen(&mut self, pipe: bool, process: bool) -> io::Result<bool> {
        if process && self.left.is_none() {
            self.left = Some(rustix::io::ioctl_fionread(&self.pipe)?);
        }
        Ok(pipe || process)
    }

    /// Takes what is there.
    fn take(&mut self, buffer: &mut [u8]) -> io::Result<Got> {
        if self.is_over {
            return Ok(Got::End);
        }
        let most = self
            .left
            .map_or(buffer.len(), |left| buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        let read = match &mut buffer[..most] {
            [] => Ok(0),
            buffer => loop {
                match rustix::io::read(&self.pipe, &mut *buffer) {
                    Err(Errno::INTR) => {}
                    read => break read,
                }
            },
        };
        match read {
            Err(Errno::AGAIN) if self.left.is_none() => Ok(Got::Nothing),
            Ok(0) | Err(Errno::AGAIN) => {
                self.is_over = true;
                Ok(Got::End)
            }
            Ok(n) => {
                self.left = self.left.map(|left| left.saturating_sub(n as u64));
                Ok(Got::Bytes(n))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for OutputPipe {
    /// Our end of the pipe, to be waited for among others.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Waits until one of `outputs` can be read, or the bell rings, and hands each that can be to `take`, which says whether it is
/// over. Those that are over are returned.
///
/// # Errors
///
/// What the kernel says.
pub fn gather<T>(
    bell: &Bell,
    outputs: &mut Vec<T>,
    pipe: impl Fn(&mut T) -> &mut OutputPipe,
    buffer: &mut [u8],
    mut take: impl FnMut(&mut T, &[u8]),
) -> io::Result<Vec<T>> {
    let ready = wait_for_all(bell, outputs.iter_mut().map(|output| &*pipe(output)))?;
    let mut over = Vec::new();
    let mut kept = Vec::with_capacity(outputs.len());
    for (mut output, (of_pipe, of_process)) in outputs.drain(..).zip(ready) {
        let it = pipe(&mut output);
        let got = match it.seen(of_pipe, of_process) {
            Ok(true) => it.take(buffer),
            Ok(false) => Ok(Got::Nothing),
            Err(error) => Err(error),
        };
        match got {
            Ok(Got::Bytes(n)) => take(&mut output, &buffer[..n]),
            Ok(Got::Nothing) => {}
            // What can't be read has ended for us.
            Ok(Got::End) | Err(_) => {
                over.push(output);
                continue;
            }
        }
        kept.push(output);
    }
    *outputs = kept;
    Ok(over)
}

/// Waits for any; of each whether its pipe can be read, and whether its process has ended.
fn wait_for_all<'a>(
    bell: &'a Bell,
    outputs: impl Iterator<Item = &'a OutputPipe>,
) -> io::Result<Vec<(bool, bool)>> {
    let outputs = outputs.flat_map(OutputPipe::fds);
    let mut fds: Vec<_> =
        std::iter::once(PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)).chain(outputs).collect();
    loop {
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !fds[0].revents().is_empty() {
        bell.quiet();
    }
    let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
    Ok(fds[1..].chunks(2).map(|two| (is_ready(&two[0]), two.get(1).is_some_and(is_ready))).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    /// An output, the end to write to, and what stands for the process: it has ended when this is dropped.
    fn output() -> (OutputPipe, std::io::PipeWriter, std::io::PipeWriter) {
        let (theirs, ours) = output_pipe().unwrap();
        let (process, lives) = std::io::pipe().unwrap();
        (OutputPipe::new(ours, process.into()), theirs.into(), lives)
    }

    const SOON: Duration = Duration::from_millis(1);

    fn read(output: &mut OutputPipe) -> Got {
        output.read(&mut [0; 4], Instant::now().checked_add(SOON)).unwrap()
    }

    #[test]
    fn what_is_written_is_read_until_the_end() {
        let (mut output, mut writer, _lives) = output();
        assert_eq!(read(&mut output), Got::Nothing);
        writer.write_all(b"abcdef").unwrap();
        assert_eq!(read(&mut output), Got::Bytes(4));
        drop(writer);
        assert_eq!(read(&mut output), Got::Bytes(2));
        assert_eq!(read(&mut output), Got::End);
        assert_eq!(read(&mut output), Got::End);
    }

    #[test]
    fn it_is_over_with_the_process_though_others_write_on() {
        let (mut output, mut writer, lives) = output();
        writer.write_all(b"abcdef").unwrap();
        drop(lives);
        assert_eq!(read(&mut output), Got::Bytes(4));
        writer.write_all(b"late").unwrap();
        assert_eq!(read(&mut output), Got::Bytes(2));
        assert_eq!(read(&mut output), Got::End);
    }

    #[test]
    fn a_process_that_wrote_nothing_has_ended() {
        let (mut output, _writer, lives) = output();
        drop(lives);
        assert_eq!(output.read(&mut [0; 4], None).unwrap(), Got::End);
    }

    #[test]
    fn of_many_those_are_gathered_that_can_be_read() {
        let bell = Bell::new().unwrap();
        let (silent, _keeps, _lives) = output();
        let (speaks, mut writer, _lives_too) = output();
        let mut outputs = vec![silent, speaks];
        writer.write_all(b"one").unwrap();
        let mut got = Vec::new();
        let mut buffer = [0; 16];
        let mut gather = |outputs: &mut Vec<OutputPipe>| {
            gather(&bell, outputs, |output| output, &mut buffer, |_, bytes| got.extend_from_slice(bytes))
                .unwrap()
                .len()
        };
        assert_eq!(gather(&mut outputs), 0);
        drop(writer);
        assert_eq!(gather(&mut outputs), 1);
        bell.ring();
        assert_eq!(gather(&mut outputs), 0);
        assert_eq!((got, outputs.len()), (b"one".to_vec(), 1));
    }
}

//! A socket for records: any number of processes put whole ones in, one takes them out.
//!
//! What was put in is with the kernel: it is there for the receiver though the sender is killed in the next instant. Records
//! of several senders never mix, and each arrives as it was sent.
//!
//! A sender waits for room, but not for ever: a receiver that is stopped costs it [`SEND_WITHIN`] once, and nothing after that
//! until there is room again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::poller::{Bell, timespec};

/// The longest record, in bytes: several fit into a socket's buffer as systems have it by default.
pub const MAX_RECORD_BYTES: usize = 32 << 10;
/// How long a sender waits for room.
const SEND_WITHIN: Duration = Duration::from_secs(1);

/// Where records are put in.
#[derive(Debug)]
pub struct RecordSender {
    socket: OwnedFd,
    /// There was no room for so long that it is not waited for any more. Only a hint, so nothing is ordered by it.
    is_stuck: AtomicBool,
}

/// Where they are taken out.
#[derive(Debug)]
pub struct RecordReceiver(OwnedFd);

/// Opens both ends.
///
/// # Errors
///
/// What the kernel says when descriptors run out.
pub fn record_socket() -> io::Result<(RecordSender, RecordReceiver)> {
    // Of this type both hold: a record is whole, and the last sender's end is seen.
    let (sends, receives) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((RecordSender::from(sends), RecordReceiver(receives)))
}

/// A sender's socket that came from another process.
impl From<OwnedFd> for RecordSender {
    fn from(socket: OwnedFd) -> Self {
        Self { socket, is_stuck: AtomicBool::new(false) }
    }
}

impl RecordSender {
    /// Sends a record of 1 to [`MAX_RECORD_BYTES`] bytes; whether it is with the kernel. If not, there is no room, or nobody receives any more.
    pub fn send(&self, record: &[u8]) -> bool {
        let deadline = Instant::now() + SEND_WITHIN;
        loop {
            match rustix::net::send(&self.socket, record, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) => {
                    self.is_stuck.store(false, Ordering::Relaxed);
                    return true;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.is_stuck.load(Ordering::Relaxed) {
                        return false;
                    }
                    if !self.has_room_by(deadline) {
                        self.is_stuck.store(true, Ordering::Relaxed);
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }

    fn has_room_by(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let mut fds = [PollFd::new(&self.socket, PollFlags::OUT)];
        // Interrupted is asked again.
        !matches!(rustix::event::poll(&mut fds, Some(&timespec(left))), Ok(0))
    }
}

/// To be given to another process that is to send.
impl AsFd for RecordSender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a look for a record found.
#[derive(Debug, PartialEq, Eq)]
pub enum RecordGot<'a> {
    /// One.
    Record(&'a [u8]),
    /// None yet.
    Nothing,
    /// None, and nobody is left who could send.
    End,
}

impl RecordReceiver {
    /// Takes the next record; `buffer` has room for [`MAX_RECORD_BYTES`]. Does not wait.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn take<'a>(&self, buffer: &'a mut [u8]) -> io::Result<RecordGot<'a>> {
        loop {
            match rustix::net::recv(&self.0, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Ok(RecordGot::End),
                Ok((bytes, _)) => return Ok(RecordGot::Record(&buffer[..bytes])),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(RecordGot::Nothing),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How many bytes of records are there to be taken.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn waiting_bytes(&self) -> io::Result<u64> {
        Ok(rustix::io::ioctl_fionread(&self.0)?)
    }

    /// Waits until there is something to take, or the bell has rung.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn wait(&self, bell: &Bell) -> io::Result<()> {
        let mut fds = [self.0.as_fd(), bell.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !fds[1].revents().is_empty() {
            bell.quiet();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(receiver: &RecordReceiver) -> Option<Vec<u8>> {
        match receiver.take(&mut vec![0; MAX_RECORD_BYTES]).unwrap() {
            RecordGot::Record(record) => Some(record.to_vec()),
            RecordGot::Nothing => None,
            RecordGot::End => panic!("a sender is there"),
        }
    }

    #[test]
    fn records_arrive_whole_and_the_end_is_seen() {
        let (sender, receiver) = record_socket().unwrap();
        let other = RecordSender::from(sender.as_fd().try_clone_to_owned().unwrap());
        assert_eq!(take(&receiver), None);
        let long = vec![7; MAX_RECORD_BYTES];
        assert!(sender.send(b"one"));
        assert!(other.send(&long));
        assert_eq!(receiver.waiting_bytes().unwrap(), 3 + MAX_RECORD_BYTES as u64);
        drop(sender);
        assert_eq!(take(&receiver).unwrap(), b"one");
        assert_eq!(take(&receiver).unwrap(), long);
        drop(other);
        assert_eq!(receiver.take(&mut [0; 8]).unwrap(), RecordGot::End);
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_waited_for_once() {
        let (sender, receiver) = record_socket().unwrap();
        let record = [1; 1 << 10];
        let fill = || {
            let mut sent = 0;
            while sender.send(&record) {
                sent += 1;
            }
            sent
        };
        let began = Instant::now();
        assert!(fill() > 16);
        assert!(began.elapsed() >= SEND_WITHIN);
        let again = Instant::now();
        assert!((0..100).all(|_| !sender.send(&record)));
        assert!(again.elapsed() < SEND_WITHIN, "full is full");
        while take(&receiver).is_some() {}
        assert!(fill() > 16, "once there is room it is used again");
    }

    #[test]
    fn without_a_receiver_records_are_gone() {
        let (sender, receiver) = record_socket().unwrap();
        drop(receiver);
        assert!(!sender.send(b"one"));
    }

    #[test]
    fn a_bell_ends_the_wait() {
        let (sender, receiver) = record_socket().unwrap();
        let bell = Bell::new().unwrap();
        bell.ring();
        receiver.wait(&bell).unwrap();
        assert!(sender.send(b"one"));
        receiver.wait(&bell).unwrap();
        assert_eq!(take(&receiver).unwrap(), b"one");
    }
}

//! Bytes and descriptors over a Unix stream socket, never blocking.
//!
//! A descriptor travels with the first byte of the write it was given to. The kernel never merges two
//! such writes into one read, so a receiver that keeps descriptors in the order they came can hand them
//! to the frames that announce them, whatever the reads looked like.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::poller::timespec;

/// The most descriptors that one write can carry (the kernel's SCM_MAX_FD).
pub const DESCRIPTORS_PER_WRITE: usize = 253;

const CONTROL_BYTES: usize = cmsg_space!(ScmRights(DESCRIPTORS_PER_WRITE));

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// This many bytes; at least one.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The other side has closed or died, and every byte before that has been read.
    End,
}

/// What became of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// This many bytes were accepted; the descriptors went with the first of them.
    Bytes(usize),
    /// Nothing was accepted: the socket is full.
    Full,
}

/// Reads what is there into `buffer`, appending descriptors that came with it to `descriptors`.
///
/// # Errors
///
/// `InvalidData` if the kernel dropped descriptors (MSG_CTRUNC: this process has no room for more), since
/// later frames would then get the wrong ones. A reset by a peer that died with unread bytes is
/// [`Received::End`], not an error.
pub fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let got = loop {
        let mut parts = [IoSliceMut::new(buffer)];
        match rustix::net::recvmsg(socket, &mut parts, &mut control, flags) {
            Err(Errno::INTR) => {}
            other => break other,
        }
    };
    let got = match got {
        Ok(got) => got,
        Err(Errno::AGAIN) => return Ok(Received::Nothing),
        Err(Errno::CONNRESET) => return Ok(Received::End),
        Err(error) => return Err(error.into()),
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    if got.flags.contains(ReturnFlags::CTRUNC) {
        let text = "descriptors were lost on the way: this process has no room for more";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(if got.bytes == 0 { Received::End } else { Received::Bytes(got.bytes) })
}

/// Writes as much of `bytes` as the socket takes, with at most [`DESCRIPTORS_PER_WRITE`] descriptors.
///
/// # Errors
///
/// What the kernel says, `BrokenPipe` when the other side is gone. The descriptors then stay the caller's.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<Sent> {
    debug_assert!(descriptors.len() <= DESCRIPTORS_PER_WRITE, "the caller splits");
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let sent = loop {
        let tried = if descriptors.is_empty() {
            rustix::net::send(socket, bytes, flags)
        } else {
            send_with(socket, bytes, descriptors, flags)
        };
        if tried != Err(Errno::INTR) {
            break tried;
        }
    };
    match sent {
        Ok(n) => Ok(Sent::Bytes(n)),
        Err(Errno::AGAIN) => Ok(Sent::Full),
        Err(error) => Err(error.into()),
    }
}

/// Writes all of `bytes`, waiting for room until `deadline`; the descriptors go with the first of them.
///
/// # Errors
///
/// `TimedOut`, else as [`send`].
pub fn send_whole(
    socket: BorrowedFd<'_>,
    mut bytes: &[u8],
    mut descriptors: &[BorrowedFd<'_>],
    deadline: Instant,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(socket, bytes, descriptors)? {
            Sent::Bytes(n) => (bytes, descriptors) = (&bytes[n..], &[]),
            Sent::Full => {
                let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
                let left = timespec(deadline.saturating_duration_since(Instant::now()));
                match rustix::event::poll(&mut fds, Some(&left)) {
                    Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(())
}

fn send_with(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = control.push(SendAncillaryMessage::ScmRights(descriptors));
    debug_assert!(fits, "the space is for the most that may be asked");
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)
}

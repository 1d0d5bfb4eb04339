//! A pipe between two processes: bytes in shared memory, and a socket for wake-ups, descriptors and the end.
//!
//! The socket carries no content. A byte on it is a bell; descriptors ride on such a byte, ahead of the message that announces
//! them; and its end is the other side's death, which the kernel tells whatever became of that process.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::MemfdFlags;

use crate::connection::{same_user, socket_pair};
use crate::fd_pass::{self, Received, Sent};
use crate::link::Side;
use crate::ring::Rings;

/// One end of a pipe, in the process that holds it.
#[derive(Debug)]
pub struct RawPipe {
    socket: OwnedFd,
    page: OwnedFd,
    rings: Rings,
}

impl RawPipe {
    /// Makes both ends of a pipe.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors or memory run out.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (first, second) = socket_pair()?;
        let (rings, page) = Rings::create(Side::First)?;
        let other = Self::from_parts(second, page.try_clone()?, Side::Second)?;
        Ok((Self { socket: first, page, rings }, other))
    }

    /// An end that came from another process.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the pipe was made by another user; else as [`Rings::open`].
    pub fn from_parts(socket: OwnedFd, page: OwnedFd, side: Side) -> io::Result<Self> {
        same_user(socket.as_fd())?;
        let rings = Rings::open(&page, side)?;
        Ok(Self { socket, page, rings })
    }

    /// What carries the end to another process: socket, page, and which end it is.
    pub fn into_parts(self) -> (OwnedFd, OwnedFd, Side) {
        (self.socket, self.page, self.rings.side())
    }

    /// Copies of the two descriptors, to be sent while the end itself is still kept.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub fn copies(&self) -> io::Result<[OwnedFd; 2]> {
        Ok([self.socket.try_clone()?, self.page.try_clone()?])
    }

    /// The bytes on their way, both ways.
    #[inline]
    pub fn rings(&self) -> &Rings {
        &self.rings
    }

    /// Wakes the other side.
    pub fn ring_bell(&self) {
        // Full: bells that it has not heard yet are there. An error: it has ended, which it is told by other means.
        let _ = fd_pass::send(self.socket.as_fd(), &[0], &[]);
    }

    /// Sends descriptors ahead of the message that announces them.
    ///
    /// # Errors
    ///
    /// What the kernel says; `BrokenPipe` if the other side has ended. None was sent then.
    pub fn send_rights(&self, rights: &[BorrowedFd<'_>]) -> io::Result<()> {
        match fd_pass::send(self.socket.as_fd(), &[0], rights)? {
            Sent::Bytes(_) => Ok(()),
            Sent::Full => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Takes what the socket holds, descriptors into `rights`; whether the other side has ended.
    ///
    /// # Errors
    ///
    /// As [`fd_pass::receive`].
    pub fn hear(&self, rights: &mut VecDeque<OwnedFd>) -> io::Result<bool> {
        let mut bells = [0; 64];
        loop {
            match fd_pass::receive(self.socket.as_fd(), &mut bells, rights)? {
                Received::Bytes(_) => {}
                Received::Nothing => return Ok(false),
                Received::End => return Ok(true),
            }
        }
    }
}

impl AsFd for RawPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Puts `bytes` into memory of their own, to be passed by its descriptor.
///
/// # Errors
///
/// What the kernel says when descriptors or memory run out.
pub fn set_aside(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("callboard", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file.into())
}

/// Appends `len` bytes that were [set aside](set_aside) to `into`.
///
/// # Errors
///
/// `UnexpectedEof` if there are fewer; what the kernel says.
pub fn fetch_aside(from: OwnedFd, len: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::from(from);
    io::Seek::rewind(&mut file)?;
    into.reserve_exact(len);
    let got = file.take(len as u64).read_to_end(into)?;
    if got == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

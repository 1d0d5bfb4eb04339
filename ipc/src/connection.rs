//! Ordered bytes each way between two nodes, descriptors, and a wake-up.
//!
//! What carries them is this file's secret: today a Unix stream socket, with a [`Link`] page beside it.
//! `peer` in the crate above decides what the bytes mean and when to write them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::fd_pass::{self, Received, Sent};
use crate::link::{Link, Side};

/// One end of a connection. Reading and writing never block.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    link: Link,
}

/// The two descriptors that carry an end of a connection to the process that will hold it.
#[derive(Debug)]
pub struct Handover {
    /// The socket.
    pub socket: OwnedFd,
    /// The link page.
    pub page: OwnedFd,
}

impl Handover {
    /// Makes the end usable in this process.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the other side is another user; else as [`Link::open`].
    pub fn accept(self, side: Side) -> io::Result<Connection> {
        let link = Link::open(&self.page, side)?;
        Connection::new(self.socket, link)
    }
}

impl Connection {
    /// Makes a connection whose second end is to be handed to another process.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors or memory run out.
    pub fn open() -> io::Result<(Connection, Handover)> {
        let (ours, theirs) = socket_pair()?;
        let (link, page) = Link::create(Side::First)?;
        Ok((Self::new(ours, link)?, Handover { socket: theirs, page }))
    }

    /// Makes the two ends of a connection between two other processes.
    ///
    /// # Errors
    ///
    /// As [`Connection::open`].
    pub fn introduce() -> io::Result<(Handover, Handover)> {
        let (first, second) = socket_pair()?;
        let (_link, page) = Link::create(Side::First)?;
        let copy = page.try_clone()?;
        Ok((Handover { socket: first, page }, Handover { socket: second, page: copy }))
    }

    /// Joins a socket and the page that belongs to it.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the other side is another user.
    pub fn new(socket: OwnedFd, link: Link) -> io::Result<Self> {
        same_user(socket.as_fd())?;
        Ok(Self { socket, link })
    }

    /// Reads what is there; see [`fd_pass::receive`].
    ///
    /// # Errors
    ///
    /// As [`fd_pass::receive`].
    pub fn receive(&self, buffer: &mut [u8], descriptors: &mut VecDeque<OwnedFd>) -> io::Result<Received> {
        fd_pass::receive(self.socket.as_fd(), buffer, descriptors)
    }

    /// Writes what the socket takes; see [`fd_pass::send`].
    ///
    /// # Errors
    ///
    /// As [`fd_pass::send`].
    pub fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<Sent> {
        fd_pass::send(self.socket.as_fd(), bytes, descriptors)
    }

    /// The words shared with the other side.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Ends the connection for both sides now, without closing the descriptor.
    pub fn shutdown(&self) {
        // Only "not connected" can come back, which is what was asked for.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A pair of connected Unix stream sockets, both close-on-exec.
///
/// # Errors
///
/// What the kernel says when descriptors run out.
pub fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

pub(crate) fn same_user(socket: BorrowedFd<'_>) -> io::Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?.uid;
    let ours = rustix::process::geteuid();
    if peer == ours {
        return Ok(());
    }
    let text = format!("the other side is user {}, this is user {}", peer.as_raw(), ours.as_raw());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

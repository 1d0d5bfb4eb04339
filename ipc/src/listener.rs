//! The socket at which a job can be found, by name, without a trace in the file system.
//!
//! Its address is in the kernel's abstract namespace: it is there as long as the listener is open, and no file is. Who
//! comes in is a stranger until its first frame has been read; this file only opens doors.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::fs::MetadataExt as _;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;

/// Accepts connections at a name.
#[derive(Debug)]
pub struct Listener(UnixListener);

/// What asking for the next connection came to.
#[derive(Debug)]
pub enum Accepted {
    /// Somebody of the same user.
    Connection(OwnedFd),
    /// Somebody else, with the reason why they are not to be let in.
    Stranger(OwnedFd, io::Error),
    /// Nobody now.
    Nobody,
}

impl Listener {
    /// Listens at `name`.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if somebody listens there; what the kernel says when descriptors run out.
    pub fn bind(name: &str) -> io::Result<Self> {
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Takes the next connection, without waiting.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out: the connection waits on.
    pub fn accept(&self) -> io::Result<Accepted> {
        let socket: OwnedFd = loop {
            match self.0.accept() {
                Ok((stream, _)) => break stream.into(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Accepted::Nobody),
                // It came and went, or a signal did.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => return Err(error),
            }
        };
        Ok(match crate::connection::same_user(socket.as_fd()) {
            Ok(()) => Accepted::Connection(socket),
            Err(error) => Accepted::Stranger(socket, error),
        })
    }
}

/// A process that is being started by another thread just now may have a copy of the descriptor until it executes; the
/// door is shut all the same.
impl Drop for Listener {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Connects to whoever listens at `name`.
///
/// # Errors
///
/// `ConnectionRefused` if nobody does; `PermissionDenied` if it is another user.
pub fn connect(name: &str) -> io::Result<OwnedFd> {
    let socket: OwnedFd = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?.into();
    crate::connection::same_user(socket.as_fd())?;
    Ok(socket)
}

/// Who listens at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The name.
    pub name: String,
    /// The process.
    pub pid: u32,
    /// Its program; empty if the system does not say.
    pub program: PathBuf,
}

/// All who listen at names that begin with `prefix`: processes of this user, in this network namespace.
///
/// # Errors
///
/// What the system says when `/proc` can't be read.
pub fn listeners(prefix: &str) -> io::Result<Vec<Listening>> {
    let sockets = fs::read_to_string("/proc/net/unix")?;
    let mut at: HashMap<&str, &str> = sockets.lines().filter_map(|line| listens(line, prefix)).collect();
    let mut found = Vec::new();
    let processes = fs::read_dir("/proc")?.flatten();
    let by_pid = processes.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry)));
    let mut by_pid: Vec<(u32, fs::DirEntry)> = by_pid.collect();
    by_pid.sort_unstable_by_key(|(pid, _)| *pid);
    for (pid, process) in by_pid {
        if at.is_empty() {
            break;
        }
        if process.metadata().is_ok_and(|of| of.st_uid() != user_id()) {
            continue;
        }
        // Those that end meanwhile, or may not be looked at, have none.
        let Ok(open) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in open.flatten() {
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|to| to.strip_prefix("socket:[")?.strip_suffix(']'));
            if let Some(name) = inode.and_then(|inode| at.remove(inode)) {
                let program = fs::read_link(process.path().join("exe")).unwrap_or_default();
                found.push(Listening { name: name.to_owned(), pid, program });
            }
        }
    }
    Ok(found)
}

/// Of a line of `/proc/net/unix`, whose columns are number, references, protocol, flags, type, state, inode and path: inode
/// and abstract name.
fn listens<'a>(line: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    /// Somebody listens there.
    const ACCEPTS: u32 = 0x0001_0000;
    let mut columns = line.split_ascii_whitespace();
    let flags = u32::from_str_radix(columns.nth(3)?, 16).ok()?;
    let inode = columns.nth(2)?;
    let name = columns.next()?.strip_prefix('@')?;
    (flags & ACCEPTS != 0 && name.starts_with(prefix)).then_some((inode, name))
}

/// The user as whom this process acts.
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_door_open() {
        let name = format!("callboard-test/{}", std::process::id());
        let listener = Listener::bind(&name).unwrap();
        let copy = listener.as_fd().try_clone_to_owned().unwrap();
        assert!(connect(&name).is_ok());
        assert!(matches!(listener.accept().unwrap(), Accepted::Connection(_)));
        drop(listener);
        assert_eq!(connect(&name).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        drop(copy);
    }
}

//! The first thing a spawned child does: take the socket to its parent out of its standard input.
//!
//! The parent puts the socket in the place of standard input and a token into the environment: its process number and the
//! socket's inode. Nothing lies in the file system, and nothing has to be connected to. A token that went further than the child it
//! was meant for fits neither its new holder's parent nor its standard input, and is ignored.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::process::PidfdFlags;
use thiserror::Error;

use crate::process::{has_one_thread, ignore_broken_pipes, thread_count};

/// The environment variable that carries the token, `PARENT:INODE`.
pub(crate) const VARIABLE: &str = "CALLBOARD_CHILD";

/// Long enough for the kernel to let go of a thread that was joined.
const THREAD_END_PATIENCE: Duration = Duration::from_millis(100);

/// What a parent gave to this process.
#[derive(Debug)]
pub struct Bootstrap {
    /// The socket to the parent, close-on-exec.
    pub socket: OwnedFd,
    /// The parent's process number.
    pub parent_pid: u32,
    /// The parent itself: readable when it has ended, whoever has copies of its descriptors. None where the kernel gives
    /// no such descriptor.
    pub parent: Option<OwnedFd>,
}

/// Why a child that was spawned cannot do what its parent wants. It must not go on as if it were no child: then the program
/// would run a second time, without a parent to end it.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// The parent has ended, or something between it and this process started this one.
    #[error(
        "this process was spawned by process {expected}, but its parent is process {found}: \
         that one has ended, or it ran a program that did not `exec` this one"
    )]
    ParentEnded {
        /// The number of the process that made the socket.
        expected: u32,
        /// The number of this process's parent now.
        found: u32,
    },
    /// The token is for this process, but its standard input is not the socket.
    #[error("the socket to the parent is not the standard input of this process any more")]
    SocketLost,
    /// Threads exist, which may read the environment or the standard input that are about to change.
    #[error(
        "a spawned child must take its call before it starts threads, and it has {count}: \
         move the start of the node to the top of `main`"
    )]
    Threads {
        /// How many there are, the calling one included.
        count: usize,
    },
    /// The kernel refused something.
    #[error("cannot take the socket to the parent")]
    Io(#[from] io::Error),
}

/// Who made the socket, and which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    parent_pid: u32,
    inode: u64,
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let (parent_pid, inode) = text.split_once(':')?;
        Some(Self { parent_pid: parent_pid.parse().ok()?, inode: inode.parse().ok()? })
    }
}

/// The token for a child of this process that gets `socket`.
pub(crate) fn token_for(socket: BorrowedFd<'_>) -> io::Result<String> {
    let inode = socket_inode(socket)?;
    Ok(format!("{}:{inode}", std::process::id()))
}

/// Whether a token is there at all, for this process or for another.
pub(crate) fn is_announced() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Takes the socket to the parent, in a process that [`start`](crate::start) made.
///
/// Call it before any thread exists. Standard input is `/dev/null` afterwards, the token is gone from the environment, and
/// SIGPIPE is ignored. None means that nobody spawned this process, or that its socket was taken before; nothing
/// is changed then.
///
/// # Errors
///
/// Each means that this process was meant to be a child and must end; see [`BootstrapError`].
pub fn take_bootstrap() -> Result<Option<Bootstrap>, BootstrapError> {
    let text = std::env::var(VARIABLE).ok();
    let Some(token) = text.as_deref().and_then(Token::parse) else {
        return Ok(None);
    };
    if !is_for_this_process(token)? {
        return Ok(None);
    }
    only_thread()?;
    crate::fence::register();
    // SAFETY: no other thread exists that could read the environment meanwhile.
    unsafe { std::env::remove_var(VARIABLE) };
    ignore_broken_pipes();
    let parent =
        rustix::process::getppid().and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
    // Asked once more: if it is the parent still, it was when the descriptor was made.
    is_for_this_process(token)?;
    let parent_pid = token.parent_pid;
    Ok(Some(Bootstrap { socket: take_standard_input()?, parent_pid, parent }))
}

/// Half a match is not nobody's: a token with the right socket but another parent belongs to a child whose parent
/// died before it got here, and the right parent with another socket to a child whose input was
/// redirected on the way. Either would run the program again if it went on.
fn is_for_this_process(token: Token) -> Result<bool, BootstrapError> {
    let expected = token.parent_pid;
    // A parent outside this process's view of the process table has no number: 0.
    let found = rustix::process::getppid().map_or(0, |pid| pid.as_raw_pid().cast_unsigned());
    let has_socket = socket_inode(rustix::stdio::stdin()).is_ok_and(|inode| inode == token.inode);
    match (has_socket, found == expected) {
        (true, true) => Ok(true),
        (true, false) => Err(BootstrapError::ParentEnded { expected, found }),
        (false, true) => Err(BootstrapError::SocketLost),
        (false, false) => Ok(false),
    }
}

fn only_thread() -> Result<(), BootstrapError> {
    let deadline = Instant::now() + THREAD_END_PATIENCE;
    loop {
        match thread_count().or_else(|error| if has_one_thread() { Ok(1) } else { Err(error) })? {
            1 => return Ok(()),
            count if Instant::now() >= deadline => return Err(BootstrapError::Threads { count }),
            _ => std::thread::yield_now(),
        }
    }
}

/// Moves the socket up, so that nobody who reads standard input gets the parent's bytes.
fn take_standard_input() -> io::Result<OwnedFd> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // From 3 on: the standard output and error may be closed, and their numbers must not be taken.
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(null)?;
    Ok(socket)
}

/// The number by which the kernel knows a socket; an error for anything else.
fn socket_inode(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let status = rustix::fs::fstat(fd)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::Socket {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a socket"));
    }
    Ok(status.st_ino)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_token_names_this_process_and_the_socket() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let token = Token::parse(&token_for(socket.as_fd()).unwrap()).unwrap();
        assert_eq!(token.parent_pid, std::process::id());
        assert_eq!(token.inode, socket_inode(socket.as_fd()).unwrap());
    }

    #[test]
    fn a_descriptor_that_is_no_socket_gets_no_token() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(token_for(file.as_fd()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn malformed_tokens_are_no_tokens() {
        for text in ["", ":", "1", "1:", ":2", "x:2", "1:x", "1:2:3", "-1:2", "4294967296:2"] {
            assert_eq!(Token::parse(text), None, "{text:?}");
        }
    }
}

//! A second place to wait on the epoll that a node's loop thread waits on.
//!
//! A caller that waits for something which a connection will bring sits down here, so that the event wakes the caller
//! itself. The kernel wakes the latest waiter; the loop thread stays in its own wait all the while, so a caller that
//! leaves hands nothing over.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use callboard_core::{Reactor, Readiness};
use rustix::event::{EventfdFlags, Timespec, epoll};
use rustix::io::Errno;

/// How many events one wait takes at most; the rest wait for the next.
const EVENTS_PER_WAIT: usize = 16;

/// Opens the poll that a node's loop runs on, and a second descriptor of its epoll for other threads to wait on.
///
/// # Errors
///
/// What the kernel says when descriptors run out.
pub fn open_poll() -> io::Result<(mio::Poll, OwnedFd)> {
    let poll = mio::Poll::new()?;
    // SAFETY: `poll` keeps its descriptor open for the whole borrow, which ends on this line.
    let shared = unsafe { BorrowedFd::borrow_raw(poll.as_raw_fd()) }.try_clone_to_owned()?;
    Ok((poll, shared))
}

/// Waits once on `poll` for at most `timeout` and handles what came; how many events that was.
///
/// No timeout waits for ever, zero does not wait.
///
/// # Errors
///
/// What the kernel says; an interrupted wait is zero events.
pub fn wait_once(poll: BorrowedFd<'_>, reactor: &Reactor, timeout: Option<Duration>) -> io::Result<usize> {
    let mut events = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_PER_WAIT];
    let timeout = timeout.map(timespec);
    let got = match epoll::wait(poll, &mut events, timeout.as_ref()) {
        Ok((got, _)) => got,
        Err(Errno::INTR) => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    for event in got.iter() {
        let flags = event.flags;
        let closed = epoll::EventFlags::HUP | epoll::EventFlags::ERR | epoll::EventFlags::RDHUP;
        let readiness = Readiness {
            readable: flags.intersects(epoll::EventFlags::IN | closed),
            writable: flags.intersects(epoll::EventFlags::OUT | closed),
            ended: flags.intersects(closed),
        };
        // mio stores the token as the event's data, see the test below.
        reactor.dispatch(event.data.u64() as usize, readiness);
    }
    Ok(got.len())
}

pub(crate) fn timespec(timeout: Duration) -> Timespec {
    let secs = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: secs, tv_nsec: i64::from(timeout.subsec_nanos()) }
}

/// A descriptor whose only use is to make an epoll return.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(rustix::event::eventfd(0, flags)?))
    }

    /// Makes one waiter of an edge-triggered epoll return.
    pub fn ring(&self) {
        let one = 1_u64.to_ne_bytes();
        if rustix::io::write(&self.0, &one) == Err(Errno::AGAIN) {
            // The count is at its end after 2^64 rings: start again.
            let mut count = [0; 8];
            let _ = rustix::io::read(&self.0, &mut count);
            let _ = rustix::io::write(&self.0, &one);
        }
    }

    /// Takes the rings that were not heard, for waiters that are no epoll of edges.
    pub fn quiet(&self) {
        // Only that there was none can come back.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

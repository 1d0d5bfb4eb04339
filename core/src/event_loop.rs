//! One epoll, the sources in it, and the thread that waits.
//!
//! The loop thread calls [`EventLoop::turn`] again and again. Other threads register sources with the shared
//! [`Reactor`], and may wait on the same epoll by other means and hand what they get to [`Reactor::dispatch`].

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Poll, Registry};
use parking_lot::Mutex;

use crate::id::{Slot, Slots};
use crate::source::{Readiness, Source, Wants};
use crate::waker::Waker;

const WAKE: mio::Token = mio::Token(usize::MAX);
const EVENTS_PER_TURN: usize = 256;

/// A source's place in a reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(Slot);

/// How a token travels through the kernel.
fn to_mio(slot: Slot) -> mio::Token {
    mio::Token((slot.generation as usize) << 32 | slot.index as usize)
}

fn from_mio(token: usize) -> Slot {
    Slot { index: token as u32, generation: (token >> 32) as u32 }
}

// A token holds a slot whole, and `WAKE` is none: no table has so many places.
const _: () = assert!(usize::BITS == 64);

/// The sources of an event loop, shared by all threads that wait on it.
pub struct Reactor {
    registry: Registry,
    /// Held only to look up, never while a source runs.
    sources: Mutex<Slots<Arc<dyn Source>>>,
    waker: Waker,
    is_closed: AtomicBool,
}

impl std::fmt::Debug for Reactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reactor({} sources)", self.sources.lock().len())
    }
}

impl Reactor {
    /// Watches `fd`, which must stay open until [`deregister`](Self::deregister).
    ///
    /// # Errors
    ///
    /// What the kernel says, for instance that it can't be watched.
    pub fn register(&self, fd: BorrowedFd<'_>, wants: Wants, source: Arc<dyn Source>) -> io::Result<Token> {
        // The source is in the table before the kernel knows it: its first event may come at once.
        let token = self.sources.lock().insert(source);
        let raw = fd.as_raw_fd();
        let registered = self.registry.register(&mut SourceFd(&raw), to_mio(token), wants.interest());
        if let Err(error) = registered {
            let removed = self.sources.lock().remove(token);
            drop(removed);
            return Err(error);
        }
        Ok(Token(token))
    }

    /// Changes what a source wants to hear of. What it is ready for at this moment is told anew.
    ///
    /// # Errors
    ///
    /// What the kernel says, for instance that the source is not watched any more.
    pub fn rewatch(&self, fd: BorrowedFd<'_>, token: Token, wants: Wants) -> io::Result<()> {
        let raw = fd.as_raw_fd();
        self.registry.reregister(&mut SourceFd(&raw), to_mio(token.0), wants.interest())
    }

    /// Stops watching. An event that another thread has in hand may still come.
    pub fn deregister(&self, fd: BorrowedFd<'_>, token: Token) {
        // It fails only for a descriptor that is not watched, which is what was asked for.
        let _ = self.registry.deregister(&mut SourceFd(&fd.as_raw_fd()));
        let removed = self.sources.lock().remove(token.0);
        drop(removed);
    }

    /// Tells all sources that there is no loop thread any more.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let sources: Vec<_> = self.sources.lock().iter().map(|(_, source)| Arc::clone(source)).collect();
        sources.iter().for_each(|source| source.closed());
    }

    /// Hands an event to its source. One of a source that was removed reaches nobody.
    ///
    /// For threads beside the loop thread. A wake-up meant for the loop thread is passed on: this thread is not
    /// waiting now, so at the latest when it does, the loop thread is among those whom the kernel chooses from. Once there is none,
    /// it is for nobody.
    pub fn dispatch(&self, token: usize, readiness: Readiness) {
        if token == WAKE.0 && self.is_closed.load(Ordering::Acquire) {
            return;
        }
        if token == WAKE.0 {
            // It failed for want of nothing that could be had: the event descriptor exists and is not full.
            let _ = self.waker.again();
            return;
        }
        self.hand_out(token, readiness);
    }

    fn hand_out(&self, token: usize, readiness: Readiness) {
        let source = self.sources.lock().get(from_mio(token)).cloned();
        if let Some(source) = source {
            source.ready(readiness);
        }
    }

    /// Makes the loop thread finish its turn.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn wake(&self) -> io::Result<()> {
        self.waker.wake()
    }
}

/// The loop thread's end of an epoll.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    events: Events,
    reactor: Arc<Reactor>,
}

impl EventLoop {
    /// Makes a loop of `poll`, which the caller has opened.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub fn new(poll: Poll) -> io::Result<Self> {
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(&registry, WAKE)?;
        let reactor = Arc::new(Reactor {
            registry,
            sources: Mutex::default(),
            waker,
            is_closed: AtomicBool::new(false),
        });
        Ok(Self { poll, events: Events::with_capacity(EVENTS_PER_TURN), reactor })
    }

    /// Where sources are registered.
    pub fn reactor(&self) -> Arc<Reactor> {
        Arc::clone(&self.reactor)
    }

    /// Waits until something is ready, the loop is woken, or `timeout` has passed; hands out what came. No timeout
    /// waits for ever. How many events that were.
    ///
    /// # Errors
    ///
    /// What the kernel says; an interrupted wait is no error.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            other => other?,
        }
        self.reactor.waker.woken();
        let mut count = 0;
        for event in &self.events {
            count += 1;
            if event.token() == WAKE {
                continue;
            }
            let ended = event.is_read_closed() || event.is_write_closed() || event.is_error();
            let readiness = Readiness {
                readable: event.is_readable() || ended,
                writable: event.is_writable() || ended,
                ended,
            };
            self.reactor.hand_out(event.token().0, readiness);
        }
        Ok(count)
    }
}

//! One end of a pipe on its node: sending, receiving, waiting, and the other side's end.
//!
//! Senders take turns by one lock and receivers by another, never held while anybody waits. The socket is heard by whoever
//! the event loop wakes, under a third. An end that is sent away is taken out of all three.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use callboard_core::{Readiness, Source, Token, Wants, limits};
use callboard_ipc::{MAX_RIGHTS, RawPipe, Side};
use parking_lot::Mutex;

use super::wire::{Form, HEADER_BYTES, Head};
use crate::hook::{Hook, Hooks, Poll};
use crate::runtime::Runtime;
use crate::scope::{Departing, MoveOnly};

/// Why a message did not leave, without it.
#[derive(Debug)]
pub(super) enum NotSent {
    Full,
    Closed,
    Moved,
    TooLarge,
    System(io::Error),
}

/// Why no message was taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    Nothing,
    Closed,
    Moved,
    OtherForm,
    TooShort { len: usize },
    System(io::Error),
}

/// What has come by the socket.
#[derive(Debug, Default)]
struct Heard {
    rights: VecDeque<OwnedFd>,
    /// The count of them travels with the end, so none is added meanwhile.
    stands_still: bool,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) runtime: Arc<Runtime>,
    /// None in all three once it has been sent away or closed.
    out: Mutex<Option<Arc<RawPipe>>>,
    inn: Mutex<Option<Arc<RawPipe>>>,
    /// Lock order: the last.
    socket: Mutex<(Option<Arc<RawPipe>>, Heard)>,
    hooks: Mutex<Hooks>,
    token: OnceLock<Token>,
    /// The other side's process has closed its socket, or has ended.
    has_ended: AtomicBool,
}

impl End {
    pub(super) fn new(runtime: &Arc<Runtime>, raw: RawPipe, rights: VecDeque<OwnedFd>) -> Arc<Self> {
        let raw = Arc::new(raw);
        Arc::new(Self {
            runtime: Arc::clone(runtime),
            out: Mutex::new(Some(Arc::clone(&raw))),
            inn: Mutex::new(Some(Arc::clone(&raw))),
            socket: Mutex::new((Some(raw), Heard { rights, stands_still: false })),
            hooks: Mutex::default(),
            token: OnceLock::new(),
            has_ended: AtomicBool::new(false),
        })
    }

    /// Has the event loop hear the socket, from the first use on: an end that is only passed on costs nothing.
    fn attach(self: &Arc<Self>) -> io::Result<()> {
        if self.token.get().is_some() {
            return Ok(());
        }
        let socket = self.socket.lock();
        let (Some(raw), None) = (&socket.0, self.token.get()) else { return Ok(()) };
        let source = Arc::clone(self) as Arc<dyn Source>;
        let token = self.runtime.reactor.register(raw.as_fd(), Wants::Reading, source)?;
        let _ = self.token.set(token);
        Ok(())
    }

    /// Takes what the socket holds.
    fn hear(&self) {
        let mut socket = self.socket.lock();
        let (Some(raw), heard) = &mut *socket else { return };
        if heard.stands_still {
            return;
        }
        // An error means that descriptors were lost, and what announces them can't be had any more.
        if raw.hear(&mut heard.rights).unwrap_or(true) {
            self.has_ended.store(true, Ordering::Release);
        }
    }

    fn wake_all(&self) {
        let hooks = self.hooks.lock().take();
        hooks.iter().for_each(|hook| hook.notify());
    }

    // ---- sending -------------------------------------------------------------------------------

    /// Sends a message if there is room, with what departs with it.
    pub(super) fn try_send(
        self: &Arc<Self>,
        content: &[u8],
        form: Form,
        departing: &mut Option<Departing>,
    ) -> Result<(), NotSent> {
        let head = Head::new(content.len(), form, departing.as_ref().map_or(0, Departing::count));
        if content.len() > limits::MAX_VALUE_BYTES || head.rights > MAX_RIGHTS {
            return Err(NotSent::TooLarge);
        }
        self.attach().map_err(NotSent::System)?;
        let out = self.out.lock();
        let raw = out.as_ref().ok_or(NotSent::Moved)?;
        if self.has_ended.load(Ordering::Acquire) || raw.rings().reader_has_closed() {
            return Err(NotSent::Closed);
        }
        if !raw.rings().has_room(head.need()) {
            return Err(NotSent::Full);
        }
        let mut rights = Vec::new();
        if head.is_beside {
            rights.push(callboard_ipc::set_aside(content).map_err(NotSent::System)?);
        }
        if head.rights > rights.len()
            && let Some(departing) = departing.take()
        {
            rights.extend(departing.depart());
        }
        if !rights.is_empty() {
            let rights: Vec<_> = rights.iter().map(AsFd::as_fd).collect();
            raw.send_rights(&rights).map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => NotSent::Closed,
                _ => NotSent::System(error),
            })?;
        }
        let inline = if head.is_beside { &[] } else { content };
        if raw.rings().publish([&head.encode(), inline], head.need()) {
            raw.ring_bell();
        }
        Ok(())
    }

    /// Sends a message, waiting for room until `deadline`.
    pub(super) fn send(
        self: &Arc<Self>,
        content: &[u8],
        form: Form,
        departing: Departing,
        deadline: Option<Instant>,
    ) -> Result<(), NotSent> {
        let rights = departing.count();
        let mut departing = Some(departing);
        let room = Room { end: self, head: Head::new(content.len(), form, rights) };
        loop {
            match self.try_send(content, form, &mut departing) {
                Err(NotSent::Full) => {}
                other => return other,
            }
            let soon = self.runtime.try_for_a_moment(deadline, || room.is_there().then_some(()));
            if soon.is_none() && !self.runtime.wait_until(&room, deadline) {
                return Err(NotSent::Full);
            }
        }
    }

    // ---- receiving -----------------------------------------------------------------------------

    /// The head of the next message.
    fn next(&self, raw: &RawPipe) -> Result<Head, NotTaken> {
        let rings = raw.rings();
        // In this order: what was sent before an end that is seen here is seen too.
        let has_ended = self.has_ended.load(Ordering::Acquire) || rings.writer_has_closed();
        let available = rings.available().map_err(NotTaken::System)?;
        if available == 0 {
            return Err(if has_ended { NotTaken::Closed } else { NotTaken::Nothing });
        }
        let mut head = [0; HEADER_BYTES];
        let spoilt =
            || NotTaken::System(io::Error::new(io::ErrorKind::InvalidData, "a message that is none"));
        if available < HEADER_BYTES {
            return Err(spoilt());
        }
        rings.peek(0, &mut head);
        Head::decode(head).filter(|head| head.need().bytes <= available).ok_or_else(spoilt)
    }

    /// Takes the next message, if it is of this form and its content no longer than `room`: content into `into`; its
    /// descriptors.
    pub(super) fn try_take(
        self: &Arc<Self>,
        form: Form,
        room: usize,
        into: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, NotTaken> {
        self.attach().map_err(NotTaken::System)?;
        let inn = self.inn.lock();
        let raw = inn.as_ref().ok_or(NotTaken::Moved)?;
        let head = self.next(raw)?;
        if head.form != form {
            return Err(NotTaken::OtherForm);
        }
        if head.len > room {
            return Err(NotTaken::TooShort { len: head.len });
        }
        let mut rights = self.claim(head.rights).map_err(NotTaken::System)?;
        let mut fetched = Ok(());
        if head.is_beside {
            fetched = callboard_ipc::fetch_aside(rights.remove(0), head.len, into);
        } else {
            into.resize(head.len, 0);
            raw.rings().peek(HEADER_BYTES, into);
        }
        if raw.rings().consume(head.need()) {
            raw.ring_bell();
        }
        fetched.map_err(NotTaken::System)?;
        Ok(rights)
    }

    /// Descriptors of a message that has come: they were sent before it.
    fn claim(&self, count: usize) -> io::Result<Vec<OwnedFd>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        self.hear();
        let mut socket = self.socket.lock();
        if socket.1.rights.len() < count {
            let text = "the descriptors of a message were lost on the way";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(socket.1.rights.drain(..count).collect())
    }

    /// As [`try_take`](Self::try_take), waiting for a message until `deadline`.
    pub(super) fn take(
        self: &Arc<Self>,
        form: Form,
        room: usize,
        into: &mut Vec<u8>,
        deadline: Option<Instant>,
    ) -> Result<Vec<OwnedFd>, NotTaken> {
        loop {
            match self.try_take(form, room, into) {
                Err(NotTaken::Nothing) => {}
                other => return other,
            }
            if !self.wait_for_something(deadline) {
                return Err(NotTaken::Nothing);
            }
        }
    }

    /// Waits until a take would not find nothing; false at `deadline`.
    pub(super) fn wait_for_something(self: &Arc<Self>, deadline: Option<Instant>) -> bool {
        let soon = self.runtime.try_for_a_moment(deadline, || self.has_something().then_some(()));
        soon.is_some() || self.runtime.wait_until(&Something(Arc::clone(self)), deadline)
    }

    /// Whether a take would not find nothing.
    pub(super) fn has_something(&self) -> bool {
        let inn = self.inn.lock();
        inn.as_ref().is_none_or(|raw| !matches!(self.next(raw), Err(NotTaken::Nothing)))
    }

    /// Which side this is; none if it has been sent away.
    pub(super) fn side(&self) -> Option<Side> {
        self.inn.lock().as_ref().map(|raw| raw.rings().side())
    }

    /// Whether this end has been sent away.
    pub(super) fn has_moved(&self) -> bool {
        self.inn.lock().is_none()
    }

    /// Closes this end: the other side is told, after everything sent before.
    pub(super) fn close(&self) {
        if let Some((raw, _)) = self.take_out() {
            raw.rings().close();
            raw.ring_bell();
        }
    }

    /// Takes the end out of this node.
    fn take_out(&self) -> Option<(RawPipe, VecDeque<OwnedFd>)> {
        drop(self.out.lock().take());
        drop(self.inn.lock().take());
        let (raw, rights) = {
            let mut socket = self.socket.lock();
            (socket.0.take()?, std::mem::take(&mut socket.1.rights))
        };
        if let Some(token) = self.token.get() {
            self.runtime.reactor.deregister(raw.as_fd(), *token);
        }
        self.wake_all();
        // All three are gone, and each is used under its lock alone.
        Some((Arc::into_inner(raw)?, rights))
    }
}

/// That a message could be received, or none ever.
pub(super) struct Something(pub(super) Arc<End>);

impl Poll for Something {
    fn poll(&self, hook: &Hook) -> bool {
        // What can't be watched is told by the receive.
        if self.0.has_something() || self.0.attach().is_err() {
            return true;
        }
        self.0.hooks.lock().add(hook);
        if let Some(raw) = &*self.0.inn.lock() {
            raw.rings().await_bytes();
        }
        let is_there = self.0.has_something();
        if is_there {
            self.forget(hook);
        }
        is_there
    }

    fn forget(&self, hook: &Hook) {
        self.0.hooks.lock().remove(hook);
    }
}

/// That a message could be sent, or none ever.
struct Room<'a> {
    end: &'a Arc<End>,
    head: Head,
}

impl Room<'_> {
    fn is_there(&self) -> bool {
        let out = self.end.out.lock();
        let ended = self.end.has_ended.load(Ordering::Acquire);
        out.as_ref().is_none_or(|raw| {
            ended || raw.rings().reader_has_closed() || raw.rings().has_room(self.head.need())
        })
    }
}

impl Poll for Room<'_> {
    fn poll(&self, hook: &Hook) -> bool {
        self.end.hooks.lock().add(hook);
        if let Some(raw) = &*self.end.out.lock() {
            raw.rings().await_room(self.head.need());
        }
        let is_there = self.is_there();
        if is_there {
            self.forget(hook);
        }
        is_there
    }

    fn forget(&self, hook: &Hook) {
        self.end.hooks.lock().remove(hook);
    }
}

impl Source for End {
    fn ready(&self, _: Readiness) {
        self.hear();
        self.wake_all();
    }
}

impl MoveOnly for End {
    fn stand_still(&self) -> Option<usize> {
        let mut socket = self.socket.lock();
        if socket.0.is_none() || std::mem::replace(&mut socket.1.stands_still, true) {
            return None;
        }
        Some(2 + socket.1.rights.len())
    }

    fn depart(&self) -> Vec<OwnedFd> {
        let Some((raw, rights)) = self.take_out() else { return Vec::new() };
        let (socket, page, _) = raw.into_parts();
        [socket, page].into_iter().chain(rights).collect()
    }

    fn stay(&self) {
        self.socket.lock().1.stands_still = false;
        // What came meanwhile was not heard.
        self.hear();
        self.wake_all();
    }
}

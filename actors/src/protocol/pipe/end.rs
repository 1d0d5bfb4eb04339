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
use callboard_ipc::{MAX_RIGHTS, RawPipe, Side, Turn};
use parking_lot::Mutex;

use super::waiting::{Room, Something};
use super::wire::{Form, HEADER_BYTES, Head};
use crate::hook::Hooks;
use crate::runtime::Runtime;
use crate::scope::Departing;

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
pub(super) struct Heard {
    pub(super) rights: VecDeque<OwnedFd>,
    /// Some were lost: what comes after them can't be told from what they were.
    pub(super) is_spoilt: bool,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) runtime: Arc<Runtime>,
    /// None in all three once it has been sent away or closed.
    pub(super) out: Turn<Option<Arc<RawPipe>>>,
    pub(super) inn: Turn<Option<Arc<RawPipe>>>,
    /// Lock order: the last.
    pub(super) socket: Mutex<(Option<Arc<RawPipe>>, Heard)>,
    pub(super) hooks: Mutex<Hooks>,
    token: OnceLock<Token>,
    /// A message is being encoded that takes this end along: nothing changes until that has left, or does not.
    pub(super) stands_still: AtomicBool,
    /// Its holder dropped it meanwhile.
    pub(super) is_orphan: AtomicBool,
    /// The other side's process has closed its socket, or has ended.
    pub(super) has_ended: AtomicBool,
}

impl End {
    pub(super) fn new(runtime: &Arc<Runtime>, raw: RawPipe, rights: VecDeque<OwnedFd>) -> Arc<Self> {
        let raw = Arc::new(raw);
        Arc::new(Self {
            runtime: Arc::clone(runtime),
            out: Turn::new(Some(Arc::clone(&raw))),
            inn: Turn::new(Some(Arc::clone(&raw))),
            socket: Mutex::new((Some(raw), Heard { rights, is_spoilt: false })),
            hooks: Mutex::default(),
            token: OnceLock::new(),
            stands_still: AtomicBool::new(false),
            is_orphan: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        })
    }

    /// Whether the event loop hears the socket.
    #[inline]
    pub(super) fn is_attached(&self) -> bool {
        self.token.get().is_some()
    }

    /// Has the event loop hear the socket, from the first use on: an end that is only passed on costs nothing.
    pub(super) fn attach(self: &Arc<Self>) -> io::Result<()> {
        if self.is_attached() {
            return Ok(());
        }
        let socket = self.socket.lock();
        let (Some(raw), None) = (&socket.0, self.token.get()) else { return Ok(()) };
        let source = Arc::clone(self) as Arc<dyn Source>;
        raw.rings().is_held_by(std::process::id());
        let token = self.runtime.reactor.register(raw.as_fd(), Wants::Reading, source)?;
        let _ = self.token.set(token);
        drop(socket);
        // What the kernel would tell of in a moment, so that the first use of an end knows of the other's death.
        self.hear();
        Ok(())
    }

    /// The process that holds the other end, as far as it has said so.
    pub(super) fn other_holder(&self) -> Option<u32> {
        self.socket.lock().0.as_ref().and_then(|raw| raw.rings().other_holder())
    }

    /// Takes what the socket holds, and has everybody look: whoever reads a bell may be another than it was rung for.
    pub(super) fn hear(&self) {
        {
            let mut socket = self.socket.lock();
            let (Some(raw), heard) = &mut *socket else { return };
            if heard.is_spoilt || self.stands_still.load(Ordering::Acquire) {
                return;
            }
            let heard_end = raw.hear(&mut heard.rights);
            if heard_end.is_err() || heard.rights.len() > MAX_RIGHTS {
                heard.is_spoilt = true;
                heard.rights.clear();
                // Nothing that comes from now on can be read, so nobody shall send it.
                raw.rings().close();
                raw.ring_bell();
            }
            if heard.is_spoilt || heard_end.unwrap_or(true) {
                self.has_ended.store(true, Ordering::Release);
            }
        }
        self.wake_all();
    }

    pub(super) fn wake_all(&self) {
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
        let raw = out.as_ref().filter(|_| !self.stands_still()).ok_or(NotSent::Moved)?;
        if self.has_ended.load(Ordering::Acquire) || raw.rings().reader_has_closed() {
            return Err(NotSent::Closed);
        }
        if !raw.rings().has_room(head.need()) {
            return Err(NotSent::Full);
        }
        let mut rights = Vec::new();
        if head.is_beside {
            rights.push(Arc::new(callboard_ipc::set_aside(content).map_err(NotSent::System)?));
        }
        if let Some(departing) = departing {
            rights.extend_from_slice(departing.copies().map_err(NotSent::System)?.as_slice());
        }
        if rights.len() != head.rights {
            return Err(NotSent::Moved);
        }
        if !rights.is_empty() {
            let rights: Vec<_> = rights.iter().map(|right| right.as_fd()).collect();
            raw.send_rights(&rights).map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => NotSent::Closed,
                _ => NotSent::System(error),
            })?;
        }
        // From here on nothing fails.
        if let Some(departing) = departing.take() {
            departing.depart();
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
            if deadline.is_some_and(|at| at <= Instant::now()) {
                return Err(NotSent::Full);
            }
            let soon = self.runtime.try_for_a_moment(deadline, || room.is_there().then_some(()));
            if soon.is_none() && !self.runtime.wait_until(&room, deadline) {
                // Room that nobody has told of yet counts.
                return self.try_send(content, form, &mut departing);
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
        let raw = inn.as_ref().filter(|_| !self.stands_still()).ok_or(NotTaken::Moved)?;
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
        if socket.1.is_spoilt || socket.1.rights.len() < count {
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
            if deadline.is_some_and(|at| at <= Instant::now()) {
                return Err(NotTaken::Nothing);
            }
            if !self.wait_for_something(deadline) {
                // A message that nobody has told of yet counts.
                return self.try_take(form, room, into);
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
        self.stands_still()
            || inn.as_ref().is_none_or(|raw| !matches!(self.next(raw), Err(NotTaken::Nothing)))
    }

    #[inline]
    pub(super) fn stands_still(&self) -> bool {
        self.stands_still.load(Ordering::Acquire)
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
        if self.stands_still() {
            // Its message decides what becomes of it.
            self.is_orphan.store(true, Ordering::Release);
            return;
        }
        if let Some((raw, _)) = self.take_out() {
            raw.rings().close();
            raw.ring_bell();
        }
    }

    /// Takes the end out of this node.
    pub(super) fn take_out(&self) -> Option<(RawPipe, VecDeque<OwnedFd>)> {
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

impl Source for End {
    fn ready(&self, _: Readiness) {
        self.hear();
    }

    /// The pipe goes on; whoever waits does so again, and reads for itself.
    fn closed(&self) {
        self.wake_all();
    }
}

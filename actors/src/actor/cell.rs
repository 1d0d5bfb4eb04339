//! An actor in a slot of its node: its mailbox, its state, and whose turn it is.
//!
//! Messages are added on whichever thread brings them. An actor with messages is scheduled once; one worker at a time runs it,
//! and holds its state meanwhile. Lock order: state before mailbox. No user code runs with the mailbox locked.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Instant;

use callboard_core::{Address, ByteStrings, Kind, NodeId, Slot, decode};
use parking_lot::Mutex;

use super::exit::Exit;
use super::mailbox::{Capacity, Mailbox, Next, Room};
use super::reply;
use super::wire::{Ending, HEADED, Head, ToSender, is_over};
use super::workers::Run;
use crate::cell::{Cell, Incoming, Violation};
use crate::hook::Hook;
use crate::parcel::Rights;
use crate::peer::{Peer, encoded};
use crate::protocol::panic_text;
use crate::runtime::Runtime;
use crate::scope;
use crate::scratch::with_scratch;

/// How many messages an actor handles before another has its turn.
const TURN: usize = 64;

/// An actor's code and state, whatever its type.
pub(super) trait Body<M>: Send {
    /// Handles a message; some if that was its last.
    fn handle(&mut self, message: M) -> Option<Exit>;
    /// Its life is over.
    fn stopped(&mut self, exit: &Exit);
}

struct State<M> {
    mailbox: Mailbox<M>,
    /// It waits for a worker, or has one.
    is_scheduled: bool,
    /// It has been asked to end.
    ending: Option<Ending>,
    /// It takes no more messages.
    is_closed: bool,
    has_ended: bool,
}

pub(crate) struct ActorCell<M> {
    pub(super) address: Address,
    me: Weak<Self>,
    state: Mutex<State<M>>,
    body: Mutex<Option<Box<dyn Body<M>>>>,
    /// What it is registered as.
    name: Option<Box<str>>,
}

/// Why a message was not added, with it.
pub(super) enum NotAdded<M> {
    Full(M),
    Ended(M),
}

/// What a worker does next.
enum Turn<M> {
    Message(Next<M>),
    End(Exit),
    Nothing,
}

impl<M: Send + serde::de::DeserializeOwned + 'static> ActorCell<M> {
    pub(super) fn create(runtime: &Arc<Runtime>, capacity: Capacity, name: Option<&str>) -> Arc<Self> {
        runtime.add_cell(|slot| {
            Arc::new_cyclic(|me| Self {
                address: Address { node: runtime.id, slot },
                me: Weak::clone(me),
                state: Mutex::new(State {
                    mailbox: Mailbox::new(capacity),
                    // Nobody runs it before it has begun.
                    is_scheduled: true,
                    ending: None,
                    is_closed: false,
                    has_ended: false,
                }),
                body: Mutex::new(None),
                name: name.map(Box::from),
            })
        })
    }

    /// Its life begins: messages that came before are handled now.
    pub(super) fn begin(self: &Arc<Self>, runtime: &Arc<Runtime>, body: Box<dyn Body<M>>) {
        *self.body.lock() = Some(body);
        self.rest(runtime);
    }

    /// It never began.
    pub(super) fn never_began(&self, runtime: &Arc<Runtime>) {
        self.close(runtime);
    }

    /// Adds a message of this node. If there is no room, `hook` is kept and notified when there may be.
    pub(super) fn push(
        &self,
        runtime: &Arc<Runtime>,
        message: M,
        deadline: Option<Instant>,
        hook: Option<&Hook>,
    ) -> Result<(), NotAdded<M>> {
        let must_schedule = {
            let mut state = self.state.lock();
            if state.is_closed {
                return Err(NotAdded::Ended(message));
            }
            state.mailbox.push(message, deadline, hook).map_err(NotAdded::Full)?;
            !std::mem::replace(&mut state.is_scheduled, true)
        };
        if must_schedule {
            self.schedule(runtime);
        }
        Ok(())
    }

    pub(super) fn forget(&self, hook: &Hook) {
        self.state.lock().mailbox.forget(hook);
    }

    pub(super) fn end(&self, runtime: &Arc<Runtime>, ending: Ending) {
        let must_schedule = {
            let mut state = self.state.lock();
            state.ending = state.ending.max(Some(ending));
            state.is_closed = true;
            !std::mem::replace(&mut state.is_scheduled, true)
        };
        if must_schedule {
            self.schedule(runtime);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().has_ended
    }

    fn schedule(&self, runtime: &Arc<Runtime>) {
        if let Some(me) = self.me.upgrade() {
            runtime.workers.schedule(runtime, me);
        }
    }

    /// After its turn: it is scheduled again if there is more.
    fn rest(&self, runtime: &Arc<Runtime>) {
        let has_more = {
            let mut state = self.state.lock();
            state.is_scheduled = !state.mailbox.is_empty() || state.ending.is_some();
            state.is_scheduled
        };
        if has_more {
            self.schedule(runtime);
        }
    }

    fn next(&self, runtime: &Arc<Runtime>, into: &mut Vec<u8>) -> Turn<M> {
        let (next, hooks, room) = {
            let mut state = self.state.lock();
            match state.ending {
                Some(Ending::Kill) => return Turn::End(Exit::Killed),
                Some(Ending::Stop) => return Turn::End(Exit::Normal),
                Some(Ending::Drain) if state.mailbox.is_empty() => return Turn::End(Exit::Normal),
                Some(Ending::Drain) | None => {}
            }
            match state.mailbox.pop(into) {
                Some(popped) => popped,
                None => return Turn::Nothing,
            }
        };
        hooks.iter().for_each(|hook| hook.notify());
        if let Some(room) = room {
            tell_room(runtime, &room);
        }
        Turn::Message(next)
    }

    /// Handles one message; some if it was the last.
    fn handle(
        &self,
        runtime: &Arc<Runtime>,
        body: &mut dyn Body<M>,
        next: Next<M>,
        bytes: &[u8],
    ) -> Option<Exit> {
        let message = match next {
            Next::Moved { deadline: Some(at), .. } if at <= Instant::now() => return None,
            Next::Moved { message, .. } => message,
            Next::Encoded { head, rights } => self.decode(runtime, &head, rights, bytes)?,
        };
        body.handle(message)
    }

    /// None if nobody waits for it any more, or if it can't be read, which its callers and a line on standard error tell.
    fn decode(&self, runtime: &Arc<Runtime>, head: &Head, rights: Rights, bytes: &[u8]) -> Option<M> {
        if head.deadline.is_some_and(is_over) {
            // Nobody waits for it, but its number is still kept for the answer.
            head.replies.iter().for_each(|right| reply::fail(runtime, *right));
            return None;
        }
        let decode = || match rights.is_empty() {
            true => scope::enter(runtime, || decode(bytes)),
            false => scope::enter_with(runtime, rights, || decode(bytes)),
        };
        let decoded: std::thread::Result<Result<M, _>> =
            reply::claiming(runtime, &head.replies, || catch_unwind(AssertUnwindSafe(decode)));
        let why = match decoded {
            Ok(Ok(message)) => return Some(message),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_text(panic),
        };
        runtime.complain(&format!("a message to an actor can't be read: {why}"));
        None
    }

    /// Its life is over: nothing more comes in, its name is free, and whoever sent to it, or waits, is told.
    fn finish(&self, runtime: &Arc<Runtime>, body: &mut Option<Box<dyn Body<M>>>, exit: &Exit) {
        self.state.lock().is_closed = true;
        let ends = |mut body: Box<dyn Body<M>>| {
            if !matches!(exit, Exit::Killed) {
                body.stopped(exit);
            }
        };
        if let Some(body) = body.take() {
            // What its state does as it is dropped changes nothing for others.
            let _ = catch_unwind(AssertUnwindSafe(|| ends(body)));
        }
        self.close(runtime);
    }

    fn close(&self, runtime: &Arc<Runtime>) {
        let closed = {
            let mut state = self.state.lock();
            state.is_closed = true;
            state.has_ended = true;
            state.mailbox.close()
        };
        if let Some(name) = &self.name {
            crate::names::release(runtime, name, self.address);
        }
        runtime.remove_cell(self.address.slot);
        closed.replies.into_iter().for_each(|right| reply::fail(runtime, right));
        for (peer, slot) in closed.senders {
            peer.cast(runtime, slot, &encoded(&ToSender::Ended));
        }
        closed.hooks.iter().for_each(|hook| hook.notify());
        for message in closed.moved {
            // Rights to reply in it say so as they go.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(message)));
        }
        runtime.flush_listed_by_need();
    }
}

fn tell_room(runtime: &Arc<Runtime>, room: &Room) {
    let load = room.load;
    let told = ToSender::Room { messages: load.messages, bytes: load.bytes };
    room.peer.cast(runtime, room.slot, &encoded(&told));
    room.peer.flush_by_need(runtime);
}

impl<M: Send + serde::de::DeserializeOwned + 'static> Run for ActorCell<M> {
    fn run(self: Arc<Self>, runtime: &Arc<Runtime>) {
        let mut body = self.body.lock();
        let exit = with_scratch(|bytes| {
            for _ in 0..TURN {
                match self.next(runtime, bytes) {
                    Turn::Nothing => return None,
                    Turn::End(exit) => return Some(exit),
                    Turn::Message(next) => {
                        let body = body.as_deref_mut()?;
                        // Its own code is caught there; this is for what messages do as they are dropped.
                        let handle = || self.handle(runtime, body, next, bytes);
                        let exit = catch_unwind(AssertUnwindSafe(handle))
                            .unwrap_or_else(|panic| Some(Exit::Panicked(panic_text(panic))));
                        if exit.is_some() {
                            return exit;
                        }
                    }
                }
            }
            None
        });
        match exit {
            Some(exit) => self.finish(runtime, &mut body, &exit),
            None => self.rest(runtime),
        }
        drop(body);
        // A node that has ended meanwhile found its state in use, and nobody will run it again.
        if runtime.workers.has_ended()
            && let Some(mut body) = self.body.try_lock()
        {
            self.finish(runtime, &mut body, &Exit::Killed);
        }
    }
}

impl<M: Send + serde::de::DeserializeOwned + 'static> Cell for ActorCell<M> {
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        if incoming.kind != Kind::Items {
            let ending = decode(incoming.body).map_err(|error| format!("what an actor is told: {error}"))?;
            self.end(runtime, ending);
            return Ok(());
        }
        let slot = Slot { index: incoming.word as u32, generation: (incoming.word >> 32) as u32 };
        let is_headed = incoming.flags.contains(HEADED);
        let (room, must_schedule) = {
            let mut state = self.state.lock();
            if state.is_closed {
                drop(state);
                if is_headed {
                    refuse(runtime, incoming.body);
                }
                from.cast(runtime, slot, &encoded(&ToSender::Ended));
                return Ok(());
            }
            let room = state.mailbox.receive(from, slot, is_headed, incoming.body, incoming.rights.into())?;
            (room, !std::mem::replace(&mut state.is_scheduled, true))
        };
        if let Some(room) = room {
            from.interests(self.address.slot);
            tell_room(runtime, &room);
        }
        if must_schedule {
            self.schedule(runtime);
        }
        Ok(())
    }

    /// Whoever runs it just now ends it, once it has come to the end of its message.
    fn node_ends(&self, runtime: &Arc<Runtime>) {
        self.end(runtime, Ending::Kill);
        // Whoever waits for it is told now, also if it is in the middle of a message.
        self.close(runtime);
        if let Some(mut body) = self.body.try_lock() {
            self.finish(runtime, &mut body, &Exit::Killed);
        }
    }

    fn peer_ended(&self, _: &Arc<Runtime>, peer: NodeId) {
        self.state.lock().mailbox.left(peer);
    }
}

/// Headed messages to an actor that has ended, or never was: whoever waits for an answer is told.
pub(crate) fn refuse(runtime: &Arc<Runtime>, body: &[u8]) {
    for message in ByteStrings::new(body).map_while(Result::ok) {
        let replies = Head::read(message).map(|(head, _)| head.replies);
        replies.into_iter().flatten().for_each(|right| reply::fail(runtime, right));
    }
}

//! An actor on another node, as this one sees it: how much may be sent to it.
//!
//! Kept from the first message until the actor, or its node, has ended, also if no reference is left meanwhile: one that comes
//! later must not be given the same room once more.

use std::any::Any;
use std::sync::Arc;

use callboard_core::{Address, Flags, NodeId, Slot, decode};
use parking_lot::Mutex;

use super::wire::{Ending, FIRST_MESSAGES, HEADED, Head, NoRoom, ToActor, ToSender};
use crate::cell::{Cell, Face, Incoming, Violation};
use crate::hook::{Hook, Hooks, Poll};
use crate::parcel::Rights;
use crate::peer::{Peer, encoded};
use crate::runtime::Runtime;
use crate::standing::Sought;

/// Shared by all references of this node to one actor elsewhere.
pub(crate) struct Remote {
    runtime: Arc<Runtime>,
    address: Address,
    /// None if its node has ended.
    pub(super) sender: Option<Arc<Sender>>,
}

/// The slot in which this node is told of room.
pub(super) struct Sender {
    slot: Slot,
    pub(super) peer: Arc<Peer>,
    actor: Slot,
    state: Mutex<State>,
}

struct State {
    messages: u64,
    /// May be less than nothing: a message of any size leaves while there is a byte.
    bytes: i64,
    end: Option<End>,
    /// What to do without room.
    no_room: NoRoom,
    /// Messages that were lost so, and that the actor's node has not been told of.
    dropped: u64,
    /// The actor's node knows that somebody here waits for room.
    has_asked: bool,
    /// It has been told of room.
    knows_room: bool,
    room: Hooks,
    /// Keeps what references find, as long as something can be sent.
    remote: Option<Arc<Remote>>,
}

/// Why nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Gone,
    Disconnected,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotSent {
    Full,
    Ended(End),
}

impl Remote {
    pub(super) fn of(runtime: &Arc<Runtime>, address: Address) -> Arc<Self> {
        let face = runtime.face(address, || {
            let sender = runtime.meet(address.node).map(|peer| Sender::new(runtime, peer, address.slot));
            Arc::new(Self { runtime: Arc::clone(runtime), address, sender })
        });
        // One slot never holds two kinds of things, but an address may have been made up.
        let cut = |_| Arc::new(Self { runtime: Arc::clone(runtime), address, sender: None });
        face.into_any().downcast().unwrap_or_else(cut)
    }

    pub(super) fn end(&self, ending: Ending) {
        if let Some(sender) = &self.sender {
            sender.peer.cast(&self.runtime, sender.actor, &encoded(&ToActor::End(ending)));
            sender.peer.flush(&self.runtime);
        }
    }
}

impl Face for Remote {
    fn gone(&self, _: &Arc<Runtime>) {
        if let Some(sender) = &self.sender {
            sender.ended(End::Gone);
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(sender) = &self.sender {
            sender.peer.forgets_interest(sender.slot);
            self.runtime.remove_cell(sender.slot);
        }
        self.runtime.remove_face(self.address);
    }
}

impl Sender {
    fn new(runtime: &Arc<Runtime>, peer: Arc<Peer>, actor: Slot) -> Arc<Self> {
        let sender = runtime.add_cell(|slot| {
            let state = State {
                messages: FIRST_MESSAGES,
                bytes: 1,
                end: None,
                no_room: NoRoom::Wait,
                dropped: 0,
                has_asked: false,
                knows_room: false,
                room: Hooks::default(),
                remote: None,
            };
            Arc::new(Self { slot, peer, actor, state: Mutex::new(state) })
        });
        sender.peer.interests(sender.slot);
        // The end may have come between the look-up of the peer and the line above.
        if sender.peer.has_ended() {
            sender.ended(End::Disconnected);
        }
        sender
    }

    pub(super) fn end(&self) -> Option<End> {
        self.state.lock().end
    }

    pub(super) fn no_room(&self) -> NoRoom {
        self.state.lock().no_room
    }

    pub(super) fn knows_room(&self) -> bool {
        self.state.lock().knows_room
    }

    /// Counts a message that is lost. The actor's node is told when there is room again.
    pub(super) fn count_dropped(&self) {
        self.state.lock().dropped += 1;
    }

    /// Says that somebody here waits for room: told of by halves, they might wait for an actor that waits for them.
    pub(super) fn wants_room(&self, runtime: &Arc<Runtime>) {
        if !std::mem::replace(&mut self.state.lock().has_asked, true) {
            self.peer.cast(runtime, self.actor, &encoded(&ToActor::WantsRoom { sender: self.slot }));
            self.peer.flush_by_need(runtime);
        }
    }

    fn ended(&self, end: End) {
        let (hooks, _remote) = {
            let mut state = self.state.lock();
            state.end.get_or_insert(end);
            (state.room.take(), state.remote.take())
        };
        hooks.iter().for_each(|hook| hook.notify());
    }

    /// Sends an encoded message if there is room. It is written at once only if the actor's node waits for something to read.
    pub(super) fn try_send(
        &self,
        remote: &Arc<Remote>,
        head: &Head,
        message: &[u8],
        rights: &Rights,
    ) -> Result<(), NotSent> {
        let bytes = message.len() as i64;
        {
            let mut state = self.state.lock();
            if let Some(end) = state.end {
                return Err(NotSent::Ended(end));
            }
            if state.messages == 0 || state.bytes <= 0 {
                return Err(NotSent::Full);
            }
            state.messages -= 1;
            state.bytes -= bytes;
            state.remote.get_or_insert_with(|| Arc::clone(remote));
        }
        let runtime = &remote.runtime;
        let word = (u64::from(self.slot.generation) << 32) | u64::from(self.slot.index);
        let flags = if head.is_empty() { Flags::NONE } else { HEADED };
        let peer = &self.peer;
        let must_flush = match rights.is_empty() {
            true => peer.item_if(runtime, self.actor, flags, word, message, || true),
            false => peer.parcel_if(runtime, self.actor, flags, word, message, rights.clone(), || true),
        };
        if must_flush == Some(true) {
            peer.flush(runtime);
        }
        Ok(())
    }
}

impl Cell for Sender {
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        if from.id != self.peer.id {
            return Err("another node than an actor's tells of its room".to_owned());
        }
        let told = decode(incoming.body).map_err(|error| format!("what an actor's cell tells: {error}"))?;
        match told {
            ToSender::Ended => self.ended(End::Gone),
            ToSender::NoRoom(no_room) => {
                let hooks = {
                    let mut state = self.state.lock();
                    state.no_room = no_room;
                    state.room.take()
                };
                hooks.iter().for_each(|hook| hook.notify());
            }
            ToSender::Room { messages, bytes } => {
                let (hooks, dropped) = {
                    let mut state = self.state.lock();
                    (state.has_asked, state.knows_room) = (false, true);
                    state.messages = state.messages.saturating_add(messages);
                    state.bytes = state.bytes.saturating_add_unsigned(bytes);
                    (state.room.take(), std::mem::take(&mut state.dropped))
                };
                if dropped > 0 {
                    let told = encoded(&ToActor::Dropped { messages: dropped });
                    self.peer.cast(runtime, self.actor, &told);
                }
                hooks.iter().for_each(|hook| hook.notify());
            }
        }
        Ok(())
    }

    fn peer_ended(&self, _: &Arc<Runtime>, _: NodeId) {
        self.ended(End::Disconnected);
    }
}

/// That it is known how much room there is, or that there will never be any.
pub(super) struct FirstRoom<'a>(pub(super) &'a Sender);

impl Sender {
    fn sought(&self) -> Sought {
        let address = Address { node: self.peer.id, slot: self.actor };
        Sought::object("room in the mailbox of", "actor", address)
    }
}

impl Poll for FirstRoom<'_> {
    fn sought(&self) -> Sought {
        self.0.sought()
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.0.state.lock();
        let is_ready = state.end.is_some() || state.knows_room;
        if !is_ready {
            state.room.add(hook);
        }
        is_ready
    }

    fn forget(&self, hook: &Hook) {
        self.0.state.lock().room.remove(hook);
    }

    fn peer(&self) -> Option<&Arc<Peer>> {
        Some(&self.0.peer)
    }
}

/// Room at an actor elsewhere, as something to wait for.
pub(super) struct RoomThere<'a>(pub(super) &'a Sender);

impl Poll for RoomThere<'_> {
    fn sought(&self) -> Sought {
        self.0.sought()
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.0.state.lock();
        let has_room = state.messages > 0 && state.bytes > 0;
        let is_ready = state.end.is_some() || has_room || state.no_room != NoRoom::Wait;
        if !is_ready {
            state.room.add(hook);
        }
        is_ready
    }

    fn forget(&self, hook: &Hook) {
        self.0.state.lock().room.remove(hook);
    }

    fn peer(&self) -> Option<&Arc<Peer>> {
        Some(&self.0.peer)
    }
}

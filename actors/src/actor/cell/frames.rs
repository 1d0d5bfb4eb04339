//! What comes to an actor from other nodes: messages, and what its cell is told.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use callboard_core::{Address, ByteStrings, Kind, NodeId, Slot, decode};

use super::{ActorCell, drop_all, take_dropped, tell_room};
use crate::actor::exit::Exit;
use crate::actor::handle::Message;
use crate::actor::reply;
use crate::actor::watch::Watcher;
use crate::actor::wire::{Ending, HEADED, Head, NoRoom, ToActor, ToSender, is_over};
use crate::call;
use crate::cell::{Cell, Incoming, Violation};
use crate::parcel::Rights;
use crate::peer::{Peer, encoded};
use crate::protocol::panic_text;
use crate::runtime::Runtime;
use crate::scope;
use crate::tree::{ActorPart, Seen};

impl<M: Message> ActorCell<M> {
    /// None if nobody waits for it any more, or if it can't be read, which its callers and a line on standard error tell.
    pub(super) fn decode(
        &self,
        runtime: &Arc<Runtime>,
        head: &Head,
        rights: Rights,
        bytes: &[u8],
    ) -> Option<M> {
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

    /// Messages, one after the other.
    fn receive_messages(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        let slot = Slot { index: incoming.word as u32, generation: (incoming.word >> 32) as u32 };
        let is_headed = incoming.flags.contains(HEADED);
        let (room, must_schedule, dropped) = {
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
            let must_schedule = state.must_schedule();
            state.is_known_elsewhere = true;
            (room, must_schedule, take_dropped(&mut state))
        };
        if let Some(room) = room {
            from.interests(self.address.slot);
            tell_room(runtime, &room);
            let no_room = self.when_full().on_the_wire();
            if no_room != NoRoom::Wait {
                // After the first room: before, a sender that knows of none would take it for a full mailbox.
                from.cast(runtime, slot, &encoded(&ToSender::NoRoom(no_room)));
            }
        }
        if must_schedule {
            self.schedule(runtime);
        }
        drop_all(runtime, dropped);
        Ok(())
    }

    /// It is to hear of that node's end.
    pub(in crate::actor) fn is_known_to(&self, peer: &Peer) {
        self.state.lock().is_known_elsewhere = true;
        peer.interests(self.address.slot);
    }

    /// What its cell is told, or asked.
    fn receive_told(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: &Incoming<'_>,
    ) -> Result<(), Violation> {
        let told = decode(incoming.body).map_err(|error| format!("what an actor is told: {error}"))?;
        let is_call = incoming.kind == Kind::Call;
        let at = |slot| Address { node: from.id, slot };
        match told {
            ToActor::End(Ending::Exit) => return Err("an actor is to exit without a reason".to_owned()),
            ToActor::End(ending) => self.end(runtime, ending),
            ToActor::Watch if is_call => {
                self.is_known_to(from);
                self.watch(runtime, Watcher::There(Arc::clone(from), incoming.word));
                self.check_bonds(from.id)?;
            }
            ToActor::Link { from: slot } if is_call => {
                self.is_known_to(from);
                let is_there = self.linked(at(slot));
                call::reply(runtime, from, incoming.word, &is_there);
                self.check_bonds(from.id)?;
            }
            ToActor::Stats if is_call => call::reply(runtime, from, incoming.word, &self.stats()),
            ToActor::Watch | ToActor::Link { .. } | ToActor::Stats => {
                return Err("what an actor is to answer was cast".to_owned());
            }
            ToActor::Unwatch { word } => self.unwatch_from(from.id, word),
            ToActor::Unlink { from: slot } => self.unlinked(at(slot)),
            ToActor::Exited { from: slot, exit } => self.exited(runtime, slot.map(at), exit),
            ToActor::WantsRoom { sender } => self.wants_room(runtime, from.id, sender),
            ToActor::Dropped { messages } => self.count_dropped(messages),
        }
        Ok(())
    }
}

impl<M: Message> ActorCell<M> {
    /// Whether what that node has here is not more than it may be.
    fn check_bonds(&self, node: NodeId) -> Result<(), Violation> {
        let state = self.state.lock();
        state.bonds.as_ref().and_then(|bonds| bonds.fault_of(node)).map_or(Ok(()), Err)
    }
}

impl<M: Message> Cell for ActorCell<M> {
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        match incoming.kind {
            Kind::Items => self.receive_messages(runtime, from, incoming),
            _ => self.receive_told(runtime, from, &incoming),
        }
    }

    /// Whoever runs it just now ends it, once it has come to the end of its message.
    fn node_ends(&self, runtime: &Arc<Runtime>) {
        self.end(runtime, Ending::Kill);
        // Whoever waits for it is told now, also if it is in the middle of a message.
        self.close(runtime, Exit::Killed);
        if let Some(mut body) = self.body.try_lock() {
            self.finish(runtime, &mut body, Exit::Killed, std::time::Duration::ZERO);
        }
    }

    fn peer_ended(&self, _: &Arc<Runtime>, peer: NodeId) {
        let mut state = self.state.lock();
        state.mailbox.left(peer);
        if let Some(bonds) = &mut state.bonds {
            bonds.watcher_ended(peer);
        }
    }

    fn peer_gone(&self, runtime: &Arc<Runtime>, peer: NodeId) {
        self.linked_node_ended(runtime, peer);
    }

    fn tick(&self, runtime: &Arc<Runtime>) {
        self.timers_due(runtime);
    }

    fn seen(&self) -> Option<Seen> {
        let name = self.name.as_deref().map(str::to_owned);
        Some(Seen::Actor(ActorPart { slot: self.address.slot, name, stats: self.stats() }))
    }

    fn code_waits(&self, runtime: &Arc<Runtime>, waits: bool) {
        self.is_waiting(runtime, waits);
    }

    fn linked_ended(&self, runtime: &Arc<Runtime>, from: Address, exit: &Exit) {
        self.exited(runtime, Some(from), exit.clone());
    }
}

/// Headed messages to an actor that has ended, or never was: whoever waits for an answer is told.
pub(crate) fn refuse(runtime: &Arc<Runtime>, body: &[u8]) {
    for message in ByteStrings::new(body).map_while(Result::ok) {
        let replies = Head::read(message).map(|(head, _)| head.replies);
        replies.into_iter().flatten().for_each(|right| reply::fail(runtime, right));
    }
}

//! Room in a mailbox: who is told of it, what was dropped to make it, and its figures.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use callboard_core::{NodeId, Slot};

use super::{ActorCell, State};
use crate::actor::handle::Message;
use crate::actor::mailbox::{Dropped, Room};
use crate::actor::reply;
use crate::actor::stats::{ActorStats, since};
use crate::actor::wire::ToSender;
use crate::peer::encoded;
use crate::runtime::Runtime;

impl<M: Message> ActorCell<M> {
    /// A sender elsewhere waits for room. While the actor's code runs it is told of half its room at a time; while that waits,
    /// perhaps for this very sender, of whatever there is.
    pub(super) fn wants_room(&self, runtime: &Arc<Runtime>, peer: NodeId, sender: Slot) {
        let rooms = {
            let mut state = self.state.lock();
            state.mailbox.wants_room(peer, sender);
            if state.is_waiting { state.mailbox.wanted_room() } else { Vec::new() }
        };
        rooms.iter().for_each(|room| tell_room(runtime, room));
    }

    /// Its figures at this moment.
    pub(in crate::actor) fn stats(&self) -> ActorStats {
        let state = self.state.lock();
        let waiting = state.mailbox.waiting();
        ActorStats {
            waiting: waiting.messages,
            waiting_bytes: waiting.bytes,
            oldest: state.mailbox.oldest().map_or(Duration::ZERO, since),
            handled: state.handled,
            dropped: state.dropped,
            busy: Duration::from_nanos(state.busy),
            restarts: state.restarts,
            last_exit: state.bonds.as_ref().and_then(|bonds| bonds.last_exit.clone()),
        }
    }

    pub(super) fn is_waiting(&self, runtime: &Arc<Runtime>, waits: bool) {
        let rooms = {
            let mut state = self.state.lock();
            state.is_waiting = waits;
            if waits { state.mailbox.wanted_room() } else { Vec::new() }
        };
        rooms.iter().for_each(|room| tell_room(runtime, room));
    }
}

pub(super) fn tell_room(runtime: &Arc<Runtime>, room: &Room) {
    let load = room.load;
    let told = ToSender::Room { messages: load.messages, bytes: load.bytes };
    room.peer.cast(runtime, room.slot, &encoded(&told));
    room.peer.flush_by_need(runtime);
}

/// Counts those that made room for others, and takes them out.
pub(super) fn take_dropped<M>(state: &mut State<M>) -> Vec<Dropped<M>> {
    let dropped = state.mailbox.take_dropped();
    state.dropped = state.dropped.saturating_add(dropped.len() as u64);
    dropped
}

/// Rights to reply in them say so as they go.
pub(super) fn drop_all<M>(runtime: &Arc<Runtime>, dropped: Vec<Dropped<M>>) {
    for dropped in dropped {
        match dropped {
            Dropped::Moved(message) => _ = catch_unwind(AssertUnwindSafe(|| drop(message))),
            Dropped::Encoded(replies) => replies.into_iter().for_each(|right| reply::fail(runtime, right)),
        }
    }
}

//! What a slot of a node holds: something that handles one message at a time.
//!
//! The router calls it on whichever thread read the message; a cell locks itself and never calls user code.

use std::any::Any;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use callboard_core::{Address, Flags, Kind, NodeId, Slot};

use crate::actor::Exit;
use crate::peer::Peer;
use crate::runtime::Runtime;
use crate::standing::{Awaited, Known};
use crate::tree::Seen;

/// A whole message as it came from a peer.
pub(crate) struct Incoming<'a> {
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    /// The number to answer a call with; for items what their protocol says.
    pub(crate) word: u64,
    pub(crate) body: &'a [u8],
    pub(crate) rights: Vec<OwnedFd>,
}

/// What was wrong with a message; the connection it came on is closed with this text.
pub(crate) type Violation = String;

pub(crate) trait Cell: Send + Sync {
    /// Handles a message from `from`, after all earlier ones from there.
    ///
    /// A message that can't be what a sound peer sends is a violation.
    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation>;

    /// For the typed handle of an object on this node.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// Hears that `peer`, in which it had declared an interest, has ended; after the peer's last message.
    fn peer_ended(&self, _runtime: &Arc<Runtime>, _peer: NodeId) {}

    /// Hears of that end once more, after everybody's `peer_ended`: at the root the peer's names are free by now.
    fn peer_gone(&self, _runtime: &Arc<Runtime>, _peer: NodeId) {}

    /// Its node ends, and this thread with it.
    fn node_ends(&self, _runtime: &Arc<Runtime>) {}

    /// Its node has ended: what is waited for here will not come.
    fn node_ended(&self) {}

    /// The time that it had asked for has come.
    fn tick(&self, _runtime: &Arc<Runtime>) {}

    /// Whether it starts again what ends.
    fn is_supervisor(&self) -> bool {
        false
    }

    /// What it is, to be seen from outside; none for most.
    fn seen(&self) -> Option<Seen> {
        None
    }

    /// What it is, or the part of it with that number, to somebody of this node who waits for it; none if nobody does.
    fn awaited(&self, _part: Option<Slot>) -> Option<Awaited> {
        None
    }

    /// Its code is about to wait in the middle of a message, or goes on.
    fn code_waits(&self, _runtime: &Arc<Runtime>, _waits: bool) {}

    /// Hears that an actor to which it may be linked has ended.
    fn linked_ended(&self, _runtime: &Arc<Runtime>, _from: Address, _exit: &Exit) {}
}

/// This node's side of an object that is owned elsewhere or here; one for all its handles.
pub(crate) trait Face: Send + Sync {
    /// The object has ended; its node may live on.
    fn gone(&self, runtime: &Arc<Runtime>);
    /// For the typed handle that knows what it is.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// Who holds it, if it is a thing to be held; or why that is not known by then.
    fn holders(&self, _by: Instant) -> Result<Vec<Known>, String> {
        Ok(Vec::new())
    }
}

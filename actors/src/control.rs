//! What nodes tell each other about themselves: introductions, adoption, stop, and news of the dead.
//!
//! Every node has this cell at the well-known slot [`CONTROL`]. At the root it also keeps the list of nodes.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use callboard_core::limits::MAX_AWAITED_ENDS_PER_NODE;
use callboard_core::{Address, Kind, NodeId, Slot, decode};
use callboard_ipc::{Connection, Handover, Side};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::actor::{Fates, answer_fate};
use crate::arriving::Arriving;
use crate::call;
use crate::cell::{Cell, Incoming, Violation};
use crate::peer::{Peer, Reading, encoded, header};
use crate::runtime::Runtime;
use crate::tree;

/// Where every node's control cell is.
pub(crate) const CONTROL: Slot = Slot { index: 0, generation: 1 };

/// The messages between control cells. Those marked "call" are answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Control {
    /// To a node: here is your connection to `peer`. Two descriptors: socket and page. `keeper`: the node whose supervisor
    /// keeps the actor that `peer` hosts, if it does.
    Introduced { peer: NodeId, first: bool, keeper: Option<NodeId> },
    /// To the root: here is a connection to my new child. Two descriptors. Lets the root meet it. `is_kept`: it hosts an
    /// actor that my supervisor keeps.
    Adopt { child: NodeId, is_kept: bool },
    /// To the root, call: introduce me to `peer`. The answer is whether it is alive.
    Introduce { peer: NodeId },
    /// To a child: end soon, of your own accord.
    Stop,
    /// To a caller: the right to answer that call is on its way to another node.
    CallMoved { word: u64, hops: u32, to: NodeId },
    /// To whoever wrote to `slot`: nobody is there.
    Gone { slot: Slot },
    /// To the root, call: answered when that node has ended and its names are free.
    AwaitEnd { node: NodeId },
    /// To a keeper, call: how did the actor there end, and is it started again? Answered once that is decided.
    Fate { of: Address },
    /// Call: what runs on this node?
    Look,
    /// To the root, call: what are those objects called?
    Names { of: Vec<Address> },
    /// From the root, call: write what is waited for to standard error. Answered when that is done.
    TellWaits,
    /// Call: answered when everything before it has been handled.
    Sync,
    /// From now on I may have something of your shared memory in hand, as long as that pipe is open. One descriptor.
    Holds,
}

/// The control cell. `members` is in use at the root only.
#[derive(Default)]
pub(crate) struct ControlCell {
    members: Mutex<Members>,
    pub(crate) fates: Fates,
}

/// Something to be done when a node has ended and its names are free.
pub(crate) type AtEnd = Box<dyn FnOnce(&Arc<Runtime>) + Send>;

#[derive(Default)]
struct Members {
    /// Live nodes other than the root.
    nodes: HashSet<NodeId>,
    /// Who asked to be told of a node's end, and with which word.
    awaiting: HashMap<NodeId, Vec<(Arc<Peer>, u64)>>,
    /// How many of these are of each node.
    asked: Tally,
    /// What is to be done here then.
    awaiting_here: HashMap<NodeId, Vec<AtEnd>>,
    /// Pairs that have been introduced, the smaller first.
    pairs: HashSet<(NodeId, NodeId)>,
}

impl Members {
    /// A node that has ended waits for nobody's end.
    fn forget_asker(&mut self, node: NodeId) {
        if self.asked.of(node) == 0 {
            return;
        }
        self.awaiting.retain(|_, askers| {
            askers.retain(|(peer, _)| peer.id != node);
            !askers.is_empty()
        });
        self.asked.forget(node);
    }
}

/// How many ends each node is waiting to hear of.
#[derive(Debug, Default)]
pub(crate) struct Tally(HashMap<NodeId, usize>);

impl Tally {
    pub(crate) fn of(&self, node: NodeId) -> usize {
        self.0.get(&node).copied().unwrap_or_default()
    }

    /// Counts one more; false if there are as many as there may be.
    #[must_use]
    pub(crate) fn add(&mut self, node: NodeId) -> bool {
        let count = self.0.entry(node).or_default();
        let has_room = *count < MAX_AWAITED_ENDS_PER_NODE;
        *count += usize::from(has_room);
        has_room
    }

    /// One less.
    pub(crate) fn take(&mut self, node: NodeId) {
        if let Some(count) = self.0.get_mut(&node) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&node);
            }
        }
    }

    pub(crate) fn forget(&mut self, node: NodeId) {
        self.0.remove(&node);
    }
}

impl ControlCell {
    /// Notes a node that the root is connected to; whether it is new.
    pub(crate) fn join(&self, node: NodeId) -> bool {
        self.members.lock().nodes.insert(node)
    }

    /// Forgets a node that has ended and whose names are free.
    pub(crate) fn leave(&self, runtime: &Arc<Runtime>, node: NodeId) {
        let (awaiting, here) = {
            let mut members = self.members.lock();
            members.nodes.remove(&node);
            members.pairs.retain(|(a, b)| *a != node && *b != node);
            members.forget_asker(node);
            let awaiting = members.awaiting.remove(&node);
            awaiting.iter().flatten().for_each(|(peer, _)| members.asked.take(peer.id));
            (awaiting, members.awaiting_here.remove(&node))
        };
        self.fates.forget(node);
        for (peer, word) in awaiting.into_iter().flatten() {
            call::reply(runtime, &peer, word, &());
        }
        here.into_iter().flatten().for_each(|then| then(runtime));
    }

    /// At the root: runs `then` when that node has ended and its names are free.
    pub(crate) fn await_end_here(&self, runtime: &Arc<Runtime>, node: NodeId, then: AtEnd) {
        {
            let mut members = self.members.lock();
            if members.nodes.contains(&node) {
                return members.awaiting_here.entry(node).or_default().push(then);
            }
        }
        then(runtime);
    }

    fn await_end(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        word: u64,
        node: NodeId,
    ) -> Result<(), Violation> {
        let mut members = self.members.lock();
        if members.nodes.contains(&node) {
            if !members.asked.add(from.id) {
                return Err(format!("more than {MAX_AWAITED_ENDS_PER_NODE} ends are awaited by one node"));
            }
            members.awaiting.entry(node).or_default().push((Arc::clone(from), word));
            return Ok(());
        }
        drop(members);
        call::reply(runtime, from, word, &());
        Ok(())
    }

    /// How many wait for somebody's end.
    #[cfg(test)]
    pub(crate) fn awaited(&self) -> usize {
        let members = self.members.lock();
        let count = members.awaiting.values().map(Vec::len).sum();
        assert_eq!(members.asked.0.values().sum::<usize>(), count);
        count
    }

    /// Makes two nodes meet, once; whether `wanted` is alive.
    fn introduce(&self, runtime: &Arc<Runtime>, asking: &Arc<Peer>, wanted: NodeId) -> bool {
        let pair = (asking.id.min(wanted), asking.id.max(wanted));
        {
            let mut members = self.members.lock();
            if !members.nodes.contains(&wanted) || asking.id == wanted {
                return false;
            }
            if !members.pairs.insert(pair) {
                return true; // Both asked: the first request serves both.
            }
        }
        let Some(other) = runtime.peer(wanted) else { return false };
        match Connection::introduce() {
            Ok((first, second)) => {
                introduced(runtime, asking, &other, true, first);
                introduced(runtime, &other, asking, false, second);
                true
            }
            Err(error) => {
                runtime.complain(&format!("no descriptors left to introduce two nodes: {error}"));
                self.members.lock().pairs.remove(&pair);
                false
            }
        }
    }
}

impl Cell for ControlCell {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        let message: Control =
            decode(incoming.body).map_err(|error| format!("a control message: {error}"))?;
        match message {
            Control::Introduced { peer, first, keeper } => {
                trusted(runtime, from)?;
                let side = if first { Side::First } else { Side::Second };
                meet(runtime, peer, keeper, side, incoming.rights)?;
            }
            Control::Adopt { child, is_kept } => {
                self.join(child);
                meet(runtime, child, is_kept.then_some(from.id), Side::First, incoming.rights)?;
            }
            Control::Introduce { peer } if incoming.kind == Kind::Call => {
                let alive = self.introduce(runtime, from, peer);
                call::reply(runtime, from, incoming.word, &alive);
            }
            Control::Sync if incoming.kind == Kind::Call => {
                call::reply(runtime, from, incoming.word, &());
            }
            Control::AwaitEnd { node } if incoming.kind == Kind::Call => {
                self.await_end(runtime, from, incoming.word, node)?;
            }
            Control::Look if incoming.kind == Kind::Call => {
                call::reply(runtime, from, incoming.word, &tree::part(runtime));
            }
            Control::Names { of } if incoming.kind == Kind::Call => {
                let names = runtime.registry().map(|registry| registry.names_of(&of)).unwrap_or_default();
                call::reply(runtime, from, incoming.word, &names);
            }
            Control::TellWaits if incoming.kind == Kind::Call => {
                trusted(runtime, from)?;
                runtime.standing.teller.asked(runtime, from, incoming.word);
            }
            Control::Fate { of } if incoming.kind == Kind::Call => {
                answer_fate(runtime, from, incoming.word, of)?;
            }
            Control::Introduce { .. }
            | Control::Sync
            | Control::Look
            | Control::Names { .. }
            | Control::TellWaits
            | Control::Fate { .. }
            | Control::AwaitEnd { .. } => {
                return Err("a control message that must be a call was cast".to_owned());
            }
            Control::Stop => {
                trusted(runtime, from)?;
                runtime.stop_asked();
            }
            Control::Holds => {
                let [pipe] = <[OwnedFd; 1]>::try_from(incoming.rights)
                    .map_err(|came| format!("{} descriptors where 1 was expected", came.len()))?;
                runtime.holds.add(runtime, from.id, pipe)?;
            }
            Control::CallMoved { word, hops, to } => runtime.call_moved(word, hops, to),
            Control::Gone { slot } => runtime.object_gone(Address { node: from.id, slot }),
        }
        Ok(())
    }
}

/// Only the root or the parent introduces and stops.
fn trusted(runtime: &Runtime, from: &Peer) -> Result<(), Violation> {
    if from.id == runtime.root || Some(from.id) == runtime.parent {
        return Ok(());
    }
    Err(format!("node {} is neither the root nor the parent", from.id))
}

fn introduced(runtime: &Runtime, to: &Peer, peer: &Peer, first: bool, end: Handover) {
    let keeper = peer.keeper.get().copied();
    let body = encoded(&Control::Introduced { peer: peer.id, first, keeper });
    to.post(runtime, header(Kind::Cast, CONTROL, 0), &body, vec![end.socket, end.page]);
}

/// Connects to `peer` with the two descriptors that came.
fn meet(
    runtime: &Arc<Runtime>,
    peer: NodeId,
    keeper: Option<NodeId>,
    side: Side,
    rights: Vec<OwnedFd>,
) -> Result<(), Violation> {
    let [socket, page] = <[OwnedFd; 2]>::try_from(rights)
        .map_err(|came| format!("{} descriptors where 2 were expected", came.len()))?;
    let connection = Handover { socket, page }
        .accept(side)
        .map_err(|error| format!("a connection that can't be used: {error}"))?;
    if let Some(keeper) = keeper {
        // Before it is connected: whoever watches somebody there knows it when that ends.
        let _ = runtime.new_peer(peer).keeper.set(keeper);
    }
    runtime.connect(peer, connection, Reading::new(Arriving::default()));
    Ok(())
}

/// Appends a control message for `peer`.
pub(crate) fn cast(runtime: &Runtime, peer: &Peer, message: &Control) {
    peer.cast(runtime, CONTROL, &encoded(message));
}

//! What a protocol tells of itself to be simulated: what is asked, and who is to be answered what.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Instant;

use callboard_core::NodeId;

use crate::protocol::object::{Asker, Owner};
use crate::simulation::Schedule;

pub(crate) type AskOf<M> = <<M as Model>::Owner as Owner>::Ask;
pub(crate) type ReplyOf<M> = <<M as Model>::Owner as Owner>::Reply;
/// Who is to be answered, and what; none where the model does not say.
pub(crate) type Due<R> = Vec<(Asker, Option<R>)>;
pub(crate) type DueOf<M> = Due<ReplyOf<M>>;

/// A plain account of what an object does, and what its clients do.
pub(crate) trait Model: Sized {
    type Owner: Owner<Ask: Clone + Debug, Reply: Debug + PartialEq>;

    /// An object by chance.
    fn begin(schedule: &mut Schedule) -> (Self, Self::Owner);

    /// What a node asks next, and whether it wants an answer.
    fn next_ask(&mut self, by: NodeId, schedule: &mut Schedule) -> (AskOf<Self>, bool);

    /// What it casts next; none if this object takes no casts.
    fn next_cast(&mut self, _schedule: &mut Schedule) -> Option<Vec<u8>> {
        None
    }

    /// The owner has been asked something: who is to be answered now.
    fn asked(&mut self, asker: Asker, by: NodeId, ask: &AskOf<Self>, now: Instant) -> DueOf<Self>;

    fn cast(&mut self, _by: NodeId, _cast: &[u8], _now: Instant) -> DueOf<Self> {
        unreachable!("this object takes no casts")
    }

    /// Somebody who waits has given up, or died.
    fn left(&mut self, asker: Asker, has_died: bool) -> DueOf<Self>;

    /// A node has ended, after all that it had asked has been lost.
    fn node_ended(&mut self, _node: NodeId) {}

    /// The owner's timer has come.
    fn ticked(&mut self, _now: Instant) -> DueOf<Self> {
        Vec::new()
    }

    /// When the owner must look at the time again.
    fn timer(&self) -> Option<Instant> {
        None
    }

    /// Those who wait.
    fn waiting(&self) -> BTreeSet<Asker>;

    /// A node has heard an answer.
    fn heard(&mut self, _by: NodeId, _ask: &AskOf<Self>, _reply: &ReplyOf<Self>) {}

    /// Whether a node that waits for an answer may give up; it has when it may.
    fn may_give_up(&mut self, _by: NodeId, _ask: &AskOf<Self>) -> bool {
        true
    }

    /// A node has died; the owner hears of it later.
    fn died(&mut self, _node: NodeId, _schedule: &mut Schedule) {}

    /// Something happens that is no message; whether the owner is called for it.
    fn happens(&mut self, _schedule: &mut Schedule) -> bool {
        false
    }

    /// Somebody beside the owner has worked out an answer; whether its asker still waits does not matter.
    fn worked_out(&mut self, _schedule: &mut Schedule) -> Option<(Asker, ReplyOf<Self>)> {
        None
    }

    /// All nodes have ended: whatever kept the owner from being done with them is over. Whether it is called again.
    fn calm(&mut self) -> bool {
        false
    }

    /// The object's name is taken away.
    fn freed(&mut self, name: &str) {
        panic!("nobody took the name {name} away");
    }

    /// What must hold after each step.
    fn check(&mut self, _owner: &mut Self::Owner, _is_over: bool) {}

    /// What must hold when nothing is under way.
    fn check_quiet(&mut self, _owner: &mut Self::Owner) {}

    /// What must hold when all nodes have ended.
    fn check_end(&mut self, _owner: &mut Self::Owner) {}
}

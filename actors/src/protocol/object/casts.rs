//! What becomes of casts: an owner counts those it refused, by the node that sent them, until that node has been told.

use callboard_core::NodeId;
use foldhash::HashMap;
use serde::{Deserialize, Serialize};

/// How many casts of one node were refused, ever, and how many of those it knows of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) total: u64,
    pub(crate) told: u64,
}

impl Refused {
    /// Those the node does not know of.
    pub(crate) fn news(self) -> u64 {
        self.total.saturating_sub(self.told)
    }
}

/// By node. A node stays in once a cast of it was refused: that is 24 bytes, and no late `told` then counts for later refusals.
#[derive(Debug, Default)]
pub(crate) struct Refusals(HashMap<NodeId, Refused>);

impl Refusals {
    /// Counts a cast that was refused.
    pub(crate) fn add(&mut self, of: NodeId) {
        self.0.entry(of).or_default().total += 1;
    }

    /// What `of` is answered. It says `told` once it has that answer, so none is lost with an answer that came too late.
    pub(crate) fn of(&self, of: NodeId) -> Refused {
        self.0.get(&of).copied().unwrap_or_default()
    }

    pub(crate) fn told(&mut self, of: NodeId, total: u64) {
        if let Some(refused) = self.0.get_mut(&of) {
            refused.told = refused.told.max(total.min(refused.total));
        }
    }
}

//! Where a pool's workers are, and how far by words that outlive them.

use std::sync::Arc;

use callboard_core::Slot;
use callboard_ipc::{Counter, Trail};

use super::{PoolCell, Sink, State};
use crate::hook::Hook;
use crate::peer::Peer;
use crate::pool::crew::{Progress, WorkerId};
use crate::pool::inbox::Inbox;
use crate::pool::line::progress;
use crate::pool::machine::Wanted;

/// Where a worker is.
pub(super) enum Link {
    Here { inbox: Arc<Inbox>, counter: Arc<Counter> },
    There { peer: Arc<Peer>, slot: Slot, counter: u32 },
}

pub(super) struct Linked {
    pub(super) link: Link,
    /// How many of the pool's functions it knows.
    pub(super) knows: usize,
    /// The values of its last tasks, which are there also when it is not any more.
    pub(super) trail: Option<Trail>,
}

impl PoolCell {
    /// A lent worker is there. It has not got its unit yet.
    pub(in crate::pool) fn lent_is_there(
        &self,
        worker: WorkerId,
        inbox: &Arc<Inbox>,
        counter: &Arc<Counter>,
    ) {
        let link = Link::Here { inbox: Arc::clone(inbox), counter: Arc::clone(counter) };
        let mut state = self.state.lock();
        state.links.insert(worker, Linked { link, knows: 0, trail: None });
        state.figures.ready(worker);
    }

    /// Whether somebody may do what is wanted. Has `hook` notified at the next change in any case.
    pub(in crate::pool) fn poll_lendable(&self, hook: &Hook, wanted: Wanted<'_, Sink>) -> bool {
        let mut is_lendable = false;
        self.poll(hook, |state| {
            is_lendable = state.machine.lendable(wanted, |worker| state.progress_of(worker)).is_some();
            false
        });
        is_lendable
    }

    pub(in crate::pool) fn progress_of(&self, worker: WorkerId) -> Progress {
        self.state.lock().progress_of(worker)
    }
}

impl State {
    fn progress_of(&self, worker: WorkerId) -> Progress {
        self.links.get(&worker).map(|linked| linked.link.progress()).unwrap_or_default()
    }
}

impl Link {
    pub(super) fn progress(&self) -> Progress {
        match self {
            Link::Here { counter, .. } => progress(counter),
            Link::There { peer, counter, .. } => {
                let link = peer.connection().map(|connection| connection.link());
                let counter = link.and_then(|link| link.counter(link.side().other(), *counter));
                counter.map(progress).unwrap_or_default()
            }
        }
    }
}

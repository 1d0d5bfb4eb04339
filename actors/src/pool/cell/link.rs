//! Where a pool's workers are, and how far by words that outlive them.

use std::sync::Arc;

use callboard_core::Slot;
use callboard_ipc::{Counter, Trail};

use crate::peer::Peer;
use crate::pool::crew::Progress;
use crate::pool::inbox::Inbox;
use crate::pool::line::progress;

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

//! Casts: how far they may be ahead of the owner, and what becomes of them. An owner counts those it refused, by the node
//! that sent them, until that node has been told.
//!
//! A cast travels as an item, many of them in one frame, and is what its protocol makes of its bytes.

use std::time::Instant;

use callboard_core::{Flags, NodeId};
use foldhash::HashMap;
use serde::{Deserialize, Serialize};

use super::handle::{Handle, ObjectError};
use super::owner::Owner;

/// While so many bytes wait for the owner's node, which does not keep up, a cast waits until the owner has all of them. It is
/// memory of this process, and an owner takes a few milliseconds for it.
const MAX_UNSENT_BYTES: usize = 8 * 1024 * 1024;

/// What is asked and said of casts; part of the `Ask` of each owner that takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AboutCasts {
    /// Answered with `Refused`, when all casts that were sent before have come.
    Tell(NodeId),
    /// The node knows of so many refusals. Nobody waits for an answer.
    Told { of: NodeId, total: u64 },
}

/// An owner that takes casts.
pub(crate) trait TakesCasts: Owner {
    fn about(about: AboutCasts) -> Self::Ask;
    /// What [`AboutCasts::Tell`] is answered; none if that is something else.
    fn refused(reply: Self::Reply) -> Option<Refused>;
}

impl<O: TakesCasts> Handle<O> {
    /// Sends a cast, in order with all else from this node, once the owner is not too far behind.
    ///
    /// # Errors
    ///
    /// The owner is known to have ended, or it has been too far behind for 60 s. The cast was not sent.
    pub(crate) fn throw(&self, cast: &[u8]) -> Result<(), ObjectError> {
        let Some(peer) = self.peer() else { return self.throw_here(cast) };
        if peer.has_ended() {
            return Err(ObjectError::Disconnected);
        }
        if peer.unsent_bytes() > MAX_UNSENT_BYTES {
            self.ask(O::about(AboutCasts::Tell(self.runtime.id)))?;
        }
        super::functions::refuse_inside();
        let must_flush = peer.item_if(&self.runtime, self.address.slot, Flags::NONE, 0, cast, || true);
        if must_flush == Some(true) {
            peer.flush(&self.runtime);
        }
        Ok(())
    }

    /// Waits until the owner has all that this node has cast; an error made by `lost` if it refused some of it.
    ///
    /// Each is told once, or twice to threads that ask at the same time.
    pub(crate) fn flush<E: From<ObjectError>>(
        &self,
        deadline: Option<Instant>,
        lost: impl FnOnce(u64) -> E,
    ) -> Result<(), E> {
        let of = self.runtime.id;
        let reply = self.ask_until(O::about(AboutCasts::Tell(of)), deadline).map_err(ObjectError::from)?;
        let refused = O::refused(reply).ok_or(ObjectError::Disconnected)?;
        if refused.news() == 0 {
            return Ok(());
        }
        self.cast(O::about(AboutCasts::Told { of, total: refused.total }));
        Err(lost(refused.news()))
    }
}

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

    /// What `of` is answered. It says `Told` once it has that answer, so none is lost with an answer that came too late.
    pub(crate) fn of(&self, of: NodeId) -> Refused {
        self.0.get(&of).copied().unwrap_or_default()
    }

    /// Hears what a node says, and answers it.
    pub(crate) fn hear(&mut self, about: AboutCasts) -> Refused {
        let (AboutCasts::Tell(of) | AboutCasts::Told { of, .. }) = about;
        if let AboutCasts::Told { total, .. } = about {
            self.told(of, total);
        }
        self.of(of)
    }

    fn told(&mut self, of: NodeId, total: u64) {
        if let Some(refused) = self.0.get_mut(&of) {
            refused.told = refused.told.max(total.min(refused.total));
        }
    }
}

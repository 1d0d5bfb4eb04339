//! What faces and the owner's cell say to each other, in one process or between two.

use std::sync::Arc;
use std::time::Instant;

use callboard_core::{Flags, Kind, Slot};
use serde::{Deserialize, Serialize};

use super::cell::QueueCell;
use super::client::Client;
use super::error::QueueError;
use super::producer::Load;
use super::wire::{Reply, ToOwner};
use crate::call::{self, CallError};
use crate::peer::{Peer, encoded, header};
use crate::runtime::Runtime;

/// From a client to the owner's cell, when they are on different nodes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Envelope {
    /// The client counts what it takes in this counter of its side of the link page.
    Attach { client: Slot, counter: u32 },
    /// For the owner. A call where the owner replies.
    Say { client: Slot, message: ToOwner },
    /// The client is no more. A call; the answer, which is empty, frees the counter.
    Detach { client: Slot },
}

/// The mark of offers among item frames, and of leased items among deliveries.
pub(super) const OFFERED: Flags = Flags::TAGGED;
pub(super) const LEASED: Flags = Flags::TAGGED;
/// The mark of acks among item frames: each item is the number of a delivery, eight bytes little endian.
pub(super) const ACKED: Flags = Flags::MARKED;

/// A slot as the word of an items frame.
pub(super) fn word_of(slot: Slot) -> u64 {
    (u64::from(slot.generation) << 32) | u64::from(slot.index)
}

/// The slot that an items frame names.
pub(super) fn slot_of(word: u64) -> Slot {
    Slot { index: word as u32, generation: (word >> 32) as u32 }
}

/// The way from a client to its queue's owner.
#[derive(Clone, Debug)]
pub(super) enum Line {
    /// In this very process.
    Here(Arc<QueueCell>),
    /// At a peer.
    There {
        peer: Arc<Peer>,
        /// The owner's slot there.
        slot: Slot,
    },
    /// Nowhere: its node has ended.
    Cut,
}

impl Line {
    /// The peer that answers come from, if the owner is elsewhere.
    pub(super) fn peer(&self) -> Option<&Arc<Peer>> {
        match self {
            Line::There { peer, .. } => Some(peer),
            Line::Here(_) | Line::Cut => None,
        }
    }

    /// Writes what was appended.
    pub(super) fn flush(&self, runtime: &Arc<Runtime>) {
        if let Line::There { peer, .. } = self {
            peer.flush(runtime);
        }
    }

    /// Offers an item to an owner on another node.
    pub(super) fn offer(&self, runtime: &Arc<Runtime>, client: &Arc<Client>, item: &Load<'_>) {
        if let Line::There { peer, slot } = self {
            let word = word_of(client.id.slot);
            if item.rights.is_empty() {
                peer.item(runtime, *slot, OFFERED, word, item.bytes);
            } else {
                peer.parcel_if(runtime, *slot, OFFERED, word, item.bytes, item.rights.clone(), || true);
            }
        }
    }

    /// Offers an item to an owner in this process; `number` is called under the cell's lock, so that offers
    /// arrive in the order of their numbers.
    pub(super) fn offer_numbered(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        item: &Load<'_>,
        number: impl FnOnce() -> u64,
    ) -> u64 {
        match self {
            Line::Here(cell) => cell.offer_here(runtime, client, item, number),
            Line::There { .. } | Line::Cut => number(),
        }
    }

    pub(super) fn is_here(&self) -> bool {
        matches!(self, Line::Here(_))
    }

    /// Writes what was appended, if the owner's node waits for it.
    pub(super) fn flush_by_need(&self, runtime: &Arc<Runtime>) {
        if let Line::There { peer, .. } = self {
            peer.flush_by_need(runtime);
        }
    }

    /// Settles the lease numbered `seq`; acks that follow each other travel together.
    pub(super) fn ack(&self, runtime: &Arc<Runtime>, client: &Arc<Client>, seq: u64) {
        match self {
            Line::Here(cell) => cell.ack_here(runtime, client, seq),
            Line::There { peer, slot } => {
                let (word, ack) = (word_of(client.id.slot), seq.to_le_bytes());
                if peer.item_if(runtime, *slot, ACKED, word, &ack, || true) == Some(true) {
                    peer.flush(runtime);
                }
            }
            Line::Cut => {}
        }
    }

    /// Says something that needs no answer. Does not flush.
    pub(super) fn say(&self, runtime: &Arc<Runtime>, client: &Arc<Client>, message: ToOwner) {
        match self {
            Line::Here(cell) => {
                cell.handle_here(runtime, client, message);
            }
            Line::There { peer, slot } => {
                peer.cast(runtime, *slot, &encoded(&Envelope::Say { client: client.id.slot, message }));
            }
            Line::Cut => {}
        }
    }

    /// Names the counter in which the client counts what it takes.
    pub(super) fn attach(&self, runtime: &Arc<Runtime>, client: &Arc<Client>, counter: u32) {
        if let Line::There { peer, slot } = self {
            let attach = Envelope::Attach { client: client.id.slot, counter };
            peer.cast(runtime, *slot, &encoded(&attach));
        }
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        message: ToOwner,
        deadline: Option<Instant>,
    ) -> Result<Reply, QueueError> {
        match self {
            Line::Here(_) if runtime.has_ended() => Err(QueueError::Disconnected),
            Line::Here(cell) => cell.handle_here(runtime, client, message).ok_or(QueueError::Disconnected),
            Line::There { peer, slot } => {
                let say = Envelope::Say { client: client.id.slot, message };
                Ok(runtime.call(peer, *slot, &say, deadline)?)
            }
            Line::Cut => Err(QueueError::Disconnected),
        }
    }

    /// Asks, and has `then` run with the answer wherever it comes in.
    pub(super) fn ask_then(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        message: ToOwner,
        then: impl FnOnce(&Arc<Runtime>, Option<Reply>) + Send + 'static,
    ) {
        match self {
            Line::Here(cell) => {
                let reply = cell.handle_here(runtime, client, message);
                then(runtime, reply);
            }
            Line::There { peer, slot } => {
                let say = Envelope::Say { client: client.id.slot, message };
                runtime.call_then(peer, *slot, &say, |runtime, answer| {
                    then(runtime, answer.and_then(|answer| call::answered(answer, runtime)).ok());
                });
            }
            Line::Cut => then(runtime, None),
        }
    }

    /// Says that the client is no more, and has `then` run when the owner knows.
    pub(super) fn detach(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        then: impl FnOnce(&Arc<Runtime>) + Send + 'static,
    ) {
        match self {
            Line::Here(cell) => {
                cell.detach_here(runtime, client);
                then(runtime);
            }
            Line::There { peer, slot } => {
                let detach = Envelope::Detach { client: client.id.slot };
                runtime.call_then(peer, *slot, &detach, |runtime, _| then(runtime));
                peer.flush(runtime);
            }
            Line::Cut => then(runtime),
        }
    }
}

/// Sends a message to a client at a peer.
pub(super) fn tell(runtime: &Arc<Runtime>, peer: &Peer, client: Slot, message: &super::wire::ToClient) {
    peer.post(runtime, header(Kind::Cast, client, 0), &encoded(message), Vec::new());
}

impl From<CallError> for QueueError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TimedOut => QueueError::Unresponsive,
            CallError::Gone | CallError::Disconnected | CallError::BadReply(_) => QueueError::Disconnected,
        }
    }
}

//! A queue and a client of another one in the cells of a node, to be told anything.

use std::sync::Arc;

use callboard_core::{Address, Kind, Slot};

use super::cell::QueueCell;
use super::client::Client;
use super::inbox::Form;
use super::line::{Envelope, Line, word_of};
use super::owner::{Order, Settings};
use super::wire::{Amount, ToClient};
use crate::fuzzing::{Draw, encoded};
use crate::peer::Peer;
use crate::runtime::Runtime;

pub(crate) struct Fuzzed {
    pub(crate) owner: Slot,
    pub(crate) client: Slot,
    cell: Arc<QueueCell>,
    _client: Arc<Client>,
}

impl Fuzzed {
    /// A queue on this node, and a client of one on the node of `peer`.
    pub(crate) fn new(runtime: &Arc<Runtime>, peer: &Arc<Peer>) -> Self {
        let capacity = Amount { items: 4, bytes: 256 };
        let cell = QueueCell::create(runtime, Settings { capacity, max_attempts: None, order: Order::Fifo });
        let slot = Slot { index: 9, generation: 1 };
        let line = Line::There { peer: Arc::clone(peer), slot };
        let client = Client::new(runtime, Address { node: peer.id, slot }, line, Form::Plain, true);
        Self { owner: cell.address().slot, client: client.id.slot, cell, _client: client }
    }

    pub(crate) fn to_owner(&self, kind: Kind, draw: &mut Draw<'_>) -> Vec<u8> {
        match draw.value::<Envelope>() {
            Some(mut envelope) if kind != Kind::Items => {
                let (Envelope::Attach { client, .. }
                | Envelope::Say { client, .. }
                | Envelope::Detach { client }) = &mut envelope;
                *client = a_slot(draw);
                encoded(&envelope)
            }
            _ => draw.strings(),
        }
    }

    pub(crate) fn to_client(&self, kind: Kind, draw: &mut Draw<'_>) -> Vec<u8> {
        match draw.value::<ToClient>() {
            Some(message) if kind != Kind::Items => encoded(&message),
            _ => draw.strings(),
        }
    }

    /// What a client may say that has just left.
    #[cfg(test)]
    pub(crate) fn after_a_farewell(&self) -> Vec<u8> {
        let client = Slot { index: 5, generation: 1 };
        encoded(&Envelope::Say { client, message: super::wire::ToOwner::Took })
    }

    /// How many clients the queue has.
    pub(crate) fn clients(&self) -> usize {
        self.cell.places()
    }

    /// # Panics
    ///
    /// If something does not hold in the queue.
    pub(crate) fn check(&self) {
        self.cell.check();
    }
}

/// What travels of these types.
#[cfg(any(test, fuzzing))]
pub(crate) const TRIPS: &[crate::fuzzing::Trip] = {
    use crate::fuzzing::trip;
    &[trip::<Envelope>, trip::<super::wire::Reply>, trip::<ToClient>]
};

fn a_slot(draw: &mut Draw<'_>) -> Slot {
    Slot { index: draw.below(3) as u32, generation: 1 }
}

/// The word of items from one of a few clients.
pub(crate) fn a_word(draw: &mut Draw<'_>) -> u64 {
    word_of(a_slot(draw))
}

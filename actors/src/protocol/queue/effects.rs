//! What a queue's owner does to its clients, wherever they are.
//!
//! Runs under the cell's lock: effects for peers go into their outboxes, those for this node's own clients into their
//! state, and what is to happen once the lock is released into [`After`].

use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Weak};
use std::time::Instant;

use callboard_core::Flags;
use callboard_ipc::Counter;
use foldhash::HashMap;

use super::client::{After, Client};
use super::inbox::{Inbox, leased_head};
use super::line::{self, LEASED};
use super::owner::{ClientId, World};
use super::wire::{Amount, Refusal, ToClient};
use crate::parcel::Rights;
use crate::peer::{Appended, Peer};
use crate::runtime::Runtime;

/// How often, in items, a stream of deliveries looks whether its consumer still has something to do.
const LOOK_EVERY: u64 = 128;

/// Where a client is.
pub(super) enum Place {
    /// On this node.
    Here(Weak<Client>),
    /// On another, with the counter of its side of the link page in which it counts what it takes.
    There { peer: Arc<Peer>, counter: Option<u32>, unsent: Cell<Unsent> },
}

/// Deliveries to one client that may still be in the outbox.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsent {
    /// The batch they are in.
    batch: u64,
    /// The number of the first.
    first: u64,
}

/// What the owner does to its clients.
pub(super) struct Effects<'a> {
    pub(super) runtime: &'a Arc<Runtime>,
    pub(super) places: &'a HashMap<ClientId, Place>,
    /// What is to happen on this node after the lock is released.
    pub(super) after: &'a mut After,
}

impl Effects<'_> {
    pub(super) fn tell(&mut self, client: ClientId, message: ToClient) {
        match self.places.get(&client) {
            Some(Place::Here(here)) => {
                if let Some(here) = here.upgrade() {
                    here.told(message, self.after);
                }
            }
            Some(Place::There { peer, .. }) => {
                line::tell(self.runtime, peer, client.slot, &message);
                self.after.appended(peer);
            }
            None => {}
        }
    }

    /// Decides when a delivery leaves: at once, unless its reader has something to do before.
    ///
    /// No item is left lying. The mark that bytes are held back is set before the consumer's count is read; the consumer
    /// raises its count, and when it has nothing left looks at that mark and asks for the rest. Both are sequentially
    /// consistent, so if the count read here was too low by then, the consumer's look comes after the mark.
    fn delivered(&mut self, to: ClientId, peer: &Arc<Peer>, unsent: u64) {
        if self.after.waiting.is_none() {
            return;
        }
        peer.hold_back();
        if self.taken(to) >= unsent {
            self.after.appended(peer);
        }
    }

    fn with_counter<R>(&self, client: ClientId, with: impl FnOnce(&Counter) -> R) -> Option<R> {
        match self.places.get(&client)? {
            Place::Here(here) => Some(with(here.upgrade()?.consumer.own_counter())),
            Place::There { peer, counter, .. } => {
                let link = peer.connection()?.link();
                link.counter(link.side().other(), (*counter)?).map(with)
            }
        }
    }
}

impl World for Effects<'_> {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn taken(&self, client: ClientId) -> u64 {
        self.with_counter(client, |counter| counter.taken.load(SeqCst)).unwrap_or(0)
    }

    fn watch(&mut self, client: ClientId) {
        // Pairs with the take: the client raises `taken`, then looks at `poke`; both sequentially consistent.
        self.with_counter(client, |counter| counter.poke.store(1, SeqCst));
    }

    fn deliver<'a>(&mut self, to: ClientId, first_seq: u64, items: impl ExactSizeIterator<Item = &'a [u8]>) {
        match self.places.get(&to) {
            Some(Place::Here(here)) => {
                let here = here.upgrade();
                // Without a client the items are still walked: the owner counts them as they pass.
                match here {
                    Some(here) => {
                        here.consumer.delivered(|inbox| inbox.extend_with(items), &mut self.after.woken);
                    }
                    None => items.for_each(drop),
                }
            }
            Some(Place::There { peer, unsent, .. }) => {
                let count = items.len() as u64;
                let Appended { joined, batch } =
                    peer.items(self.runtime, to.slot, Flags::NONE, first_seq, items);
                if unsent.get().batch != batch {
                    unsent.set(Unsent { batch, first: first_seq });
                }
                // Behind others for the same client, what is to be known was known a few items ago.
                if !joined || first_seq / LOOK_EVERY != (first_seq + count) / LOOK_EVERY {
                    self.delivered(to, peer, unsent.get().first);
                }
            }
            None => items.for_each(drop),
        }
    }

    fn deliver_parcel(&mut self, to: ClientId, seq: u64, item: &[u8], rights: &Rights) {
        match self.places.get(&to) {
            Some(Place::Here(here)) => {
                if let Some(here) = here.upgrade() {
                    let fill = |inbox: &mut Inbox| inbox.extend_parcel(item, rights.clone());
                    here.consumer.delivered(fill, &mut self.after.woken);
                }
            }
            Some(Place::There { peer, .. }) => {
                let rights = rights.clone();
                peer.with_outbox(|outbox| outbox.parcel(to.slot, Flags::NONE, seq, item, rights));
                peer.list(self.runtime);
                self.after.appended(peer);
            }
            None => {}
        }
    }

    fn deliver_leased<'a>(
        &mut self,
        to: ClientId,
        first_seq: u64,
        items: impl ExactSizeIterator<Item = (&'a [u8], u32)>,
    ) {
        match self.places.get(&to) {
            Some(Place::Here(here)) => match here.upgrade() {
                Some(here) => {
                    here.consumer.delivered(|inbox| inbox.extend_leased(items), &mut self.after.woken);
                }
                None => items.for_each(drop),
            },
            Some(Place::There { peer, .. }) => {
                peer.with_outbox(|outbox| {
                    for (number, (item, attempt)) in (first_seq..).zip(items) {
                        outbox.item_of(to.slot, LEASED, number, [&leased_head(attempt), item]);
                    }
                });
                peer.list(self.runtime);
                self.after.appended(peer);
            }
            None => items.for_each(drop),
        }
    }

    fn grant(&mut self, to: ClientId, credit: Amount) {
        self.tell(to, ToClient::Grant(credit));
    }

    fn revoke(&mut self, from: ClientId) {
        self.tell(from, ToClient::Revoke);
    }

    fn admitted(&mut self, to: ClientId, below: u64) {
        self.tell(to, ToClient::Admitted { below });
    }

    fn refused(&mut self, to: ClientId, refusal: Refusal) {
        self.tell(to, ToClient::Refused(refusal));
    }

    fn ended(&mut self, to: ClientId) {
        self.tell(to, ToClient::Ended);
    }

    fn closed(&mut self, to: ClientId) {
        self.tell(to, ToClient::Closed);
    }

    fn joined(&mut self, to: ClientId, token: u64) {
        self.tell(to, ToClient::Joined { token });
    }
}

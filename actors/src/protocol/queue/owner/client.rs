//! The clients of one queue, each in both of its roles.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::time::Duration;

use foldhash::HashMap;
use slab::Slab;

use super::super::wire::{Amount, Run, Terms};
use super::held::Held;
use super::item::Item;
use super::world::ClientId;

/// An item that waits to be admitted.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) item: Item,
    /// The arrival of the message it came in: the order across clients.
    pub(super) arrival: u64,
    /// Its number among the client's offers. `None`: it was put for credit and waits behind offers
    /// only to keep its producer's order. The owner has accepted it and never refuses it.
    pub(super) number: Option<u64>,
}

/// What a consumer waits for.
#[derive(Debug, Default)]
pub(super) struct Demand {
    pub(super) taken: u64,
    pub(super) leased: u64,
    pub(super) lasting: Option<Duration>,
}

impl Demand {
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0 && self.leased == 0
    }

    /// Takes up to `share` items off the demand.
    pub(super) fn serve(&mut self, share: u64) -> (u64, Terms) {
        let (count, terms) = if self.taken > 0 {
            (&mut self.taken, Terms::Taken)
        } else {
            let lasting = self.lasting;
            (&mut self.leased, Terms::Leased { lasting })
        };
        let served = share.min(*count);
        *count -= served;
        (served, terms)
    }
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: ClientId,
    /// Its node is there. A client that is gone stays until what it put for credit is admitted.
    pub(super) is_alive: bool,
    /// It has put or offered.
    pub(super) is_producer: bool,
    /// It puts under the owner's own lock, and has no use for credit.
    pub(super) is_beside: bool,
    pub(super) credit: Amount,
    /// It has been asked to give its credit back.
    pub(super) is_revoking: bool,
    pub(super) offers: VecDeque<Offer>,
    /// What of `offers` is numbered.
    pub(super) offered: Amount,
    pub(super) next_offer: u64,
    pub(super) demand: Demand,
    pub(super) held: Held,
    /// It will say `Took`, or `Took` is on its way.
    pub(super) is_watched: bool,
    /// The number of the delivery at which its word is looked at next.
    pub(super) look_at: u64,
    /// What it had taken when its idleness was last looked at; none if it held nothing then.
    pub(super) seen_taken: Option<u64>,
    /// It has been asked to give back what it holds, and has done nothing since.
    pub(super) is_recalled: bool,
}

impl Client {
    fn new(id: ClientId) -> Client {
        Client {
            id,
            is_alive: true,
            is_producer: false,
            credit: Amount::ZERO,
            is_revoking: false,
            offers: VecDeque::new(),
            offered: Amount::ZERO,
            next_offer: 0,
            demand: Demand::default(),
            held: Held::default(),
            is_watched: false,
            is_beside: false,
            look_at: 0,
            seen_taken: None,
            is_recalled: false,
        }
    }

    /// Appends an item that waits to be admitted.
    pub(super) fn push_offer(&mut self, item: Item, arrival: u64, number: Option<u64>) {
        if number.is_some() {
            self.offered += Amount::one(item.bytes());
        }
        self.offers.push_back(Offer { item, arrival, number });
    }

    /// Drops the waiting offers of the run, and returns how many.
    pub(super) fn drop_offers(&mut self, run: Run) -> u64 {
        let end = run.first.saturating_add(run.count);
        let mut dropped = Amount::ZERO;
        self.offers.retain(|offer| {
            let within = offer.number.is_some_and(|n| n >= run.first && n < end);
            if within {
                dropped += Amount::one(offer.item.bytes());
            }
            !within
        });
        self.offered -= dropped;
        dropped.items
    }
}

/// The clients by place and by id.
#[derive(Debug, Default)]
pub(super) struct Clients {
    slab: Slab<Client>,
    /// Those alive.
    by_id: HashMap<ClientId, usize>,
    /// The one found last: messages of one client come in rows, and it saves the hashing.
    recent: Option<(ClientId, usize)>,
}

impl Clients {
    /// The client's place; it gets one with its first message.
    pub(super) fn place(&mut self, id: ClientId) -> usize {
        if let Some((recent, key)) = self.recent
            && recent == id
        {
            return key;
        }
        let slab = &mut self.slab;
        let insert = || slab.insert(Client::new(id));
        let key = *self.by_id.entry(id).or_insert_with(insert);
        self.recent = Some((id, key));
        key
    }

    /// Whether the client has been heard of, and has not left.
    pub(super) fn knows(&self, id: ClientId) -> bool {
        self.recent.is_some_and(|(recent, _)| recent == id) || self.by_id.contains_key(&id)
    }

    /// Marks the client as gone, if it was there. Its place stays.
    pub(super) fn bury(&mut self, id: ClientId) -> Option<usize> {
        let key = self.by_id.remove(&id)?;
        self.recent = None;
        self.slab[key].is_alive = false;
        Some(key)
    }

    /// Frees the place of a client that is gone.
    pub(super) fn remove(&mut self, key: usize) {
        debug_assert!(!self.slab[key].is_alive, "a living client keeps its place");
        self.slab.remove(key);
    }

    pub(super) fn get(&self, key: usize) -> Option<&Client> {
        self.slab.get(key)
    }

    /// All places, those of the dead included, in a fixed order. Walked only when somebody waits.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Client)> {
        self.slab.iter_mut()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Client)> {
        self.slab.iter()
    }
}

impl Index<usize> for Clients {
    type Output = Client;
    fn index(&self, key: usize) -> &Client {
        &self.slab[key]
    }
}

impl IndexMut<usize> for Clients {
    fn index_mut(&mut self, key: usize) -> &mut Client {
        &mut self.slab[key]
    }
}

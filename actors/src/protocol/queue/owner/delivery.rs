//! The consumers' side: demand, deliveries and what comes back untaken.

use super::super::wire::{Amount, Reply, Terms};
use super::held::Standing;
use super::item::Stored;
use super::limits::{MAX_DEMAND_ITEMS, MAX_LEASES};
use super::ready::Taken;
use super::{Owner, Violation, World};

/// After so many deliveries the owner looks at what a consumer has taken, if it has no other reason to.
const LOOK_EVERY: u64 = 64;

impl Owner {
    pub(super) fn want(&mut self, key: usize, count: u64, terms: Terms) -> Result<(), Violation> {
        let client = &mut self.clients[key];
        let demand = &mut client.demand;
        if count > MAX_DEMAND_ITEMS {
            return Err(Violation::TooMuchDemand);
        }
        match terms {
            Terms::Taken if demand.taken + count > MAX_DEMAND_ITEMS => {
                return Err(Violation::TooMuchDemand);
            }
            Terms::Taken => demand.taken += count,
            Terms::Leased { lasting } => {
                if client.held.leases() + demand.leased + count > MAX_LEASES {
                    return Err(Violation::TooManyLeases);
                }
                demand.leased += count;
                demand.lasting = lasting;
            }
        }
        if count > 0 && !self.waiting.contains(&key) {
            self.waiting.push_back(key);
        }
        Ok(())
    }

    pub(super) fn unwant(&mut self, key: usize) {
        self.clients[key].demand = Default::default();
        self.waiting.retain(|&waiting| waiting != key);
    }

    pub(super) fn fetch(
        &mut self,
        key: usize,
        max: u64,
        terms: Terms,
        world: &mut impl World,
    ) -> Result<Reply, Violation> {
        let client = &self.clients[key];
        let leases = client.held.leases() + client.demand.leased;
        if matches!(terms, Terms::Leased { .. }) && leases.saturating_add(max) > MAX_LEASES {
            return Err(Violation::TooManyLeases);
        }
        // What can be admitted now is there for the asking.
        self.settle_down(world);
        let count = max.min(self.ready.len() as u64);
        if count > 0 {
            self.deliver(key, count, terms, world);
        }
        Ok(Reply::Fetched { count, ended: count == 0 && self.has_ended_for(key) })
    }

    /// Hands the queue to those who wait: each in its turn gets an equal part of what is there.
    ///
    /// Says whether that showed new takes, and so room that an offer may be waiting for.
    pub(super) fn distribute(&mut self, world: &mut impl World) -> bool {
        let mut has_news = false;
        while !self.ready.is_empty() && !self.waiting.is_empty() {
            for left in (1..=self.waiting.len()).rev() {
                let share = self.ready.len().div_ceil(left) as u64;
                if share == 0 {
                    break;
                }
                let Some(key) = self.waiting.pop_front() else {
                    break;
                };
                let (count, terms) = self.clients[key].demand.serve(share);
                has_news |= self.deliver(key, count, terms, world);
                if !self.clients[key].demand.is_empty() {
                    self.waiting.push_back(key);
                }
            }
        }
        has_news
    }

    /// Sends the head of the queue to a client, keeping a copy. Says whether its word showed new takes.
    fn deliver(&mut self, key: usize, count: u64, terms: Terms, world: &mut impl World) -> bool {
        // A look now and then lets copies go at the rate at which new ones come. Not at each: the word is the consumer's,
        // and looking takes its cache line away from it.
        let next = self.clients[key].held.next_seq();
        let has_news = next >= self.clients[key].look_at && {
            self.clients[key].look_at = next + LOOK_EVERY;
            self.read_taken(key, world)
        };
        let standing = match terms {
            Terms::Taken => Standing::Plain,
            Terms::Leased { lasting } => {
                Standing::Leased { until: lasting.map(|lasting| self.after(lasting, world)) }
            }
        };
        let client = &mut self.clients[key];
        let first = client.held.next_seq();
        match self.ready.take(count as usize) {
            // The order of nearly all queues, and by far the most items: without looking at it for each.
            Taken::Fifo(items) => client.held.extend(items, standing),
            other => client.held.extend(other, standing),
        }
        let sent = client.held.since(first);
        let mut amount = Amount::ZERO;
        let counted = sent.inspect(|stored| amount += Amount::one(stored.item.bytes()));
        match standing {
            Standing::Leased { .. } => world.deliver_leased(
                client.id,
                first,
                counted.map(|stored| (stored.item.as_bytes(), stored.attempts + 1)),
            ),
            _ if self.has_parcels => {
                for (seq, Stored { item, .. }) in (first..).zip(counted) {
                    match item.rights() {
                        Some(rights) => world.deliver_parcel(client.id, seq, item.as_bytes(), rights),
                        None => world.deliver(client.id, seq, std::iter::once(item.as_bytes())),
                    }
                }
            }
            _ => world.deliver(client.id, first, counted.map(|s| s.item.as_bytes())),
        }
        self.ledger.queued -= amount;
        self.ledger.ahead += amount;
        if let Standing::Leased { until: Some(until) } = standing {
            self.note_end(key, first, count, until);
        }
        has_news
    }

    /// Returns deliveries from a number on, as the client says that it holds them no more.
    pub(super) fn give_back(
        &mut self,
        key: usize,
        from_seq: u64,
        world: &mut impl World,
    ) -> Result<Reply, Violation> {
        self.read_taken(key, world);
        let held = &self.clients[key].held;
        if from_seq < held.taken() || from_seq > held.next_seq() {
            return Err(Violation::WrongGiveBack);
        }
        self.unwant(key);
        let count = self.return_ahead(key, from_seq);
        Ok(Reply::Returned { count })
    }

    /// Puts what was delivered from a number on, and is not in user hands, back at the head.
    pub(super) fn return_ahead(&mut self, key: usize, from_seq: u64) -> u64 {
        let mut count = 0;
        while let Some(returned) = self.clients[key].held.pop_ahead(from_seq) {
            let amount = Amount::one(returned.stored.item.bytes());
            self.ledger.ahead -= amount;
            self.ledger.queued += amount;
            self.timing.note_settled(returned.was_timed);
            self.ready.put_back(returned.stored);
            count += 1;
        }
        count
    }

    /// Learns from its shared word what a client has handed to user code.
    pub(super) fn read_taken(&mut self, key: usize, world: &impl World) -> bool {
        let client = &mut self.clients[key];
        if !client.held.has_ahead() {
            return false;
        }
        let advance = client.held.advance(world.taken(client.id));
        self.ledger.ahead -= advance.gone + advance.leased;
        self.ledger.leased += advance.leased;
        advance.gone.items + advance.leased.items > 0
    }

    /// Learns from all; says whether any had taken something new.
    pub(super) fn read_all_taken(&mut self, world: &impl World) -> bool {
        let mut has_news = false;
        for (_, client) in self.clients.iter_mut() {
            if !client.held.has_ahead() {
                continue;
            }
            let advance = client.held.advance(world.taken(client.id));
            self.ledger.ahead -= advance.gone + advance.leased;
            self.ledger.leased += advance.leased;
            has_news |= advance.gone.items + advance.leased.items > 0;
        }
        has_news
    }

    /// Asks all who hold deliveries to tell of their next take, then learns from all.
    ///
    /// The mark comes first: a take that it came too late for is seen by the reading. A mark that is
    /// set, or whose `Took` is on its way, need not be set again.
    pub(super) fn read_all_taken_watched(&mut self, world: &mut impl World) -> bool {
        for (_, client) in self.clients.iter_mut() {
            if client.held.has_ahead() && !client.is_watched {
                client.is_watched = true;
                world.watch(client.id);
            }
        }
        self.read_all_taken(world)
    }
}

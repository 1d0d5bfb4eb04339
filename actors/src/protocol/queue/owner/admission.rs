//! The producers' side: puts, offers, credit and the close.
//!
//! A put for credit goes straight in. An offer waits in line until it fits, first come, first served
//! across clients by message. A client that has offers in line and puts for credit keeps its order: such
//! an item waits behind the offers, its credit back in the pool (reserved, it could bar the very
//! offer that it waits for), but as one that has been accepted: neither the close nor its producer's
//! death takes it away.
//!
//! Credit is lent when its owner has been heard from and has less than half of its share, and none is
//! lent while anybody is in line. It is not called back when room gets scarce: the unlent slots
//! keep everybody moving, and a revocation would reach an active producer at the very time
//! when the queue is full and a stopped one never. Only an item that could not come in even if the
//! queue were empty, because credit takes the bytes that it needs, makes the owner ask for it.
//!
//! No consumer is watched for the sake of credit alone: a producer that runs out offers, the
//! offer reads the words of all consumers, and the answer brings new credit along.

use super::super::wire::{Amount, Reason, Refusal, Reply, Run};
use super::item::{Item, Stored};
use super::limits::{MAX_OFFERED_BYTES, MAX_OFFERED_ITEMS};
use super::{ClientId, Owner, Violation, World};
use crate::fault::fault;

/// What came of a put without credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direct {
    Put,
    /// It does not fit, or others wait: it has to be offered.
    NoRoom,
    Closed,
}

impl Owner {
    /// Puts items for credit.
    ///
    /// They may come after the close: they were sent before the client knew, and they are taken.
    ///
    /// # Errors
    ///
    /// [`Violation::Overspent`] at the first item beyond the credit.
    pub(crate) fn put<I: Into<Item>>(
        &mut self,
        from: ClientId,
        items: impl IntoIterator<Item = I>,
        world: &mut impl World,
    ) -> Result<(), Violation> {
        let key = self.producer(from);
        let outcome = if self.clients[key].offers.is_empty() {
            self.put_ready(key, items)
        } else {
            self.put_behind(key, items)
        };
        self.settle_down(world);
        self.lend(key, world);
        outcome
    }

    /// Puts an item for a client that stands beside the owner: it needs no credit, and is lent none.
    ///
    /// It never passes those in line.
    pub(crate) fn put_directly(
        &mut self,
        from: ClientId,
        item: impl Into<Item>,
        world: &mut impl World,
    ) -> Direct {
        let key = self.producer(from);
        self.clients[key].is_beside = true;
        if self.is_closed {
            return Direct::Closed;
        }
        let stored = Stored::new(item);
        let bytes = stored.item.bytes();
        if !self.line.is_empty() {
            return Direct::NoRoom;
        }
        if !self.ledger.fits(bytes) {
            self.read_all_taken(world);
            if !self.ledger.fits(bytes) {
                return Direct::NoRoom;
            }
        }
        self.has_parcels |= stored.item.rights().is_some();
        self.ready.put(stored);
        self.ledger.queued += Amount::one(bytes);
        self.settle_down(world);
        Direct::Put
    }

    /// Offers items that the client has no credit for; each will be admitted or refused.
    ///
    /// # Errors
    ///
    /// [`Violation::TooManyOffers`] at the first item beyond what may wait.
    pub(crate) fn offer<I: Into<Item>>(
        &mut self,
        from: ClientId,
        items: impl IntoIterator<Item = I>,
        world: &mut impl World,
    ) -> Result<(), Violation> {
        let key = self.producer(from);
        let outcome = if self.is_closed {
            self.refuse_late(key, items.into_iter().count() as u64, world);
            Ok(())
        } else {
            self.line_up(key, items, world)
        };
        self.settle_down(world);
        outcome
    }

    /// The client's place, as one of those who share the credit.
    fn producer(&mut self, from: ClientId) -> usize {
        let key = self.clients.place(from);
        let client = &mut self.clients[key];
        if !client.is_producer {
            client.is_producer = true;
            self.producers += 1;
        }
        key
    }

    fn put_ready<I: Into<Item>>(
        &mut self,
        key: usize,
        items: impl IntoIterator<Item = I>,
    ) -> Result<(), Violation> {
        let mut left = self.clients[key].credit;
        let mut outcome = Ok(());
        for item in items {
            let stored = Stored::new(item);
            let cost = Amount::one(stored.item.bytes());
            if !left.covers(cost) {
                outcome = Err(Violation::Overspent);
                break;
            }
            left -= cost;
            self.has_parcels |= stored.item.rights().is_some();
            self.ready.put(stored);
        }
        let spent = self.clients[key].credit - left;
        self.clients[key].credit = left;
        self.ledger.lent -= spent;
        self.ledger.queued += spent;
        outcome
    }

    fn put_behind<I: Into<Item>>(
        &mut self,
        key: usize,
        items: impl IntoIterator<Item = I>,
    ) -> Result<(), Violation> {
        let arrival = self.next_arrival();
        let client = &mut self.clients[key];
        for item in items {
            let item = item.into();
            let cost = Amount::one(item.bytes());
            if !client.credit.covers(cost) {
                return Err(Violation::Overspent);
            }
            client.credit -= cost;
            self.ledger.lent -= cost;
            self.has_parcels |= item.rights().is_some();
            client.push_offer(item, arrival, None);
        }
        Ok(())
    }

    fn line_up<I: Into<Item>>(
        &mut self,
        key: usize,
        items: impl IntoIterator<Item = I>,
        world: &mut impl World,
    ) -> Result<(), Violation> {
        let arrival = self.next_arrival();
        let client = &mut self.clients[key];
        let was_in_line = !client.offers.is_empty();
        let mut outcome = Ok(());
        for item in items {
            let waiting = client.offered;
            if waiting.items >= MAX_OFFERED_ITEMS || waiting.bytes >= MAX_OFFERED_BYTES {
                outcome = Err(Violation::TooManyOffers);
                break;
            }
            let number = client.next_offer;
            client.next_offer += 1;
            let item = item.into();
            if item.bytes() > self.ledger.capacity.bytes {
                world.refused(client.id, Refusal { first: number, count: 1, reason: Reason::TooLarge });
            } else {
                self.has_parcels |= item.rights().is_some();
                client.push_offer(item, arrival, Some(number));
            }
        }
        if !was_in_line && !client.offers.is_empty() {
            self.line.insert(arrival, key);
        }
        outcome
    }

    fn refuse_late(&mut self, key: usize, count: u64, world: &mut impl World) {
        let client = &mut self.clients[key];
        let refusal = Refusal { first: client.next_offer, count, reason: Reason::Closed };
        client.next_offer += count;
        world.refused(client.id, refusal);
    }

    fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    /// Moves offers from the line into the queue while they fit.
    pub(super) fn admit(&mut self, world: &mut impl World) {
        while let Some((&arrival, &key)) = self.line.first_key_value() {
            let client = &mut self.clients[key];
            let mut below = None;
            while let Some(offer) =
                client.offers.pop_front_if(|o| o.arrival == arrival && self.ledger.fits(o.item.bytes()))
            {
                let amount = Amount::one(offer.item.bytes());
                self.ledger.queued += amount;
                if let Some(number) = offer.number {
                    client.offered -= amount;
                    below = Some(number + 1);
                }
                self.ready.put(Stored::new(offer.item));
            }
            if let Some(below) = below {
                world.admitted(client.id, below);
            }
            match client.offers.front().map(|offer| offer.arrival) {
                Some(next) if next == arrival => return,
                next => self.move_in_line(key, Some(arrival), next),
            }
        }
    }

    /// Puts the client where its oldest offer belongs, after that has changed.
    fn move_in_line(&mut self, key: usize, from: Option<u64>, to: Option<u64>) {
        if let Some(from) = from {
            self.line.remove(&from);
        }
        if let Some(to) = to {
            self.line.insert(to, key);
        } else if self.clients[key].is_alive {
            self.admitted.push(key);
        } else {
            self.clients.remove(key);
        }
    }

    /// Looks at the credit of those whose offers have all gone through.
    pub(super) fn lend_to_admitted(&mut self, world: &mut impl World) {
        if self.line.is_empty() {
            while let Some(key) = self.admitted.pop() {
                self.lend(key, world);
            }
        } else {
            // Room is scarce: these will offer again, and be looked at then.
            self.admitted.clear();
        }
    }

    /// Lends the client more, if it has little and there is room beyond the unlent slots.
    fn lend(&mut self, key: usize, world: &mut impl World) {
        let Some(client) = self.clients.get(key) else {
            return;
        };
        let (credit, producers) = (client.credit, self.producers);
        let is_barred = !client.is_alive || client.is_revoking || !client.is_producer || client.is_beside;
        if is_barred || self.is_closed || !self.line.is_empty() {
            return;
        }
        if !self.ledger.may_deserve_credit(credit, producers) {
            return;
        }
        self.read_all_taken(world);
        let loan = self.ledger.top_up(credit, producers);
        if loan == Amount::ZERO {
            return;
        }
        let client = &mut self.clients[key];
        client.credit += loan;
        self.ledger.lent += loan;
        world.grant(client.id, loan);
    }

    /// Asks for all credit back if the first in line could never come in beside it.
    pub(super) fn revoke_for_line(&mut self, world: &mut impl World) {
        let Some((_, &key)) = self.line.first_key_value() else {
            return;
        };
        let first = self.clients[key].offers.front();
        let is_barred = first.is_some_and(|o| self.ledger.barred_by_credit(o.item.bytes()));
        if !is_barred {
            return;
        }
        for (_, client) in self.clients.iter_mut() {
            if client.credit != Amount::ZERO && !client.is_revoking {
                client.is_revoking = true;
                world.revoke(client.id);
            }
        }
    }

    /// Takes credit back from a client. What it names is exact, as grants may be on their way to it.
    pub(super) fn surrender(&mut self, key: usize, credit: Amount) -> Result<(), Violation> {
        let client = &mut self.clients[key];
        if !client.credit.covers(credit) {
            return Err(Violation::OverSurrendered);
        }
        client.credit -= credit;
        client.is_revoking = false;
        self.ledger.lent -= credit;
        Ok(())
    }

    pub(super) fn withdraw(&mut self, key: usize, run: Run) -> Reply {
        let count = self.drop_offers(key, run);
        Reply::Withdrawn { count }
    }

    fn drop_offers(&mut self, key: usize, run: Run) -> u64 {
        let client = &mut self.clients[key];
        let before = client.offers.front().map(|offer| offer.arrival);
        let count = client.drop_offers(run);
        let after = client.offers.front().map(|offer| offer.arrival);
        if before != after {
            self.move_in_line(key, before, after);
        }
        count
    }

    /// Refuses what waits in line and tells everybody; what was accepted stays.
    pub(super) fn close(&mut self, world: &mut impl World) -> Reply {
        if self.is_closed {
            return Reply::Closed;
        }
        self.is_closed = true;
        let everything = Run { first: 0, count: u64::MAX };
        let in_line: Vec<usize> = self.line.values().copied().collect();
        for key in in_line {
            let client = &self.clients[key];
            let id = client.id;
            let first = client.offers.iter().find_map(|offer| offer.number);
            let count = self.drop_offers(key, everything);
            if let Some(first) = first {
                let reason = Reason::Closed;
                world.refused(id, Refusal { first, count, reason });
            }
        }
        for (_, client) in self.clients.iter_mut() {
            if client.is_alive {
                client.is_revoking = true;
                world.closed(client.id);
            }
        }
        Reply::Closed
    }

    /// Takes back the credit and the offers of a client that is gone.
    pub(super) fn stop_producing(&mut self, key: usize) {
        let client = &mut self.clients[key];
        fault!(CreditNotReturned, client.credit = Amount::ZERO);
        self.ledger.lent -= std::mem::take(&mut client.credit);
        if client.is_producer {
            client.is_producer = false;
            self.producers -= 1;
        }
        let mut left = std::mem::take(&mut client.offers);
        let before = left.front().map(|offer| offer.arrival);
        left.retain(|offer| offer.number.is_none());
        let after = left.front().map(|offer| offer.arrival);
        client.offers = left;
        client.offered = Amount::ZERO;
        if before != after {
            if let Some(before) = before {
                self.line.remove(&before);
            }
            if let Some(after) = after {
                self.line.insert(after, key);
            }
        }
    }
}

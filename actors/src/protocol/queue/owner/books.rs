//! What holds in an owner after every message, whoever sent it: its books agree with each other, and nobody waits beside what is theirs.

use std::collections::BTreeMap;

use super::super::wire::Amount;
use super::Owner;
use super::item::Stored;

fn sum<'a>(items: impl Iterator<Item = &'a Stored>) -> Amount {
    let amounts = items.map(|stored| Amount::one(stored.item.bytes()));
    amounts.fold(Amount::ZERO, |sum, one| sum + one)
}

impl Owner {
    /// # Panics
    ///
    /// If something does not hold.
    pub(in crate::protocol::queue) fn check(&self) {
        self.check_ledger();
        self.check_lines();
        let ends = self.clients.iter().flat_map(|(_, c)| c.held.ends());
        let delays = self.timing.delayed.keys().map(|(at, _)| *at);
        if let Some(first) = ends.chain(delays).min() {
            let told = self.next_deadline().expect("something ends");
            assert!(told <= first, "it would end too late");
        }
    }

    pub(super) fn queued(&self) -> impl Iterator<Item = &Stored> {
        self.ready.iter().chain(self.timing.delayed.values())
    }

    fn check_ledger(&self) {
        let ledger = &self.ledger;
        let held = || self.clients.iter().flat_map(|(_, c)| c.held.inventory());
        let ahead = || held().filter(|held| !held.1.is_in_hand()).map(|held| held.2);
        let in_hand = held().filter(|held| held.1.is_in_hand());
        assert_eq!(ledger.queued, sum(self.queued()));
        assert_eq!(ledger.ahead, sum(ahead()));
        assert_eq!(ledger.leased, sum(in_hand.map(|held| held.2)));
        let credit = self.clients.iter().map(|(_, c)| c.credit);
        assert_eq!(ledger.lent, credit.fold(Amount::ZERO, |sum, one| sum + one));
        // What came back from user hands has no slot of its own.
        let came_back = self.queued().chain(ahead()).filter(|s| s.attempts > 0).count() as u64;
        let within = Amount { items: ledger.capacity.items.saturating_add(came_back), ..ledger.capacity };
        let leased = Amount { items: 0, ..ledger.leased };
        let used = ledger.queued + ledger.ahead + ledger.lent + leased;
        assert!(within.covers(used), "{used:?} in {within:?}");
    }

    fn check_lines(&self) {
        let mut line = BTreeMap::new();
        let mut waiting = Vec::new();
        let mut producers = 0;
        for (key, client) in self.clients.iter() {
            let offers = &client.offers;
            assert!(client.is_alive || offers.iter().all(|o| o.number.is_none()));
            assert!(client.is_alive || !offers.is_empty(), "nobody is kept for nothing");
            if let Some(first) = offers.front() {
                line.insert(first.arrival, key);
            }
            if !client.demand.is_empty() {
                waiting.push(key);
            }
            producers += u64::from(client.is_producer);
        }
        assert_eq!(self.producers, producers);
        assert_eq!(self.line, line);
        let mut listed: Vec<usize> = self.waiting.iter().copied().collect();
        listed.sort_unstable();
        assert_eq!(listed, waiting);
        let is_served = self.ready.is_empty() || waiting.is_empty();
        assert!(is_served, "somebody waits while there are items");
        assert!(self.joiners.iter().all(|joiner| self.clients.get(joiner.key).is_some()));
    }
}

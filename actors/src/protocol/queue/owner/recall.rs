//! Calling back what consumers have prefetched and do not take, while others wait.
//!
//! A consumer asks ahead for what it drained in a moment, and may then turn to something else. Its items
//! must not wait with it when another consumer would take them.

use super::{ClientId, Owner, World};

impl Owner {
    /// Whether somebody waits beside items that were delivered to others and not taken yet, and something can be done.
    pub(crate) fn is_starving(&self) -> bool {
        self.ledger.ahead.items > 0
            && !self.all_are_recalled
            && self.ready.is_empty()
            && self.waiting.iter().any(|&key| self.clients[key].held.ahead() < self.ledger.ahead.items)
    }

    /// The consumers that hold deliveries and have taken nothing since this was asked last.
    ///
    /// Each is to be told to give back what it has not taken. One that is told and stopped is not told again: it answers
    /// when it goes on, or dies.
    pub(crate) fn idle_holders(&mut self, world: &impl World) -> Vec<ClientId> {
        self.read_all_taken(world);
        let mut idle = Vec::new();
        self.all_are_recalled = true;
        for (_, client) in self.clients.iter_mut() {
            let taken = client.held.taken();
            let holds = client.held.has_ahead() && client.is_alive;
            let is_idle = holds && client.seen_taken == Some(taken);
            if is_idle && !client.is_recalled {
                idle.push(client.id);
            }
            client.is_recalled = is_idle;
            client.seen_taken = holds.then_some(taken);
            self.all_are_recalled &= is_idle || !holds;
        }
        idle
    }
}

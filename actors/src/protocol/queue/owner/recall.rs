//! Calling back what consumers have prefetched and do not take, while others wait.
//!
//! A consumer asks ahead for what it drained in a moment, and may then turn to something else. Its items
//! must not wait with it when another consumer would take them.

use super::{ClientId, Owner, World};

impl Owner {
    /// Whether somebody waits beside items that were delivered to others and not taken yet.
    pub(crate) fn is_starving(&self) -> bool {
        self.ledger.ahead.items > 0
            && self.ready.is_empty()
            && self.waiting.iter().any(|&key| self.clients[key].held.ahead() < self.ledger.ahead.items)
    }

    /// The consumers that hold deliveries and have taken nothing since this was asked last.
    ///
    /// Each is to be told to give back what it has not taken.
    pub(crate) fn idle_holders(&mut self, world: &impl World) -> Vec<ClientId> {
        self.read_all_taken(world);
        let mut idle = Vec::new();
        for (_, client) in self.clients.iter_mut() {
            let taken = client.held.taken();
            if client.held.has_ahead() && client.is_alive && client.seen_taken == Some(taken) {
                idle.push(client.id);
            }
            client.seen_taken = client.held.has_ahead().then_some(taken);
        }
        idle
    }
}

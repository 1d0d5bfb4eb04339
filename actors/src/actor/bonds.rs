//! What only some actors have: who watches them, to whom they are linked, timers. Plain data under their cell's lock.

use std::collections::HashSet;
use std::time::Instant;

use callboard_core::limits::MAX_AWAITED_ENDS_PER_NODE;
use callboard_core::{Address, NodeId, TimerKey, Timers};

use super::exit::Exit;
use super::in_hand::Held;
use super::watch::Watcher;

#[derive(Default)]
pub(super) struct Bonds {
    pub(super) watchers: Vec<Watcher>,
    pub(super) links: HashSet<Address>,
    /// The numbers of its timers, by when they are due.
    pub(super) timers: Timers<u64>,
    /// When its node's loop will look at them.
    pub(super) ticks_at: Option<(Instant, TimerKey)>,
    /// How it is to end, if it is to exit.
    pub(super) why: Option<Exit>,
    pub(super) last_exit: Option<Exit>,
    /// The message it had in hand when it failed.
    pub(super) in_hand: Option<Held>,
    /// Requests to exit that wait, as it traps them.
    pub(super) exits_waiting: u64,
}

impl Bonds {
    /// A node has ended, and with it those there who watch.
    pub(super) fn watcher_ended(&mut self, node: NodeId) {
        self.watchers.retain(|watcher| watcher.node() != Some(node));
    }

    /// Why that node can't be sound, which watches or links too much.
    pub(super) fn fault_of(&self, node: NodeId) -> Option<String> {
        const MOST: usize = MAX_AWAITED_ENDS_PER_NODE;
        let watchers = || self.watchers.iter().filter(|watcher| watcher.node() == Some(node)).count();
        if self.watchers.len() > MOST && watchers() > MOST {
            return Some(format!("more than {MOST} watches of one node over one actor"));
        }
        let links = || self.links.iter().filter(|other| other.node == node).count();
        (self.links.len() > MOST && links() > MOST)
            .then(|| format!("more than {MOST} links of one node to one actor"))
    }

    /// Takes out the timers that are due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| self.timers.pop_due(now)).collect()
    }

    pub(super) fn cancel(&mut self, timer: TimerKey) {
        self.timers.cancel(timer);
    }
}

#[cfg(test)]
mod tests {
    use callboard_core::Slot;

    use super::*;

    #[test]
    fn links_of_one_node_to_one_actor_have_a_limit() {
        let [one, two] = [1, 2].map(|id| NodeId::new(id).unwrap());
        let link = |node, index| Address { node, slot: Slot { index, generation: 1 } };
        let mut bonds = Bonds::default();
        bonds.links.insert(link(two, 0));
        bonds.links.extend((0..MAX_AWAITED_ENDS_PER_NODE as u32).map(|index| link(one, index)));
        assert_eq!((bonds.fault_of(one), bonds.fault_of(two)), (None, None));
        bonds.links.insert(link(one, u32::MAX));
        assert!(bonds.fault_of(one).is_some_and(|fault| fault.contains("links of one node")));
        assert_eq!(bonds.fault_of(two), None);
    }
}

//! What only some actors have: who watches them, to whom they are linked, timers. Plain data under their cell's lock.

use std::collections::HashSet;
use std::time::Instant;

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

    /// Takes out the timers that are due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| self.timers.pop_due(now)).collect()
    }

    pub(super) fn cancel(&mut self, timer: TimerKey) {
        self.timers.cancel(timer);
    }
}

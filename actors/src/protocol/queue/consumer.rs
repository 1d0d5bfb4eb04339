//! Getting, as far as it happens on the getter's node: demand, prefetched items, and the count of those taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use callboard_core::{BodyError, ByteStrings};
use callboard_ipc::Counter;
use parking_lot::{Mutex, MutexGuard};

use super::inbox::{Form, Inbox};
use super::line::Line;
use super::wire::Terms;
use crate::hook::{Hook, Hooks};
use crate::parcel::Rights;
use crate::wait::Waiter;

/// The most leases that user code on one node may hold of a queue: half of what the owner allows, which counts those on
/// their way too.
const MAX_LEASES: u64 = 32_768;
/// The most items a node prefetches of one queue.
const MAX_WINDOW: u64 = 4096;
/// The most bytes a node aims to have prefetched of one queue.
const MAX_WINDOW_BYTES: u64 = 256 * 1024;
/// A node prefetches what it drains in this time and no more, so that slow items are never hoarded.
const WINDOW_TIME: Duration = Duration::from_millis(1);

/// Why there is no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoItem {
    Nothing,
    Ended,
    CutOff,
    Unresponsive,
    TooManyQueues,
}

/// An item that was popped: its sequence number, the number of its attempt, and the descriptors in it.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) seq: u64,
    pub(super) attempt: u32,
    pub(super) rights: Rights,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) inbox: Inbox,
    pub(super) taken: u64,
    /// Asked for and not delivered yet.
    pub(super) wanted: u64,
    pub(super) window: u64,
    /// More is asked for than is waited for.
    prefetches: bool,
    /// On which terms items were last asked for.
    pub(super) terms: Terms,
    /// When items were last asked for, and how many had been taken then.
    pub(super) asked: Option<(Instant, u64)>,
    /// A give-back is under way: deliveries until its reply are for nobody here.
    pub(super) is_returning: bool,
    /// How often the owner has said that nothing is left but what this node holds.
    pub(super) ends: u64,
    pub(super) is_cut_off: bool,
    /// Threads in `get`: for each item that comes one is notified, and takes it.
    pub(super) getters: VecDeque<Arc<Waiter>>,
    /// Those who wait for this among other things. Whether they take an item is not known, so all are notified, and getters
    /// besides.
    pub(super) watchers: Hooks,
    pub(super) joiners: Vec<(u64, Hook)>,
    pub(super) next_join: u64,
    pub(super) attached: Attached,
}

/// How the owner learns what has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    NotYet,
    /// By `own`: the owner is on this node.
    Here,
    /// By this counter of the link page.
    Link(u32),
}

/// Threads of this node that get from one queue.
#[derive(Debug)]
pub(super) struct Consumer {
    own: Counter,
    /// How many leases user code holds.
    leases: AtomicU64,
    state: Mutex<State>,
}

impl Consumer {
    pub(super) fn new(form: Form, prefetches: bool) -> Self {
        Self {
            own: Counter { taken: AtomicU64::new(0), finished: AtomicU64::new(0), poke: AtomicU32::new(0) },
            leases: AtomicU64::new(0),
            state: Mutex::new(State {
                inbox: Inbox::new(form),
                taken: 0,
                wanted: 0,
                window: 1,
                prefetches,
                terms: Terms::Taken,
                asked: None,
                is_returning: false,
                ends: 0,
                is_cut_off: false,
                getters: VecDeque::new(),
                watchers: Hooks::default(),
                joiners: Vec::new(),
                next_join: 0,
                attached: Attached::NotYet,
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The counter for an owner on this node.
    pub(super) fn own_counter(&self) -> &Counter {
        &self.own
    }

    /// User code has one lease more; false if it has as many as it may.
    pub(super) fn hold(&self) -> bool {
        // A plain count: nothing else is read by it.
        let may = self.leases.fetch_add(1, Relaxed) < MAX_LEASES;
        if !may {
            self.let_go();
        }
        may
    }

    /// User code has one lease less.
    pub(super) fn let_go(&self) {
        self.leases.fetch_sub(1, Relaxed);
    }

    // ---- what the owner says ---------------------------------------------------------------------

    /// Takes a delivery from an owner on this node.
    pub(super) fn delivered(&self, fill: impl FnOnce(&mut Inbox) -> usize, woken: &mut Vec<Hook>) {
        let mut state = self.state.lock();
        let count = fill(&mut state.inbox);
        state.arrived(count, woken);
    }

    /// Takes a delivery from another node.
    pub(super) fn received(
        &self,
        body: &[u8],
        rights: Rights,
        woken: &mut Vec<Hook>,
    ) -> Result<(), BodyError> {
        let mut state = self.state.lock();
        if !state.is_returning {
            let mut items = ByteStrings::new(body);
            let count = match (rights.is_empty(), items.next(), items.next()) {
                (true, ..) => state.inbox.extend(body)?,
                (false, Some(item), None) if !state.inbox.is_leased() => {
                    state.inbox.extend_parcel(item?, rights)
                }
                // Descriptors come with one item alone, and not with leased ones.
                _ => return Err(BodyError::NotByteStrings(0)),
            };
            state.arrived(count, woken);
        }
        Ok(())
    }

    pub(super) fn ended(&self, woken: &mut Vec<Hook>) {
        let mut state = self.state.lock();
        state.ends += 1;
        state.wanted = 0;
        state.wake_all(woken);
    }

    pub(super) fn joined(&self, token: u64, woken: &mut Vec<Hook>) {
        let mut state = self.state.lock();
        if let Some(at) = state.joiners.iter().position(|(joiner, _)| *joiner == token) {
            woken.push(state.joiners.swap_remove(at).1);
        }
    }

    pub(super) fn cut_off(&self, woken: &mut Vec<Hook>) {
        let mut state = self.state.lock();
        state.is_cut_off = true;
        state.wake_all(woken);
        woken.extend(state.joiners.drain(..).map(|(_, waiter)| waiter));
    }

    /// Gives the counter back, once the owner reads it no more.
    pub(super) fn release_counter(&self, line: &Line) {
        let attached = self.state.lock().attached;
        if let (Attached::Link(index), Some(peer)) = (attached, line.peer()) {
            peer.release_counter(index);
        }
    }
}

impl State {
    fn arrived(&mut self, count: usize, woken: &mut Vec<Hook>) {
        self.wanted = self.wanted.saturating_sub(count as u64);
        if count == 0 {
            return;
        }
        let wakes = count.min(self.getters.len());
        if wakes > 0 {
            woken.extend(self.getters.drain(..wakes).map(|getter| getter as Hook));
        }
        if self.watchers.len() > 0 {
            woken.extend(self.watchers.take());
        }
    }

    /// Has everybody look again.
    pub(super) fn wake_all(&mut self, woken: &mut Vec<Hook>) {
        woken.extend(self.getters.drain(..).map(|getter| getter as Hook));
        woken.extend(self.watchers.take());
    }

    /// How many wait for an item.
    pub(super) fn waiting(&self) -> u64 {
        (self.getters.len() + self.watchers.len()) as u64
    }

    /// How many items to ask for now, none if enough are here or on their way.
    ///
    /// `waiting` threads have nothing. The window follows the rate at which items were taken since they were last asked
    /// for: it holds what is taken in `WINDOW_TIME`, at most doubles at a time, and starts at one.
    pub(super) fn demand(&mut self, waiting: u64) -> u64 {
        let here = self.inbox.len() as u64 + self.wanted;
        if here >= waiting.max(self.window.div_ceil(2)) {
            return 0;
        }
        if !self.prefetches {
            let count = waiting.saturating_sub(here);
            self.wanted += count;
            return count;
        }
        let now = Instant::now();
        if let Some((asked, taken)) = self.asked {
            let spent = (now - asked).as_nanos().max(1);
            let rate = u128::from(self.taken - taken) * WINDOW_TIME.as_nanos() / spent;
            let fits = match self.inbox.len() as u64 {
                0 => MAX_WINDOW,
                len => MAX_WINDOW_BYTES * len / (self.inbox.bytes() as u64).max(1),
            };
            let rate = u64::try_from(rate).unwrap_or(u64::MAX);
            self.window = rate.clamp(1, (self.window * 2).min(MAX_WINDOW).min(fits.max(1)));
        }
        self.asked = Some((now, self.taken));
        let count = self.window.max(waiting).saturating_sub(here);
        self.wanted += count;
        count
    }

    /// Why there will be no item any more, if so.
    pub(super) fn over(&self) -> Option<NoItem> {
        // What this node holds on a lease may come back, and then there is something after all.
        if self.ends > 0 && !self.inbox.is_leased() {
            return Some(NoItem::Ended);
        }
        self.is_cut_off.then_some(NoItem::CutOff)
    }
}

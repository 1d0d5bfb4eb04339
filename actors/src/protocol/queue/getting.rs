//! The verbs that take items, as they run on the getter's thread.
//!
//! State is looked at and changed under the consumer's lock; the owner is told after it is released.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use callboard_ipc::Counter;
use parking_lot::MutexGuard;

use super::client::Client;
use super::consumer::{Attached, NoItem, State, Taken};
use super::error::QueueError;
use super::line::Line;
use super::producer::ROUND_TRIP;
use super::wire::{Reply, Terms, ToOwner};
use crate::hook::Hook;
use crate::runtime::Runtime;
use crate::standing::Sought;
use crate::wait::Waiter;

/// What a `get` does after the state is unlocked.
#[derive(Debug, Default)]
pub(super) struct Errands {
    pub(super) want: u64,
    took: bool,
    /// The last item has gone to this thread, and others still wait.
    leaves_waiting: bool,
}

impl Client {
    /// Pops an item into `into`, and counts it as taken; what to tell the owner goes to `errands`.
    #[inline(always)]
    fn pop(&self, state: &mut State, into: &mut Vec<u8>, errands: &mut Errands) -> Option<Taken> {
        let (attempt, rights) = state.inbox.pop(into)?;
        let seq = state.taken;
        state.taken += 1;
        // Counted while locked: with two getters the count must rise in the order of the items. It is what the
        // owner believes after a death: from here on the item is user code's.
        errands.took = self.count(state.attached, state.taken);
        // The owner's copies of descriptors would keep what they belong to open beyond its new holder's death.
        errands.took |= !rights.is_empty();
        errands.leaves_waiting = state.inbox.len() == 0 && state.waiting() > 0;
        Some(Taken { seq, attempt, rights })
    }

    /// Publishes how many items have been taken; whether the owner asked to be told.
    fn count(&self, attached: Attached, taken: u64) -> bool {
        // Ordering: `taken` before `poke`, both sequentially consistent, against the owner's `poke` before `taken`.
        let publish = |counter: &Counter| {
            counter.taken.store(taken, SeqCst);
            counter.poke.load(SeqCst) != 0 && counter.poke.swap(0, SeqCst) != 0
        };
        match (attached, &self.line) {
            (Attached::Link(index), Line::There { peer, .. }) => {
                let link = peer.connection().map(|connection| connection.link());
                link.and_then(|link| link.counter(link.side(), index)).is_some_and(publish)
            }
            _ => publish(self.consumer.own_counter()),
        }
    }

    #[inline(always)]
    pub(super) fn run_errands(self: &Arc<Self>, runtime: &Arc<Runtime>, errands: &Errands, terms: Terms) {
        // As after nearly every item.
        if errands.took || errands.want > 0 || errands.leaves_waiting {
            self.run_some(runtime, errands, terms);
        }
    }

    fn run_some(self: &Arc<Self>, runtime: &Arc<Runtime>, errands: &Errands, terms: Terms) {
        if errands.took {
            self.line.say(runtime, self, ToOwner::Took);
        }
        if errands.want > 0 {
            self.line.say(runtime, self, ToOwner::Want { count: errands.want, terms });
        }
        if errands.took || errands.want > 0 {
            self.line.flush_by_need(runtime);
        }
        if let (true, Some(peer)) = (errands.leaves_waiting, self.line.peer()) {
            // They looked before this item was taken; what came behind it may be held back for its sake.
            peer.fetch_what_is_held_back(runtime);
        }
    }

    /// Moves the next item into `into`, waiting for one until `deadline`; none waits for ever.
    pub(super) fn get(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        into: &mut Vec<u8>,
        terms: Terms,
        deadline: Option<Instant>,
    ) -> Result<Taken, NoItem> {
        let mut waiter = None;
        let mut ends = None;
        loop {
            let mut errands = Errands::default();
            let mut state = self.consumer.lock();
            if state.terms != terms {
                self.change_terms(runtime, state, terms);
                continue;
            }
            if let Some(taken) = self.pop(&mut state, into, &mut errands) {
                if !state.is_returning && state.window > 1 && state.over().is_none() {
                    errands.want = state.demand(0);
                }
                drop(state);
                self.run_errands(runtime, &errands, terms);
                return Ok(taken);
            }
            if let Some(over) = state.over() {
                return Err(over);
            }
            if ends.is_some_and(|before| before != state.ends) {
                return Err(NoItem::Ended);
            }
            if deadline.is_some_and(|at| at <= Instant::now()) {
                self.stop_wanting(runtime, state);
                return Err(NoItem::Nothing);
            }
            if state.attached == Attached::NotYet {
                drop(state);
                self.attach(runtime, deadline)?;
                continue;
            }
            let waiter = waiter.get_or_insert_with(Waiter::new);
            waiter.reset();
            state.getters.push_back(Arc::clone(waiter));
            ends = Some(state.ends);
            if !state.is_returning {
                let waiting = state.waiting();
                errands.want = state.demand(waiting);
            }
            drop(state);
            self.run_errands(runtime, &errands, terms);
            let sought = Sought::object("an item from", "queue", self.queue);
            runtime.wait(waiter, deadline, self.line.peer(), sought);
            self.consumer.lock().getters.retain(|other| !Arc::ptr_eq(other, waiter));
        }
    }

    /// Returns what was asked for on other terms than those wanted now.
    fn change_terms(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        mut state: MutexGuard<'_, State>,
        terms: Terms,
    ) {
        state.terms = terms;
        let nothing_asked = state.wanted == 0 && state.inbox.len() == 0;
        if state.is_returning || nothing_asked {
            return;
        }
        self.start_giving_back(runtime, state);
    }

    /// A getter gives up: if it was the last, what it asked for goes back, so that nobody else waits for it.
    pub(super) fn stop_wanting(self: &Arc<Self>, runtime: &Arc<Runtime>, state: MutexGuard<'_, State>) {
        if state.waiting() > 0 || state.wanted == 0 || state.is_returning {
            return;
        }
        self.start_giving_back(runtime, state);
    }

    /// Returns everything that is here or on its way.
    fn start_giving_back(self: &Arc<Self>, runtime: &Arc<Runtime>, mut state: MutexGuard<'_, State>) {
        state.is_returning = true;
        state.inbox.clear();
        let from_seq = state.taken;
        drop(state);
        let this = Arc::clone(self);
        self.line.ask_then(runtime, self, ToOwner::GiveBack { from_seq }, move |_, _| {
            let mut state = this.consumer.lock();
            state.inbox.clear();
            state.is_returning = false;
            state.wanted = 0;
            let mut woken = Vec::new();
            state.wake_all(&mut woken);
            drop(state);
            // Those who came in the meantime ask anew.
            woken.iter().for_each(|hook| hook.notify());
        });
        self.line.flush_by_need(runtime);
    }

    /// The owner calls back what this node has prefetched, since others wait and nobody here takes it.
    pub(super) fn recall(self: &Arc<Self>, runtime: &Arc<Runtime>) {
        let mut state = self.consumer.lock();
        if state.is_returning || state.inbox.len() == 0 {
            return;
        }
        state.window = 1;
        self.start_giving_back(runtime, state);
    }

    /// Moves an item into `into` if there is one now; one round trip to the owner at most.
    pub(super) fn try_get(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        into: &mut Vec<u8>,
        terms: Terms,
    ) -> Result<Taken, NoItem> {
        let deadline = Instant::now().checked_add(ROUND_TRIP);
        if self.consumer.lock().attached == Attached::NotYet {
            match self.attach(runtime, deadline) {
                Err(NoItem::Nothing) => return Err(NoItem::Unresponsive),
                other => other?,
            }
        }
        let state = self.consumer.lock();
        if state.terms != terms {
            self.change_terms(runtime, state, terms);
        } else {
            drop(state);
        }
        if let Some(taken) = self.pop_one(runtime, into, terms)? {
            return Ok(taken);
        }
        let answer = self.line.ask(runtime, self, ToOwner::Fetch { max: 1, terms }, deadline);
        if let Some(taken) = self.pop_one(runtime, into, terms)? {
            return Ok(taken);
        }
        match answer {
            Ok(Reply::Fetched { ended: true, .. }) => Err(NoItem::Ended),
            Ok(_) => Err(NoItem::Nothing),
            Err(QueueError::Disconnected) => Err(NoItem::CutOff),
            Err(QueueError::Unresponsive) => Err(NoItem::Unresponsive),
        }
    }

    /// Has the owner send up to `count` items that are there now. What comes of it is to be seen here.
    pub(super) fn fetch(self: &Arc<Self>, runtime: &Arc<Runtime>, count: u64) {
        let deadline = Instant::now().checked_add(ROUND_TRIP);
        // An owner that does not answer, or is gone, is the business of the next wait.
        let _ = self.line.ask(runtime, self, ToOwner::Fetch { max: count, terms: Terms::Taken }, deadline);
    }

    /// Moves an item into `into` if one is here.
    pub(super) fn get_here(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        into: &mut Vec<u8>,
        terms: Terms,
    ) -> Option<Taken> {
        self.pop_one(runtime, into, terms).ok().flatten()
    }

    fn pop_one(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        into: &mut Vec<u8>,
        terms: Terms,
    ) -> Result<Option<Taken>, NoItem> {
        let mut errands = Errands::default();
        let mut state = self.consumer.lock();
        let taken = self.pop(&mut state, into, &mut errands);
        if let (None, Some(over)) = (&taken, state.over()) {
            return Err(over);
        }
        drop(state);
        self.run_errands(runtime, &errands, terms);
        Ok(taken)
    }

    /// Gets a counter in which the owner can see what is taken, also after this process was killed.
    pub(super) fn attach(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        deadline: Option<Instant>,
    ) -> Result<(), NoItem> {
        let attached = match &self.line {
            Line::Here(_) => Attached::Here,
            Line::There { peer, .. } => {
                if !peer.wait_connected(runtime, deadline) {
                    return Err(if peer.has_ended() { NoItem::CutOff } else { NoItem::Nothing });
                }
                Attached::Link(peer.reserve_counter().ok_or(NoItem::TooManyQueues)?)
            }
            Line::Cut => return Err(NoItem::CutOff),
        };
        let mut state = self.consumer.lock();
        if state.attached != Attached::NotYet {
            drop(state);
            if let (Attached::Link(index), Some(peer)) = (attached, self.line.peer()) {
                peer.release_counter(index);
            }
            return Ok(());
        }
        state.attached = attached;
        if let Attached::Link(index) = attached {
            self.line.attach(runtime, self, index);
        }
        Ok(())
    }

    /// Waits until everything put has been settled; whether that came to pass before `deadline`.
    pub(super) fn join(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        deadline: Option<Instant>,
    ) -> Result<bool, NoItem> {
        let waiter = Waiter::new();
        let token = {
            let mut state = self.consumer.lock();
            if state.is_cut_off {
                return Err(NoItem::CutOff);
            }
            state.next_join += 1;
            let token = state.next_join;
            state.joiners.push((token, Arc::clone(&waiter) as Hook));
            token
        };
        self.line.say(runtime, self, ToOwner::Join { token });
        let sought = Sought::object("the last acknowledgement of", "queue", self.queue);
        let joined = runtime.wait(&waiter, deadline, self.line.peer(), sought);
        if !joined {
            self.line.say(runtime, self, ToOwner::Unjoin { token });
            self.line.flush_by_need(runtime);
        }
        let mut state = self.consumer.lock();
        state.joiners.retain(|(other, _)| *other != token);
        if state.is_cut_off { Err(NoItem::CutOff) } else { Ok(joined) }
    }
}

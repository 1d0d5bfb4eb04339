//! The table of who works on what: which tasks wait, which worker holds which, and what follows from a worker's end.
//!
//! A pure machine: submissions, reports, ends and the time go in, and what is to be done comes out through a [`World`].
//!
//! A unit waits, then is held by one worker, and is settled once: with values, or with an error for each of its tasks. A
//! worker is given more than one task ahead only as far as these take a millisecond, and gives back what it has not begun
//! when another worker has nothing to do. When it dies, words in shared memory say which task it had in hand: that one has
//! failed or is tried again, by its own terms; those that had not begun wait again, at the head, as if nothing had been.
//! A task that had returned without its value having come fails too: it is not run a second time unless its terms say so.

mod deaths;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod giving;
mod lending;
mod life;
mod telling;
#[cfg(test)]
mod tests;
mod time;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use callboard_core::{Slot, Slots};

use super::crew::{Member, Phase, Progress, WorkerId};
use super::retry::{FailureKind, Tries};
use super::work::{Outcomes, Terms, Work};

pub(super) use self::deaths::Death;
#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzing::run as fuzz;
pub(super) use self::lending::Wanted;

/// How the pool keeps its workers.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) min: usize,
    pub(super) max: usize,
    /// How long a worker beyond the least number stays without work.
    pub(super) idle_for: Option<Duration>,
    /// How many tasks a worker does in its life.
    pub(super) tasks_a_life: Option<u64>,
    /// How long it lives.
    pub(super) life: Option<Duration>,
    /// How much may wait before whoever submits has to.
    pub(super) capacity: usize,
    pub(super) capacity_bytes: usize,
}

/// Whoever hears what came of a unit.
pub(super) trait Hears: Clone {
    /// Whether the other is the same one.
    fn is(&self, other: &Self) -> bool;
}

/// What the table does to the rest. Called with the cell locked.
pub(super) trait World<S> {
    /// Starts a worker; `ready` or `failed_start` follows.
    fn start(&mut self, worker: WorkerId);
    /// Gives a worker work, whose first task has the number `at`.
    fn give(&mut self, worker: WorkerId, at: u64, work: &Work);
    /// Asks a worker for up to `count` units back that it has not begun, the last ones first; `recalled` follows.
    fn recall(&mut self, worker: WorkerId, count: u32);
    /// Asks for one unit back.
    fn recall_one(&mut self, worker: WorkerId, at: u64);
    /// Takes one unit back from a worker in this process, if it has not begun to look at it; whether it could.
    fn take(&mut self, worker: WorkerId, at: u64) -> bool;
    /// Has a worker write what it has; `flushed` follows.
    fn flush(&mut self, worker: WorkerId);
    /// Has a worker end when it has nothing more to do; `ended` follows.
    fn finish(&mut self, worker: WorkerId);
    /// Ends a worker now; `ended` follows.
    fn kill(&mut self, worker: WorkerId);
    fn progress(&mut self, worker: WorkerId) -> Progress;
    /// Tells what came of tasks from the one numbered `first` on in the eyes of `sink`.
    fn settle(&mut self, sink: &S, first: u64, outcomes: Outcomes);
    /// There is room again, or the pool's state has changed otherwise.
    fn changed(&mut self);
}

/// Where a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Waiting,
    /// It is tried again then.
    Later(Instant),
    Held(WorkerId, u64),
}

#[derive(Debug)]
pub(super) struct Unit<S> {
    pub(super) work: Work,
    pub(super) terms: Terms,
    /// How many times its task has been tried and has failed.
    pub(super) tries: Tries,
    pub(super) sink: S,
    pub(super) first: u64,
    pub(super) place: Place,
    pub(super) wish: Wish,
    /// How many workers have died that were about to begin it.
    pub(super) deaths: u32,
}

/// What whoever submitted a unit wants of it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    ToBeDone,
    /// Not to be done, if it has not begun: its worker has been asked.
    NotToBegin,
    /// As far as it has not begun it is not done, nor tried again: nobody waits for it.
    Dropped,
    /// Not to be done, and if it has begun its worker is ended.
    ToEnd,
}

/// What came of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    /// It will not run.
    Cancelled,
    /// Its worker has been asked, or is about to be killed: the outcome tells.
    Asked,
    /// It runs.
    Runs,
    /// It is settled.
    Over,
}

/// What has become of the pool as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Takes nothing more, and ends when nothing is left to do.
    Draining,
    Broken(String),
}

pub(super) struct Machine<S> {
    pub(super) rules: Rules,
    pub(super) state: State,
    pub(super) units: Slots<Unit<S>>,
    /// Units that wait, by priority, the highest last. Some may be gone.
    pub(super) waiting: BTreeMap<i32, VecDeque<Slot>>,
    pub(super) waiting_units: usize,
    pub(super) waiting_tasks: usize,
    pub(super) waiting_bytes: usize,
    /// Units to be tried again, by time. Some may be gone.
    pub(super) later: BinaryHeap<Reverse<(Instant, SlotKey)>>,
    pub(super) later_tasks: usize,
    pub(super) later_bytes: usize,
    pub(super) crew: BTreeMap<WorkerId, Member>,
    pub(super) next_worker: WorkerId,
    /// No worker had room when one was last looked for.
    pub(super) all_full: bool,
    /// How many workers in a row could not begin.
    pub(super) failed_starts: u32,
    /// How many in a row have died before they had done anything.
    pub(super) idle_deaths: u32,
    /// No worker is started before.
    pub(super) start_at: Option<Instant>,
    /// When to look next.
    pub(super) tick_at: Option<Instant>,
    pub(super) chance: fastrand::Rng,
}

/// A slot with an order, for the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotKey(pub(super) u32, pub(super) u32);

impl SlotKey {
    pub(super) fn slot(self) -> Slot {
        Slot { index: self.0, generation: self.1 }
    }
}

impl From<Slot> for SlotKey {
    fn from(slot: Slot) -> Self {
        Self(slot.index, slot.generation)
    }
}

impl<S: Hears> Machine<S> {
    pub(super) fn new(rules: Rules, seed: u64) -> Self {
        Self {
            rules,
            state: State::Open,
            units: Slots::default(),
            waiting: BTreeMap::new(),
            waiting_units: 0,
            waiting_tasks: 0,
            waiting_bytes: 0,
            later: BinaryHeap::new(),
            later_tasks: 0,
            later_bytes: 0,
            crew: BTreeMap::new(),
            next_worker: 0,
            all_full: false,
            failed_starts: 0,
            idle_deaths: 0,
            start_at: None,
            tick_at: None,
            chance: fastrand::Rng::with_seed(seed),
        }
    }

    /// Whether another unit may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting_tasks + self.later_tasks < self.rules.capacity
            && self.waiting_bytes + self.later_bytes < self.rules.capacity_bytes
    }

    /// Takes a unit. The pool is open. Workers get it with the next [`hand_out`](Self::hand_out).
    pub(super) fn submit(&mut self, work: Work, terms: Terms, sink: S, first: u64) -> Slot {
        let (place, wish) = (Place::Waiting, Wish::ToBeDone);
        let unit = Unit { work, terms, tries: Tries::default(), sink, first, place, wish, deaths: 0 };
        self.add_waiting(unit, false)
    }

    /// Gives to workers what has been submitted.
    pub(super) fn hand_out(&mut self, now: Instant, world: &mut impl World<S>) {
        self.spread(now, world);
        self.look_for_hoards(now, world);
        self.keep_up(now, world);
    }

    /// Has a unit wait, at the tail of those of its priority or at their head.
    pub(super) fn add_waiting(&mut self, unit: Unit<S>, at_head: bool) -> Slot {
        let priority = unit.terms.priority;
        self.count_waiting(&unit.work);
        let slot = self.units.insert(unit);
        let queue = self.waiting.entry(priority).or_default();
        if at_head {
            queue.push_front(slot);
        } else {
            queue.push_back(slot);
        }
        slot
    }

    /// The same for one that has a place in the table.
    pub(super) fn wait_again(&mut self, slot: Slot, at_head: bool) {
        let Some(unit) = self.units.get_mut(slot) else { return };
        unit.place = Place::Waiting;
        let (priority, tasks, bytes) = (unit.terms.priority, unit.work.count as usize, unit.work.bytes());
        self.waiting_units += 1;
        self.waiting_tasks += tasks;
        self.waiting_bytes += bytes;
        let queue = self.waiting.entry(priority).or_default();
        if at_head { queue.push_front(slot) } else { queue.push_back(slot) }
    }

    fn count_waiting(&mut self, work: &Work) {
        self.waiting_units += 1;
        self.waiting_tasks += work.count as usize;
        self.waiting_bytes += work.bytes();
    }

    /// A unit waits no longer.
    pub(super) fn uncount_waiting(&mut self, slot: Slot) {
        let Some(unit) = self.units.get(slot) else { return };
        self.waiting_units -= 1;
        self.waiting_tasks -= unit.work.count as usize;
        self.waiting_bytes -= unit.work.bytes();
    }

    /// Settles tasks of a unit from `offset` on, but for those that are tried again.
    pub(super) fn settle(
        &mut self,
        slot: Slot,
        offset: u32,
        mut outcomes: Outcomes,
        now: Instant,
        world: &mut impl World<S>,
    ) {
        let Some(unit) = self.units.get(slot) else { return };
        let (sink, first) = (unit.sink.clone(), unit.first + u64::from(offset));
        for (at, error) in std::mem::take(&mut outcomes.errors) {
            if error.kind().is_some_and(|kind| self.try_again(slot, offset + at, kind, now)) {
                outcomes.again.push(at);
            } else {
                outcomes.errors.push((at, error));
            }
        }
        for at in std::mem::take(&mut outcomes.unsatisfied) {
            if self.try_again(slot, offset + at, FailureKind::Unsatisfied, now) {
                outcomes.again.push(at);
            }
        }
        if !outcomes.again.is_empty() {
            world.changed();
        }
        world.settle(&sink, first, outcomes);
    }

    /// Has one task of a unit tried again, if its terms say so.
    fn try_again(&mut self, slot: Slot, at: u32, kind: FailureKind, now: Instant) -> bool {
        let Some(unit) = self.units.get(slot) else { return false };
        if unit.wish != Wish::ToBeDone || matches!(self.state, State::Broken(_)) {
            return false;
        }
        let mut tries = unit.tries;
        tries.count(kind);
        let Some(wait) = unit.terms.retries.wait(&tries, kind, &mut self.chance) else { return false };
        if unit.work.count == 1 {
            return self.try_again_in_place(slot, tries, wait, now);
        }
        let again = Unit {
            work: unit.work.part(at..at + 1),
            terms: unit.terms,
            tries,
            sink: unit.sink.clone(),
            first: unit.first + u64::from(at),
            place: Place::Waiting,
            wish: Wish::ToBeDone,
            deaths: 0,
        };
        if wait.is_zero() {
            self.add_waiting(again, false);
        } else {
            let slot = self.units.insert(again);
            self.put_off(slot, wait, now);
        }
        true
    }

    /// The same for a unit of one task, which keeps its place in the table: whoever submitted it knows it by that.
    fn try_again_in_place(&mut self, slot: Slot, tries: Tries, wait: Duration, now: Instant) -> bool {
        if let Some(unit) = self.units.get_mut(slot) {
            unit.tries = tries;
        }
        if wait.is_zero() {
            self.wait_again(slot, false);
        } else {
            self.put_off(slot, wait, now);
        }
        true
    }

    /// A unit is settled whole, unless it is tried again.
    pub(super) fn remove_held(&mut self, slot: Slot, by: WorkerId) {
        if self
            .units
            .get(slot)
            .is_some_and(|unit| matches!(unit.place, Place::Held(worker, _) if worker == by))
        {
            self.units.remove(slot);
        }
    }

    /// Whether a unit's task runs; none if it is settled.
    pub(super) fn runs(&self, slot: Slot, world: &mut impl World<S>) -> Option<bool> {
        let unit = self.units.get(slot)?;
        let Place::Held(worker, at) = unit.place else { return Some(false) };
        let tasks = at..at + u64::from(unit.work.count);
        Some(world.progress(worker).in_hand().is_some_and(|task| tasks.contains(&task)))
    }

    /// Whether nothing is left: neither work nor workers.
    pub(super) fn is_over(&self) -> bool {
        self.state != State::Open && self.units.is_empty() && self.crew.is_empty()
    }

    /// Has `tick` called at `at` at the latest.
    pub(super) fn want_tick(&mut self, at: Instant) {
        self.tick_at = Some(self.tick_at.map_or(at, |before| before.min(at)));
    }

    /// The same after that time; never, if it is too long to be counted.
    pub(super) fn want_tick_in(&mut self, now: Instant, time: Duration) {
        if let Some(at) = now.checked_add(time) {
            self.want_tick(at);
        }
    }

    /// How many workers there are, those that start included.
    pub(super) fn live(&self) -> usize {
        self.crew.values().filter(|member| member.is_live()).count()
    }

    pub(super) fn is_ready(&self, worker: WorkerId) -> bool {
        self.crew.get(&worker).is_some_and(|member| member.phase == Phase::Ready)
    }
}

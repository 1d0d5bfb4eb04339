//! One worker as the table knows it: what it holds, how much it may hold, how long it lives.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use callboard_core::Slot;

/// A worker holds about this much work, so that it does not run dry while it is given more.
const HELD_TIME: Duration = Duration::from_millis(1);
/// And so many tasks at most.
const MAX_WINDOW: u64 = 8192;

/// A worker's number. No two workers of a pool ever have the same.
pub(super) type WorkerId = u64;

/// How far a worker has come, from words that outlive it. Tasks are numbered for each worker, from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// All tasks below this have begun, unless they were taken back.
    pub(super) begun: u64,
    /// All below this have returned.
    pub(super) returned: u64,
}

impl Progress {
    /// The task that runs.
    pub(super) fn in_hand(&self) -> Option<u64> {
        (self.begun > self.returned).then(|| self.begun - 1)
    }
}

/// Why a worker is about to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doom {
    /// The task of that number ran for too long.
    TimeLimit(u64),
    /// It was cancelled while it ran.
    Cancelled(u64),
    /// It did not begin the unit with that task.
    Stuck(u64),
}

/// Where a worker stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Ready,
    /// It gets nothing more, and ends when it holds nothing.
    Retiring,
    /// It has been told to end, and is killed at that time.
    Ending(Instant),
    /// It writes what it has, and is killed then, or at that time.
    Doomed(Doom, Instant),
    /// It was killed; its end will be told.
    Killed(Option<Doom>),
}

/// Part of a unit that a worker holds, by the number of its first task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) at: u64,
    pub(super) unit: Slot,
    pub(super) count: u32,
    /// How many of its tasks have been told of.
    pub(super) told: u32,
    pub(super) given: Instant,
}

impl Held {
    /// How many of its tasks have not been told of.
    pub(super) fn left(&self) -> u32 {
        self.count - self.told
    }
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: WorkerId,
    pub(super) phase: Phase,
    pub(super) held: VecDeque<Held>,
    pub(super) held_tasks: u64,
    /// The number of the next task.
    pub(super) next: u64,
    /// How many tasks it may hold.
    window: u64,
    /// Nanoseconds a task, lately.
    cost: Option<f64>,
    /// How many tasks it has done.
    pub(super) done: u64,
    pub(super) ready: Option<Instant>,
    /// Since when it holds nothing.
    pub(super) idle_since: Instant,
    /// When it last told of a task.
    pub(super) last_told: Instant,
    /// It has been asked to give something back, and has not answered.
    pub(super) recalling: bool,
    /// It gets nothing more, whatever else happens to it.
    pub(super) retired: bool,
    /// Whoever starts it is at it.
    pub(super) is_beginning: bool,
    /// It is lent to somebody who waits for the one unit that it holds.
    pub(super) is_lent: bool,
}

impl Member {
    pub(super) fn new(id: WorkerId, now: Instant) -> Self {
        Self {
            id,
            phase: Phase::Starting,
            held: VecDeque::new(),
            held_tasks: 0,
            next: 0,
            window: 1,
            cost: None,
            done: 0,
            ready: None,
            idle_since: now,
            last_told: now,
            recalling: false,
            retired: false,
            is_beginning: false,
            is_lent: false,
        }
    }

    /// Whether it counts as one of the pool's workers, now or soon.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Ready) && !self.is_lent
    }

    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Ready && self.held.is_empty() && !self.is_lent
    }

    /// Whether it may get a unit of so many tasks, if it does `most` in its life.
    pub(super) fn may_take(&self, count: u32, most: Option<u64>) -> bool {
        let count = u64::from(count);
        let has_room = self.held.is_empty() || self.held_tasks + count <= self.window;
        // What it gives back may be all that it has in mind.
        self.phase == Phase::Ready
            && !self.is_lent
            && !self.recalling
            && self.has_life_for(count, most)
            && has_room
    }

    fn has_life_for(&self, count: u64, most: Option<u64>) -> bool {
        most.is_none_or(|most| self.next + count <= most || self.next == 0)
    }

    /// Whether it has nothing to do, and not enough of its life left for a unit of so many tasks.
    pub(super) fn is_too_old_for(&self, count: u32, most: Option<u64>) -> bool {
        self.is_idle() && !self.has_life_for(u64::from(count), most)
    }

    /// Whether it takes a place among the workers that there may be at once.
    pub(super) fn is_there(&self) -> bool {
        !self.is_lent && !matches!(self.phase, Phase::Ending(_) | Phase::Killed(_))
    }

    /// It gets nothing more.
    pub(super) fn retire(&mut self) {
        self.retired = true;
        if self.phase == Phase::Ready {
            self.phase = Phase::Retiring;
        }
    }

    /// It is not killed after all.
    pub(super) fn goes_on(&mut self) {
        self.phase = if self.retired { Phase::Retiring } else { Phase::Ready };
    }

    /// Takes a unit; the number of its first task. With the `most` tasks that it does in its life it retires.
    pub(super) fn take(&mut self, unit: Slot, count: u32, most: Option<u64>, now: Instant) -> u64 {
        let at = self.next;
        self.next += u64::from(count);
        self.held_tasks += u64::from(count);
        if self.held.is_empty() {
            self.last_told = now;
        }
        self.held.push_back(Held { at, unit, count, told: 0, given: now });
        if most.is_some_and(|most| self.next >= most) {
            self.retire();
        }
        at
    }

    /// Where it holds the task of that number.
    pub(super) fn holds(&self, task: u64) -> Option<usize> {
        // They are in the order of their numbers.
        let place = self.held.partition_point(|held| held.at + u64::from(held.count) <= task);
        self.held.get(place).filter(|held| held.at <= task).map(|_| place)
    }

    /// Checks that `count` tasks from `at` on are the next that it is to tell of, in units in a row.
    pub(super) fn check_report(&self, at: u64, count: u32) -> Result<(), String> {
        if count == 0 {
            return Err("a report of nothing".to_owned());
        }
        let from = self.holds(at).ok_or("a report of a task that the worker does not hold")?;
        let (mut next, end) = (at, at + u64::from(count));
        for held in self.held.iter().skip(from) {
            if next >= end {
                break;
            }
            if held.at + u64::from(held.told) != next {
                return Err("a report of tasks out of their order".to_owned());
            }
            next = held.at + u64::from(held.count);
        }
        if next < end { Err("a report of more tasks than the worker holds".to_owned()) } else { Ok(()) }
    }

    /// Checks that what is given back from those tasks on is what it holds, and has not told of; where that is, in order.
    pub(super) fn check_given_back(&self, units: &[u64]) -> Result<Vec<usize>, String> {
        let mut places = Vec::with_capacity(units.len());
        for at in units {
            let place = self.holds(*at).ok_or("a unit given back that the worker does not hold")?;
            let held = &self.held[place];
            if held.at + u64::from(held.told) != *at {
                return Err("part of a unit given back, and the part before it was not told of".to_owned());
            }
            places.push(place);
        }
        places.sort_unstable();
        if places.windows(2).any(|two| two[0] == two[1]) {
            return Err("a unit given back twice".to_owned());
        }
        Ok(places)
    }

    /// Lets go of what it holds there.
    pub(super) fn release(&mut self, place: usize, now: Instant) -> Option<Held> {
        let held = self.held.remove(place)?;
        self.held_tasks -= u64::from(held.left());
        if self.held.is_empty() {
            self.idle_since = now;
        }
        Some(held)
    }

    /// Learns from so many tasks that took so long, how much it may hold.
    pub(super) fn measured(&mut self, count: u32, nanos: u64, now: Instant) {
        self.last_told = now;
        self.done += u64::from(count);
        let one = nanos as f64 / f64::from(count.max(1));
        let cost = self.cost.map_or(one, |cost| cost + (one - cost) * 0.3);
        self.cost = Some(cost);
        let fits = HELD_TIME.as_nanos() as f64 / cost.max(1.0);
        // Grows by half of what was just done well at most: one light task does not make thousands.
        let most = (self.window * 2).max(u64::from(count) * 2).min(MAX_WINDOW);
        self.window = (fits as u64).clamp(1, most);
    }

    /// How long what it holds will take; for ever, if nothing is known of it.
    pub(super) fn load(&self) -> Duration {
        let nanos = self.cost.map_or(f64::INFINITY, |cost| cost * self.held_tasks as f64);
        Duration::from_nanos(nanos as u64)
    }
}

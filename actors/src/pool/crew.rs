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
    /// It did not begin what it was given, or did not end when it should have.
    Stuck,
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
        }
    }

    /// Whether it counts as one of the pool's workers, now or soon.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Ready)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Ready && self.held.is_empty()
    }

    /// Whether it may get a unit of so many tasks, if it does `most` in its life.
    pub(super) fn may_take(&self, count: u32, most: Option<u64>) -> bool {
        let count = u64::from(count);
        let within_life = most.is_none_or(|most| self.next + count <= most || self.next == 0);
        let has_room = self.held.is_empty() || self.held_tasks + count <= self.window;
        self.phase == Phase::Ready && within_life && has_room
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
        let within = |held: &Held| (held.at..held.at + u64::from(held.count)).contains(&task);
        self.held.iter().position(within)
    }

    /// Lets go of what it holds there.
    pub(super) fn release(&mut self, place: usize, now: Instant) -> Option<Held> {
        let held = self.held.remove(place)?;
        self.held_tasks -= u64::from(held.count - held.told);
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

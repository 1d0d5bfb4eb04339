//! The workers' lives: how many there are, who begins, who retires.

use std::time::{Duration, Instant};

use super::{Hears, Machine, State, World};
use crate::pool::crew::{Doom, Member, Phase, WorkerId};
use crate::pool::error::TaskError;

/// How many workers in a row may fail to begin.
const MAX_FAILED_STARTS: u32 = 7;
/// How long the pool waits after the first of them; twice as long after each further one.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(10);
/// Not more often than that, if other workers go on meanwhile.
pub(super) const MAX_DOUBLINGS: u32 = 7;
/// How long a worker that is to end has for it, once it holds nothing.
pub(super) const END_WITHIN: Duration = Duration::from_secs(10);
/// How long one that is about to be killed has to write what it has.
const WRITE_WITHIN: Duration = Duration::from_millis(50);

impl<S: Hears> Machine<S> {
    /// Starts and ends workers as there is need. Called after everything that may change it.
    pub(in crate::pool) fn keep_up(&mut self, now: Instant, world: &mut impl World<S>) {
        if self.state != State::Open && self.units.is_empty() {
            self.finish_all(now, world);
            return;
        }
        if matches!(self.state, State::Broken(_)) {
            return;
        }
        if self.start_at.is_some_and(|at| at > now) {
            return;
        }
        self.start_at = None;
        let starting = || self.crew.values().filter(|member| member.phase == Phase::Starting).count();
        // Those that idle will take what waits.
        let wanted = if self.waiting_units > 0 { self.waiting_units.saturating_sub(starting()) } else { 0 };
        let live = self.live();
        let least = if self.state == State::Open { self.rules.min } else { 0 };
        // One that is to end, and still runs its last task, has its place.
        let there = self.crew.values().filter(|member| member.is_there()).count();
        let missing = least.saturating_sub(live).max(wanted.min(self.rules.max.saturating_sub(live)));
        let missing = missing.min(self.rules.max.saturating_sub(there));
        // After a failure one tries for all.
        let at_once = if self.failed_starts > 0 { usize::from(starting() == 0) } else { usize::MAX };
        for _ in 0..missing.min(at_once) {
            self.start_one(now, world);
        }
    }

    pub(super) fn start_one(&mut self, now: Instant, world: &mut impl World<S>) {
        let id = self.next_worker;
        self.next_worker += 1;
        self.crew.insert(id, Member::new(id, now));
        world.start(id);
    }

    /// A worker is there.
    pub(in crate::pool) fn ready(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        let Some(member) = self.crew.get_mut(&worker) else { return };
        if member.phase != Phase::Starting {
            return;
        }
        member.phase = Phase::Ready;
        member.ready = Some(now);
        member.idle_since = now;
        self.failed_starts = 0;
        if let Some(life) = self.rules.life {
            self.want_tick_in(now, life);
        }
        if let Some(idle) = self.rules.idle_for {
            self.want_tick_in(now, idle);
        }
        self.all_full = false;
        self.spread(now, world);
        self.look_for_hoards(now, world);
        world.changed();
        self.keep_up(now, world);
    }

    /// A worker could not begin, or ended before it had.
    pub(in crate::pool) fn failed_start(
        &mut self,
        worker: WorkerId,
        why: &str,
        now: Instant,
        world: &mut impl World<S>,
    ) {
        if self.crew.remove(&worker).is_none() {
            return;
        }
        self.failed_starts += 1;
        let others = self.crew.values().any(|member| member.ready.is_some());
        if self.failed_starts >= MAX_FAILED_STARTS && !others && !matches!(self.state, State::Broken(_)) {
            self.state = State::Broken(why.to_owned());
            self.settle_all(&TaskError::Broken(why.to_owned()), world);
        } else {
            let at = now + FIRST_WAIT * 2_u32.pow((self.failed_starts - 1).min(MAX_DOUBLINGS));
            self.start_at = Some(at);
            self.want_tick(at);
        }
        world.changed();
        self.keep_up(now, world);
    }

    /// A worker takes more memory than it should, or has lived for long enough: it ends when it holds nothing.
    pub(in crate::pool) fn retire(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        let Some(member) = self.crew.get_mut(&worker) else { return };
        if member.phase != Phase::Ready {
            return;
        }
        member.retire();
        let several = member.held.len() > 1 || member.held.front().is_some_and(|held| held.left() > 1);
        if several && !member.recalling {
            member.recalling = true;
            world.recall(worker, u32::MAX);
        }
        self.end_if_retired(worker, now, world);
        self.keep_up(now, world);
    }

    /// Has a retired worker end that holds nothing.
    pub(super) fn end_if_retired(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        let Some(member) = self.crew.get_mut(&worker) else { return };
        if member.phase == Phase::Retiring && member.held.is_empty() {
            self.finish(worker, now, world);
        }
    }

    fn finish_all(&mut self, now: Instant, world: &mut impl World<S>) {
        let workers: Vec<WorkerId> = self.crew.keys().copied().collect();
        for worker in workers {
            self.finish(worker, now, world);
        }
        if self.is_over() {
            world.changed();
        }
    }

    /// Tells a worker to end. One that still starts has nothing to finish, and is killed.
    pub(super) fn finish(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        let Some(member) = self.crew.get_mut(&worker) else { return };
        match member.phase {
            Phase::Ready | Phase::Retiring => {
                let at = now + END_WITHIN;
                member.phase = Phase::Ending(at);
                world.finish(worker);
                self.want_tick(at);
            }
            Phase::Starting => self.kill_now(worker, world),
            Phase::Ending(_) | Phase::Doomed(..) | Phase::Killed(_) => {}
        }
    }

    /// Kills a worker after it has written what it has, for its other tasks' sake.
    pub(super) fn doom(&mut self, worker: WorkerId, why: Doom, now: Instant, world: &mut impl World<S>) {
        let Some(member) = self.crew.get_mut(&worker) else { return };
        if matches!(member.phase, Phase::Doomed(..) | Phase::Killed(_)) {
            return;
        }
        let at = now + WRITE_WITHIN;
        member.phase = Phase::Doomed(why, at);
        // Nothing shall begin behind the task that is to end.
        member.recalling = true;
        world.recall(worker, u32::MAX);
        world.flush(worker);
        self.want_tick(at);
    }

    /// A worker has written what it had.
    pub(in crate::pool) fn flushed(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        self.kill_doomed(worker, now, world);
    }

    /// Kills a doomed worker, unless what it was to be killed for has come to its end meanwhile.
    pub(super) fn kill_doomed(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        let Some(member) = self.crew.get_mut(&worker) else { return };
        let Phase::Doomed(why, _) = member.phase else { return };
        let goes_on = match why {
            Doom::TimeLimit(task) | Doom::Cancelled(task) => world.progress(worker).in_hand() != Some(task),
            Doom::Stuck(task) => world.progress(worker).begun > task,
        };
        if goes_on {
            member.goes_on();
            self.all_full = false;
            self.spread(now, world);
            self.end_if_retired(worker, now, world);
            // It may have run out of time by now.
            self.want_tick(now);
        } else {
            member.phase = Phase::Killed(Some(why));
            world.kill(worker);
        }
    }

    pub(super) fn kill_now(&mut self, worker: WorkerId, world: &mut impl World<S>) {
        let Some(member) = self.crew.get_mut(&worker) else { return };
        if !matches!(member.phase, Phase::Killed(_)) {
            member.phase = Phase::Killed(None);
            world.kill(worker);
        }
    }
}

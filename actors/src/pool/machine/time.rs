//! What happens because time has passed.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use callboard_core::Slot;

use super::{Hears, Machine, Place, Wish, World};
use crate::pool::crew::{Doom, Phase, WorkerId};

/// How much longer a worker has for beginning a task than for the task.
const TO_BEGIN: Duration = Duration::from_millis(50);
/// How soon a task is looked at again that could not be judged.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl<S: Hears> Machine<S> {
    /// Does what was to be done by now.
    pub(in crate::pool) fn tick(&mut self, now: Instant, world: &mut impl World<S>) {
        self.tick_at = None;
        self.try_those_that_waited(now, world);
        let workers: Vec<WorkerId> = self.crew.keys().copied().collect();
        for worker in workers {
            self.tick_phase(worker, now, world);
            self.tick_limit(worker, now, world);
            self.tick_cancelled(worker, now, world);
            self.tick_life(worker, now, world);
        }
        self.tick_idle(now, world);
        self.spread(now, world);
        self.look_for_hoards(now, world);
        if let Some(at) = self.start_at.filter(|at| *at > now) {
            self.want_tick(at);
        }
        self.keep_up(now, world);
    }

    /// Has a unit wait until it is time to try it again.
    pub(super) fn put_off(&mut self, slot: Slot, wait: Duration, now: Instant) {
        let at = later(now, wait);
        let Some(unit) = self.units.get_mut(slot) else { return };
        unit.place = Place::Later(at);
        self.later_tasks += unit.work.count as usize;
        self.later_bytes += unit.work.bytes();
        self.later.push(Reverse((at, slot.into())));
        self.want_tick(at);
    }

    /// A unit is not put off any longer.
    pub(super) fn uncount_later(&mut self, slot: Slot) {
        let Some(unit) = self.units.get(slot) else { return };
        self.later_tasks -= unit.work.count as usize;
        self.later_bytes -= unit.work.bytes();
    }

    fn try_those_that_waited(&mut self, now: Instant, world: &mut impl World<S>) {
        while let Some(Reverse((at, key))) = self.later.peek().copied() {
            if at > now {
                self.want_tick(at);
                return;
            }
            self.later.pop();
            if self.units.get(key.slot()).is_some_and(|unit| unit.place == Place::Later(at)) {
                self.uncount_later(key.slot());
                self.wait_again(key.slot(), true);
                self.all_full = false;
                world.changed();
            }
        }
    }

    /// Kills who had until now.
    fn tick_phase(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        match self.crew.get(&worker).map(|member| member.phase) {
            Some(Phase::Doomed(_, at)) if at <= now => self.kill_doomed(worker, now, world),
            Some(Phase::Ending(at)) if at <= now => self.kill_now(worker, world),
            Some(Phase::Doomed(_, at) | Phase::Ending(at)) => self.want_tick(at),
            _ => {}
        }
    }

    /// Looks whether what a worker holds has run for too long.
    fn tick_limit(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        let Some(member) = self.crew.get(&worker) else { return };
        if !matches!(member.phase, Phase::Ready | Phase::Retiring) {
            return;
        }
        let Some(held) = member.held.front().copied() else { return };
        let Some(limit) = self.units.get(held.unit).and_then(|unit| unit.terms.limit) else { return };
        let progress = world.progress(worker);
        let within = held.at..held.at + u64::from(held.count);
        let (since, why) = match progress.in_hand().filter(|task| within.contains(task)) {
            Some(task) => (held.given, Doom::TimeLimit(task)),
            // It does not even begin, and has nothing else to do.
            None if progress.begun <= held.at => (held.given + TO_BEGIN, Doom::Stuck(held.at)),
            // It has returned, and its report is on the way.
            None => (now, Doom::Stuck(held.at)),
        };
        let at = since.checked_add(limit);
        match at {
            Some(at) if at <= now => self.doom(worker, why, now, world),
            Some(at) => self.want_tick(at.max(now + LOOK_AGAIN.min(limit))),
            None => {}
        }
    }

    /// Kills who runs what was to be cancelled by all means.
    fn tick_cancelled(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        let Some(member) = self.crew.get(&worker) else { return };
        if !matches!(member.phase, Phase::Ready | Phase::Retiring) {
            return;
        }
        let cancelled = |unit| self.units.get(unit).is_some_and(|unit| unit.wish == Wish::ToEnd);
        let Some(held) = member.held.iter().find(|held| cancelled(held.unit)) else { return };
        let tasks = held.at..held.at + u64::from(held.count);
        match world.progress(worker).in_hand().filter(|task| tasks.contains(task)) {
            Some(task) => self.doom(worker, Doom::Cancelled(task), now, world),
            None => self.want_tick(now + LOOK_AGAIN),
        }
    }

    fn tick_life(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        let Some(life) = self.rules.life else { return };
        let ready = self.crew.get(&worker).filter(|member| !member.retired).and_then(|member| member.ready);
        let Some(at) = ready.and_then(|ready| ready.checked_add(life)) else { return };
        if at <= now {
            self.retire(worker, now, world);
        } else {
            self.want_tick(at);
        }
    }

    /// Ends workers beyond the least number that have been idle for long.
    fn tick_idle(&mut self, now: Instant, world: &mut impl World<S>) {
        let Some(idle_for) = self.rules.idle_for else { return };
        let mut spare = self.live().saturating_sub(self.rules.min);
        if spare > 0 {
            // For those that have work now.
            self.want_tick_in(now, idle_for);
        }
        let idle: Vec<(WorkerId, Instant)> = self
            .crew
            .values()
            .filter(|member| member.is_idle())
            .filter_map(|member| Some((member.id, member.idle_since.checked_add(idle_for)?)))
            .collect();
        for (worker, at) in idle {
            if spare == 0 {
                return;
            }
            if at <= now {
                spare -= 1;
                self.finish(worker, now, world);
            } else {
                self.want_tick(at);
            }
        }
    }
}

/// A wait that is too long to be counted is a year.
fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now + Duration::from_secs(365 * 24 * 3600))
}

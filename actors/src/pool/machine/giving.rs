//! Who gets what: units to workers with room, back from those that hoard, and out of the table when they are cancelled.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use callboard_core::{ByteStrings, Slot};

use super::{Cancel, Hears, Machine, Place, State, Unit, Wish, World};
use crate::pool::crew::{Doom, Held, Member, Phase, WorkerId};
use crate::pool::error::TaskError;
use crate::pool::work::Outcomes;

/// To wake another worker costs more than work of this length is worth.
const A_LITTLE: Duration = Duration::from_micros(50);
/// A worker that has told of nothing for so long, or holds three times as much, gives back what it has not begun.
const HOARDS_AFTER: Duration = Duration::from_millis(1);

impl<S: Hears> Machine<S> {
    /// Gives what waits to workers that have room: more to one that has a little light work, then one each to those without any.
    pub(super) fn spread(&mut self, now: Instant, world: &mut impl World<S>) {
        while !self.all_full {
            let next = self.peek_waiting().and_then(|slot| self.units.get(slot));
            let Some((count, is_limited)) = next.map(|unit| (unit.work.count, unit.terms.limit.is_some()))
            else {
                return;
            };
            if self.retire_those_too_old(count, now, world) {
                continue;
            }
            let most = self.rules.tasks_a_life;
            let least_of = |fits: &dyn Fn(&Member) -> bool| {
                let open = self.crew.values().filter(|member| member.may_take(count, most) && fits(member));
                open.min_by_key(|member| member.held_tasks).map(|member| member.id)
            };
            let goes_on = |member: &Member| now.saturating_duration_since(member.last_told) < HOARDS_AFTER;
            let is_little =
                |member: &Member| !member.held.is_empty() && member.load() < A_LITTLE && goes_on(member);
            let has_a_little = || least_of(&is_little);
            let is_idle = || least_of(&|member| member.held.is_empty());
            let worker = match is_limited {
                true => is_idle(),
                false => has_a_little().or_else(is_idle).or_else(|| least_of(&|_| true)),
            };
            if !worker.is_some_and(|worker| self.give_next(worker, now, world)) {
                self.all_full = true;
            }
        }
    }

    /// Ends workers that have nothing to do and too little life left for so many tasks; whether there were any.
    fn retire_those_too_old(&mut self, count: u32, now: Instant, world: &mut impl World<S>) -> bool {
        let Some(most) = self.rules.tasks_a_life else { return false };
        let old = self.crew.values().find(|member| member.is_too_old_for(count, Some(most)));
        let Some(worker) = old.map(|member| member.id) else { return false };
        if let Some(member) = self.crew.get_mut(&worker) {
            member.retire();
        }
        self.end_if_retired(worker, now, world);
        true
    }

    /// Gives a worker its share of what waits.
    pub(super) fn top_up(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) {
        if !self.is_ready(worker) {
            return;
        }
        let share = (self.waiting_units / self.live().max(1)).max(1);
        for _ in 0..share {
            if !self.give_next(worker, now, world) {
                break;
            }
        }
        if self.crew.get(&worker).is_some_and(|member| member.is_idle()) {
            // What is next may be too much for the rest of its life.
            self.spread(now, world);
            self.look_for_hoards(now, world);
        }
    }

    /// Gives a worker the next unit; false if there is none, or no room.
    fn give_next(&mut self, worker: WorkerId, now: Instant, world: &mut impl World<S>) -> bool {
        let Some(slot) = self.peek_waiting() else { return false };
        let most = self.rules.tasks_a_life;
        let (Some(unit), Some(member)) = (self.units.get(slot), self.crew.get_mut(&worker)) else {
            return false;
        };
        // A task with a time limit has its worker for itself: its time runs from when it is given.
        let alone = unit.terms.limit.is_some() && !member.held.is_empty();
        if alone || !member.may_take(unit.work.count, most) {
            return false;
        }
        self.pop_waiting(slot);
        self.uncount_waiting(slot);
        let Some(unit) = self.units.get_mut(slot) else { return false };
        let Some(member) = self.crew.get_mut(&worker) else { return false };
        let at = member.take(slot, unit.work.count, most, now);
        unit.place = Place::Held(worker, at);
        world.give(worker, at, &unit.work);
        let limit = unit.terms.limit;
        if let Some(limit) = limit {
            self.want_tick_in(now, limit);
        }
        world.changed();
        true
    }

    /// The unit that is next.
    fn peek_waiting(&mut self) -> Option<Slot> {
        while let Some(mut last) = self.waiting.last_entry() {
            while let Some(slot) = last.get().front().copied() {
                if self.units.get(slot).is_some_and(|unit| unit.place == Place::Waiting) {
                    return Some(slot);
                }
                last.get_mut().pop_front();
            }
            last.remove();
        }
        None
    }

    fn pop_waiting(&mut self, slot: Slot) {
        if let Some(mut last) = self.waiting.last_entry()
            && last.get().front() == Some(&slot)
        {
            last.get_mut().pop_front();
        }
    }

    /// Has somebody give back what a worker without work could do, or one that there may be besides.
    pub(super) fn look_for_hoards(&mut self, now: Instant, world: &mut impl World<S>) {
        let is_idle = self.crew.values().any(|member| member.is_idle());
        // As in `keep_up`: one that is to end, and still runs its last task, has its place.
        let there = self.crew.values().filter(|member| member.is_there()).count();
        let may_grow = there < self.rules.max && self.start_at.is_none();
        if self.waiting_units > 0 || !is_idle && !may_grow {
            return;
        }
        let holds_more = |member: &&Member| {
            let works = matches!(member.phase, Phase::Ready | Phase::Retiring);
            let several = member.held.len() > 1 || member.held.front().is_some_and(|held| held.left() > 1);
            works && several && !member.recalling
        };
        let most = self.crew.values().filter(holds_more).max_by_key(|member| member.held_tasks);
        let Some((worker, half)) = most.map(|member| (member.id, (member.held.len() / 2) as u32)) else {
            return;
        };
        let Some(member) = self.crew.get_mut(&worker) else { return };
        let silent = now.saturating_duration_since(member.last_told);
        if silent < HOARDS_AFTER && member.load() < HOARDS_AFTER * 3 {
            let at = member.last_told + HOARDS_AFTER;
            self.want_tick(at);
        } else if is_idle {
            member.recalling = true;
            world.recall(worker, half);
        } else if !self.crew.values().any(|member| member.phase == Phase::Starting) {
            // When it is there it finds this again.
            self.start_one(now, world);
        }
    }

    /// A worker has given units back, by the numbers of their first tasks: those it had been asked for, or the one.
    ///
    /// # Errors
    ///
    /// What can't be what a sound worker says.
    pub(in crate::pool) fn recalled(
        &mut self,
        worker: WorkerId,
        one: Option<u64>,
        units: &[u64],
        now: Instant,
        world: &mut impl World<S>,
    ) -> Result<(), String> {
        let Some(member) = self.crew.get_mut(&worker) else { return Ok(()) };
        if member.phase == Phase::Killed(None) {
            return Ok(());
        }
        member.recalling &= one.is_some();
        // All of it is looked at before anything is done: what a worker does not hold any more nobody would take back from it.
        let places = member.check_given_back(units)?;
        // The last first, so that the places of the others stay what they are.
        let given = places.iter().rev().filter_map(|place| member.release(*place, now));
        let (cut, whole): (Vec<Held>, Vec<Held>) = given.partition(|held| held.told > 0);
        let mut slots: Vec<Slot> = whole.into_iter().map(|held| held.unit).collect();
        // The one that was to be done last comes first here, so that they wait in their old order.
        slots.sort_unstable_by_key(|slot| {
            self.units.get(*slot).map(|unit| std::cmp::Reverse(unit.place_at()))
        });
        for slot in slots {
            if self.units.get(slot).is_some_and(|unit| unit.wish != Wish::ToBeDone) {
                self.settle_cancelled(slot, world);
            } else {
                self.wait_again(slot, true);
            }
        }
        for held in cut {
            self.wait_in_parts(held.unit, held.told, world);
        }
        if let Some(at) = one {
            self.too_late_for(worker, at);
        }
        world.changed();
        self.all_full = false;
        self.spread(now, world);
        self.end_if_retired(worker, now, world);
        if one.is_none() {
            // It may not have begun its chunk yet, or what it gave back may not be enough for all.
            self.want_tick(now + HOARDS_AFTER);
        }
        self.keep_up(now, world);
        Ok(())
    }

    /// The rest of a unit that a worker had begun waits again, in as many parts as others can work on at once.
    fn wait_in_parts(&mut self, slot: Slot, done: u32, world: &mut impl World<S>) {
        let Some(unit) = self.units.remove(slot) else { return };
        let (from, end) = (unit.first + u64::from(done), unit.work.count);
        if unit.wish != Wish::ToBeDone {
            return world.settle(&unit.sink, from, Outcomes::failed(end - done, &TaskError::Cancelled));
        }
        let part = (end - done).div_ceil(2 * self.live().max(1) as u32).max(1);
        let mut parts: Vec<Unit<S>> = Vec::new();
        for at in (done..end).step_by(part as usize) {
            let work = unit.work.part(at..end.min(at + part));
            let (sink, first) = (unit.sink.clone(), unit.first + u64::from(at));
            let (place, wish) = (Place::Waiting, Wish::ToBeDone);
            parts.push(Unit {
                work,
                terms: unit.terms,
                tries: unit.tries,
                sink,
                first,
                place,
                wish,
                deaths: 0,
            });
        }
        parts.into_iter().rev().for_each(|part| _ = self.add_waiting(part, true));
    }

    /// Drops the places of units that wait no longer, or are not tried again, when they are most.
    pub(super) fn forget_cancelled(&mut self) {
        let places: usize = self.waiting.values().map(|queue| queue.len()).sum();
        if places > 2 * self.waiting_units + 64 {
            let units = &self.units;
            let waits = |slot: &Slot| units.get(*slot).is_some_and(|unit| unit.place == Place::Waiting);
            self.waiting.values_mut().for_each(|queue| queue.retain(waits));
        }
        if self.later.len() > 2 * self.later_tasks + 64 {
            let units = &self.units;
            self.later.retain(|Reverse((_, key))| units.get(key.slot()).is_some());
        }
    }

    /// What a worker was asked for, and did not give back, had begun.
    fn too_late_for(&mut self, worker: WorkerId, at: u64) {
        let Some(member) = self.crew.get(&worker) else { return };
        let held = member.held.iter().find(|held| held.at == at);
        let Some(unit) = held.and_then(|held| self.units.get_mut(held.unit)) else { return };
        if unit.wish == Wish::NotToBegin {
            unit.wish = Wish::ToBeDone;
        }
    }

    fn settle_cancelled(&mut self, slot: Slot, world: &mut impl World<S>) {
        let Some(unit) = self.units.remove(slot) else { return };
        world.settle(&unit.sink, unit.first, Outcomes::failed(unit.work.count, &TaskError::Cancelled));
    }

    /// Has a unit not run, if it has not begun; if it has, and `kill` says so, its worker is ended.
    pub(in crate::pool) fn cancel(
        &mut self,
        slot: Slot,
        kill: bool,
        now: Instant,
        world: &mut impl World<S>,
    ) -> Cancel {
        let Some(unit) = self.units.get_mut(slot) else { return Cancel::Over };
        let Place::Held(worker, at) = unit.place else {
            if unit.place == Place::Waiting {
                self.uncount_waiting(slot);
            } else {
                self.uncount_later(slot);
            }
            self.settle_cancelled(slot, world);
            self.forget_cancelled();
            world.changed();
            self.keep_up(now, world);
            return Cancel::Cancelled;
        };
        let tasks = at..at + u64::from(unit.work.count);
        let progress = world.progress(worker);
        let runs = progress.in_hand().filter(|task| tasks.contains(task));
        let has_begun = progress.begun > at;
        if has_begun && !kill {
            return Cancel::Runs;
        }
        if kill || unit.wish == Wish::ToBeDone {
            unit.wish = if kill { Wish::ToEnd } else { Wish::NotToBegin };
        }
        match runs {
            Some(task) => self.doom(worker, Doom::Cancelled(task), now, world),
            // It has returned, and its value is on the way.
            None if has_begun => {}
            None => {
                world.recall_one(worker, at);
                if kill {
                    // If it begins before it is asked, the next look finds it running.
                    self.want_tick(now + HOARDS_AFTER);
                }
            }
        }
        Cancel::Asked
    }

    /// Has nothing more done of what one sink was to hear of. It hears of it all the same.
    pub(in crate::pool) fn cancel_all_of(&mut self, sink: &S, now: Instant, world: &mut impl World<S>) {
        let of_it = self.units.iter().filter(|(_, unit)| unit.sink.is(sink)).map(|(slot, _)| slot);
        for slot in of_it.collect::<Vec<_>>() {
            let Some(unit) = self.units.get_mut(slot) else { continue };
            let Place::Held(worker, at) = unit.place else {
                self.cancel(slot, false, now, world);
                continue;
            };
            if unit.wish != Wish::ToEnd {
                unit.wish = Wish::Dropped;
            }
            world.recall_one(worker, at);
        }
    }

    /// Settles everything as cancelled, and ends the workers.
    pub(in crate::pool) fn abort(&mut self, now: Instant, world: &mut impl World<S>) {
        if self.state == State::Open {
            self.state = State::Draining;
        }
        self.settle_all(&TaskError::Cancelled, world);
        let workers: Vec<WorkerId> = self.crew.keys().copied().collect();
        for worker in workers {
            if let Some(member) = self.crew.get_mut(&worker) {
                member.held.clear();
                member.held_tasks = 0;
            }
            self.kill_now(worker, world);
        }
        world.changed();
        self.keep_up(now, world);
    }

    /// Settles all units with `error`.
    pub(super) fn settle_all(&mut self, error: &TaskError, world: &mut impl World<S>) {
        let all: Vec<Slot> = self.units.iter().map(|(slot, _)| slot).collect();
        for slot in all {
            let Some(unit) = self.units.remove(slot) else { continue };
            // What has been told of is settled.
            let told = match unit.place {
                Place::Held(worker, at) => self.told_of(worker, at),
                _ => 0,
            };
            let left = unit.work.count - told;
            world.settle(&unit.sink, unit.first + u64::from(told), Outcomes::failed(left, error));
        }
        self.waiting.clear();
        self.later.clear();
        (self.waiting_units, self.waiting_tasks, self.waiting_bytes) = (0, 0, 0);
        (self.later_tasks, self.later_bytes) = (0, 0);
    }

    /// The arguments of a task that a worker holds, encoded.
    pub(in crate::pool) fn args_of(&self, worker: WorkerId, task: u64) -> Option<&[u8]> {
        let member = self.crew.get(&worker)?;
        let held = member.held.get(member.holds(task)?)?;
        let unit = self.units.get(held.unit)?;
        ByteStrings::new(&unit.work.args).nth((task - held.at) as usize)?.ok()
    }

    fn told_of(&self, worker: WorkerId, at: u64) -> u32 {
        let member = self.crew.get(&worker);
        let held = member.and_then(|member| member.held.iter().find(|held| held.at == at));
        held.map_or(0, |held| held.told)
    }
}

impl<S> super::Unit<S> {
    /// The number of its first task at the worker that holds it, or held it last.
    fn place_at(&self) -> u64 {
        match self.place {
            Place::Held(_, at) => at,
            _ => 0,
        }
    }
}

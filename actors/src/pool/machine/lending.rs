//! Units that whoever waits for them does itself, since every worker may be waiting: a worker is lent to it for that.
//!
//! A lent worker holds one unit, and gets no other. It is none of those that there may be, and is in the table only as long as
//! its unit is not settled.

use std::time::Instant;

use callboard_core::Slot;

use super::{Hears, Machine, Place, State, Unit, Wish, World};
use crate::pool::crew::{Member, Phase, Progress, WorkerId};
use crate::pool::error::TaskError;
use crate::pool::work::Outcomes;

/// What somebody waits for.
#[derive(Debug)]
pub(in crate::pool) enum Wanted<'a, S> {
    Unit(Slot),
    /// What a sink is to hear of.
    Of(&'a S),
    /// Room for another unit.
    Room,
    /// Nothing that one could do for it.
    Nothing,
}

// Not derived: that would ask the same of sinks.
impl<S> Clone for Wanted<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Wanted<'_, S> {}

impl<S: Hears> Machine<S> {
    /// A unit that has not begun, and that whoever waits may do.
    pub(in crate::pool) fn lendable(
        &self,
        wanted: Wanted<'_, S>,
        mut progress: impl FnMut(WorkerId) -> Progress,
    ) -> Option<Slot> {
        let mut may_be =
            |slot: &Slot| self.units.get(*slot).is_some_and(|unit| self.is_lendable(unit, &mut progress));
        match wanted {
            Wanted::Unit(slot) => Some(slot).filter(&mut may_be),
            Wanted::Of(sink) => {
                let of_it = self.units.iter().filter(|(_, unit)| unit.sink.is(sink));
                of_it
                    .filter(|(slot, _)| may_be(slot))
                    .min_by_key(|(_, unit)| unit.first)
                    .map(|(slot, _)| slot)
            }
            Wanted::Room if self.has_room() => None,
            Wanted::Room => self.waiting.values().rev().flatten().copied().find(may_be),
            Wanted::Nothing => None,
        }
    }

    fn is_lendable(&self, unit: &Unit<S>, progress: &mut impl FnMut(WorkerId) -> Progress) -> bool {
        if unit.wish != Wish::ToBeDone || matches!(self.state, State::Broken(_)) {
            return false;
        }
        match unit.place {
            Place::Waiting => true,
            Place::Later(_) => false,
            Place::Held(worker, at) => {
                let works = |member: &Member| {
                    !member.is_lent && matches!(member.phase, Phase::Ready | Phase::Retiring)
                };
                self.crew.get(&worker).is_some_and(works) && progress(worker).begun <= at
            }
        }
    }

    /// Lends a worker for such a unit: that one again, or a new one. It has begun, or failed to, before it is given the unit.
    pub(in crate::pool) fn lend(
        &mut self,
        wanted: Wanted<'_, S>,
        again: Option<WorkerId>,
        now: Instant,
        world: &mut impl World<S>,
    ) -> Option<WorkerId> {
        let slot = self.lendable(wanted, |worker| world.progress(worker))?;
        match self.units.get(slot)?.place {
            Place::Waiting => self.uncount_waiting(slot),
            Place::Held(worker, at) => {
                if !world.take(worker, at) {
                    // It begins just now.
                    return None;
                }
                let member = self.crew.get_mut(&worker)?;
                let place = member.holds(at)?;
                member.release(place, now);
                self.end_if_retired(worker, now, world);
            }
            Place::Later(_) => return None,
        }
        let id = again.unwrap_or(self.next_worker);
        self.next_worker = self.next_worker.max(id + 1);
        let next = world.progress(id).begun;
        let mut member = Member::new(id, now);
        (member.is_lent, member.phase, member.next) = (true, Phase::Ready, next);
        let unit = self.units.get_mut(slot)?;
        unit.place = Place::Held(id, member.take(slot, unit.work.count, None, now));
        self.crew.insert(id, member);
        self.forget_cancelled();
        self.all_full = false;
        self.spread(now, world);
        world.changed();
        Some(id)
    }

    /// A lent worker is there: it gets its unit. False if there is none any more.
    pub(in crate::pool) fn lent_begins(
        &mut self,
        worker: WorkerId,
        now: Instant,
        world: &mut impl World<S>,
    ) -> bool {
        let Some(member) = self.crew.get(&worker) else { return false };
        let Some(held) = member.held.front().copied().filter(|_| member.phase == Phase::Ready) else {
            return false;
        };
        let Some(unit) = self.units.get(held.unit) else { return false };
        if unit.wish != Wish::ToBeDone {
            // It was cancelled meanwhile: as if its worker had died without having begun.
            return false;
        }
        world.give(worker, held.at, &unit.work);
        if let Some(limit) = unit.terms.limit {
            self.want_tick_in(now, limit);
        }
        true
    }

    /// A lent worker could not begin: another for the same unit would not either.
    pub(in crate::pool) fn lent_fails(
        &mut self,
        worker: WorkerId,
        why: &str,
        now: Instant,
        world: &mut impl World<S>,
    ) {
        let Some(member) = self.crew.remove(&worker) else { return };
        for held in &member.held {
            let Some(unit) = self.units.remove(held.unit) else { continue };
            let error = match unit.wish {
                Wish::ToBeDone => TaskError::Broken(why.to_owned()),
                _ => TaskError::Cancelled,
            };
            world.settle(&unit.sink, unit.first, Outcomes::failed(held.count, &error));
        }
        world.changed();
        self.keep_up(now, world);
    }

    /// A lent worker has done its unit; whether it may be lent again. If not it has come to its end, which is to be told.
    pub(in crate::pool) fn lent_ends(
        &mut self,
        worker: WorkerId,
        now: Instant,
        world: &mut impl World<S>,
    ) -> bool {
        let is_free = |member: &Member| member.phase == Phase::Ready && member.held.is_empty();
        if !self.crew.get(&worker).is_some_and(is_free) {
            return false;
        }
        self.crew.remove(&worker);
        world.changed();
        self.keep_up(now, world);
        true
    }
}

//! What follows from a worker's end for what it held.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use callboard_core::{ByteStrings, push_bytes};

use super::life::{FIRST_WAIT, MAX_DOUBLINGS};
use super::{Hears, Machine, Place, Wish, World};
use crate::fault::fault;
use crate::pool::crew::{Doom, Held, Member, Phase, Progress, WorkerId};
use crate::pool::error::TaskError;
use crate::pool::work::Outcomes;
use crate::process::JoinError;

/// A task that so many workers were about to begin when they died has failed.
const MAX_DEATHS: u32 = 5;

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pool) struct Death {
    pub(in crate::pool) pid: Option<u32>,
    pub(in crate::pool) why: JoinError,
    /// Values that it had not told, or that had not come, by the numbers of their tasks: byte strings, as it would have told them.
    pub(in crate::pool) values: HashMap<u64, Vec<u8>>,
}

impl Death {
    /// One that leaves nothing.
    pub(in crate::pool) fn of(pid: Option<u32>, why: JoinError) -> Self {
        Self { pid, why, values: HashMap::new() }
    }

    /// What came of tasks that had returned and were not told of.
    fn outcomes(&self, tasks: Range<u64>) -> Outcomes {
        let mut outcomes = Outcomes { count: (tasks.end - tasks.start) as u32, ..Outcomes::default() };
        for (at, task) in tasks.enumerate() {
            if let Some(value) = self.values.get(&task).filter(|value| is_one_string(value)) {
                outcomes.values.extend_from_slice(value);
            } else {
                push_bytes(&mut outcomes.values, &[]);
                let error = TaskError::Died { pid: self.pid, why: self.why.clone(), had_returned: true };
                outcomes.errors.push((at as u32, error));
            }
        }
        outcomes
    }
}

impl<S: Hears> Machine<S> {
    /// A worker has ended, after everything it told. `progress` is how far it had come; none if it never was there.
    pub(in crate::pool) fn ended(
        &mut self,
        worker: WorkerId,
        progress: Option<Progress>,
        death: &Death,
        now: Instant,
        world: &mut impl World<S>,
    ) {
        if self.crew.get(&worker).is_some_and(|member| member.phase == Phase::Starting) {
            return self.failed_start(worker, &death.why.to_string(), now, world);
        }
        let Some(member) = self.crew.remove(&worker) else { return };
        let progress = progress.unwrap_or_default();
        let is_ours = matches!(member.phase, Phase::Ready | Phase::Retiring) && !member.is_lent;
        if is_ours && progress.in_hand().is_none() {
            self.died_idle(&member, progress, death, now, world);
        }
        // The last ones first, as they go to the head of those that wait.
        for held in member.held.iter().rev() {
            self.take_back(held, &member, progress, death, now, world);
        }
        self.all_full = false;
        self.spread(now, world);
        world.changed();
        self.keep_up(now, world);
    }

    /// A worker has died with no task in hand. If it had done nothing, the next waits a little; and what it was about to begin
    /// does not do that to worker after worker.
    fn died_idle(
        &mut self,
        member: &Member,
        progress: Progress,
        death: &Death,
        now: Instant,
        world: &mut impl World<S>,
    ) {
        if member.done == 0 && progress.returned == 0 {
            self.idle_deaths += 1;
            if self.idle_deaths > 1 {
                let at = now + FIRST_WAIT * 2_u32.pow((self.idle_deaths - 2).min(MAX_DOUBLINGS));
                self.start_at = Some(at);
                self.want_tick(at);
            }
        }
        let next = member.held.iter().find(|held| held.told == 0 && held.at >= progress.begun);
        let next = next.map(|held| held.unit);
        let Some(unit) = next.and_then(|slot| self.units.get_mut(slot)) else { return };
        unit.deaths += 1;
        // One that was not to begin has not: it is cancelled with the rest of what is taken back.
        if unit.deaths >= MAX_DEATHS && unit.work.count == 1 && unit.wish == Wish::ToBeDone {
            let (sink, first) = (unit.sink.clone(), unit.first);
            let error = TaskError::Died { pid: death.pid, why: death.why.clone(), had_returned: false };
            if let Some(slot) = next {
                self.units.remove(slot);
            }
            world.settle(&sink, first, Outcomes::failed(1, &error));
        }
    }

    /// Takes back one unit: what had begun has failed, what had not waits again.
    fn take_back(
        &mut self,
        held: &Held,
        member: &Member,
        progress: Progress,
        death: &Death,
        now: Instant,
        world: &mut impl World<S>,
    ) {
        let (from, end) = (held.at + u64::from(held.told), held.at + u64::from(held.count));
        let begun = progress.begun.clamp(from, end);
        let returned = progress.returned.clamp(from, begun);
        if returned > from {
            self.settle(held.unit, held.told, death.outcomes(from..returned), now, world);
        }
        for task in returned..begun {
            let error = self.why_of(task, held, member, death);
            let offset = (task - held.at) as u32;
            self.settle(held.unit, offset, Outcomes::failed(1, &error), now, world);
        }
        let done = (begun - held.at) as u32;
        // The one task of a unit may be tried again.
        if self.units.get(held.unit).is_none_or(|unit| !matches!(unit.place, Place::Held(..))) {
            return;
        }
        let Some(unit) = self.units.get_mut(held.unit) else { return };
        if done == held.count {
            self.remove_held(held.unit, member.id);
        } else if unit.wish != Wish::ToBeDone {
            let (sink, first, left) = (unit.sink.clone(), unit.first + u64::from(done), held.count - done);
            self.remove_held(held.unit, member.id);
            world.settle(&sink, first, Outcomes::failed(left, &TaskError::Cancelled));
        } else {
            if done > 0 {
                unit.work = unit.work.part(done..held.count);
                unit.first += u64::from(done);
            }
            fault!(TaskOfTheDeadForgotten, return);
            self.wait_again(held.unit, true);
        }
    }

    /// Why the task in hand has failed.
    fn why_of(&self, task: u64, held: &Held, member: &Member, death: &Death) -> TaskError {
        let unit = self.units.get(held.unit);
        let wish = unit.map_or(Wish::ToBeDone, |unit| unit.wish);
        match member.phase {
            // Whoever killed its worker, and for whatever reason: it was to be ended, and has not returned.
            _ if wish == Wish::ToEnd => TaskError::Cancelled,
            Phase::Killed(Some(Doom::TimeLimit(of))) if of == task => {
                TaskError::TimedOut(unit.and_then(|unit| unit.terms.limit).unwrap_or_default())
            }
            Phase::Killed(Some(Doom::Cancelled(of))) if of == task => TaskError::Cancelled,
            // Its worker was killed for another, in whose stead it had begun just then.
            Phase::Killed(Some(_)) if wish == Wish::NotToBegin => TaskError::Cancelled,
            _ => TaskError::Died { pid: death.pid, why: death.why.clone(), had_returned: false },
        }
    }
}

/// Whether it can be one task's value: its writer may have died of writing anywhere.
fn is_one_string(value: &[u8]) -> bool {
    let mut strings = ByteStrings::new(value);
    matches!(strings.next(), Some(Ok(bytes)) if !bytes.is_empty()) && strings.position() == value.len()
}

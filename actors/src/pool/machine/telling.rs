//! What workers tell of tasks, and whom that is told.

use std::time::Instant;

use callboard_core::Slot;

use super::{Hears, Machine, World};
use crate::pool::crew::{Phase, WorkerId};
use crate::pool::work::Outcomes;

/// Units whose tasks were told of together.
#[derive(Default)]
struct Told {
    /// Those that are settled whole.
    whole: Vec<Slot>,
    /// The unit of the first task, and where that is in it.
    first: Option<(Slot, u32)>,
}

impl<S: Hears> Machine<S> {
    /// A worker has told of `outcomes.count` tasks from `at` on, of one unit or of several in a row, and how long they took.
    ///
    /// # Errors
    ///
    /// What can't be what a sound worker says.
    pub(in crate::pool) fn told(
        &mut self,
        worker: WorkerId,
        at: u64,
        outcomes: Outcomes,
        now: Instant,
        world: &mut impl World<S>,
    ) -> Result<(), String> {
        let Some(member) = self.crew.get_mut(&worker) else { return Ok(()) };
        if member.phase == Phase::Killed(None) {
            // All that it held was settled otherwise.
            return Ok(());
        }
        member.check_report(at, outcomes.count)?;
        self.idle_deaths = 0;
        member.measured(outcomes.count, outcomes.nanos, now);
        let mut at = at;
        let mut rest = Some(outcomes);
        while let Some(mut outcomes) = rest.take() {
            let (run, told) = self.take_run(worker, at, &outcomes, now);
            if run < outcomes.count {
                rest = Some(outcomes.split_off(run));
                at += u64::from(run);
            }
            if let Some((slot, offset)) = told.first {
                self.settle(slot, offset, outcomes, now, world);
            }
            told.whole.iter().for_each(|slot| self.remove_held(*slot, worker));
        }
        self.all_full = false;
        self.top_up(worker, now, world);
        self.end_if_retired(worker, now, world);
        self.keep_up(now, world);
        Ok(())
    }

    /// Takes tasks from a worker's hands, as many of `outcomes` as one can be told of at once; how many.
    fn take_run(&mut self, worker: WorkerId, at: u64, outcomes: &Outcomes, now: Instant) -> (u32, Told) {
        let Some(member) = self.crew.get_mut(&worker) else { return (outcomes.count, Told::default()) };
        let (mut run, mut told) = (0, Told::default());
        while run < outcomes.count {
            // It was checked that it holds all of them.
            let Some(place) = member.holds(at + u64::from(run)) else { break };
            let held = &mut member.held[place];
            let offset = (at + u64::from(run) - held.at) as u32;
            let slot = held.unit;
            if let Some((first, from)) = told.first {
                // Whoever hears of the first hears of this one as the next.
                let goes_on = match (self.units.get(first), self.units.get(slot)) {
                    (Some(one), Some(other)) => {
                        one.sink.is(&other.sink)
                            && one.first + u64::from(from) + u64::from(run) == other.first + u64::from(offset)
                    }
                    _ => false,
                };
                if !goes_on || !outcomes.are_values() {
                    return (run, told);
                }
            } else {
                told.first = Some((slot, offset));
            }
            let count = (held.count - held.told).min(outcomes.count - run);
            held.told += count;
            member.held_tasks -= u64::from(count);
            run += count;
            if held.told == held.count {
                told.whole.push(slot);
                member.release(place, now);
            }
        }
        (run, told)
    }
}

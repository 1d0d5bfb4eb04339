//! A pool as those see it who wait for it, or for one of its tasks.

use callboard_core::Slot;

use super::{PoolCell, State};
use crate::pool::crew::WorkerId;
use crate::pool::machine::Place;
use crate::standing::{Awaited, Known, WaitRole};

/// How many workers are named.
const MAX_NAMED: usize = 8;

impl PoolCell {
    /// The whole, or the task in that slot, and who works on it.
    pub(super) fn as_awaited(&self, task: Option<Slot>) -> Awaited {
        let state = self.state.lock();
        let worker = |place: &Place| match place {
            Place::Held(worker, _) => Some(*worker),
            Place::Waiting | Place::Later(_) => None,
        };
        let Some(task) = task else {
            let mut workers: Vec<WorkerId> =
                state.machine.units.iter().filter_map(|(_, unit)| worker(&unit.place)).collect();
            workers.sort_unstable();
            workers.dedup();
            let parties =
                workers.into_iter().take(MAX_NAMED).map(|worker| self.known(&state, worker)).collect();
            return Awaited { name: format!("{}-*", self.name), parties };
        };
        let unit = state.machine.units.get(task);
        let held_by = unit.and_then(|unit| worker(&unit.place));
        let stands = match unit {
            Some(_) if held_by.is_none() => ", which waits for a worker",
            _ => "",
        };
        let name = format!("{} of pool {}-*{stands}", task.index, self.name);
        Awaited { name, parties: held_by.into_iter().map(|worker| self.known(&state, worker)).collect() }
    }

    /// One that is no process is a thread of this one.
    fn known(&self, state: &State, worker: WorkerId) -> Known {
        let pid = state.processes.get(&worker).map_or_else(std::process::id, |process| process.pid());
        Known { role: WaitRole::Worker, name: format!("{}-{}", self.name, worker + 1), pid: Some(pid) }
    }
}

//! Running a pool's table under its cell's lock, and what follows when that is released.

use std::sync::Arc;
use std::time::Instant;

use super::effects::Effects;
use super::link::Link;
use super::{Call, PoolCell, Sink, State};
use crate::hook::Hook;
use crate::pool::crew::WorkerId;
use crate::pool::inbox::Inbox;
use crate::pool::machine::{Death, Machine};
use crate::pool::wire::ToWorker;
use crate::process::JoinError;
use crate::runtime::Runtime;

/// What is to be done when the cell is unlocked.
#[derive(Default)]
pub(in crate::pool) struct After {
    pub(super) starts: Vec<WorkerId>,
    pub(super) kills: Vec<WorkerId>,
    /// For workers in this process, which may answer at once.
    pub(super) tells: Vec<(Arc<Inbox>, ToWorker)>,
    pub(super) calls: Vec<Call>,
    pub(super) changed: bool,
    /// Those who waited for a change.
    hooks: Vec<Hook>,
}

impl PoolCell {
    /// Runs the machine, and does what follows.
    pub(in crate::pool) fn run<R>(
        &self,
        runtime: &Arc<Runtime>,
        with: impl FnOnce(&mut Machine<Sink>, &mut Effects<'_>) -> R,
    ) -> R {
        let mut after = After::default();
        let result = self.run_then(runtime, &mut after, with);
        self.after(runtime, after);
        result
    }

    fn run_then<R>(
        &self,
        runtime: &Arc<Runtime>,
        after: &mut After,
        with: impl FnOnce(&mut Machine<Sink>, &mut Effects<'_>) -> R,
    ) -> R {
        let mut state = self.state.lock();
        let State { machine, links, functions, figures, .. } = &mut *state;
        let result = with(machine, &mut Effects { runtime, links, functions, figures, after });
        let sooner = |at: &Instant| state.tick.is_none_or(|(ticks, _)| *at < ticks);
        if let Some(at) = state.machine.tick_at.filter(sooner) {
            let before = state.tick.replace((at, runtime.tick_at(at, self.address.slot)));
            if let Some((_, before)) = before {
                runtime.cancel_tick(before);
            }
        }
        if after.changed {
            after.hooks = state.hooks.take();
        }
        result
    }

    fn after(&self, runtime: &Arc<Runtime>, after: After) {
        let After { starts, kills, tells, calls, hooks, .. } = after;
        hooks.iter().for_each(|hook| hook.notify());
        for worker in starts {
            let starter = self.starter.lock().clone();
            if starter.is_none_or(|starter| starter.send(worker).is_err()) {
                self.failed_start(runtime, worker, "its node has ended");
            }
        }
        for (inbox, message) in tells {
            inbox.told(runtime, message);
        }
        for worker in kills {
            self.kill(runtime, worker);
        }
        calls.into_iter().for_each(|call| call());
    }

    fn kill(&self, runtime: &Arc<Runtime>, worker: WorkerId) {
        let (process, inbox) = {
            let state = self.state.lock();
            let inbox = match state.links.get(&worker).map(|linked| &linked.link) {
                Some(Link::Here { inbox, .. }) => Some(Arc::clone(inbox)),
                _ => None,
            };
            (state.processes.get(&worker).cloned(), inbox)
        };
        // One that is not there yet is looked for by who starts it.
        if let Some(process) = process
            && let Err(error) = process.kill()
        {
            runtime.complain(&format!("worker {worker} of a pool can't be killed: {error}"));
        }
        if let Some(inbox) = inbox {
            // A thread can't be ended: it is given up, and what it still does is for nobody.
            inbox.cut_off();
            self.ended(runtime, worker, &Death::of(None, JoinError::Vanished));
        }
    }
}

//! Starting a pool's workers: one thread of the pool's own does it, since it takes a millisecond, and an initializer as long as it likes.

use std::ffi::OsString;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use callboard_ipc::Counter;

use super::cell::{Ends, PoolCell};
use super::crew::{Phase, WorkerId};
use super::inbox::Inbox;
use super::line::Line;
use super::machine::Death;
use super::worker::{Bench, Setup, in_process};
use crate::node::WeakNode;
use crate::process::{Describe, JoinError, SpawnError, new_id, setup};
use crate::runtime::Runtime;

/// How a pool's workers are started.
pub(super) struct Launch {
    pub(super) node: WeakNode,
    pub(super) runtime: Arc<Runtime>,
    pub(super) name: String,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) setup: Setup,
    /// Sets of processors; workers take them in turn.
    pub(super) processors: Vec<Vec<usize>>,
    pub(super) is_process: bool,
    /// How processes are described besides.
    pub(super) describe: Describe,
}

/// The starting thread's life: until nobody can ask for a worker any more.
pub(super) fn serve(launch: &Launch, cell: &Weak<PoolCell>, wanted: &Receiver<WorkerId>) {
    while let Ok(worker) = wanted.recv() {
        let Some(cell) = cell.upgrade() else { return };
        if !cell.is_wanted(worker) {
            cell.ended(&launch.runtime, worker, &never_was());
        } else if launch.is_process {
            launch.process(&cell, worker);
        } else {
            launch.thread(&cell, worker);
        }
    }
}

fn never_was() -> Death {
    Death::of(None, JoinError::FailedStart("it was not needed any more".to_owned()))
}

impl Launch {
    pub(super) fn setup_of(&self, worker: WorkerId) -> Setup {
        Setup { worker, ..self.setup.clone() }
    }

    fn processors_of(&self, worker: WorkerId) -> Option<Vec<usize>> {
        (!self.processors.is_empty())
            .then(|| self.processors[worker as usize % self.processors.len()].clone())
    }

    fn name_of(&self, worker: WorkerId) -> String {
        format!("{}-{}", self.name, worker + 1)
    }

    fn process(&self, cell: &Arc<PoolCell>, worker: WorkerId) {
        let Some(node) = self.node.upgrade() else {
            return cell.failed_start(&self.runtime, worker, "its node has ended");
        };
        let mut spawn = match node.process(&self.name_of(worker)).described(&self.describe) {
            Ok(spawn) => spawn,
            Err(failure) => return cell.failed_start(&self.runtime, worker, &failure.to_string()),
        };
        for (key, value) in &self.env {
            spawn = spawn.env(key, value);
        }
        if let Some(processors) = self.processors_of(worker) {
            spawn = spawn.processors(processors);
        }
        let Some(id) = new_id() else {
            return cell.failed_start(&self.runtime, worker, &SpawnError::NoRandomness.to_string());
        };
        // Before it is there: whoever says that it is this worker must be that node.
        cell.expects(worker, id);
        let spawn = spawn.known_as(id);
        let process = match spawn.spawn(in_process, self.setup_of(worker)) {
            Ok(process) => Arc::new(process),
            Err(error) => {
                let why = crate::Failure::from(error).to_string();
                return cell.failed_start(&self.runtime, worker, &why);
            }
        };
        // The tasks tell of its end.
        process.is_watched();
        let is_condemned = {
            let mut state = cell.state.lock();
            state.processes.insert(worker, Arc::clone(&process));
            let phase = state.machine.crew.get(&worker).map(|member| member.phase);
            !matches!(phase, Some(phase) if !matches!(phase, Phase::Killed(_)))
        };
        if is_condemned {
            // Only "it is not there any more" can come back.
            let _ = process.kill();
        }
        let (runtime, of, its) = (Arc::clone(&self.runtime), Arc::downgrade(cell), Arc::clone(&process));
        process.on_end(move || {
            if let Some(cell) = of.upgrade() {
                cell.ended(&runtime, worker, &death_of(&its));
            }
        });
    }

    fn thread(&self, cell: &Arc<PoolCell>, worker: WorkerId) {
        let setup = self.setup_of(worker);
        let place = setup::Setup { processors: self.processors_of(worker), ..Default::default() };
        let (node, runtime, its) = (self.node.clone(), Arc::clone(&self.runtime), Arc::clone(cell));
        let started = std::thread::Builder::new().name(self.name_of(worker)).spawn(move || {
            Runtime::set_budget_of_thread(setup.budget);
            if let Err(refused) = place.places().and_then(|steps| setup::apply(&steps)) {
                return its.failed_start(&runtime, worker, &refused.to_string());
            }
            match begin_here(node, &runtime, &its, &setup) {
                Ok(mut bench) => {
                    bench.drive();
                    its.ended(&runtime, worker, &Death::of(None, JoinError::Exited(0)));
                }
                Err(why) => its.failed_start(&runtime, worker, &why),
            }
        });
        if let Err(error) = started {
            cell.failed_start(&self.runtime, worker, &format!("no thread could be started: {error}"));
        }
    }
}

/// A worker of this very process, on this thread.
pub(super) fn begin_here(
    node: WeakNode,
    runtime: &Arc<Runtime>,
    cell: &Arc<PoolCell>,
    setup: &Setup,
) -> Result<Bench, String> {
    let (bench, counter) = bench_here(node, runtime, cell, setup)?;
    cell.ready_here(runtime, setup.worker, bench.inbox(), &counter);
    Ok(bench)
}

/// The same, and the pool is still to be told.
pub(super) fn bench_here(
    node: WeakNode,
    runtime: &Arc<Runtime>,
    cell: &Arc<PoolCell>,
    setup: &Setup,
) -> Result<(Bench, Arc<Counter>), String> {
    let inbox = Inbox::new(setup.pool.node, None);
    let counter = Arc::new(Counter { taken: 0.into(), finished: 0.into(), poke: 0.into() });
    let line = Line::Here { cell: Arc::clone(cell), worker: setup.worker, counter: Arc::clone(&counter) };
    let bench = Bench::begin((node, runtime), setup, inbox, line)?;
    Ok((bench, counter))
}

fn death_of(process: &Ends) -> Death {
    let why = match process.ended() {
        Ok(Ok(())) => JoinError::Exited(0),
        Ok(Err(why)) => JoinError::FailedStart(why),
        Err(why) => why,
    };
    Death::of(Some(process.pid()), why)
}

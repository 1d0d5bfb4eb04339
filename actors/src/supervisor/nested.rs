//! A supervisor as another supervisor's child.

use std::sync::Arc;

use parking_lot::Mutex;

use super::cell::{Above, SupervisorCell};
use super::child_spec::SupervisorSpec;
use super::kid::{Kid, Told};
use crate::actor::Exit;
use crate::failure::Failure;
use crate::node::WeakNode;
use crate::runtime::Runtime;
use crate::tree::KidIs;

/// A supervisor that a supervisor keeps. Each of its lives is a cell of its own.
pub(super) struct NestedKid {
    spec: SupervisorSpec,
    node: WeakNode,
    told: Told,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    attempt: u64,
    cell: Option<Arc<SupervisorCell>>,
    asked: Option<Asked>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Stop,
    Kill,
}

impl Asked {
    fn carry_out(self, cell: &SupervisorCell) {
        match self {
            Asked::Stop => cell.input(|machine, now| machine.stop(now)),
            Asked::Kill => cell.input(|machine, now| machine.kill(now)),
        }
    }
}

impl NestedKid {
    pub(super) fn create(spec: SupervisorSpec, node: WeakNode, told: Told) -> Arc<dyn Kid> {
        Arc::new(Self { spec, node, told, state: Mutex::default() })
    }

    fn ask(&self, attempt: u64, asked: Asked) {
        let cell = {
            let mut state = self.state.lock();
            if state.attempt != attempt {
                return;
            }
            if state.cell.is_none() {
                state.asked = state.asked.max(Some(asked));
            }
            state.cell.clone()
        };
        if let Some(cell) = cell {
            asked.carry_out(&cell);
        }
    }
}

impl Kid for NestedKid {
    fn is_to_start(&self, attempt: u64) {
        *self.state.lock() = State { attempt, cell: None, asked: None };
    }

    fn start(&self, _: &Arc<Runtime>, attempt: u64) {
        let Some(node) = self.node.upgrade() else {
            return self.told.start_failed(attempt, Exit::Shutdown);
        };
        let above = Above { told: self.told.clone(), attempt };
        let cell = match SupervisorCell::create(&node, &self.spec, Some(above)) {
            Ok(cell) => cell,
            Err(error) => return self.told.start_failed(attempt, Exit::Failed(Failure::from(error))),
        };
        let asked = {
            let mut state = self.state.lock();
            state.cell = Some(Arc::clone(&cell));
            state.asked.take()
        };
        cell.input(|machine, now| machine.begin(now));
        if let Some(asked) = asked {
            asked.carry_out(&cell);
        }
    }

    fn stop(&self, _: &Arc<Runtime>, attempt: u64) {
        self.ask(attempt, Asked::Stop);
    }

    fn kill(&self, _: &Arc<Runtime>, attempt: u64) {
        self.ask(attempt, Asked::Kill);
    }

    fn is(&self) -> KidIs {
        let cell = self.state.lock().cell.clone();
        cell.filter(|cell| cell.over().is_none())
            .map_or(KidIs::Nothing, |cell| KidIs::Supervisor(cell.part()))
    }
}

//! A whole process as a supervisor's child: a function that runs in it.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kid::{Kid, Told};
use crate::actor::Exit;
use crate::failure::Failure;
use crate::node::{Node, WeakNode};
use crate::process::{Describe, Process};
use crate::runtime::Runtime;
use crate::tree::KidIs;

type Returns = Result<(), Failure>;

/// A process that a supervisor keeps.
pub(super) struct ProcessKid<A> {
    name: String,
    f: fn(&Node, A) -> Returns,
    args: A,
    describe: Describe,
    node: WeakNode,
    told: Told,
    me: Weak<Self>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    attempt: u64,
    process: Option<Arc<Process<Returns>>>,
    /// It has been asked to end, or killed, before there was a process.
    asked: Option<Asked>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Stop,
    Kill,
}

impl<A: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> ProcessKid<A> {
    pub(super) fn create(
        name: String,
        f: fn(&Node, A) -> Returns,
        args: A,
        describe: Describe,
        node: WeakNode,
        told: Told,
    ) -> Arc<dyn Kid> {
        Arc::new_cyclic(|me| Self {
            name,
            f,
            args,
            describe,
            node,
            told,
            me: Weak::clone(me),
            state: Mutex::default(),
        })
    }

    fn ask(&self, attempt: u64, asked: Asked) {
        let mut state = self.state.lock();
        if state.attempt != attempt {
            return;
        }
        match &state.process {
            Some(process) => asked.carry_out(process),
            None => state.asked = state.asked.max(Some(asked)),
        }
    }
}

impl Asked {
    fn carry_out<R>(self, process: &Process<R>) {
        match self {
            Asked::Stop => process.ask_to_end(),
            Asked::Kill => _ = process.kill(),
        }
    }
}

impl<A: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Kid for ProcessKid<A> {
    fn is_to_start(&self, attempt: u64) {
        *self.state.lock() = State { attempt, process: None, asked: None };
    }

    fn start(&self, _: &Arc<Runtime>, attempt: u64) {
        let Some(node) = self.node.upgrade() else {
            return self.told.start_failed(attempt, Exit::Shutdown);
        };
        let started = node
            .process(&self.name)
            .described(&self.describe)
            .and_then(|process| process.spawn(self.f, self.args.clone()).map_err(Failure::from));
        let process = match started {
            Ok(process) => Arc::new(process),
            Err(failure) => return self.told.start_failed(attempt, Exit::Failed(failure)),
        };
        process.is_watched();
        let asked = {
            let mut state = self.state.lock();
            state.process = Some(Arc::clone(&process));
            state.asked.take()
        };
        if let Some(asked) = asked {
            asked.carry_out(&process);
        }
        self.told.started(attempt);
        let (me, ended) = (Weak::clone(&self.me), Arc::downgrade(&process));
        process.on_end(move || {
            let (Some(me), Some(process)) = (me.upgrade(), ended.upgrade()) else { return };
            let exit = match process.ended() {
                Ok(Ok(())) => Exit::Normal,
                Ok(Err(failure)) => Exit::Failed(failure),
                Err(error) => error.into(),
            };
            me.told.ended(attempt, exit);
        });
    }

    fn stop(&self, _: &Arc<Runtime>, attempt: u64) {
        self.ask(attempt, Asked::Stop);
    }

    fn kill(&self, _: &Arc<Runtime>, attempt: u64) {
        self.ask(attempt, Asked::Kill);
    }

    fn is(&self) -> KidIs {
        let state = self.state.lock();
        let process = state.process.as_ref().filter(|process| process.is_alive());
        process.map_or(KidIs::Nothing, |process| KidIs::Process(process.pid()))
    }
}

//! A child's cell on its parent's node: what it is told, by whom, and who waits for its end.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Instant;

use callboard_core::{NodeId, Readiness, Slot, Source, decode};

use super::super::wire::Report;
use super::ChildCell;
use crate::cell::{Cell, Incoming, Violation};
use crate::control::{CONTROL, Control};
use crate::hook::{Hook, Poll};
use crate::peer::Peer;
use crate::runtime::Runtime;
use crate::scope;
use crate::standing::{Awaited, Sought};

/// Ready at its end.
impl Poll for ChildCell {
    fn sought(&self) -> Sought {
        Sought::here("the end of", "process", self.slot)
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.state.lock();
        if !state.has_ended() {
            state.hooks.add(hook);
        }
        state.has_ended()
    }

    fn forget(&self, hook: &Hook) {
        self.state.lock().hooks.remove(hook);
    }
}

impl Cell for ChildCell {
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        if from.id != self.node {
            return Err("a report from a node that is not the child".to_owned());
        }
        let report: Report = scope::enter_with(runtime, incoming.rights, || decode(incoming.body))
            .map_err(|error| format!("a child's report: {error}"))?;
        self.state.lock().report = Some(report);
        Ok(())
    }

    fn peer_gone(&self, runtime: &Arc<Runtime>, _: NodeId) {
        // At the root all of it has been forgotten by now. Elsewhere the root says when; if it is gone too, nobody will.
        match runtime.peer(runtime.root) {
            Some(root) if !self.has_ended() => {
                let this = Weak::clone(&self.this);
                runtime.call_then(
                    &root,
                    CONTROL,
                    &Control::AwaitEnd { node: self.node },
                    move |runtime, _| {
                        if let Some(this) = this.upgrade() {
                            this.disconnected(runtime);
                        }
                    },
                );
                root.flush(runtime);
            }
            _ => self.disconnected(runtime),
        }
    }

    fn awaited(&self, _: Option<Slot>) -> Option<Awaited> {
        Some(Awaited::process(&self.name, self.pid()))
    }

    /// The grace of a `terminate` is over, or the time that is waited for its last lines.
    fn tick(&self, runtime: &Arc<Runtime>) {
        let gives_up = {
            let mut state = self.state.lock();
            let gives_up = state.forwards > 0 && state.forwards_until.is_some_and(|at| at <= Instant::now());
            state.forwards = if gives_up { 0 } else { state.forwards };
            gives_up
        };
        if gives_up {
            return self.announce(runtime);
        }
        if !self.has_ended()
            && let Err(error) = self.kill()
        {
            runtime.complain(&format!("process {} can't be killed: {error}", self.name));
        }
    }
}

impl Source for ChildCell {
    fn ready(&self, _readiness: Readiness) {
        if let Some(runtime) = self.runtime.upgrade() {
            self.reap(&runtime);
        }
    }
}

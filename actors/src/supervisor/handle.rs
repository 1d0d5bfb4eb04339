//! A supervisor as its users hold it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{Answer, Answered, Beginning};
use super::cell::{SupervisorCell, exit_of};
use super::child_spec::{ChildSpec, SupervisorSpec};
use super::effect::{Conclusion, Refusal, State, Which};
use super::outcome::{ChildInfo, SupervisorEnd, SupervisorError, refused};
use crate::hook::Poll;
use crate::node::Node;
use crate::runtime::Runtime;
use crate::wait_any::{Pollable, Sealed, WaitAny, Waitable};

impl Node {
    /// Starts a supervisor and its children, one after the other, and waits until all have started.
    ///
    /// It lives until it is [stopped](Supervisor::stop), ends by itself, or this node ends; dropping the handle changes nothing. This waits
    /// as long as its children take to start.
    ///
    /// # Errors
    ///
    /// Nothing has been started: [`SupervisorError::NameTaken`], [`SupervisorError::BadSpec`], [`SupervisorError::Backoff`]. Those that had
    /// started are stopped again: [`SupervisorError::StartFailed`], [`SupervisorError::NotBegun`] if there were too many restarts meanwhile or
    /// this node has ended, [`SupervisorError::Ending`].
    ///
    /// Source: `supervisor:start_link` of Erlang.
    pub fn supervise(&self, spec: &SupervisorSpec) -> Result<Supervisor, SupervisorError> {
        self.supervise_until(spec, None)
    }

    /// As [`supervise`](Self::supervise), waiting up to `timeout` until all have started; then those that have are killed again.
    ///
    /// # Errors
    ///
    /// As [`supervise`](Self::supervise); [`SupervisorError::TimedOut`].
    pub fn supervise_timeout(
        &self,
        spec: &SupervisorSpec,
        timeout: Duration,
    ) -> Result<Supervisor, SupervisorError> {
        self.supervise_until(spec, Instant::now().checked_add(timeout))
    }

    fn supervise_until(
        &self,
        spec: &SupervisorSpec,
        deadline: Option<Instant>,
    ) -> Result<Supervisor, SupervisorError> {
        let cell = SupervisorCell::create(self, spec, None)?;
        let runtime = self.runtime();
        cell.input(|machine, now| machine.begin(now));
        if !runtime.wait_until(&Beginning(&cell), deadline) {
            cell.input(|machine, now| machine.kill(now));
            return Err(SupervisorError::TimedOut);
        }
        if !cell.has_begun() {
            runtime.wait_until(&*cell, None);
            return Err(match cell.over() {
                Some(Conclusion::StartFailed { name, why, .. }) => SupervisorError::StartFailed { name, why },
                Some(why) => SupervisorError::NotBegun(exit_of(&why)),
                None => SupervisorError::Ending,
            });
        }
        Ok(Supervisor { runtime: Arc::clone(runtime), node: self.downgrade(), cell })
    }
}

/// A supervisor that runs on this node.
///
/// Made by [`Node::supervise`]. Clones are the same supervisor.
#[derive(Clone)]
pub struct Supervisor {
    runtime: Arc<Runtime>,
    node: crate::node::WeakNode,
    cell: Arc<SupervisorCell>,
}

impl Supervisor {
    /// Its children in the order of their starts.
    pub fn children(&self) -> Vec<ChildInfo> {
        let info = |(plan, state): (super::spec::Plan, State)| ChildInfo {
            name: plan.name,
            state: state.into(),
            restart: plan.restart,
        };
        self.cell.children().into_iter().map(info).collect()
    }

    /// Adds a child behind the others, and waits until it has started, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NameTaken`], [`SupervisorError::BadSpec`], [`SupervisorError::Backoff`], [`SupervisorError::StartFailed`],
    /// [`SupervisorError::Stopped`], [`SupervisorError::Ending`]. A child that did not start is not kept.
    ///
    /// Source: `supervisor:start_child` of Erlang.
    pub fn add(&self, child: &ChildSpec) -> Result<(), SupervisorError> {
        self.answered(&self.cell.add(child), &child.plan.name, None)
    }

    /// As [`add`](Self::add), waiting up to `timeout`. The child may start later.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add); [`SupervisorError::TimedOut`].
    pub fn add_timeout(&self, child: &ChildSpec, timeout: Duration) -> Result<(), SupervisorError> {
        self.answered(&self.cell.add(child), &child.plan.name, Some(timeout))
    }

    /// Stops a child for good, and waits until it has ended, as its child spec says. It stays known, unless it is temporary or its supervisor
    /// [`SimpleOneForOne`](crate::Strategy::SimpleOneForOne): it may be [started](Self::restart) or [deleted](Self::delete). `Ok` also if it
    /// had ended. It comes back when its group is started again.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NotFound`], [`SupervisorError::Ending`].
    pub fn terminate(&self, name: &str) -> Result<(), SupervisorError> {
        self.terminate_within(name, None)
    }

    /// As [`terminate`](Self::terminate), waiting up to `timeout`. The child is stopped all the same.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate); [`SupervisorError::TimedOut`].
    pub fn terminate_timeout(&self, name: &str, timeout: Duration) -> Result<(), SupervisorError> {
        self.terminate_within(name, Some(timeout))
    }

    fn terminate_within(&self, name: &str, within: Option<Duration>) -> Result<(), SupervisorError> {
        let asked =
            self.cell.command(|machine, ticket, now| machine.terminate(Which::Name(name), ticket, now));
        self.answered(&asked, name, within)
    }

    /// Starts a child that is down, and waits until it has started. An actor has another address then.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NotFound`], [`SupervisorError::InState`], [`SupervisorError::StartFailed`], [`SupervisorError::Stopped`],
    /// [`SupervisorError::Ending`].
    pub fn restart(&self, name: &str) -> Result<(), SupervisorError> {
        self.restart_within(name, None)
    }

    /// As [`restart`](Self::restart), waiting up to `timeout`. The child may start later.
    ///
    /// # Errors
    ///
    /// As [`restart`](Self::restart); [`SupervisorError::TimedOut`].
    pub fn restart_timeout(&self, name: &str, timeout: Duration) -> Result<(), SupervisorError> {
        self.restart_within(name, Some(timeout))
    }

    fn restart_within(&self, name: &str, within: Option<Duration>) -> Result<(), SupervisorError> {
        let asked = self.cell.command(|machine, ticket, now| machine.restart(Which::Name(name), ticket, now));
        self.answered(&asked, name, within)
    }

    /// Forgets a child that is down. Its name among its siblings is free.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NotFound`], [`SupervisorError::InState`], [`SupervisorError::Ending`].
    pub fn delete(&self, name: &str) -> Result<(), SupervisorError> {
        let asked = self.cell.command(|machine, ticket, now| machine.delete(Which::Name(name), ticket, now));
        self.answered(&asked, name, None)
    }

    fn answered(&self, answer: &Answer, name: &str, within: Option<Duration>) -> Result<(), SupervisorError> {
        let deadline = within.map(|within| Instant::now().checked_add(within));
        if !self.runtime.wait_until(answer, deadline.flatten()) {
            return Err(SupervisorError::TimedOut);
        }
        let answer: Answered = answer.take().unwrap_or(Err(Refusal::Ending));
        answer.map(drop).map_err(|refusal| refused(refusal, name))
    }

    /// Has it stop its children in order, the last started first, each as its child spec says, and end. Returns at once.
    pub fn stop(&self) {
        self.cell.input(|machine, now| machine.stop(now));
    }

    /// Has it kill its children and end, also while it stops them. Returns at once.
    pub fn kill(&self) {
        self.cell.input(|machine, now| machine.kill(now));
    }

    /// Waits until it has ended, as long as that takes.
    pub fn wait(&self) -> SupervisorEnd {
        self.runtime.wait_until(&*self.cell, None);
        self.end().unwrap_or(SupervisorEnd::Killed)
    }

    /// Waits up to `timeout` until it has ended; none if it has not by then. Zero does not wait.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<SupervisorEnd> {
        self.runtime.wait_until(&*self.cell, Instant::now().checked_add(timeout));
        self.end()
    }

    /// How it ended; none if it has not.
    pub fn end(&self) -> Option<SupervisorEnd> {
        self.cell.over().map(SupervisorEnd::from)
    }

    /// Runs until it has ended, or its process is asked to ([`Node::stopping`]): then it stops its children in order and ends. For the end of `main`, and
    /// of the function of a process that hosts a subtree.
    ///
    /// With [`Node::stop_on_signals`] a SIGTERM or Ctrl-C ends a whole job so, and a second one at once. A `main` that returns what this returns
    /// ends with status 0, or 1 if that is an error; after a second signal it has ended by that signal.
    ///
    /// # Errors
    ///
    /// How it ended, unless it was asked to or its significant children have ended.
    pub fn run(&self) -> Result<(), SupervisorEnd> {
        if let Some(node) = self.node.upgrade() {
            let mut any = WaitAny::new(&node);
            any.add(self);
            let stop = any.add(&node);
            drop(node);
            while self.end().is_none() {
                if any.wait() == Some(stop) {
                    self.stop();
                    any.remove(stop);
                }
            }
        }
        match self.wait() {
            SupervisorEnd::Asked | SupervisorEnd::Significant => Ok(()),
            end => Err(end),
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Supervisor({})", self.cell.name())
    }
}

impl Sealed for Supervisor {
    fn pollable(&self) -> Pollable {
        Pollable::new(&self.runtime, Arc::clone(&self.cell) as Arc<dyn Poll>)
    }
}

/// Ready once it has ended.
impl Waitable for Supervisor {}

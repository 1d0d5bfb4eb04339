//! The processes that a node has started: which there are, and how they end with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::Slot;
use parking_lot::Mutex;

use crate::command::cell::CommandCell;
use crate::node::Node;
use crate::process::StartMethod;
use crate::process::child::ChildCell;
use crate::process::forks::Forks;
use crate::process::forward::Forwards;
use crate::runtime::Runtime;

/// How long a node that ends waits until its killed children are gone.
const REAP_WITHIN: Duration = Duration::from_secs(5);
/// How long the guards of killed programs have to end what is left of these; then the node does it.
const GUARDS_WITHIN: Duration = Duration::from_secs(1);
/// And then until what they wrote has been passed on.
const FORWARD_WITHIN: Duration = Duration::from_secs(1);

/// A node's children.
#[derive(Default)]
pub(crate) struct Family {
    children: Mutex<HashMap<Slot, Arc<ChildCell>>>,
    commands: Mutex<HashMap<Slot, Arc<CommandCell>>>,
    /// What they write and this process passes on.
    pub(crate) forwards: Forwards,
    /// How they are started unless something else is said of one.
    pub(crate) start_method: Mutex<StartMethod>,
    pub(crate) forks: Forks,
}

/// A process that a node has started and that has not ended, as [`Node::active_children`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveChild {
    /// The name given when it was started.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Whether it is another program, started by [`Node::command`].
    pub is_command: bool,
}

impl Runtime {
    pub(crate) fn add_child(&self, child: &Arc<ChildCell>) {
        self.family.children.lock().insert(child.slot(), Arc::clone(child));
    }

    pub(crate) fn remove_child(&self, slot: Slot) {
        let removed = self.family.children.lock().remove(&slot);
        drop(removed);
    }

    /// The same for one that has ended, and is told to those who asked.
    pub(crate) fn child_ended(&self, child: &ChildCell) {
        let mut children = self.family.children.lock();
        let removed = children.remove(&child.slot());
        if removed.is_some() {
            // Told under the lock: who finds the child gone may rely on that.
            self.exits.ended(|| child.ended());
        }
        drop(children);
        drop(removed);
    }

    pub(crate) fn children(&self) -> Vec<Arc<ChildCell>> {
        self.family.children.lock().values().cloned().collect()
    }

    pub(crate) fn add_command(&self, command: &Arc<CommandCell>) {
        self.family.commands.lock().insert(command.slot(), Arc::clone(command));
    }

    pub(crate) fn remove_command(&self, slot: Slot) {
        let removed = self.family.commands.lock().remove(&slot);
        drop(removed);
    }

    /// As [`child_ended`](Self::child_ended).
    pub(crate) fn command_ended(&self, command: &CommandCell) {
        let mut commands = self.family.commands.lock();
        let removed = commands.remove(&command.slot());
        if removed.is_some() {
            self.exits.ended(|| command.ended());
        }
        drop(commands);
        drop(removed);
    }

    pub(crate) fn commands(&self) -> Vec<Arc<CommandCell>> {
        self.family.commands.lock().values().cloned().collect()
    }

    /// Whether users' code is called when [its children](Self::end_family) have ended.
    pub(crate) fn makes_calls_at_its_end(&self) -> bool {
        self.exits.are_told() || self.logs.are_gathered()
    }

    /// Kills and collects all children, and passes on what they wrote; for a node that ends. A child in an uninterruptible wait is left to
    /// the kernel.
    pub(crate) fn end_family(self: &Arc<Self>) {
        self.family.forks.end(Instant::now() + REAP_WITHIN);
        let (children, commands) = (self.children(), self.commands());
        for child in &children {
            let _ = child.kill();
        }
        for command in &commands {
            let _ = command.kill(self);
        }
        let deadline = Instant::now() + REAP_WITHIN;
        children.iter().for_each(|child| child.collect(self, deadline));
        let deadline = Instant::now() + GUARDS_WITHIN;
        commands.iter().for_each(|command| command.finish(self, deadline));
        self.family.forwards.wait_idle(FORWARD_WITHIN);
        // Whoever reads our own streams may have stopped. Nobody will tick for them any more.
        children.iter().for_each(|child| child.forwarded(self, usize::MAX));
        // The end of their connections may never be seen here. One that the kernel still has is not told.
        children.iter().filter(|child| !child.is_living()).for_each(|child| self.child_ended(child));
        self.exits.finish(self);
        // Last: what has just been called may have logged too.
        self.logs.end(self);
    }
}

impl Node {
    /// The processes that this node has started and that have not ended, by name and then by process id: workers of its pools, and what its
    /// supervisors keep, are among them, what these have started is not.
    pub fn active_children(&self) -> Vec<ActiveChild> {
        let (children, commands) = (self.runtime().children(), self.runtime().commands());
        let children = children.iter().filter(|child| child.is_living());
        let children = children.map(|child| (child.name(), child.pid(), false));
        let commands = commands.iter().filter(|command| command.is_living());
        let commands = commands.map(|command| (command.name(), command.pid(), true));
        let mut living: Vec<_> = children
            .chain(commands)
            .map(|(name, pid, is_command)| ActiveChild { name: name.to_owned(), pid, is_command })
            .collect();
        living.sort_by(|a, b| (&a.name, a.pid).cmp(&(&b.name, b.pid)));
        living
    }

    /// The process id of the parent, which spawned this process; none at the root and for guests, which nobody spawned.
    #[doc(alias = "parent_process")]
    #[doc(alias = "getppid")]
    pub fn parent_pid(&self) -> Option<u32> {
        self.runtime().parent_pid
    }
}

//! The processes that a node has started: which there are, and how they end with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::Slot;
use parking_lot::Mutex;

use crate::node::Node;
use crate::process::child::ChildCell;
use crate::process::forward::Forwards;
use crate::runtime::Runtime;

/// How long a node that ends waits until its killed children are gone.
const REAP_WITHIN: Duration = Duration::from_secs(5);
/// And then until what they wrote has been passed on.
const FORWARD_WITHIN: Duration = Duration::from_secs(1);

/// A node's children.
#[derive(Default)]
pub(crate) struct Family {
    children: Mutex<HashMap<Slot, Arc<ChildCell>>>,
    /// What they write and this process passes on.
    pub(crate) forwards: Forwards,
}

/// A process that a node has started and that has not ended, as [`Node::active_children`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveChild {
    /// The name given when it was started.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

impl Runtime {
    pub(crate) fn add_child(&self, child: &Arc<ChildCell>) {
        self.family.children.lock().insert(child.slot(), Arc::clone(child));
    }

    pub(crate) fn remove_child(&self, slot: Slot) {
        let removed = self.family.children.lock().remove(&slot);
        drop(removed);
    }

    pub(crate) fn children(&self) -> Vec<Arc<ChildCell>> {
        self.family.children.lock().values().cloned().collect()
    }

    /// Kills and collects all children, and passes on what they wrote; for a node that ends. A child in an uninterruptible wait is left to
    /// the kernel.
    pub(crate) fn end_family(&self) {
        let children = self.children();
        for child in &children {
            let _ = child.kill();
        }
        let deadline = Instant::now() + REAP_WITHIN;
        children.iter().for_each(|child| child.collect(deadline));
        self.family.forwards.wait_idle(FORWARD_WITHIN);
    }
}

impl Node {
    /// The processes that this node has started and that have not ended, by name and then by process id: workers of its pools, and what its
    /// supervisors keep, are among them, what these have started is not.
    pub fn active_children(&self) -> Vec<ActiveChild> {
        let children = self.runtime().children();
        let living = children.iter().filter(|child| child.is_living());
        let mut living: Vec<_> =
            living.map(|child| ActiveChild { name: child.name().to_owned(), pid: child.pid() }).collect();
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

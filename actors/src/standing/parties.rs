//! Who is behind what is waited for: names of objects, and the processes that have them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use callboard_core::{Address, NodeId};
use parking_lot::Mutex;

use super::words::WaitRole;
use crate::call::answered;
use crate::control::{CONTROL, Control};
use crate::runtime::Runtime;

/// How many names a node remembers. Of others the root is asked.
const MAX_NAMES: usize = 1024;

/// The names of objects that this node has created or opened: known also while the root does not answer.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<Address, String>>);

impl Names {
    pub(crate) fn note(&self, address: Address, name: &str) {
        let mut names = self.0.lock();
        if names.get(&address).is_some_and(|known| known == name) {
            return;
        }
        if names.len() >= MAX_NAMES {
            names.clear();
        }
        names.insert(address, name.to_owned());
    }

    fn get(&self, address: Address) -> Option<String> {
        self.0.lock().get(&address).cloned()
    }
}

/// Somebody behind what is waited for, before it is known what that process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) role: WaitRole,
    pub(crate) name: String,
    pub(crate) pid: Option<u32>,
}

/// Something on this node that is waited for, as its cell describes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Awaited {
    /// Its name; of a part, what the part is called.
    pub(crate) name: String,
    pub(crate) parties: Vec<Known>,
}

impl Awaited {
    /// A process that is waited for itself.
    pub(crate) fn process(name: &str, pid: u32) -> Self {
        let this = Known { role: WaitRole::Itself, name: name.to_owned(), pid: Some(pid) };
        Self { name: name.to_owned(), parties: vec![this] }
    }
}

/// What those objects are called; those without a name are left out. Waits for the root until `by`.
pub(super) fn names_of(
    runtime: &Arc<Runtime>,
    addresses: impl Iterator<Item = Address>,
    by: Instant,
) -> HashMap<Address, String> {
    let (mut known, mut asked) = (HashMap::new(), Vec::new());
    for address in addresses {
        match runtime.standing.names.get(address) {
            Some(name) => _ = known.insert(address, name),
            None if !asked.contains(&address) => asked.push(address),
            None => {}
        }
    }
    if asked.is_empty() {
        return known;
    }
    let told = match (runtime.registry(), runtime.peer(runtime.root)) {
        (Some(registry), _) => registry.names_of(&asked),
        (None, Some(root)) => {
            let pending = runtime.call_pending(&root, CONTROL, &Control::Names { of: asked.clone() });
            let told = pending.wait(Some(by)).and_then(|told| answered(told, runtime));
            told.unwrap_or_default()
        }
        (None, None) => Vec::new(),
    };
    known.extend(asked.into_iter().zip(told).filter_map(|(address, name)| Some((address, name?))));
    known
}

impl Runtime {
    /// What that node is called, and its process, as far as that is known here.
    pub(crate) fn who_is(&self, node: NodeId) -> (String, Option<u32>) {
        if node == self.id {
            return (self.name.clone(), Some(std::process::id()));
        }
        let peer = self.peer(node);
        let said = peer.as_ref().and_then(|peer| peer.connection()).and_then(|to| to.link().peer_is());
        if let Some((pid, name)) = said {
            return (name, Some(pid));
        }
        // One that has not begun yet has not said so either.
        match self.children().iter().find(|child| child.node_id() == node) {
            Some(child) => (child.name().to_owned(), Some(child.pid())),
            None => (format!("node {node}"), None),
        }
    }

    pub(crate) fn known(&self, role: WaitRole, node: NodeId) -> Known {
        let (name, pid) = self.who_is(node);
        Known { role, name, pid }
    }
}

//! Which nodes may have something of this node's shared memory in hand, as each says by a pipe that is open as long (`peer/hold.rs`).

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};

use callboard_core::{NodeId, Readiness, Slot, Source, Token, Wants};
use callboard_ipc::has_parted;
use parking_lot::Mutex;

use super::Runtime;
use crate::cell::Violation;

#[derive(Default)]
pub(crate) struct Holds(Mutex<HashMap<NodeId, Open>>);

struct Open {
    end: Arc<HoldEnd>,
    /// Cells that wait for its end.
    waiting: HashSet<Slot>,
}

/// The reading end.
struct HoldEnd {
    node: NodeId,
    pipe: OwnedFd,
    runtime: Weak<Runtime>,
    /// Held until it is registered, as its end may have come by then.
    token: Mutex<Option<Token>>,
}

impl HoldEnd {
    /// Whatever is wrong with it, it says nothing any more.
    fn is_over(&self) -> bool {
        has_parted(&self.pipe).unwrap_or(true)
    }

    fn deregister(&self, runtime: &Runtime) {
        if let Some(token) = self.token.lock().take() {
            runtime.reactor.deregister(self.pipe.as_fd(), token);
        }
    }
}

impl Source for HoldEnd {
    fn ready(&self, _: Readiness) {
        if let Some(runtime) = self.runtime.upgrade()
            && self.is_over()
        {
            runtime.holds.ended(&runtime, self.node);
        }
    }
}

impl Holds {
    /// Keeps the end that came from `node`.
    pub(crate) fn add(&self, runtime: &Arc<Runtime>, node: NodeId, pipe: OwnedFd) -> Result<(), Violation> {
        let weak = Arc::downgrade(runtime);
        let end = Arc::new(HoldEnd { node, pipe, runtime: weak, token: Mutex::new(None) });
        let mut token = end.token.lock();
        {
            let mut holds = self.0.lock();
            if holds.contains_key(&node) {
                return Err("a second word that memory of this node is in hand".to_owned());
            }
            holds.insert(node, Open { end: Arc::clone(&end), waiting: HashSet::new() });
        }
        match runtime.reactor.register(end.pipe.as_fd(), Wants::Reading, Arc::clone(&end) as _) {
            Ok(registered) => *token = Some(registered),
            Err(error) => {
                let removed = self.0.lock().remove(&node);
                drop(removed);
                return Err(format!("what says that memory is in hand can't be watched: {error}"));
            }
        }
        Ok(())
    }

    /// Has the cell at `slot` ticked when `node` has let go, if that is still to come.
    pub(crate) fn await_end(&self, node: NodeId, slot: Slot) {
        if let Some(open) = self.0.lock().get_mut(&node) {
            open.waiting.insert(slot);
        }
    }

    /// Whether `node` may have something in hand.
    pub(crate) fn is_open(&self, node: NodeId) -> bool {
        // Its end may be there before anybody has told of it.
        self.0.lock().get(&node).is_some_and(|open| !open.end.is_over())
    }

    fn ended(&self, runtime: &Arc<Runtime>, node: NodeId) {
        // Gone from the table before the cells look.
        let Some(open) = self.0.lock().remove(&node) else { return };
        open.end.deregister(runtime);
        for cell in open.waiting.into_iter().filter_map(|slot| runtime.cell(slot)) {
            cell.tick(runtime);
        }
        runtime.flush_listed();
    }

    /// This node ends, and takes nothing back any more.
    pub(crate) fn close(&self, runtime: &Runtime) {
        let all = std::mem::take(&mut *self.0.lock());
        all.values().for_each(|open| open.end.deregister(runtime));
    }
}

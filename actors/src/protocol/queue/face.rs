//! What all handles to one queue on one node share.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use callboard_core::Address;

use super::cell::QueueCell;
use super::client::Client;
use super::inbox::Form;
use super::line::Line;
use crate::cell::Face;
use crate::runtime::Runtime;

#[derive(Debug)]
pub(super) struct QueueFace {
    pub(super) runtime: Arc<Runtime>,
    pub(super) address: Address,
    line: Line,
    /// For puts and plain gets.
    pub(super) plain: Arc<Client>,
    leased: OnceLock<Arc<Client>>,
    /// What is next depends on what is put later, so none is asked for before it is wanted.
    prefetches: bool,
}

impl QueueFace {
    /// The face of the queue at `address`, wherever that is.
    pub(super) fn of(runtime: &Arc<Runtime>, address: Address, prefetches: bool) -> Arc<Self> {
        let face = runtime.face(address, || {
            let line = if address.node == runtime.id {
                runtime.cell(address.slot).and_then(QueueCell::of).map_or(Line::Cut, Line::Here)
            } else {
                let there = |peer| Line::There { peer, slot: address.slot };
                runtime.meet(address.node).map_or(Line::Cut, there)
            };
            Self::with_line(runtime, address, line, prefetches)
        });
        // One slot never holds two kinds of objects, but an address may have been made up.
        face.into_any().downcast().unwrap_or_else(|_| Arc::new(Self::cut(runtime, address, prefetches)))
    }

    fn with_line(runtime: &Arc<Runtime>, address: Address, line: Line, prefetches: bool) -> Arc<dyn Face> {
        let plain = Client::new(runtime, address, line.clone(), Form::Plain, prefetches);
        let runtime = Arc::clone(runtime);
        Arc::new(Self { runtime, address, line, plain, leased: OnceLock::new(), prefetches })
    }

    fn cut(runtime: &Arc<Runtime>, address: Address, prefetches: bool) -> Self {
        let plain = Client::new(runtime, address, Line::Cut, Form::Plain, prefetches);
        let (runtime, leased) = (Arc::clone(runtime), OnceLock::new());
        Self { runtime, address, line: Line::Cut, plain, leased, prefetches }
    }

    /// The client for leases.
    pub(super) fn leased(&self) -> &Arc<Client> {
        let new =
            || Client::new(&self.runtime, self.address, self.line.clone(), Form::Leased, self.prefetches);
        self.leased.get_or_init(new)
    }
}

impl Face for QueueFace {
    fn gone(&self, _runtime: &Arc<Runtime>) {
        self.plain.cut_off();
        if let Some(leased) = self.leased.get() {
            leased.cut_off();
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Drop for QueueFace {
    fn drop(&mut self) {
        self.plain.detach(&self.runtime);
        if let Some(leased) = self.leased.get() {
            leased.detach(&self.runtime);
        }
        self.runtime.remove_face(self.address);
    }
}

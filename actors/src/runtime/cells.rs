//! What lives in a node's slots, and its side of what lives elsewhere.

use std::sync::{Arc, Weak};

use callboard_core::{Address, Slot};

use super::Runtime;
use crate::cell::{Cell, Face};
use crate::tree::Seen;

impl Runtime {
    pub(crate) fn cell(&self, slot: Slot) -> Option<Arc<dyn Cell>> {
        self.cells.read().get(slot).cloned()
    }

    pub(crate) fn all_cells(&self) -> Vec<Arc<dyn Cell>> {
        self.cells.read().iter().map(|(_, cell)| Arc::clone(cell)).collect()
    }

    /// What of its cells is to be seen from outside.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.all_cells().iter().filter_map(|cell| cell.seen()).collect()
    }

    /// Gives a cell a slot of its own, which it learns before anybody can reach it.
    pub(crate) fn add_cell<C: Cell + 'static>(&self, make: impl FnOnce(Slot) -> Arc<C>) -> Arc<C> {
        let mut made = None;
        self.cells.write().insert_with(|slot| Arc::clone(made.insert(make(slot))) as Arc<dyn Cell>);
        made.expect("the closure has run")
    }

    pub(crate) fn remove_cell(&self, slot: Slot) {
        // Bound first, so that the cell is dropped after the lock is released.
        let removed = self.cells.write().remove(slot);
        drop(removed);
    }

    /// The face of the object at `address`, made by `make` if there is none.
    ///
    /// The list does not keep a face alive: it goes with the last handle.
    pub(crate) fn face(&self, address: Address, make: impl FnOnce() -> Arc<dyn Face>) -> Arc<dyn Face> {
        if let Some(face) = self.faces.lock().get(&address).and_then(Weak::upgrade) {
            return face;
        }
        // Made without the lock, as making one takes others. If another thread was faster, its face is used.
        let made = make();
        let mut faces = self.faces.lock();
        if let Some(face) = faces.get(&address).and_then(Weak::upgrade) {
            drop(faces);
            return face;
        }
        faces.insert(address, Arc::downgrade(&made));
        made
    }

    /// The face of the object at `address`, if this node has one.
    pub(crate) fn face_at(&self, address: Address) -> Option<Arc<dyn Face>> {
        self.faces.lock().get(&address).and_then(Weak::upgrade)
    }

    /// Forgets the face at `address` if its last handle is gone.
    pub(crate) fn remove_face(&self, address: Address) {
        let mut faces = self.faces.lock();
        if faces.get(&address).is_some_and(|face| face.strong_count() == 0) {
            faces.remove(&address);
        }
    }

    pub(crate) fn object_gone(self: &Arc<Self>, address: Address) {
        if let Some(face) = self.face_at(address) {
            face.gone(self);
        }
    }
}

//! Who watches an object: an owner's side of it. Every change has a number; whoever has seen the latest one waits for more.

use std::collections::BTreeMap;

use super::owner::Asker;

/// The number of the latest change, and who waits for the next one, each with what it wants to hear.
#[derive(Debug)]
pub(crate) struct Changes<W> {
    version: u64,
    waiting: BTreeMap<Asker, W>,
}

impl<W> Default for Changes<W> {
    fn default() -> Self {
        Self { version: 0, waiting: BTreeMap::new() }
    }
}

impl<W> Changes<W> {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Keeps `asker` until the next change.
    pub(crate) fn wait(&mut self, asker: Asker, wants: W) {
        self.waiting.insert(asker, wants);
    }

    pub(crate) fn forget(&mut self, asker: Asker) {
        self.waiting.remove(&asker);
    }

    /// Counts a change. Those who wait are to be [taken](Self::take_waiting) before others are asked anything.
    pub(crate) fn count(&mut self) {
        self.version += 1;
    }

    /// Those to be told, in the order in which they asked.
    pub(crate) fn take_waiting(&mut self) -> BTreeMap<Asker, W> {
        std::mem::take(&mut self.waiting)
    }

    /// Counts a change; those to be told.
    pub(crate) fn changed(&mut self) -> BTreeMap<Asker, W> {
        self.count();
        self.take_waiting()
    }
}

//! Who and where: nodes, slots of a node, addresses, and the table that slots are keys of.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use slab::Slab;

/// A node: one of our runtimes in one process. Random, and never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(NonZeroU64);

impl NodeId {
    /// The node of this number; none for zero.
    pub fn new(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// A place in a node's table. The generation tells its holders apart over time; zero is nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    /// Where in the table.
    pub index: u32,
    /// Which of those who have been there, counted from one.
    pub generation: u32,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// Names an actor anywhere in the job. Plain data: it may be stale, and then reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address {
    /// The node it lives on.
    pub node: NodeId,
    /// Its place there.
    pub slot: Slot,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.slot)
    }
}

/// A table whose keys go stale when their value is removed, and then find nothing.
#[derive(Debug)]
pub struct Slots<T> {
    /// None at an index that is used up.
    values: Slab<Option<T>>,
    used_up: usize,
    /// For each index the generation of its present or, if vacant, next value; none once that ran out.
    generations: Vec<Option<u32>>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { values: Slab::new(), used_up: 0, generations: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Adds `value`.
    ///
    /// # Panics
    ///
    /// If there are more than `u32::MAX` values.
    pub fn insert(&mut self, value: T) -> Slot {
        self.insert_with(|_| value)
    }

    /// Adds the value that `make` makes of its key.
    ///
    /// # Panics
    ///
    /// If there are more than `u32::MAX` values.
    pub fn insert_with(&mut self, make: impl FnOnce(Slot) -> T) -> Slot {
        let slot = self.vacant();
        let index = slot.index as usize;
        // Should `make` panic, the key that it knows stands for nobody, and for nobody who comes later.
        self.generations[index] = slot.generation.checked_add(1);
        let value = make(slot);
        self.generations[index] = Some(slot.generation);
        let inserted = self.values.insert(Some(value));
        debug_assert_eq!(inserted, index, "the slab fills the place that it named");
        slot
    }

    /// The key of the next value.
    fn vacant(&mut self) -> Slot {
        loop {
            let key = self.values.vacant_key();
            if key == self.generations.len() {
                self.generations.push(Some(1));
            }
            if let Some(generation) = self.generations[key] {
                let index = u32::try_from(key).expect("fewer than four thousand million values");
                return Slot { index, generation };
            }
            // After four thousand million lives an index would repeat itself: it is kept out of use.
            self.values.insert(None);
            self.used_up += 1;
        }
    }

    /// The value at `slot`, unless it was removed.
    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.holds(slot).then(|| self.values.get(slot.index as usize)?.as_ref())?
    }

    /// The value at `slot`, to change it.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.holds(slot).then(|| self.values.get_mut(slot.index as usize)?.as_mut())?
    }

    /// Removes the value at `slot`. From then on `slot` finds nothing, whoever comes to its index.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let index = slot.index as usize;
        if !self.holds(slot) || !self.values.contains(index) {
            return None;
        }
        self.generations[index] = slot.generation.checked_add(1);
        self.values.remove(index)
    }

    fn holds(&self, slot: Slot) -> bool {
        self.generations.get(slot.index as usize) == Some(&Some(slot.generation))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len() - self.used_up
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values with their keys, by index.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        self.values.iter().filter_map(|(index, value)| {
            let generation = self.generations[index]?;
            Some((Slot { index: u32::try_from(index).ok()?, generation }, value.as_ref()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_used_up_is_nobodys_for_ever() {
        let mut slots: Slots<u8> = Slots::default();
        let first = slots.insert(1);
        slots.generations[0] = Some(u32::MAX);
        let last = Slot { generation: u32::MAX, ..first };
        assert_eq!(slots.remove(last), Some(1));
        assert_eq!((slots.get(last), slots.len()), (None, 0));
        let next = slots.insert(2);
        assert_eq!((next.index, slots.get(next), slots.len()), (1, Some(&2), 1));
        assert_eq!((slots.remove(last), slots.iter().count()), (None, 1));
    }
}

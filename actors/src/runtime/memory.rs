//! A node's shared memory: what it has given to objects of its own, and what of other nodes' it has mapped.
//!
//! Small objects lie side by side in slabs, so that thousands of them cost neither a descriptor nor a mapping each. Room in a slab is given once:
//! another process may still have the object mapped when this one has forgotten it.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use callboard_core::NodeId;
use callboard_ipc::Region;
use callboard_ipc::sync::{BLOCK_ALIGNMENT, Block};
use parking_lot::Mutex;

/// How large a slab is. All of it is reserved when the first object comes.
const SLAB_BYTES: usize = 64 * 1024;
/// Larger objects have memory of their own, which goes with them.
const LARGE_BYTES: usize = SLAB_BYTES / 4;

/// Where an object lies.
#[derive(Debug)]
pub(crate) struct Place {
    /// The number of its slab, of this node's.
    pub(crate) slab: u32,
    pub(crate) block: Block,
    pub(crate) memory: Arc<OwnedFd>,
}

#[derive(Debug)]
struct Slab {
    number: u32,
    region: Arc<Region>,
    memory: Arc<OwnedFd>,
    used: usize,
}

#[derive(Debug, Default)]
struct Own {
    last: u32,
    /// Where the next small objects come.
    current: Option<Slab>,
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    own: Mutex<Own>,
    /// Slabs that are mapped here, as long as somebody uses them.
    mapped: Mutex<HashMap<(NodeId, u32), Weak<Region>>>,
}

impl Memory {
    /// Gives an object of node `me`, which is this one, zeroed memory.
    ///
    /// # Errors
    ///
    /// As [`Region::reserve`] and [`Region::open`].
    pub(crate) fn allocate(&self, me: NodeId, bytes: usize) -> io::Result<Place> {
        let bytes = bytes.checked_next_multiple_of(BLOCK_ALIGNMENT).unwrap_or(usize::MAX);
        let mut own = self.own.lock();
        if bytes > LARGE_BYTES {
            own.last += 1;
            let number = own.last;
            drop(own);
            return Ok(self.slab(me, number, bytes)?.give(bytes));
        }
        if own.current.as_ref().is_none_or(|slab| slab.region.len() - slab.used < bytes) {
            own.last += 1;
            let number = own.last;
            own.current = Some(self.slab(me, number, SLAB_BYTES)?);
        }
        Ok(own.current.as_mut().expect("there is one now").give(bytes))
    }

    fn slab(&self, me: NodeId, number: u32, bytes: usize) -> io::Result<Slab> {
        let memory = Region::reserve(bytes)?;
        let region = Arc::new(Region::open(&memory, bytes)?);
        let mut mapped = self.mapped.lock();
        mapped.retain(|_, region| region.strong_count() > 0);
        mapped.insert((me, number), Arc::downgrade(&region));
        drop(mapped);
        Ok(Slab { number, region, memory: Arc::new(memory), used: 0 })
    }

    /// The slabs of node `of` that are mapped here, with their numbers.
    pub(crate) fn mapped(&self, of: NodeId) -> Vec<(u32, Arc<Region>)> {
        let mapped = self.mapped.lock();
        let of_it = mapped.iter().filter(|((node, _), _)| *node == of);
        of_it.filter_map(|((_, number), region)| Some((*number, region.upgrade()?))).collect()
    }

    /// The slab of that number of node `of`, which `memory` leads to if it is not mapped yet.
    ///
    /// # Errors
    ///
    /// As [`Region::open`].
    pub(crate) fn map(
        &self,
        of: NodeId,
        slab: u32,
        memory: Option<&OwnedFd>,
        bytes: usize,
    ) -> io::Result<Arc<Region>> {
        let mut mapped = self.mapped.lock();
        if let Some(region) = mapped.get(&(of, slab)).and_then(Weak::upgrade).filter(|it| it.len() == bytes) {
            return Ok(region);
        }
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "shared memory without a descriptor");
        let region = Arc::new(Region::open(memory.ok_or_else(missing)?, bytes)?);
        mapped.retain(|_, region| region.strong_count() > 0);
        mapped.insert((of, slab), Arc::downgrade(&region));
        Ok(region)
    }
}

impl Slab {
    fn give(&mut self, bytes: usize) -> Place {
        let block = Block::new(Arc::clone(&self.region), self.used, bytes).expect("it was seen to fit");
        self.used += bytes;
        Place { slab: self.number, block, memory: Arc::clone(&self.memory) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_objects_share_a_slab_and_large_ones_have_their_own() {
        let memory = Memory::default();
        let me = NodeId::new(7).unwrap();
        let [one, two] = [100, 1].map(|bytes| memory.allocate(me, bytes).unwrap());
        assert_eq!((one.slab, one.block.at(), one.block.len()), (two.slab, 0, 128));
        assert_eq!((two.block.at(), two.block.len()), (128, 64));
        let large = memory.allocate(me, 1_000_001).unwrap();
        assert_ne!(large.slab, one.slab);
        let slabs: Vec<u32> = (0..40).map(|_| memory.allocate(me, LARGE_BYTES).unwrap().slab).collect();
        assert_eq!(slabs.iter().collect::<std::collections::HashSet<_>>().len(), 11);
    }

    #[test]
    fn a_slab_is_mapped_once_as_long_as_it_is_used() {
        let (memory, other) = (Memory::default(), Memory::default());
        let (me, you) = (NodeId::new(7).unwrap(), NodeId::new(8).unwrap());
        let place = other.allocate(you, 64).unwrap();
        let bytes = place.block.region().len();
        let first = memory.map(you, place.slab, Some(&place.memory), bytes).unwrap();
        let again = memory.map(you, place.slab, Some(&place.memory), bytes).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let others = memory.map(me, place.slab, Some(&place.memory), bytes).unwrap();
        assert!(!Arc::ptr_eq(&first, &others));
        assert!(memory.map(you, 99, Some(&place.memory), bytes + 1).is_err());
        drop((first, again, others));
        memory.map(you, 100, Some(&place.memory), bytes).unwrap();
        assert_eq!(memory.mapped.lock().len(), 1);
    }

    #[test]
    fn more_than_there_is_is_an_error() {
        let memory = Memory::default();
        for bytes in [usize::MAX, usize::MAX - 64, 1 << 50] {
            assert!(memory.allocate(NodeId::new(7).unwrap(), bytes).is_err());
        }
    }
}

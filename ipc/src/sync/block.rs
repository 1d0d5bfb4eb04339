//! A part of a region, with what lies there.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::region::Region;

/// What every block's place and length are multiples of: a cache line.
pub const BLOCK_ALIGNMENT: usize = 64;

/// A part of shared memory that belongs to one object.
#[derive(Clone, Debug)]
pub struct Block {
    region: Arc<Region>,
    at: usize,
    len: usize,
    /// Where in this process it begins: what is here need not be looked up in the region each time, which a lock would feel.
    start: NonNull<u8>,
}

// SAFETY: `start` points into the mapping that `region` keeps, which may go to other threads and be used by several; only
// atomics are made of it (`get_slice`).
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

/// Types made of atomics alone.
///
/// # Safety
///
/// Every bit pattern is a value, nothing but atomics is in it (padding apart), and its alignment is at most [`BLOCK_ALIGNMENT`].
pub(super) unsafe trait Atomics {}

impl Block {
    /// The `len` bytes of `region` from `at` on; none if they are not all in it, or do not lie as blocks do.
    pub fn new(region: Arc<Region>, at: usize, len: usize) -> Option<Self> {
        let fits = at.checked_add(len).is_some_and(|end| end <= region.len());
        let lies = at.is_multiple_of(BLOCK_ALIGNMENT);
        if !fits || !lies {
            return None;
        }
        // SAFETY: `at` is within the region, or its end.
        let start = unsafe { region.base().byte_add(at) };
        Some(Self { region, at, len, start })
    }

    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The memory that it is a part of.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Where in the region it begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The thing that lies `at` bytes after the beginning.
    ///
    /// # Panics
    ///
    /// If that is not wholly in the block, or not aligned.
    #[inline]
    pub(super) fn get<T: Atomics>(&self, at: usize) -> &T {
        &self.get_slice(at, 1)[0]
    }

    /// The `count` things that lie there one after the other.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[inline]
    pub(super) fn get_slice<T: Atomics>(&self, at: usize, count: usize) -> &[T] {
        let bytes = size_of::<T>().checked_mul(count);
        let fits = bytes.is_some_and(|bytes| at <= self.len && bytes <= self.len - at);
        assert!(fits && at.is_multiple_of(align_of::<T>()), "what is asked for lies aligned in the block");
        // SAFETY: the block is within the region, by `new`, and `at` within the block.
        let place = unsafe { self.start.byte_add(at) }.cast::<T>();
        // SAFETY: mapped as long as `self` keeps the region, whole (checked above), aligned (the region to a page, the block to 64, `at` to the
        // type), and by the promise of `Atomics` any bits are a value and others may change them.
        unsafe { std::slice::from_raw_parts(place.as_ptr(), count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_lies_within_its_region() {
        let region = Arc::new(Region::create(4096).unwrap().0);
        assert!(Block::new(Arc::clone(&region), 0, 4096).is_some());
        assert!(Block::new(Arc::clone(&region), 64, 4096 - 64).is_some());
        assert!(Block::new(Arc::clone(&region), 64, 4096).is_none());
        assert!(Block::new(Arc::clone(&region), 8, 64).is_none());
        assert!(Block::new(region, usize::MAX - 63, 128).is_none());
    }
}

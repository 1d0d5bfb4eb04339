//! How an array lies in shared memory: a lock for each stripe, one after the other, then the elements.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use bytemuck::Pod;
use callboard_ipc::Region;
use callboard_ipc::sync::{BLOCK_ALIGNMENT, Block, Holder, Member, RobustRwLock};

use super::options::Laid;
use crate::protocol::rw_lock::inside;
use crate::protocol::shared::Shape;

/// An array, as any process has it.
#[derive(Clone)]
pub(crate) struct Words {
    stripes: Arc<[RobustRwLock]>,
    /// How many elements a stripe has; the last one may have fewer.
    per_stripe: usize,
    region: Arc<Region>,
    /// Where the first element begins.
    data_at: usize,
    pub(super) len: usize,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements in {} stripes", self.len, self.stripes.len())
    }
}

impl Words {
    /// Which stripes have elements of `range`; none if that is empty.
    pub(super) fn stripes_of(&self, range: &Range<usize>) -> Option<RangeInclusive<usize>> {
        (!range.is_empty()).then(|| range.start / self.per_stripe..=(range.end - 1) / self.per_stripe)
    }

    pub(super) fn stripe(&self, number: usize) -> &RobustRwLock {
        &self.stripes[number]
    }

    /// The memory, and where in it the elements of `range` are, in bytes.
    pub(super) fn place<T>(&self, range: &Range<usize>) -> (&Region, usize, usize) {
        let size = size_of::<T>();
        (&self.region, self.data_at + range.start * size, range.len() * size)
    }
}

/// How many bytes one lock takes.
fn stripe_bytes(options: &Laid) -> Option<usize> {
    RobustRwLock::bytes(options.processes)?.checked_next_multiple_of(BLOCK_ALIGNMENT)
}

pub(crate) struct ArrayShape<T>(PhantomData<fn() -> T>);

impl<T: Pod> Shape for ArrayShape<T> {
    const KIND: &'static str = "array";
    type Options = Laid;
    type Words = Words;

    fn bytes(options: &Laid) -> Option<usize> {
        if options.size == 0 {
            return None; // Without bytes there is nothing to share.
        }
        let locks = stripe_bytes(options)?.checked_mul(options.stripes)?;
        options.len.checked_mul(options.size)?.checked_add(locks)
    }

    fn most_members(options: &Laid) -> usize {
        options.processes
    }

    fn begin(options: &Laid, block: Block) -> Option<Words> {
        let words = Self::open(options, block)?;
        words.region.write(words.data_at, &options.initial);
        Some(words)
    }

    fn open(options: &Laid, block: Block) -> Option<Words> {
        let fits = Self::bytes(options).is_some_and(|bytes| bytes <= block.len());
        let is_right =
            options.size == size_of::<T>() && align_of::<T>() <= BLOCK_ALIGNMENT && options.stripes > 0;
        if !fits || !is_right {
            return None;
        }
        let stripe_bytes = stripe_bytes(options)?;
        let stripe = |number: usize| {
            let at = block.at() + number * stripe_bytes;
            RobustRwLock::new(Block::new(Arc::clone(block.region()), at, stripe_bytes)?)
        };
        let stripes = (0..options.stripes).map(stripe).collect::<Option<_>>()?;
        let per_stripe = options.len.div_ceil(options.stripes).max(1);
        let data_at = block.at() + options.stripes * stripe_bytes;
        Some(Words { stripes, per_stripe, region: Arc::clone(block.region()), data_at, len: options.len })
    }

    fn join(words: &Words, member: Member) -> bool {
        words.stripes.iter().all(|stripe| stripe.join(member))
    }

    fn recover(words: &Words, dead: Member, owner: Holder) -> bool {
        // All of them each time, so that one that can't be done yet keeps no other waiting.
        let again = words.stripes.iter().filter(|stripe| !stripe.recover(dead, owner)).count();
        again == 0
    }

    fn nudge(words: &Words) {
        words.stripes.iter().for_each(RobustRwLock::nudge);
    }

    fn holders(words: &Words) -> Vec<u32> {
        words.stripes.iter().flat_map(inside).collect()
    }
}

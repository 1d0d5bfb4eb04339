//! A region in this process's memory.

use std::fmt;
use std::marker::PhantomData;

use bytemuck::Pod;
use callboard_ipc::{Access, Region as Memory};

use super::error::AccessError;
use super::owner::RegionOwner;
use super::view::View;
use crate::protocol::object::Asked;

/// A mapping that is read and written.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

/// A mapping that is read. Written to by other means, it ends the process.
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

/// What a [`Mapping`] is for: [`ReadWrite`] or [`ReadOnly`].
pub trait MapAccess: sealed::Sealed {}

impl MapAccess for ReadWrite {}
impl MapAccess for ReadOnly {}

pub(super) mod sealed {
    use callboard_ipc::Access;

    use super::{ReadOnly, ReadWrite};

    pub trait Sealed: Send + Sync + 'static {
        #[doc(hidden)]
        const ACCESS: Access;
    }

    impl Sealed for ReadWrite {
        const ACCESS: Access = Access::ReadWrite;
    }

    impl Sealed for ReadOnly {
        const ACCESS: Access = Access::ReadOnly;
    }
}

/// A [`Region`](super::Region) in this process's memory, until this is dropped.
///
/// This node has the region as long: it lives on also if its creator ends. Share a mapping between threads in an `Arc`, or by reference.
///
/// **Others write at any time.** So nothing here lends plain memory, but for the `unsafe` [`View::as_slice`] and
/// [`View::as_mut_slice`]; bytes are copied out and in by words of eight bytes that begin at multiples of eight. What lies
/// within one of these is read and written in one piece, whoever writes at the same time: so is each element of a view of
/// `u64` or of anything smaller that does not lie across two. Of more than that, a reader may find one part from before a change and
/// another from after it. No order is promised between words either: to know that something is there, use a
/// [`Queue`](crate::Queue), an [`Event`](crate::Event) or anything else that another process waits for; what was written before is seen
/// by whoever has heard of it.
///
/// A mapping to read has no verb that writes, and no view outlives its mapping:
///
/// ```compile_fail,E0599
/// # fn writes(region: callboard::Region) -> Result<(), Box<dyn std::error::Error>> {
/// let mapping = region.map_read_only()?;
/// mapping.view::<u64>()?.set(0, 1)?;
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0505
/// # fn outlives(region: callboard::Region) -> Result<(), Box<dyn std::error::Error>> {
/// let mapping = region.map()?;
/// let view = mapping.view::<u64>()?;
/// drop(mapping);
/// view.get(0);
/// # Ok(())
/// # }
/// ```
pub struct Mapping<A: MapAccess = ReadWrite> {
    // Dropped in this order: the region may go with the last who has it.
    memory: Memory,
    _held: Asked<RegionOwner>,
    access: PhantomData<fn() -> A>,
}

impl<A: MapAccess> fmt::Debug for Mapping<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} bytes, {:?})", self.memory.len(), A::ACCESS)
    }
}

impl<A: MapAccess> Mapping<A> {
    pub(super) fn new(memory: Memory, held: Asked<RegionOwner>) -> Self {
        Self { memory, _held: held, access: PhantomData }
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The size of the region, as it was asked for.
    pub fn size_bytes(&self) -> usize {
        self.memory.len()
    }

    /// Copies the bytes at `at` into `to`.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfRange`] if they are not all within the region.
    pub fn read(&self, at: usize, to: &mut [u8]) -> Result<(), AccessError> {
        within(at, to.len(), self.size_bytes())?;
        self.memory.read(at, to);
        Ok(())
    }

    /// The whole region as values of one type.
    ///
    /// # Errors
    ///
    /// [`AccessError::Indivisible`] if its size is no multiple of theirs.
    pub fn view<T: Pod>(&self) -> Result<View<'_, T, A>, AccessError> {
        let (len_bytes, size_bytes) = (self.size_bytes(), size_of::<T>());
        if size_bytes == 0 || !len_bytes.is_multiple_of(size_bytes) {
            return Err(AccessError::Indivisible { len_bytes, size_bytes });
        }
        self.view_at(0, len_bytes / size_bytes)
    }

    /// `len` values of one type, from the byte `at` on.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfRange`], in bytes, if they are not all within the region; [`AccessError::Misaligned`] if such values may not
    /// begin at `at`; [`AccessError::Indivisible`] if they have no size.
    pub fn view_at<T: Pod>(&self, at: usize, len: usize) -> Result<View<'_, T, A>, AccessError> {
        let (size_bytes, alignment) = (size_of::<T>(), align_of::<T>());
        if size_bytes == 0 {
            return Err(AccessError::Indivisible { len_bytes: self.size_bytes(), size_bytes });
        }
        within(at, len.saturating_mul(size_bytes), self.size_bytes())?;
        if !at.is_multiple_of(alignment) || !self.memory.base().addr().get().is_multiple_of(alignment) {
            return Err(AccessError::Misaligned { at, alignment });
        }
        Ok(View::new(self, at, len))
    }
}

impl Mapping<ReadWrite> {
    /// Copies `from` to `at`.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfRange`] if that is not all within the region; then nothing was written.
    pub fn write(&self, at: usize, from: &[u8]) -> Result<(), AccessError> {
        within(at, from.len(), self.size_bytes())?;
        self.memory.write(at, from);
        Ok(())
    }
}

/// Whether that is all within so many.
#[inline]
pub(super) fn within(at: usize, len: usize, of: usize) -> Result<(), AccessError> {
    match at.checked_add(len) {
        Some(end) if end <= of => Ok(()),
        _ => Err(AccessError::OutOfRange { at, len, of }),
    }
}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Mapping<ReadWrite>>();
    is_shared::<Mapping<ReadOnly>>();
    assert!(matches!(<ReadOnly as sealed::Sealed>::ACCESS, Access::ReadOnly));
};

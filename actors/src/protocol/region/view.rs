//! A mapping as values of one type.

use std::fmt;
use std::marker::PhantomData;

use bytemuck::{Pod, Zeroable};

use super::error::AccessError;
use super::mapping::{MapAccess, Mapping, ReadWrite, within};
use crate::protocol::object::Swap;
use crate::protocol::value::Integer;

/// Values of one plain type in a [`Mapping`], which outlives it.
///
/// What it reads are copies, since others may write at any time; see [`Mapping`] for what is read and written in one piece.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Node, Region, RegionOptions};
///
/// let node = Node::start()?;
/// let region: Region = node.create("/numbers", RegionOptions::new(5 * 8))?;
/// let mapping = region.map()?;
/// let numbers = mapping.view::<u64>()?;
/// numbers.copy_from_slice(&[1, 2, 3, 4, 5])?;
/// numbers.set(4, 50)?;
/// assert_eq!(numbers.iter().sum::<u64>(), 60);
/// assert_eq!(numbers.get(5), None);
/// # Ok(())
/// # }
/// ```
pub struct View<'a, T, A: MapAccess = ReadWrite> {
    mapping: &'a Mapping<A>,
    /// The first byte.
    at: usize,
    len: usize,
    of: PhantomData<fn(T) -> T>,
}

impl<T, A: MapAccess> Clone for View<'_, T, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, A: MapAccess> Copy for View<'_, T, A> {}

impl<T, A: MapAccess> fmt::Debug for View<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({} of {}, from byte {})", self.len, std::any::type_name::<T>(), self.at)
    }
}

impl<'a, T: Pod, A: MapAccess> View<'a, T, A> {
    pub(super) fn new(mapping: &'a Mapping<A>, at: usize, len: usize) -> Self {
        Self { mapping, at, len, of: PhantomData }
    }

    /// How many values it has.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at `index`; none beyond the last.
    #[inline]
    pub fn get(&self, index: usize) -> Option<T> {
        if index >= self.len {
            return None;
        }
        let mut value = T::zeroed();
        self.mapping.memory().read(self.byte(index), bytemuck::bytes_of_mut(&mut value));
        Some(value)
    }

    /// All values, each read when it is asked for.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + use<'a, T, A> {
        let view = *self;
        (0..self.len).map(move |index| view.get(index).expect("within the view"))
    }

    /// All values, read one after another.
    pub fn copy_to_vec(&self) -> Vec<T> {
        let mut values = vec![<T as Zeroable>::zeroed(); self.len];
        self.mapping.memory().read(self.at, bytemuck::cast_slice_mut(&mut values));
        values
    }

    /// Reads all values into `to`.
    ///
    /// # Errors
    ///
    /// [`AccessError::WrongLength`] if it has another number of them.
    pub fn copy_to_slice(&self, to: &mut [T]) -> Result<(), AccessError> {
        self.must_be(to.len())?;
        self.mapping.memory().read(self.at, bytemuck::cast_slice_mut(to));
        Ok(())
    }

    /// A part of it: `len` values from the one at `index` on.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfRange`], in values, if they are not all within the view.
    pub fn part(&self, index: usize, len: usize) -> Result<Self, AccessError> {
        within(index, len, self.len)?;
        Ok(Self { at: self.byte(index), len, ..*self })
    }

    /// The values themselves, without a copy.
    ///
    /// # Safety
    ///
    /// Nobody, in this or any other process, writes to them as long as the slice is there. A process that was killed writes no more, but
    /// one that is stopped may go on.
    pub unsafe fn as_slice(&self) -> &'a [T] {
        // SAFETY: that nobody writes to these bytes is what the caller answers for.
        let bytes = unsafe { self.mapping.memory().bytes(self.at, self.len_bytes()) };
        bytemuck::cast_slice(bytes)
    }

    fn byte(&self, index: usize) -> usize {
        self.at + index * size_of::<T>()
    }

    fn len_bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    fn must_be(&self, given: usize) -> Result<(), AccessError> {
        if given == self.len { Ok(()) } else { Err(AccessError::WrongLength { given, expected: self.len }) }
    }
}

impl<'a, T: Pod> View<'a, T, ReadWrite> {
    /// Writes `value` at `index`.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfRange`], in values, beyond the last.
    #[inline]
    pub fn set(&self, index: usize, value: T) -> Result<(), AccessError> {
        if index >= self.len {
            return Err(AccessError::OutOfRange { at: index, len: 1, of: self.len });
        }
        self.mapping.memory().write(self.byte(index), bytemuck::bytes_of(&value));
        Ok(())
    }

    /// Writes all values, one after another.
    ///
    /// # Errors
    ///
    /// [`AccessError::WrongLength`] if `from` has another number of them; then nothing was written.
    pub fn copy_from_slice(&self, from: &[T]) -> Result<(), AccessError> {
        self.must_be(from.len())?;
        self.mapping.memory().write(self.at, bytemuck::cast_slice(from));
        Ok(())
    }

    /// The values themselves, to be written without a copy.
    ///
    /// # Safety
    ///
    /// Nobody, in this or any other process, reads or writes them by other means as long as the slice is there. Of one mapping several
    /// such slices may be used at a time if they have no value in common.
    pub unsafe fn as_mut_slice(&self) -> &'a mut [T] {
        // SAFETY: that nobody else reads or writes these bytes is what the caller answers for.
        let bytes = unsafe { self.mapping.memory().bytes_mut(self.at, self.len_bytes()) };
        bytemuck::cast_slice_mut(bytes)
    }
}

/// Numbers that are changed in one step, in one order for all who do so (sequentially consistent); no lock is needed.
impl<T: Integer> View<'_, T, ReadWrite> {
    /// Adds `by` to the number at `index`, around the end of its type; what it was before.
    ///
    /// # Errors
    ///
    /// [`AccessError::OutOfRange`], in values, beyond the last.
    pub fn fetch_add(&self, index: usize, by: T) -> Result<T, AccessError> {
        self.change(index, |number| Some(number.wrapping_sum(by)))
    }

    /// Makes the number at `index` `other` if that is more; what it was before.
    ///
    /// # Errors
    ///
    /// As [`fetch_add`](Self::fetch_add).
    pub fn fetch_max(&self, index: usize, other: T) -> Result<T, AccessError> {
        self.change(index, |number| Some(number.max(other)))
    }

    /// Makes the number at `index` `other` if that is less; what it was before.
    ///
    /// # Errors
    ///
    /// As [`fetch_add`](Self::fetch_add).
    pub fn fetch_min(&self, index: usize, other: T) -> Result<T, AccessError> {
        self.change(index, |number| Some(number.min(other)))
    }

    /// Makes the number at `index` `new` if it is `expected`.
    ///
    /// # Errors
    ///
    /// As [`fetch_add`](Self::fetch_add).
    pub fn compare_and_swap(&self, index: usize, expected: T, new: T) -> Result<Swap<T>, AccessError> {
        let before = self.change(index, |number| (number == expected).then_some(new))?;
        Ok(if before == expected { Swap::Done } else { Swap::Differs(before) })
    }

    /// Makes the number at `index` what `to` says, if it says anything; what it was before.
    fn change(&self, index: usize, to: impl Fn(T) -> Option<T>) -> Result<T, AccessError> {
        within(index, 1, self.len)?;
        let mut before = T::zeroed();
        // Aligned as it is, a number lies within one word.
        self.mapping.memory().change_within_word(self.byte(index), size_of::<T>(), |bytes| {
            bytemuck::bytes_of_mut(&mut before).copy_from_slice(bytes);
            let after = to(before);
            after.is_some_and(|after| {
                bytes.copy_from_slice(bytemuck::bytes_of(&after));
                true
            })
        });
        Ok(before)
    }
}

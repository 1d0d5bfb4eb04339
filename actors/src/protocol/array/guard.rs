//! Parts of an array in hand: its elements in place.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range, RangeInclusive};

use bytemuck::Pod;
use callboard_ipc::sync::{NotTaken, Taken};

use super::words::{ArrayShape, Words};
use crate::protocol::shared::Attached;

/// The locks of a part, of which the first ones are taken.
pub(super) struct Held<'a, T: Pod> {
    attached: &'a Attached<ArrayShape<T>>,
    stripes: Option<RangeInclusive<usize>>,
    /// How many of them are taken.
    taken: usize,
    writes: bool,
    /// Which of them said that a writer had died with them.
    abandoned: Vec<usize>,
}

impl<'a, T: Pod> Held<'a, T> {
    pub(super) fn none(attached: &'a Attached<ArrayShape<T>>, range: &Range<usize>, writes: bool) -> Self {
        let stripes = attached.words().stripes_of(range);
        Self { attached, stripes, taken: 0, writes, abandoned: Vec::new() }
    }

    /// Takes the locks that are not taken yet, in their order, each by `take`; false as soon as that has not got one.
    pub(super) fn take_all(
        &mut self,
        mut take: impl FnMut(&Words, usize) -> Result<Option<Taken>, NotTaken>,
    ) -> Result<bool, NotTaken> {
        let Some(stripes) = self.stripes.clone() else { return Ok(true) };
        for number in stripes.skip(self.taken) {
            let Some(taken) = take(self.attached.words(), number)? else { return Ok(false) };
            self.taken += 1;
            if taken == Taken::Abandoned {
                self.abandoned.push(number);
            }
        }
        Ok(true)
    }
}

impl<T: Pod> Drop for Held<'_, T> {
    fn drop(&mut self) {
        let Some(stripes) = self.stripes.clone() else { return };
        let (words, me) = (self.attached.words(), self.attached.caller());
        if self.writes && self.taken < stripes.clone().count() {
            // Not all were to be had, so nobody has looked at what the dead left.
            self.abandoned.iter().for_each(|number| words.stripe(*number).abandon_again(me));
        }
        for number in stripes.take(self.taken) {
            if self.writes {
                words.stripe(number).give_back_write(me);
            } else {
                words.stripe(number).give_back_read(me);
            }
        }
    }
}

/// A part of an array to read in place, as a slice; nobody writes to it meanwhile. Its locks are given back when it is dropped, by the thread that took them.
#[must_use = "the locks are given back at once"]
pub struct ArrayRead<'a, T: Pod> {
    held: Held<'a, T>,
    range: Range<usize>,
    thread: PhantomData<*const ()>,
}

/// A part of an array to read and write in place, as a slice; nobody else reads or writes it meanwhile. Its locks are given back when it is dropped, by the thread that took them.
#[must_use = "the locks are given back at once"]
pub struct ArrayWrite<'a, T: Pod> {
    held: Held<'a, T>,
    range: Range<usize>,
    thread: PhantomData<*const ()>,
}

impl<'a, T: Pod> ArrayRead<'a, T> {
    /// Of locks that are all taken.
    pub(super) fn new(held: Held<'a, T>, range: Range<usize>) -> Self {
        Self { held, range, thread: PhantomData }
    }

    /// Whether one who wrote to these stripes of the array died with them: then what is there may be half done. Told until another has written.
    pub fn was_abandoned(&self) -> bool {
        !self.held.abandoned.is_empty()
    }

    /// Which elements of the array these are.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

impl<'a, T: Pod> ArrayWrite<'a, T> {
    /// Of locks that are all taken.
    pub(super) fn new(held: Held<'a, T>, range: Range<usize>) -> Self {
        Self { held, range, thread: PhantomData }
    }

    /// Whether the last one who wrote to these stripes of the array died with them: then what is there may be half done. The next writer is not told.
    pub fn was_abandoned(&self) -> bool {
        !self.held.abandoned.is_empty()
    }

    /// Which elements of the array these are.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

impl<T: Pod> Deref for ArrayRead<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let (region, at, len) = self.held.attached.words().place::<T>(&self.range);
        // SAFETY: elements are written only through an `ArrayWrite` of theirs, in whatever process: their locks let none be while they are
        // read, and are held as long as `self` is there. What the owner lays out is written before anybody can take a lock.
        let bytes = unsafe { region.bytes(at, len) };
        bytemuck::cast_slice(bytes)
    }
}

impl<T: Pod> Deref for ArrayWrite<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let (region, at, len) = self.held.attached.words().place::<T>(&self.range);
        // SAFETY: as in `ArrayRead`; here nobody else even reads, and `self` is borrowed.
        let bytes = unsafe { region.bytes(at, len) };
        bytemuck::cast_slice(bytes)
    }
}

impl<T: Pod> DerefMut for ArrayWrite<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let (region, at, len) = self.held.attached.words().place::<T>(&self.range);
        // SAFETY: the locks of these elements let nobody else read or write them, in whatever process, and `self` is borrowed for
        // as long as the slice is there.
        let bytes = unsafe { region.bytes_mut(at, len) };
        bytemuck::cast_slice_mut(bytes)
    }
}

impl<T: Pod> fmt::Debug for ArrayRead<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArrayRead({:?})", self.range)
    }
}

impl<T: Pod> fmt::Debug for ArrayWrite<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArrayWrite({:?})", self.range)
    }
}

//! The array as users hold it.

use std::marker::PhantomData;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytemuck::Pod;
use callboard_ipc::sync::{NotTaken, Taken};

use super::error::ArrayError;
use super::guard::{ArrayRead, ArrayWrite, Held};
use super::options::ArrayOptions;
use super::words::{ArrayShape, Words};
use crate::protocol::shared::{Face, Found, LockError, memory_object, refused};

/// Plain values in a row that any threads of any processes of a job read and write in place, under locks.
///
/// `T` is any type of plain data ([`Pod`](bytemuck::Pod)). The handle is itself a plain value, as that of a [`Queue`](crate::Queue): hand it to as many processes
/// as you like, none of which copies the elements. The memory is reserved when the array is created, and belongs to the node that created it until that ends;
/// whoever has it mapped keeps it mapped.
///
/// **Guards.** [`read`](Self::read) and [`write`](Self::write) give the elements, or a range of them, as a slice. Many read or one writes, as with a [`RwLock`](crate::RwLock),
/// with the same order of turns. An array has one lock for all, or as many as its [stripes](ArrayOptions::stripes): then guards of ranges in different stripes do not wait for each other.
/// A thread that has one guard and asks for another may wait for somebody who waits for it; take one guard for all that is needed.
/// A guard may outlive its node: nobody else gets its locks until it is dropped, or its process has died.
///
/// **Without locks** is a [`Region`](crate::Region) with its [views](crate::View), whose numbers can be added to, compared and swapped in one step.
///
/// **Whoever dies.** When a process is killed that writes, the next ones get the elements as it left them, and their guards
/// [say so](ArrayWrite::was_abandoned), until another has written. When the array's owner has ended, all who wait, and all who come, get [`LockError::Disconnected`].
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Array, ArrayOptions, Failure, Node};
///
/// fn doubles(_: &Node, numbers: Array<f64>) -> Result<(), Failure> {
///     numbers.write(..)?.iter_mut().for_each(|number| *number *= 2.0);
///     Ok(())
/// }
///
/// let node = Node::start()?;
/// let numbers: Array<f64> = node.create("/numbers", ArrayOptions::with([1.0, 2.0, 3.0]))?;
/// node.spawn("doubles", doubles, numbers.clone())?.join()??;
/// assert_eq!(*numbers.read(..)?, [2.0, 4.0, 6.0]);
/// # Ok(())
/// # }
/// ```
///
/// Source: `Array` of Python's `multiprocessing`.
#[doc(alias = "RawArray")]
pub struct Array<T: Pod> {
    face: Arc<Face<ArrayShape<T>>>,
    fault: Option<LockError>,
    of: PhantomData<fn() -> T>,
}

memory_object!(Array<T: Pod>, ArrayShape<T>, ArrayOptions<T>);

/// How long a verb waits.
#[derive(Clone, Copy)]
enum Wait {
    No,
    Until(Option<Instant>),
}

impl Wait {
    fn of(timeout: Duration) -> Self {
        // A time that there is no end of is for ever.
        if timeout.is_zero() { Wait::No } else { Wait::Until(Instant::now().checked_add(timeout)) }
    }
}

/// The locks of some elements, and which these are.
type Part<'a, T> = (Held<'a, T>, Range<usize>);

impl<T: Pod> Array<T> {
    fn name_of_type() -> String {
        format!("Array<{}>", std::any::type_name::<T>())
    }

    /// How many elements it has.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    #[expect(clippy::len_without_is_empty, reason = "it may fail, and then it is neither")]
    pub fn len(&self) -> Result<usize, LockError> {
        Ok(self.attached()?.words().len)
    }

    /// The elements of `range` to read, waiting for their locks as long as that takes. `..` is all.
    ///
    /// # Errors
    ///
    /// [`ArrayError::OutOfRange`]; [`ArrayError::Lock`], but never [`LockError::Unresponsive`].
    pub fn read(&self, range: impl RangeBounds<usize>) -> Result<ArrayRead<'_, T>, ArrayError> {
        Ok(self.reads(range, Wait::Until(None))?.expect("without a deadline there is nothing to miss"))
    }

    /// The elements of `range` to read, if nobody writes to their stripes or waits to.
    ///
    /// # Errors
    ///
    /// [`ArrayError::OutOfRange`]; [`ArrayError::Lock`].
    pub fn try_read(&self, range: impl RangeBounds<usize>) -> Result<Option<ArrayRead<'_, T>>, ArrayError> {
        self.reads(range, Wait::No)
    }

    /// The elements of `range` to read, waiting up to `timeout`; none if they were not to be had in that time. Zero does not wait.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn read_timeout(
        &self,
        range: impl RangeBounds<usize>,
        timeout: Duration,
    ) -> Result<Option<ArrayRead<'_, T>>, ArrayError> {
        self.reads(range, Wait::of(timeout))
    }

    /// The elements of `range` to read and write, waiting for their locks as long as that takes. `..` is all.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn write(&self, range: impl RangeBounds<usize>) -> Result<ArrayWrite<'_, T>, ArrayError> {
        Ok(self.writes(range, Wait::Until(None))?.expect("without a deadline there is nothing to miss"))
    }

    /// The elements of `range` to read and write, if nobody has anything of their stripes.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_write(&self, range: impl RangeBounds<usize>) -> Result<Option<ArrayWrite<'_, T>>, ArrayError> {
        self.writes(range, Wait::No)
    }

    /// The elements of `range` to read and write, waiting up to `timeout`; none if they were not to be had in that time. Zero does not wait.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn write_timeout(
        &self,
        range: impl RangeBounds<usize>,
        timeout: Duration,
    ) -> Result<Option<ArrayWrite<'_, T>>, ArrayError> {
        self.writes(range, Wait::of(timeout))
    }

    /// The element at `index`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn get(&self, index: usize) -> Result<T, ArrayError> {
        Ok(self.read(one(index))?[0])
    }

    /// Makes the element at `index` `value`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn set(&self, index: usize, value: T) -> Result<(), ArrayError> {
        self.write(one(index))?[0] = value;
        Ok(())
    }

    /// Makes the element at `index` what `change` makes of it, with its lock in hand; what it is now. If `change` panics, it is as it was.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn update(&self, index: usize, change: impl FnOnce(T) -> T) -> Result<T, ArrayError> {
        let mut element = self.write(one(index))?;
        element[0] = change(element[0]);
        Ok(element[0])
    }

    /// Copies of the elements of `range`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn to_vec(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>, ArrayError> {
        Ok(self.read(range)?.to_vec())
    }

    /// Makes the elements of `range` those of `from`.
    ///
    /// # Errors
    ///
    /// [`ArrayError::WrongLength`] if there is another number of them, and then nothing is changed; else as [`read`](Self::read).
    pub fn copy_from_slice(&self, range: impl RangeBounds<usize>, from: &[T]) -> Result<(), ArrayError> {
        let mut to = self.write(range)?;
        if to.len() != from.len() {
            return Err(ArrayError::WrongLength { expected: to.len(), found: from.len() });
        }
        to.copy_from_slice(from);
        Ok(())
    }

    fn reads(
        &self,
        range: impl RangeBounds<usize>,
        wait: Wait,
    ) -> Result<Option<ArrayRead<'_, T>>, ArrayError> {
        let held = self.hold(range, wait, false)?;
        Ok(held.map(|(held, range)| ArrayRead::new(held, range)))
    }

    fn writes(
        &self,
        range: impl RangeBounds<usize>,
        wait: Wait,
    ) -> Result<Option<ArrayWrite<'_, T>>, ArrayError> {
        let held = self.hold(range, wait, true)?;
        Ok(held.map(|(held, range)| ArrayWrite::new(held, range)))
    }

    /// Takes the locks of `range`, all of them or none.
    fn hold(
        &self,
        range: impl RangeBounds<usize>,
        wait: Wait,
        writes: bool,
    ) -> Result<Option<Part<'_, T>>, ArrayError> {
        let attached = match wait {
            Wait::No => self.attached()?,
            Wait::Until(deadline) => self.attached_by(deadline)?,
        };
        let range = within(range, attached.words().len)?;
        let mut held = Held::none(attached, &range, writes);
        let me = attached.caller();
        let in_turn = matches!(wait, Wait::Until(_));
        let now = |words: &Words, number: usize| {
            let stripe = words.stripe(number);
            match (writes, in_turn) {
                (false, _) => stripe.try_read(me),
                (true, false) => stripe.try_write(me),
                (true, true) => stripe.try_write_in_turn(me),
            }
        };
        let Wait::Until(deadline) = wait else {
            return Ok(held.take_all(now).map_err(refused)?.then_some((held, range)));
        };
        // Whoever stands still in one of the locks is met again below, and waited for as long as the caller waits.
        if held.take_all(now).unwrap_or(false) {
            return Ok(Some((held, range)));
        }
        let waits = |words: &Words, number: usize| {
            let stripe = words.stripe(number);
            let taken = if writes { stripe.write(me, deadline) } else { stripe.read(me, deadline) };
            in_time(taken)
        };
        let all = self.face.wait(|| held.take_all(waits))?;
        Ok(matches!(all, Found::Taken(true)).then_some((held, range)))
    }
}

fn in_time(taken: Result<Taken, NotTaken>) -> Result<Option<Taken>, NotTaken> {
    match taken {
        Ok(taken) => Ok(Some(taken)),
        Err(NotTaken::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The range of one element, which need not be there.
fn one(index: usize) -> (Bound<usize>, Bound<usize>) {
    (Bound::Included(index), Bound::Included(index))
}

/// The range in numbers, if it is within `len` elements.
fn within(range: impl RangeBounds<usize>, len: usize) -> Result<Range<usize>, ArrayError> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => len,
    };
    if start > end || end > len {
        return Err(ArrayError::OutOfRange { range: start..end, len });
    }
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_within_or_said_to_be_out() {
        assert_eq!(within(.., 5), Ok(0..5));
        assert_eq!(within(2..=4, 5), Ok(2..5));
        assert_eq!(within(5.., 5), Ok(5..5));
        assert_eq!(within((Bound::Excluded(1), Bound::Unbounded), 5), Ok(2..5));
        let reversed = Range { start: 3, end: 2 };
        for range in [4..6, 6..6, reversed, 0..usize::MAX, usize::MAX..usize::MAX] {
            assert_eq!(within(range.clone(), 5), Err(ArrayError::OutOfRange { range, len: 5 }));
        }
        assert!(within(0..=usize::MAX, usize::MAX).is_ok());
        assert!(within(one(5), 5).is_err());
    }
}

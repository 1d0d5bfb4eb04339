//! The value as users hold it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytemuck::{Pod, Zeroable, bytes_of, bytes_of_mut};
use callboard_ipc::sync::{RobustValue, Taken};
use serde::{Deserialize, Serialize};

use super::{Integer, Laid, ValueShape};
use crate::protocol::object::Swap;
use crate::protocol::shared::{Attached, Face, Found, Holder, LockError, memory_object, refused};

/// How often a value is read without its lock before that is taken: it is changed all the time then.
const READS: u32 = 16;

/// How a value is created: with what it is at first.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ValueOptions<T> {
    initial: T,
}

impl<T: Pod> ValueOptions<T> {
    /// A value that is `initial` at first.
    pub fn new(initial: T) -> Self {
        Self { initial }
    }
}

impl<T: Pod> From<ValueOptions<T>> for Laid {
    fn from(options: ValueOptions<T>) -> Self {
        Self { bytes: size_of::<T>(), initial: bytes_of(&options.initial).to_vec() }
    }
}

/// A plain value that any threads of any processes of a job read and change in shared memory.
///
/// `T` is any type of plain data ([`Pod`](bytemuck::Pod)): numbers, arrays of them, structs for which that is derived. The handle is itself a plain
/// value, as that of a [`Queue`](crate::Queue). To read and to change it costs no message. The value belongs to the node that created it until that ends.
///
/// **What others see.** [`get`](Self::get) gives the value as it was left by the last change that was finished, whole, whatever the size of `T`; it does not wait for whoever has the
/// [lock](Self::lock), unless the value is large and changes too fast to be read in between. A change is made whole when its guard is dropped, or not at all: a process that is killed before, or a thread that panics, leaves the value as it was.
///
/// **Changes that depend on what it was** take the lock for both steps ([`update`](Self::update), [`lock`](Self::lock)), or are one step: integers
/// can be [added to](Self::add), [compared and swapped](Self::compare_and_swap) and so on without the lock. A value read by `get` and then `set` is two steps, between which others' changes are lost. Nor
/// should both ways be used for one value: a guard writes what it has, whatever was added meanwhile.
///
/// **Order.** Changes and looks at values of up to eight bytes are in one order for all (sequentially consistent). Whoever has the lock, or gets a value, sees all that was
/// done before by whoever left it so.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Failure, Node, Value, ValueOptions};
///
/// fn counts(_: &Node, count: Value<u64>) -> Result<(), Failure> {
///     for _ in 0..1_000 {
///         *count.lock()? += 1;
///         count.update(|count| count + 1)?;
///     }
///     Ok(())
/// }
///
/// let node = Node::start()?;
/// let count: Value<u64> = node.create("/count", ValueOptions::new(0))?;
/// let children: Vec<_> = (0..2).map(|_| node.spawn("counts", counts, count.clone())).collect();
/// for child in children {
///     child?.join()??;
/// }
/// assert_eq!(count.get()?, 4_000);
/// # Ok(())
/// # }
/// ```
///
/// Source: `Value` of Python's `multiprocessing`, whose `+=` is two steps and loses updates.
#[doc(alias = "RawValue")]
pub struct Value<T: Pod> {
    face: Arc<Face<ValueShape<T>>>,
    fault: Option<LockError>,
    of: PhantomData<fn() -> T>,
}

memory_object!(Value<T: Pod>, ValueShape<T>, ValueOptions<T>);

/// Why a number was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The sum is more or less than its type holds. The number is as it was.
    #[error("the sum does not fit into {0}")]
    Overflow(&'static str),
    /// It can't be reached.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl<T: Pod> Value<T> {
    fn name_of_type() -> String {
        format!("Value<{}>", std::any::type_name::<T>())
    }

    /// The value, as the last finished change left it.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    #[inline]
    pub fn get(&self) -> Result<T, LockError> {
        let attached = self.attached()?;
        let words = attached.words();
        for _ in 0..READS {
            if let Some(value) = read(words) {
                return Ok(value);
            }
        }
        match self.lock() {
            Ok(guard) => Ok(*guard),
            // Whoever has the lock is this very thread, so nobody changes it.
            Err(LockError::HeldByCaller) => Ok(loop {
                if let Some(value) = read(words) {
                    break value;
                }
            }),
            Err(error) => Err(error),
        }
    }

    /// Makes it `value`, waiting for its lock as long as that takes.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::Unresponsive`].
    pub fn set(&self, value: T) -> Result<(), LockError> {
        *self.lock()? = value;
        Ok(())
    }

    /// Makes it what `change` makes of it, with the lock in hand; what it is now. If `change` panics, it is as it was.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::Unresponsive`].
    pub fn update(&self, change: impl FnOnce(T) -> T) -> Result<T, LockError> {
        let mut guard = self.lock()?;
        let value = change(*guard);
        *guard = value;
        Ok(value)
    }

    /// Takes its lock, waiting as long as that takes. The guard is the value to read and to change; the change is made when it is dropped.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::Unresponsive`].
    #[doc(alias = "get_lock")]
    pub fn lock(&self) -> Result<ValueGuard<'_, T>, LockError> {
        match self.lock_by(None)? {
            Some(guard) => Ok(guard),
            None => unreachable!("without a deadline there is nothing to miss"),
        }
    }

    /// Takes its lock if that is free.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn try_lock(&self) -> Result<Option<ValueGuard<'_, T>>, LockError> {
        let attached = self.attached()?;
        let taken = attached.words().lock().take_now(attached.caller()).map_err(refused)?;
        Ok(taken.map(|taken| ValueGuard::new(attached, taken)))
    }

    /// Takes its lock, waiting up to `timeout`; none if somebody else held it all the time. Zero does not wait.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Option<ValueGuard<'_, T>>, LockError> {
        if timeout.is_zero() {
            return self.try_lock();
        }
        self.lock_by(Instant::now().checked_add(timeout))
    }

    #[inline]
    fn lock_by(&self, deadline: Option<Instant>) -> Result<Option<ValueGuard<'_, T>>, LockError> {
        let attached = self.attached_by(deadline)?;
        let (me, lock) = (attached.caller(), attached.words().lock());
        if let Some(taken) = lock.take_now(me).map_err(refused)? {
            return Ok(Some(ValueGuard::new(attached, taken)));
        }
        match self.face.wait(|| lock.take(me.holder(), me.cut, deadline))? {
            Found::Taken(taken) => Ok(Some(ValueGuard::new(attached, taken))),
            Found::TimedOut => Ok(None),
        }
    }

    /// Who has its lock just now; none if it is free, or its holder has just gone.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    pub fn holder(&self) -> Result<Option<Holder>, LockError> {
        self.face.who_holds(self.attached()?.words().lock())
    }
}

impl<T: Integer> Value<T> {
    /// Adds `by` in one step, without the lock; the sum.
    ///
    /// # Errors
    ///
    /// [`ValueError::Overflow`] if the type does not hold the sum; [`ValueError::Lock`], but never [`LockError::HeldByCaller`].
    pub fn add(&self, by: T) -> Result<T, ValueError> {
        let sum = self.change(|value| value.sum(by))?;
        sum.map(|(_, sum)| sum).ok_or(ValueError::Overflow(std::any::type_name::<T>()))
    }

    /// Adds `by` in one step, without the lock and around the end of the type; what it was before.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    #[inline]
    pub fn fetch_add(&self, by: T) -> Result<T, LockError> {
        if size_of::<T>() == size_of::<u64>() {
            let before = self.attached()?.words().add_to_word(bytemuck::cast(by));
            return Ok(bytemuck::cast(before));
        }
        let changed = self.change(|value| Some(value.wrapping_sum(by)))?;
        Ok(changed.expect("it is always changed").0)
    }

    /// Makes it `other` if that is more, in one step, without the lock; what it was before.
    ///
    /// # Errors
    ///
    /// As [`fetch_add`](Self::fetch_add).
    pub fn fetch_max(&self, other: T) -> Result<T, LockError> {
        Ok(self.change(|value| Some(value.max(other)))?.expect("it is always changed").0)
    }

    /// Makes it `other` if that is less, in one step, without the lock; what it was before.
    ///
    /// # Errors
    ///
    /// As [`fetch_add`](Self::fetch_add).
    pub fn fetch_min(&self, other: T) -> Result<T, LockError> {
        Ok(self.change(|value| Some(value.min(other)))?.expect("it is always changed").0)
    }

    /// Makes it `new` if it is `expected`, in one step, without the lock.
    ///
    /// # Errors
    ///
    /// As [`fetch_add`](Self::fetch_add).
    pub fn compare_and_swap(&self, expected: T, new: T) -> Result<Swap<T>, LockError> {
        let words = self.attached()?.words();
        Ok(match words.swap_word(to_word(expected), to_word(new)) {
            Ok(()) => Swap::Done,
            Err(found) => Swap::Differs(from_word(found)),
        })
    }

    /// Makes it what `to` says, in one step; what it was and what it is. None if `to` says none.
    #[inline]
    fn change(&self, to: impl Fn(T) -> Option<T>) -> Result<Option<(T, T)>, LockError> {
        let words = self.attached()?.words();
        let mut before = words.word();
        loop {
            let Some(after) = to(from_word(before)) else { return Ok(None) };
            match words.swap_word(before, to_word(after)) {
                Ok(()) => return Ok(Some((from_word(before), after))),
                Err(found) => before = found,
            }
        }
    }
}

fn read<T: Pod>(words: &RobustValue) -> Option<T> {
    let mut value = T::zeroed();
    words.read(bytes_of_mut(&mut value)).then_some(value)
}

/// A number as the word that it is in memory: its bytes, and zeros behind them.
#[inline]
fn to_word<T: Integer>(value: T) -> u64 {
    let mut bytes = [0; size_of::<u64>()];
    bytes[..size_of::<T>()].copy_from_slice(bytes_of(&value));
    u64::from_ne_bytes(bytes)
}

#[inline]
fn from_word<T: Integer>(word: u64) -> T {
    let mut value = <T as Zeroable>::zeroed();
    bytes_of_mut(&mut value).copy_from_slice(&word.to_ne_bytes()[..size_of::<T>()]);
    value
}

/// A value with its lock in hand, by the thread that took it. What is changed in it is made the value when it is dropped, unless its thread panics.
#[must_use = "the lock is given back at once"]
pub struct ValueGuard<'a, T: Pod> {
    attached: &'a Attached<ValueShape<T>>,
    value: T,
    is_changed: bool,
    /// Taken while its thread cleans up after a panic, as values are dropped.
    in_panic: bool,
    was_abandoned: bool,
    /// Of this thread: not to be sent.
    thread: PhantomData<*const ()>,
}

impl<'a, T: Pod> ValueGuard<'a, T> {
    #[inline]
    fn new(attached: &'a Attached<ValueShape<T>>, taken: Taken) -> Self {
        let value = loop {
            // With the lock in hand nobody changes it, so this is read once.
            if let Some(value) = read(attached.words()) {
                break value;
            }
        };
        let was_abandoned = taken == Taken::Abandoned;
        let in_panic = std::thread::panicking();
        Self { attached, value, is_changed: false, in_panic, was_abandoned, thread: PhantomData }
    }

    /// Whether the one who had the lock before died with it. The value is as it was before that one took it.
    pub fn was_abandoned(&self) -> bool {
        self.was_abandoned
    }
}

impl<T: Pod> Deref for ValueGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Pod> DerefMut for ValueGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.is_changed = true;
        &mut self.value
    }
}

impl<T: Pod> Drop for ValueGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let (words, me) = (self.attached.words(), self.attached.caller().holder());
        // What the owner took back, as it took this process for dead, is another's to change.
        let panics = std::thread::panicking() && !self.in_panic;
        if self.is_changed && !panics && words.lock().holder() == Some(me) {
            words.write(bytes_of(&self.value));
        }
        words.lock().give_back(me);
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for ValueGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

//! The semaphore as users hold it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_ipc::sync::{RobustSemaphore, TooManyPermits};
use serde::{Deserialize, Serialize};

use super::SemaphoreShape;
use crate::protocol::shared::{Attached, Face, Found, Holder, LockError, PROCESSES, memory_object, refused};

/// How a semaphore is created: with how many permits, and how many there may ever be.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SemaphoreOptions {
    pub(super) permits: u32,
    pub(super) most: u32,
    pub(super) processes: usize,
}

impl SemaphoreOptions {
    /// The most permits that a semaphore can have, free and held together.
    pub const MOST_PERMITS: u32 = RobustSemaphore::MOST;
    /// The most nodes that can use one at a time.
    pub const MOST_PROCESSES: usize = RobustSemaphore::MOST_MEMBERS;

    /// A semaphore with so many permits, to which more may be [added](Semaphore::release) until there are 1,048,575, free and held together. Zero begins
    /// without any. To create one with more is a [`LockError::System`].
    pub fn new(permits: u32) -> Self {
        Self { permits, most: Self::MOST_PERMITS, processes: PROCESSES }
    }

    /// As [`new`](Self::new), but there are never more than those: to add to them is an error.
    #[doc(alias = "BoundedSemaphore")]
    pub fn bounded(permits: u32) -> Self {
        let options = Self::new(permits);
        Self { most: options.permits, ..options }
    }

    /// How many nodes may use it at a time: 256 unless it is set, each of them 16 bytes of memory. Zero counts as one. To create one for more than 2,046
    /// is a [`LockError::System`].
    #[must_use]
    pub fn processes(mut self, most: usize) -> Self {
        self.processes = most.max(1);
        self
    }
}

/// A number of permits between any threads of any processes of a job: whoever takes one and finds none waits.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue). The permits are counted in shared memory: to take one and to give it back costs
/// no message, and no system call unless somebody waits. The semaphore belongs to the node that created it until that ends.
///
/// **Whoever dies.** The permits that a process held when it was killed come back. Those that it had [added](Self::release)
/// stay. When the semaphore's owner has ended, all who wait, and all who come, get [`LockError::Disconnected`].
///
/// A process that is stopped keeps what it holds, and keeps nobody else from taking or giving back, at whatever instruction it was stopped.
///
/// The process that used it last takes and gives back in one step; another that comes pays some hundred nanoseconds to be that one.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Failure, Node, Semaphore, SemaphoreOptions};
///
/// fn works(_: &Node, two_at_a_time: Semaphore) -> Result<(), Failure> {
///     let _permit = two_at_a_time.acquire()?;
///     Ok(())
/// }
///
/// let node = Node::start()?;
/// let two: Semaphore = node.create("/two", SemaphoreOptions::bounded(2))?;
/// let children: Vec<_> = (0..4).map(|_| node.spawn("works", works, two.clone())).collect();
/// for child in children {
///     child?.join()??;
/// }
/// assert_eq!(two.available()?, 2);
/// # Ok(())
/// # }
/// ```
///
/// Source: `Semaphore` and `BoundedSemaphore` of Python's `multiprocessing`, where permits of a dead holder are lost.
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore {
    face: Arc<Face<SemaphoreShape>>,
    fault: Option<LockError>,
}

memory_object!(Semaphore, SemaphoreShape, SemaphoreOptions);

/// Why no permits were added to a semaphore.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// There would be more than it may have.
    #[error("a semaphore of at most {most} permits would have more")]
    TooMany {
        /// How many it may have.
        most: u32,
    },
    /// It can't be reached.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl Semaphore {
    fn name_of_type() -> String {
        "Semaphore".to_owned()
    }

    /// Takes one permit, waiting as long as that takes.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`] nor [`LockError::Unresponsive`].
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_>, LockError> {
        self.acquire_many(1)
    }

    /// Takes `count` permits at once, waiting as long as that takes. None are taken before all can be; more than there ever are is
    /// waited for for ever. Zero takes none and does not wait.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    #[inline]
    pub fn acquire_many(&self, count: u32) -> Result<Permit<'_>, LockError> {
        // What nearly always is the case.
        if let Some(attached) = self.face.at_hand()
            && attached.words().try_take(attached.any_thread(), count) == Ok(true)
        {
            return Ok(Permit { attached, count });
        }
        self.wait_for(count)
    }

    #[cold]
    fn wait_for(&self, count: u32) -> Result<Permit<'_>, LockError> {
        match self.acquire_by(count, None)? {
            Some(permit) => Ok(permit),
            None => unreachable!("without a deadline there is nothing to miss"),
        }
    }

    /// Takes one permit if there is one; none if there is not.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    #[inline]
    pub fn try_acquire(&self) -> Result<Option<Permit<'_>>, LockError> {
        self.try_acquire_many(1)
    }

    /// Takes `count` permits at once if there are so many.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn try_acquire_many(&self, count: u32) -> Result<Option<Permit<'_>>, LockError> {
        let attached = self.attached()?;
        let taken = attached.words().try_take(attached.any_thread(), count).map_err(refused)?;
        // Made only if it was taken: a permit that is dropped is given back.
        Ok(taken.then(|| Permit { attached, count }))
    }

    /// Takes one permit, waiting up to `timeout`; none if there was none in that time. Zero does not wait.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<Permit<'_>>, LockError> {
        self.acquire_many_timeout(1, timeout)
    }

    /// Takes `count` permits at once, waiting up to `timeout`; none if there were not so many in that time. Zero does not wait.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn acquire_many_timeout(
        &self,
        count: u32,
        timeout: Duration,
    ) -> Result<Option<Permit<'_>>, LockError> {
        if timeout.is_zero() {
            return self.try_acquire_many(count);
        }
        self.acquire_by(count, Instant::now().checked_add(timeout))
    }

    fn acquire_by(&self, count: u32, deadline: Option<Instant>) -> Result<Option<Permit<'_>>, LockError> {
        let attached = self.attached_by(deadline)?;
        let me = attached.any_thread();
        if attached.words().try_take(me, count).map_err(refused)? {
            return Ok(Some(Permit { attached, count }));
        }
        match self.face.wait(|| attached.words().take(me, count, deadline))? {
            Found::Taken(()) => Ok(Some(Permit { attached, count })),
            Found::TimedOut => Ok(None),
        }
    }

    /// Adds `count` new permits, which anybody may take. To give back what was taken, drop its [`Permit`].
    ///
    /// # Errors
    ///
    /// [`ReleaseError::TooMany`], and then none is added; [`ReleaseError::Lock`].
    pub fn release(&self, count: u32) -> Result<(), ReleaseError> {
        let attached = self.attached()?;
        match attached.words().make(attached.any_thread(), count).map_err(refused)? {
            Ok(()) => Ok(()),
            Err(TooManyPermits) => Err(ReleaseError::TooMany { most: attached.options.most }),
        }
    }

    /// How many permits are free just now.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    #[doc(alias = "get_value")]
    pub fn available(&self) -> Result<u32, LockError> {
        Ok(self.attached()?.words().free())
    }

    /// Which nodes hold permits just now, each with how many. Of the holders' threads it says nothing: they are 0.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    pub fn holders(&self) -> Result<Vec<(Holder, u32)>, LockError> {
        self.face.who(self.attached()?.words().holders())
    }
}

/// Permits in hand; given back when dropped, by any thread.
#[must_use = "the permit is given back at once"]
pub struct Permit<'a> {
    attached: &'a Attached<SemaphoreShape>,
    count: u32,
}

impl Permit<'_> {
    /// How many they are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Uses the permits up: they do not come back, neither now nor when this process dies.
    #[doc(alias = "forget")]
    pub fn use_up(mut self) {
        self.attached.words().use_up(self.attached.any_thread(), self.count);
        self.count = 0;
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.count > 0 {
            self.attached.words().give_back(self.attached.any_thread(), self.count);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count).finish_non_exhaustive()
    }
}

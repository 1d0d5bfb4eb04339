//! A lock that its holder may take again.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_ipc::sync::{NotTaken, Taken};

use super::{LockOptions, LockShape};
use crate::protocol::shared::{Attached, Face, Found, Holder, LockError, memory_object, refused};

/// A [`Lock`](crate::Lock) that the thread which holds it may take again: it is free when as many guards are gone as were taken.
///
/// All else is as with a lock.
///
/// Source: `RLock` of Python's `multiprocessing`.
#[doc(alias = "RLock")]
pub struct ReentrantLock {
    face: Arc<Face<LockShape>>,
    fault: Option<LockError>,
}

memory_object!(ReentrantLock, LockShape, LockOptions);

impl ReentrantLock {
    fn name_of_type() -> String {
        "ReentrantLock".to_owned()
    }

    /// Takes the lock, once more if this thread has it, waiting as long as that takes.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`] nor [`LockError::Unresponsive`].
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<ReentrantGuard<'_>, LockError> {
        match self.lock_by(None)? {
            Some(guard) => Ok(guard),
            None => unreachable!("without a deadline there is nothing to miss"),
        }
    }

    /// Takes the lock if it is free or this thread's; none if another holds it.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    pub fn try_lock(&self) -> Result<Option<ReentrantGuard<'_>>, LockError> {
        let attached = self.attached()?;
        self.take_now(attached)
    }

    /// Takes the lock, waiting up to `timeout`; none if another held it all the time. Zero does not wait for the lock.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Option<ReentrantGuard<'_>>, LockError> {
        if timeout.is_zero() {
            return self.try_lock();
        }
        self.lock_by(Instant::now().checked_add(timeout))
    }

    fn lock_by(&self, deadline: Option<Instant>) -> Result<Option<ReentrantGuard<'_>>, LockError> {
        let attached = self.attached_by(deadline)?;
        if let Some(guard) = self.take_now(attached)? {
            return Ok(Some(guard));
        }
        let me = attached.caller();
        match self.face.wait(|| attached.words().take(me.holder(), me.cut, deadline))? {
            Found::Taken(taken) => Ok(Some(ReentrantGuard::first(attached, taken))),
            Found::TimedOut => Ok(None),
        }
    }

    fn take_now<'a>(
        &self,
        attached: &'a Attached<LockShape>,
    ) -> Result<Option<ReentrantGuard<'a>>, LockError> {
        match attached.words().take_now(attached.caller()) {
            Ok(taken) => Ok(taken.map(|taken| ReentrantGuard::first(attached, taken))),
            Err(NotTaken::HeldByCaller) => Ok(Some(ReentrantGuard::again(attached))),
            Err(error) => Err(refused(error)),
        }
    }

    /// Who holds the lock just now; none if it is free, or its holder has just gone.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn holder(&self) -> Result<Option<Holder>, LockError> {
        self.face.who_holds(self.attached()?.words())
    }
}

/// The lock in hand, perhaps once more; given back when dropped, by the thread that took it.
#[must_use = "the lock is given back at once"]
pub struct ReentrantGuard<'a> {
    attached: &'a Attached<LockShape>,
    was_abandoned: bool,
    /// Of this thread: not to be sent.
    thread: PhantomData<*const ()>,
}

impl<'a> ReentrantGuard<'a> {
    fn first(attached: &'a Attached<LockShape>, taken: Taken) -> Self {
        attached.depth.set(1);
        Self { attached, was_abandoned: taken == Taken::Abandoned, thread: PhantomData }
    }

    fn again(attached: &'a Attached<LockShape>) -> Self {
        attached.depth.set(attached.depth.get() + 1);
        Self { attached, was_abandoned: false, thread: PhantomData }
    }

    /// Whether the one who had it before died with it. Only the first guard of the next one is told.
    pub fn was_abandoned(&self) -> bool {
        self.was_abandoned
    }

    /// How many guards this thread has, this one included.
    pub fn depth(&self) -> u32 {
        self.attached.depth.get()
    }
}

impl Drop for ReentrantGuard<'_> {
    fn drop(&mut self) {
        let left = self.attached.depth.get().saturating_sub(1);
        self.attached.depth.set(left);
        if left == 0 {
            self.attached.words().give_back(self.attached.caller().holder());
        }
    }
}

impl std::fmt::Debug for ReentrantGuard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let depth = self.depth();
        f.debug_struct("ReentrantGuard").field("depth", &depth).finish_non_exhaustive()
    }
}

//! The lock as users hold it.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_ipc::sync::Taken;
use serde::{Deserialize, Serialize};

use super::LockShape;
use crate::protocol::shared::{Attached, Face, Found, Holder, LockError, memory_object, refused};

/// How a lock is created. There is nothing to choose yet.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LockOptions;

impl LockOptions {
    /// A lock that is free.
    pub fn new() -> Self {
        Self
    }
}

/// A lock between any threads of any processes of a job: one holds it, the others wait.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue): clone it, pass it to a child, open it by name. The lock itself is a word in
/// shared memory, which says who holds it; to take and to give back costs no message, and no system call unless somebody waits. It belongs to the node that
/// created it until that ends.
///
/// **Whoever dies.** When a process is killed that holds the lock, the next one gets it, and its guard
/// [says so](LockGuard::was_abandoned): what the lock guards may be half done. Whoever waits and is killed is waited for by nobody. When the lock's owner has ended, all
/// who wait, and all who come, get [`LockError::Disconnected`].
///
/// **Whoever is stopped** with the lock in hand keeps it, and the others wait, as long as their timeouts let them.
///
/// Nobody has a turn: of those who wait, whoever comes first gets it. A thread that takes it twice is told so, see
/// [`ReentrantLock`](crate::ReentrantLock).
///
/// **A guard may outlive its node**, also if that has lost its connection: it holds the lock until it is dropped, or its process has died, and nobody is told before that
/// its holder has. Whoever waits on that node is told at once, and nobody there gets the lock any more. A guard that is [forgotten](std::mem::forget) holds the lock until its
/// node has no handle to it any more; then the lock counts as abandoned.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Failure, Lock, LockOptions, Node};
///
/// fn works(_: &Node, lock: Lock) -> Result<(), Failure> {
///     let guard = lock.lock()?;
///     assert!(!guard.was_abandoned());
///     // Nobody else is here.
///     Ok(())
/// }
///
/// let node = Node::start()?;
/// let lock: Lock = node.create("/printer", LockOptions::new())?;
/// let children: Vec<_> = (0..2).map(|_| node.spawn("works", works, lock.clone())).collect();
/// for child in children {
///     child?.join()??;
/// }
/// # Ok(())
/// # }
/// ```
///
/// Source: `Lock` of Python's `multiprocessing`, where the lock of a dead holder is never free again.
pub struct Lock {
    pub(super) face: Arc<Face<LockShape>>,
    fault: Option<LockError>,
}

memory_object!(Lock, LockShape, LockOptions);

impl Lock {
    fn name_of_type() -> String {
        "Lock".to_owned()
    }

    /// Takes the lock, waiting as long as that takes.
    ///
    /// # Errors
    ///
    /// [`LockError`]; never [`LockError::Unresponsive`], as an owner that does not answer is waited for too.
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<LockGuard<'_>, LockError> {
        match self.lock_by(None)? {
            Some(guard) => Ok(guard),
            None => unreachable!("without a deadline there is nothing to miss"),
        }
    }

    /// Takes the lock if it is free; none if somebody holds it.
    ///
    /// # Errors
    ///
    /// [`LockError`]: also if this thread holds it.
    pub fn try_lock(&self) -> Result<Option<LockGuard<'_>>, LockError> {
        let attached = self.attached()?;
        let taken = attached.words().take_now(attached.caller()).map_err(refused)?;
        Ok(taken.map(|taken| LockGuard::new(attached, taken)))
    }

    /// Takes the lock, waiting up to `timeout`; none if somebody else held it all the time. Zero does not wait for the lock.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Option<LockGuard<'_>>, LockError> {
        if timeout.is_zero() {
            return self.try_lock();
        }
        // A time that there is no end of is for ever.
        self.lock_by(Instant::now().checked_add(timeout))
    }

    #[inline]
    fn lock_by(&self, deadline: Option<Instant>) -> Result<Option<LockGuard<'_>>, LockError> {
        let attached = self.attached_by(deadline)?;
        let me = attached.caller();
        if let Some(taken) = attached.words().take_now(me).map_err(refused)? {
            return Ok(Some(LockGuard::new(attached, taken)));
        }
        match self.face.wait(|| attached.words().take(me.holder(), me.cut, deadline))? {
            Found::Taken(taken) => Ok(Some(LockGuard::new(attached, taken))),
            Found::TimedOut => Ok(None),
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

    /// Gives the lock back for whoever holds it, in any process: for a guard that was [forgotten](std::mem::forget), or handed over
    /// by agreement. Whether it was held.
    ///
    /// Whoever thinks that it holds the lock is not told, and drops its guard without harm, unless the same thread has taken the lock again: then that hold is given back.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    #[doc(alias = "release")]
    pub fn force_unlock(&self) -> Result<bool, LockError> {
        Ok(self.attached()?.words().force_back())
    }
}

/// The lock in hand; given back when dropped, by the thread that took it.
#[must_use = "the lock is given back at once"]
pub struct LockGuard<'a> {
    attached: &'a Attached<LockShape>,
    was_abandoned: bool,
    /// Of this thread: not to be sent.
    thread: PhantomData<*const ()>,
}

impl<'a> LockGuard<'a> {
    fn new(attached: &'a Attached<LockShape>, taken: Taken) -> Self {
        Self { attached, was_abandoned: taken == Taken::Abandoned, thread: PhantomData }
    }

    /// Whether the one who had it before died with it: then what the lock guards may be half done. Only the next one is told.
    pub fn was_abandoned(&self) -> bool {
        self.was_abandoned
    }
}

impl Drop for LockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.attached.words().give_back(self.attached.caller().holder());
    }
}

impl std::fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockGuard").field("was_abandoned", &self.was_abandoned).finish_non_exhaustive()
    }
}

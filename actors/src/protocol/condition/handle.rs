//! The condition as users hold it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_ipc::sync::{NotTaken, NotWaited, Taken, Waited};
use serde::{Deserialize, Serialize};

use super::ConditionShape;
use crate::protocol::shared::{Attached, Face, Found, Holder, LockError, memory_object, refused};

/// How many threads may wait at a time, unless options say otherwise.
const WAITERS: usize = 256;

/// How a condition is created.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ConditionOptions {
    pub(super) waiters: usize,
}

impl Default for ConditionOptions {
    fn default() -> Self {
        Self { waiters: WAITERS }
    }
}

impl ConditionOptions {
    /// A condition whose lock is free and for which nobody waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many threads of all processes may wait at a time: 256 unless it is set, each of them 16 bytes of memory. Zero counts as one.
    #[must_use]
    pub fn waiters(mut self, most: usize) -> Self {
        self.waiters = most.max(1);
        self
    }
}

/// A lock whose holder can wait until another holder has changed something, among any threads of any processes of a job.
///
/// Who waits by its guard gives the lock up, and has it again when the wait ends. The lock is inside: all handles to the condition have the same one. The thread
/// that holds it may take it again, as a [`ReentrantLock`](crate::ReentrantLock); a wait gives it up wholly, and then has as many guards as before. What is waited for lies elsewhere,
/// in a [`Counter`](crate::Counter), a [`Region`](crate::Region) or whatever the processes share; it is changed with the lock in hand.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue). Lock and waits are words in shared memory: to take the lock and to notify costs no message, and no
/// system call unless somebody waits. The condition belongs to the node that created it until that ends.
///
/// **Who is notified.** Those who have waited longest, as many as were asked for; nobody is notified who did not wait then. A notification
/// waits for nobody: it returns at once, and those notified go on when they get the lock.
///
/// **Whoever dies.** A waiter that is killed is waited for by nobody. If it was notified and had not gone on yet, another who waits is notified in
/// its place, perhaps one who came since; so who is woken looks again at what it waited for, as [`wait_while`](ConditionGuard::wait_while) does. A killed holder's
/// lock goes to the next, whose guard [says so](ConditionGuard::was_abandoned). When the condition's owner has ended, all who wait, and all who come, get [`LockError::Disconnected`].
///
/// **Whoever is stopped** while it waits, and notified, keeps its notification, and goes on when it is continued.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Condition, ConditionOptions, Counter, CounterOptions, Failure, Node};
///
/// fn takes(_: &Node, (some, count): (Condition, Counter)) -> Result<(), Failure> {
///     let mut guard = some.lock()?;
///     while count.get()? == 0 {
///         guard.wait()?;
///     }
///     count.sub(1)?;
///     Ok(())
/// }
///
/// let node = Node::start()?;
/// let some: Condition = node.create("/some", ConditionOptions::new())?;
/// let count: Counter = node.create("/count", CounterOptions::new())?;
/// let child = node.spawn("takes", takes, (some.clone(), count.clone()))?;
/// let mut guard = some.lock()?;
/// count.add(1)?;
/// guard.notify_one()?;
/// drop(guard);
/// child.join()??;
/// # Ok(())
/// # }
/// ```
///
/// Source: `Condition` of Python's `multiprocessing`, where a notification waits for all whom it woke, and for ever if one of them was killed.
#[doc(alias = "Condvar")]
pub struct Condition {
    face: Arc<Face<ConditionShape>>,
    fault: Option<LockError>,
}

memory_object!(Condition, ConditionShape, ConditionOptions);

impl Condition {
    fn name_of_type() -> String {
        "Condition".to_owned()
    }

    /// Takes the lock, once more if this thread has it, waiting as long as that takes.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`] nor [`LockError::Unresponsive`].
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<ConditionGuard<'_>, LockError> {
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
    pub fn try_lock(&self) -> Result<Option<ConditionGuard<'_>>, LockError> {
        let attached = self.attached()?;
        self.take_now(attached)
    }

    /// Takes the lock, waiting up to `timeout`; none if another held it all the time. Zero does not wait for the lock.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Option<ConditionGuard<'_>>, LockError> {
        if timeout.is_zero() {
            return self.try_lock();
        }
        self.lock_by(Instant::now().checked_add(timeout))
    }

    fn lock_by(&self, deadline: Option<Instant>) -> Result<Option<ConditionGuard<'_>>, LockError> {
        let attached = self.attached_by(deadline)?;
        if let Some(guard) = self.take_now(attached)? {
            return Ok(Some(guard));
        }
        let me = attached.caller();
        match self.face.wait(|| attached.words().lock().take(me.holder(), me.cut, deadline))? {
            Found::Taken(taken) => Ok(Some(self.guard(attached, 1, taken))),
            Found::TimedOut => Ok(None),
        }
    }

    fn take_now<'a>(
        &'a self,
        attached: &'a Attached<ConditionShape>,
    ) -> Result<Option<ConditionGuard<'a>>, LockError> {
        match attached.words().lock().take_now(attached.caller()) {
            Ok(taken) => Ok(taken.map(|taken| self.guard(attached, 1, taken))),
            Err(NotTaken::HeldByCaller) => {
                Ok(Some(self.guard(attached, attached.depth.get() + 1, Taken::Clean)))
            }
            Err(error) => Err(refused(error)),
        }
    }

    fn guard<'a>(
        &'a self,
        attached: &'a Attached<ConditionShape>,
        depth: u32,
        taken: Taken,
    ) -> ConditionGuard<'a> {
        attached.depth.set(depth);
        ConditionGuard {
            face: &self.face,
            attached,
            was_abandoned: taken == Taken::Abandoned,
            notified: Vec::new(),
            thread: PhantomData,
        }
    }

    /// Who holds the lock just now; none if it is free, or its holder has just gone.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    pub fn holder(&self) -> Result<Option<Holder>, LockError> {
        let Some(holder) = self.attached()?.words().lock().holder() else { return Ok(None) };
        let found = self.face.who(vec![(holder.member, holder.thread)])?;
        Ok(found.first().map(|(member, thread)| Holder { thread: *thread, ..*member }))
    }

    /// How many threads wait just now and have not been notified.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    pub fn waiters(&self) -> Result<usize, LockError> {
        Ok(self.attached()?.words().waiters())
    }
}

/// The condition's lock in hand; given back when dropped, by the thread that took it.
#[must_use = "the lock is given back at once"]
pub struct ConditionGuard<'a> {
    face: &'a Face<ConditionShape>,
    attached: &'a Attached<ConditionShape>,
    was_abandoned: bool,
    /// Those to be woken when the lock has been given back: before that they would only wait for it.
    notified: Vec<usize>,
    /// Of this thread: not to be sent.
    thread: PhantomData<*const ()>,
}

impl ConditionGuard<'_> {
    /// Gives the lock up, waits until notified, and takes the lock again, waiting as long as that takes.
    ///
    /// Whoever is notified finds the world as the last holder left it, not as the notifier did: others may have been faster. So it
    /// looks again at what it waits for; [`wait_while`](Self::wait_while) does so.
    ///
    /// # Errors
    ///
    /// [`LockError::Disconnected`]: the owner has ended; nothing is held any more. [`LockError::TooManyWaiters`]: the lock is held as before.
    pub fn wait(&mut self) -> Result<(), LockError> {
        self.wait_by(None).map(drop)
    }

    /// As [`wait`](Self::wait), but up to `timeout`; whether it was notified. Zero gives the lock up and takes it again.
    ///
    /// When the time is over the lock is waited for without end: this may take longer than `timeout`, as long as others hold the lock. One who is notified
    /// in that time has been notified.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<bool, LockError> {
        self.wait_by(Instant::now().checked_add(timeout))
    }

    /// Waits as long as `is_so`, which is asked with the lock in hand: first at once, then after each notification.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    #[doc(alias = "wait_for")]
    pub fn wait_while(&mut self, mut is_so: impl FnMut() -> bool) -> Result<(), LockError> {
        while is_so() {
            self.wait()?;
        }
        Ok(())
    }

    /// As [`wait_while`](Self::wait_while), but up to `timeout`; false if it still was so then.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    #[doc(alias = "wait_for")]
    pub fn wait_while_timeout(
        &mut self,
        timeout: Duration,
        mut is_so: impl FnMut() -> bool,
    ) -> Result<bool, LockError> {
        let deadline = Instant::now().checked_add(timeout);
        while is_so() {
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(false);
            }
            self.wait_by(deadline)?;
        }
        Ok(true)
    }

    fn wait_by(&mut self, deadline: Option<Instant>) -> Result<bool, LockError> {
        let attached = self.attached;
        let depth = attached.depth.get();
        let notified = std::mem::take(&mut self.notified);
        let wait = || attached.words().wait(attached.caller(), deadline, &notified);
        match self.face.runtime().wait_elsewhere(self.face.handle().sought(), wait) {
            Ok(Waited { was_notified, taken }) => {
                // The lock is held again: nobody else is at the depth.
                attached.depth.set(depth);
                self.was_abandoned |= taken == Taken::Abandoned;
                Ok(was_notified)
            }
            Err(NotWaited::CutOff) => Err(LockError::Disconnected),
            Err(NotWaited::Full) => {
                self.notified = notified;
                Err(LockError::TooManyWaiters(attached.options.waiters as u64))
            }
        }
    }

    /// Notifies the one that has waited longest; how many that are, 1 or 0 if nobody waits.
    ///
    /// # Errors
    ///
    /// [`LockError::Disconnected`].
    pub fn notify_one(&mut self) -> Result<usize, LockError> {
        self.notify(1)
    }

    /// Notifies up to `most`, those who have waited longest; how many that are. They go on when they get the lock.
    ///
    /// # Errors
    ///
    /// [`LockError::Disconnected`].
    pub fn notify(&mut self, most: usize) -> Result<usize, LockError> {
        let notified = self.attached.words().notify(self.attached.caller(), most).map_err(refused)?;
        let count = notified.len();
        self.notified.extend(notified);
        Ok(count)
    }

    /// Notifies all who wait; how many they are.
    ///
    /// # Errors
    ///
    /// [`LockError::Disconnected`].
    pub fn notify_all(&mut self) -> Result<usize, LockError> {
        self.notify(usize::MAX)
    }

    /// Whether a holder before this one died with the lock: then what it guards may be half done. Only the next one is told, also if it
    /// gets the lock at the end of a wait; from then on its guard says so.
    pub fn was_abandoned(&self) -> bool {
        self.was_abandoned
    }

    /// How many guards this thread has, this one included.
    pub fn depth(&self) -> u32 {
        self.attached.depth.get()
    }
}

impl Drop for ConditionGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let left = self.attached.depth.get().saturating_sub(1);
        self.attached.depth.set(left);
        if left == 0 {
            self.attached.words().lock().give_back(self.attached.caller().holder());
        }
        self.attached.words().wake(&self.notified);
    }
}

impl fmt::Debug for ConditionGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = self.depth();
        f.debug_struct("ConditionGuard").field("depth", &depth).finish_non_exhaustive()
    }
}

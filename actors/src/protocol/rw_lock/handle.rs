//! The lock for readers and writers as users hold it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_ipc::sync::Taken;
use serde::{Deserialize, Serialize};

use super::RwLockShape;
use crate::protocol::shared::{Attached, Face, Found, Holder, LockError, PROCESSES, memory_object, refused};

/// How a lock for readers and writers is created.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RwLockOptions {
    pub(super) processes: usize,
}

impl Default for RwLockOptions {
    fn default() -> Self {
        Self { processes: PROCESSES }
    }
}

impl RwLockOptions {
    /// A lock that is free.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many nodes may use it at a time: 256 unless it is set, each of them 32 bytes of memory. Zero counts as one.
    #[must_use]
    pub fn processes(mut self, most: usize) -> Self {
        self.processes = most.max(1);
        self
    }
}

/// A lock between any threads of any processes of a job that one holds to write, or many to read.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue). The lock lies in shared memory: to take it and to give it back costs no message,
/// and no system call unless somebody waits. It belongs to the node that created it until that ends.
///
/// **Whose turn it is.** A reader that comes while a writer waits waits too; when a writer is done, the readers that have waited go
/// before the next writer. So neither keeps the other out for ever. It follows that a thread which reads and takes the lock to read once more may wait for a writer that waits
/// for it; and one that reads and wants to write waits for itself.
///
/// **Whoever dies.** When a process is killed that writes, the next ones get the lock, and their guards say so
/// ([`WriteGuard::was_abandoned`], [`ReadGuard::was_abandoned`]) until another has written. One that read leaves nothing behind. When the lock's owner has ended,
/// all who wait, and all who come, get [`LockError::Disconnected`].
///
/// A process that is stopped among the few instructions in which it counts itself in or out keeps all who take the lock waiting until it goes on or is killed;
/// a verb with a timeout ends at its time. A guard is dropped at once whoever is stopped. It may outlive its node, as that of a [`Lock`](crate::Lock).
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Node, RwLock, RwLockOptions};
///
/// let node = Node::start()?;
/// let lock: RwLock = node.create("/settings", RwLockOptions::new())?;
/// let (one, another) = (lock.read()?, lock.read()?);
/// assert!(lock.try_write()?.is_none());
/// drop((one, another));
/// assert!(lock.try_write()?.is_some());
/// # Ok(())
/// # }
/// ```
pub struct RwLock {
    face: Arc<Face<RwLockShape>>,
    fault: Option<LockError>,
}

memory_object!(RwLock, RwLockShape, RwLockOptions);

impl RwLock {
    fn name_of_type() -> String {
        "RwLock".to_owned()
    }

    /// Takes the lock to read, waiting as long as that takes.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::Unresponsive`]. [`LockError::HeldByCaller`] if this thread writes.
    pub fn read(&self) -> Result<ReadGuard<'_>, LockError> {
        match self.read_by(None)? {
            Some(guard) => Ok(guard),
            None => unreachable!("without a deadline there is nothing to miss"),
        }
    }

    /// Takes the lock to read if nobody writes or waits to write.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn try_read(&self) -> Result<Option<ReadGuard<'_>>, LockError> {
        let attached = self.attached()?;
        let taken = attached.words().try_read(attached.caller()).map_err(refused)?;
        Ok(taken.map(|taken| ReadGuard::new(attached, taken)))
    }

    /// Takes the lock to read, waiting up to `timeout`; none if it was not to be had in that time. Zero does not wait.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn read_timeout(&self, timeout: Duration) -> Result<Option<ReadGuard<'_>>, LockError> {
        if timeout.is_zero() {
            return self.try_read();
        }
        self.read_by(Instant::now().checked_add(timeout))
    }

    fn read_by(&self, deadline: Option<Instant>) -> Result<Option<ReadGuard<'_>>, LockError> {
        let attached = self.attached_by(deadline)?;
        let me = attached.caller();
        // Whoever stands still inside is met again below, and waited for as long as the caller waits.
        if let Ok(Some(taken)) = attached.words().try_read(me) {
            return Ok(Some(ReadGuard::new(attached, taken)));
        }
        match self.face.wait(|| attached.words().read(me, deadline))? {
            Found::Taken(taken) => Ok(Some(ReadGuard::new(attached, taken))),
            Found::TimedOut => Ok(None),
        }
    }

    /// Takes the lock to write, waiting as long as that takes.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn write(&self) -> Result<WriteGuard<'_>, LockError> {
        match self.write_by(None)? {
            Some(guard) => Ok(guard),
            None => unreachable!("without a deadline there is nothing to miss"),
        }
    }

    /// Takes the lock to write if nobody has it.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn try_write(&self) -> Result<Option<WriteGuard<'_>>, LockError> {
        let attached = self.attached()?;
        let taken = attached.words().try_write(attached.caller()).map_err(refused)?;
        Ok(taken.map(|taken| WriteGuard::new(attached, taken)))
    }

    /// Takes the lock to write, waiting up to `timeout`; none if it was not to be had in that time. Zero does not wait.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn write_timeout(&self, timeout: Duration) -> Result<Option<WriteGuard<'_>>, LockError> {
        if timeout.is_zero() {
            return self.try_write();
        }
        self.write_by(Instant::now().checked_add(timeout))
    }

    fn write_by(&self, deadline: Option<Instant>) -> Result<Option<WriteGuard<'_>>, LockError> {
        let attached = self.attached_by(deadline)?;
        let me = attached.caller();
        // As in `read_by`.
        if let Ok(Some(taken)) = attached.words().try_write_in_turn(me) {
            return Ok(Some(WriteGuard::new(attached, taken)));
        }
        match self.face.wait(|| attached.words().write(me, deadline))? {
            Found::Taken(taken) => Ok(Some(WriteGuard::new(attached, taken))),
            Found::TimedOut => Ok(None),
        }
    }

    /// Who writes just now; none if nobody does, or it has just gone.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    pub fn writer(&self) -> Result<Option<Holder>, LockError> {
        let Some(writer) = self.attached()?.words().writer() else { return Ok(None) };
        let found = self.face.who(vec![(writer.member, writer.thread)])?;
        Ok(found.first().map(|(member, thread)| Holder { thread: *thread, ..*member }))
    }

    /// Which nodes read just now, each with how many guards. Of the readers' threads it says nothing: they are 0.
    ///
    /// # Errors
    ///
    /// [`LockError`], but never [`LockError::HeldByCaller`].
    pub fn readers(&self) -> Result<Vec<(Holder, u32)>, LockError> {
        self.face.who(self.attached()?.words().readers())
    }
}

/// The lock in hand to read; given back when dropped, by any thread.
#[must_use = "the lock is given back at once"]
pub struct ReadGuard<'a> {
    attached: &'a Attached<RwLockShape>,
    was_abandoned: bool,
}

impl<'a> ReadGuard<'a> {
    fn new(attached: &'a Attached<RwLockShape>, taken: Taken) -> Self {
        Self { attached, was_abandoned: taken == Taken::Abandoned }
    }

    /// Whether the last one who wrote died with the lock: then what it guards may be half done.
    pub fn was_abandoned(&self) -> bool {
        self.was_abandoned
    }
}

impl Drop for ReadGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.attached.words().give_back_read(self.attached.caller());
    }
}

impl fmt::Debug for ReadGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadGuard").field("was_abandoned", &self.was_abandoned).finish_non_exhaustive()
    }
}

/// The lock in hand to write; given back when dropped, by the thread that took it.
#[must_use = "the lock is given back at once"]
pub struct WriteGuard<'a> {
    attached: &'a Attached<RwLockShape>,
    was_abandoned: bool,
    /// Of this thread: not to be sent.
    thread: PhantomData<*const ()>,
}

impl<'a> WriteGuard<'a> {
    fn new(attached: &'a Attached<RwLockShape>, taken: Taken) -> Self {
        Self { attached, was_abandoned: taken == Taken::Abandoned, thread: PhantomData }
    }

    /// Whether the last one who wrote died with the lock: then what it guards may be half done. The next writer is not told any more.
    pub fn was_abandoned(&self) -> bool {
        self.was_abandoned
    }
}

impl Drop for WriteGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.attached.words().give_back_write(self.attached.caller());
    }
}

impl fmt::Debug for WriteGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteGuard").field("was_abandoned", &self.was_abandoned).finish_non_exhaustive()
    }
}

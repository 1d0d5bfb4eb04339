//! What a lock for readers and writers is changed under: a short lock around a table in which each process writes about itself.
//!
//! # Why a kill leaves nothing half done
//!
//! What is true is what stands in the processes' own entries; each change of it is one write into one word of the entry of whoever makes
//! it. Sums over all entries are kept beside them to be read quickly. Both are changed under the guard, a [`LockWord`]. If whoever is
//! inside is killed, its write was made or was not; the next one inside is told that the guard was abandoned, and sums up anew. The entry of the dead
//! is cleared by the owner, which can't be killed without everything else going too.

use std::time::{Duration, Instant};

use super::lock::{Cut, Holder, LockWord, NotTaken, Taken};

#[cfg(not(all(test, loom)))]
pub(super) use std::sync::atomic::{AtomicU32, AtomicU64};

#[cfg(all(test, loom))]
pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64};

/// A process among those that use a lock, and where its entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number, not 0, and of no other process ever.
    pub number: u32,
    /// The number of its entry, which another may get when it has gone.
    pub entry: usize,
}

/// Who comes in: a thread of a member, and whether it is cut off from the owner.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Its process.
    pub member: Member,
    /// Its thread; 0 where that does not matter.
    pub thread: u32,
    /// Its process's way to the owner.
    pub cut: &'a Cut,
}

impl Caller<'_> {
    /// What it writes into words that it holds.
    #[inline]
    pub fn holder(self) -> Holder {
        Holder { member: self.member.number, thread: self.thread }
    }
}

/// Whoever is inside spends a few instructions there. If it takes longer, it was stopped there: a deadline that is over then counts only
/// after so long, so that a try is not in vain because of a busy machine.
const PATIENCE: Duration = Duration::from_millis(10);

/// Being inside; left when dropped.
#[derive(Debug)]
pub(super) struct Inside<'a> {
    guard: &'a LockWord,
    me: Holder,
    /// Whether the sums are to be made anew.
    pub(super) is_abandoned: bool,
}

impl<'a> Inside<'a> {
    /// Comes in, before `deadline` or soon after it; with none, whenever that is.
    ///
    /// # Errors
    ///
    /// [`NotTaken::TimedOut`] if somebody is inside who does not go on, and [`NotTaken::CutOff`].
    #[inline]
    pub(super) fn enter(
        guard: &'a LockWord,
        me: Caller<'_>,
        deadline: Option<Instant>,
    ) -> Result<Self, NotTaken> {
        let taken = match guard.take_now(me)? {
            Some(taken) => taken,
            None => {
                let patient = |deadline: Instant| deadline.max(Instant::now() + PATIENCE);
                guard.take(me.holder(), me.cut, deadline.map(patient))?
            }
        };
        Ok(Self { guard, me: me.holder(), is_abandoned: taken == Taken::Abandoned })
    }

    /// The same for somebody who does not want to wait, but for the few instructions that another spends inside.
    #[inline]
    pub(super) fn enter_now(guard: &'a LockWord, me: Caller<'_>) -> Result<Self, NotTaken> {
        match guard.take_now(me)? {
            Some(taken) => Ok(Self { guard, me: me.holder(), is_abandoned: taken == Taken::Abandoned }),
            None => Self::enter(guard, me, Some(Instant::now())),
        }
    }

    /// For somebody who gives back, cut off or not: comes in unless somebody stays inside for longer than a moment.
    #[inline]
    pub(super) fn enter_soon(guard: &'a LockWord, me: Holder) -> Option<Self> {
        let taken = match guard.try_take(me) {
            Ok(Some(taken)) => taken,
            _ => guard.try_take_soon(me)?,
        };
        Some(Self { guard, me, is_abandoned: taken == Taken::Abandoned })
    }

    /// The owner's: comes in if nobody is inside.
    pub(super) fn try_enter(guard: &'a LockWord, me: Holder) -> Option<Self> {
        let taken = guard.try_take(me).ok()??;
        Some(Self { guard, me, is_abandoned: taken == Taken::Abandoned })
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        self.guard.give_back(self.me);
    }
}

//! What lies in shared memory, and how one comes in and takes. The rules are in `rw_lock.rs`.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::super::block::Atomics;
use super::super::guard::{AtomicU32, AtomicU64, Inside};
use super::super::lock::{LockWord, NotTaken, Taken};
use super::super::{Caller, Holder};
use crate::futex::Word;

/// What concerns all.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(in crate::sync) struct Head {
    pub(in crate::sync) guard: LockWord,
    /// Change when sleepers of that kind are woken.
    pub(super) writers_turn: Word,
    pub(super) readers_turn: Word,
    /// Sum: who writes, its process in the upper half and its thread in the lower; 0 for nobody.
    pub(in crate::sync) writer: AtomicU64,
    /// Sums of those below.
    pub(in crate::sync) readers: AtomicU32,
    pub(in crate::sync) waiting_writers: AtomicU32,
    pub(in crate::sync) waiting_readers: AtomicU32,
    /// How many writers have gone.
    pub(super) phase: AtomicU32,
    /// Not 0: those who waited to read while the last one wrote go before any that comes to write now.
    pub(super) readers_next: AtomicU32,
    /// Not 0: a writer has died, and no other has written since. Set by the owner, and by whoever writes.
    pub(super) abandoned: AtomicU32,
    /// Not 0: somebody has written about itself outside, and the sums are to be made anew.
    pub(in crate::sync) stale: AtomicU32,
}

/// What one process writes about itself. All is written inside, but for what is said to be written outside.
#[repr(C, align(32))]
#[derive(Debug, Default)]
pub(in crate::sync) struct Entry {
    /// 0: nobody's.
    pub(in crate::sync) member: AtomicU32,
    /// The thread that writes; 0 for none. That thread may make it 0 outside.
    pub(in crate::sync) writing: AtomicU32,
    /// How often one of its threads has begun to read, less those that have given back inside.
    pub(in crate::sync) readers: AtomicU32,
    pub(in crate::sync) waiting_writers: AtomicU32,
    pub(in crate::sync) waiting_readers: AtomicU32,
    /// How many of those that it has counted as waiting have left since, and could not come in to say so. Written outside.
    pub(super) left_writers: AtomicU32,
    pub(super) left_readers: AtomicU32,
    /// How many of those that it has counted as reading have given back, and could not come in to say so. Written outside.
    pub(in crate::sync) returned: AtomicU32,
}

const _: () = assert!(cfg!(all(test, loom)) || size_of::<Entry>() == 32 && size_of::<Head>() == 64);

// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Head {}
// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Entry {}

impl Entry {
    /// How many of its threads read.
    pub(in crate::sync) fn reading(&self) -> u32 {
        self.readers.load(SeqCst).wrapping_sub(self.returned.load(SeqCst))
    }
}

/// What a thread wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Want {
    /// Whoever comes, or tries, `in_turn` lets those go first who have waited to read. One that tries once, or has slept, does not: they may be stopped.
    Write { in_turn: bool },
    /// Has waited since that phase; none if it has not yet.
    Read { since: Option<u32> },
}

/// Whom to wake, outside.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wakes {
    pub(super) writer: bool,
    pub(super) readers: bool,
}

/// The words of such a lock, wherever they lie.
#[derive(Clone, Copy, Debug)]
pub(in crate::sync) struct Words<'a> {
    pub(in crate::sync) head: &'a Head,
    pub(in crate::sync) entries: &'a [Entry],
}

pub(super) fn add(to: &AtomicU32, more: i32) {
    to.store(to.load(Relaxed).wrapping_add_signed(more), Relaxed);
}

impl<'a> Words<'a> {
    /// What is to be done first by one who has come in.
    #[inline]
    pub(super) fn come_in(&self, inside: &Inside<'_>) {
        // Ordering: who sees that somebody has written outside sees in `sum_up` what.
        if inside.is_abandoned || self.head.stale.load(Relaxed) != 0 && self.head.stale.swap(0, SeqCst) != 0 {
            let wakes = self.fold();
            self.wake(wakes);
        }
    }

    /// Leaves, wakes whom it has chosen, and looks whether somebody has given back outside meanwhile.
    #[inline]
    pub(super) fn leave(&self, inside: Inside<'_>, me: Holder, wakes: Wakes) {
        drop(inside);
        self.wake(wakes);
        self.fold_outside(me);
    }

    /// Whoever could not stay, as it is cut off, may have stood in the way of one that gave back outside.
    #[inline]
    pub(super) fn enter(&self, me: Caller<'_>, deadline: Option<Instant>) -> Result<Inside<'a>, NotTaken> {
        let inside =
            Inside::enter(&self.head.guard, me, deadline).inspect_err(|_| self.fold_outside(me.holder()))?;
        self.come_in(&inside);
        Ok(inside)
    }

    #[inline]
    fn enter_now(&self, me: Caller<'_>) -> Result<Inside<'a>, NotTaken> {
        let inside =
            Inside::enter_now(&self.head.guard, me).inspect_err(|_| self.fold_outside(me.holder()))?;
        self.come_in(&inside);
        Ok(inside)
    }

    /// Its entry; none if the owner has given that to another, or taken it back.
    #[inline]
    pub(super) fn entry_of(&self, me: Caller<'_>) -> Option<&'a Entry> {
        let entry = self.entries.get(me.member.entry)?;
        (entry.member.load(Relaxed) == me.member.number).then_some(entry)
    }

    #[cold]
    pub(in crate::sync) fn sum_up(&self) {
        let sum = |of: fn(&Entry) -> u32| self.entries.iter().map(of).fold(0, u32::wrapping_add);
        let wait = |counted: fn(&Entry) -> &AtomicU32, left: fn(&Entry) -> &AtomicU32| {
            let of = |entry| counted(entry).load(Relaxed).saturating_sub(left(entry).load(Relaxed));
            self.entries.iter().map(of).fold(0, u32::wrapping_add)
        };
        let writers = wait(|entry| &entry.waiting_writers, |entry| &entry.left_writers);
        let readers = wait(|entry| &entry.waiting_readers, |entry| &entry.left_readers);
        self.head.readers.store(sum(Entry::reading), Relaxed);
        self.head.waiting_writers.store(writers, Relaxed);
        self.head.waiting_readers.store(readers, Relaxed);
        let writes = |entry: &Entry| match entry.writing.load(SeqCst) {
            0 => None,
            thread => Some(packed(Holder { member: entry.member.load(Relaxed), thread })),
        };
        self.head.writer.store(self.entries.iter().find_map(writes).unwrap_or(0), Relaxed);
    }

    /// Takes what is wanted if it can be had, inside.
    #[inline]
    pub(super) fn take_inside(
        &self,
        me: Caller<'_>,
        entry: &Entry,
        want: Want,
    ) -> Result<Option<Taken>, NotTaken> {
        let head = self.head;
        if entry.member.load(Relaxed) != me.member.number {
            // The owner takes this process for dead; others may have the entry by now.
            return Err(NotTaken::CutOff);
        }
        let writer = head.writer.load(Relaxed);
        if writer == packed(me.holder()) {
            return Err(NotTaken::HeldByCaller);
        }
        let is_free = writer == 0
            && match want {
                Want::Write { in_turn } => {
                    let is_theirs = in_turn && head.readers_next.load(Relaxed) != 0;
                    head.readers.load(Relaxed) == 0 && !(is_theirs && head.waiting_readers.load(Relaxed) > 0)
                }
                Want::Read { since } => {
                    let phase = head.phase.load(Relaxed);
                    head.waiting_writers.load(Relaxed) == 0 || since.is_some_and(|since| since != phase)
                }
            };
        if !is_free {
            return Ok(None);
        }
        let taken = if head.abandoned.load(Relaxed) == 0 { Taken::Clean } else { Taken::Abandoned };
        match want {
            Want::Write { .. } => {
                entry.writing.store(me.thread, Relaxed);
                head.writer.store(packed(me.holder()), Relaxed);
                // After it is known who writes: killed here, that one is told of anew.
                head.abandoned.store(0, SeqCst);
            }
            Want::Read { .. } => {
                add(&entry.readers, 1);
                add(&head.readers, 1);
                head.readers_next.store(0, Relaxed);
            }
        }
        Ok(Some(taken))
    }

    pub(in crate::sync) fn try_take(&self, me: Caller<'_>, want: Want) -> Result<Option<Taken>, NotTaken> {
        let Some(entry) = self.entries.get(me.member.entry) else { return Err(NotTaken::CutOff) };
        let inside = self.enter_now(me)?;
        let taken = self.take_inside(me, entry, want);
        self.leave(inside, me.holder(), Wakes::default());
        taken
    }

    #[inline]
    pub(in crate::sync) fn take(
        &self,
        me: Caller<'_>,
        want: Want,
        deadline: Option<Instant>,
    ) -> Result<Taken, NotTaken> {
        let Some(entry) = self.entries.get(me.member.entry) else { return Err(NotTaken::CutOff) };
        let inside = self.enter(me, deadline)?;
        let taken = self.take_inside(me, entry, want);
        if taken == Ok(None) {
            return self.wait_for(me, entry, want, deadline, inside);
        }
        self.leave(inside, me.holder(), Wakes::default());
        taken.map(|taken| taken.expect("none has been seen to"))
    }

    /// Whom what is free now is for; inside. Readers first after a writer.
    pub(super) fn who_may_go(&self, after_writer: bool) -> Wakes {
        let head = self.head;
        if head.writer.load(Relaxed) != 0 {
            return Wakes::default();
        }
        let writers = head.waiting_writers.load(Relaxed) > 0;
        let readers = head.waiting_readers.load(Relaxed) > 0 && (after_writer || !writers);
        let writer = writers && !readers && head.readers.load(Relaxed) == 0;
        if readers {
            head.readers_turn.add(1, Relaxed);
        }
        if writer {
            head.writers_turn.add(1, Relaxed);
        }
        Wakes { writer, readers }
    }

    #[inline]
    pub(super) fn wake(&self, wakes: Wakes) {
        if wakes.readers {
            self.head.readers_turn.wake(u32::MAX);
        }
        if wakes.writer {
            self.head.writers_turn.wake(1);
        }
    }
}

pub(super) fn packed(holder: Holder) -> u64 {
    u64::from(holder.member) << 32 | u64::from(holder.thread)
}

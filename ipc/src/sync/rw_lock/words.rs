//! What lies in shared memory, and what is done with it. The rules are in `rw_lock.rs`.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::super::block::Atomics;
use super::super::guard::{AtomicU32, AtomicU64, Inside};
use super::super::lock::{LockWord, NotTaken, Taken};
use super::super::{Caller, Holder, LOOK_AGAIN, Member, time_to_sleep};
use crate::futex::Word;

/// What concerns all.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(in crate::sync) struct Head {
    pub(in crate::sync) guard: LockWord,
    /// Change when sleepers of that kind are woken.
    writers_turn: Word,
    readers_turn: Word,
    /// Sum: who writes, its process in the upper half and its thread in the lower; 0 for nobody.
    pub(in crate::sync) writer: AtomicU64,
    /// Sums of those below.
    pub(in crate::sync) readers: AtomicU32,
    pub(in crate::sync) waiting_writers: AtomicU32,
    pub(in crate::sync) waiting_readers: AtomicU32,
    /// How many writers have gone.
    phase: AtomicU32,
    /// Not 0: those who waited to read while the last one wrote go before any that comes to write now.
    readers_next: AtomicU32,
    /// Not 0: a writer has died, and no other has written since. Set by the owner.
    abandoned: AtomicU32,
    /// Not 0: somebody has left from outside, and the sums are to be made anew.
    stale: AtomicU32,
}

/// What one process writes about itself.
#[repr(C, align(32))]
#[derive(Debug, Default)]
pub(in crate::sync) struct Entry {
    /// 0: nobody's.
    pub(in crate::sync) member: AtomicU32,
    /// The thread that writes; 0 for none.
    pub(in crate::sync) writing: AtomicU32,
    pub(in crate::sync) readers: AtomicU32,
    pub(in crate::sync) waiting_writers: AtomicU32,
    pub(in crate::sync) waiting_readers: AtomicU32,
    /// How many of those that it has counted as waiting have left since, and could not come in to say so. Only these two
    /// words are written outside.
    left_writers: AtomicU32,
    left_readers: AtomicU32,
}

// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Head {}
// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Entry {}

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
struct Wakes {
    writer: bool,
    readers: bool,
}

/// The words of such a lock, wherever they lie.
#[derive(Clone, Copy, Debug)]
pub(in crate::sync) struct Words<'a> {
    pub(in crate::sync) head: &'a Head,
    pub(in crate::sync) entries: &'a [Entry],
}

fn add(to: &AtomicU32, more: i32) {
    to.store(to.load(Relaxed).wrapping_add_signed(more), Relaxed);
}

impl<'a> Words<'a> {
    #[inline]
    fn enter(&self, me: Caller<'_>, deadline: Option<Instant>) -> Result<Inside<'a>, NotTaken> {
        let inside = Inside::enter(&self.head.guard, me, deadline)?;
        self.sum_up_if(&inside);
        Ok(inside)
    }

    #[inline]
    fn enter_now(&self, me: Caller<'_>) -> Result<Inside<'a>, NotTaken> {
        let inside = Inside::enter_now(&self.head.guard, me)?;
        self.sum_up_if(&inside);
        Ok(inside)
    }

    #[inline]
    fn sum_up_if(&self, inside: &Inside<'_>) {
        // Ordering: who sees that somebody has left sees in `sum_up` who did.
        if inside.is_abandoned || self.head.stale.load(Relaxed) != 0 && self.head.stale.swap(0, SeqCst) != 0 {
            self.sum_up();
        }
    }

    #[cold]
    pub(in crate::sync) fn sum_up(&self) {
        let sum = |of: fn(&Entry) -> &AtomicU32| {
            self.entries.iter().map(|entry| of(entry).load(Relaxed)).fold(0, u32::wrapping_add)
        };
        let wait = |counted: fn(&Entry) -> &AtomicU32, left: fn(&Entry) -> &AtomicU32| {
            let of = |entry| counted(entry).load(Relaxed).saturating_sub(left(entry).load(Relaxed));
            self.entries.iter().map(of).fold(0, u32::wrapping_add)
        };
        let writers = wait(|entry| &entry.waiting_writers, |entry| &entry.left_writers);
        let readers = wait(|entry| &entry.waiting_readers, |entry| &entry.left_readers);
        self.head.readers.store(sum(|entry| &entry.readers), Relaxed);
        self.head.waiting_writers.store(writers, Relaxed);
        self.head.waiting_readers.store(readers, Relaxed);
        let writes = |entry: &Entry| match entry.writing.load(Relaxed) {
            0 => None,
            thread => Some(packed(Holder { member: entry.member.load(Relaxed), thread })),
        };
        self.head.writer.store(self.entries.iter().find_map(writes).unwrap_or(0), Relaxed);
    }

    /// Takes what is wanted if it can be had, inside.
    #[inline]
    fn take_inside(&self, me: Caller<'_>, entry: &Entry, want: Want) -> Result<Option<Taken>, NotTaken> {
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

    /// So many more of this process wait, inside.
    fn count_waiting(&self, entry: &Entry, more: i32, want: Want) {
        let (mine, sum) = match want {
            Want::Write { .. } => (&entry.waiting_writers, &self.head.waiting_writers),
            Want::Read { .. } => (&entry.waiting_readers, &self.head.waiting_readers),
        };
        add(mine, more);
        add(sum, more);
    }

    pub(in crate::sync) fn try_take(&self, me: Caller<'_>, want: Want) -> Result<Option<Taken>, NotTaken> {
        let Some(entry) = self.entries.get(me.member.entry) else { return Err(NotTaken::CutOff) };
        let inside = self.enter_now(me)?;
        let taken = self.take_inside(me, entry, want);
        drop(inside);
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
        match self.take_inside(me, entry, want)? {
            Some(taken) => Ok(taken),
            None => self.wait_for(me, entry, want, deadline, inside),
        }
    }

    #[cold]
    fn wait_for(
        &self,
        me: Caller<'_>,
        entry: &Entry,
        want: Want,
        deadline: Option<Instant>,
        mut inside: Inside<'a>,
    ) -> Result<Taken, NotTaken> {
        let (turn, mut want) = match want {
            Want::Write { .. } => (&self.head.writers_turn, want),
            Want::Read { .. } => {
                (&self.head.readers_turn, Want::Read { since: Some(self.head.phase.load(Relaxed)) })
            }
        };
        loop {
            let Some(at_most) = time_to_sleep(deadline) else {
                // A reader may have waited for this writer alone.
                let wakes = self.who_may_go(false);
                drop(inside);
                self.wake(wakes);
                return Err(NotTaken::TimedOut);
            };
            self.count_waiting(entry, 1, want);
            let seen = turn.load(SeqCst);
            drop(inside);
            // Set before the turn changes (`nudge`): with a turn that has changed for it, it is seen here.
            if me.cut.is_set() {
                return Err(NotTaken::CutOff);
            }
            let slept_at = Instant::now();
            turn.sleep(seen, Some(at_most));
            let whole_look = slept_at.elapsed() >= LOOK_AGAIN;
            inside = match self.enter(me, deadline) {
                Ok(inside) => inside,
                Err(error) => {
                    // One that is cut off is the owner's to clear away, and its entry may be another's.
                    let is_ours = entry.member.load(SeqCst) == me.member.number;
                    if error == NotTaken::TimedOut && !me.cut.is_set() && is_ours {
                        self.leave_from_outside(entry, want);
                    }
                    return Err(error);
                }
            };
            if entry.member.load(Relaxed) == me.member.number {
                self.count_waiting(entry, -1, want);
            }
            want = match want {
                Want::Write { .. } => Want::Write { in_turn: false },
                // Nobody came for so long, and nobody writes: the writer for whom this one waits was stopped.
                Want::Read { .. } if whole_look && self.head.writer.load(Relaxed) == 0 => {
                    Want::Read { since: Some(self.head.phase.load(Relaxed).wrapping_sub(1)) }
                }
                Want::Read { .. } => want,
            };
            if let Some(taken) = self.take_inside(me, entry, want)? {
                return Ok(taken);
            }
        }
    }

    /// One gives up whom another keeps from coming in, who was stopped inside. It must not count as waiting any more, as nobody may read while somebody waits to
    /// write; and who waited for it, or for the wake that it may have had, looks again.
    #[cold]
    fn leave_from_outside(&self, entry: &Entry, want: Want) {
        let left = match want {
            Want::Write { .. } => &entry.left_writers,
            Want::Read { .. } => &entry.left_readers,
        };
        left.fetch_add(1, SeqCst);
        self.head.stale.store(1, SeqCst);
        self.wake_all();
    }

    fn wake_all(&self) {
        for turn in [&self.head.readers_turn, &self.head.writers_turn] {
            turn.add(1, SeqCst);
            turn.wake(u32::MAX);
        }
    }

    /// Whom what is free now is for; inside. Readers first after a writer.
    fn who_may_go(&self, after_writer: bool) -> Wakes {
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

    fn wake(&self, wakes: Wakes) {
        if wakes.readers {
            self.head.readers_turn.wake(u32::MAX);
        }
        if wakes.writer {
            self.head.writers_turn.wake(1);
        }
    }

    #[inline]
    pub(in crate::sync) fn give_back_read(&self, me: Caller<'_>) {
        let Some(entry) = self.entries.get(me.member.entry) else { return };
        let Ok(inside) = self.enter(me, None) else { return };
        let readers = entry.readers.load(Relaxed);
        if entry.member.load(Relaxed) != me.member.number || readers == 0 {
            return;
        }
        entry.readers.store(readers - 1, Relaxed);
        add(&self.head.readers, -1);
        let wakes = self.who_may_go(false);
        drop(inside);
        self.wake(wakes);
    }

    #[inline]
    pub(in crate::sync) fn give_back_write(&self, me: Caller<'_>) {
        let Some(entry) = self.entries.get(me.member.entry) else { return };
        let Ok(inside) = self.enter(me, None) else { return };
        if self.head.writer.load(Relaxed) != packed(me.holder()) {
            return;
        }
        entry.writing.store(0, Relaxed);
        self.head.writer.store(0, Relaxed);
        self.head.phase.store(self.head.phase.load(Relaxed).wrapping_add(1), Relaxed);
        let readers_wait = self.head.waiting_readers.load(Relaxed) > 0;
        self.head.readers_next.store(u32::from(readers_wait), Relaxed);
        let wakes = self.who_may_go(true);
        drop(inside);
        self.wake(wakes);
    }

    pub(in crate::sync) fn recover(&self, dead: Member, owner: Holder) -> bool {
        let head = self.head;
        head.guard.recover(dead.number);
        let Some(entry) = self.entries.get(dead.entry) else { return true };
        if entry.member.load(Relaxed) != dead.number {
            return true;
        }
        let Some(inside) = Inside::try_enter(&head.guard, owner) else { return false };
        if entry.writing.load(Relaxed) != 0 {
            head.abandoned.store(1, Relaxed);
            head.phase.store(head.phase.load(Relaxed).wrapping_add(1), Relaxed);
        }
        for word in [&entry.writing, &entry.readers, &entry.waiting_writers, &entry.waiting_readers] {
            word.store(0, Relaxed);
        }
        entry.left_writers.store(0, Relaxed);
        entry.left_readers.store(0, Relaxed);
        entry.member.store(0, Relaxed);
        self.sum_up();
        head.readers_turn.add(1, SeqCst);
        head.writers_turn.add(1, SeqCst);
        drop(inside);
        head.readers_turn.wake(u32::MAX);
        head.writers_turn.wake(u32::MAX);
        true
    }

    pub(in crate::sync) fn nudge(&self) {
        self.head.guard.nudge();
        self.wake_all();
    }

    pub(in crate::sync) fn join(&self, member: Member) -> bool {
        let Some(entry) = self.entries.get(member.entry) else { return false };
        if entry.member.load(SeqCst) == 0 {
            // Somebody who was cut off may have written there since it was cleared.
            entry.left_writers.store(0, SeqCst);
            entry.left_readers.store(0, SeqCst);
        }
        entry.member.compare_exchange(0, member.number, SeqCst, SeqCst).is_ok()
    }

    /// What a writer was told of a dead one, and did not look at, is told again. It still has the lock.
    pub(in crate::sync) fn abandon_again(&self, me: Caller<'_>) {
        let Ok(_inside) = self.enter(me, None) else { return };
        if self.head.writer.load(Relaxed) == packed(me.holder()) {
            self.head.abandoned.store(1, Relaxed);
        }
    }
}

fn packed(holder: Holder) -> u64 {
    u64::from(holder.member) << 32 | u64::from(holder.thread)
}

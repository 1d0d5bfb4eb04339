//! Giving such a lock back, which waits for nobody; and what the owner does.
//!
//! # Giving back beside somebody who stands inside
//!
//! Whoever can't come in, as another is inside and may be stopped there, writes into its own entry that it has given back, in one step, and that the sums
//! are stale. Whoever comes in next makes them anew (`fold`), and wakes whom what is free then is for.
//!
//! ```text
//! giver, outside                                  whoever is inside
//! G1  write into the entry                        I1  leave the guard, by a swap
//! G2  the sums are stale                          I2  are the sums stale?
//! G3  is anybody inside? (a write that adds           then come in again and fold, unless
//!     nothing, to the guard's word)                   somebody else is inside by now
//!     if not, come in, fold, and so on as I2
//! ```
//!
//! G3 and I1 are writes of one word. If G3 comes first, I2 sees what G2 wrote; if I1, G3 finds nobody, or another, to whom the same applies. Who
//! leaves asks as G3 does before it relies on somebody else. So what was given back is folded in at once, or when the one inside leaves. One
//! that counts as waiting has read its turn before it leaves, and a fold after that changes the turn, or finds it asleep (`semaphore.rs`).
//!
//! Whoever is killed between these steps has the owner fold (`recover`): what it wrote into its entry goes with the entry. Whoever is stopped between I1 and I2 leaves
//! the guard free: sleepers look for themselves after a second at most, and fold.
//!
//! Folding changes nothing in the entries, so a kill in the middle of it leaves nothing half done.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::super::guard::Inside;
use super::super::{Caller, Holder, Member};
use super::words::{Entry, Wakes, Words, add, packed};

impl<'a> Words<'a> {
    /// Makes the sums anew, inside; whom to wake.
    #[cold]
    pub(super) fn fold(&self) -> Wakes {
        let had_writer = self.head.writer.load(Relaxed) != 0;
        self.sum_up();
        let has_gone = had_writer && self.head.writer.load(Relaxed) == 0;
        if has_gone {
            self.count_writer_out();
        }
        self.who_may_go(has_gone)
    }

    /// After somebody was inside, or has written outside: folds what was written meanwhile, unless somebody else is there to do it.
    #[inline]
    pub(super) fn fold_outside(&self, me: Holder) {
        if self.head.stale.load(SeqCst) != 0 {
            self.fold_those_outside(me);
        }
    }

    #[cold]
    fn fold_those_outside(&self, me: Holder) {
        let head = self.head;
        // G3, I2.
        while head.stale.load(SeqCst) != 0 && !head.guard.is_held() {
            let Some(inside) = Inside::try_enter(&head.guard, me) else { continue };
            let is_stale = head.stale.swap(0, SeqCst) != 0;
            let wakes = if is_stale || inside.is_abandoned { self.fold() } else { Wakes::default() };
            drop(inside);
            self.wake(wakes);
        }
    }

    /// G2 and G3.
    #[cold]
    pub(super) fn has_written_outside(&self, me: Holder) {
        self.head.stale.store(1, SeqCst);
        self.fold_those_outside(me);
    }

    /// A writer goes, inside: those who wait to read are next.
    fn count_writer_out(&self) {
        let head = self.head;
        head.phase.store(head.phase.load(Relaxed).wrapping_add(1), Relaxed);
        let readers_wait = head.waiting_readers.load(Relaxed) > 0;
        head.readers_next.store(u32::from(readers_wait), Relaxed);
    }

    #[inline]
    fn enter_soon(&self, me: Caller<'_>) -> Option<Inside<'a>> {
        let inside = Inside::enter_soon(&self.head.guard, me.holder())?;
        self.come_in(&inside);
        Some(inside)
    }

    #[inline]
    pub(in crate::sync) fn give_back_read(&self, me: Caller<'_>) {
        let Some(entry) = self.entry_of(me) else { return };
        let Some(inside) = self.enter_soon(me) else { return self.return_read(me, entry) };
        let mut wakes = Wakes::default();
        if entry.reading() != 0 {
            add(&entry.readers, -1);
            add(&self.head.readers, -1);
            wakes = self.who_may_go(false);
        }
        self.leave(inside, me.holder(), wakes);
    }

    #[cold]
    fn return_read(&self, me: Caller<'_>, entry: &Entry) {
        entry.returned.fetch_add(1, SeqCst); // G1
        self.has_written_outside(me.holder());
    }

    #[inline]
    pub(in crate::sync) fn give_back_write(&self, me: Caller<'_>) {
        let Some(entry) = self.entry_of(me) else { return };
        let Some(inside) = self.enter_soon(me) else { return self.return_write(me, entry) };
        let mut wakes = Wakes::default();
        if self.head.writer.load(Relaxed) == packed(me.holder()) {
            entry.writing.store(0, Relaxed);
            self.head.writer.store(0, Relaxed);
            self.count_writer_out();
            wakes = self.who_may_go(true);
        }
        self.leave(inside, me.holder(), wakes);
    }

    #[cold]
    fn return_write(&self, me: Caller<'_>, entry: &Entry) {
        // G1. Nobody else writes there as long as this thread has the lock.
        if entry.writing.compare_exchange(me.thread, 0, SeqCst, SeqCst).is_ok() {
            self.has_written_outside(me.holder());
        }
    }

    /// What a writer was told of a dead one, and did not look at, is told again. It still has the lock: nobody else is at that word.
    pub(in crate::sync) fn abandon_again(&self, me: Caller<'_>) {
        if self.entry_of(me).is_some_and(|entry| entry.writing.load(SeqCst) == me.thread) {
            self.head.abandoned.store(1, SeqCst);
        }
    }

    pub(in crate::sync) fn recover(&self, dead: Member, owner: Holder) -> bool {
        let head = self.head;
        head.guard.recover(dead.number);
        let Some(entry) = self.entries.get(dead.entry) else { return true };
        if entry.member.load(Relaxed) != dead.number {
            return true;
        }
        let Some(inside) = Inside::try_enter(&head.guard, owner) else { return false };
        self.come_in(&inside);
        if entry.writing.load(Relaxed) != 0 {
            head.abandoned.store(1, Relaxed);
            head.phase.store(head.phase.load(Relaxed).wrapping_add(1), Relaxed);
        }
        entry.clear();
        entry.member.store(0, Relaxed);
        self.sum_up();
        head.readers_turn.add(1, SeqCst);
        head.writers_turn.add(1, SeqCst);
        self.leave(inside, owner, Wakes::default());
        head.readers_turn.wake(u32::MAX);
        head.writers_turn.wake(u32::MAX);
        true
    }

    pub(in crate::sync) fn join(&self, member: Member) -> bool {
        let Some(entry) = self.entries.get(member.entry) else { return false };
        if entry.member.load(SeqCst) == 0 {
            // Somebody who was cut off may have written there since it was cleared.
            entry.clear();
        }
        entry.member.compare_exchange(0, member.number, SeqCst, SeqCst).is_ok()
    }
}

impl Entry {
    fn clear(&self) {
        for word in [&self.writing, &self.readers, &self.waiting_writers, &self.waiting_readers] {
            word.store(0, SeqCst);
        }
        for word in [&self.left_writers, &self.left_readers, &self.returned] {
            word.store(0, SeqCst);
        }
    }
}

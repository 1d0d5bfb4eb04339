//! A lock that is one word: to hold it is to have written oneself into it.
//!
//! # The word
//!
//! The upper half is the number of the holder's process among those that use the lock (`member`), the lower half its thread and
//! three flags. So there is no instant in which the lock is held by nobody known.
//!
//! ```text
//! free                    0
//! held                    member, thread, perhaps WAITERS
//! its holder has died     the same with ABANDONED and without WAITERS: free, and whoever takes it next is told
//! ```
//!
//! A few more bits of the lower half (`TICKS`) mean nothing. Whoever must wake a process's own sleepers, to tell them that they are cut off
//! from the owner, first says so in that process's memory ([`Cut`]) and then counts there: so who is about to sleep finds the word changed.
//!
//! # Why nobody sleeps beside a lock that is free
//!
//! ```text
//! taker                                     holder
//! T1  set WAITERS in the held word          H1  exchange what is held for 0; had it WAITERS?
//! T2  sleep while the word is so            H2  then wake one
//! T3  awake: take it with WAITERS set
//! ```
//!
//! The kernel looks at the word (T2) under the lock under which H2 finds sleepers. If H1 came before T1, T1 fails and the taker looks again. If it came
//! after, H1 sees WAITERS, and H2 comes after H1: either T2 sees that the word has changed, or H2 finds the taker asleep. Of several who sleep
//! one is woken, and by T3 it takes the lock with WAITERS set, since others may still sleep: so its own release wakes the next.
//!
//! One that was woken and gives up, as its time is over, does T1 first: then whoever was faster wakes the next.
//!
//! Somebody may be killed who was chosen (between H2 and T3), or who had to choose (between H1 and H2). When the owner hears of that death
//! it wakes one in any case (`recover`): then that one is the chosen one. If it is only stopped, sleepers look for themselves every second.
//!
//! # Who is cut off from the owner and lives
//!
//! Its node has ended, or its connection broke. What it has it keeps, and gives back as ever; whoever has taken the lock looks whether it
//! is cut off, and if so gives it back and is told. The owner takes what it has for a dead one's only when no thread of that process can be at the lock any more: the
//! process says so by letting go of something, which the kernel lets go of too when it is killed.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::time::Instant;

use super::block::{Atomics, Block};
use super::guard::AtomicU32;
use super::{Caller, time_to_sleep};
use crate::futex::Word;

pub(super) const WAITERS: u64 = 1 << 31;
const ABANDONED: u64 = 1 << 30;
const TICK: u64 = 1 << 25;
const TICKS: u64 = 0b11111 << 25;
const THREAD: u64 = TICK - 1;
/// How many numbers there are for threads.
pub(super) const MOST_THREADS: u32 = THREAD as u32;
/// How often a held lock is looked at before sleeping: less than a system call takes.
const LOOKS: u32 = if cfg!(all(test, loom)) { 0 } else { 60 };

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process, by the number that the owner gave it; not 0, and of no other process ever.
    pub member: u32,
    /// Its thread, by a [number within the process](super::this_thread).
    pub thread: u32,
}

impl Holder {
    fn word(self) -> u64 {
        debug_assert!(self.member != 0 && self.thread != 0 && u64::from(self.thread) <= THREAD);
        u64::from(self.member) << 32 | u64::from(self.thread) & THREAD
    }

    fn of(word: u64) -> Self {
        Self { member: (word >> 32) as u32, thread: (word & THREAD) as u32 }
    }
}

/// How a lock was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// As its last holder gave it back.
    Clean,
    /// From one who died with it: what the lock guards may be half done.
    Abandoned,
}

/// Why a lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Somebody else held it all the time.
    TimedOut,
    /// This very thread holds it.
    HeldByCaller,
    /// The caller is cut off from its owner, who is needed when somebody dies.
    CutOff,
}

/// What a process knows of its way to a lock's owner; in its own memory.
#[derive(Debug, Default)]
pub struct Cut(AtomicU32);

impl Cut {
    /// Of a process that is not cut off.
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Says, for good, that there is no way any more. Whoever sleeps is to be [nudged](LockWord::nudge) then.
    pub fn set(&self) {
        self.0.store(1, SeqCst);
    }

    /// Whether there is none.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.0.load(SeqCst) != 0
    }
}

/// The word itself, wherever it lies.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct LockWord(pub(super) Word);

// SAFETY: one atomic.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for LockWord {}

fn is_free(word: u64) -> bool {
    word & THREAD == 0 || word & ABANDONED != 0
}

impl LockWord {
    /// Takes it if it is free; none if it is held.
    ///
    /// # Errors
    ///
    /// [`NotTaken::HeldByCaller`].
    #[inline]
    pub fn try_take(&self, me: Holder) -> Result<Option<Taken>, NotTaken> {
        match self.0.exchange(0, me.word(), AcqRel) {
            Ok(_) => Ok(Some(Taken::Clean)),
            Err(seen) => self.try_take_seen(me, seen, 0),
        }
    }

    #[cold]
    fn try_take_seen(&self, me: Holder, mut seen: u64, flags: u64) -> Result<Option<Taken>, NotTaken> {
        while is_free(seen) {
            let taken = if seen & ABANDONED == 0 { Taken::Clean } else { Taken::Abandoned };
            match self.0.exchange(seen, me.word() | flags, AcqRel) {
                Ok(_) => return Ok(Some(taken)),
                Err(now) => seen = now,
            }
        }
        if Holder::of(seen) == me { Err(NotTaken::HeldByCaller) } else { Ok(None) }
    }

    /// Takes it, waiting until `deadline`; with none, for ever.
    ///
    /// # Errors
    ///
    /// [`NotTaken`].
    #[inline]
    pub fn take(&self, me: Holder, cut: &Cut, deadline: Option<Instant>) -> Result<Taken, NotTaken> {
        match self.try_take(me)? {
            Some(taken) => self.keep_unless_cut(me, cut, taken),
            None => self.wait_for(me, cut, deadline).and_then(|taken| self.keep_unless_cut(me, cut, taken)),
        }
    }

    /// As [`try_take`](Self::try_take), for one that may be cut off from the owner.
    ///
    /// # Errors
    ///
    /// [`NotTaken::HeldByCaller`] and [`NotTaken::CutOff`].
    #[inline]
    pub fn take_now(&self, me: Caller<'_>) -> Result<Option<Taken>, NotTaken> {
        let taken = self.try_take(me.holder())?;
        taken.map(|taken| self.keep_unless_cut(me.holder(), me.cut, taken)).transpose()
    }

    #[inline]
    fn keep_unless_cut(&self, me: Holder, cut: &Cut, taken: Taken) -> Result<Taken, NotTaken> {
        if !cut.is_set() {
            return Ok(taken);
        }
        match taken {
            Taken::Clean => drop(self.give_back(me)),
            Taken::Abandoned => drop(self.recover(me.member)),
        }
        Err(NotTaken::CutOff)
    }

    #[cold]
    pub(super) fn wait_for(
        &self,
        me: Holder,
        cut: &Cut,
        deadline: Option<Instant>,
    ) -> Result<Taken, NotTaken> {
        for _ in 0..LOOKS {
            let seen = self.0.load(Relaxed);
            if is_free(seen)
                && let Some(taken) = self.try_take_seen(me, seen, 0)?
            {
                return Ok(taken);
            }
            if seen & WAITERS != 0 {
                break;
            }
            std::hint::spin_loop();
        }
        loop {
            let seen = self.0.load(Relaxed);
            // WAITERS, since others may have slept beside us (T3).
            if let Some(taken) = self.try_take_seen(me, seen, WAITERS)? {
                return Ok(taken);
            }
            if is_free(seen) {
                continue; // Somebody was faster.
            }
            let waited_for = seen | WAITERS;
            let is_set = seen & WAITERS != 0 || self.0.exchange(seen, waited_for, SeqCst).is_ok(); // T1
            let at_most = match time_to_sleep(deadline) {
                Some(at_most) => at_most,
                None if is_set => return Err(NotTaken::TimedOut),
                None => continue, // The wake that one may have had is still to be passed on.
            };
            // After T1: if it is set later, the word changes later than that too.
            if is_set && cut.is_set() {
                return Err(NotTaken::CutOff);
            }
            if is_set {
                self.0.sleep(waited_for, Some(at_most)); // T2
            }
        }
    }

    /// Gives it back; false if it was not `me`'s any more: the owner took it back, or somebody else did.
    #[inline]
    pub fn give_back(&self, me: Holder) -> bool {
        // Nearly always nobody waits.
        match self.0.exchange(me.word(), 0, AcqRel) {
            Ok(_) => true,
            Err(seen) => self.give_back_seen(me, seen),
        }
    }

    #[cold]
    fn give_back_seen(&self, me: Holder, mut seen: u64) -> bool {
        loop {
            if Holder::of(seen) != me || seen & ABANDONED != 0 {
                return false;
            }
            match self.0.exchange(seen, 0, AcqRel) {
                Ok(_) => break, // H1
                Err(now) => seen = now,
            }
        }
        if seen & WAITERS != 0 {
            self.0.wake(1); // H2
        }
        true
    }

    /// Gives it back whoever holds it; false if nobody does.
    pub fn force_back(&self) -> bool {
        let mut seen = self.0.load(Acquire);
        while !is_free(seen) && seen & THREAD != 0 {
            match self.0.exchange(seen, 0, SeqCst) {
                Ok(_) => {
                    self.0.wake(1);
                    return true;
                }
                Err(now) => seen = now,
            }
        }
        false
    }

    /// Takes back what `member` holds, which has died; and wakes one who waits, in case that the dead had to, or was itself woken.
    /// Whether it held the lock.
    pub fn recover(&self, member: u32) -> bool {
        let mut seen = self.0.load(Acquire);
        let mut held = false;
        while !is_free(seen) && seen & THREAD != 0 && Holder::of(seen).member == member {
            match self.0.exchange(seen, (seen | ABANDONED) & !WAITERS, SeqCst) {
                Ok(_) => {
                    held = true;
                    break;
                }
                Err(now) => seen = now,
            }
        }
        self.0.wake(1);
        held
    }

    /// Wakes all who sleep, and who is about to, so that they look at their [`Cut`].
    pub fn nudge(&self) {
        let mut seen = self.0.load(SeqCst);
        while !is_free(seen) {
            let ticked = seen & !TICKS | seen.wrapping_add(TICK) & TICKS;
            match self.0.exchange(seen, ticked, SeqCst) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        self.0.wake(u32::MAX);
    }

    /// Whether anybody holds it. Whoever does sees, when it has given it back, what the caller did before.
    pub(super) fn is_held(&self) -> bool {
        !is_free(self.0.add(0, SeqCst))
    }

    /// Takes it if it is free or becomes so in a moment. For who is cut off too.
    pub(super) fn try_take_soon(&self, me: Holder) -> Option<Taken> {
        for look in 0..=LOOKS {
            let seen = self.0.load(Relaxed);
            if is_free(seen)
                && let Ok(Some(taken)) = self.try_take_seen(me, seen, 0)
            {
                return Some(taken);
            }
            // Others wait for it already.
            if seen & WAITERS != 0 || look == LOOKS {
                break;
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Who holds it now; none if it is free.
    pub fn holder(&self) -> Option<Holder> {
        let seen = self.0.load(Acquire);
        (seen & THREAD != 0 && seen & ABANDONED == 0).then(|| Holder::of(seen))
    }
}

/// A lock in shared memory.
#[derive(Clone, Debug)]
pub struct RobustLock(Block);

impl RobustLock {
    /// How much room it needs, in bytes.
    pub const BYTES: usize = 64;

    /// The lock that lies in `block`: zeroed memory is a free one. None if the block is too short.
    pub fn new(block: Block) -> Option<Self> {
        (block.len() >= Self::BYTES).then_some(Self(block))
    }
}

#[cfg(not(all(test, loom)))]
impl std::ops::Deref for RobustLock {
    type Target = LockWord;

    #[inline]
    fn deref(&self) -> &LockWord {
        self.0.get(0)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

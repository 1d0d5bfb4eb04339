//! A lock, and a line of those who wait for word from whoever holds it.
//!
//! # The slots
//!
//! Each who waits has a slot: one word, on which it sleeps, and the number of its place in the line. The upper half of the word is its process, so that nothing
//! in a slot is of nobody known; the lower half says whether it waits or is chosen, and which wait it is. Whoever holds the lock claims a slot for
//! itself and chooses others; each change is one compare-and-swap of that one word.
//!
//! ```text
//! waiter                                          notifier
//! W1  holding the lock: claim a slot              N1  holding the lock: of those who wait, choose the longest
//! W2  give the lock back                          N2  give the lock back
//! W3  sleep while the slot says "waits"           N3  wake the chosen
//! W4  take the lock
//! W5  give the slot up: was it chosen?
//! ```
//!
//! # Why no word is lost
//!
//! W1 comes before W2, so who gets the lock after W2 finds the slot. A notifier holds the lock from before N1, so either it came before W1, and
//! its word was not for this one, or N1 sees the slot. Then W3 finds the slot changed, or N3 finds it asleep. One whose time is over
//! gives its slot up in W5 by a swap that also tells whether it was chosen meanwhile: if so it has been told, late or not.
//!
//! # Why a kill keeps nobody waiting
//!
//! A notifier waits for nobody. When the owner has heard of a death (`recover`) it frees the lock, frees the slots of the dead, and for each
//! of these that was chosen and not given up chooses the next who waits; it does that without the lock, as the swaps alone say who was chosen
//! and the number in the word keeps one wait from being taken for another. Then it wakes all chosen ones, as the dead may have been about to
//! (N1 to N3). One who began to wait after the notification may so be chosen too: a notification counts as given when the chosen one goes on.

use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::time::Instant;

use super::block::{Atomics, Block};
use super::guard::{AtomicU32, AtomicU64};
use super::lock::{LockWord, NotTaken, Taken};
use super::{Caller, Cut, time_to_sleep};
use crate::futex::Word;

const WAITS: u64 = 1;
const CHOSEN: u64 = 1 << 1;
/// Mean nothing, as in a lock: counted up by who wakes its process's own sleepers.
const TICK: u64 = 1 << 2;
const TICKS: u64 = 0b11111 << 2;
/// The lower bits of the number of the wait.
const NAME_AT: u32 = 7;
const NAME: u64 = u32::MAX as u64 >> NAME_AT << NAME_AT;

/// What concerns all.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) lock: LockWord,
    /// The number of the next who waits. Written by the holder of the lock.
    next: AtomicU64,
    /// No slot from here on was ever used. Never less than it was.
    used: AtomicU32,
}

/// One who waits; all zero: nobody does.
#[repr(C, align(16))]
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) state: Word,
    /// Its number, written before the state says that it waits.
    number: AtomicU64,
}

// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Head {}
// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Slot {}

/// A wait that is over, with the lock in hand again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Whether it was notified; otherwise its time was over.
    pub was_notified: bool,
    /// How the lock was taken again.
    pub taken: Taken,
}

/// Why somebody could not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWaited {
    /// So many wait as can. The lock is held as before.
    Full,
    /// The caller is cut off from the owner, or does not hold the lock, which comes to the same. The lock is not held.
    CutOff,
}

/// The words of a condition, wherever they lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    pub(super) head: &'a Head,
    pub(super) slots: &'a [Slot],
}

fn member_of(state: u64) -> u32 {
    (state >> 32) as u32
}

/// The same wait, whatever has become of it.
fn is_same(one: u64, other: u64) -> bool {
    (one ^ other) & !(WAITS | CHOSEN | TICKS) == 0
}

impl<'a> Words<'a> {
    fn used(&self) -> &'a [Slot] {
        let used = self.head.used.load(SeqCst) as usize;
        &self.slots[..used.min(self.slots.len())]
    }

    /// W1. None if no slot is free.
    fn claim(&self, me: Caller<'_>) -> Option<(&'a Slot, u64)> {
        let number = self.head.next.load(Relaxed);
        let state = u64::from(me.member.number) << 32 | number << NAME_AT & NAME | WAITS;
        for (at, slot) in self.slots.iter().enumerate() {
            if slot.state.load(Relaxed) != 0 {
                continue;
            }
            // First, so that no slot in use lies beyond what others look at.
            if at >= self.head.used.load(Relaxed) as usize {
                self.head.used.fetch_max(at as u32 + 1, SeqCst);
            }
            slot.number.store(number, Relaxed);
            if slot.state.exchange(0, state, SeqCst).is_ok() {
                self.head.next.store(number.wrapping_add(1), Relaxed);
                return Some((slot, state));
            }
        }
        None
    }

    /// For one that dies at once.
    #[cfg(all(test, loom))]
    pub(super) fn claim_for(&self, me: Caller<'_>) -> bool {
        self.claim(me).is_some()
    }

    /// W5: whether the wait was chosen; none if it is not this process's any more.
    fn give_up(slot: &Slot, mine: u64) -> Option<bool> {
        let mut seen = slot.state.load(Acquire);
        while is_same(seen, mine) {
            match slot.state.exchange(seen, 0, SeqCst) {
                Ok(_) => return Some(seen & CHOSEN != 0),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// One that is cut off gives its slot up, so that nobody is notified in vain. If it was, another is first: killed between the two, two were.
    #[cold]
    fn leave(&self, slot: &Slot, mine: u64) {
        let mut seen = slot.state.load(Acquire);
        let mut passed_on = false;
        while is_same(seen, mine) {
            if seen & CHOSEN != 0 && !passed_on {
                passed_on = true;
                self.wake(&self.choose().into_iter().collect::<Vec<_>>());
            }
            match slot.state.exchange(seen, 0, SeqCst) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// W3: until it is chosen, or `deadline` is over.
    fn sleep(slot: &Slot, mine: u64, cut: &Cut, deadline: Option<Instant>) -> Result<(), NotWaited> {
        loop {
            let seen = slot.state.load(Acquire);
            if seen & !TICKS != mine {
                return Ok(());
            }
            let Some(at_most) = time_to_sleep(deadline) else { return Ok(()) };
            // After W1, and after the word was seen: if it was set before W1 it is seen here, and if later, the word changes later too (`nudge`).
            if cut.is_set() {
                return Err(NotWaited::CutOff);
            }
            slot.state.sleep(seen, Some(at_most));
        }
    }

    pub(super) fn wait(
        &self,
        me: Caller<'_>,
        deadline: Option<Instant>,
        to_wake: &[usize],
    ) -> Result<Waited, NotWaited> {
        let lock = &self.head.lock;
        if lock.holder() != Some(me.holder()) {
            return Err(NotWaited::CutOff);
        }
        let (slot, mine) = self.claim(me).ok_or(NotWaited::Full)?;
        lock.give_back(me.holder()); // W2
        self.wake(to_wake);
        let slept = Self::sleep(slot, mine, me.cut, deadline);
        let taken = slept.and_then(|()| {
            lock.take(me.holder(), me.cut, None).map_err(|_| NotWaited::CutOff) // W4
        });
        let taken = taken.inspect_err(|_| self.leave(slot, mine))?;
        match Self::give_up(slot, mine) {
            Some(was_notified) => Ok(Waited { was_notified, taken }),
            // The owner has taken this process for dead.
            None => {
                lock.give_back(me.holder());
                Err(NotWaited::CutOff)
            }
        }
    }

    /// Chooses the one that has waited longest; none if nobody waits.
    fn choose(&self) -> Option<usize> {
        loop {
            let waits = self.used().iter().enumerate().filter_map(|(at, slot)| {
                let state = slot.state.load(Acquire);
                (state & WAITS != 0).then(|| (slot.number.load(Relaxed), at, state))
            });
            let (_, at, state) = waits.min()?;
            // It may have been freed by the owner, or counted up.
            if self.slots[at].state.exchange(state, state & !WAITS | CHOSEN, SeqCst).is_ok() {
                return Some(at);
            }
        }
    }

    /// N1. Those chosen are to be woken when the lock has been given back.
    pub(super) fn notify(&self, me: Caller<'_>, most: usize) -> Result<Vec<usize>, NotTaken> {
        if self.head.lock.holder() != Some(me.holder()) {
            return Err(NotTaken::CutOff);
        }
        Ok((0..most).map_while(|_| self.choose()).collect())
    }

    /// N3.
    pub(super) fn wake(&self, chosen: &[usize]) {
        for slot in chosen.iter().filter_map(|at| self.slots.get(*at)) {
            slot.state.wake(1);
        }
    }

    pub(super) fn recover(&self, dead: u32) {
        self.head.lock.recover(dead);
        let mut not_told = 0;
        for slot in self.slots {
            let mut seen = slot.state.load(Acquire);
            while member_of(seen) == dead {
                match slot.state.exchange(seen, 0, SeqCst) {
                    Ok(_) => {
                        not_told += usize::from(seen & CHOSEN != 0);
                        break;
                    }
                    Err(now) => seen = now,
                }
            }
        }
        (0..not_told).map_while(|_| self.choose()).for_each(drop);
        let chosen = self.used().iter().filter(|slot| slot.state.load(SeqCst) & CHOSEN != 0);
        chosen.for_each(|slot| slot.state.wake(1));
    }

    pub(super) fn nudge(&self) {
        self.head.lock.nudge();
        for slot in self.slots {
            // Adds nothing, but is a write: a claim comes before it and is seen, or after it and sees what was written before.
            let mut seen = slot.state.add(0, SeqCst);
            while seen & WAITS != 0 {
                let ticked = seen & !TICKS | seen.wrapping_add(TICK) & TICKS;
                match slot.state.exchange(seen, ticked, SeqCst) {
                    Ok(_) => break,
                    Err(now) => seen = now,
                }
            }
            if seen != 0 {
                slot.state.wake(u32::MAX);
            }
        }
    }
}

/// A condition in shared memory, with its lock.
#[derive(Clone, Debug)]
pub struct RobustCondition {
    block: Block,
    slots: usize,
}

#[cfg(not(all(test, loom)))]
impl RobustCondition {
    /// How much room one for so many who wait needs, in bytes; zeroed memory is one whose lock is free. None if that can't be counted.
    pub fn bytes(waiters: usize) -> Option<usize> {
        waiters.checked_mul(size_of::<Slot>())?.checked_add(size_of::<Head>())
    }

    /// The condition for so many who wait that lies in `block`; none if that is too short.
    pub fn new(block: Block, waiters: usize) -> Option<Self> {
        let fits = Self::bytes(waiters).is_some_and(|bytes| bytes <= block.len());
        fits.then_some(Self { block, slots: waiters })
    }

    #[inline]
    fn words(&self) -> Words<'_> {
        Words { head: self.block.get(0), slots: self.block.get_slice(size_of::<Head>(), self.slots) }
    }

    /// Its lock.
    #[inline]
    pub fn lock(&self) -> &LockWord {
        let head: &Head = self.block.get(0);
        &head.lock
    }

    /// The owner's: takes back all that a member held which has died, and passes on what it was told and did not hear.
    pub fn recover(&self, dead: u32) {
        self.words().recover(dead);
    }

    /// Gives the lock back, wakes those of `to_wake`, sleeps until it is notified, or until `deadline`, and takes the lock again,
    /// however long that takes.
    ///
    /// # Errors
    ///
    /// [`NotWaited`].
    pub fn wait(
        &self,
        me: Caller<'_>,
        deadline: Option<Instant>,
        to_wake: &[usize],
    ) -> Result<Waited, NotWaited> {
        self.words().wait(me, deadline, to_wake)
    }

    /// Notifies up to `most`, those first who have waited longest, and says which. They are to be [woken](Self::wake) when
    /// the lock has been given back.
    ///
    /// # Errors
    ///
    /// [`NotTaken::CutOff`] if the caller does not hold the lock, or not any more.
    pub fn notify(&self, me: Caller<'_>, most: usize) -> Result<Vec<usize>, NotTaken> {
        self.words().notify(me, most)
    }

    /// Wakes those who were notified.
    pub fn wake(&self, notified: &[usize]) {
        self.words().wake(notified);
    }

    /// How many wait just now and are not notified.
    pub fn waiters(&self) -> usize {
        self.words().used().iter().filter(|slot| slot.state.load(Acquire) & WAITS != 0).count()
    }

    /// Wakes all who sleep, and who is about to, so that they look at their [`Cut`].
    pub fn nudge(&self) {
        self.words().nudge();
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

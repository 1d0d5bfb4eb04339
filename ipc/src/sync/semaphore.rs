//! A semaphore: permits that processes take and give back, and that come back when one dies.
//!
//! Why nothing is lost when somebody is killed inside is in `guard.rs`. Here is why nobody sleeps beside a free permit:
//!
//! ```text
//! taker, inside                       giver, inside
//! T1  too few: count as waiting       G1  more permits
//! T2  seen := turn                    G2  turn += 1, if anybody counts as waiting
//!     outside                             outside
//! T3  sleep while turn is seen        G3  wake as many as there are permits
//! T4  inside again: waits no more
//! ```
//!
//! One comes in before the other. If the giver does, the taker finds the permits. If the taker does, the giver sees that it waits, and either
//! T3 sees a new turn or G3 finds it asleep. Wakes may be more than needed, as one awake counts as waiting until T4. One that wants several permits may be woken when there
//! are too few for it, and sleep again, while another would have had enough: so as long as anyone wants several, all are woken. The death of
//! one who was woken, or was to wake, has the owner wake all.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::block::{Atomics, Block};
use super::guard::{AtomicI64, AtomicU32, Inside};
use super::lock::{LockWord, NotTaken};
use super::{Caller, Holder, Member, time_to_sleep};
use crate::futex::Word;

/// What concerns all.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(super) struct Head {
    guard: LockWord,
    /// Changes when sleepers are woken.
    turn: Word,
    /// How many there may be at most.
    most: AtomicI64,
    /// How many there were at first, and what those made or used up who have died since. The owner's.
    base: AtomicI64,
    /// Sum: how many are free.
    free: AtomicI64,
    /// Sum: how many there are, free or held.
    total: AtomicI64,
    /// Sums of those below.
    waiting: AtomicU32,
    want_many: AtomicU32,
}

/// What one process writes about itself.
#[repr(C, align(32))]
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// 0: nobody's.
    member: AtomicU32,
    /// How many of its threads wait, and how many of these for several permits.
    waiting: AtomicU32,
    want_many: AtomicU32,
    /// How many permits it holds.
    held: AtomicU32,
    /// How many it has made, less those it used up.
    made: AtomicI64,
}

// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Head {}
// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Entry {}

/// More permits were given back than the semaphore may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyPermits;

/// The words of a semaphore, wherever they lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    pub(super) head: &'a Head,
    pub(super) entries: &'a [Entry],
}

/// One write of what is true, and the sum that goes with it.
fn add(to: &AtomicI64, more: i64) {
    to.store(to.load(Relaxed).wrapping_add(more), Relaxed);
}

fn add_count(to: &AtomicU32, more: i32) {
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
        if inside.is_abandoned {
            self.sum_up();
        }
    }

    #[cold]
    fn sum_up(&self) {
        let made: i64 = self.entries.iter().map(|entry| entry.made.load(Relaxed)).fold(0, i64::wrapping_add);
        let total = self.head.base.load(Relaxed).wrapping_add(made);
        let held: i64 = self.entries.iter().map(|entry| i64::from(entry.held.load(Relaxed))).sum();
        self.head.total.store(total, Relaxed);
        self.head.free.store(total.wrapping_sub(held), Relaxed);
        let waiting = self.entries.iter().map(|entry| entry.waiting.load(Relaxed)).fold(0, u32::wrapping_add);
        let many = self.entries.iter().map(|entry| entry.want_many.load(Relaxed)).fold(0, u32::wrapping_add);
        self.head.waiting.store(waiting, Relaxed);
        self.head.want_many.store(many, Relaxed);
    }

    /// Takes `count` that are free, inside.
    #[inline]
    fn take_inside(&self, me: Caller<'_>, entry: &Entry, count: u32) -> Result<bool, NotTaken> {
        if entry.member.load(Relaxed) != me.member.number {
            // The owner takes this process for dead; others may have the entry by now.
            return Err(NotTaken::CutOff);
        }
        if self.head.free.load(Relaxed) < i64::from(count) {
            return Ok(false);
        }
        entry.held.store(entry.held.load(Relaxed).wrapping_add(count), Relaxed);
        add(&self.head.free, -i64::from(count));
        Ok(true)
    }

    /// So many more of this process wait, inside.
    fn count_waiting(&self, entry: &Entry, more: i32, wants_many: bool) {
        add_count(&entry.waiting, more);
        add_count(&self.head.waiting, more);
        if wants_many {
            add_count(&entry.want_many, more);
            add_count(&self.head.want_many, more);
        }
    }

    pub(super) fn try_take(&self, me: Caller<'_>, count: u32) -> Result<bool, NotTaken> {
        let Some(entry) = self.entries.get(me.member.entry) else { return Err(NotTaken::CutOff) };
        let inside = self.enter_now(me)?;
        let taken = self.take_inside(me, entry, count);
        drop(inside);
        taken
    }

    #[inline]
    pub(super) fn take(&self, me: Caller<'_>, count: u32, deadline: Option<Instant>) -> Result<(), NotTaken> {
        let Some(entry) = self.entries.get(me.member.entry) else { return Err(NotTaken::CutOff) };
        let inside = self.enter(me, deadline)?;
        if self.take_inside(me, entry, count)? {
            return Ok(());
        }
        self.wait_for(me, entry, count, deadline, inside)
    }

    #[cold]
    fn wait_for(
        &self,
        me: Caller<'_>,
        entry: &Entry,
        count: u32,
        deadline: Option<Instant>,
        mut inside: Inside<'a>,
    ) -> Result<(), NotTaken> {
        loop {
            let at_most = time_to_sleep(deadline);
            if at_most.is_some() {
                self.count_waiting(entry, 1, count > 1); // T1
            }
            let seen = self.head.turn.load(SeqCst); // T2
            drop(inside);
            let Some(at_most) = at_most else { return Err(NotTaken::TimedOut) };
            // Set before the turn changes (`nudge`): with a turn that has changed for it, it is seen here.
            if me.cut.is_set() {
                return Err(NotTaken::CutOff);
            }
            self.head.turn.sleep(seen, Some(at_most)); // T3
            // Fails only if somebody was stopped inside. Then this process counts as waiting for ever, which costs others a wake in vain;
            // and the wake that it may have had is passed on.
            inside = self.enter(me, deadline).inspect_err(|_| {
                self.head.turn.add(1, SeqCst);
                self.head.turn.wake(1);
            })?;
            if entry.member.load(Relaxed) == me.member.number {
                self.count_waiting(entry, -1, count > 1); // T4
            }
            if self.take_inside(me, entry, count)? {
                return Ok(());
            }
        }
    }

    /// How many are to be woken now that there are so many more permits; inside.
    fn waken(&self, more: i64) -> u32 {
        if self.head.waiting.load(Relaxed) == 0 {
            return 0;
        }
        self.head.turn.add(1, Relaxed); // G2
        if self.head.want_many.load(Relaxed) > 0 { u32::MAX } else { u32::try_from(more).unwrap_or(u32::MAX) }
    }

    fn wake(&self, most: u32) {
        if most > 0 {
            self.head.turn.wake(most); // G3
        }
    }

    /// Gives back `count` that this process holds, or uses them up for good.
    #[inline]
    pub(super) fn give_back(&self, me: Caller<'_>, count: u32, for_good: bool) {
        let Some(entry) = self.entries.get(me.member.entry) else { return };
        let Ok(inside) = self.enter(me, None) else { return };
        let held = entry.held.load(Relaxed);
        // What the owner took back, as it took this process for dead, is not there any more.
        if entry.member.load(Relaxed) != me.member.number || held < count {
            return;
        }
        if for_good {
            // Killed between the two, this process holds them still; they come back then, and are used up all the same.
            add(&entry.made, -i64::from(count));
            add(&self.head.total, -i64::from(count));
            entry.held.store(held - count, Relaxed);
            return;
        }
        entry.held.store(held - count, Relaxed);
        add(&self.head.free, i64::from(count)); // G1
        let most = self.waken(count.into());
        drop(inside);
        self.wake(most);
    }

    /// Makes `count` new ones.
    pub(super) fn make(&self, me: Caller<'_>, count: u32) -> Result<Result<(), TooManyPermits>, NotTaken> {
        let Some(entry) = self.entries.get(me.member.entry) else { return Err(NotTaken::CutOff) };
        let inside = self.enter(me, None)?;
        let room = self.head.most.load(Relaxed).saturating_sub(self.head.total.load(Relaxed));
        if room < i64::from(count) {
            return Ok(Err(TooManyPermits));
        }
        add(&entry.made, count.into());
        add(&self.head.total, count.into());
        add(&self.head.free, count.into()); // G1
        let most = self.waken(count.into());
        drop(inside);
        self.wake(most);
        Ok(Ok(()))
    }

    /// The owner's: takes back what a dead member held. False if somebody is inside: to be tried again.
    pub(super) fn recover(&self, dead: Member, owner: Holder) -> bool {
        let head = self.head;
        head.guard.recover(dead.number);
        let Some(entry) = self.entries.get(dead.entry) else { return true };
        if entry.member.load(Relaxed) != dead.number {
            return true;
        }
        let Some(inside) = Inside::try_enter(&head.guard, owner) else { return false };
        add(&head.base, entry.made.load(Relaxed));
        entry.made.store(0, Relaxed);
        entry.held.store(0, Relaxed);
        entry.waiting.store(0, Relaxed);
        entry.want_many.store(0, Relaxed);
        entry.member.store(0, Relaxed);
        self.sum_up();
        head.turn.add(1, SeqCst);
        drop(inside);
        head.turn.wake(u32::MAX);
        true
    }

    pub(super) fn begin(&self, permits: i64, most: i64) {
        self.head.most.store(most, Relaxed);
        self.head.base.store(permits, Relaxed);
        self.sum_up();
    }

    pub(super) fn join(&self, member: Member) -> bool {
        let entry = self.entries.get(member.entry);
        entry.is_some_and(|entry| entry.member.compare_exchange(0, member.number, SeqCst, SeqCst).is_ok())
    }

    pub(super) fn nudge(&self) {
        self.head.guard.nudge();
        self.head.turn.add(1, SeqCst);
        self.head.turn.wake(u32::MAX);
    }
}

/// A semaphore in shared memory.
#[derive(Clone, Debug)]
pub struct RobustSemaphore(Block);

#[cfg(not(all(test, loom)))]
impl RobustSemaphore {
    /// The most permits there can be.
    pub const MOST: u32 = i32::MAX as u32;

    /// How much room one for so many processes needs, in bytes; none if that can't be counted.
    pub fn bytes(members: usize) -> Option<usize> {
        members.checked_mul(size_of::<Entry>())?.checked_add(size_of::<Head>())
    }

    /// The semaphore that lies in `block`; none if that is too short for a single process.
    pub fn new(block: Block) -> Option<Self> {
        (block.len() >= size_of::<Head>() + size_of::<Entry>()).then_some(Self(block))
    }

    #[inline]
    fn words(&self) -> Words<'_> {
        let entries = (self.0.len() - size_of::<Head>()) / size_of::<Entry>();
        Words { head: self.0.get(0), entries: self.0.get_slice(size_of::<Head>(), entries) }
    }

    /// The owner's, once, in zeroed memory: so many permits at first, and at most.
    pub fn begin(&self, permits: u32, most: u32) {
        self.words().begin(permits.into(), most.into());
    }

    /// The owner's: gives `member` its entry; false if that is taken, or there is none of that number.
    pub fn join(&self, member: Member) -> bool {
        self.words().join(member)
    }

    /// The owner's: takes back all that a member held which has died. False if it must be tried again soon, as somebody is inside.
    pub fn recover(&self, dead: Member, owner: Holder) -> bool {
        self.words().recover(dead, owner)
    }

    /// Takes `count` permits at once if there are so many.
    ///
    /// # Errors
    ///
    /// [`NotTaken::TimedOut`] if that can't be known, as a process was stopped while it was inside; [`NotTaken::CutOff`].
    pub fn try_take(&self, me: Caller<'_>, count: u32) -> Result<bool, NotTaken> {
        self.words().try_take(me, count)
    }

    /// Takes `count` permits at once, waiting until `deadline`; with none, for ever.
    ///
    /// # Errors
    ///
    /// [`NotTaken::TimedOut`] and [`NotTaken::CutOff`].
    #[inline]
    pub fn take(&self, me: Caller<'_>, count: u32, deadline: Option<Instant>) -> Result<(), NotTaken> {
        self.words().take(me, count, deadline)
    }

    /// Gives back `count` permits.
    #[inline]
    pub fn give_back(&self, me: Caller<'_>, count: u32) {
        self.words().give_back(me, count, false);
    }

    /// Uses up `count` permits that are held: nobody gets them again.
    pub fn use_up(&self, me: Caller<'_>, count: u32) {
        self.words().give_back(me, count, true);
    }

    /// Makes `count` new permits.
    ///
    /// # Errors
    ///
    /// [`NotTaken::CutOff`]; and [`TooManyPermits`], and then none is made.
    pub fn make(&self, me: Caller<'_>, count: u32) -> Result<Result<(), TooManyPermits>, NotTaken> {
        self.words().make(me, count)
    }

    /// How many are free just now.
    pub fn free(&self) -> u32 {
        self.words().head.free.load(Relaxed).clamp(0, Self::MOST.into()) as u32
    }

    /// Who holds how many just now.
    pub fn holders(&self) -> Vec<(u32, u32)> {
        let words = self.words();
        let holds = words.entries.iter().map(|entry| (entry.member.load(Relaxed), entry.held.load(Relaxed)));
        holds.filter(|(member, held)| *member != 0 && *held != 0).collect()
    }

    /// Wakes all who sleep, and who is about to, so that they look at their [`Cut`](super::Cut).
    pub fn nudge(&self) {
        self.words().nudge();
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

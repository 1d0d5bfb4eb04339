//! What lies in shared memory, and how a process becomes the tenant. The rules are in `semaphore.rs`.

use std::sync::atomic::Ordering::SeqCst;

use super::super::block::Atomics;
use super::super::guard::{AtomicU32, AtomicU64};
use super::super::{Caller, Member, NotTaken};
use super::TooManyPermits;
use super::state::{Change, Number, State};
use crate::futex::Word;

#[cfg(not(all(test, loom)))]
use std::sync::Mutex;

#[cfg(all(test, loom))]
use loom::sync::Mutex;

/// How often whoever is at it is watched before another comes between: long enough to end a switch, or to see that the tenant is not busy.
const LOOKS: u32 = if cfg!(all(test, loom)) { 0 } else { 100 };
/// So often the same was seen: the tenant does nothing now.
const SAME: u32 = 8;

/// What concerns all.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(in crate::sync) struct Head {
    /// A [`State`].
    pub(super) state: AtomicU64,
    /// Changes when sleepers are woken.
    pub(super) turn: Word,
    /// How many permits there may be at most. Written once.
    most: AtomicU32,
    /// No entry from here on was ever used. Never less than it was.
    used: AtomicU32,
}

const HELD_BITS: u32 = 20;

/// What is written of one process.
#[repr(C, align(16))]
#[derive(Debug, Default)]
pub(in crate::sync) struct Entry {
    /// How many permits it holds while it is not the tenant, in the lower 20 bits; above, a number that moves with every write.
    pub(super) held: AtomicU64,
    /// 0: nobody's.
    pub(super) member: AtomicU32,
}

// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Head {}
// SAFETY: atomics alone.
#[cfg(not(all(test, loom)))]
unsafe impl Atomics for Entry {}

impl Entry {
    pub(super) fn held(&self) -> u32 {
        (self.held.load(SeqCst) & ((1 << HELD_BITS) - 1)) as u32
    }
}

/// Held by the one thread of a process that may have claimed for it. Lies in that process's own memory.
#[derive(Debug, Default)]
pub(in crate::sync) struct Claims(Mutex<()>);

/// The words of a semaphore, wherever they lie.
#[derive(Clone, Copy, Debug)]
pub(in crate::sync) struct Words<'a> {
    pub(in crate::sync) head: &'a Head,
    pub(in crate::sync) entries: &'a [Entry],
    pub(in crate::sync) claims: &'a Claims,
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unchanged {
    /// There are not so many.
    TooFew,
    /// There would be more than there may be.
    TooMany,
    /// The owner takes this process for dead.
    CutOff,
}

impl Head {
    #[inline]
    pub(super) fn state(&self) -> State {
        State(self.state.load(SeqCst))
    }

    #[inline]
    pub(super) fn exchange(&self, from: State, to: State) -> Result<State, State> {
        self.state.compare_exchange(from.0, to.0, SeqCst, SeqCst).map(State).map_err(State)
    }
}

/// As the tenant, in one step: what the state was before. None if somebody else is the tenant, or to follow; then nothing is done.
#[inline]
pub(super) fn change_at_once(head: &Head, me: Number, change: Change) -> Option<Result<State, Unchanged>> {
    let mut seen = head.state();
    loop {
        if !seen.is_let_to(me) {
            return None;
        }
        let Some(after) = change.of(seen) else { return Some(Err(Unchanged::TooFew)) };
        match head.exchange(seen, after) {
            Ok(before) => return Some(Ok(before)),
            Err(now) => seen = now,
        }
    }
}

impl<'a> Words<'a> {
    fn alone(&self) -> impl Drop + use<'a> {
        self.claims.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn entry(&self, number: Number) -> Option<&'a Entry> {
        self.entries.get(number.entry()?)
    }

    /// The state, once whoever is at it has ended a switch, or is not busy, or has been watched long enough: a tenant that is busy is
    /// not to be driven out after each step, and a switch of others that goes on is not to be begun anew.
    fn settled(&self) -> State {
        let mut seen = self.head.state();
        let mut same = 0;
        for _ in 0..LOOKS {
            std::hint::spin_loop();
            let now = self.head.state();
            same = if now.is_same(seen) { same + 1 } else { 0 };
            seen = now;
            if same >= SAME && seen.next() == Number::NOBODY {
                break;
            }
        }
        seen
    }

    /// S1. Says that `me` is to follow, instead of whoever else was; none if the state is another meanwhile.
    pub(super) fn claim(&self, me: Number, seen: State) -> Option<State> {
        let claimed = seen.with_next(me);
        // If it says so already, this process has not ended what it claimed, or was another that has died since.
        (claimed == seen || self.head.exchange(seen, claimed).is_ok()).then_some(claimed)
    }

    /// S2. Writes into the tenant's entry that it holds so many; false if somebody else claimed meanwhile.
    pub(super) fn write_down(&self, claimed: State, held: u32) -> bool {
        let Some(entry) = self.entry(claimed.tenant()) else { return true };
        loop {
            let before = entry.held.load(SeqCst);
            if !self.head.state().is_same(claimed) {
                return false;
            }
            let after = ((before >> HELD_BITS).wrapping_add(1)) << HELD_BITS | u64::from(held);
            if entry.held.compare_exchange(before, after, SeqCst, SeqCst).is_ok() {
                return true;
            }
        }
    }

    /// S3. Ends what was claimed; what the state was before. None if somebody else claimed meanwhile.
    pub(super) fn finish(&self, claimed: State, after: State) -> Option<State> {
        let mut seen = self.head.state();
        while seen.is_same(claimed) {
            match self.head.exchange(seen, after.with_waiters_of(seen)) {
                Ok(before) => return Some(before),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// How many permits there are, free or held, as long as what is claimed stands.
    fn total(&self, claimed: State) -> u64 {
        let used = self.entries.len().min(self.head.used.load(SeqCst) as usize);
        let others = self.entries[..used].iter().enumerate();
        let others = others.filter(|(at, _)| claimed.tenant().entry() != Some(*at));
        let held: u64 = others.map(|(_, entry)| u64::from(entry.held())).sum();
        u64::from(claimed.free()) + u64::from(claimed.held()) + held
    }

    /// Whether so many more permits may be.
    fn has_room(&self, claimed: State, count: u32) -> bool {
        self.total(claimed) + u64::from(count) <= u64::from(self.head.most.load(SeqCst))
    }

    /// Becomes the tenant, with the change made in the same step: what was before, as if it had been the tenant.
    #[cold]
    pub(super) fn change_as_next(
        &self,
        me: Caller<'_>,
        number: Number,
        change: Change,
    ) -> Result<State, Unchanged> {
        let entry = self.entry(number).ok_or(Unchanged::CutOff)?;
        let _alone = self.alone();
        loop {
            let is_made = matches!(change, Change::Make(_));
            // Another thread of this process may have been here.
            if !is_made && let Some(done) = change_at_once(self.head, number, change) {
                return done;
            }
            let seen = self.settled();
            if matches!(change, Change::Take(count) if seen.free() < count)
                && entry.member.load(SeqCst) == me.member.number
            {
                return Err(Unchanged::TooFew);
            }
            let Some(claimed) = self.claim(number, seen) else { continue };
            // After the claim: if the owner takes it back later, it claims instead.
            let why_not = if entry.member.load(SeqCst) != me.member.number {
                Some(Unchanged::CutOff)
            } else if matches!(change, Change::Make(count) if !self.has_room(claimed, count)) {
                Some(Unchanged::TooMany)
            } else {
                None
            };
            let stays = claimed.tenant() == number;
            let held = if stays { claimed.held() } else { entry.held() };
            let mine = State::new(claimed.free(), held, number);
            match (why_not, change.of(mine)) {
                (None, Some(after)) => {
                    let is_written = stays || self.write_down(claimed, claimed.held());
                    if is_written && let Some(before) = self.finish(claimed, after) {
                        return Ok(mine.with_waiters_of(before));
                    }
                }
                (why_not, _) => {
                    let as_before = claimed.with_next(Number::NOBODY);
                    if self.finish(claimed, as_before).is_some() {
                        return Err(why_not.unwrap_or(Unchanged::TooFew));
                    }
                }
            }
        }
    }

    /// Makes `count` new ones.
    pub(in crate::sync) fn make(
        &self,
        me: Caller<'_>,
        count: u32,
    ) -> Result<Result<(), TooManyPermits>, NotTaken> {
        let number = Number::of_entry(me.member.entry).ok_or(NotTaken::CutOff)?;
        match self.change_as_next(me, number, Change::Make(count)) {
            Ok(before) => {
                if before.has_waiters() {
                    self.wake(count);
                }
                Ok(Ok(()))
            }
            Err(Unchanged::CutOff) => Err(NotTaken::CutOff),
            Err(Unchanged::TooFew | Unchanged::TooMany) => Ok(Err(TooManyPermits)),
        }
    }

    /// The owner's: takes back what a dead member held. Each step leaves what is true, if somebody claims between two.
    pub(in crate::sync) fn recover(&self, dead: Member) {
        let (Some(number), Some(entry)) = (Number::of_entry(dead.entry), self.entries.get(dead.entry)) else {
            return;
        };
        if entry.member.load(SeqCst) != dead.number {
            return;
        }
        let alone = self.alone();
        // First: if it lives and claims after that, it finds out; and if it claimed before, that is seen below.
        entry.member.store(0, SeqCst);
        loop {
            let seen = self.head.state();
            let is_there = seen.tenant() == number || [number, Number::OWNER].contains(&seen.next());
            if !is_there && entry.held() == 0 {
                break;
            }
            let Some(claimed) = self.claim(Number::OWNER, seen) else { continue };
            if claimed.tenant() == number {
                // It is the tenant, so its entry means nothing until this is finished.
                let all = claimed.free() + claimed.held();
                let _ = self.write_down(claimed, 0)
                    && self.finish(claimed, State::new(all, 0, Number::NOBODY)).is_some();
            } else {
                let dead = State::new(claimed.free(), entry.held(), number).with_next(Number::OWNER);
                let _ = self.write_down(claimed, claimed.held()) && self.finish(claimed, dead).is_some();
            }
        }
        drop(alone);
        // It may have been woken, or about to wake somebody.
        self.wake_all();
    }

    pub(in crate::sync) fn begin(&self, permits: u32, most: u32) {
        self.head.most.store(most.min(super::state::MOST_PERMITS), SeqCst);
        self.head.state.store(State::new(permits, 0, Number::NOBODY).0, SeqCst);
    }

    pub(in crate::sync) fn join(&self, member: Member) -> bool {
        let Some(entry) = self.entries.get(member.entry) else { return false };
        if Number::of_entry(member.entry).is_none() {
            return false;
        }
        // Before it can hold anything.
        self.head.used.fetch_max(member.entry as u32 + 1, SeqCst);
        entry.member.compare_exchange(0, member.number, SeqCst, SeqCst).is_ok()
    }

    /// Who holds how many, by what is true at one moment, unless the tenants change too fast.
    pub(super) fn holders(&self) -> Vec<(u32, u32)> {
        for _ in 0..LOOKS {
            let seen = self.head.state();
            let found = self.holders_beside(seen);
            if self.head.state().tenant() == seen.tenant() {
                return found;
            }
        }
        self.holders_beside(self.head.state())
    }

    fn holders_beside(&self, seen: State) -> Vec<(u32, u32)> {
        let holds = self.entries.iter().enumerate().map(|(at, entry)| {
            let is_tenant = seen.tenant().entry() == Some(at);
            (entry.member.load(SeqCst), if is_tenant { seen.held() } else { entry.held() })
        });
        holds.filter(|(member, held)| *member != 0 && *held != 0).collect()
    }
}

//! A semaphore: permits that processes take and give back, and that come back when one dies.
//!
//! # What is true
//!
//! One word says how many permits are free, who the *tenant* is, and how many permits the tenant holds. The tenant is the process that
//! used the semaphore last. What the others hold stands in their entries; what stands in the tenant's entry means nothing. So the tenant takes and gives back
//! by one compare-and-swap of the word. It has been made or it has not: whoever is killed leaves nothing half done, and whoever is stopped keeps nobody waiting.
//!
//! # How another becomes the tenant
//!
//! ```text
//! S1  claim: write into the word that it is to follow, instead of whoever else was
//! S2  write into the tenant's entry what the word says that the tenant holds, if the word is still as claimed
//! S3  make itself the tenant, with what stands in its own entry, and take or give back in the same step
//! ```
//!
//! While somebody is to follow, nobody changes the counts, the tenant neither: whoever comes claims instead. Whoever claimed before finds that in S2 or S3 and begins
//! anew. So a process that is stopped or killed between two steps keeps nobody waiting: what it claimed is claimed from it, after a few
//! microseconds in which it could have ended. One that finds the tenant busy leaves it as much time, so that two do not take from each other after each step. What it wrote in S2 meant nothing yet. It may also let go of what it claimed, which changes nothing else.
//!
//! **A late S3 changes nothing.** A process writes only itself into the word as who is to follow, in one thread at a time (`Claims`). So if the word
//! is as it claimed it, it has been so ever since it claimed: had somebody else claimed meanwhile, the word would name somebody else.
//!
//! **A late S2 changes nothing that counts.** Each write into an entry moves a number in it. Say that D reads the entry of X, then sees that the word is as D claimed it,
//! stands still, and then writes. What it writes is what X held when it looked. Either X has been the tenant ever since: then what stands in its entry means
//! nothing, and whoever ends the tenancy reads the entry after it has claimed, and writes it after this write, or before it, so that this one fails. Or the tenancy
//! of X was ended by some Z, who claimed after D had looked. Z wrote the entry in between, the number has moved, and D's write fails. Between S2 and S3 of Z
//! nobody else writes there, as to write one must see in the word that it is to follow, after having read the number that Z wrote. (The number has 44 bits: it
//! comes round after more than a week of nothing but switches.)
//!
//! **Taking back.** The owner, which claims by a number of its own, makes the dead process the tenant, writes into its entry that it holds none, and in one step adds
//! what it held to the free ones and makes nobody the tenant. If somebody claims in between, the dead one holds what it held, in the word or in its
//! entry, and the owner begins anew. Its entry is another's only after that.
//!
//! **Never too many.** Who makes new permits claims first, though it may be the tenant itself. Then nothing changes that it adds up, what is free, what the tenant
//! holds and what stands in the others' entries; or its S3 fails. So the sum is exact, and all permits together never exceed what a count in the word can be.
//!
//! From a process whose node has ended while it lives the permits are taken back. Who claims looks after that whether its entry is still its own: if the owner takes it back later, it claims,
//! and this one's S3 fails. And it is not the tenant any more, so its swaps fail. Its entry becomes another's only when no thread of it can be here any more.
//!
//! # Why nobody sleeps beside a free permit
//!
//! ```text
//! taker                                             giver
//!     too few                                       G1  more permits, by a swap: do any wait, by the flags in the word?
//! T1  seen := turn                                  G2  then turn += 1
//! T2  set the flags by a swap, or see them set,     G3  wake as many as there are permits; if fewer slept, or one
//!     in a word with too few                            wants several: clear the flags, turn += 1, wake all
//! T3  sleep while turn is seen
//! ```
//!
//! The word that T2 saw came before G1 or after it. If after, it had too few in spite of G1: others have taken what came. If before, G1 sees the flags, unless somebody has
//! cleared them since T2; and that one changes the turn and wakes all after it. In both cases the turn changes after T1, as who sees the new turn in T1 sees in T2 what came before it. So T3 does not sleep, or
//! is woken. Who is woken takes a permit, or finds that there are too few and begins anew. One that wants several could be woken when there are too few for it, while
//! another would have had enough: so as long as anyone wants several, all are woken. If fewer slept than were to be woken, nobody is left, and the flags are cleared: so one that is killed
//! while it waits costs one giver a system call, not every one.
//!
//! The death of one who was woken, or was to wake, has the owner wake all. If it is only stopped, sleepers look for themselves every second.

use std::time::Instant;

use super::block::Block;
use super::lock::NotTaken;
use super::{Caller, Member};

mod state;
mod waiting;
mod words;

use self::state::{MOST_MEMBERS, MOST_PERMITS, Number};
use self::waiting::{give_back_at_once, take_at_once};
pub(super) use self::words::{Claims, Entry, Head, Words};

/// More permits would be made than the semaphore may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyPermits;

/// A semaphore in shared memory, as one process has it.
#[derive(Clone, Debug)]
pub struct RobustSemaphore {
    block: Block,
    #[cfg_attr(all(test, loom), allow(dead_code, reason = "a model has no regions"))]
    claims: std::sync::Arc<Claims>,
}

#[cfg(not(all(test, loom)))]
impl RobustSemaphore {
    /// The most permits there can be, free and held together.
    pub const MOST: u32 = MOST_PERMITS;
    /// The most processes that can use one.
    pub const MOST_MEMBERS: usize = MOST_MEMBERS;

    /// How much room one for so many processes needs, in bytes; none if that are more than there can be.
    pub fn bytes(members: usize) -> Option<usize> {
        let entries = (members <= MOST_MEMBERS).then_some(members)?.checked_mul(size_of::<Entry>())?;
        entries.checked_add(size_of::<Head>())
    }

    /// The semaphore that lies in `block`; none if that is too short for a single process. Each process makes one, and clones that.
    pub fn new(block: Block) -> Option<Self> {
        let fits = block.len() >= size_of::<Head>() + size_of::<Entry>();
        fits.then(|| Self { block, claims: std::sync::Arc::default() })
    }

    #[inline]
    fn head(&self) -> &Head {
        self.block.get(0)
    }

    fn words(&self) -> Words<'_> {
        let entries = (self.block.len() - size_of::<Head>()) / size_of::<Entry>();
        let entries = self.block.get_slice(size_of::<Head>(), entries.min(MOST_MEMBERS));
        Words { head: self.head(), entries, claims: &self.claims }
    }

    /// The owner's, once, in zeroed memory: so many permits at first, and at most.
    pub fn begin(&self, permits: u32, most: u32) {
        self.words().begin(permits, most);
    }

    /// The owner's: gives `member` its entry; false if that is taken, or there is none of that number.
    pub fn join(&self, member: Member) -> bool {
        self.words().join(member)
    }

    /// The owner's: takes back all that a member held which has died. By one thread at a time.
    pub fn recover(&self, dead: Member) {
        self.words().recover(dead);
    }

    /// Takes `count` permits at once if there are so many. Whoever else is at it, stopped or killed, is waited for a few microseconds at most. The caller's thread
    /// does not matter, here and below.
    ///
    /// # Errors
    ///
    /// [`NotTaken::CutOff`].
    #[inline]
    pub fn try_take(&self, me: Caller<'_>, count: u32) -> Result<bool, NotTaken> {
        let at_once =
            Number::of_entry(me.member.entry).and_then(|number| take_at_once(self.head(), number, count));
        match at_once {
            Some(taken) => Ok(taken),
            None => self.words().try_take(me, count),
        }
    }

    /// Takes `count` permits at once, waiting until `deadline`; with none, for ever.
    ///
    /// # Errors
    ///
    /// [`NotTaken::TimedOut`] and [`NotTaken::CutOff`].
    pub fn take(&self, me: Caller<'_>, count: u32, deadline: Option<Instant>) -> Result<(), NotTaken> {
        self.words().take(me, count, deadline)
    }

    /// Gives back `count` permits. Waits for nobody, as taking.
    #[inline]
    pub fn give_back(&self, me: Caller<'_>, count: u32) {
        let number = Number::of_entry(me.member.entry);
        match number.and_then(|number| give_back_at_once(self.head(), number, count)) {
            Some(false) => {}
            Some(true) => self.words().wake(count),
            None => self.words().give_back(me, count, false),
        }
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
        self.head().state().free()
    }

    /// Who holds how many just now.
    pub fn holders(&self) -> Vec<(u32, u32)> {
        self.words().holders()
    }

    /// Wakes all who sleep, and who is about to, so that they look at their [`Cut`](super::Cut).
    pub fn nudge(&self) {
        self.words().nudge();
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

#[cfg(all(test, loom))]
mod model;

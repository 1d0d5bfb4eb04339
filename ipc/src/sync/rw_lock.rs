//! A lock for one writer or many readers, which outlives whoever holds it.
//!
//! Who goes first: a reader that comes while a writer waits waits too, so writers get their turn; and when a writer goes, the readers that
//! have waited until then go before the next writer, so readers get theirs (`phase`, `readers_next`). Of a writer that waits and is stopped
//! readers think so after a second in which nobody came.
//!
//! Nothing half done is left by a kill, by `guard.rs`; nobody sleeps beside what is free, by the argument in `semaphore.rs`, once
//! for readers and once for writers: whoever gives back, gives up, or takes back from the dead wakes those who may go on then. Whoever gives back
//! waits for nobody (`giving.rs`).

mod giving;
mod waiting;
mod words;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use super::block::Block;
use super::lock::{NotTaken, Taken};
use super::{Caller, Holder, Member};

pub(super) use self::words::{Entry, Head, Want, Words};

/// A lock for one writer or many readers, in shared memory.
#[derive(Clone, Debug)]
pub struct RobustRwLock(Block);

#[cfg(not(all(test, loom)))]
impl RobustRwLock {
    /// How much room one for so many processes needs, in bytes; zeroed memory is a free one. None if that can't be counted.
    pub fn bytes(members: usize) -> Option<usize> {
        members.checked_mul(size_of::<Entry>())?.checked_add(size_of::<Head>())
    }

    /// The lock that lies in `block`; none if that is too short for a single process.
    pub fn new(block: Block) -> Option<Self> {
        (block.len() >= size_of::<Head>() + size_of::<Entry>()).then_some(Self(block))
    }

    #[inline]
    fn words(&self) -> Words<'_> {
        let entries = (self.0.len() - size_of::<Head>()) / size_of::<Entry>();
        Words { head: self.0.get(0), entries: self.0.get_slice(size_of::<Head>(), entries) }
    }

    /// The owner's: gives `member` its entry; false if that is taken, or there is none of that number.
    pub fn join(&self, member: Member) -> bool {
        self.words().join(member)
    }

    /// The owner's: takes back all that a member held which has died. False if it must be tried again soon, as somebody is inside.
    pub fn recover(&self, dead: Member, owner: Holder) -> bool {
        self.words().recover(dead, owner)
    }

    /// Takes it for writing if nobody reads or writes.
    ///
    /// # Errors
    ///
    /// [`NotTaken::TimedOut`] if that can't be known, as a process was stopped while it was inside; the others as in [`write`](Self::write).
    pub fn try_write(&self, me: Caller<'_>) -> Result<Option<Taken>, NotTaken> {
        self.words().try_take(me, Want::Write { in_turn: false })
    }

    /// The same for one that will wait if it is not to be had: those go first who have waited to read while the last one wrote.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_in_turn(&self, me: Caller<'_>) -> Result<Option<Taken>, NotTaken> {
        self.words().try_take(me, Want::Write { in_turn: true })
    }

    /// Says of a dead writer once more what the caller was told, who has the lock to write and gives it back without having written.
    pub fn abandon_again(&self, me: Caller<'_>) {
        self.words().abandon_again(me);
    }

    /// Takes it for writing, waiting until `deadline`; with none, for ever.
    ///
    /// # Errors
    ///
    /// [`NotTaken`]; held by the caller it is if this thread writes. If it reads, it waits for itself.
    #[inline]
    pub fn write(&self, me: Caller<'_>, deadline: Option<Instant>) -> Result<Taken, NotTaken> {
        self.words().take(me, Want::Write { in_turn: true }, deadline)
    }

    /// Takes it for reading if nobody writes or waits to write.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_read(&self, me: Caller<'_>) -> Result<Option<Taken>, NotTaken> {
        self.words().try_take(me, Want::Read { since: None })
    }

    /// Takes it for reading, waiting until `deadline`; with none, for ever.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    #[inline]
    pub fn read(&self, me: Caller<'_>, deadline: Option<Instant>) -> Result<Taken, NotTaken> {
        self.words().take(me, Want::Read { since: None }, deadline)
    }

    /// Gives back what was taken for reading. Waits for nobody, and does so for one that is cut off too.
    #[inline]
    pub fn give_back_read(&self, me: Caller<'_>) {
        self.words().give_back_read(me);
    }

    /// Gives back what was taken for writing, by the same thread. As with reading.
    #[inline]
    pub fn give_back_write(&self, me: Caller<'_>) {
        self.words().give_back_write(me);
    }

    /// Who writes just now; none if nobody does.
    pub fn writer(&self) -> Option<Holder> {
        let words = self.words();
        let writer = words.head.writer.load(SeqCst);
        let holder = Holder { member: (writer >> 32) as u32, thread: writer as u32 };
        // What has been given back outside is still in the sum.
        let writes = |entry: &Entry| {
            entry.member.load(SeqCst) == holder.member && entry.writing.load(SeqCst) == holder.thread
        };
        (writer != 0 && words.entries.iter().any(writes)).then_some(holder)
    }

    /// Who reads just now, each with how many threads.
    pub fn readers(&self) -> Vec<(u32, u32)> {
        let words = self.words();
        let read = words.entries.iter().map(|entry| (entry.member.load(SeqCst), entry.reading()));
        read.filter(|(member, readers)| *member != 0 && *readers != 0).collect()
    }

    /// Wakes all who sleep, and who is about to, so that they look at their [`Cut`](super::Cut).
    pub fn nudge(&self) {
        self.words().nudge();
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

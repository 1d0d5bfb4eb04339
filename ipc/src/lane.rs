//! The words of one direction of a pipe: what has been published, what was read, and who waits.
//!
//! `ring.rs` keeps the bytes and asks what there is room for; here is the order of the writes and looks. A writer publishes and
//! then passes a [light fence](crate::fence) before it looks whether the reader waits; a reader that is about to sleep
//! says that it waits and then makes a heavy one before it looks once more. The same the other way round, for room.
//! Positions count bytes for ever and wrap; a position that the other side wrote is a number and no more.

#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::atomic::{Ordering::Acquire, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst};

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU32, AtomicU64};

use crate::fence::{heavy, light};

/// How many bytes may be on their way in one direction.
pub const RING_BYTES: usize = 256 * 1024;

const _: () = assert!(RING_BYTES.is_power_of_two());

/// A word with a cache line of its own: each is written by one side and read by the other.
#[repr(C, align(64))]
#[derive(Debug, Default)]
struct Apart<T>(T);

/// The words of one direction.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// How many bytes have been published, ever. The writer's.
    tail: Apart<AtomicU64>,
    /// How many of them have been read. The reader's.
    head: Apart<AtomicU64>,
    reader_waits: Apart<AtomicU32>,
    /// Not zero: the writer waits, for so many free bytes.
    writer_waits: Apart<AtomicU32>,
    writer_has_closed: Apart<AtomicU32>,
    reader_has_closed: Apart<AtomicU32>,
    /// Descriptors sent and not yet claimed.
    rights: Apart<AtomicU32>,
    /// Bytes sent beside the ring and not yet claimed.
    beside: Apart<AtomicU64>,
}

impl Lane {
    // ---- the writer ----------------------------------------------------------------------------

    /// Where the writer goes on: its own word, which it alone writes.
    #[inline]
    pub(crate) fn tail(&self) -> u64 {
        self.tail.0.load(Relaxed)
    }

    /// How far the reader has read. What it has read it reads no more.
    #[inline]
    pub(crate) fn seen_head(&self) -> u64 {
        // With the release in `consume`: its copies were made before.
        self.head.0.load(Acquire)
    }

    /// Publishes everything before `tail`; whether the reader waits and is to be woken.
    #[inline]
    pub(crate) fn publish(&self, tail: u64) -> bool {
        // With the acquire in `seen_tail`: the bytes were written before.
        self.tail.0.store(tail, Release);
        light();
        self.reader_waits.0.load(Relaxed) != 0 && self.reader_waits.0.swap(0, SeqCst) != 0
    }

    /// Says that the writer waits for `bytes` of room, to be looked for once more after this.
    pub(crate) fn await_room(&self, bytes: u32) {
        // Of several threads that wait the one that needs least is told first, and tells the others.
        let least = |said| Some(if said == 0 { bytes } else { bytes.min(said) });
        let _ = self.writer_waits.0.fetch_update(SeqCst, SeqCst, least);
        heavy();
    }

    /// Descriptors and bytes beside the ring that are on their way.
    pub(crate) fn under_way(&self) -> (usize, u64) {
        (self.rights.0.load(SeqCst) as usize, self.beside.0.load(SeqCst))
    }

    /// So much more is on its way from the next publication on.
    pub(crate) fn more_under_way(&self, rights: usize, beside: u64) {
        self.rights.0.fetch_add(rights as u32, SeqCst);
        self.beside.0.fetch_add(beside, SeqCst);
    }

    // ---- the reader ----------------------------------------------------------------------------

    /// Where the reader goes on: its own word, which it alone writes.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.head.0.load(Relaxed)
    }

    /// How far the writer has published.
    #[inline]
    pub(crate) fn seen_tail(&self) -> u64 {
        self.tail.0.load(Acquire)
    }

    /// Gives back everything before `head`; whether the writer waits for room that is there now, and is to be woken.
    #[inline]
    pub(crate) fn consume(&self, head: u64) -> bool {
        self.head.0.store(head, Release);
        light();
        let wanted = self.writer_waits.0.load(Relaxed);
        wanted != 0 && self.has_what_is_wanted(head, wanted)
    }

    #[cold]
    fn has_what_is_wanted(&self, head: u64, wanted: u32) -> bool {
        free(self.seen_tail(), head) >= (wanted as usize).min(RING_BYTES)
            && self.writer_waits.0.swap(0, SeqCst) != 0
    }

    /// Says that the reader waits for bytes, to be looked for once more after this.
    pub(crate) fn await_bytes(&self) {
        self.reader_waits.0.store(1, SeqCst);
        heavy();
    }

    /// So much is not on its way any more.
    pub(crate) fn less_under_way(&self, rights: usize, beside: u64) {
        let (by, bytes) = (rights as u32, beside);
        let _ = self.rights.0.fetch_update(SeqCst, SeqCst, |now| Some(now.saturating_sub(by)));
        let _ = self.beside.0.fetch_update(SeqCst, SeqCst, |now| Some(now.saturating_sub(bytes)));
    }

    // ---- the end -------------------------------------------------------------------------------

    pub(crate) fn close_writer(&self) {
        self.writer_has_closed.0.store(1, SeqCst);
    }

    pub(crate) fn close_reader(&self) {
        self.reader_has_closed.0.store(1, SeqCst);
    }

    #[inline]
    pub(crate) fn writer_has_closed(&self) -> bool {
        self.writer_has_closed.0.load(SeqCst) != 0
    }

    #[inline]
    pub(crate) fn reader_has_closed(&self) -> bool {
        self.reader_has_closed.0.load(SeqCst) != 0
    }

    /// For tests: another side that lies.
    #[cfg(test)]
    pub(crate) fn claim(&self, tail: u64, head: u64) {
        self.tail.0.store(tail, SeqCst);
        self.head.0.store(head, SeqCst);
    }
}

/// How many bytes can be written. A reader that claims to have read more than there was gets no more room by it.
#[inline]
pub(crate) fn free(tail: u64, head: u64) -> usize {
    RING_BYTES.saturating_sub(usize::try_from(tail.wrapping_sub(head)).unwrap_or(usize::MAX))
}

#[cfg(all(test, loom))]
mod model;

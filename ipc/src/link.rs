//! The page of shared memory beside each connection.
//!
//! It holds what must be readable without the help of the other process: whether a side's reader waits,
//! whether a side has bytes it has not written yet, and counters that outlive a kill. All of it is plain
//! numbers in atomics: whatever a peer writes there is only ever a wrong number.
//!
//! # When to write: the protocol of the two flags
//!
//! A side's `reader` word says whether its node may be asleep with respect to this connection (`WAITS`) or
//! has promised to look again (`BUSY`). The other side, the writer, does after it appended to its outbox:
//!
//! ```text
//! writer                               reader, before it sleeps
//! W1  unflushed := 1                   R1  reader := WAITS
//! W2  if reader.swap(BUSY) == WAITS    R2  if unflushed == 1
//!         flush at once                        ring the door-bell
//! ```
//!
//! All four are sequentially consistent. If W2 reads `BUSY`, then R1 comes later in their one order, so R2
//! sees W1 and rings: the writer's loop thread flushes. If W2 reads `WAITS`, the writer flushes. Either way
//! no frame is left asleep. `unflushed` is cleared before the bytes are written, so a ring may be superfluous, never missing.
//! A reader may give the writer a moment between R1 and R2: one at work comes to W2 by itself.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::region::Region;

/// The size of a link page; pages that are never touched cost nothing.
pub const LINK_BYTES: usize = 64 * 1024;
/// Where the sides say who they are: a number and a name each.
const WHO_AT: usize = 512;
const WHO_BYTES: usize = 256;
/// How much of a name is kept.
const NAME_BYTES: usize = WHO_BYTES - 4;
const COUNTERS_AT: usize = 1024;
const COUNTER_BYTES: usize = 32;
/// How many counters each side of a connection may hand out.
pub const COUNTERS_PER_SIDE: usize = (LINK_BYTES - COUNTERS_AT) / COUNTER_BYTES / 2;

const WAITS: u32 = 0;
const BUSY: u32 = 1;

/// Which end of a connection this process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end of the process that made the pair, or that was handed the first end.
    First,
    /// The other end.
    Second,
}

impl Side {
    fn index(self) -> usize {
        match self {
            Side::First => 0,
            Side::Second => 1,
        }
    }

    /// The side that the peer holds.
    #[inline]
    pub fn other(self) -> Self {
        match self {
            Side::First => Side::Second,
            Side::Second => Side::First,
        }
    }
}

/// One side's view of a link page.
#[derive(Debug)]
pub struct Link {
    region: Region,
    side: Side,
}

/// What a side publishes about one of its consumers, readable after its death.
#[repr(C)]
#[derive(Debug)]
pub struct Counter {
    /// How many items have been handed to user code, ever.
    pub taken: AtomicU64,
    /// How many of those user code has finished with; for consumers that say so.
    pub finished: AtomicU64,
    /// Not 0: the owner asks to be told at the next take.
    pub poke: AtomicU32,
}

const _: () = assert!(size_of::<Counter>() <= COUNTER_BYTES);
const _: () = assert!(WHO_AT + 2 * WHO_BYTES <= COUNTERS_AT);

impl Link {
    /// Creates a page for a new connection and the descriptor that carries it to the peer.
    ///
    /// # Errors
    ///
    /// As [`Region::create`].
    pub fn create(side: Side) -> io::Result<(Self, OwnedFd)> {
        let (region, fd) = Region::create(LINK_BYTES)?;
        Ok((Self { region, side }, fd))
    }

    /// Maps the page that came with a connection.
    ///
    /// # Errors
    ///
    /// As [`Region::open`].
    pub fn open(fd: &OwnedFd, side: Side) -> io::Result<Self> {
        Ok(Self { region: Region::open(fd, LINK_BYTES)?, side })
    }

    /// The end that this process holds.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Says that bytes wait in our outbox, and reports whether they must be written at once.
    pub fn must_flush(&self) -> bool {
        let unflushed = self.unflushed(self.side);
        // Already set: then an earlier append of this side stands for W1, and a flush that clears it takes our
        // bytes along, since they were appended before this look.
        if unflushed.load(SeqCst) == 0 {
            unflushed.store(1, SeqCst); // W1
        }
        let reader = self.reader(self.side.other());
        // A plain load first: while the peer stays busy the line need not change hands.
        reader.load(SeqCst) == WAITS && reader.swap(BUSY, SeqCst) == WAITS // W2
    }

    /// Says that bytes wait in our outbox which the reader does not need now: it has other work from us, and when that
    /// comes to its end it looks whether we [hold back](Self::peer_holds_back).
    ///
    /// Whoever judges that it has must look after this call.
    pub fn hold_back(&self) {
        let unflushed = self.unflushed(self.side);
        if unflushed.load(SeqCst) == 0 {
            unflushed.store(1, SeqCst);
        }
    }

    /// Says that everything in our outbox is about to be written.
    pub fn flushing(&self) {
        self.unflushed(self.side).store(0, SeqCst);
    }

    /// Says that our node has begun to read this connection and will look again before it sleeps.
    pub fn reader_busy(&self) {
        self.reader(self.side).store(BUSY, SeqCst);
    }

    /// Says that our node may sleep; true if the peer then still has unwritten bytes (R1, R2).
    pub fn reader_waits(&self) -> bool {
        self.reader(self.side).store(WAITS, SeqCst);
        self.peer_holds_back()
    }

    /// Whether the peer has bytes it has not written yet.
    pub fn peer_holds_back(&self) -> bool {
        self.unflushed(self.side.other()).load(SeqCst) != 0
    }

    /// Says that our process has come so far that it works with this page.
    pub fn begin(&self) {
        self.begun(self.side).store(1, SeqCst);
    }

    /// Whether the peer has said that it [began](Self::begin); to be asked after its death, too.
    pub fn peer_has_begun(&self) -> bool {
        self.begun(self.side.other()).load(SeqCst) != 0
    }

    /// Says who we are: our process, and what our node is called, of which the head is kept if it is long.
    pub fn call_ourselves(&self, pid: u32, name: &str) {
        let mut name = name.as_bytes();
        if name.len() > NAME_BYTES {
            name = &name[..NAME_BYTES];
        }
        for (at, word) in name.chunks(4).enumerate() {
            let mut bytes = [0; 4];
            bytes[..word.len()].copy_from_slice(word);
            self.who(self.side, at + 1).store(u32::from_ne_bytes(bytes), Relaxed);
        }
        // Ordering: with the acquire in `peer_is`, which finds the name when it finds the number.
        self.who(self.side, 0).store(pid, Release);
    }

    /// The peer's process, and what its node is called; none until it has [said so](Self::call_ourselves). It may have ended.
    pub fn peer_is(&self) -> Option<(u32, String)> {
        let side = self.side.other();
        let pid = self.who(side, 0).load(Acquire);
        let words = (1..=NAME_BYTES / 4).map(|at| self.who(side, at).load(Relaxed));
        let name: Vec<u8> = words.flat_map(u32::to_ne_bytes).take_while(|byte| *byte != 0).collect();
        // Its last letter may have been cut.
        let name = String::from_utf8_lossy(&name).trim_end_matches('\u{fffd}').to_owned();
        (pid != 0).then_some((pid, name))
    }

    /// Says that our process is about to abort since it was refused memory. May be called in a signal's handler.
    pub(crate) fn refused_memory(&self) {
        self.refused(self.side).store(1, SeqCst);
    }

    pub(crate) fn clear_refused_memory(&self) {
        self.refused(self.side).store(0, SeqCst);
    }

    /// Whether the peer has ended itself since it was refused memory; to be asked after its death.
    pub fn peer_was_refused_memory(&self) -> bool {
        self.refused(self.side.other()).load(SeqCst) != 0
    }

    /// Counter `index` of `side`; none beyond [`COUNTERS_PER_SIDE`].
    pub fn counter(&self, side: Side, index: u32) -> Option<&Counter> {
        let index = usize::try_from(index).ok().filter(|i| *i < COUNTERS_PER_SIDE)?;
        let at = COUNTERS_AT + (side.index() * COUNTERS_PER_SIDE + index) * COUNTER_BYTES;
        // SAFETY: `at + COUNTER_BYTES <= LINK_BYTES == region.len()`, since `index` is in range.
        let place = unsafe { self.region.base().add(at) };
        // SAFETY: the place is inside the mapping that `self` keeps, aligned to 32 bytes (page-aligned
        // base, `COUNTERS_AT` and `COUNTER_BYTES` multiples of 32), and `Counter` is atomics only.
        Some(unsafe { place.cast::<Counter>().as_ref() })
    }

    fn reader(&self, side: Side) -> &AtomicU32 {
        self.word(side.index() * 128)
    }

    fn unflushed(&self, side: Side) -> &AtomicU32 {
        self.word(side.index() * 128 + 64)
    }

    fn begun(&self, side: Side) -> &AtomicU32 {
        self.word(side.index() * 64 + 256)
    }

    fn refused(&self, side: Side) -> &AtomicU32 {
        self.word(side.index() * 64 + 384)
    }

    fn who(&self, side: Side, at: usize) -> &AtomicU32 {
        self.word(WHO_AT + side.index() * WHO_BYTES + at * 4)
    }

    /// Each flag has a cache line of its own.
    fn word(&self, at: usize) -> &AtomicU32 {
        debug_assert!(at + 4 <= COUNTERS_AT, "a flag lies before the counters");
        // SAFETY: `at` is below `COUNTERS_AT`, which is below the region's length.
        let place = unsafe { self.region.base().add(at) };
        // SAFETY: inside the mapping that `self` keeps, 4-byte aligned, and an atomic.
        unsafe { place.cast::<AtomicU32>().as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_sides() -> (Link, Link) {
        let (first, fd) = Link::create(Side::First).unwrap();
        let second = Link::open(&fd, Side::Second).unwrap();
        (first, second)
    }

    #[test]
    fn the_first_frame_for_a_waiting_reader_is_written_at_once_and_later_ones_gather() {
        let (writer, reader) = two_sides();
        assert!(writer.must_flush());
        assert!(!writer.must_flush());
        assert!(reader.reader_waits(), "the writer still holds bytes back");
        writer.flushing();
        assert!(!reader.reader_waits());
        assert!(writer.must_flush());
    }

    #[test]
    fn a_reader_that_goes_to_sleep_sees_what_a_writer_held_back() {
        for _ in 0..20_000 {
            let (writer, reader) = two_sides();
            reader.reader_busy();
            let flushed = std::thread::scope(|scope| {
                let writes = scope.spawn(|| writer.must_flush());
                let rings = reader.reader_waits();
                (writes.join().unwrap(), rings)
            });
            assert!(flushed.0 || flushed.1, "neither side would move the frame");
        }
    }

    #[test]
    fn a_writer_that_trusts_in_other_work_of_its_reader_is_asked_when_that_is_done() {
        for _ in 0..20_000 {
            let (writer, reader) = two_sides();
            reader.reader_busy();
            let work_done = &reader.counter(Side::Second, 0).unwrap().taken;
            let (holds_back, asks) = std::thread::scope(|scope| {
                let writes = scope.spawn(|| {
                    writer.hold_back();
                    writer.counter(Side::Second, 0).unwrap().taken.load(SeqCst) == 0
                });
                work_done.store(1, SeqCst);
                let asks = reader.peer_holds_back();
                (writes.join().unwrap(), asks)
            });
            assert!(!holds_back || asks, "neither side would move the frame");
        }
    }

    #[test]
    fn each_side_says_for_itself_that_it_has_begun() {
        let (first, second) = two_sides();
        second.begin();
        assert!(first.peer_has_begun() && !second.peer_has_begun());
        second.refused_memory();
        assert!(first.peer_was_refused_memory() && !second.peer_was_refused_memory());
        assert!(first.must_flush(), "the flags have words of their own");
    }

    #[test]
    fn each_side_says_who_it_is_and_a_long_name_is_cut_between_letters() {
        let (first, second) = two_sides();
        assert_eq!(second.peer_is(), None);
        first.call_ourselves(7, "root");
        second.call_ourselves(8, &"ö".repeat(200));
        assert_eq!(second.peer_is(), Some((7, "root".to_owned())));
        assert_eq!(first.peer_is(), Some((8, "ö".repeat(126))));
        second.call_ourselves(8, &format!("x{}", "ö".repeat(200)));
        assert_eq!(first.peer_is(), Some((8, format!("x{}", "ö".repeat(125)))));
        assert!(!first.peer_has_begun() && !first.peer_was_refused_memory());
        assert!(first.counter(Side::First, 0).is_some_and(|counter| counter.taken.load(SeqCst) == 0));
    }

    #[test]
    fn counters_of_both_sides_are_distinct_and_bounded() {
        let (first, second) = two_sides();
        first.counter(Side::First, 3).unwrap().taken.store(7, SeqCst);
        assert_eq!(second.counter(Side::First, 3).unwrap().taken.load(SeqCst), 7);
        assert_eq!(second.counter(Side::Second, 3).unwrap().taken.load(SeqCst), 0);
        let last = u32::try_from(COUNTERS_PER_SIDE).unwrap();
        assert!(first.counter(Side::Second, last - 1).is_some());
        assert!(first.counter(Side::First, last).is_none());
    }
}

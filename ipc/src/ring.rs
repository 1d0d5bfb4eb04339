//! Two rings of bytes in shared memory, one each way, and the words by which their ends find each other.
//!
//! A ring has one writer and one reader at a time, each under a lock of its own process; ends move between processes only as
//! whole messages, which order what one holder did before what the next one does. Nothing is seen of what is written
//! before it is published, so a writer that is killed leaves whole messages or nothing. All numbers are checked where they
//! are used: whatever the other side writes there, it can only make its own messages wrong.
//!
//! # Who wakes whom
//!
//! A side that finds nothing says so in a word (`..._waits`), looks again, and only then sleeps. The other side publishes,
//! then looks at that word. If the look finds nothing said, the second look of the first side finds what was published:
//! `lane.rs` has the words and `fence.rs` the argument.

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

pub use crate::lane::RING_BYTES;
use crate::lane::{Lane, free};
use crate::link::Side;
use crate::region::Region;

/// Where the first ring begins; before it are the words of both.
const RINGS_AT: usize = 4096;
/// What a short message begins with.
const WORD_BYTES: usize = 8;
const REGION_BYTES: usize = RINGS_AT + 2 * RING_BYTES;

/// Behind the words of both: the process that holds each end.
const WHO_AT: usize = 2 * size_of::<Lane>();

const _: () = assert!(WHO_AT + 2 * size_of::<AtomicU32>() <= RINGS_AT);

/// One end of the two rings.
#[derive(Debug)]
pub struct Rings {
    region: Region,
    side: Side,
    /// What the reader was last seen to have read, by our writer: its word is looked at only when there seems to be no room,
    /// so that the two sides do not pass a cache line to and fro with each message.
    seen_head: AtomicU64,
    /// The same for what there is to be read, by our reader.
    seen_tail: AtomicU64,
}

/// What a message needs before it can leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Bytes of the ring.
    pub bytes: usize,
    /// Descriptors.
    pub rights: usize,
    /// Bytes beside the ring.
    pub beside: u64,
}

impl Need {
    /// Whether it is bytes of the ring alone, as nearly always.
    #[inline]
    fn is_plain(self) -> bool {
        self.rights == 0 && self.beside == 0
    }
}

/// How many descriptors may be on their way in one direction.
pub const MAX_RIGHTS: usize = 64;
/// How many bytes may be on their way beside the ring in one direction; a single message may be larger.
pub const MAX_BESIDE: u64 = 64 * 1024 * 1024;

impl Rings {
    /// Creates the rings and the descriptor by which the other side maps them.
    ///
    /// # Errors
    ///
    /// As [`Region::create`].
    pub fn create(side: Side) -> io::Result<(Self, OwnedFd)> {
        let (region, fd) = Region::create(REGION_BYTES)?;
        Ok((Self::over(region, side), fd))
    }

    /// Maps rings that came from elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Region::open`].
    pub fn open(fd: &OwnedFd, side: Side) -> io::Result<Self> {
        Ok(Self::over(Region::open(fd, REGION_BYTES)?, side))
    }

    fn over(region: Region, side: Side) -> Self {
        let rings = Self { region, side, seen_head: AtomicU64::new(0), seen_tail: AtomicU64::new(0) };
        rings.seen_head.store(rings.out().seen_head(), Relaxed);
        rings.seen_tail.store(rings.inn().head(), Relaxed);
        rings
    }

    /// Which end this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Says that this process holds our end.
    pub fn is_held_by(&self, pid: u32) {
        self.who(self.side).store(pid, Relaxed);
    }

    /// The process that was the last to use the other end; none if nobody has. It may have ended, or sent the end away.
    pub fn other_holder(&self) -> Option<u32> {
        Some(self.who(self.side.other()).load(Relaxed)).filter(|pid| *pid != 0)
    }

    fn who(&self, side: Side) -> &AtomicU32 {
        let at = WHO_AT + if side == Side::First { 0 } else { size_of::<AtomicU32>() };
        // SAFETY: both words lie before the rings, within the region.
        let word = unsafe { self.region.base().byte_add(at) }.cast::<AtomicU32>();
        // SAFETY: as for a lane.
        unsafe { word.as_ref() }
    }

    #[inline]
    fn lane(&self, writer: Side) -> &Lane {
        let at = if writer == Side::First { 0 } else { size_of::<Lane>() };
        // SAFETY: the region is longer than two lanes.
        let lane = unsafe { self.region.base().byte_add(at) }.cast::<Lane>();
        // SAFETY: the region is page aligned and was zeroed when it was made; a lane is atomics alone, for which every bit
        // pattern is a value, and lives as long as the region, which `self` owns.
        unsafe { lane.as_ref() }
    }

    #[inline]
    fn out(&self) -> &Lane {
        self.lane(self.side)
    }

    #[inline]
    fn inn(&self) -> &Lane {
        self.lane(self.side.other())
    }

    /// The place of byte `position` of the ring that `writer` writes.
    #[inline]
    fn place(&self, writer: Side, position: u64) -> (NonNull<u8>, usize) {
        let offset = position as usize & (RING_BYTES - 1);
        let ring = if writer == Side::First { RINGS_AT } else { RINGS_AT + RING_BYTES };
        // SAFETY: both rings lie within the region, and `offset` within a ring.
        (unsafe { self.region.base().byte_add(ring + offset) }, RING_BYTES - offset)
    }

    // ---- writing -------------------------------------------------------------------------------

    /// Whether there are so many free bytes.
    #[inline]
    fn has_free(&self, bytes: usize) -> bool {
        let lane = self.out();
        let tail = lane.tail();
        free(tail, self.seen_head.load(Relaxed)) >= bytes || {
            let head = lane.seen_head();
            self.seen_head.store(head, Relaxed);
            free(tail, head) >= bytes
        }
    }

    /// Whether a message can leave now.
    #[inline]
    pub fn has_room(&self, need: Need) -> bool {
        self.has_free(need.bytes) && (need.is_plain() || self.has_room_beside(need))
    }

    fn has_room_beside(&self, need: Need) -> bool {
        let (rights, beside) = self.out().under_way();
        (need.rights == 0 || rights.saturating_add(need.rights) <= MAX_RIGHTS)
            && (need.beside == 0 || beside == 0 || beside.saturating_add(need.beside) <= MAX_BESIDE)
    }

    /// Says that this side waits for room, to be looked for once more after this.
    pub fn await_room(&self, need: Need) {
        self.out().await_room(need.bytes.max(1) as u32);
    }

    /// Publishes `parts` as one, which must have [room](Self::has_room); whether the reader waits and is to be woken.
    #[inline]
    pub fn publish(&self, parts: [&[u8]; 2], need: Need) -> bool {
        let lane = self.out();
        let mut at = lane.tail();
        for part in parts {
            self.write(at, part);
            at = at.wrapping_add(part.len() as u64);
        }
        if !need.is_plain() {
            lane.more_under_way(need.rights, need.beside);
        }
        lane.publish(at)
    }

    /// Publishes a message of bytes of the ring alone, if there is room; whether the reader waits and is to be woken.
    #[inline]
    pub fn publish_short(&self, word: [u8; WORD_BYTES], content: &[u8]) -> Option<bool> {
        let bytes = WORD_BYTES + content.len();
        if bytes > RING_BYTES || !self.has_free(bytes) {
            return None;
        }
        let lane = self.out();
        let tail = lane.tail();
        let (to, until_end) = self.place(self.side, tail);
        if bytes <= until_end {
            // SAFETY: all of it fits between `to` and the ring's end; else as in `write`.
            unsafe { to.cast().write_unaligned(word) };
            // SAFETY: as before.
            let to = unsafe { to.byte_add(WORD_BYTES) };
            // SAFETY: as before.
            unsafe { to.as_ptr().copy_from_nonoverlapping(content.as_ptr(), content.len()) };
        } else {
            self.write(tail, &word);
            self.write(tail.wrapping_add(WORD_BYTES as u64), content);
        }
        Some(lane.publish(tail.wrapping_add(bytes as u64)))
    }

    fn write(&self, position: u64, bytes: &[u8]) {
        assert!(bytes.len() <= RING_BYTES, "the caller has asked for room");
        let (to, until_end) = self.place(self.side, position);
        let (first, rest) = bytes.split_at(bytes.len().min(until_end));
        for (to, part) in [(to, first), (self.place(self.side, 0).0, rest)] {
            // SAFETY: `first` fits between `to` and the ring's end, `rest` from its start on, as it is no longer than a ring;
            // the mapping is writable, and no reference to these bytes exists in any process: both sides go by copies alone.
            unsafe { to.as_ptr().copy_from_nonoverlapping(part.as_ptr(), part.len()) };
        }
    }

    // ---- reading -------------------------------------------------------------------------------

    /// How many bytes are there to be read: none only if there is none, else whole publications, perhaps not the latest.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the other side claims more than a ring holds.
    #[inline]
    pub fn available(&self) -> io::Result<usize> {
        let lane = self.inn();
        let head = lane.head();
        let mut tail = self.seen_tail.load(Relaxed);
        if tail == head {
            tail = lane.seen_tail();
            self.seen_tail.store(tail, Relaxed);
        }
        let there = tail.wrapping_sub(head);
        match usize::try_from(there) {
            Ok(there) if there <= RING_BYTES => Ok(there),
            _ => Err(too_much()),
        }
    }

    /// Copies what begins `skip` bytes after the head into `into`, without taking it. It must be [there](Self::available).
    pub fn peek(&self, skip: usize, into: &mut [u8]) {
        assert!(skip + into.len() <= RING_BYTES, "the caller has asked what is there");
        let position = self.inn().head().wrapping_add(skip as u64);
        let (from, until_end) = self.place(self.side.other(), position);
        let cut = into.len().min(until_end);
        let (first, rest) = into.split_at_mut(cut);
        for (from, part) in [(from, first), (self.place(self.side.other(), 0).0, rest)] {
            // SAFETY: as in `write`; `part` is memory of this process alone, so nothing overlaps.
            unsafe { from.as_ptr().copy_to_nonoverlapping(part.as_mut_ptr(), part.len()) };
        }
    }

    /// The first bytes that are there to be read, if there are so many.
    #[inline]
    pub fn first_word(&self) -> Option<[u8; WORD_BYTES]> {
        if !self.available().is_ok_and(|there| there >= WORD_BYTES) {
            return None;
        }
        let (from, until_end) = self.place(self.side.other(), self.inn().head());
        if until_end >= WORD_BYTES {
            // SAFETY: so many bytes lie between `from` and the ring's end; else as in `peek`.
            return Some(unsafe { from.cast().read_unaligned() });
        }
        let mut word = [0; WORD_BYTES];
        self.peek(0, &mut word);
        Some(word)
    }

    /// Takes the first word and the `len` bytes behind it off, those into `into` in the place of what it held; none if there are
    /// not so many. Whether the writer waits for room that is there now, and is to be woken.
    #[inline]
    pub fn take_short(&self, len: usize, into: &mut Vec<u8>) -> Option<bool> {
        let bytes = len.checked_add(WORD_BYTES)?;
        if !self.available().is_ok_and(|there| there >= bytes) {
            return None;
        }
        let lane = self.inn();
        let head = lane.head();
        let (from, until_end) = self.place(self.side.other(), head);
        into.clear();
        if bytes <= until_end {
            into.reserve(len);
            // SAFETY: `bytes` of them lie between `from` and the ring's end.
            let from = unsafe { from.byte_add(WORD_BYTES) };
            // SAFETY: as before, and `into` has room for `len` bytes, which are memory of this process alone.
            unsafe { from.as_ptr().copy_to_nonoverlapping(into.as_mut_ptr(), len) };
            // SAFETY: there is room for so many, and they were just written.
            unsafe { into.set_len(len) };
        } else {
            into.resize(len, 0);
            self.peek(WORD_BYTES, into);
        }
        Some(lane.consume(head.wrapping_add(bytes as u64)))
    }

    /// Takes what `need` says off; whether the writer waits for room that is there now, and is to be woken.
    #[inline]
    pub fn consume(&self, need: Need) -> bool {
        let lane = self.inn();
        if !need.is_plain() {
            lane.less_under_way(need.rights, need.beside);
        }
        lane.consume(lane.head().wrapping_add(need.bytes as u64))
    }

    /// Says that this side waits for bytes, to be looked for once more after this.
    pub fn await_bytes(&self) {
        self.inn().await_bytes();
    }

    // ---- the end -------------------------------------------------------------------------------

    /// Says that this side neither reads nor writes any more.
    pub fn close(&self) {
        self.out().close_writer();
        self.inn().close_reader();
    }

    /// Whether the other side has said that it writes no more.
    #[inline]
    pub fn writer_has_closed(&self) -> bool {
        self.inn().writer_has_closed()
    }

    /// Whether the other side has said that it reads no more.
    #[inline]
    pub fn reader_has_closed(&self) -> bool {
        self.out().reader_has_closed()
    }
}

#[cold]
fn too_much() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a ring that holds more than it can")
}

#[cfg(any(all(test, not(loom)), fuzzing))]
mod fuzzing;
#[cfg(any(all(test, not(loom)), fuzzing))]
pub(crate) use self::fuzzing::run as fuzz;

#[cfg(test)]
mod tests;

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
//! then looks at that word. Both sequentially consistent: if the look finds nothing said, the second look of the first
//! side finds what was published.

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use crate::link::Side;
use crate::region::Region;

/// How many bytes may be on their way in one direction.
pub const RING_BYTES: usize = 256 * 1024;
/// Where the first ring begins; before it are the words of both.
const RINGS_AT: usize = 4096;
const REGION_BYTES: usize = RINGS_AT + 2 * RING_BYTES;

/// A word with a cache line of its own: each is written by one side and read by the other.
#[repr(C, align(64))]
#[derive(Debug)]
struct Apart<T>(T);

/// The words of one direction.
#[repr(C)]
#[derive(Debug)]
struct Lane {
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

const _: () = assert!(2 * size_of::<Lane>() <= RINGS_AT);
const _: () = assert!(RING_BYTES.is_power_of_two());

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
        rings.seen_head.store(rings.out().head.0.load(SeqCst), Relaxed);
        rings.seen_tail.store(rings.inn().head.0.load(SeqCst), Relaxed);
        rings
    }

    /// Which end this is.
    pub fn side(&self) -> Side {
        self.side
    }

    fn lane(&self, writer: Side) -> &Lane {
        let at = if writer == Side::First { 0 } else { size_of::<Lane>() };
        // SAFETY: the region is longer than two lanes.
        let lane = unsafe { self.region.base().byte_add(at) }.cast::<Lane>();
        // SAFETY: the region is page aligned and was zeroed when it was made; a lane is atomics alone, for which every bit
        // pattern is a value, and lives as long as the region, which `self` owns.
        unsafe { lane.as_ref() }
    }

    fn out(&self) -> &Lane {
        self.lane(self.side)
    }

    fn inn(&self) -> &Lane {
        self.lane(self.side.other())
    }

    /// The place of byte `position` of the ring that `writer` writes.
    fn place(&self, writer: Side, position: u64) -> (NonNull<u8>, usize) {
        let offset = position as usize & (RING_BYTES - 1);
        let ring = if writer == Side::First { RINGS_AT } else { RINGS_AT + RING_BYTES };
        // SAFETY: both rings lie within the region, and `offset` within a ring.
        (unsafe { self.region.base().byte_add(ring + offset) }, RING_BYTES - offset)
    }

    // ---- writing -------------------------------------------------------------------------------

    /// Whether there are so many free bytes.
    fn has_free(&self, bytes: usize) -> bool {
        let lane = self.out();
        let tail = lane.tail.0.load(Relaxed);
        free(tail, self.seen_head.load(Relaxed)) >= bytes || {
            let head = lane.head.0.load(SeqCst);
            self.seen_head.store(head, Relaxed);
            free(tail, head) >= bytes
        }
    }

    /// Whether a message can leave now.
    pub fn has_room(&self, need: Need) -> bool {
        let lane = self.out();
        let rights = || lane.rights.0.load(SeqCst) as usize;
        let beside = || lane.beside.0.load(SeqCst);
        self.has_free(need.bytes)
            && (need.rights == 0 || rights().saturating_add(need.rights) <= MAX_RIGHTS)
            && (need.beside == 0 || beside() == 0 || beside().saturating_add(need.beside) <= MAX_BESIDE)
    }

    /// Says that this side waits for room, to be looked for once more after this.
    pub fn await_room(&self, need: Need) {
        // Of several threads that wait the one that needs least is told first, and tells the others.
        let need = need.bytes.max(1) as u32;
        let least = |said| Some(if said == 0 { need } else { need.min(said) });
        let _ = self.out().writer_waits.0.fetch_update(SeqCst, SeqCst, least);
    }

    /// Publishes `parts` as one, which must have [room](Self::has_room); whether the reader waits and is to be woken.
    pub fn publish(&self, parts: [&[u8]; 2], need: Need) -> bool {
        let lane = self.out();
        let tail = lane.tail.0.load(Relaxed);
        let mut at = tail;
        for part in parts {
            self.write(at, part);
            at = at.wrapping_add(part.len() as u64);
        }
        if need.rights > 0 {
            lane.rights.0.fetch_add(need.rights as u32, SeqCst);
        }
        if need.beside > 0 {
            lane.beside.0.fetch_add(need.beside, SeqCst);
        }
        lane.tail.0.store(at, SeqCst);
        lane.reader_waits.0.load(SeqCst) != 0 && lane.reader_waits.0.swap(0, SeqCst) != 0
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
    pub fn available(&self) -> io::Result<usize> {
        let lane = self.inn();
        let head = lane.head.0.load(Relaxed);
        let mut tail = self.seen_tail.load(Relaxed);
        if tail == head {
            tail = lane.tail.0.load(SeqCst);
            self.seen_tail.store(tail, Relaxed);
        }
        let there = tail.wrapping_sub(head);
        match usize::try_from(there) {
            Ok(there) if there <= RING_BYTES => Ok(there),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a ring that holds more than it can")),
        }
    }

    /// Copies what begins `skip` bytes after the head into `into`, without taking it. It must be [there](Self::available).
    pub fn peek(&self, skip: usize, into: &mut [u8]) {
        assert!(skip + into.len() <= RING_BYTES, "the caller has asked what is there");
        let position = self.inn().head.0.load(Relaxed).wrapping_add(skip as u64);
        let (from, until_end) = self.place(self.side.other(), position);
        let cut = into.len().min(until_end);
        let (first, rest) = into.split_at_mut(cut);
        for (from, part) in [(from, first), (self.place(self.side.other(), 0).0, rest)] {
            // SAFETY: as in `write`; `part` is memory of this process alone, so nothing overlaps.
            unsafe { from.as_ptr().copy_to_nonoverlapping(part.as_mut_ptr(), part.len()) };
        }
    }

    /// Takes what `need` says off; whether the writer waits for room that is there now, and is to be woken.
    pub fn consume(&self, need: Need) -> bool {
        let lane = self.inn();
        let less = |now: u64, by: u64| now.saturating_sub(by);
        if need.rights > 0 {
            let by = need.rights as u32;
            let _ = lane.rights.0.fetch_update(SeqCst, SeqCst, |now| Some(now.saturating_sub(by)));
        }
        if need.beside > 0 {
            let _ = lane.beside.0.fetch_update(SeqCst, SeqCst, |now| Some(less(now, need.beside)));
        }
        let head = lane.head.0.load(Relaxed).wrapping_add(need.bytes as u64);
        lane.head.0.store(head, SeqCst);
        let wanted = lane.writer_waits.0.load(SeqCst) as usize;
        wanted != 0
            && free(lane.tail.0.load(SeqCst), head) >= wanted.min(RING_BYTES)
            && lane.writer_waits.0.swap(0, SeqCst) != 0
    }

    /// Says that this side waits for bytes, to be looked for once more after this.
    pub fn await_bytes(&self) {
        self.inn().reader_waits.0.store(1, SeqCst);
    }

    // ---- the end -------------------------------------------------------------------------------

    /// Says that this side neither reads nor writes any more.
    pub fn close(&self) {
        self.out().writer_has_closed.0.store(1, SeqCst);
        self.inn().reader_has_closed.0.store(1, SeqCst);
    }

    /// Whether the other side has said that it writes no more.
    pub fn writer_has_closed(&self) -> bool {
        self.inn().writer_has_closed.0.load(SeqCst) != 0
    }

    /// Whether the other side has said that it reads no more.
    pub fn reader_has_closed(&self) -> bool {
        self.out().reader_has_closed.0.load(SeqCst) != 0
    }
}

/// How many bytes can be written. A reader that claims to have read more than there was gets no more room by it.
fn free(tail: u64, head: u64) -> usize {
    RING_BYTES.saturating_sub(usize::try_from(tail.wrapping_sub(head)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Rings, Rings) {
        let (first, fd) = Rings::create(Side::First).unwrap();
        let second = Rings::open(&fd, Side::Second).unwrap();
        (first, second)
    }

    fn bytes(n: usize) -> Need {
        Need { bytes: n, rights: 0, beside: 0 }
    }

    #[test]
    fn bytes_come_out_as_they_went_in_however_the_ring_wraps() {
        let (ours, theirs) = pair();
        let mut sent: u8 = 0;
        let mut expected: u8 = 0;
        for size in [1, 7, 4096, 100_000, RING_BYTES, 33, 200_000, 65_537, 9] {
            let message: Vec<u8> = (0..size)
                .map(|_| {
                    sent = sent.wrapping_add(1);
                    sent
                })
                .collect();
            assert!(ours.has_room(bytes(size)));
            let (a, b) = message.split_at(size / 3);
            assert!(!ours.publish([a, b], bytes(size)), "nobody waits");
            assert_eq!(theirs.available().unwrap(), size);
            let mut got = vec![0; size];
            theirs.peek(0, &mut got);
            assert!(!theirs.consume(bytes(size)), "nobody waits");
            for byte in got {
                expected = expected.wrapping_add(1);
                assert_eq!(byte, expected);
            }
        }
    }

    #[test]
    fn who_waits_is_woken_once_there_is_enough() {
        let (ours, theirs) = pair();
        theirs.await_bytes();
        assert!(ours.publish([&[1; 10], &[]], bytes(10)));
        assert!(!ours.publish([&vec![1; RING_BYTES - 10], &[]], bytes(RING_BYTES - 10)));
        assert!(!ours.has_room(bytes(1)));
        ours.await_room(bytes(100));
        assert!(!theirs.consume(bytes(99)));
        assert!(theirs.consume(bytes(1)) && ours.has_room(bytes(100)) && !ours.has_room(bytes(101)));
    }

    #[test]
    fn descriptors_and_bytes_beside_the_ring_have_limits_of_their_own() {
        let (ours, theirs) = pair();
        let rights = |rights| Need { bytes: 8, rights, beside: 0 };
        assert!(ours.has_room(rights(MAX_RIGHTS)) && !ours.has_room(rights(MAX_RIGHTS + 1)));
        ours.publish([&[0; 8], &[]], rights(MAX_RIGHTS));
        assert!(!ours.has_room(rights(1)) && ours.has_room(rights(0)));
        theirs.consume(rights(2));
        assert!(ours.has_room(rights(2)));
        // One large message may always go alone.
        let beside = |beside| Need { bytes: 8, rights: 0, beside };
        assert!(ours.has_room(beside(4 * MAX_BESIDE)));
        ours.publish([&[0; 8], &[]], beside(MAX_BESIDE));
        assert!(!ours.has_room(beside(1)));
    }

    #[test]
    fn a_ring_that_claims_too_much_is_an_error() {
        let (ours, theirs) = pair();
        ours.out().tail.0.store(RING_BYTES as u64 + 1, SeqCst);
        assert!(theirs.available().is_err());
        ours.out().head.0.store(u64::MAX / 2, SeqCst);
        ours.seen_head.store(u64::MAX / 2, Relaxed);
        assert!(!ours.has_room(bytes(1)));
    }
}

//! The last things that a process has written down, in memory that outlives it.
//!
//! One thread of one process appends numbered records; whoever has mapped the same memory reads them when that process has
//! ended, whoever killed it at whatever instruction. Older records give way to newer ones. Nobody waits for anybody.
//!
//! `tail` and `head` count all bytes ever. Before a record is overwritten `tail` has passed it, and `head` passes a new one when it is
//! whole: so between the two there are whole records only.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use crate::region::Region;

/// How much a trail holds, the heads of its records included.
pub const TRAIL_BYTES: usize = 256 * 1024;
/// Where the records begin, behind the two words.
const RECORDS_AT: usize = 128;
const HEAD_BYTES: usize = 12;

/// A trail of records, as its writer or its reader has it.
#[derive(Debug)]
pub struct Trail {
    region: Region,
    /// The writer's own count, since a peer could write to the shared one.
    head: u64,
    tail: u64,
}

impl Trail {
    /// An empty trail to write to, and the descriptor by which another process reads it.
    ///
    /// # Errors
    ///
    /// As [`Region::create`].
    pub fn create() -> io::Result<(Self, OwnedFd)> {
        let (region, fd) = Region::create(RECORDS_AT + TRAIL_BYTES)?;
        Ok((Self { region, head: 0, tail: 0 }, fd))
    }

    /// Another process's trail, to be read.
    ///
    /// # Errors
    ///
    /// As [`Region::open`].
    pub fn open(fd: &OwnedFd) -> io::Result<Self> {
        Ok(Self { region: Region::open(fd, RECORDS_AT + TRAIL_BYTES)?, head: 0, tail: 0 })
    }

    /// Writes a record down; false if it is larger than a quarter of the trail, and then nothing is written.
    pub fn append(&mut self, number: u64, bytes: &[u8]) -> bool {
        let need = HEAD_BYTES + bytes.len();
        if need > TRAIL_BYTES / 4 {
            return false;
        }
        while self.head + need as u64 - self.tail > TRAIL_BYTES as u64 {
            let mut length = [0; 4];
            self.copy_out(self.tail + 8, &mut length);
            self.tail +=
                (HEAD_BYTES as u64 + u64::from(u32::from_le_bytes(length))).min(self.head - self.tail);
            self.word(0).store(self.tail, Ordering::Release);
        }
        // The bytes below are overwritten after that, in the order of the instructions: a process that is killed between two has done the
        // first, and the kernel lets nobody read before its end.
        compiler_fence(Ordering::SeqCst);
        let mut head = [0; HEAD_BYTES];
        head[..8].copy_from_slice(&number.to_le_bytes());
        head[8..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.copy_in(self.head, &head);
        self.copy_in(self.head + HEAD_BYTES as u64, bytes);
        self.head += need as u64;
        // Ordering: after the bytes.
        self.word(8).store(self.head, Ordering::Release);
        true
    }

    /// The records that are there, the oldest first. To be asked when their writer has ended; whatever it has left there is only ever
    /// wrong records, or none.
    pub fn read(&self) -> Vec<(u64, Vec<u8>)> {
        let (mut at, end) = (self.word(0).load(Ordering::Acquire), self.word(8).load(Ordering::Acquire));
        let mut records = Vec::new();
        if end.checked_sub(at).is_none_or(|bytes| bytes > TRAIL_BYTES as u64) {
            return records;
        }
        while end - at >= HEAD_BYTES as u64 {
            let mut head = [0; HEAD_BYTES];
            self.copy_out(at, &mut head);
            let (number, length) = head.split_at(8);
            let number = u64::from_le_bytes(number.try_into().expect("eight bytes"));
            let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
            at += HEAD_BYTES as u64;
            if u64::from(length) > end - at {
                break;
            }
            let mut bytes = vec![0; length as usize];
            self.copy_out(at, &mut bytes);
            at += u64::from(length);
            records.push((number, bytes));
        }
        records
    }

    /// Copies `bytes` to where the count `at` stands, around the end. They are no more than the trail holds.
    fn copy_in(&self, at: u64, bytes: &[u8]) {
        let at = (at % TRAIL_BYTES as u64) as usize;
        let (first, rest) = bytes.split_at(bytes.len().min(TRAIL_BYTES - at));
        for (at, part) in [(at, first), (0, rest)] {
            // SAFETY: `at + part.len() <= TRAIL_BYTES`, so the place is within the region, which `self` keeps mapped.
            let place = unsafe { self.region.base().add(RECORDS_AT + at) };
            // SAFETY: `part.len()` bytes from there are in the region, see above; no reference to them exists anywhere, and `part` is
            // memory of this process alone.
            unsafe { place.as_ptr().copy_from_nonoverlapping(part.as_ptr(), part.len()) };
        }
    }

    /// Copies from there.
    fn copy_out(&self, at: u64, bytes: &mut [u8]) {
        let at = (at % TRAIL_BYTES as u64) as usize;
        let length = bytes.len().min(TRAIL_BYTES - at);
        let (first, rest) = bytes.split_at_mut(length);
        for (at, part) in [(at, first), (0, rest)] {
            // SAFETY: as in `copy_in`.
            let place = unsafe { self.region.base().add(RECORDS_AT + at) };
            // SAFETY: as in `copy_in`. Its writer has ended, or is this very thread.
            unsafe { place.as_ptr().copy_to_nonoverlapping(part.as_mut_ptr(), part.len()) };
        }
    }

    /// One of the two words, `tail` at 0 and `head` at 8.
    fn word(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at + 8 <= RECORDS_AT, "a word lies before the records");
        // SAFETY: `at` is below `RECORDS_AT`, which is below the region's length.
        let place = unsafe { self.region.base().add(at) };
        // SAFETY: inside the mapping that `self` keeps, aligned to eight bytes, and an atomic.
        unsafe { place.cast::<AtomicU64>().as_ref() }
    }
}

/// Reads what a process may have left, whole or half written: records of any bytes between any words.
#[cfg(any(all(test, not(loom)), fuzzing))]
pub(crate) fn fuzz(input: &[u8]) {
    let mut draw = crate::fuzzing::Draw::new(input);
    let (mut trail, fd) = Trail::create().expect("memory is left");
    let reader = Trail::open(&fd).expect("memory is left");
    while !draw.is_over() {
        match draw.below(6) {
            0 | 1 => {
                trail.append(draw.number(), draw.some_bytes(200));
            }
            2 => {
                let long = vec![draw.byte(); draw.number() as usize % (TRAIL_BYTES / 3)];
                trail.append(draw.number(), &long);
            }
            3 => trail.word(draw.below(2) * 8).store(draw.number(), Ordering::Release),
            4 => trail.copy_in(draw.number(), draw.some_bytes(20)),
            _ => {
                let bytes: usize = reader.read().iter().map(|(_, bytes)| bytes.len() + HEAD_BYTES).sum();
                assert!(bytes <= TRAIL_BYTES, "{bytes} bytes were read");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_records_are_there_whole_and_in_order() {
        let (mut trail, fd) = Trail::create().unwrap();
        let reader = Trail::open(&fd).unwrap();
        assert!(reader.read().is_empty());
        let record = |number: u64| vec![number as u8; (number * 37 % 4001) as usize];
        for number in 0..3_000 {
            assert!(trail.append(number, &record(number)));
            if number % 97 != 0 {
                continue;
            }
            let records = reader.read();
            let first = number + 1 - records.len() as u64;
            for (at, (found, bytes)) in records.iter().enumerate() {
                assert_eq!((*found, bytes), (first + at as u64, &record(first + at as u64)));
            }
            let bytes: usize = records.iter().map(|(_, bytes)| bytes.len() + HEAD_BYTES).sum();
            assert!(first == 0 || bytes > TRAIL_BYTES * 9 / 10, "{bytes} bytes are kept");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_and_harms_nothing() {
        let (mut trail, fd) = Trail::create().unwrap();
        assert!(trail.append(1, b"one"));
        assert!(!trail.append(2, &vec![0; TRAIL_BYTES]));
        assert_eq!(Trail::open(&fd).unwrap().read(), [(1, b"one".to_vec())]);
    }

    #[test]
    fn nonsense_in_the_words_is_survived() {
        let (trail, _fd) = Trail::create().unwrap();
        for (tail, head) in [(5, 0), (0, u64::MAX), (u64::MAX - 7, u64::MAX), (0, 13), (3, 100)] {
            trail.word(0).store(tail, Ordering::SeqCst);
            trail.word(8).store(head, Ordering::SeqCst);
            trail.copy_in(8, &u32::MAX.to_le_bytes());
            assert!(trail.read().len() < TRAIL_BYTES);
        }
    }
}

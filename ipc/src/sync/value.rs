//! A plain value in shared memory behind a lock of its own, of which nobody ever sees half a change.
//!
//! What fits into eight bytes is one word. Anything larger stands twice, beside a word that counts changes: its parity says which of the two
//! counts. Whoever holds the lock writes the other one, and then the count. So one who is killed in the middle has changed nothing; and
//! one who reads without the lock has a whole value if the count was the same before and after, since nobody writes to what counts.

use std::sync::atomic::{Ordering::SeqCst, fence};

use super::block::{BLOCK_ALIGNMENT, Block};
use super::lock::{LockWord, RobustLock};

const WORD: usize = size_of::<u64>();
/// Where the value begins, or the count of changes.
const VALUE_AT: usize = RobustLock::BYTES;
/// Where the first of two copies begins.
const COPIES_AT: usize = VALUE_AT + BLOCK_ALIGNMENT;

/// A value of so many bytes, and its lock.
#[derive(Clone, Debug)]
pub struct RobustValue {
    block: Block,
    len: usize,
}

impl RobustValue {
    /// How much room a value of `len` bytes needs, in bytes; none if that can't be counted.
    pub fn bytes(len: usize) -> Option<usize> {
        if len <= WORD {
            return Some(COPIES_AT);
        }
        len.checked_next_multiple_of(WORD)?.checked_mul(2)?.checked_add(COPIES_AT)
    }

    /// The value of `len` bytes that lies in `block`; none if that is too short.
    pub fn new(block: Block, len: usize) -> Option<Self> {
        Self::bytes(len).is_some_and(|need| need <= block.len()).then_some(Self { block, len })
    }

    /// Its lock.
    #[inline]
    pub fn lock(&self) -> &LockWord {
        self.block.get(0)
    }

    /// Whether it is one word, which can be changed without the lock.
    #[inline]
    pub fn is_word(&self) -> bool {
        self.len <= WORD
    }

    /// Copies the value, whole; false if it was changed meanwhile, and then `to` holds nothing in particular.
    ///
    /// # Panics
    ///
    /// If `to` has another length.
    #[inline]
    pub fn read(&self, to: &mut [u8]) -> bool {
        assert_eq!(to.len(), self.len, "bytes of a value");
        if self.is_word() {
            to.copy_from_slice(&self.word().to_ne_bytes()[..self.len]);
            return true;
        }
        let before = self.word();
        self.block.region().read(self.block.at() + self.copy_at(before), to);
        // Ordering: what was read was read before this. If a later change wrote to it, the count was changed before that.
        fence(SeqCst);
        self.word() == before
    }

    /// Makes it `from`, for whoever holds the lock.
    ///
    /// # Panics
    ///
    /// If `from` has another length.
    #[inline]
    pub fn write(&self, from: &[u8]) {
        assert_eq!(from.len(), self.len, "bytes of a value");
        if self.is_word() {
            let mut word = [0; WORD];
            word[..self.len].copy_from_slice(from);
            self.block.region().store_word(self.at(), u64::from_ne_bytes(word));
            return;
        }
        let next = self.word().wrapping_add(1);
        // Ordering: the count that made the other copy the one that counts is seen before this is written.
        fence(SeqCst);
        self.block.region().write(self.block.at() + self.copy_at(next), from);
        self.block.region().store_word(self.at(), next);
    }

    /// The word that it is.
    #[inline]
    pub fn word(&self) -> u64 {
        self.block.region().load_word(self.at())
    }

    /// Makes the word `after` if it is `before`; what it is, if not. For values that [are one](Self::is_word).
    #[inline]
    pub fn swap_word(&self, before: u64, after: u64) -> Result<(), u64> {
        debug_assert!(self.is_word(), "a count of changes is not to be changed so");
        self.block.region().swap_word(self.at(), before, after)
    }

    /// Adds to the word, around its end; what it was. For values of eight bytes.
    #[inline]
    pub fn add_to_word(&self, more: u64) -> u64 {
        debug_assert!(self.len == WORD, "a shorter one has bytes beside it");
        self.block.region().add_to_word(self.at(), more)
    }

    #[inline]
    fn at(&self) -> usize {
        self.block.at() + VALUE_AT
    }

    fn copy_at(&self, count: u64) -> usize {
        let len = self.len.next_multiple_of(WORD);
        COPIES_AT + if count.is_multiple_of(2) { 0 } else { len }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Cut, Holder};
    use super::*;
    use crate::region::Region;

    fn value(len: usize) -> RobustValue {
        let bytes = RobustValue::bytes(len).unwrap();
        let region = Arc::new(Region::create(bytes.next_multiple_of(64)).unwrap().0);
        RobustValue::new(Block::new(region, 0, bytes).unwrap(), len).unwrap()
    }

    #[test]
    fn values_of_any_length_are_read_as_they_were_written() {
        for len in 0..100 {
            let value = value(len);
            for round in 0..5 {
                let bytes: Vec<u8> = (0..len).map(|n| (n * 7 + round) as u8).collect();
                value.write(&bytes);
                let mut seen = vec![0; len];
                assert!(value.read(&mut seen));
                assert_eq!(seen, bytes);
            }
        }
        assert_eq!(RobustValue::bytes(usize::MAX), None);
        assert_eq!(RobustValue::bytes(usize::MAX / 2), None);
    }

    #[test]
    fn whoever_is_killed_while_it_writes_has_changed_nothing() {
        let value = value(100);
        value.write(&[1; 100]);
        let other = value.copy_at(value.word() + 1);
        value.block.region().write(other, &[2; 50]);
        let mut seen = [0; 100];
        assert!(value.read(&mut seen));
        assert_eq!(seen, [1; 100]);
    }

    #[test]
    fn nobody_reads_half_a_change_without_the_lock() {
        let value = value(200);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (1..=2_u32)
                .map(|number| {
                    let value = &value;
                    scope.spawn(move || {
                        let me = Holder { member: number, thread: 1 };
                        for round in 0..20_000_u32 {
                            value.lock().take(me, &Cut::default(), None).unwrap();
                            value.write(&[(round * 2 + number) as u8; 200]);
                            value.lock().give_back(me);
                        }
                    })
                })
                .collect();
            let mut whole = 0;
            while !writers.iter().all(|writer| writer.is_finished()) || whole == 0 {
                let mut seen = [0; 200];
                if value.read(&mut seen) {
                    whole += 1;
                    assert!(seen.iter().all(|byte| *byte == seen[0]));
                }
            }
        });
    }
}

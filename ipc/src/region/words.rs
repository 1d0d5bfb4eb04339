//! Bytes of shared memory, copied while others may change them.
//!
//! Everything here goes by words of eight bytes at multiples of eight, each one relaxed atomic: so no two accesses of this process that
//! meet are of different sizes, which would be undefined. The bytes beside a part of a word are kept by a compare-and-swap. What lies
//! within one such word is read and written in one piece; what lies across two can be read with half of a change.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Access, Region};

const WORD: usize = size_of::<u64>();

/// A word that is there in part: which one, and which of its bytes.
struct Part {
    word: usize,
    from: usize,
    to: usize,
}

/// How bytes lie in words: a part of one at the beginning, whole ones, a part at the end.
struct Lay {
    head: Option<Part>,
    first_whole: usize,
    tail: Option<Part>,
}

impl Lay {
    #[inline]
    fn of(at: usize, len: usize) -> Self {
        let (word, from) = (at / WORD, at % WORD);
        let head_len = if from == 0 { 0 } else { len.min(WORD - from) };
        let first_whole = if head_len == 0 { word } else { word + 1 };
        let tail_len = (len - head_len) % WORD;
        let tail_word = first_whole + (len - head_len) / WORD;
        let part = |word, from, len| (len > 0).then_some(Part { word, from, to: from + len });
        Self { head: part(word, from, head_len), first_whole, tail: part(tail_word, 0, tail_len) }
    }
}

impl Region {
    /// Copies the bytes at `at` into `to`.
    ///
    /// # Panics
    ///
    /// If they are not all within the region.
    #[inline]
    pub fn read(&self, at: usize, to: &mut [u8]) {
        self.must_hold(at, to.len());
        let Lay { head, first_whole, tail } = Lay::of(at, to.len());
        let mut rest = to;
        if let Some(part) = head {
            let (head, others) = rest.split_at_mut(part.to - part.from);
            head.copy_from_slice(&self.load(part.word)[part.from..part.to]);
            rest = others;
        }
        let mut whole = rest.chunks_exact_mut(WORD);
        for (number, bytes) in whole.by_ref().enumerate() {
            bytes.copy_from_slice(&self.load(first_whole + number));
        }
        if let Some(part) = tail {
            whole.into_remainder().copy_from_slice(&self.load(part.word)[part.from..part.to]);
        }
    }

    /// Copies `from` to `at`.
    ///
    /// # Panics
    ///
    /// If that is not all within the region, or it was mapped to be read.
    #[inline]
    pub fn write(&self, at: usize, from: &[u8]) {
        self.must_hold(at, from.len());
        assert!(self.access == Access::ReadWrite, "a region that was mapped to be read is written to");
        let Lay { head, first_whole, tail } = Lay::of(at, from.len());
        let mut rest = from;
        if let Some(part) = head {
            let (head, others) = rest.split_at(part.to - part.from);
            self.change(&part, head);
            rest = others;
        }
        let whole = rest.chunks_exact(WORD);
        let last = whole.remainder();
        for (number, bytes) in whole.enumerate() {
            let bytes = u64::from_ne_bytes(bytes.try_into().expect("chunks of eight"));
            self.word(first_whole + number).store(bytes, Ordering::Relaxed);
        }
        if let Some(part) = tail {
            self.change(&part, last);
        }
    }

    /// The word at `at`, in one order with all such reads and changes of words.
    ///
    /// # Panics
    ///
    /// If it is not wholly within the region, or `at` is no multiple of eight.
    #[inline]
    pub fn load_word(&self, at: usize) -> u64 {
        self.whole_word(at).load(Ordering::SeqCst)
    }

    /// Makes the word at `at` `after` if it is `before`; what it is, if not.
    ///
    /// # Panics
    ///
    /// As [`load_word`](Self::load_word), or if the region was mapped to be read.
    #[inline]
    pub fn swap_word(&self, at: usize, before: u64, after: u64) -> Result<(), u64> {
        let word = self.writable_word(at);
        word.compare_exchange(before, after, Ordering::SeqCst, Ordering::SeqCst).map(drop)
    }

    /// Adds to the word at `at`, around the end; what it was.
    ///
    /// # Panics
    ///
    /// As [`swap_word`](Self::swap_word).
    #[inline]
    pub fn add_to_word(&self, at: usize, more: u64) -> u64 {
        self.writable_word(at).fetch_add(more, Ordering::SeqCst)
    }

    /// Makes the word at `at` `value`.
    ///
    /// # Panics
    ///
    /// As [`swap_word`](Self::swap_word).
    #[inline]
    pub fn store_word(&self, at: usize, value: u64) {
        self.writable_word(at).store(value, Ordering::SeqCst);
    }

    /// Changes the `len` bytes at `at`, which lie within one word, in one step, in one order with all such steps: `change` has them as they are, and is called again if
    /// others came between. False, and nothing is changed, if it says so.
    ///
    /// # Panics
    ///
    /// If they are not all within the region and one word, or it was mapped to be read.
    #[inline]
    pub fn change_within_word(
        &self,
        at: usize,
        len: usize,
        mut change: impl FnMut(&mut [u8]) -> bool,
    ) -> bool {
        self.must_hold(at, len);
        let (number, from) = (at / WORD, at % WORD);
        assert!(from + len <= WORD, "{len} bytes at {at} lie within one word");
        assert!(self.access == Access::ReadWrite, "a region that was mapped to be read is written to");
        let word = self.word(number);
        let mut before = word.load(Ordering::SeqCst);
        loop {
            let mut after = before.to_ne_bytes();
            if !change(&mut after[from..from + len]) {
                return false;
            }
            let after = u64::from_ne_bytes(after);
            match word.compare_exchange(before, after, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(now) => before = now,
            }
        }
    }

    #[inline]
    fn whole_word(&self, at: usize) -> &AtomicU64 {
        self.must_hold(at, WORD);
        assert!(at.is_multiple_of(WORD), "a word at {at}");
        self.word(at / WORD)
    }

    #[inline]
    fn writable_word(&self, at: usize) -> &AtomicU64 {
        assert!(self.access == Access::ReadWrite, "a region that was mapped to be read is written to");
        self.whole_word(at)
    }

    /// The memory itself, from `at` on.
    ///
    /// # Safety
    ///
    /// Nobody, in whatever process, writes to these bytes as long as the slice is there.
    ///
    /// # Panics
    ///
    /// If they are not all within the region.
    pub unsafe fn bytes(&self, at: usize, len: usize) -> &[u8] {
        self.must_hold(at, len);
        // SAFETY: `at <= self.len`, which is what is mapped.
        let place = unsafe { self.base().add(at) };
        // SAFETY: `len` bytes from there are within the mapping, which `self` keeps, and any bytes are bytes. That nobody
        // writes to them is what the caller answers for.
        unsafe { std::slice::from_raw_parts(place.as_ptr(), len) }
    }

    /// The memory itself, from `at` on, to be written.
    ///
    /// # Safety
    ///
    /// Nobody, in whatever process, reads or writes these bytes otherwise as long as the slice is there.
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write).
    #[expect(
        clippy::mut_from_ref,
        reason = "disjoint parts may be lent, and who else has one is the caller's affair"
    )]
    pub unsafe fn bytes_mut(&self, at: usize, len: usize) -> &mut [u8] {
        self.must_hold(at, len);
        assert!(self.access == Access::ReadWrite, "a region that was mapped to be read is written to");
        // SAFETY: as in `bytes`.
        let place = unsafe { self.base().add(at) };
        // SAFETY: as in `bytes`, and the mapping may be written to. That nobody else has these bytes is what the caller
        // answers for.
        unsafe { std::slice::from_raw_parts_mut(place.as_ptr(), len) }
    }

    #[inline]
    fn must_hold(&self, at: usize, len: usize) {
        let end = at.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= self.len()),
            "{len} bytes at {at} of a region of {}",
            self.len()
        );
    }

    #[inline]
    fn load(&self, word: usize) -> [u8; WORD] {
        self.word(word).load(Ordering::Relaxed).to_ne_bytes()
    }

    fn change(&self, part: &Part, bytes: &[u8]) {
        let word = self.word(part.word);
        let mut before = word.load(Ordering::Relaxed);
        loop {
            let mut after = before.to_ne_bytes();
            after[part.from..part.to].copy_from_slice(bytes);
            let after = u64::from_ne_bytes(after);
            match word.compare_exchange_weak(before, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => before = now,
            }
        }
    }

    /// One of the words. Its callers have held that its first byte is within the region.
    #[inline]
    fn word(&self, number: usize) -> &AtomicU64 {
        debug_assert!(number * WORD < self.len(), "a word that begins within the region");
        // SAFETY: its first byte is within the region, and the mapping ends with a page, which eight divides: so does the word.
        let place = unsafe { self.base().add(number * WORD) };
        // SAFETY: inside the mapping that `self` keeps, aligned to eight as its base is to a page, and an atomic, to which others
        // write by atomics alone. If the mapping is for reading it is only ever loaded from, relaxed and of a size that
        // 64-bit processors load from such memory.
        unsafe { place.cast::<AtomicU64>().as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_any_length_at_any_place_are_copied_and_their_neighbours_kept() {
        const LEN: usize = 61;
        let (region, _fd) = Region::create(LEN).unwrap();
        let mut model = [0; LEN];
        let mut next = 1_u8;
        for at in 0..=LEN {
            for len in 0..=LEN - at {
                let bytes: Vec<u8> = (0..len).map(|n| next.wrapping_add(n as u8)).collect();
                next = next.wrapping_mul(5).wrapping_add(3);
                region.write(at, &bytes);
                model[at..at + len].copy_from_slice(&bytes);
                let mut part = vec![0; len];
                region.read(at, &mut part);
                assert_eq!(part, bytes, "{len} at {at}");
                let mut all = [0; LEN];
                region.read(0, &mut all);
                assert_eq!(all, model, "{len} at {at}");
            }
        }
        // SAFETY: nobody else knows this memory.
        assert_eq!(unsafe { region.bytes(3, 50) }, &model[3..53]);
        // SAFETY: as above.
        let last = unsafe { region.bytes_mut(60, 1) };
        last[0] = 9;
        // SAFETY: as above.
        assert_eq!(unsafe { region.bytes(60, 1) }, [9]);
    }

    #[test]
    fn numbers_side_by_side_are_changed_in_one_step_each() {
        let (region, _fd) = Region::create(8).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let region = &region;
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        region.change_within_word(2 * (thread % 2), 2, |bytes| {
                            let number = u16::from_ne_bytes([bytes[0], bytes[1]]);
                            bytes.copy_from_slice(&(number + 1).to_ne_bytes());
                            true
                        });
                    }
                });
            }
        });
        for at in [0, 2] {
            let mut bytes = [0; 2];
            region.read(at, &mut bytes);
            assert_eq!(u16::from_ne_bytes(bytes), 20_000);
        }
        assert!(!region.change_within_word(7, 1, |_| false));
        assert!(std::panic::catch_unwind(|| region.change_within_word(7, 2, |_| true)).is_err());
    }

    #[test]
    fn threads_that_write_beside_each_other_lose_nothing() {
        let (region, _fd) = Region::create(8).unwrap();
        std::thread::scope(|scope| {
            for at in 0..4 {
                let region = &region;
                scope.spawn(move || {
                    for n in 0..20_000_u16 {
                        region.write(2 * at, &n.to_ne_bytes());
                        let mut seen = [0; 2];
                        region.read(2 * at, &mut seen);
                        assert_eq!(u16::from_ne_bytes(seen), n);
                    }
                });
            }
        });
    }

    #[test]
    fn what_is_not_within_the_region_is_never_touched() {
        let (region, _fd) = Region::create(10).unwrap();
        for (at, len) in [(0, 11), (10, 1), (11, 0), (usize::MAX, 2), (3, usize::MAX)] {
            let tried = std::panic::catch_unwind(|| region.must_hold(at, len));
            assert!(tried.is_err(), "{len} at {at}");
        }
        region.write(10, &[]);
    }
}

//! Items given up after too many attempts, until somebody fetches them.

use std::collections::VecDeque;

use super::super::wire::DeadLetter;
use super::limits::{MAX_DEAD_LETTER_BYTES, MAX_DEAD_LETTERS};

/// The newest dead letters, within limits, and a count of those let go.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    letters: VecDeque<DeadLetter>,
    bytes: u64,
    dropped: u64,
}

impl DeadLetters {
    pub(super) fn len(&self) -> u64 {
        self.letters.len() as u64
    }

    pub(super) fn push(&mut self, letter: DeadLetter) {
        self.bytes += letter.item.len() as u64;
        self.letters.push_back(letter);
        while self.letters.len() > MAX_DEAD_LETTERS
            || (self.bytes > MAX_DEAD_LETTER_BYTES && self.letters.len() > 1)
        {
            let Some(oldest) = self.letters.pop_front() else {
                break;
            };
            self.bytes -= oldest.item.len() as u64;
            self.dropped += 1;
        }
    }

    /// Takes them all, the oldest first, and how many were dropped since the last time.
    pub(super) fn take(&mut self) -> (Vec<DeadLetter>, u64) {
        let taken = std::mem::take(self);
        (taken.letters.into(), taken.dropped)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &DeadLetter> {
        self.letters.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::wire::Cause;
    use super::*;

    fn letter(bytes: usize) -> DeadLetter {
        DeadLetter { item: vec![0; bytes], attempts: 1, cause: Cause::Nacked }
    }

    #[test]
    fn the_newest_letters_stay_and_the_others_are_counted() {
        let mut letters = DeadLetters::default();
        for _ in 0..MAX_DEAD_LETTERS + 3 {
            letters.push(letter(1));
        }
        let (kept, dropped) = letters.take();
        assert_eq!((kept.len(), dropped), (MAX_DEAD_LETTERS, 3));
        assert_eq!(letters.take(), (Vec::new(), 0));
    }

    #[test]
    fn one_letter_is_kept_however_large() {
        let mut letters = DeadLetters::default();
        letters.push(letter(1));
        letters.push(letter(MAX_DEAD_LETTER_BYTES as usize + 1));
        assert_eq!((letters.len(), letters.dropped), (1, 1));
    }
}

//! What a fuzzer runs here: shared memory that the other side has written anything into.
//!
//! Each target takes any bytes and panics if something does not hold. `tests/fuzz` calls them, and so does a test here.

/// A target: its name, and what runs it.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the name under which `tests/fuzz` has them.
pub const TARGETS: [Target; 3] =
    [("locks", crate::sync::fuzz), ("rings", crate::ring::fuzz), ("trail", crate::trail::fuzz)];

/// Runs the target of this name.
///
/// # Panics
///
/// If there is none, or something does not hold.
pub fn run(name: &str, input: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name");
    target(input);
}

/// Bytes that what happens is drawn from. When they have run out, all is zero.
pub(crate) struct Draw<'a>(&'a [u8]);

impl<'a> Draw<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    /// A number below `end`, which is not zero and at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// A number: small, near the end of something, or anything.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            shape @ 0..=95 => (shape % 24).into(),
            shape @ 96..=127 => u64::MAX - u64::from(shape % 8),
            shape @ 128..=191 => (1_u64 << (self.byte() % 64)).wrapping_sub(u64::from(shape % 2)),
            _ => {
                let mut word = [0; 8];
                word.fill_with(|| self.byte());
                u64::from_le_bytes(word)
            }
        }
    }

    pub(crate) fn some_bytes(&mut self, most: usize) -> &'a [u8] {
        let count = usize::from(self.byte()).min(most).min(self.0.len());
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::TARGETS;

    /// How many inputs each target is given at least.
    const INPUTS: usize = 200;
    /// And for how long, if there is more time.
    const WITHIN: Duration = Duration::from_millis(200);

    /// Bytes that are the same every time.
    struct Chance(u64);

    impl Chance {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }
    }

    /// > Whatever another process writes into shared memory, those who read it are at most told something wrong.
    #[test]
    fn no_words_in_shared_memory_break_what_reads_them() {
        for (name, target) in TARGETS {
            let mut chance = Chance(0x5eed);
            let begun = Instant::now();
            let mut at = 0;
            while at < INPUTS || begun.elapsed() < WITHIN {
                let len = chance.next() % 200;
                let input: Vec<u8> = (0..len).map(|_| (chance.next() >> 32) as u8).collect();
                let failed = std::panic::catch_unwind(|| target(&input)).is_err();
                assert!(!failed, "input {at} of {name}: {input:?}");
                at += 1;
            }
        }
    }

    #[test]
    fn what_once_broke_something_does_not_again() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/regressions");
        for (name, target) in TARGETS {
            let Ok(inputs) = std::fs::read_dir(folder.join(name)) else { continue };
            for input in inputs {
                let path = input.unwrap().path();
                let bytes = std::fs::read(&path).unwrap();
                assert!(std::panic::catch_unwind(|| target(&bytes)).is_ok(), "{}", path.display());
            }
        }
    }
}

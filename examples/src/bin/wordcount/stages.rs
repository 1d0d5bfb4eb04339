//! The stages of the pipeline: parse text into counts, add counts up.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use callboard::pipeline::{Outputs, Stage};
use serde::{Deserialize, Serialize};

use crate::input::Range;

type Counts = HashMap<String, u64>;

/// How many words one item between the stages holds at most.
const WORDS_PER_ITEM: usize = 8192;
/// How much is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Reads parts of files and counts their words; passes the counts on every so many lines.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Parse {
    counters: usize,
    batch: u64,
    #[serde(skip)]
    counts: Counts,
    #[serde(skip)]
    lines: u64,
    /// The file that was read last, to be read on.
    #[serde(skip)]
    open: Open,
    #[serde(skip)]
    buffer: Vec<u8>,
}

/// An open file; a copy of the stage opens its own.
#[derive(Debug, Default)]
struct Open(Option<(PathBuf, File)>);

impl Clone for Open {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl Parse {
    pub(crate) fn new(counters: usize, batch: u64) -> Self {
        Self { counters, batch: batch.max(1), ..Self::default() }
    }

    fn open(&mut self, path: &PathBuf) -> io::Result<&mut File> {
        if self.open.0.as_ref().is_none_or(|(open, _)| open != path) {
            self.open.0 = Some((path.clone(), File::open(path)?));
        }
        self.open.0.as_mut().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Reads the part, a byte before it and the rest of its last word into the buffer; where it begins there.
    fn read(&mut self, range: &Range) -> io::Result<usize> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let before = u64::from(range.start > 0);
        let file = self.open(&range.path)?;
        file.seek(SeekFrom::Start(range.start - before))?;
        file.take(before + range.length).read_to_end(&mut buffer)?;
        let ends_in_word = |buffer: &[u8]| buffer.last().is_some_and(u8::is_ascii_alphabetic);
        while ends_in_word(&buffer) {
            let had = buffer.len();
            file.take(READ_BYTES as u64).read_to_end(&mut buffer)?;
            let word = buffer[had..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            let at_end = buffer.len() == had;
            if at_end || had + word < buffer.len() {
                buffer.truncate(had + word);
                break;
            }
        }
        self.buffer = buffer;
        Ok(before as usize)
    }
}

impl Stage for Parse {
    type In = Range;
    type Out = Vec<(String, u64)>;
    const HOLDS: bool = true;
    const MAX_HELD_ITEMS: u64 = 256;

    fn item(&mut self, range: Range, _: &mut Outputs<Self::Out>) -> Result<(), Box<dyn Error>> {
        let begins = self.read(&range)?;
        let text = std::mem::take(&mut self.buffer);
        // A word that runs into the part began before it, and is counted there.
        let in_word = begins > 0 && text.first().is_some_and(u8::is_ascii_alphabetic);
        let body = &text[begins.min(text.len())..];
        let skip = if in_word { body.iter().take_while(|b| b.is_ascii_alphabetic()).count() } else { 0 };
        // What lies beyond the part belongs to its last word, unless no word of it begins here.
        if (skip as u64) < range.length {
            self.lines += body.iter().filter(|byte| **byte == b'\n').count() as u64;
            count_words(&body[skip..], &mut self.counts);
        }
        self.buffer = text;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.lines >= self.batch
    }

    fn flush(&mut self, out: &mut Outputs<Self::Out>) {
        self.lines = 0;
        let mut parts: Vec<Vec<(String, u64)>> = vec![Vec::new(); self.counters];
        for (word, count) in self.counts.drain() {
            let part = part_of(&word, self.counters);
            parts[part].push((word, count));
            if parts[part].len() == WORDS_PER_ITEM {
                out.put_to(part, &std::mem::take(&mut parts[part]));
            }
        }
        for (part, words) in parts.into_iter().enumerate().filter(|(_, words)| !words.is_empty()) {
            out.put_to(part, &words);
        }
    }
}

/// Adds up the counts of its share of the words.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Count {
    #[serde(skip)]
    counts: Counts,
}

impl Stage for Count {
    type In = Vec<(String, u64)>;
    type Out = Vec<(String, u64)>;
    const HOLDS: bool = true;
    const MAX_HELD_BYTES: u64 = 16 << 20;

    fn item(&mut self, counts: Self::In, _: &mut Outputs<Self::Out>) -> Result<(), Box<dyn Error>> {
        for (word, count) in counts {
            *self.counts.entry(word).or_default() += count;
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Outputs<Self::Out>) {
        let mut words = Vec::new();
        for counted in self.counts.drain() {
            words.push(counted);
            if words.len() == WORDS_PER_ITEM {
                out.put(&std::mem::take(&mut words));
            }
        }
        if !words.is_empty() {
            out.put(&words);
        }
    }
}

/// Which counter adds up a word: by its bytes, the same in every process.
fn part_of(word: &str, parts: usize) -> usize {
    let hash = word.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    (hash % parts as u64) as usize
}

fn count_words(text: &[u8], counts: &mut Counts) {
    let mut word = String::new();
    for letters in text.split(|byte| !byte.is_ascii_alphabetic()).filter(|letters| !letters.is_empty()) {
        word.clear();
        word.extend(letters.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        match counts.get_mut(word.as_str()) {
            Some(count) => *count += 1,
            None => {
                counts.insert(word.clone(), 1);
            }
        }
    }
}

//! The main job without this project: in this process, by one thread or several.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crossbeam_channel::{Receiver, bounded};

use crate::harness::Trouble;

/// How much is read at a time by one thread that does everything.
const READ_BYTES: usize = 64 * 1024;
/// How much a thread that reads hands on at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// How many chunks may wait.
const CHUNKS: usize = 16;

type Counts = HashMap<String, u64>;

/// One thread that reads, parses and counts.
pub(crate) fn streaming(path: &Path) -> io::Result<Counts> {
    let mut counts = Counts::new();
    each_chunk(path, READ_BYTES, |chunk| {
        count_words(chunk, &mut counts);
        true
    })?;
    Ok(counts)
}

/// One thread that reads, and so many that parse and count.
pub(crate) fn threads(path: &Path, counters: usize) -> Result<Counts, Trouble> {
    let (give, take) = bounded::<Vec<u8>>(CHUNKS);
    std::thread::scope(|scope| {
        let counting: Vec<_> = (0..counters)
            .map(|_| {
                let take = take.clone();
                scope.spawn(move || count_chunks(&take))
            })
            .collect();
        drop(take);
        let read = each_chunk(path, CHUNK_BYTES, |chunk| give.send(chunk.to_vec()).is_ok());
        drop(give);
        let mut total = Counts::new();
        for thread in counting {
            for (word, count) in thread.join().map_err(|_| Trouble::failed("a thread panicked"))? {
                *total.entry(word).or_default() += count;
            }
        }
        read?;
        Ok(total)
    })
}

fn count_chunks(take: &Receiver<Vec<u8>>) -> Counts {
    let mut counts = Counts::new();
    for chunk in take {
        count_words(&chunk, &mut counts);
    }
    counts
}

/// Reads the file in chunks that end where no word is cut, until `handle` wants no more.
fn each_chunk(path: &Path, bytes: usize, mut handle: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; bytes];
    let mut held = 0;
    loop {
        if held == buffer.len() {
            buffer.resize(2 * held, 0);
        }
        let more = file.read(&mut buffer[held..])?;
        held += more;
        let is_last = more == 0;
        let whole = if is_last {
            held
        } else {
            buffer[..held].iter().rposition(|byte| !byte.is_ascii_alphabetic()).map_or(0, |last| last + 1)
        };
        if !handle(&buffer[..whole]) || is_last {
            return Ok(());
        }
        buffer.copy_within(whole..held, 0);
        held -= whole;
    }
}

/// The same inner loop as the job's own, so that rows compare what is around it.
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_word_longer_than_the_buffer_is_counted_once() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let long = "x".repeat(1000);
        write!(file, "One two,{long} ONE").unwrap();
        let mut counts = Counts::new();
        each_chunk(file.path(), 16, |chunk| {
            count_words(chunk, &mut counts);
            true
        })
        .unwrap();
        assert_eq!(counts.len(), 3);
        assert_eq!((counts["one"], counts["two"], counts[&long]), (2, 1, 1));
    }

    #[test]
    fn several_threads_count_what_one_counts() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for line in 0..50_000 {
            writeln!(file, "line {line} of some {}", "ab".repeat(line % 7)).unwrap();
        }
        let one = streaming(file.path()).unwrap();
        assert_eq!(one["line"], 50_000);
        assert!(threads(file.path(), 2).is_ok_and(|several| several == one));
    }
}

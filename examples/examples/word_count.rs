// cargo run --release -p callboard-examples --example word_count -- [--workers N] [--top K] FILE...
//! Counts the words of text files in several processes.
//!
//! The parent reads the files and puts blocks of text into a bounded queue; workers count the words of each block
//! and put their counts into another. A block is leased until its counts are with the parent, so the death of a worker loses
//! nothing. It may count a block twice if a worker dies between the two, which is why blocks are numbered.
//!
//! A word is a maximal run of ASCII letters, in lower case.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};

use callboard::{Node, Queue, QueueOptions};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// How much text makes a block; a longer line makes a longer one.
const BLOCK_BYTES: usize = 256 * 1024;

#[derive(Serialize, Deserialize)]
struct Block {
    number: u64,
    text: ByteBuf,
}

#[derive(Serialize, Deserialize)]
struct Counts {
    number: u64,
    words: Vec<(String, u64)>,
}

fn count_words(text: &[u8]) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
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
    counts
}

/// A worker's life: count blocks until there are no more.
fn work(_: &Node, (blocks, counts): (Queue<Block>, Queue<Counts>)) {
    while let Ok(block) = blocks.lease() {
        let words = count_words(&block.text).into_iter().collect();
        if counts.put_confirmed(Counts { number: block.number, words }).is_err() {
            return; // The parent is gone, and so shall we be.
        }
        block.ack();
    }
}

/// Puts all lines of the files into the queue, in blocks; how many blocks that were.
fn read(files: &[String], blocks: &Queue<Block>) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut number = 0;
    for file in files {
        let mut reader = BufReader::new(File::open(file).map_err(|error| format!("{file}: {error}"))?);
        let mut text = Vec::new();
        loop {
            let got = reader.read_until(b'\n', &mut text)?;
            if text.len() >= BLOCK_BYTES || (got == 0 && !text.is_empty()) {
                blocks.put(Block { number, text: ByteBuf::from(std::mem::take(&mut text)) })?;
                number += 1;
            }
            if got == 0 {
                break;
            }
        }
    }
    Ok(number)
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let mut workers = std::thread::available_parallelism()?.get();
    let mut top = 10;
    let mut files = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).ok_or(format!("{arg} needs a number"));
        match arg.as_str() {
            "--workers" => workers = number()?,
            "--top" => top = number()?,
            _ => files.push(arg),
        }
    }
    if files.is_empty() {
        files.push("README.md".to_owned());
    }

    let blocks: Queue<Block> = node.anonymous(QueueOptions::new().capacity(64).max_attempts(3));
    let counts: Queue<Counts> = node.anonymous(QueueOptions::new());
    let children = (0..workers.max(1))
        .map(|n| node.spawn(&format!("worker-{n}"), work, (blocks.clone(), counts.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    let reader = std::thread::spawn({
        let blocks = blocks.clone();
        move || {
            let read = read(&files, &blocks);
            blocks.close().map_err(Into::into).and(read)
        }
    });

    let mut total: HashMap<String, u64> = HashMap::new();
    let mut seen = HashSet::new();
    let finish = std::thread::spawn({
        let counts = counts.clone();
        move || {
            let ended = children.into_iter().map(|child| child.join()).filter(Result::is_err).count();
            counts.close().map(|()| ended)
        }
    });
    for Counts { number, words } in &counts {
        if seen.insert(number) {
            for (word, count) in words {
                *total.entry(word).or_default() += count;
            }
        }
    }
    let lost = finish.join().map_err(|_| "joining the workers failed")??;
    let blocks = reader.join().map_err(|_| "reading failed")?.map_err(|error| error.to_string())?;
    if seen.len() as u64 != blocks {
        return Err(format!("{} of {blocks} blocks were counted; {lost} workers died", seen.len()).into());
    }

    let mut words: Vec<(String, u64)> = total.into_iter().collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (word, count) in words.iter().take(top) {
        println!("{count}\t{word}");
    }
    eprintln!("{} different words in {blocks} blocks, counted by {workers} processes", words.len());
    Ok(())
}

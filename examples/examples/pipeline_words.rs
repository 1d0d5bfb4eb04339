// cargo run --release -p callboard-examples --example pipeline_words -- [FILE...]
//! Counts the words of files in a pipeline, checks the counts against a plain loop, and prints how busy each stage was.
//!
//! Read: a path comes in, blocks of lines go out. Parse: a block comes in, its words go out, each to the counter to which
//! all words like it go. Count: words come in and are held; what they add up to goes out when the stage is flushed. The sink
//! merges. A word is a maximal run of ASCII letters, in lower case.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use callboard::Node;
use callboard::pipeline::{Outputs, Pipeline, Stage, StageOptions, Workers};
use serde::{Deserialize, Serialize};

type Counts = BTreeMap<String, u64>;

const LINES_PER_BLOCK: usize = 20;

#[derive(Clone, Serialize, Deserialize)]
struct Read;

impl Stage for Read {
    type In = PathBuf;
    type Out = Vec<String>;

    fn item(&mut self, path: PathBuf, out: &mut Outputs<Vec<String>>) -> Result<(), Box<dyn Error>> {
        let mut block = Vec::new();
        for line in BufReader::new(File::open(path)?).lines() {
            block.push(line?);
            if block.len() == LINES_PER_BLOCK {
                out.put(&std::mem::take(&mut block));
            }
        }
        out.put(&block);
        Ok(())
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Parse;

impl Stage for Parse {
    type In = Vec<String>;
    type Out = String;

    fn item(&mut self, block: Vec<String>, out: &mut Outputs<String>) -> Result<(), Box<dyn Error>> {
        for word in block.iter().flat_map(|line| words(line)) {
            out.put_keyed(&word, &word);
        }
        Ok(())
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Count(Counts);

impl Stage for Count {
    type In = String;
    type Out = (String, u64);
    const HOLDS: bool = true;

    fn item(&mut self, word: String, _: &mut Outputs<Self::Out>) -> Result<(), Box<dyn Error>> {
        *self.0.entry(word).or_default() += 1;
        Ok(())
    }

    fn flush(&mut self, out: &mut Outputs<Self::Out>) {
        for counted in std::mem::take(&mut self.0) {
            out.put(&counted);
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = String> {
    let runs = line.split(|letter: char| !letter.is_ascii_alphabetic());
    runs.filter(|run| !run.is_empty()).map(str::to_ascii_lowercase)
}

/// The same, without a pipeline.
fn count_plainly(paths: &[PathBuf]) -> std::io::Result<Counts> {
    let mut counts = Counts::new();
    for path in paths {
        for word in words(&std::fs::read_to_string(path)?) {
            *counts.entry(word).or_default() += 1;
        }
    }
    Ok(counts)
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let mut paths: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        paths = ["LICENSE-APACHE", "LICENSE-MIT"].map(|name| repository.join(name)).into();
    }

    let mut counts = Counts::new();
    let report = Pipeline::source(paths.clone())
        .stage(StageOptions::new("read"), Read)
        .stage(StageOptions::new("parse").workers(2), Parse)
        .stage(StageOptions::new("count").workers(2).partitioned(), Count::default())
        .run(&node, Workers::Processes, |(word, count)| *counts.entry(word).or_default() += count)?;

    println!("{} words, {} of them different", counts.values().sum::<u64>(), counts.len());
    let mut by_count: Vec<_> = counts.iter().collect();
    by_count.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (word, count) in by_count.iter().take(5) {
        println!("{count}\t{word}");
    }
    println!("as counted plainly: {}", counts == count_plainly(&paths)?);
    print!("{report}");
    Ok(())
}

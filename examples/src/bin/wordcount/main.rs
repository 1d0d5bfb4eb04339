//! Counts the words of text files in a pipeline of processes: read and parse, count by word, merge.
//!
//! A word is a maximal run of ASCII letters, in lower case; any bytes may stand between words, and a line may have any
//! length. Whichever process is killed on the way, the counts are exact.

mod input;
mod stages;

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use callboard::Node;
use callboard::pipeline::{OnError, Pipeline, Report, StageOptions, Workers};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::input::{Range, ranges};
use crate::stages::{Count, Parse};

/// Counts the words of text files in several processes.
///
/// Prints `count<TAB>word` lines, by count descending, then by word. A word is a maximal run of ASCII letters, in lower case.
#[derive(Debug, Parser)]
struct Options {
    /// Processes that read and parse [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    parsers: Option<usize>,
    /// Processes that add up counts, each for its share of the words
    #[arg(long, value_name = "N", default_value_t = 1)]
    counters: usize,
    /// Print only the K most frequent words
    #[arg(long, value_name = "K")]
    top: Option<usize>,
    /// Pass counts on after about so many lines
    #[arg(long, value_name = "LINES", default_value_t = 200_000)]
    batch: u64,
    /// Run the workers as threads of this process
    #[arg(long, conflicts_with = "inline")]
    threads: bool,
    /// Run everything in one thread, for debugging
    #[arg(long)]
    inline: bool,
    /// Files, or folders to be searched for files; none stands for the text of this repository
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let node = match Node::start() {
        Ok(node) => node,
        Err(error) => return complain(&error),
    };
    match run(&node, &Options::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => complain(&*error),
    }
}

fn complain(error: &dyn Error) -> ExitCode {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    eprintln!("wordcount: {text}");
    ExitCode::FAILURE
}

/// Counts and prints, also what has been counted until Ctrl-C; how many files or parts of files were skipped.
fn run(node: &Node, options: &Options) -> Result<usize, Box<dyn Error>> {
    node.stop_on_signals()?;
    let (ranges, mut skipped) = ranges(&options.paths);
    let bar = progress_bar(ranges.iter().map(|range| range.length).sum());
    let (counts, report) = count(node, options, ranges, &bar)?;
    bar.finish_and_clear();
    for letter in &report.dead_letters {
        let range: Range = letter.item()?;
        skipped.push(format!("{}: {}", range.path.display(), letter.reason));
    }
    if node.stopping() {
        skipped.push("what had not been read when it was asked to stop".to_owned());
    }
    for reason in &skipped {
        eprintln!("wordcount: skipped {reason}");
    }
    print(counts, options.top)?;
    eprint!("{report}");
    Ok(skipped.len())
}

fn count(
    node: &Node,
    options: &Options,
    ranges: Vec<Range>,
    bar: &ProgressBar,
) -> Result<(HashMap<String, u64>, Report), Box<dyn Error>> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let counters = options.counters.max(1);
    let parse = Parse::new(counters, options.batch);
    let workers = match (options.threads, options.inline) {
        (true, _) => Workers::Threads,
        (_, true) => Workers::Inline,
        _ => Workers::Processes,
    };
    let mut total: HashMap<String, u64> = HashMap::new();
    let report = Pipeline::source(ranges.into_iter().inspect(|range| bar.inc(range.length)))
        .stage(
            StageOptions::new("parse")
                .workers(options.parsers.unwrap_or(cores))
                // Whoever kills workers from outside says nothing about the text in their hands.
                .max_deaths(10)
                .capacity(256, 1 << 20)
                .on_error(OnError::Retry(0)),
            parse,
        )
        .stage(StageOptions::new("count").workers(counters).partitioned(), Count::default())
        .run(node, workers, |counts: Vec<(String, u64)>| {
            for (word, count) in counts {
                *total.entry(word).or_default() += count;
            }
        })?;
    Ok((total, report))
}

fn print(counts: HashMap<String, u64>, top: Option<usize>) -> std::io::Result<()> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(top.unwrap_or(usize::MAX));
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (word, count) in &counts {
        writeln!(out, "{count}\t{word}")?;
    }
    out.flush()
}

/// A bar on standard error, if that is a terminal.
fn progress_bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = ProgressBar::new(bytes);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

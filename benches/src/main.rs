//! Benchmarks: this project, its peers and the machine's limits, measured in one run.
//!
//! `cargo run --release -p callboard-bench -- [ROW...] [--rounds N] [--smoke] [--json FILE]`. Only the ratios of one
//! run mean anything: what a machine does in a microsecond changes from day to day.
//!
//! Peers that are there at once: ipc-channel, procspawn, crossbeam-channel. Python and Erlang are used where `python3`
//! and `erl` are found. Two more are built on request: `--features zeromq` needs a C++ compiler, `--features iceoryx2`
//! only time, as does `--features actors`: actix, kameo and ractor. A peer that isn't there is named as skipped. With ZeroMQ this program loads the C++ library at each start,
//! a millisecond or so that everything in the spawn row pays: measure that row without it.

mod clock;
mod harness;
mod helper;
mod item;
mod limits;
mod peers;
mod report;
mod rows;
mod watchdog;

use std::path::PathBuf;
use std::process::ExitCode;

use callboard::Node;
use clap::Parser;

use crate::harness::{Bench, Row, run_row};

/// Measures this project against its peers and against what the machine allows.
#[derive(Debug, Parser)]
struct Options {
    /// Rows to run: names, or beginnings of names that end before a dash; none stands for all
    rows: Vec<String>,
    /// How often each contestant runs
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Tiny sizes and one round: checks that everything runs, measures nothing
    #[arg(long)]
    smoke: bool,
    /// Write all figures to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the names of the rows and end
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    // Helper processes of limits and peers are this program too, and know no node.
    if let Some(code) = helper::run_if_helper() {
        return code;
    }
    // Those of procspawn end here.
    procspawn::init();
    let node = match Node::start() {
        Ok(node) => node,
        Err(error) => return complain(&error.to_string()),
    };
    match run(node, &Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => complain(&error.to_string()),
    }
}

fn complain(why: &str) -> ExitCode {
    eprintln!("callboard-bench: {why}");
    ExitCode::FAILURE
}

/// Runs and prints the rows; whether all of them gave right results.
fn run(node: Node, options: &Options) -> Result<bool, Box<dyn std::error::Error>> {
    let rows = chosen(&options.rows)?;
    if options.list {
        for row in &rows {
            println!("{:16} {}", row.name, row.about);
        }
        return Ok(true);
    }
    if cfg!(debug_assertions) && !options.smoke {
        eprintln!("callboard-bench: built without --release, the figures mean nothing");
    }
    if cfg!(feature = "zeromq") && !options.smoke && rows.iter().any(|row| row.name == "spawn") {
        eprintln!("callboard-bench: built with --features zeromq, which slows every start of a process down");
    }
    let rounds = if options.smoke { 1 } else { options.rounds.max(1) };
    let bench = Bench::new(node, options.smoke);
    let mut results = Vec::new();
    for row in rows {
        let result = run_row(&bench, row, rounds);
        println!("{}", report::table(&result));
        results.push(result);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report::json(&results, rounds, options.smoke))?;
        std::fs::write(path, text + "\n")?;
    }
    let failures: Vec<String> = results.iter().flat_map(harness::RowResult::failures).collect();
    for failure in &failures {
        eprintln!("callboard-bench: FAILED {failure}");
    }
    Ok(failures.is_empty())
}

/// The rows with these names, in the order of the registry.
fn chosen(names: &[String]) -> Result<Vec<Row>, String> {
    let fits = |row: &Row, name: &String| {
        row.name.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if let Some(name) = names.iter().find(|name| !rows::all().iter().any(|row| fits(row, name))) {
        let known: Vec<&str> = rows::all().iter().map(|row| row.name).collect();
        return Err(format!("no row {name}; there are {}", known.join(", ")));
    }
    let mut rows = rows::all();
    rows.retain(|row| names.is_empty() || names.iter().any(|name| fits(row, name)));
    Ok(rows)
}

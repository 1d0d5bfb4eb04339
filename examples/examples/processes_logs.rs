// cargo run --release -p callboard-examples --example processes_logs
//! A log file for each process, with its pid in the name; and what all of them log, gathered by their parent.
//!
//! Each worker opens a file of its own, and writes what others shall see at once to its standard error. That is passed on to
//! this program's own standard output through a process in between, which captures it: so the lines can be checked here.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use callboard::{Failure, Node};

const WORKERS: usize = 3;
const LINES: usize = 4;

/// Works, and logs that to a file of its own and to standard error.
fn work(node: &Node, folder: PathBuf) -> Result<(), Failure> {
    let mut log = File::create(folder.join(format!("{}-{}.log", node.name(), std::process::id())))?;
    for step in 1..=LINES {
        writeln!(log, "step {step}")?;
        eprintln!("did step {step} of {LINES}");
    }
    Ok(())
}

/// Starts the workers, whose lines go to standard error of this process, each with a name and a pid.
fn gather(node: &Node, folder: PathBuf) -> Result<Vec<u32>, Failure> {
    let start = |n| node.process(&format!("worker-{n}")).stderr_forwarded().spawn(work, folder.clone());
    let workers = (1..=WORKERS).map(start).collect::<Result<Vec<_>, _>>()?;
    workers.iter().try_for_each(|worker| worker.join()?)?;
    Ok(workers.iter().map(callboard::Process::pid).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let folder = std::env::temp_dir().join(format!("callboard-logs-{}", std::process::id()));
    fs::create_dir(&folder)?;

    let gatherer = node.process("gatherer").stderr_captured().spawn(gather, folder.clone())?;
    let mut lines = Vec::new();
    if let Some(mut output) = gatherer.stderr() {
        for line in output.lines() {
            let line = line?;
            println!("{line}");
            lines.push(line);
        }
    }
    let pids = gatherer.join()??;

    let expected: BTreeSet<String> =
        pids.iter().enumerate().map(|(at, pid)| format!("worker-{}-{pid}.log", at + 1)).collect();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(&folder)? {
        found.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    println!("{} files, each with the name and pid of its process: {}", found.len(), found == expected);
    for (at, pid) in pids.iter().enumerate() {
        let (name, prefix) = (at + 1, format!("[worker-{} {pid}] ", at + 1));
        let own: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix(&prefix)).collect();
        println!("worker-{name}: {} lines gathered, the last is {:?}", own.len(), own.last());
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

// cargo run --release -p callboard-examples --example processes_logs
//! A log file for each process, with its pid in the name; and what all of them log, gathered by their parent.
//!
//! The processes log by `tracing`, as any program does, and need no set-up for it: they log as the node does that started them, or
//! one further up. One of the workers kills itself in the middle, and what it logged before is there all the same.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::sync::mpsc::channel;

use callboard::{JoinError, LogOptions, Node, Process};
use tracing::{debug, info, info_span, warn};

const WORKERS: usize = 3;
const STEPS: usize = 4;

/// Works in some steps; the last worker does not come to the end.
fn work(_: &Node, number: usize) {
    info!("begins");
    let _span = info_span!("job", number).entered();
    for step in 1..=STEPS {
        if number == WORKERS && step == STEPS {
            warn!(step, "about to be killed");
            callboard::testing::kill_self();
        }
        debug!("only with a filter that lets it pass");
        info!(step, of = STEPS, "did a step");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let folder = std::env::temp_dir().join(format!("callboard-logs-{}", std::process::id()));
    let (gathers, gathered) = channel();
    let options = LogOptions::new("info").files(&folder);
    node.start_logging(options.gather(move |record| _ = gathers.send(record.clone())))?;

    let start = |number| node.spawn(&format!("worker-{number}"), work, number);
    let workers: Vec<Process<()>> = (1..=WORKERS).map(start).collect::<Result<_, _>>()?;
    for worker in &workers {
        match worker.join() {
            Ok(()) => println!("{} has ended", worker.name()),
            Err(JoinError::Signalled { signal, .. }) => {
                println!("{} was killed by signal {signal}", worker.name());
            }
            Err(error) => return Err(error.into()),
        }
    }

    // All that they logged came before their joins.
    let records: Vec<_> = gathered.try_iter().collect();
    for worker in &workers {
        let own: Vec<_> = records.iter().filter(|record| record.pid == worker.pid()).collect();
        println!("{}: {} records gathered, the last is:", worker.name(), own.len());
        if let Some(last) = own.last() {
            println!("{last}");
        }
    }

    let mut processes: BTreeSet<(String, u32)> = BTreeSet::from([("root".to_owned(), std::process::id())]);
    processes.extend(workers.iter().map(|worker| (worker.name().to_owned(), worker.pid())));
    let expected: BTreeSet<String> =
        processes.iter().map(|(name, pid)| format!("{name}-{pid}.log")).collect();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(&folder)? {
        found.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    println!("{} files, each with the name and pid of its process: {}", found.len(), found == expected);
    let text =
        fs::read_to_string(folder.join(format!("worker-{WORKERS}-{}.log", workers[WORKERS - 1].pid())))?;
    println!("that of the killed one has {} lines", text.lines().count());
    fs::remove_dir_all(&folder)?;
    Ok(())
}

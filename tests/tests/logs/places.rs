//! Where records go, and where they can't.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use callboard::testing::job;
use callboard::{Failure, JoinError, LogOptions, Node};
use callboard_tests::kill_self;
use tracing::{info, warn};

use crate::{Records, alone, come, gathered, said, says};

/// > With `LogOptions::files` each process writes a file of its own, with its name and process id; a killed one's has all that it logged.
#[test]
fn each_process_has_a_file_with_all_that_it_logged() {
    fn dies(node: &Node, depth: u32) -> Result<u32, Failure> {
        let below = if depth > 0 { Some(node.spawn("a/b", dies, depth - 1)?) } else { None };
        (0..50).for_each(|number| info!(number, "in a file\nof its own"));
        if let Some(below) = below {
            let pid = below.pid();
            assert!(matches!(below.join(), Err(JoinError::Signalled { signal: 9, .. })));
            return Ok(pid);
        }
        kill_self();
    }
    fn files(node: &Node, folder: PathBuf) -> Result<Vec<(String, u32)>, Failure> {
        node.start_logging(LogOptions::new("info").files(&folder))?;
        warn!("here too");
        let top = node.process("top").cwd("/").spawn(dies, 1)?;
        let below = top.join()??;
        Ok(vec![
            ("gatherer".to_owned(), std::process::id()),
            ("top".to_owned(), top.pid()),
            ("a_b".to_owned(), below),
        ])
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("not/yet/there");
    let processes = alone(files, folder.clone());
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        found.insert(name, std::fs::read_to_string(entry.path()).unwrap());
    }
    let expected: BTreeSet<String> =
        processes.iter().map(|(name, pid)| format!("{name}-{pid}.log")).collect();
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for (name, pid) in processes {
        let lines: Vec<&str> = found[&format!("{name}-{pid}.log")].lines().collect();
        if name == "gatherer" {
            assert!(matches!(lines[..], [line] if line.ends_with("here too")), "{lines:?}");
            continue;
        }
        assert_eq!(lines.len(), 50);
        for (number, line) in lines.iter().enumerate() {
            assert!(line.ends_with(&format!("in a file\\nof its own number={number}")), "{line}");
            assert!(line.contains(&format!(" {pid}] ")), "{line}");
        }
    }
}

/// > Records can be gathered and be in files at the same time.
#[test]
fn gathered_and_in_files_at_once() {
    fn both(node: &Node, folder: PathBuf) -> Result<(u32, usize), Failure> {
        let records = Records::default();
        let to = Arc::clone(&records);
        let options = LogOptions::new("info").files(folder);
        node.start_logging(options.gather(move |record| to.lock().unwrap().push(record.clone())))?;
        let child = node.spawn("says", says, "twice".to_owned())?;
        child.join()?;
        come(&records, 1);
        Ok((child.pid(), said(&records).len()))
    }
    let folder = tempfile::tempdir().unwrap();
    let (pid, gathered) = alone(both, folder.path().to_owned());
    let text = std::fs::read_to_string(folder.path().join(format!("says-{pid}.log"))).unwrap();
    assert_eq!((gathered, text.lines().count()), (1, 1));
    assert!(text.contains("twice"));
}

/// > Without more said, records are lines on the standard error of the node that was told to log.
#[test]
fn by_default_records_are_lines_on_standard_error() {
    fn logs(node: &Node, (): ()) -> Result<(), Failure> {
        node.start_logging(LogOptions::new("info"))?;
        node.spawn("says", says, "on standard error".to_owned())?.join()?;
        Ok(())
    }
    let job = job();
    let child = job.process("logs").stderr_captured().spawn(logs, ()).unwrap();
    let line = child.stderr().unwrap().read_line().unwrap().unwrap();
    assert!(line.ends_with(": on standard error") && line.contains("INFO [says "), "{line}");
    child.join().unwrap().unwrap_or_else(|failure| panic!("{failure}"));
}

/// > What can't be logged so is an error that says why: a filter that is none, a folder that can't be made, a node that was told before; a child that can't open its file
/// > does not begin.
#[test]
fn what_cannot_be_is_an_error_that_says_why() {
    fn tries(node: &Node, folder: PathBuf) -> Result<Vec<String>, Failure> {
        let mut said = Vec::new();
        let mut refused = |options| match node.start_logging(options) {
            Ok(()) => said.push("none".to_owned()),
            Err(error) => said.push(Failure::from(error).to_string()),
        };
        refused(LogOptions::new("info,parser=loud"));
        refused(LogOptions::new("info").files(folder.join("file/below")));
        refused(LogOptions::new("info").files(folder.join("logs")).gather(|_| ()));
        refused(LogOptions::new("info"));
        std::fs::remove_dir_all(folder.join("logs"))?;
        match node.spawn("says", says, "never".to_owned())?.join() {
            Err(JoinError::FailedStart(why)) => said.push(why),
            other => said.push(format!("{other:?}")),
        }
        Ok(said)
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let said = alone(tries, folder.path().to_owned());
    assert!(said[0].starts_with("\"info,parser=loud\" is no filter of records, such as `info`"), "{said:?}");
    assert!(said[1].contains("no log can be written to") && said[1].contains("file/below: "), "{said:?}");
    assert_eq!(said[2], "none");
    assert_eq!(said[3], "this node logs already");
    assert!(said[4].contains("no log can be written to") && said[4].contains("logs/says-"), "{said:?}");
}

/// > A process that has a subscriber already keeps it; the records of the others are gathered.
#[test]
fn a_subscriber_that_is_there_is_kept() {
    struct Counts(Arc<Mutex<u64>>);
    impl tracing::Subscriber for Counts {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            *self.0.lock().unwrap() += 1;
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    fn gathers(node: &Node, (): ()) -> Result<(u64, Vec<String>), Failure> {
        let own = Arc::default();
        tracing::subscriber::set_global_default(Counts(Arc::clone(&own)))?;
        let records = gathered(node, "info")?;
        info!("to its own subscriber");
        node.spawn("says", says, "gathered".to_owned())?.join()?;
        come(&records, 1);
        let own = *own.lock().unwrap();
        Ok((own, said(&records).into_iter().map(|(.., words)| words).collect()))
    }
    assert_eq!(alone(gathers, ()), (1, vec!["gathered".to_owned()]));
}

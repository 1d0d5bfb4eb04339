//! What processes log by `tracing`, gathered by one of them or in files.
//!
//! A process has one subscriber for good, so whoever gathers is a process of its own here.

#[path = "logs/kills.rs"]
mod kills;
#[path = "logs/places.rs"]
mod places;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use callboard::pool::{Pool, PoolOptions};
use callboard::testing::job;
use callboard::{Failure, LogError, LogOptions, LogRecord, Node, StartMethod};
use callboard_tests::{PATIENCE, eventually, eventually_shown};
use serde::{Deserialize, Serialize};
use tracing::{debug, error, info, info_span, trace, warn};

callboard::test_door!();

/// Records as they come.
type Records = Arc<Mutex<Vec<LogRecord>>>;

/// Gathers what passes `filter` from now on.
fn gathered(node: &Node, filter: &str) -> Result<Records, LogError> {
    let records = Records::default();
    let to = Arc::clone(&records);
    node.start_logging(
        LogOptions::new(filter).gather(move |record| to.lock().unwrap().push(record.clone())),
    )?;
    Ok(records)
}

/// Waits until so many have come: after a join that is at once, unless the machine stands still for as long as a join waits for them.
#[track_caller]
fn come(records: &Records, count: usize) {
    let all = || format!("{:?}", said(records));
    eventually_shown(&format!("{count} records have come"), all, || records.lock().unwrap().len() >= count);
}

/// Who said what, in the order of their arrival.
fn said(records: &Records) -> Vec<(String, u32, String)> {
    let records = records.lock().unwrap();
    records.iter().map(|record| (record.node.clone(), record.pid, record.message.clone())).collect()
}

/// Runs `f` in a process of its own, which may gather.
fn alone<A, R>(f: fn(&Node, A) -> Result<R, Failure>, args: A) -> R
where
    A: Serialize + serde::de::DeserializeOwned,
    R: Serialize + serde::de::DeserializeOwned,
{
    let job = job();
    let returned = job.spawn("gatherer", f, args).unwrap().join().unwrap();
    returned.unwrap_or_else(|failure| panic!("{failure}"))
}

fn says(_: &Node, words: String) -> u32 {
    info!("{words}");
    std::process::id()
}

fn adds(number: u64) -> (u64, u32) {
    info!(number, "adds");
    (number + 1, std::process::id())
}

/// > What passes the filter of `Node::start_logging` comes to that node from its own process and from all below it: children of children, workers, processes that a
/// > server forked.
#[test]
fn records_come_from_all_processes_below() {
    fn middle(node: &Node, (): ()) -> Result<Vec<(String, u32)>, Failure> {
        info!("middle");
        let below = node.spawn("below", says, "below".to_owned())?;
        let mut all = vec![("middle".to_owned(), std::process::id()), ("below".to_owned(), below.join()?)];
        if StartMethod::available().contains(&StartMethod::ForkServer) {
            let forked = node.process("forked").start_method(StartMethod::ForkServer);
            all.push(("forked".to_owned(), forked.spawn(says, "forked".to_owned())?.join()?));
        } else {
            eprintln!("not tried: no process can be forked here");
        }
        Ok(all)
    }
    type Told = (Vec<(String, u32, String)>, Vec<(String, u32)>, BTreeSet<u32>);
    fn gathers(node: &Node, (): ()) -> Result<Told, Failure> {
        let records = gathered(node, "info")?;
        info!("gatherer");
        let mut all = node.spawn("middle", middle, ())?.join()??;
        all.push(("gatherer".to_owned(), std::process::id()));
        let pool: Pool = node.pool(PoolOptions::new().workers(2))?;
        let workers = pool.map(adds, 0..20_u64)?;
        pool.close();
        pool.join()?;
        // Its own record has no join that it comes before.
        come(&records, all.len() + workers.len());
        Ok((said(&records), all, workers.into_iter().map(|(_, pid)| pid).collect()))
    }
    let (said, all, workers) = alone(gathers, ());
    for (name, pid) in all {
        let found: Vec<_> = said.iter().filter(|(_, by, _)| *by == pid).collect();
        assert!(matches!(found[..], [(node, _, words)] if *node == name && *words == name), "{found:?}");
    }
    let adds: Vec<_> = said.iter().filter(|(.., words)| words == "adds").collect();
    assert_eq!(adds.len(), 20);
    assert!(adds.iter().all(|(_, pid, _)| workers.contains(pid)));
}

/// > A record has the level, target, message, fields and spans of its event, and prints itself as one line.
#[test]
fn a_record_has_all_of_its_event() {
    fn logs(_: &Node, (): ()) {
        let outer = info_span!("outer", job = 7, late = tracing::field::Empty);
        let _in = outer.enter();
        let inner = info_span!("inner");
        let _in = inner.enter();
        outer.record("late", "now");
        let cause = std::io::Error::other("no room");
        error!(target: "stage", count = 3_u32, is_odd = true, name = "a b", error = &cause as &dyn std::error::Error, "two\nlines {}", 1);
    }
    fn gathers(node: &Node, (): ()) -> Result<(String, bool), Failure> {
        let records = gathered(node, "info")?;
        let child = node.spawn("logs", logs, ())?;
        child.join()?;
        come(&records, 1);
        let records = records.lock().unwrap();
        let [record] = &records[..] else { return Err(Failure::new(format!("{records:?}"))) };
        assert_eq!(record.level, tracing::Level::ERROR);
        assert_eq!(
            (record.target.as_str(), record.message.as_str(), record.pid),
            ("stage", "two\nlines 1", child.pid())
        );
        let fields = [("count", "3"), ("is_odd", "true"), ("name", "a b"), ("error", "no room")];
        assert_eq!(record.fields, fields.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert_eq!(record.spans, ["outer{job=7 late=now}", "inner"]);
        assert!(
            record.file.as_deref().is_some_and(|file| file.ends_with("logs.rs")) && record.line.is_some()
        );
        let line = record.to_string();
        let (_, rest) = line.split_once(' ').ok_or_else(|| Failure::new(&line))?;
        let expected = format!(
            "ERROR [logs {}] outer{{job=7 late=now}}: inner: stage: two\\nlines 1 count=3 is_odd=true name=a b error=no room",
            child.pid()
        );
        assert_eq!(rest, expected);
        Ok((line, record.time.elapsed().is_ok_and(|ago| ago < PATIENCE)))
    }
    let (line, is_recent) = alone(gathers, ());
    assert!(line.contains('T') && line.contains("Z ERROR ") && is_recent, "{line}");
}

/// > The filter of `Node::start_logging` holds in every process below: what does not pass it is not sent.
#[test]
fn the_filter_is_passed_down() {
    fn logs(node: &Node, depth: u32) -> Result<(), Failure> {
        trace!("trace {depth}");
        debug!("debug {depth}");
        info!("info {depth}");
        warn!("warn {depth}");
        info!(target: "stage::parse", "parse {depth}");
        debug!(target: "stage::parse", "parse debug {depth}");
        trace!(target: "stage::parse", "parse trace {depth}");
        if depth > 0 {
            node.spawn("logs", logs, depth - 1)?.join()??;
        }
        Ok(())
    }
    fn gathers(node: &Node, (filter, count): (String, usize)) -> Result<Vec<String>, Failure> {
        let records = gathered(node, &filter)?;
        node.spawn("logs", logs, 1)?.join()??;
        come(&records, count);
        Ok(said(&records).into_iter().map(|(.., words)| words).collect())
    }
    let mut expected = Vec::new();
    for depth in [1, 0] {
        expected.extend(["warn", "parse", "parse debug"].map(|what| format!("{what} {depth}")));
    }
    assert_eq!(alone(gathers, ("warn,stage=debug".to_owned(), expected.len())), expected);
    assert!(alone(gathers, ("off".to_owned(), 0)).is_empty());
}

/// > A panic in what handles records is told of, and the next record is handled; what it logs itself is not gathered.
#[test]
fn a_panic_while_handling_does_not_end_the_gathering() {
    fn gathers(node: &Node, (): ()) -> Result<Vec<String>, Failure> {
        let records = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&records);
        node.start_logging(LogOptions::new("info").gather(move |record| {
            warn!("about to handle");
            assert_ne!(record.message, "panic");
            to.lock().unwrap().push(record.message.clone());
        }))?;
        for words in ["one", "panic", "two"] {
            node.spawn("says", says, words.to_owned())?.join()?;
        }
        eventually("both have come", || records.lock().unwrap().len() >= 2);
        Ok(records.lock().unwrap().clone())
    }
    let job = job();
    let child = job.process("gatherer").stderr_captured().spawn(gathers, ()).unwrap();
    let lines: Vec<String> = child.stderr().unwrap().lines().collect::<Result<_, _>>().unwrap();
    let told =
        lines.iter().filter(|line| line.contains("what is called for records panicked at one of says (pid "));
    assert_eq!(told.count(), 1, "{lines:?}");
    let said = child.join().unwrap().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(said, ["one", "two"]);
}

/// > A record's text is cut to 24 KiB, and says so.
#[test]
fn a_record_that_is_too_long_is_cut() {
    fn logs(_: &Node, (): ()) {
        let long = "\u{e9}".repeat(100_000);
        info!("{long}");
        info!(first = 1, long, last = 2, "short");
    }
    #[derive(Serialize, Deserialize)]
    struct Cut {
        message: String,
        fields: Vec<(String, String)>,
    }
    fn gathers(node: &Node, (): ()) -> Result<Vec<Cut>, Failure> {
        let records = gathered(node, "info")?;
        node.spawn("logs", logs, ())?.join()?;
        come(&records, 2);
        let records = records.lock().unwrap();
        let cut = |record: &LogRecord| Cut { message: record.message.clone(), fields: record.fields.clone() };
        Ok(records.iter().map(cut).collect())
    }
    let [one, two] = &alone(gathers, ())[..] else { panic!("two records") };
    assert!(one.message.len() > 20_000 && one.message.len() < 24 << 10 && one.message.ends_with('…'));
    assert_eq!(two.message, "short");
    assert!(two.fields[1].1.ends_with('…') && two.fields[1].1.len() > 20_000);
    assert_eq!(two.fields[0], ("first".to_owned(), "1".to_owned()));
}

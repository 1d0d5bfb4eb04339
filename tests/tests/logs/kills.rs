//! Records and those who are killed, stopped or end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callboard::testing::{is_stopped, job, kill, resume, stop};
use callboard::{Failure, JoinError, LogOptions, LogRecord, Node, Process, Queue, QueueOptions};
use callboard_tests::{PATIENCE, Random, eventually, eventually_shown, kill_self, pause, rounds};
use tracing::info;

use crate::{alone, gathered};

/// How long those who log wait for room, and a join for records.
const A_SECOND: Duration = Duration::from_secs(1);

/// > What a process has logged is gathered though it is killed in the next instant; what it logged before has been handled before its join returns.
#[test]
fn what_a_killed_process_has_logged_is_gathered() {
    fn dies(_: &Node, count: u64) {
        (0..count).for_each(|number| info!(number, "before the end"));
        kill_self();
    }
    fn gathers(node: &Node, rounds: u64) -> Result<Vec<(u64, u64)>, Failure> {
        let records = gathered(node, "info")?;
        let mut found = Vec::new();
        for round in 0..rounds {
            let begun = Instant::now();
            let child = node.spawn("dies", dies, round)?;
            assert!(matches!(child.join(), Err(JoinError::Signalled { signal: 9, .. })));
            if begun.elapsed() >= A_SECOND {
                // A join waits a second for records and no longer. Here the machine may have stood still for that.
                eventually("they have come", || records.lock().unwrap().len() as u64 >= round);
            }
            let records = std::mem::take(&mut *records.lock().unwrap());
            let numbers: Vec<&str> = records.iter().map(|record| record.fields[0].1.as_str()).collect();
            assert!((0..round).map(|number| number.to_string()).eq(numbers.iter().copied()), "{numbers:?}");
            found.push((round, records.len() as u64));
        }
        Ok(found)
    }
    let found = alone(gathers, rounds(60));
    assert!(found.iter().all(|(sent, came)| sent == came), "{found:?}");
}

/// > Whoever of those who log is killed at whatever moment, each record that is gathered is whole, those of one process are in order and without a gap, and the others' go on.
#[test]
fn killed_at_any_moment_records_are_whole_and_without_gaps() {
    fn talks(_: &Node, (): ()) {
        let long = "x".repeat(700);
        let mut has_waited = false;
        for number in 0_u64.. {
            let begun = Instant::now();
            info!(number, long, has_waited, "talks");
            has_waited |= begun.elapsed() >= A_SECOND;
        }
    }
    fn gathers(node: &Node, (rounds, seed): (u64, u64)) -> Result<usize, Failure> {
        let records = gathered(node, "info")?;
        let mut random = Random::from_seed(seed);
        let start = || node.spawn("talks", talks, ());
        let mut talkers: Vec<Process<()>> = (0..3).map(|_| start()).collect::<Result<_, _>>()?;
        let mut next: BTreeMap<u32, u64> = BTreeMap::new();
        let mut count = 0;
        let mut check = |talkers: &[Process<()>]| {
            for record in std::mem::take(&mut *records.lock().unwrap()) {
                let number = next.entry(record.pid).or_insert(0);
                // Where the machine stands still for a second records are dropped, and counted.
                assert!(record.lost == 0 || record.fields[2].1 == "true", "{record:?}");
                *number += record.lost;
                assert_eq!(record.fields[0].1, number.to_string(), "of {}", record.pid);
                assert_eq!(record.fields[1].1.len(), 700);
                *number += 1;
                count += 1;
            }
            talkers.iter().all(|talker| next.contains_key(&talker.pid()))
        };
        for _ in 0..rounds {
            let at = random.below(3) as usize;
            kill(talkers[at].pid());
            assert!(matches!(talkers[at].join(), Err(JoinError::Signalled { signal: 9, .. })));
            talkers[at] = start()?;
            eventually("all of them talk", || check(&talkers));
            pause(Duration::from_micros(random.below(3_000)));
        }
        talkers.iter().try_for_each(Process::kill)?;
        Ok(count)
    }
    let seed = Random::new().seed();
    println!("seed {seed}");
    assert!(alone(gathers, (rounds(40), seed)) > 40);
}

/// > While records are not handled those who log wait a second, once; then records are dropped, and the next that is handled says how many.
#[test]
fn a_gatherer_that_is_stopped_costs_a_second_and_lost_records_are_counted() {
    /// More than any system has room for.
    const MANY: u64 = 200_000;
    const DROPPED: u64 = 3_000;
    /// How long the longest of its calls took, and how many there were.
    fn talks(node: &Node, (): ()) -> Result<(f64, u64), Failure> {
        let (ready, done): (Queue<u32>, Queue<u64>) = (node.open("/ready")?, node.open("/done")?);
        ready.put(std::process::id())?;
        node.open::<Queue<u32>>("/go")?.get()?;
        let (mut longest, mut sent) = (Duration::ZERO, 0);
        // How much room there is is the system's affair: when a call has waited there is none.
        while longest < A_SECOND && sent < MANY {
            let begun = Instant::now();
            info!(number = sent, "talks");
            longest = longest.max(begun.elapsed());
            sent += 1;
        }
        (0..DROPPED).for_each(|number| info!(number = sent + number, "talks"));
        sent += DROPPED;
        done.put(sent)?;
        node.open::<Queue<u32>>("/go")?.get()?;
        info!("again");
        Ok((longest.as_secs_f64(), sent + 1))
    }
    fn gathers(node: &Node, (): ()) -> Result<(f64, u64, u64, u64), Failure> {
        let records = gathered(node, "info")?;
        let talker = node.spawn("talks", talks, ())?;
        // None comes before this process goes on after its stop; with a few taken there is room for another.
        eventually("some are handled", || records.lock().unwrap().len() > 3);
        node.open::<Queue<u32>>("/go")?.put(2)?;
        let (longest, sent) = talker.join()??;
        let is_last = |record: &LogRecord| record.message == "again" && record.lost > 0;
        let last = || format!("{:?}", records.lock().unwrap().last());
        eventually_shown("the last is handled, and says how many were lost", last, || {
            records.lock().unwrap().last().is_some_and(is_last)
        });
        let records = records.lock().unwrap();
        let lost = records.iter().map(|record| record.lost).sum();
        Ok((longest, sent, records.len() as u64, lost))
    }
    let job = job();
    let queue = |name: &str| -> Queue<u32> { job.create(name, QueueOptions::new()).unwrap() };
    let (ready, go) = (queue("/ready"), queue("/go"));
    let done: Queue<u64> = job.create("/done", QueueOptions::new()).unwrap();
    let gatherer = job.spawn("gatherer", gathers, ()).unwrap();
    ready.get_timeout(PATIENCE).unwrap();
    stop(gatherer.pid());
    eventually("it is stopped", || is_stopped(gatherer.pid()));
    go.put(1).unwrap();
    assert!(done.get_timeout(PATIENCE).unwrap() > DROPPED, "nobody hangs");
    resume(gatherer.pid());
    let (longest, sent, came, lost) = gatherer.join().unwrap().unwrap_or_else(|failure| panic!("{failure}"));
    assert!(longest >= 1.0, "it waits before it drops: {longest} s");
    assert_eq!(came + lost, sent, "{came} came");
}

/// > A node that ends handles the records that are there, those of the children that it kills too.
#[test]
fn a_node_that_ends_handles_what_is_there() {
    #[derive(Default)]
    struct Count(u64);
    fn says_and_stays(node: &Node, words: String) {
        info!("{words}");
        let said: Queue<()> = node.open("/said").unwrap();
        said.put_confirmed(()).unwrap();
        node.wait_stopping(PATIENCE);
    }
    fn gathers(outer: &Node, (): ()) -> Result<u64, Failure> {
        let _ = outer;
        let count = Arc::new(Mutex::new(Count::default()));
        let to = Arc::clone(&count);
        let node = Node::start()?;
        let said: Queue<()> = node.create("/said", QueueOptions::new())?;
        node.start_logging(LogOptions::new("info").gather(move |_| {
            pause(Duration::from_millis(50));
            to.lock().unwrap().0 += 1;
        }))?;
        let children = (0..10)
            .map(|n| node.spawn("says", says_and_stays, n.to_string()))
            .collect::<Result<Vec<_>, _>>()?;
        for _ in &children {
            said.get_timeout(PATIENCE)?;
        }
        drop((node, said));
        let count = count.lock().unwrap().0;
        Ok(count)
    }
    assert_eq!(alone(gathers, ()), 10);
}

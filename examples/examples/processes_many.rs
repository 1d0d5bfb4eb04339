// cargo run --release -p callboard-examples --example processes_many -- [COMPUTE_MS WAIT_MS]
//! What it costs to have more processes than processors, and what it is good for: 1, 2, 10 and 100 of them share an amount of computing, and then each waits as long.
//!
//! All are ready before any begins. A row says how long that took, how long the work did and how long the joins; the memory of each process (its own, and its share of
//! what several have); and how often threads of theirs gave their processor away meanwhile, or lost it, in all processes together.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::thread::sleep;
use std::time::{Duration, Instant};

use callboard::{Event, EventOptions, Failure, Latch, LatchOptions, Node};
use serde::{Deserialize, Serialize};

const COUNTS: [u32; 4] = [1, 2, 10, 100];

/// What one process has to do.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Part {
    Compute { steps: u64 },
    Wait(Duration),
}

fn compute(steps: u64) -> u64 {
    (0..steps).fold(1, |x: u64, n| black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n)))
}

/// How many steps take that long by themselves, by the fastest of some tries.
fn steps_within(time: Duration) -> u64 {
    const TRIED: u64 = 4_000_000;
    let took = |_| {
        let begun = Instant::now();
        black_box(compute(TRIED));
        begun.elapsed()
    };
    let fastest = (0..5).map(took).min().unwrap_or_default();
    (TRIED as f64 * time.as_secs_f64() / fastest.as_secs_f64()) as u64
}

/// How often this process's threads have left a processor: waiting, or since others were to have it.
fn switches() -> Result<u64, Failure> {
    let mut sum = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
        sum += counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum::<u64>();
    }
    Ok(sum)
}

/// What all of them meet at.
#[derive(Clone, Serialize, Deserialize)]
struct Signs {
    ready: Latch,
    go: Event,
    done: Latch,
}

/// Does its part when all are ready; how many switches that took.
fn work(_: &Node, (part, signs): (Part, Signs)) -> Result<u64, Failure> {
    signs.ready.count_down()?;
    signs.go.wait()?;
    let before = switches()?;
    match part {
        Part::Compute { steps } => _ = black_box(compute(steps)),
        Part::Wait(time) => sleep(time),
    }
    let switches = switches()? - before;
    signs.done.count_down()?;
    Ok(switches)
}

/// The memory of a process in KiB: pages that others have too count as a part of one.
fn kib_of(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok())
}

struct Row {
    ready: Duration,
    done: Duration,
    joined: Duration,
    kib: u64,
    switches: u64,
}

/// Has so many processes do `part`, each in its own.
fn measure(node: &Node, count: u32, part: Part) -> Result<Row, Box<dyn Error>> {
    let latch = || node.anonymous(LatchOptions::new(count.into()));
    let signs = Signs { ready: latch(), go: node.anonymous(EventOptions::new()), done: latch() };
    let begun = Instant::now();
    let spawn = |n| node.spawn(&format!("worker {n}"), work, (part, signs.clone()));
    let children = (0..count).map(spawn).collect::<Result<Vec<_>, _>>()?;
    signs.ready.wait()?;
    let ready = begun.elapsed();
    let kib = children.iter().filter_map(|child| kib_of(child.pid())).sum::<u64>() / u64::from(count);

    let begun = Instant::now();
    signs.go.set()?;
    signs.done.wait()?;
    let done = begun.elapsed();
    let begun = Instant::now();
    let mut switches = 0;
    for child in children {
        switches += child.join()??;
    }
    Ok(Row { ready, done, joined: begun.elapsed(), kib, switches })
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let mut args = std::env::args().skip(1);
    let mut time = |default| args.next().map_or(Ok(default), |ms| ms.parse().map(Duration::from_millis));
    let (computing, waiting) = (time(Duration::from_millis(200))?, time(Duration::from_millis(100))?);
    let steps = steps_within(computing);
    println!(
        "{} processors; {computing:?} of computing by all, {waiting:?} of waiting by each",
        callboard::processor_count()
    );
    println!("processes  doing      ready ms  done ms  joined ms  KiB each  switches");
    let mut overlap = true;
    for count in COUNTS {
        let parts = [
            ("computing", Part::Compute { steps: steps / u64::from(count) }),
            ("waiting", Part::Wait(waiting)),
        ];
        for (what, part) in parts {
            let Row { ready, done, joined, kib, switches } = measure(&node, count, part)?;
            let [ready, done_ms, joined] = [ready, done, joined].map(|time| time.as_secs_f64() * 1e3);
            println!(
                "{count:>9}  {what:<9}  {ready:>8.1}  {done_ms:>7.1}  {joined:>9.1}  {kib:>8}  {switches:>8}"
            );
            // One after the other they would take a hundred times as long as one.
            overlap &= !matches!(part, Part::Wait(time) if count == 100 && done > time * count / 2);
        }
    }
    println!("those that wait do so together: {overlap}");
    Ok(())
}

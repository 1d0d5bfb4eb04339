//! What a node costs that has nothing to do: wake-ups, CPU time, memory.

use std::error::Error;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use callboard::Node;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::harness::{Measured, Outcome, Trouble};
use crate::helper::{self, Helper};

/// How long the node is watched.
const WATCH_FOR: Duration = Duration::from_secs(1);
/// How long it may take to settle.
const SETTLE_FOR: Duration = Duration::from_millis(200);
/// And longer for each child, which is still to start.
const SETTLE_PER_CHILD: Duration = Duration::from_millis(4);

/// Longer than it takes children to end that are asked to.
const END_WITHIN: Duration = Duration::from_secs(60);

/// What a helper saw of its node.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    wake_ups: u64,
    cpu_us: f64,
    memory_kib: f64,
    /// The same of its child, if there is one.
    child: Option<(u64, f64)>,
}

/// A process whose node has so many children, none with anything to do.
pub(crate) fn measure(children: u64) -> Outcome {
    let args = [children.to_string()];
    let mut helper = Helper::start("idle", &args, Stdio::null(), Stdio::piped())?;
    let out = helper.child().stdout.take().ok_or(Trouble::failed("no pipe"))?;
    let text = std::io::read_to_string(out)?;
    helper.finish()?;
    let seen: Seen = serde_json::from_str(&text)?;
    let cpu = seen.cpu_us + seen.child.map_or(0.0, |child| child.1);
    let mut measured = Measured {
        operations: 1,
        seconds: WATCH_FOR.as_secs_f64(),
        cpu_seconds: Some(cpu / 1e6),
        ..Measured::default()
    };
    measured = measured.note("wake-ups", seen.wake_ups as f64, "").note("memory", seen.memory_kib, "KiB");
    if children > 1 {
        measured = measured.note("memory of each connection", seen.memory_kib / children as f64, "KiB");
    }
    if let Some((wake_ups, _)) = seen.child {
        measured = measured.note("child's wake-ups", wake_ups as f64, "");
    }
    Ok(measured)
}

/// The helper's side: starts a node, lets it be, and prints what that cost.
pub(crate) fn stay_idle() -> Result<(), Box<dyn Error>> {
    // A child of this helper comes through here as well, and goes no further than the next line but one.
    let before = resident_kib()?;
    let node = Node::start()?;
    let children = helper::number(&std::env::args().skip(3).collect::<Vec<_>>(), 0)?;
    let started: Result<Vec<_>, _> = (0..children).map(|_| node.spawn("idle", idle_child, ())).collect();
    let started = started?;
    std::thread::sleep(SETTLE_PER_CHILD * u32::try_from(children)?);
    let (wake_ups, cpu_us) = watch()?;
    let memory_kib = resident_kib()?.saturating_sub(before) as f64;
    let mut child = None;
    started.iter().for_each(|process| process.terminate(END_WITHIN));
    for process in started {
        child = Some(process.join()??);
    }
    println!("{}", serde_json::to_string(&Seen { wake_ups, cpu_us, memory_kib, child })?);
    Ok(())
}

/// Looks at itself, and is there until its parent has looked at itself.
fn idle_child(node: &Node, (): ()) -> Result<(u64, f64), String> {
    let seen = watch();
    while !node.wait_stopping(END_WITHIN) {}
    seen
}

/// Wake-ups of all other threads and microseconds of CPU of this process, while it sleeps.
fn watch() -> Result<(u64, f64), String> {
    std::thread::sleep(SETTLE_FOR);
    let (wake_ups, cpu) = (wake_ups().map_err(|error| error.to_string())?, cpu());
    let until = Instant::now() + WATCH_FOR;
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    let used = self::cpu().saturating_sub(cpu);
    let more = self::wake_ups().map_err(|error| error.to_string())?.saturating_sub(wake_ups);
    // A part of the time is this function's own: reading those files.
    Ok((more, used.as_nanos() as f64 / 1e3))
}

fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// How often the threads other than this one have gone to sleep by themselves.
fn wake_ups() -> std::io::Result<u64> {
    let main = std::process::id().to_string();
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        if *task.file_name() != *main {
            sum += field(&fs::read_to_string(task.path().join("status"))?, "voluntary_ctxt_switches:");
        }
    }
    Ok(sum)
}

/// What this process has in memory.
pub(super) fn resident_kib() -> std::io::Result<u64> {
    Ok(field(&fs::read_to_string("/proc/self/status")?, "VmRSS:"))
}

/// A number of a status file.
pub(super) fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok()).unwrap_or(0)
}

//! What a test must not leave behind: processes, threads, descriptors, shared memory, sockets.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::eventually;

/// Compares what this process holds at the beginning and at the end of a test.
///
/// Tests of one program run side by side, so a program that uses this runs them one at a time (nextest does;
/// under `cargo test` such tests share a lock).
#[derive(Debug)]
pub struct LeakCheck {
    before: Holdings,
    threads: Threads,
}

/// Which threads count.
#[derive(Clone, Copy, Debug)]
enum Threads {
    All,
    /// Those that Callboard names.
    Ours,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Holdings {
    children: BTreeSet<u32>,
    threads: usize,
    descriptors: usize,
    shared_memory: usize,
}

impl LeakCheck {
    /// Notes what there is now.
    #[expect(clippy::new_without_default, reason = "it looks at the system")]
    pub fn new() -> Self {
        Self::with(Threads::All)
    }

    /// As [`new`](Self::new), for a program of several tests, whose runner starts a thread for each when it likes: of the threads
    /// Callboard's own count.
    pub fn beside_other_tests() -> Self {
        Self::with(Threads::Ours)
    }

    fn with(threads: Threads) -> Self {
        Self { before: Holdings::now(threads), threads }
    }

    /// Waits until there is no more than there was.
    ///
    /// # Panics
    ///
    /// If that does not come to pass, naming what is left.
    #[track_caller]
    pub fn check(&self) {
        let mut now = Holdings::now(self.threads);
        eventually(&format!("nothing is left; before: {:?}", self.before), || {
            now = Holdings::now(self.threads);
            now.children.is_subset(&self.before.children)
                && now.threads <= self.before.threads
                && now.descriptors <= self.before.descriptors
                && now.shared_memory <= self.before.shared_memory
        });
    }
}

impl Holdings {
    fn now(threads: Threads) -> Self {
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        Self {
            children: children(),
            threads: match threads {
                Threads::All => count("/proc/self/task"),
                Threads::Ours => own_threads(),
            },
            descriptors: count("/proc/self/fd"),
            shared_memory: maps.lines().filter(|line| line.contains("memfd:callboard")).count(),
        }
    }
}

fn own_threads() -> usize {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return 0 };
    let names = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| ["callboard", "served"].contains(&name.trim_end())).count()
}

fn count(dir: &str) -> usize {
    fs::read_dir(dir).map(Iterator::count).unwrap_or_default()
}

/// The processes, dead or alive, whose parent is this one.
fn children() -> BTreeSet<u32> {
    let own = std::process::id();
    let Ok(dir) = fs::read_dir("/proc") else { return BTreeSet::new() };
    dir.flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid).is_some_and(|(_, parent)| parent == own))
        .collect()
}

/// State letter and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Whether there is a process of this number that is not just waiting to be reaped.
pub fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// The state letter of a process, `T` for a stopped one; none if there is no such process.
pub fn stop_state(pid: u32) -> Option<char> {
    stat(pid).map(|(state, _)| state)
}

/// Sends a signal, by its number, to a process that the test has started.
///
/// # Panics
///
/// If there is no such signal. That the process is gone by now is no mistake.
pub fn send_signal(pid: u32, signal: i32) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("pids are small")).expect("no pid is zero");
    let _ = kill_process(pid, Signal::from_named_raw(signal).expect("a signal with a name"));
}

//! What a test must not leave behind: processes, threads, descriptors, shared memory, sockets.
//!
//! All of it is read from `/proc`, of this process alone.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::panicking;
use std::time::{Duration, Instant};

use super::eventually::{PATIENCE, pause};
use super::processes::stat;

/// How long things may take to go where other tests' come and go too.
const BESIDE_OTHERS: Duration = PATIENCE.saturating_mul(5);
/// The longest time between two looks.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// The names of the threads that a node starts, as the system cuts them; and all that begin as the first does, with a hyphen behind it.
const OURS: [&str; 4] = ["callboard", "actors", "served", "supervisor"];

/// Compares what this process holds at the beginning and at the end of a test: its children, threads, descriptors
/// (sockets among them) and mapped shared memory.
///
/// What is left is found when this is dropped, unless the test fails already, or by [`check`](Self::check). So make it first, and it is
/// dropped last.
///
/// It looks at the whole process. So let it be the only test that runs: `cargo nextest` gives each test a process, and then anything that was
/// not there before is left. Under `cargo test`, which runs the tests of a file side by side on threads, other tests' things come and go. There only
/// those are left that were not there before and are there at every look; and of other kinds than children none, unless there is more of that kind than there was. What
/// another test holds longer than the [`patience`](Self::patience) is taken for left. So use it once at the end, or have the tests take turns, as those do that
/// begin with a [`job`](super::job()).
///
/// ```
/// use callboard::testing::LeakCheck;
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let leaks = LeakCheck::new();
/// {
///     let node = callboard::Node::start()?;
///     node.spawn("child", |_, ()| (), ())?.join()?;
/// }
/// leaks.check();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it looks for what is left when it is dropped"]
pub struct LeakCheck {
    before: Holdings,
    threads: Threads,
    /// Anything new is left; else only what is more than there was.
    is_exact: bool,
    patience: Duration,
    /// Somebody has looked already.
    is_over: AtomicBool,
}

/// Which threads count.
#[derive(Clone, Copy, Debug)]
enum Threads {
    All,
    /// Those that Callboard names.
    Ours,
}

/// What a [`LeakCheck`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What kind of thing it is.
    pub kind: LeakKind,
    /// Which one, in words.
    pub what: String,
}

/// The kinds of things that a test can leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LeakKind {
    /// A child of this process, dead or alive, that was not there before.
    Child,
    /// A thread.
    Thread,
    /// An open descriptor.
    Descriptor,
    /// Mapped shared memory.
    SharedMemory,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            LeakKind::Child => "process",
            LeakKind::Thread => "thread",
            LeakKind::Descriptor => "descriptor",
            LeakKind::SharedMemory => "shared memory",
        };
        write!(f, "{kind} {}", self.what)
    }
}

impl LeakCheck {
    /// Notes what there is now.
    #[expect(clippy::new_without_default, reason = "it looks at the system")]
    pub fn new() -> Self {
        Self::with(Threads::All, has_own_process())
    }

    /// As [`new`](Self::new), for a test that is the only one of its program: anything that was not there before is left, whatever the
    /// test runner.
    pub fn exact() -> Self {
        Self::with(Threads::All, true)
    }

    /// As [`new`](Self::new), for a program of several tests, whose runner starts a thread for each when it likes: of the threads
    /// Callboard's own count.
    pub fn beside_other_tests() -> Self {
        Self::with(Threads::Ours, false)
    }

    fn with(threads: Threads, is_exact: bool) -> Self {
        let before = Holdings::now(threads);
        let patience = if is_exact { PATIENCE } else { BESIDE_OTHERS };
        Self { before, threads, is_exact, patience, is_over: AtomicBool::new(false) }
    }

    /// How long it waits for things to go: [`PATIENCE`] by default, five times that beside other tests. Zero looks once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits until nothing is left. When this is dropped nobody looks again.
    ///
    /// # Panics
    ///
    /// If that does not come to pass, naming what is left.
    #[track_caller]
    pub fn check(&self) {
        let left = self.left();
        if left.is_empty() {
            return;
        }
        let lines: Vec<String> = left.iter().map(|leak| format!("\n  {leak}")).collect();
        panic!("after {:?} there is left what was not there before:{}", self.patience, lines.concat());
    }

    /// Waits until nothing is left; what is left when its patience is over. When this is dropped nobody looks again.
    pub fn left(&self) -> Vec<Leak> {
        self.is_over.store(true, Relaxed);
        let begun = Instant::now();
        let mut every = Duration::from_millis(1);
        let mut left: Option<BTreeMap<_, _>> = None;
        loop {
            let mut now = Holdings::now(self.threads).beyond(&self.before, self.is_exact);
            if let Some(left) = left.filter(|_| !self.is_exact) {
                now.retain(|key, _| left.contains_key(key));
            }
            if now.is_empty() || begun.elapsed() >= self.patience {
                return now.into_iter().map(|((kind, _), what)| Leak { kind, what }).collect();
            }
            left = Some(now);
            pause(every);
            every = LOOKS_EVERY.min(every * 2);
        }
    }
}

/// Fails a test that has not failed yet.
impl Drop for LeakCheck {
    fn drop(&mut self) {
        if !panicking() && !self.is_over.load(Relaxed) {
            self.check();
        }
    }
}

/// Whether the test runner gives each test a process.
pub(super) fn has_own_process() -> bool {
    std::env::var_os("NEXTEST_EXECUTION_MODE").is_some_and(|mode| mode == "process-per-test")
}

/// Everything that counts: what tells it from others, and how it is named.
#[derive(Debug, Default)]
struct Holdings(BTreeMap<LeakKind, BTreeMap<String, String>>);

impl Holdings {
    fn now(threads: Threads) -> Self {
        Self(BTreeMap::from([
            (LeakKind::Child, children()),
            (LeakKind::Thread, own_threads(threads)),
            (LeakKind::Descriptor, descriptors()),
            (LeakKind::SharedMemory, shared_memory()),
        ]))
    }

    /// What is here and not in `before`; unless it is exact, of those kinds of which there is more.
    fn beyond(&self, before: &Self, is_exact: bool) -> BTreeMap<(LeakKind, String), String> {
        let mut left = BTreeMap::new();
        for (kind, now) in &self.0 {
            let Some(then) = before.0.get(kind) else { continue };
            // Other tests' things come and go; a child is never taken for another.
            if !is_exact && *kind != LeakKind::Child && now.len() <= then.len() {
                continue;
            }
            let new = now.iter().filter(|(key, _)| !then.contains_key(*key));
            left.extend(new.map(|(key, what)| ((*kind, key.clone()), what.clone())));
        }
        left
    }
}

/// The names of what is in a folder.
fn entries(folder: &str) -> Vec<String> {
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    found.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The processes, dead or alive, whose parent is this one.
fn children() -> BTreeMap<String, String> {
    let own = std::process::id();
    let mut found = BTreeMap::new();
    for number in entries("/proc") {
        let Some(process) = number.parse().ok().and_then(stat) else { continue };
        if process.parent == own {
            let how = match process.state {
                'Z' | 'X' => ", dead and not reaped",
                'T' => ", stopped",
                _ => "",
            };
            found.insert(number.clone(), format!("{number} ({}{how})", process.name));
        }
    }
    found
}

fn own_threads(which: Threads) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for number in entries("/proc/self/task") {
        let Ok(name) = fs::read_to_string(format!("/proc/self/task/{number}/comm")) else { continue };
        let name = name.trim_end();
        if matches!(which, Threads::All) || is_ours(name) {
            found.insert(number.clone(), format!("{number} ({name})"));
        }
    }
    found
}

fn is_ours(thread: &str) -> bool {
    OURS.contains(&thread) || thread.strip_prefix(OURS[0]).is_some_and(|rest| rest.starts_with('-'))
}

fn descriptors() -> BTreeMap<String, String> {
    let looking = format!("/proc/{}/fd", std::process::id());
    let sockets = socket_names();
    let mut found = BTreeMap::new();
    for number in entries("/proc/self/fd") {
        let Ok(target) = fs::read_link(format!("/proc/self/fd/{number}")) else { continue };
        let target = target.to_string_lossy().into_owned();
        // The one that somebody else reads this folder with.
        if target == looking {
            continue;
        }
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        let name = inode.and_then(|inode| sockets.get(inode)).map(|name| format!(" {name}"));
        let what = format!("{number} ({target}{})", name.unwrap_or_default());
        found.insert(format!("{number} {target}"), what);
    }
    found
}

/// The Unix sockets of this system that have a name, by their inodes.
fn socket_names() -> BTreeMap<String, String> {
    let text = fs::read_to_string("/proc/self/net/unix").unwrap_or_default();
    let named = text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace().skip(6);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    });
    named.collect()
}

/// Mapped memory that other processes can map too.
fn shared_memory() -> BTreeMap<String, String> {
    let text = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [range, rights, _, _, inode, name, ..] = fields[..] else { continue };
        let kinds = ["/memfd:", "/dev/shm/", "/SYSV"];
        if rights.ends_with('s') && kinds.iter().any(|kind| name.starts_with(kind)) {
            found.insert(format!("{inode} {range}"), format!("{name} ({range})"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_known_as_ours_by_their_names() {
        for name in ["callboard", "callboard-waits", "callboard-exits", "callboard-logs", "actors", "served"]
        {
            assert!(is_ours(name), "{name}");
        }
        for name in ["callboards_test", "main", "actors_start"] {
            assert!(!is_ours(name), "{name}");
        }
    }
}

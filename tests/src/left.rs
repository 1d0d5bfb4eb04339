//! What of a test is still there when nothing of it may be: which processes those are, and what they do.
//!
//! For tests that kill, or start programs of their own; `callboard::testing::LeakCheck` is for what a process holds itself.

use std::fs;
use std::time::{Duration, Instant};

use callboard::testing::{PATIENCE, is_running, pause};

/// As `eventually`; when it does not come the panic also has what `shown` then gives, such as a program's words.
///
/// # Panics
///
/// After `PATIENCE`, naming `what` was waited for.
#[track_caller]
pub fn eventually_shown(what: &str, shown: impl FnOnce() -> String, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() >= PATIENCE {
            panic!("not within {PATIENCE:?}: {what}; {}", shown());
        }
        pause(Duration::from_millis(1));
    }
}

/// Waits until `left` finds no process any more.
///
/// # Panics
///
/// After `PATIENCE`, with `what` was waited for, and what the system tells of each that is left.
#[track_caller]
pub fn none_left(what: &str, left: impl Fn() -> Vec<u32>) {
    let told = || left().into_iter().map(|pid| format!("\n  {}", told_of(pid))).collect();
    eventually_shown(what, told, || left().is_empty());
}

/// The same for those processes.
///
/// # Panics
///
/// As [`none_left`].
#[track_caller]
pub fn none_runs(what: &str, pids: &[u32]) {
    none_left(what, || pids.iter().copied().filter(|pid| is_running(*pid)).collect());
}

/// A process's name and state, its parent, and where in the kernel it sleeps, as far as that is told.
fn told_of(pid: u32) -> String {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let status = read("status");
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map_or("unknown", str::trim).to_owned()
    };
    let (name, state, parent) = (field("Name:"), field("State:"), field("PPid:"));
    let (wchan, command) = (read("wchan"), read("cmdline").replace('\0', " "));
    format!("{pid} ({name}): {state}, child of {parent}, sleeps in {wchan:?}, runs {command:?}")
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn one_that_is_left_is_told_of_by_name_state_and_parent() {
        let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (pid, own) = (cat.id(), std::process::id());
        eventually_shown("it reads", || told_of(pid), || told_of(pid).contains(&format!("{pid} (cat): S")));
        assert!(told_of(pid).contains(&format!("child of {own}")), "{}", told_of(pid));
        drop(cat.stdin.take());
        cat.wait().unwrap();
        none_runs("it has ended", &[pid]);
    }
}

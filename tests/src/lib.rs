//! What the integration tests share: the test kit that users have, `callboard::testing`, and how many rounds a test runs.
//!
//! The tests themselves are in `tests/tests/`, one file per topic; each file is a program whose children are
//! started through `callboard::test_door!()`.

mod left;

use std::os::fd::OwnedFd;
use std::process::Command;

pub use callboard::testing::{
    LeakCheck, PATIENCE, Random, die_at, eventually, is_running, kill_self, pause,
    process_state as stop_state, reached, send_signal,
};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

pub use self::left::{eventually_shown, none_left, none_runs};

/// What a program of these tests and another one share: both know it from this library, under one name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reading {
    /// Who has put it.
    pub source: String,
    /// From zero.
    pub number: u64,
}

/// How many rounds a test runs: `few`, or as many as `STORM_ROUNDS` says.
pub fn rounds(few: u64) -> u64 {
    std::env::var("STORM_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}

/// The processes that have `variable` with that value in their environment, whoever their parents are by now; but for those that are only to be collected.
pub fn marked(variable: &str, value: &str) -> Vec<u32> {
    let wanted = format!("{variable}={value}").into_bytes();
    let entries = std::fs::read_dir("/proc").expect("the system has /proc");
    let pid_of = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        // One that is ending has none, and one of another user can't be ours.
        let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        environ.split(|byte| *byte == 0).any(|known| known == wanted).then_some(pid)
    };
    entries.flatten().filter_map(pid_of).collect()
}

/// Copies of all descriptors of a child of this process, as a process has them that is stopped before it executes a program; none where the system
/// does not let it have them, which is said.
pub fn copies_of_descriptors(pid: u32) -> Option<Vec<OwnedFd>> {
    let pidfd = pidfd_open(Pid::from_raw(pid.cast_signed())?, PidfdFlags::empty()).expect("it is our child");
    let copy = |fd| pidfd_getfd(&pidfd, fd, PidfdGetfdFlags::empty());
    // Its standard input, which it has in any case.
    if let Err(error @ (Errno::PERM | Errno::NOSYS)) = copy(0) {
        eprintln!("not tried: nobody's descriptors can be copied here: {error}");
        return None;
    }
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it is our child");
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Some(numbers.filter_map(|fd| copy(fd).ok()).collect())
}

/// Whether `env` of this system can be told what signals do to the program that it runs.
pub fn env_sets_signals() -> bool {
    let tried = Command::new("env").args(["--default-signal", "--block-signal=USR2", "true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// A command of that program, for which every signal is as by default, also where this process was started to ignore some, as `nohup` does; unless `env` of this
/// system can't do that.
pub fn with_default_signals(program: &str) -> Command {
    if !env_sets_signals() {
        return Command::new(program);
    }
    let mut env = Command::new("env");
    env.args(["--default-signal", program]);
    env
}

//! What the integration tests share: the test kit that users have, `callboard::testing`, and how many rounds a test runs.
//!
//! The tests themselves are in `tests/tests/`, one file per topic; each file is a program whose children are
//! started through `callboard::test_door!()`.

pub use callboard::testing::{
    LeakCheck, PATIENCE, Random, die_at, eventually, is_running, kill_self, pause,
    process_state as stop_state, reached, send_signal,
};

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

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

//! What the integration tests share: waiting for a condition, looking for leaks, killing at a named step.
//!
//! The tests themselves are in `tests/tests/`, one file per topic; each file is a program whose children are
//! started through `callboard::test_door!()`.

mod eventually;
mod leaks;
mod random;
mod steps;

pub use eventually::{PATIENCE, eventually, pause};
pub use leaks::{LeakCheck, is_running, send_signal, stop_state};
pub use random::{Random, rounds};
pub use steps::{die_at, kill_self, reached};

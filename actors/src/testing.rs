//! What tests of programs made of several processes need: waiting for a condition, looking for leaks, chance that can be repeated, death at a
//! named step.

mod eventually;
mod leaks;
mod processes;
mod random;
mod steps;

pub use self::eventually::{PATIENCE, eventually, eventually_within, pause};
pub use self::leaks::{Leak, LeakCheck, LeakKind};
pub use self::processes::{
    is_running, is_stopped, kill, kill_self, process_state, resume, send_signal, stop,
};
pub use self::random::Random;
pub use self::steps::{die_at, reached};

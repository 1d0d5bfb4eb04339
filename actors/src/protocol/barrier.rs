//! A place where so many wait for each other, again and again.
//!
//! A wait is a question that is answered when all have come, or the barrier is broken: whoever dies or gives up takes it back, and that is what
//! breaks it. Whoever would run an action asks a second one, whether it is its turn: so its wait stays a question while it acts, and
//! its death then is noticed too. Timeouts run at the owner, so that of a wait and its timeout one comes to pass for everybody alike.

mod error;
mod handle;
pub(crate) mod options;
pub(crate) mod owner;
#[cfg(test)]
mod simulated;
pub(crate) mod wire;

pub use self::error::{BarrierError, BrokenBy};
pub use self::handle::Barrier;
pub use self::options::{BarrierOptions, NoParties};

//! What a supervisor decides: which children are started, stopped and started again, in which order and when.
//!
//! [`Machine`](machine::Machine) is a pure state machine, to be run under its cell's lock. It starts nothing and waits
//! for nothing: news and commands go in with the time, and what is to be done comes out as effects, in order. It knows
//! a child by its plan alone; what is really started is kept by whoever runs the machine.
//!
//! The rules are those of OTP's `supervisor`, with two additions: starts may be slow, so that anything may happen
//! during one, and a child may wait before it is started again (`backoff`).
//!
//! - **Order.** Children are started in the order in which they were planned or added, each when the one before has
//!   started, and stopped the other way round, each when the one before has ended.
//! - **Lives.** Each start has a number and each piece of news names it: what is told of a former life changes nothing.
//!   No child is started before its former life has been told as ended.
//! - **Names.** A life that is over is told as `Restarting` (another follows: the name is held) or as `Final`.
//! - **Nothing is stuck.** At any time a start, an end or a point in time is awaited, or all children that are wanted run.
//!
//! Where OTP waits inside of a start or a stop, something else may be going on here:
//!
//! - With `OneForOne` and `SimpleOneForOne` a slow start holds up nobody once the supervisor has begun.
//! - A child that a command stops is being stopped by itself, beside a group that goes down. The group waits for it in
//!   its turn, and brings it back as it brings back those that were down before.
//! - Failures in a group that is going down anyway are no further failures. One before the group makes it larger.
//! - A child that is terminated while its group waits is left out, and the others go on.

mod answer;
mod backoff;
mod cell;
mod child;
mod child_spec;
mod effect;
mod handle;
mod kid;
mod machine;
mod nested;
mod outcome;
mod processes;
mod roster;
mod spec;
mod window;

#[cfg(any(test, fuzzing))]
mod fuzzing;
#[cfg(test)]
mod model;
#[cfg(any(test, fuzzing))]
mod scene;
#[cfg(test)]
mod tests;

pub use self::backoff::{Backoff, BackoffError};
pub use self::child_spec::{ChildSpec, SupervisorSpec};
#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzing::run as fuzz;
pub use self::handle::Supervisor;
pub(crate) use self::kid::{Kid, Told};
pub use self::outcome::{ChildInfo, ChildState, SupervisorEnd, SupervisorError};
pub use self::spec::{AutoShutdown, Restart, Shutdown, Strategy};

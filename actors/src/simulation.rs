//! Seeded schedules for the machines that own things, on a virtual clock: what may happen around an owner, and nothing else.
//!
//! Each owner has a `simulated` room of its own beside its tests, where model clients live on some nodes and the promises
//! are checked after each step, and once more when nothing is under way. This is what these rooms have in common.
//!
//! - **Who.** One owner, the real machine, and clients on other nodes that keep to the protocol as a node's real side does. A
//!   node that dies is never met again; another takes its place.
//! - **Messages.** Each node has two [roads](Roads), to the owner and from it. A message takes as long as chance will have it. It never passes
//!   another on the same road, and often one on another road.
//! - **Deaths.** A node dies with the last of its messages unsent. What was sent arrives, and then the end of the connection.
//! - **Stops.** Roads, clocks and clients of a stopped node stand still, and go on later. The owner's node may be stopped too:
//!   then all that is under way comes at once, and its timers come late.
//! - **Time** is passed in. It goes on to the next arrival or timer, or by some moments in which nothing happens.
//! - **A violation** is a panic. [`run`] finds the seed, plays that schedule once more with its steps written down, and prints
//!   the last of them and how to run it again. So a schedule must hang on its seed alone.
//!
//! By hand: `CALLBOARD_SCHEDULES=100000 CALLBOARD_SEED=1 cargo test --release -p callboard --lib simulated`.

mod roads;
mod run;
mod schedule;

pub(crate) use self::roads::{Next, Roads, from_owner, to_owner};
pub(crate) use self::run::{finds, run};
pub(crate) use self::schedule::Schedule;

//! What tests of programs made of several processes need, in plain `#[test]` functions.
//!
//! A file of tests has one line, [`callboard::test_door!();`](crate::test_door), and then its tests spawn processes as programs do:
//!
//! ```
//! use callboard::testing::{PATIENCE, Probe, Steps, eventually, is_stopped, job, reached, resume};
//! use callboard::{ActorRef, Node};
//!
//! callboard::test_door!();
//!
//! /// What is tested: it counts for an actor.
//! fn counts(_: &Node, (to, end): (ActorRef<u64>, u64)) {
//!     for n in 0..end {
//!         reached("next number");
//!         to.cast(n).expect("the actor is there as long as we are");
//!     }
//! }
//!
//! // With #[test] before it.
//! fn numbers_come_in_order_also_from_one_that_was_stopped() {
//!     let job = job(); // looks for what is left when it is dropped
//!     let probe = Probe::<u64>::start(&job);
//!     let process = Steps::new().stop_at("next number", 3).arm(job.process("counts"));
//!     let child = process.spawn(counts, (probe.actor().clone(), 5)).unwrap();
//!     eventually("it stops at the third", || is_stopped(child.pid()));
//!     // What it sent before it stopped may not have left it yet.
//!     resume(child.pid());
//!     child.join().unwrap();
//!     (0..4).for_each(|n| assert_eq!(probe.expect(PATIENCE), n));
//!     probe.expect_that("the last number", |n| *n == 4);
//! }
//! # fn main() { numbers_come_in_order_also_from_one_that_was_stopped() }
//! ```
//!
//! | what | for |
//! |---|---|
//! | [`job()`] | a node of one's own, of which nothing is left: no process, thread, descriptor, socket or shared memory |
//! | [`LeakCheck`] | the same for a test that starts its nodes itself |
//! | [`eventually`] | waiting for what no verb waits for, with [`PATIENCE`], and a text when it does not come |
//! | [`Probe`] | an actor that keeps what it gets: what is sent, in which order, and how others end |
//! | [`Steps`], [`reached`] | a process that is killed, stopped or panics at a named step of its code |
//! | [`kill`], [`stop`], [`resume`] | the same from outside, at any moment |
//! | [`Random`] | that moment, chosen by chance, with a seed that is printed |
//!
//! A test waits for a condition, never for time to pass. Deadlines are generous: a test on a busy machine is slow, and is not wrong for that. A test runner that
//! ends what hangs is worth having; `cargo nextest` also gives each test a process of its own, which makes a [`LeakCheck`] exact.
//!
//! [`Job::virtual_time`] has timers, restart windows and back-offs go by a time that the test moves.

mod eventually;
mod job;
mod leaks;
mod probe;
mod processes;
mod random;
mod steps;

pub use self::eventually::{PATIENCE, eventually, eventually_within, pause};
pub use self::job::{Job, job};
pub use self::leaks::{Leak, LeakCheck, LeakKind};
pub use self::probe::Probe;
pub use self::processes::{
    is_running, is_stopped, kill, kill_self, process_state, resume, send_signal, stop,
};
pub use self::random::Random;
pub use self::steps::{ArmedSteps, Steps, die_at, reached};

//! A job of a test's own, of which nothing is left.

use std::ops::Deref;
use std::time::Duration;

use parking_lot::{ReentrantMutex, ReentrantMutexGuard};

use super::leaks::{LeakCheck, has_own_process};
use crate::node::Node;

/// Held by the thread whose jobs run: a check counts what the whole process holds.
static ONE_TEST: ReentrantMutex<()> = ReentrantMutex::new(());

/// Starts the root node of a job for a test. When it is dropped the node ends, and then nothing may be left: no process, thread, descriptor or shared
/// memory.
///
/// It waits until no other thread of this process has such a job, so that tests of one file which all begin with one run one after another, also
/// under `cargo test`. Threads other than Callboard's own count only where each test has a process, as `cargo nextest` says.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let job = callboard::testing::job();
/// let child = job.spawn("adder", |_, (a, b): (u32, u32)| a + b, (2, 3))?;
/// assert_eq!(child.join()?, 5);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// If the node can't start.
#[track_caller]
pub fn job() -> Job {
    let alone = ONE_TEST.lock();
    let leaks = if has_own_process() { LeakCheck::new() } else { LeakCheck::beside_other_tests() };
    match Node::start() {
        Ok(node) => Job { node, leaks, _alone: alone },
        Err(error) => panic!("a node can't start: {error}"),
    }
}

/// The root node of a test's own job, made by [`job`]. Dropped, it looks for what is left; unless the test fails already.
///
/// The node ends when its last clone is dropped, so drop those first. Handles and probes made from it are dropped first anyway when they are declared
/// after it, and so is a second job.
#[derive(Debug)]
#[must_use = "the job ends when it is dropped"]
pub struct Job {
    // Dropped in this order.
    node: Node,
    leaks: LeakCheck,
    _alone: ReentrantMutexGuard<'static, ()>,
}

impl Job {
    /// How long it waits at its end for things to go: [`PATIENCE`](super::PATIENCE) by default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.leaks = self.leaks.patience(patience);
        self
    }

    /// Has time stand still for the actors and supervisors of this node until it is [moved](Self::advance): their timers, restart windows and
    /// back-offs. Call it before any of them is started. Waits, leases and the like go by the system's time all the same, and so do actors
    /// in other processes.
    ///
    /// ```
    /// # callboard::test_door!();
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use callboard::testing::{Probe, job};
    /// use callboard::{Actor, ActorRef, Context, Failure};
    /// use std::time::Duration;
    ///
    /// struct Clock(ActorRef<u64>, u64);
    ///
    /// impl Actor for Clock {
    ///     type Message = ();
    ///     type Args = ActorRef<u64>;
    ///     fn start(context: &mut Context<()>, tells: ActorRef<u64>) -> Result<Self, Failure> {
    ///         context.cast_every(Duration::from_secs(3600), || ());
    ///         Ok(Clock(tells, 0))
    ///     }
    ///     fn handle(&mut self, _: &mut Context<()>, (): ()) -> Result<(), Failure> {
    ///         self.1 += 1;
    ///         Ok(self.0.cast(self.1)?)
    ///     }
    /// }
    ///
    /// let job = job().virtual_time();
    /// let probe = Probe::<u64>::start(&job);
    /// let _clock = job.actor::<Clock>(probe.actor().clone()).start()?;
    /// job.advance(Duration::from_secs(24 * 3600));
    /// (1..=24).for_each(|hour| assert_eq!(probe.expect(Duration::from_secs(10)), hour));
    /// # Ok(())
    /// # }
    /// ```
    pub fn virtual_time(self) -> Self {
        self.node.runtime().stop_time();
        self
    }

    /// Moves the [virtual time](Self::virtual_time), from one timer to the next. Between two of them, and at first, it waits until no actor of
    /// this node has anything to do; those with threads of their own, and starts of supervised children, are not waited for. Does nothing
    /// without virtual time.
    pub fn advance(&self, by: Duration) {
        self.node.runtime().advance(by);
    }

    /// Ends the node, and looks for what is left; a drop does the same.
    ///
    /// # Panics
    ///
    /// If something is, naming it.
    #[track_caller]
    pub fn end(self) {
        let Self { node, leaks, _alone } = self;
        drop(node);
        leaks.check();
    }
}

impl Deref for Job {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

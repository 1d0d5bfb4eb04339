//! Processes as values: a struct whose fields travel and whose `run` runs at the far end.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Process, Spawn, SpawnError};
use crate::node::Node;

/// A value that runs in a process of its own: its fields are what the process starts with, `run` is what it does.
///
/// Started by [`Node::spawn_value`], [`Spawn::spawn_value`], or by a supervisor
/// ([`ChildSpec::value`](crate::ChildSpec::value)). The fields are encoded once, at the start; the process has a copy of
/// them, and what it does to that copy nobody else sees. What both sides shall see travels in handles (queues,
/// pipes, dicts, values), and what the parent needs in the end is returned: `type Value = Self` brings the whole state back.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Node, Run};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Countdown {
///     from: u32,
///     steps: Vec<u32>,
/// }
///
/// impl Run for Countdown {
///     type Value = Self;
///
///     fn run(mut self, _: &Node) -> Self {
///         while self.from > 0 {
///             self.steps.push(self.from);
///             self.from -= 1;
///         }
///         self
///     }
/// }
///
/// let node = Node::start()?;
/// let process = node.spawn_value("countdown", Countdown { from: 3, steps: Vec::new() })?;
/// assert_eq!(process.join()?.steps, [3, 2, 1]);
/// # Ok(())
/// # }
/// ```
///
/// Source: subclasses of `Process` with a `run` method in Python's `multiprocessing`.
pub trait Run: Serialize + DeserializeOwned {
    /// What [`Process::join`] returns.
    type Value: Serialize + DeserializeOwned;

    /// Runs on the new process's main thread, as the function of a [`Spawn::spawn`] does. The process ends when it returns.
    fn run(self, node: &Node) -> Self::Value;
}

/// The function of a process that is a value.
pub(crate) fn run<P: Run>(node: &Node, process: P) -> P::Value {
    process.run(node)
}

impl Spawn<'_> {
    /// Runs `process` in a new process of this program and returns at once; see [`Run`] and [`spawn`](Self::spawn).
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub fn spawn_value<P: Run>(self, process: P) -> Result<Process<P::Value>, SpawnError> {
        self.spawn(run::<P>, process)
    }
}

impl Node {
    /// Runs `process` in a new process of this program and returns at once; see [`Run`].
    ///
    /// # Errors
    ///
    /// As [`Spawn::spawn`].
    pub fn spawn_value<P: Run>(&self, name: &str, process: P) -> Result<Process<P::Value>, SpawnError> {
        self.process(name).spawn_value(process)
    }
}

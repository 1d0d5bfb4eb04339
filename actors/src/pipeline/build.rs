//! Putting a pipeline together in code.

use std::marker::PhantomData;

use callboard_core::Address;
use serde::{Serialize, de::DeserializeOwned};

use std::sync::Arc;

use super::hub::{OnError, Place, Spec};
use super::report::{PipelineError, Report};
use super::run::Runner;
use super::stage::Stage;
use super::worker::{Drive, Inbox, ToTheHub, Worker, in_process};
use crate::node::Node;
use crate::process::{Process, SpawnError};

/// How the workers of a pipeline run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workers {
    /// Each in a process of its own: a crash loses nothing.
    #[default]
    Processes,
    /// Each in a thread of this process. A panic counts as a worker's death, and a crash ends them all.
    Threads,
    /// All in the calling thread, one after the other, for debugging. A panic is the caller's.
    Inline,
}

/// How one stage is run.
#[derive(Clone, Debug)]
pub struct StageOptions(Spec);

impl StageOptions {
    /// A stage of one worker whose input edge holds 65,536 items or 8 MiB, that ends the pipeline with the first error of an
    /// item, and gives an item up after three workers have died with it in hand.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Spec {
            name: name.into(),
            workers: 1,
            partitioned: false,
            holds: false,
            capacity_items: 64 * 1024,
            capacity_bytes: 8 << 20,
            on_error: OnError::Fail,
            max_deaths: 3,
        })
    }

    /// How many workers; zero counts as one.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.0.workers = count.max(1);
        self
    }

    /// Items of the same key go to the same worker; see [`Outputs::put_keyed`](super::Outputs::put_keyed). Equal items
    /// without a key do, those of the source among them.
    #[must_use]
    pub fn partitioned(mut self) -> Self {
        self.0.partitioned = true;
        self
    }

    /// How much the input edge holds before those who feed it must wait; each at least one.
    #[must_use]
    pub fn capacity(mut self, items: usize, bytes: usize) -> Self {
        self.0.capacity_items = items.max(1);
        self.0.capacity_bytes = bytes.max(1);
        self
    }

    /// What happens to an item that the stage reports as failed.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.0.on_error = on_error;
        self
    }

    /// After how many workers have died with it in hand an item becomes a dead letter; zero counts as one.
    #[must_use]
    pub fn max_deaths(mut self, deaths: u32) -> Self {
        self.0.max_deaths = deaths.max(1);
        self
    }
}

/// Starts workers of one stage, whose type is known here alone.
pub(super) trait Launch {
    fn process(&self, node: &Node, name: &str, hub: Address, place: Place)
    -> Result<Process<()>, SpawnError>;
    fn local(&self, inbox: Arc<Inbox>, hub: ToTheHub) -> Box<dyn Drive + Send>;
}

struct LaunchOf<S>(S);

impl<S: Stage> Launch for LaunchOf<S>
where
    S::In: 'static,
    S::Out: 'static,
{
    fn process(
        &self,
        node: &Node,
        name: &str,
        hub: Address,
        place: Place,
    ) -> Result<Process<()>, SpawnError> {
        node.spawn(name, in_process::<S>, (hub, place.stage, place.index, self.0.clone()))
    }

    fn local(&self, inbox: Arc<Inbox>, hub: ToTheHub) -> Box<dyn Drive + Send> {
        Box::new(Worker::new(self.0.clone(), inbox, hub))
    }
}

/// A source and stages behind it, the last of which puts out `T`.
///
/// ```
/// use callboard::pipeline::{Outputs, Pipeline, Stage, StageOptions, Workers};
///
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct Square;
///
/// impl Stage for Square {
///     type In = u64;
///     type Out = u64;
///     fn item(&mut self, n: u64, out: &mut Outputs<u64>) -> Result<(), Box<dyn std::error::Error>> {
///         out.put(&(n * n));
///         Ok(())
///     }
/// }
///
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = callboard::Node::start()?;
/// let mut sum = 0;
/// Pipeline::source(1..=100)
///     .stage(StageOptions::new("square").workers(2), Square)
///     .run(&node, Workers::Processes, |square| sum += square)?;
/// assert_eq!(sum, 338_350);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens before `run`"]
pub struct Pipeline<I, T> {
    source: I,
    specs: Vec<Spec>,
    launches: Vec<Box<dyn Launch>>,
    items: PhantomData<fn() -> T>,
}

impl<I: Iterator> Pipeline<I, I::Item> {
    /// A pipeline fed by an iterator, which runs in the caller's process and ends the pipeline with its end.
    pub fn source(items: impl IntoIterator<IntoIter = I>) -> Self {
        let source = items.into_iter();
        Self { source, specs: Vec::new(), launches: Vec::new(), items: PhantomData }
    }
}

impl<I: Iterator, T> Pipeline<I, T>
where
    I::Item: Serialize,
{
    /// Adds a stage. Each of its workers begins with a copy of `stage`.
    pub fn stage<S>(mut self, options: StageOptions, stage: S) -> Pipeline<I, S::Out>
    where
        S: Stage<In = T>,
        S::In: 'static,
        S::Out: 'static,
    {
        self.specs.push(Spec { holds: S::HOLDS, ..options.0 });
        self.launches.push(Box::new(LaunchOf(stage)));
        let Self { source, specs, launches, .. } = self;
        Pipeline { source, specs, launches, items: PhantomData }
    }

    /// Runs the pipeline to its end, handing what comes out to `sink` in the calling thread.
    ///
    /// When this node is asked to stop, the source counts as ended, and what is under way is finished.
    ///
    /// # Errors
    ///
    /// [`PipelineError`]; workers have then ended, and what was under way is gone.
    pub fn run(
        mut self,
        node: &Node,
        workers: Workers,
        mut sink: impl FnMut(T),
    ) -> Result<Report, PipelineError>
    where
        T: DeserializeOwned,
    {
        if self.specs.is_empty() {
            return Err(PipelineError::NoStage);
        }
        let runner = Runner::start(node, self.specs, self.launches, workers)?;
        runner.run(&mut self.source, &mut sink)
    }
}

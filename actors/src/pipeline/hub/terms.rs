//! What goes in and out of a pipeline's hub: stages as it sees them, items, figures, and what it does to workers.

/// What happens to an item whose stage reports an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The pipeline ends with that error.
    Fail,
    /// The item is left out and counted; what was wrong with it is not kept.
    Skip,
    /// The item is tried again, this often, and then becomes a dead letter.
    Retry(u32),
}

/// One stage as the hub sees it.
#[derive(Clone, Debug)]
pub(in crate::pipeline) struct Spec {
    pub(in crate::pipeline) name: String,
    pub(in crate::pipeline) workers: usize,
    pub(in crate::pipeline) partitioned: bool,
    /// Its workers keep what items come to until they are told to give it out.
    pub(in crate::pipeline) holds: bool,
    /// The capacity of its input edge.
    pub(in crate::pipeline) capacity_items: usize,
    pub(in crate::pipeline) capacity_bytes: usize,
    pub(in crate::pipeline) on_error: OnError,
    /// How often an item may be in the hands of a worker that dies.
    pub(in crate::pipeline) max_deaths: u32,
}

/// An item between stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct Item {
    /// What decides which worker of a partitioned stage gets it; if none, its bytes do.
    pub(in crate::pipeline) key: Option<u64>,
    pub(in crate::pipeline) bytes: Box<[u8]>,
    pub(super) attempts: u32,
    pub(super) deaths: u32,
}

impl Item {
    pub(in crate::pipeline) fn new(key: Option<u64>, bytes: impl Into<Box<[u8]>>) -> Self {
        Self { key, bytes: bytes.into(), attempts: 0, deaths: 0 }
    }
}

/// An item that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct Letter {
    pub(in crate::pipeline) stage: usize,
    pub(in crate::pipeline) attempts: u32,
    pub(in crate::pipeline) reason: String,
    pub(in crate::pipeline) bytes: Box<[u8]>,
}

/// What one stage has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::pipeline) struct Figures {
    pub(in crate::pipeline) taken: u64,
    pub(in crate::pipeline) emitted: u64,
    pub(in crate::pipeline) skipped: u64,
    pub(in crate::pipeline) retried: u64,
    pub(in crate::pipeline) dead_letters: u64,
    pub(in crate::pipeline) restarts: u64,
    pub(in crate::pipeline) busy_nanos: u64,
    /// Waited for items that were not there.
    pub(in crate::pipeline) idle_nanos: u64,
    /// Waited for items that were there and withheld.
    pub(in crate::pipeline) blocked_nanos: u64,
    /// The most items that its input edge held.
    pub(in crate::pipeline) deepest: usize,
}

/// Where a worker is: stage and index. Its incarnation is checked by who delivers its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::pipeline) struct Place {
    pub(in crate::pipeline) stage: usize,
    pub(in crate::pipeline) index: usize,
}

/// What the hub does to its workers.
pub(in crate::pipeline) trait World {
    /// Sends items, the first of them numbered `first`.
    fn send<'a>(&mut self, to: Place, first: u64, items: impl Iterator<Item = &'a [u8]>);
    /// Asks a worker to settle what it holds.
    fn flush(&mut self, worker: Place);
    /// Tells a worker that its stage is over.
    fn finish(&mut self, worker: Place);
}

/// How far a worker had come when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Reached {
    /// It had finished with items, or had not been given any.
    Working,
    /// It had begun an item, its first, and not finished it.
    FirstItem,
    /// It had not said that it was there.
    Nothing,
}

/// What follows from a worker's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum AfterDeath {
    Replace,
    /// The stage, or the pipeline, is over.
    Nothing,
}

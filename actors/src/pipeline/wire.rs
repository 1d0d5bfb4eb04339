//! What a pipeline's hub and its workers say to each other.
//!
//! Items travel to a worker as byte strings, numbered from zero for each worker process. A worker's answer is a step:
//! what it has settled and what came out of it, in one message that counts whole or not at all.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// From a worker to the hub.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToHub {
    /// The worker is there.
    Ready {
        stage: usize,
        index: usize,
        /// Where items shall go.
        slot: callboard_core::Slot,
        /// The counter of its side of the link page that tells which item it has in hand.
        counter: u32,
    },
    /// It can take so many more items.
    More { count: u64 },
    /// What it has done.
    Step(Step),
}

/// A worker's work since its last step. Applied at once, or not at all.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Step {
    /// Every item numbered below this is settled: its outputs are here or were in an earlier step.
    pub(super) settled: u64,
    /// Items below that which failed, and why; nothing of them is among the outputs.
    pub(super) failures: Vec<(u64, String)>,
    pub(super) outputs: Vec<Output>,
    /// Time spent working and waiting since the last step, in nanoseconds.
    pub(super) busy_nanos: u64,
    pub(super) waited_nanos: u64,
}

/// One item that came out of a stage.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Output {
    /// What decides which worker of a partitioned stage gets it; if none, what it says itself.
    pub(super) key: Option<u64>,
    pub(super) item: ByteBuf,
}

/// What travels of these types.
#[cfg(any(test, fuzzing))]
pub(crate) const TRIPS: &[crate::fuzzing::Trip] = {
    use crate::fuzzing::trip;
    &[trip::<ToHub>, trip::<ToWorker>]
};

/// From the hub to a worker, beside items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// No more input for now: settle what you hold.
    Flush,
    /// The stage is over.
    Finish,
}

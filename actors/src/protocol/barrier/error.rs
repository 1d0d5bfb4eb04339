//! What can go wrong at a barrier.

use serde::{Deserialize, Serialize};

use crate::call::CallError;
use crate::protocol::object::ObjectError;

/// What broke a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BrokenBy {
    /// The process of a party that waited there, or ran the action, has ended: it was killed, say.
    #[error("the process of one that waited has ended")]
    PartyEnded,
    /// A wait had its timeout, or was given up.
    #[error("a wait was over before all had come")]
    TimedOut,
    /// The action panicked.
    #[error("the action panicked")]
    ActionPanicked,
    /// [`Barrier::abort`](super::Barrier::abort).
    #[error("it was aborted")]
    Aborted,
    /// [`Barrier::reset`](super::Barrier::reset), while they waited. New waits find it whole.
    #[error("it was reset")]
    Reset,
}

/// Why a wait at a barrier did not end with all having come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BarrierError {
    /// The barrier was broken meanwhile, or before, and stays so until it is reset: all who wait there, or come, are told the same.
    #[error("the barrier is broken: {0}")]
    #[doc(alias = "BrokenBarrierError")]
    Broken(BrokenBy),
    /// The barrier has ended with its owner's node, or that node's connection broke.
    #[error("the barrier's owner has ended")]
    Disconnected,
    /// The owner did not answer: its process is stopped or very busy. Whether all have come is not known. If not, this wait breaks the barrier as
    /// soon as its owner goes on.
    #[error("the barrier's owner does not answer")]
    Unresponsive,
}

impl From<CallError> for BarrierError {
    fn from(error: CallError) -> Self {
        ObjectError::from(error).into()
    }
}

impl From<ObjectError> for BarrierError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Disconnected => BarrierError::Disconnected,
            ObjectError::Unresponsive => BarrierError::Unresponsive,
        }
    }
}

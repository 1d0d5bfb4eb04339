//! What can go wrong with an object in shared memory.

use callboard_core::NodeId;
use callboard_ipc::sync::NotTaken;
use serde::{Deserialize, Serialize};

use crate::call::CallError;

/// Why a lock was not taken, or what it guards can't be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum LockError {
    /// This very thread holds it, and would wait for itself.
    #[error("this thread holds the lock already")]
    HeldByCaller,
    /// Its owner has ended, the node on which it was created: nobody would take back what the dead hold. Or this node has, or the connection between the two.
    #[error("the owner of the lock has ended")]
    Disconnected,
    /// Its owner, asked for the first time by this process, did not answer within 60 s or the timeout: it is stopped or very busy. Or another process
    /// was stopped among the few instructions in which it counts readers, so that nobody knows.
    #[error("the owner of the lock does not answer")]
    Unresponsive,
    /// More processes use it than it was made for.
    #[error("the lock is used by {0} processes, as many as it was made for")]
    TooManyProcesses(u64),
    /// More threads wait for the condition than it was made for.
    #[error("{0} threads wait for the condition, as many as it was made for")]
    TooManyWaiters(u64),
    /// The system refused memory, a descriptor or a mapping, for the reason given; to the process that created it, or to this one. Or it was to be
    /// created with more than it can have.
    #[error("{0}")]
    System(String),
}

impl From<CallError> for LockError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TimedOut => LockError::Unresponsive,
            CallError::Gone | CallError::Disconnected => LockError::Disconnected,
            // Its descriptor could not be taken: this process has no room for more.
            CallError::BadReply(reason) => LockError::System(reason),
        }
    }
}

impl From<std::io::Error> for LockError {
    fn from(error: std::io::Error) -> Self {
        LockError::System(error.to_string())
    }
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The node.
    pub node: NodeId,
    /// Its process, by the number that the system knows it by.
    pub pid: u32,
    /// The thread, by a number that is this thread's within its process; not the system's.
    pub thread: u32,
}

/// What a thread is told that has not got what it wanted.
#[cold]
pub(crate) fn refused(error: NotTaken) -> LockError {
    match error {
        NotTaken::TimedOut => LockError::Unresponsive,
        NotTaken::HeldByCaller => LockError::HeldByCaller,
        NotTaken::CutOff => LockError::Disconnected,
    }
}

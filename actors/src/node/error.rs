//! Why a node could not start, or join.

use std::io;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gave no descriptor, memory or thread.
    #[error("the system has no room for another node")]
    System(#[from] io::Error),
    /// This is a spawned child, and `Node::start` was reached only after another thread had been started.
    #[error(
        "Node::start at {place} must be the first thing main does, and in a test binary callboard::test_door!() must \
         stand before: this child has {threads} threads"
    )]
    TooLate {
        /// File, line and column of the call.
        place: String,
        /// How many threads there are.
        threads: usize,
    },
    /// The job can't be called so.
    #[error("a job can't be called {name:?}: {why}")]
    JobName {
        /// What it was to be called.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// This is a spawned child, and what it was given does not hold together.
    #[error("this process was started as a child but can't begin: {0}")]
    Bootstrap(#[from] callboard_ipc::BootstrapError),
}

/// Why a program could not join a job.
#[derive(Debug, thiserror::Error)]
pub enum JoinJobError {
    /// No job of that name runs on this system.
    #[error("no job {0:?} runs on this system")]
    NoJob(String),
    /// The job is another user's, or the system lets this one not come there. The job hears nothing of it.
    #[error("job {job} can't be joined by this user: {reason}")]
    Forbidden {
        /// The job asked for.
        job: String,
        /// Who is who, or what the system said.
        reason: String,
    },
    /// The job's root, or what listens in its place, did not let this program in.
    #[error("the root of job {job} did not let this program in: {reason}")]
    Refused {
        /// The job asked for.
        job: String,
        /// What the root said.
        reason: String,
    },
    /// The node could not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

//! Why a process could not be started, and how it ended.

use std::io;

use callboard_core::BodyError;
use callboard_ipc::CodeError;
use serde::{Deserialize, Serialize};

use super::entry::{MAX_CALL_BYTES, MAX_RIGHTS};

/// Why no process was started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The arguments can't be encoded.
    #[error("the arguments can't be sent to another process")]
    Arguments(#[source] BodyError),
    /// The arguments take more bytes, as encoded, than a message may.
    #[error("the arguments take {bytes} bytes, and {MAX_CALL_BYTES} can be sent")]
    TooLarge {
        /// As encoded.
        bytes: usize,
    },
    /// There are too many ends of pipes among the arguments; each has two descriptors, and more if messages with ends in them
    /// have come there and not been received.
    #[error(
        "the ends of pipes among the arguments have {descriptors} descriptors, and {MAX_RIGHTS} can be sent"
    )]
    TooManyEnds {
        /// How many they have.
        descriptors: usize,
    },
    /// The function does not belong to the main program, so the child could not find it.
    #[error("the function can't be called in another process")]
    Function(#[source] CodeError),
    /// The system started no process.
    #[error("no process could be started")]
    Start(#[source] io::Error),
    /// The program can't be started again.
    #[error(transparent)]
    Program(#[from] callboard_ipc::SpawnError),
    /// The kernel gave no random number for the new node's id.
    #[error("the kernel gave no random number")]
    NoRandomness,
}

/// A panic as it happened in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("panicked at {place}: {message}")]
pub struct ChildPanic {
    /// What was passed to `panic!`.
    pub message: String,
    /// File, line and column.
    pub place: String,
    /// The stack at that moment, as text; empty if it could not be had.
    pub backtrace: String,
}

/// How a child ended, other than by returning a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The child still runs.
    #[error("the process still runs")]
    TimedOut,
    /// Its function panicked.
    #[error(transparent)]
    Panicked(ChildPanic),
    /// It ended by itself, for instance with `std::process::exit`, before its function returned.
    #[error("the process ended with exit code {0} before its function returned")]
    Exited(i32),
    /// A signal ended it.
    #[error("the process was ended by signal {signal} ({name})")]
    Signalled {
        /// The signal's number.
        signal: i32,
        /// Its name, for instance `SIGKILL`.
        name: &'static str,
        /// Whether the kernel wrote a core file.
        core_dumped: bool,
    },
    /// It ended, but somebody else in this process took its exit status.
    #[error("the process ended, and its exit status was taken by somebody else")]
    Vanished,
    /// The child never began to run the function, for the reason given.
    #[error("the process could not begin: {0}")]
    FailedStart(String),
    /// The function returned, but so many of the connections it had written to did not confirm what was sent
    /// on them within the limit: items may be missing there.
    #[error("the function returned, but {0} connections did not confirm what was put")]
    Unconfirmed(usize),
    /// The value does not decode as the type asked for.
    #[error("the value that the function returned can't be read: {0}")]
    BadValue(String),
}

/// The name of a signal of Linux.
pub(crate) fn signal_name(signal: i32) -> &'static str {
    const NAMES: [&str; 32] = [
        "none",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    usize::try_from(signal).ok().and_then(|s| NAMES.get(s)).copied().unwrap_or("real-time")
}

//! Why a process could not be started, and how it ended.

use std::io;

use callboard_core::BodyError;
use callboard_ipc::{CodeError, Exit};
use serde::{Deserialize, Serialize};

use super::entry::{MAX_CALL_BYTES, MAX_RIGHTS};
use super::wire::Report;

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
    Program(callboard_ipc::SpawnError),
    /// A process was started and can't be watched, so it was killed: descriptors have run out, or this system gives none of processes.
    #[error("a child can't be watched; callboard::check() names what this system lacks")]
    Unwatched(#[source] callboard_ipc::SpawnError),
    /// The kernel gave no random number for the new node's id.
    #[error("the kernel gave no random number")]
    NoRandomness,
}

impl From<callboard_ipc::SpawnError> for SpawnError {
    fn from(error: callboard_ipc::SpawnError) -> Self {
        match error {
            callboard_ipc::SpawnError::Watch { .. } => SpawnError::Unwatched(error),
            other => SpawnError::Program(other),
        }
    }
}

/// A panic as it happened in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("panicked{}{place}: {message}", if .place.is_empty() { "" } else { " at " })]
pub struct ChildPanic {
    /// What was passed to `panic!`.
    pub message: String,
    /// File, line and column; empty if no hook for panics could tell.
    pub place: String,
    /// The stack at that moment, as text; empty if it could not be had.
    pub backtrace: String,
}

/// How a process ran out of memory, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfMemory {
    /// It aborted, and the last error before was a refusal of memory. So ends a Rust program whose allocation is refused, for
    /// instance by a limit that is set for it.
    ///
    /// Not told, and a plain SIGABRT, if something else fails in between: with `RUST_BACKTRACE` the standard library writes a
    /// backtrace then, and a program may handle SIGABRT itself.
    #[error("it was ended by signal 6 (SIGABRT) when memory had been refused to it")]
    Refused,
    /// SIGKILL ended it, which this node did not send, and since its start the kernel has killed for lack of memory: in its control
    /// group, or on this machine where groups don't tell. That may have been another, and somebody else may have sent the signal.
    #[error(
        "it was ended by signal 9 (SIGKILL), and the kernel has killed for lack of memory since it was started"
    )]
    Killed,
}

/// The signal of `abort`, and the one that nobody can catch.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

impl OutOfMemory {
    /// What is known of a child that ended so: whether it noted that memory was refused to it, whether this node has killed it, and
    /// whether the kernel has killed meanwhile, which is only asked if it matters.
    pub(crate) fn of(
        exit: Exit,
        was_refused: bool,
        was_killed: bool,
        kernel_has_killed: impl FnOnce() -> bool,
    ) -> Option<Self> {
        match exit {
            Exit::Signal { signal: SIGABRT, .. } if was_refused => Some(OutOfMemory::Refused),
            Exit::Signal { signal: SIGKILL, .. } if !was_killed && kernel_has_killed() => {
                Some(OutOfMemory::Killed)
            }
            _ => None,
        }
    }
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
    /// A signal ended it, and memory had run out.
    #[error("the process ran out of memory: {how}")]
    OutOfMemory {
        /// What is known of that.
        how: OutOfMemory,
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

/// Why there is no value of a child of which so much is known; none if there is one.
pub(super) fn failure(
    report: Option<&Report>,
    exit: Option<Exit>,
    out_of_memory: Option<OutOfMemory>,
    had_begun: bool,
) -> Option<JoinError> {
    Some(match report {
        Some(Report::Returned { unconfirmed: 0, .. }) => return None,
        Some(Report::Returned { unconfirmed, .. }) => JoinError::Unconfirmed(*unconfirmed),
        Some(Report::Panicked(panic)) => JoinError::Panicked(panic.clone()),
        Some(Report::FailedStart(reason)) => JoinError::FailedStart(reason.clone()),
        None => match exit {
            Some(Exit::Code(code)) if !had_begun => JoinError::FailedStart(format!(
                "it ended with exit code {code} before it came to Node::start, which must be the first thing that main \
                 does; a test binary needs callboard::test_door!()"
            )),
            Some(exit) => ended(exit, out_of_memory),
            None => JoinError::TimedOut,
        },
    })
}

/// How a process ended that told nothing itself.
pub(crate) fn ended(exit: Exit, out_of_memory: Option<OutOfMemory>) -> JoinError {
    match (exit, out_of_memory) {
        (Exit::Signal { core_dumped, .. }, Some(how)) => JoinError::OutOfMemory { how, core_dumped },
        (Exit::Signal { signal, core_dumped }, None) => {
            JoinError::Signalled { signal, name: signal_name(signal), core_dumped }
        }
        (Exit::Code(code), _) => JoinError::Exited(code),
        (Exit::Unknown, _) => JoinError::Vanished,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_claimed_only_where_it_is_known() {
        let ended = |signal| Exit::Signal { signal, core_dumped: false };
        let of = |exit, refused, killed, kernel| OutOfMemory::of(exit, refused, killed, || kernel);
        assert_eq!(of(ended(SIGABRT), true, false, false), Some(OutOfMemory::Refused));
        assert_eq!(of(ended(SIGKILL), false, false, true), Some(OutOfMemory::Killed));
        assert_eq!(of(ended(SIGABRT), false, false, true), None, "it aborted for another reason");
        assert_eq!(of(ended(SIGKILL), true, false, false), None, "the kernel has not killed");
        assert_eq!(of(ended(SIGKILL), false, true, true), None, "this node has killed it");
        for exit in [ended(11), Exit::Code(0), Exit::Code(137), Exit::Unknown] {
            assert_eq!(of(exit, true, false, true), None, "{exit:?}");
        }
    }
}

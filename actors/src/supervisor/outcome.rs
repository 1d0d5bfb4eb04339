//! What a supervisor tells its users: of its children, of what it could not do, and of its own end.

use std::fmt;

use super::backoff::BackoffError;
use super::effect::{Conclusion, Refusal, State};
use super::spec::{Faulty, Restart};
use crate::actor::Exit;

/// Why a supervisor did not begin, or did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// There is no child of that name.
    #[error("there is no child {0:?}")]
    NotFound(String),
    /// Two children would have one name.
    #[error("there is a child {0:?} already")]
    NameTaken(String),
    /// It can't be done in the state the child is in.
    #[error("child {name:?} is {state}")]
    InState {
        /// The child.
        name: String,
        /// What it does.
        state: ChildState,
    },
    /// The child did not start.
    #[error("child {name:?} did not start: {why}")]
    StartFailed {
        /// The child.
        name: String,
        /// Why.
        why: Exit,
    },
    /// The child was stopped before it had started.
    #[error("child {0:?} was stopped before it had started")]
    Stopped(String),
    /// It has not come to that in time; it goes on.
    #[error("not within the timeout; it goes on")]
    TimedOut,
    /// The supervisor is about to end, or has.
    #[error("the supervisor is ending")]
    Ending,
    /// It began, and failed before all its children had started.
    #[error("the supervisor ended before it had begun: {0}")]
    NotBegun(Exit),
    /// The plan can't be carried out.
    #[error("{0}")]
    BadSpec(String),
    /// The back-off of a child can't be.
    #[error("the back-off of child {name:?} can't be: {error}")]
    Backoff {
        /// The child.
        name: String,
        /// What is wrong with it.
        error: BackoffError,
    },
}

/// What a supervisor's child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildState {
    /// Its first start, or one that was asked for, is under way or about to be.
    Starting,
    /// It runs.
    Running,
    /// It has failed, or was stopped because of another, and is to be started again.
    Restarting,
    /// It was asked to end.
    Stopping,
    /// It has ended, and is not to be started again.
    Down,
}

impl fmt::Display for ChildState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChildState::Starting => "starting",
            ChildState::Running => "running",
            ChildState::Restarting => "restarting",
            ChildState::Stopping => "stopping",
            ChildState::Down => "down",
        })
    }
}

impl From<State> for ChildState {
    fn from(state: State) -> Self {
        match state {
            State::Starting => ChildState::Starting,
            State::Running => ChildState::Running,
            State::Restarting => ChildState::Restarting,
            State::Stopping => ChildState::Stopping,
            State::Down => ChildState::Down,
        }
    }
}

/// A child as its supervisor sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its name among its siblings.
    pub name: String,
    /// What it does.
    pub state: ChildState,
    /// Whether it is started again.
    pub restart: Restart,
}

/// How a supervisor ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorEnd {
    /// It was asked to.
    #[error("it was asked to end")]
    Asked,
    /// More restarts than are allowed.
    #[error("there were too many restarts")]
    TooManyRestarts,
    /// Its significant children have ended by themselves.
    #[error("its significant children have ended")]
    Significant,
    /// It was killed, or its node ended.
    #[error("it was killed")]
    Killed,
    /// A child did not start when it began.
    #[error("child {name:?} did not start: {why}")]
    StartFailed {
        /// The child.
        name: String,
        /// Why.
        why: Exit,
    },
}

impl From<Conclusion<Exit>> for SupervisorEnd {
    fn from(why: Conclusion<Exit>) -> Self {
        match why {
            Conclusion::Asked => SupervisorEnd::Asked,
            Conclusion::TooManyRestarts => SupervisorEnd::TooManyRestarts,
            Conclusion::Significant { .. } => SupervisorEnd::Significant,
            Conclusion::Killed => SupervisorEnd::Killed,
            Conclusion::StartFailed { name, why, .. } => SupervisorEnd::StartFailed { name, why },
        }
    }
}

impl From<Faulty> for SupervisorError {
    fn from(faulty: Faulty) -> Self {
        match faulty {
            Faulty::NameTaken { child } => SupervisorError::NameTaken(child),
            Faulty::Backoff { child, error } => SupervisorError::Backoff { name: child, error },
            other => SupervisorError::BadSpec(other.to_string()),
        }
    }
}

pub(super) fn refused(refusal: Refusal<Exit>, name: &str) -> SupervisorError {
    let name = name.to_owned();
    match refusal {
        Refusal::NotFound => SupervisorError::NotFound(name),
        Refusal::Faulty(faulty) => faulty.into(),
        Refusal::Running => SupervisorError::InState { name, state: ChildState::Running },
        Refusal::Starting => SupervisorError::InState { name, state: ChildState::Starting },
        Refusal::Restarting => SupervisorError::InState { name, state: ChildState::Restarting },
        Refusal::Stopping => SupervisorError::InState { name, state: ChildState::Stopping },
        Refusal::StartFailed(why) => SupervisorError::StartFailed { name, why },
        Refusal::Stopped => SupervisorError::Stopped(name),
        Refusal::Ending => SupervisorError::Ending,
    }
}

//! What a supervisor is told of itself and of each child, and what is refused at once.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::backoff::{Backoff, BackoffError};

/// How many restarts are within bounds, unless it is set.
const MAX_RESTARTS: u32 = 3;
/// In which time.
const WITHIN: Duration = Duration::from_secs(5);
/// How long a worker has to end when it is asked to.
const WORKER_SHUTDOWN: Duration = Duration::from_secs(5);

/// Who is started again when a child of a supervisor has failed.
///
/// Source: `supervisor` of Erlang's OTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Strategy {
    /// That child alone.
    #[default]
    OneForOne,
    /// All children: the others are stopped first, the last started first.
    OneForAll,
    /// That child and those started after it, which are stopped first, the last started first.
    RestForOne,
    /// That child alone. Children are only added, never planned; they are stopped all at once, and forgotten once they
    /// have ended for good.
    SimpleOneForOne,
}

/// Whether a child that has ended is started again.
///
/// Source: `supervisor` of Erlang's OTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// If it failed; not if it ended in order.
    Transient,
    /// Never, also not when it was stopped because of another child. Its supervisor forgets it.
    Temporary,
}

/// How a child is stopped.
///
/// Source: `supervisor` of Erlang's OTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Shutdown {
    /// Killed, without being asked: an actor without its `stopped`. Code of an actor that runs just now is given up.
    Kill,
    /// Asked to end, and killed if it has not after this time. With zero it is asked and killed at once.
    Within(Duration),
    /// Asked to end, however long it takes. Right for supervisors, which have to stop their own children.
    Unlimited,
}

/// Whether a supervisor ends by itself when children that are significant have ended by themselves.
///
/// Those that were stopped, by a command or because of another child, don't count, nor do those that are started again.
///
/// Source: `supervisor` of Erlang's OTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AutoShutdown {
    /// It does not. No child may be significant then.
    #[default]
    Never,
    /// As soon as one has.
    AnySignificant,
    /// When the last of those that were there has.
    AllSignificant,
}

/// A supervisor's own terms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) strategy: Strategy,
    /// More restarts than this within `within` end the supervisor.
    pub(crate) max_restarts: u32,
    /// The time in which restarts count, up to and including its end.
    pub(crate) within: Duration,
    pub(crate) auto_shutdown: AutoShutdown,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            max_restarts: MAX_RESTARTS,
            within: WITHIN,
            auto_shutdown: AutoShutdown::default(),
        }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strategy = match self.strategy {
            Strategy::OneForOne => "one for one",
            Strategy::OneForAll => "one for all",
            Strategy::RestForOne => "rest for one",
            Strategy::SimpleOneForOne => "simple one for one",
        };
        write!(f, "{strategy}, {} restarts in {:?}", self.max_restarts, self.within)
    }
}

/// All that a supervisor knows of a child.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What it is called among its siblings.
    pub(crate) name: String,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    /// Its own end may be the supervisor's ([`AutoShutdown`]).
    pub(crate) is_significant: bool,
    /// How long it waits before it is started again. `None`: not at all.
    pub(crate) backoff: Option<Backoff>,
}

impl Plan {
    /// A permanent child that has five seconds to end.
    pub(crate) fn worker(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            restart: Restart::Permanent,
            shutdown: Shutdown::Within(WORKER_SHUTDOWN),
            is_significant: false,
            backoff: None,
        }
    }

    /// A permanent child that may take any time to end, as it has children of its own to stop.
    pub(crate) fn supervisor(name: impl Into<String>) -> Self {
        Self { shutdown: Shutdown::Unlimited, ..Self::worker(name) }
    }

    /// Says whether a supervisor of these settings can have such a child.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Faulty> {
        let child = || self.name.clone();
        if self.is_significant && self.restart == Restart::Permanent {
            return Err(Faulty::SignificantPermanent { child: child() });
        }
        if self.is_significant && settings.auto_shutdown == AutoShutdown::Never {
            return Err(Faulty::SignificantForNothing { child: child() });
        }
        if let Some(Err(error)) = self.backoff.map(|backoff| backoff.check()) {
            return Err(Faulty::Backoff { child: child(), error });
        }
        Ok(())
    }
}

/// Why plans can't be carried out. Nothing has been started then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Faulty {
    /// No restart would ever count.
    #[error("the time within which restarts count is zero")]
    NoWindow,
    /// A supervisor that has only added children was given some to begin with.
    #[error("a supervisor with `SimpleOneForOne` begins without children; add them")]
    PlansForSimple,
    /// Two children of one name.
    #[error("there is a child {child:?} already")]
    NameTaken { child: String },
    /// A permanent child never ends by itself for good.
    #[error("child {child:?} is significant and permanent, so it could never end the supervisor")]
    SignificantPermanent { child: String },
    /// Nothing follows from the end of a significant child.
    #[error("child {child:?} is significant, and the supervisor's automatic shutdown is `Never`")]
    SignificantForNothing { child: String },
    /// A back-off that can't be.
    #[error("the back-off of child {child:?} can't be")]
    Backoff {
        child: String,
        #[source]
        error: BackoffError,
    },
}

//! What can be a member of a set.

use std::sync::Arc;
use std::time::Instant;

use crate::command::Command;
use crate::hook::{Hook, Poll};
use crate::node::Node;
use crate::process::Process;
use crate::runtime::{Runtime, StopOf};
use crate::standing::Sought;

pub(crate) use self::sealed::{Pollable, Sealed};

mod sealed {
    use super::{Arc, Poll, Runtime};

    /// A member as the set keeps it.
    #[expect(missing_debug_implementations, reason = "nobody can name it")]
    pub struct Pollable {
        pub(crate) runtime: Arc<Runtime>,
        pub(crate) what: Arc<dyn Poll>,
    }

    impl Pollable {
        pub(crate) fn new(runtime: &Arc<Runtime>, what: Arc<dyn Poll>) -> Self {
            Self { runtime: Arc::clone(runtime), what }
        }
    }

    pub trait Sealed {
        fn pollable(&self) -> Pollable;
    }
}

/// Something that [`WaitAny`](crate::WaitAny) and [`wait_any`](crate::wait_any) wait for. What "ready" means stands with each type.
pub trait Waitable: Sealed {}

impl<R> Sealed for Process<R> {
    fn pollable(&self) -> Pollable {
        Pollable::new(self.runtime(), self.end())
    }
}

/// Ready once the child has ended, for good: then [`join`](Process::join) returns at once.
impl<R> Waitable for Process<R> {}

impl Sealed for Command {
    fn pollable(&self) -> Pollable {
        Pollable::new(self.runtime(), self.end())
    }
}

/// Ready once the program has ended, for good: then [`wait`](Command::wait) returns at once.
impl Waitable for Command {}

impl Sealed for Node {
    fn pollable(&self) -> Pollable {
        Pollable::new(self.runtime(), Arc::new(StopOf(Arc::clone(self.runtime()))))
    }
}

/// Ready once this node is [asked to end](Node::stopping), for good.
impl Waitable for Node {}

/// A time, which is ready from then on. The set itself looks at the clock.
pub(super) struct Time(pub(super) Instant);

impl Poll for Time {
    fn sought(&self) -> Sought {
        Sought::plain("a moment").idle()
    }

    fn poll(&self, _: &Hook) -> bool {
        self.0 <= Instant::now()
    }

    fn forget(&self, _: &Hook) {}

    fn deadline(&self) -> Option<Instant> {
        Some(self.0)
    }
}

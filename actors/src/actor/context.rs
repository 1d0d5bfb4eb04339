//! What an actor's code has of its own life.

use std::cell::Cell;
use std::fmt;

use callboard_core::Address;

use super::handle::{ActorRef, Message};
use crate::node::{Node, WeakNode};

thread_local! {
    /// The actor whose code this thread runs.
    static CURRENT: Cell<Option<Address>> = const { Cell::new(None) };
}

/// The actor whose code runs on this thread.
pub(super) fn current() -> Option<Address> {
    CURRENT.get()
}

/// Runs an actor's code.
pub(super) fn run_as<R>(address: Address, with: impl FnOnce() -> R) -> R {
    /// Restores the outer one, also on unwind.
    struct Restore(Option<Address>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(Some(address)));
    with()
}

/// An actor's own life, as its code sees it.
pub struct Context<M> {
    pub(super) me: ActorRef<M>,
    pub(super) node: WeakNode,
    pub(super) is_stopping: bool,
}

impl<M: Message> Context<M> {
    /// A reference to this actor, to give to others.
    pub fn me(&self) -> &ActorRef<M> {
        &self.me
    }

    /// The node it lives on; none while that ends.
    pub fn node(&self) -> Option<Node> {
        self.node.upgrade()
    }

    /// Ends this actor after the message in hand, with [`Exit::Normal`](super::Exit::Normal).
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }
}

impl<M> fmt::Debug for Context<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context of {:?}", self.me)
    }
}

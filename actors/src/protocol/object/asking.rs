//! Waiting, among other things, for a question that an owner answers later.

use std::sync::Arc;

use parking_lot::Mutex;

use super::handle::{Asked, Handle};
use super::owner::Owner;
use crate::hook::{Hook, Poll};
use crate::peer::Peer;
use crate::standing::Sought;
use crate::wait_any::Pollable;

/// A question that is asked again and again, each time until it is answered, or its owner has ended.
pub(crate) struct Asking<O: Owner> {
    handle: Handle<O>,
    ask: Box<dyn Fn() -> O::Ask + Send + Sync>,
    /// What the owner has heard of, until its answer has been seen.
    asked: Mutex<Option<Asked<O>>>,
}

impl<O: Owner> Asking<O> {
    /// What is ready when the owner of `handle` has answered what `ask` gives.
    pub(crate) fn pollable(handle: &Handle<O>, ask: impl Fn() -> O::Ask + Send + Sync + 'static) -> Pollable {
        let asking = Self { handle: handle.clone(), ask: Box::new(ask), asked: Mutex::default() };
        Pollable::new(&handle.runtime, Arc::new(asking))
    }
}

impl<O: Owner> Poll for Asking<O> {
    fn sought(&self) -> Sought {
        self.handle.sought()
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut asked = self.asked.lock();
        let is_ready = asked.get_or_insert_with(|| self.handle.begin((self.ask)())).poll(hook);
        if is_ready {
            // The next time it may be otherwise.
            *asked = None;
        }
        is_ready
    }

    fn forget(&self, hook: &Hook) {
        if let Some(asked) = self.asked.lock().take() {
            asked.forget(hook);
        }
    }

    fn peer(&self) -> Option<&Arc<Peer>> {
        self.handle.peer()
    }
}

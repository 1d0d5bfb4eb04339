//! A queue among other things that are waited for: whether a get would find something, without taking it.

use std::sync::Arc;
use std::time::Instant;

use super::consumer::Attached;
use super::face::QueueFace;
use super::getting::Errands;
use super::handle::Queue;
use super::line::Line;
use super::wire::Terms;
use crate::hook::{Hook, Poll};
use crate::peer::{Met, Peer};
use crate::wait_any::{Pollable, Sealed, Waitable};

/// That an item is here, or that none will come.
struct Gettable(Arc<QueueFace>);

impl Poll for Gettable {
    /// Asks the owner for an item on behalf of whoever waits. What comes is prefetched: it stays here for the next get, or
    /// goes back if nobody takes it while others wait.
    fn poll(&self, hook: &Hook) -> bool {
        let QueueFace { runtime, plain, .. } = &*self.0;
        let mut state = plain.consumer.lock();
        if state.attached == Attached::NotYet && state.over().is_none() {
            drop(state);
            if let Line::There { peer, .. } = &plain.line
                && !Met(peer).poll(hook)
            {
                return false;
            }
            // The connection is there, so this does not wait. What is wrong the get will tell.
            if plain.attach(runtime, Some(Instant::now())).is_err() {
                return true;
            }
            state = plain.consumer.lock();
        }
        if state.inbox.len() > 0 || state.over().is_some() {
            return true;
        }
        state.watchers.add(hook);
        let mut errands = Errands::default();
        if !state.is_returning {
            let waiting = state.waiting();
            errands.want = state.demand(waiting);
        }
        drop(state);
        plain.run_errands(runtime, &errands, Terms::Taken);
        // An owner on this node has delivered by now, if it could.
        plain.line.is_here() && plain.consumer.lock().inbox.len() > 0
    }

    fn forget(&self, hook: &Hook) {
        self.leave(hook);
        let QueueFace { runtime, plain, .. } = &*self.0;
        plain.stop_wanting(runtime, plain.consumer.lock());
    }

    fn leave(&self, hook: &Hook) {
        if let Some(peer) = self.peer() {
            Met(peer).forget(hook);
        }
        self.0.plain.consumer.lock().watchers.remove(hook);
    }

    fn peer(&self) -> Option<&Arc<Peer>> {
        self.0.plain.line.peer()
    }
}

impl<T, K> Sealed for Queue<T, K> {
    fn pollable(&self) -> Pollable {
        let what: Arc<dyn Poll> = Arc::new(Gettable(Arc::clone(&self.face)));
        Pollable::new(&self.face.runtime, what)
    }
}

/// Ready when an item is here to be taken, or the queue's end: then [`get`](Queue::get) returns at once, unless another
/// thread was faster. [`try_get`](Queue::try_get) is the safe way to take it.
impl<T, K> Waitable for Queue<T, K> {}

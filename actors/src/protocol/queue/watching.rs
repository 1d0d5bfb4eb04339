//! A queue among other things that are waited for: whether a get would find something, without taking it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::client::Client;
use super::consumer::{Attached, State};
use super::face::QueueFace;
use super::getting::Errands;
use super::handle::Queue;
use super::inbox::Form;
use super::line::Line;
use super::wire::Terms;
use crate::hook::{Hook, Poll};
use crate::peer::{Met, Peer};
use crate::standing::Sought;
use crate::wait_any::{Pollable, Sealed, Waitable};

/// That an item is here, or that none will come.
struct Gettable {
    face: Arc<QueueFace>,
    wants: Form,
    /// How often the end had been told when items were last asked for; `NOT_ASKED` since it was ready.
    ends: AtomicU64,
}

const NOT_ASKED: u64 = u64::MAX;

impl Gettable {
    fn client(&self) -> &Arc<Client> {
        match self.wants {
            Form::Plain => &self.face.plain,
            Form::Leased => self.face.leased(),
        }
    }

    /// What is asked for: of leases, what was asked for last.
    fn terms(&self, state: &mut State) -> Terms {
        if self.wants == Form::Leased && state.terms == Terms::Taken {
            // The first time. A client for leases has asked for nothing else.
            state.terms = Terms::Leased { lasting: None };
        }
        state.terms
    }

    /// Whether the owner has said, since it was asked, that there is nothing but what this node holds on a lease. That may
    /// come back, so it is no end for good: the next wait asks anew.
    fn has_heard_of_the_end(&self, state: &State) -> bool {
        // Changed under the consumer's lock.
        let before = self.ends.swap(state.ends, Relaxed);
        let has_heard = before != NOT_ASKED && before != state.ends;
        if has_heard {
            self.ends.store(NOT_ASKED, Relaxed);
        }
        has_heard
    }
}

impl Poll for Gettable {
    fn sought(&self) -> Sought {
        Sought::object("an item from", "queue", self.client().queue)
    }

    /// Asks the owner for an item on behalf of whoever waits. What comes is prefetched: it stays here for the next get, or
    /// goes back if nobody takes it while others wait.
    fn poll(&self, hook: &Hook) -> bool {
        let (runtime, client) = (&self.face.runtime, self.client());
        let mut state = client.consumer.lock();
        if state.attached == Attached::NotYet && state.over().is_none() {
            drop(state);
            if let Line::There { peer, .. } = &client.line
                && !Met(peer).poll(hook)
            {
                return false;
            }
            // The connection is there, so this does not wait. What is wrong the get will tell.
            if client.attach(runtime, Some(Instant::now())).is_err() {
                return true;
            }
            state = client.consumer.lock();
        }
        if state.inbox.len() > 0 || state.over().is_some() || self.has_heard_of_the_end(&state) {
            return true;
        }
        state.watchers.add(hook);
        let terms = self.terms(&mut state);
        let mut errands = Errands::default();
        if !state.is_returning {
            let waiting = state.waiting();
            errands.want = state.demand(waiting);
        }
        drop(state);
        client.run_errands(runtime, &errands, terms);
        // An owner on this node has delivered by now, if it could. An end that it told has notified the hook.
        client.line.is_here() && client.consumer.lock().inbox.len() > 0
    }

    fn forget(&self, hook: &Hook) {
        self.leave(hook);
        let (runtime, client) = (&self.face.runtime, self.client());
        client.stop_wanting(runtime, client.consumer.lock());
    }

    fn leave(&self, hook: &Hook) {
        if let Some(peer) = self.peer() {
            Met(peer).forget(hook);
        }
        self.client().consumer.lock().watchers.remove(hook);
    }

    fn peer(&self) -> Option<&Arc<Peer>> {
        self.client().line.peer()
    }
}

impl<T, K> Sealed for Queue<T, K> {
    fn pollable(&self) -> Pollable {
        pollable(&self.face, Form::Plain)
    }
}

fn pollable(face: &Arc<QueueFace>, wants: Form) -> Pollable {
    let what = Gettable { face: Arc::clone(face), wants, ends: AtomicU64::new(NOT_ASKED) };
    Pollable::new(&face.runtime, Arc::new(what))
}

/// Ready when an item is here to be taken, or the queue's end: then [`get`](Queue::get) returns at once, unless another
/// thread was faster. [`try_get`](Queue::try_get) is the safe way to take it.
impl<T, K> Waitable for Queue<T, K> {}

/// That a lease of a queue can be taken; see [`Queue::leasable`].
#[derive(Clone, Debug)]
pub struct Leasable(Arc<QueueFace>);

impl<T, K> Queue<T, K> {
    /// What a [`WaitAny`](crate::WaitAny) waits for whose user takes leases: the queue itself stands for items taken for good.
    pub fn leasable(&self) -> Leasable {
        Leasable(Arc::clone(&self.face))
    }
}

impl Sealed for Leasable {
    fn pollable(&self) -> Pollable {
        pollable(&self.0, Form::Leased)
    }
}

/// Ready when an item is here to be taken on a lease, or the queue's end: then [`lease`](Queue::lease) returns at once, unless
/// another thread was faster. [`lease_timeout`](Queue::lease_timeout) is the safe way to take it.
impl Waitable for Leasable {}

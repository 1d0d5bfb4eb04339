//! Being told that something may be ready: what every wait is built on, a thread's, that for any of several things, and
//! later a future's.
//!
//! Whatever can be waited for keeps [`Hooks`] and answers [`Poll::poll`]: it is ready, or it keeps the hook and will notify
//! it once. Both happen under the lock that guards the state asked about, so a change either is seen by the
//! poll or finds the hook. A notification is a hint: whoever gets it polls again, since another may have been faster.

use std::fmt::Debug;
use std::ptr;
use std::sync::Arc;
use std::time::Instant;

use crate::peer::Peer;
use crate::runtime::Runtime;
use crate::standing::Sought;
use crate::wait::Waiter;

/// Whoever waits.
pub(crate) trait Notify: Debug + Send + Sync {
    /// Something that it waits for may be ready. May be called with locks held, and takes none but its own.
    fn notify(&self);
}

/// A waiting party as those keep it on whom it waits.
pub(crate) type Hook = Arc<dyn Notify>;

fn is_same(a: &Hook, b: &Hook) -> bool {
    ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}

/// Those to be notified at the next change.
#[derive(Debug, Default)]
pub(crate) struct Hooks(Vec<Hook>);

impl Hooks {
    /// Keeps `hook`, once.
    pub(crate) fn add(&mut self, hook: &Hook) {
        if !self.0.iter().any(|other| is_same(other, hook)) {
            self.0.push(Arc::clone(hook));
        }
    }

    pub(crate) fn remove(&mut self, hook: &Hook) {
        self.0.retain(|other| !is_same(other, hook));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes all out.
    pub(crate) fn take(&mut self) -> Vec<Hook> {
        std::mem::take(&mut self.0)
    }

    /// Notifies all, and forgets them.
    pub(crate) fn notify_all(&mut self) {
        for hook in self.0.drain(..) {
            hook.notify();
        }
    }
}

/// Something that can be waited for.
pub(crate) trait Poll: Send + Sync {
    /// Whether it is ready. If not, `hook` is kept and notified once when it may be.
    fn poll(&self, hook: &Hook) -> bool;

    /// Nobody waits by `hook` any more: what was asked for on its behalf is taken back.
    fn forget(&self, hook: &Hook);

    /// The same for somebody who will soon ask again, and then finds what comes meanwhile.
    fn leave(&self, hook: &Hook) {
        self.forget(hook);
    }

    /// What that is, for whoever wants to know why this thread sleeps. Asked for when it is about to.
    fn sought(&self) -> Sought;

    /// The peer whose frames make it ready, if there is one: a thread that is about to sleep asks it for what it holds back.
    fn peer(&self) -> Option<&Arc<Peer>> {
        None
    }

    /// When it is ready in any case, if there is such a time. Nobody is notified of that.
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

impl Runtime {
    /// Waits until `what` is ready; false at `deadline`. None waits for ever. No lock may be held.
    pub(crate) fn wait_until(self: &Arc<Self>, what: &dyn Poll, deadline: Option<Instant>) -> bool {
        self.wait_until_as(what, deadline, &|| what.sought())
    }

    /// The same, where the caller knows better what that is.
    pub(crate) fn wait_until_as(
        self: &Arc<Self>,
        what: &dyn Poll,
        deadline: Option<Instant>,
        sought: &dyn Fn() -> Sought,
    ) -> bool {
        let waiter = Waiter::new();
        let hook: Hook = Arc::clone(&waiter) as Hook;
        loop {
            if what.poll(&hook) {
                return true;
            }
            if !self.wait_for(&waiter, deadline, what.peer(), sought) {
                what.forget(&hook);
                return false;
            }
            waiter.reset();
        }
    }
}

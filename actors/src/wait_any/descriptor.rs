//! A plain descriptor as a member of a set.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use callboard_core::{Readiness, Source, Token, Wants};
use parking_lot::Mutex;

use crate::hook::{Hook, Hooks, Poll};
use crate::runtime::Runtime;
use crate::standing::Sought;

/// A duplicate of the user's descriptor, in the node's epoll. The epoll tells of edges; whether it is ready now, the kernel
/// is asked anew each time.
struct Watched {
    fd: OwnedFd,
    wants: Wants,
    hooks: Mutex<Hooks>,
}

impl Watched {
    fn wake_all(&self) {
        let hooks = self.hooks.lock().take();
        hooks.iter().for_each(|hook| hook.notify());
    }
}

impl Source for Watched {
    fn ready(&self, _: Readiness) {
        self.wake_all();
    }

    /// Whoever waits does so again, and reads for itself.
    fn closed(&self) {
        self.wake_all();
    }
}

/// Takes it out of the epoll at the end.
struct Watch {
    runtime: Arc<Runtime>,
    watched: Arc<Watched>,
    token: Token,
    /// Its user's number for it.
    number: i32,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.runtime.reactor.deregister(self.watched.fd.as_fd(), self.token);
    }
}

impl Poll for Watch {
    fn sought(&self) -> Sought {
        let part = if self.watched.wants == Wants::Writing { "room in" } else { "something to read from" };
        Sought::descriptor(part, self.number)
    }

    fn poll(&self, hook: &Hook) -> bool {
        // Kept before the kernel is asked: an edge in between notifies it.
        self.watched.hooks.lock().add(hook);
        // What is wrong with it, whoever uses it is told.
        let is_ready = callboard_ipc::is_ready(self.watched.fd.as_fd(), self.watched.wants).unwrap_or(true);
        if is_ready {
            self.forget(hook);
        }
        is_ready
    }

    fn forget(&self, hook: &Hook) {
        self.watched.hooks.lock().remove(hook);
    }
}

/// Watches a duplicate of `fd`: one descriptor can stand in an epoll only once.
pub(super) fn watch(runtime: &Arc<Runtime>, fd: BorrowedFd<'_>, wants: Wants) -> io::Result<Arc<dyn Poll>> {
    let watched = Arc::new(Watched { fd: fd.try_clone_to_owned()?, wants, hooks: Mutex::default() });
    let source = Arc::clone(&watched) as Arc<dyn Source>;
    let token = runtime.reactor.register(watched.fd.as_fd(), wants, source)?;
    Ok(Arc::new(Watch { runtime: Arc::clone(runtime), watched, token, number: fd.as_raw_fd() }))
}

//! What a thread does before it sleeps: it looks for itself, and yields, for a moment.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use callboard_ipc::poller;

use super::Waiter;
use crate::peer::Peer;
use crate::protocol::refuse_inside;
use crate::runtime::Runtime;

/// How long a caller looks for itself before it sleeps.
const LOOK_FOR: Duration = Duration::from_micros(50);
/// After so long without anything, a caller asks for what the peer may hold back; one at work writes before.
const ASK_AFTER: Duration = Duration::from_micros(10);
/// A yield that took longer than this gave the core to somebody with work of their own.
const CORE_IS_TAKEN: Duration = Duration::from_micros(25);

impl Runtime {
    /// Reads what has come, without waiting.
    pub(crate) fn look_at_all(self: &Arc<Self>) {
        refuse_inside();
        let looked = poller::wait_once(self.poll.as_fd(), &self.reactor, Some(Duration::ZERO));
        debug_assert!(looked.is_ok(), "looking at our own epoll: {looked:?}");
    }

    /// Yields for a moment until `done` says so; what it said. For what others are about to do in shared memory.
    pub(crate) fn try_for_a_moment<R>(
        &self,
        deadline: Option<Instant>,
        mut done: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        if !self.seat.should_look() {
            return None;
        }
        self.flush_listed();
        let mut now = Instant::now();
        let until = deadline.map_or(now + LOOK_FOR, |at| at.min(now + LOOK_FOR));
        while now < until {
            std::thread::yield_now();
            let after = Instant::now();
            let is_taken = after - now > CORE_IS_TAKEN;
            now = after;
            if let Some(result) = done() {
                self.seat.looked(true);
                return Some(result);
            }
            if is_taken {
                break;
            }
        }
        self.seat.looked(false);
        None
    }

    /// Reads and yields for a moment: an answer that is already under way then costs no wake-up.
    pub(super) fn look_first(
        self: &Arc<Self>,
        waiter: &Waiter,
        deadline: Option<Instant>,
        only: Option<&Arc<Peer>>,
        from: &[Arc<Peer>],
    ) -> bool {
        if !self.seat.should_look() {
            return false;
        }
        self.seat.has_looked.store(true, Relaxed);
        let begun = Instant::now();
        let mut now = begun;
        let mut has_asked = false;
        let until = deadline.map_or(begun + LOOK_FOR, |at| at.min(begun + LOOK_FOR));
        while now < until {
            match only {
                Some(peer) => peer.look(self),
                // Nobody in particular: whatever comes is in the epoll.
                None => self.look_at_all(),
            }
            if waiter.is_notified() {
                self.seat.looked(true);
                return true;
            }
            if !has_asked && now - begun > ASK_AFTER {
                has_asked = true;
                from.iter().for_each(|peer| peer.fetch_what_is_held_back(self));
            }
            std::thread::yield_now();
            let after = Instant::now();
            if after - now > CORE_IS_TAKEN {
                break;
            }
            now = after;
        }
        self.seat.looked(false);
        false
    }
}

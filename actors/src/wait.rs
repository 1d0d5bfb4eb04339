//! How a thread waits: it looks for itself, then sits down in the node's epoll, or parks beside it.
//!
//! Every blocking verb ends here. A [`Waiter`] is a thread's hook (see `hook.rs`): notified once by whoever handles the
//! frame or the local call that it waits for.
//!
//! # Why no wake-up is lost
//!
//! At most one caller sits in the epoll (`Seat`), beside the loop thread, which is there until the node ends. `notify`
//! and sitting down both happen under the waiter's own lock. A notification before it is seen there and the
//! caller does not sit; one after it finds `seated` and rings the seat's bell. The bell is edge triggered,
//! so the ring stays pending until some `epoll_wait` takes it. If the loop thread takes it, it rings again and
//! stays out of the epoll until the caller has left the seat: the caller is then the only one whom the
//! kernel can wake.
//!
//! # When the node has ended
//!
//! Its objects have ended too, and all who wait for them are told. Pipes and descriptors go on. There is no loop thread then: the caller in the epoll reads
//! for all, and those beside it look now and then whether its seat is free. Those who were beside it before are woken when the loop
//! thread is gone ([`Source::closed`]), and wait anew.
//!
//! # Who reads
//!
//! While callers look for themselves, each frame that comes would also wake the loop thread, which then takes a core from
//! those at work. So after it has been woken it stays away for a moment if a caller has looked lately (`stand_back`). What
//! comes meanwhile, and no caller reads, is late by that moment; the epoll keeps it.

mod looking;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use callboard_core::{Readiness, Source};
use callboard_ipc::{Bell, poller};
use parking_lot::{Condvar, Mutex};

use crate::actor;
use crate::hook::Notify;
use crate::peer::Peer;
use crate::protocol::refuse_inside;
use crate::runtime::Runtime;
use crate::standing::Sought;

/// How long a thread that took somebody else's ring stays out of the epoll, if that somebody is not
/// scheduled; then both try again.
const STAND_BACK: Duration = Duration::from_millis(10);
/// How long the loop thread leaves the reading to callers.
const LEFT_TO_CALLERS: Duration = Duration::from_micros(50);
/// After this many looks in vain in a row, only every `TRY_AGAIN_EVERY`th wait looks first.
const GIVE_UP_AFTER: u32 = 8;
const TRY_AGAIN_EVERY: u32 = 16;

/// One thread's wait for one thing.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    state: Mutex<State>,
    parked: Condvar,
}

#[derive(Debug, Default)]
struct State {
    notified: bool,
    /// When this thread first slept for it, and how many lines have been written of that.
    since: Option<Instant>,
    told: u32,
    /// The thread that sits in the epoll, and what wakes it there.
    seated: Option<(ThreadId, Arc<Bell>)>,
}

impl Waiter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn is_notified(&self) -> bool {
        self.state.lock().notified
    }

    /// Makes the waiter usable for another wait.
    pub(crate) fn reset(&self) {
        self.state.lock().notified = false;
    }

    /// Makes the waiter usable for something new to wait for.
    pub(crate) fn begins(&self) {
        let mut state = self.state.lock();
        (state.notified, state.since, state.told) = (false, None, 0);
    }

    /// Since when its thread waits, which is from now on if it has not slept yet, and how many lines have been written of that.
    pub(crate) fn stood(&self) -> (Instant, u32) {
        let mut state = self.state.lock();
        (*state.since.get_or_insert_with(Instant::now), state.told)
    }

    pub(crate) fn was_told(&self, times: u32) {
        self.state.lock().told = times;
    }

    fn park(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        while !state.notified {
            match deadline {
                Some(at) => {
                    if self.parked.wait_until(&mut state, at).timed_out() {
                        break;
                    }
                }
                None => self.parked.wait(&mut state),
            }
        }
        state.notified
    }

    fn sit(&self, bell: Option<Arc<Bell>>) -> bool {
        let mut state = self.state.lock();
        if state.notified && bell.is_some() {
            return false;
        }
        state.seated = bell.map(|bell| (std::thread::current().id(), bell));
        true
    }
}

impl Notify for Waiter {
    /// Ends the wait; further calls change nothing.
    fn notify(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.notified, true) {
            return;
        }
        match state.seated.clone() {
            // It is that thread itself which has just handled the frame: it looks before it waits again.
            Some((thread, _)) if thread == std::thread::current().id() => {}
            Some((_, bell)) => {
                drop(state);
                bell.ring();
            }
            None => {
                self.parked.notify_one();
            }
        }
    }
}

/// The one place beside the loop thread in a node's epoll.
#[derive(Debug)]
pub(crate) struct Seat {
    bell: Arc<Bell>,
    taken: Mutex<Option<(ThreadId, Arc<Waiter>)>>,
    left: Condvar,
    looks: Mutex<Looks>,
    /// A caller has looked since the loop thread last stood back.
    has_looked: AtomicBool,
}

/// Whether looking before sleeping has paid lately.
#[derive(Debug, Default)]
struct Looks {
    in_vain: u32,
    skipped: u32,
}

impl Seat {
    pub(crate) fn new() -> std::io::Result<Self> {
        let bell = Arc::new(Bell::new()?);
        Ok(Self {
            bell,
            taken: Mutex::default(),
            left: Condvar::new(),
            looks: Mutex::default(),
            has_looked: AtomicBool::new(false),
        })
    }

    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    fn take(&self, waiter: &Arc<Waiter>) -> bool {
        let mut taken = self.taken.lock();
        if taken.is_some() {
            return false;
        }
        *taken = Some((std::thread::current().id(), Arc::clone(waiter)));
        true
    }

    fn leave(&self) {
        *self.taken.lock() = None;
        self.left.notify_all();
    }

    /// For the loop thread, between two turns: leaves the reading to callers for a moment, if there are any.
    pub(crate) fn stand_back(&self) {
        if self.has_looked.load(Relaxed) {
            std::thread::sleep(LEFT_TO_CALLERS);
            self.has_looked.store(false, Relaxed);
        }
    }

    fn should_look(&self) -> bool {
        let mut looks = self.looks.lock();
        if looks.in_vain < GIVE_UP_AFTER {
            return true;
        }
        looks.skipped += 1;
        looks.skipped.is_multiple_of(TRY_AGAIN_EVERY)
    }

    fn looked(&self, found: bool) {
        let mut looks = self.looks.lock();
        looks.in_vain = if found { 0 } else { looks.in_vain.saturating_add(1) };
    }
}

impl Source for Seat {
    /// The bell rang. Passes the ring on if it reached another thread than the one it was for.
    fn ready(&self, _readiness: Readiness) {
        let mut taken = self.taken.lock();
        let Some((thread, waiter)) = taken.clone() else { return };
        if thread == std::thread::current().id() || !waiter.is_notified() {
            return;
        }
        self.bell.ring();
        let sits = |taken: &mut Option<(ThreadId, Arc<Waiter>)>| {
            taken.as_ref().is_some_and(|(_, sitting)| Arc::ptr_eq(sitting, &waiter))
        };
        self.left.wait_while_for(&mut taken, sits, STAND_BACK);
    }
}

impl Runtime {
    /// Waits until `waiter` is notified or `deadline` has passed; whether it was notified.
    ///
    /// No deadline waits for ever. `from` is the peer whose frame is expected, if one is. No lock may be held.
    pub(crate) fn wait(
        self: &Arc<Self>,
        waiter: &Arc<Waiter>,
        deadline: Option<Instant>,
        from: Option<&Arc<Peer>>,
        sought: Sought,
    ) -> bool {
        self.wait_for(waiter, deadline, from, &|| sought)
    }

    /// The same, if it is not yet known what to say of the wait.
    pub(crate) fn wait_for(
        self: &Arc<Self>,
        waiter: &Arc<Waiter>,
        deadline: Option<Instant>,
        from: Option<&Arc<Peer>>,
        sought: &dyn Fn() -> Sought,
    ) -> bool {
        let what = || (sought(), Vec::new());
        self.wait_looking(waiter, deadline, from, from.map_or(&[], std::slice::from_ref), &what)
    }

    /// As [`wait`](Self::wait), for frames of any of several peers, or anything else that the epoll tells of. `what`: the whole, and some of it.
    pub(crate) fn wait_for_any(
        self: &Arc<Self>,
        waiter: &Arc<Waiter>,
        deadline: Option<Instant>,
        from: &[Arc<Peer>],
        what: &dyn Fn() -> (Sought, Vec<Sought>),
    ) -> bool {
        self.wait_looking(waiter, deadline, None, from, what)
    }

    /// Runs what waits by other means than this node's epoll: in shared memory. What this node holds back leaves first. No lock may be held.
    pub(crate) fn wait_elsewhere<R>(self: &Arc<Self>, sought: Sought, wait: impl FnOnce() -> R) -> R {
        refuse_inside();
        self.flush_listed();
        let _stands = self.standing.note(None, sought, Vec::new());
        let _waits = actor::waits(self);
        wait()
    }

    /// `only` is all that has to be looked at, if it is known.
    fn wait_looking(
        self: &Arc<Self>,
        waiter: &Arc<Waiter>,
        deadline: Option<Instant>,
        only: Option<&Arc<Peer>>,
        from: &[Arc<Peer>],
        what: &dyn Fn() -> (Sought, Vec<Sought>),
    ) -> bool {
        refuse_inside();
        self.flush_listed();
        if waiter.is_notified() || self.look_first(waiter, deadline, only, from) {
            return true;
        }
        for peer in from {
            // It may have thought that there was still something to do here.
            peer.fetch_what_is_held_back(self);
        }
        let (sought, members) = what();
        let _stands = self.standing.note(Some(waiter), sought, members);
        // One of the threads of this node's actors is replaced while it sleeps.
        let _waits = actor::waits(self);
        while !self.seat.take(waiter) {
            if !self.has_ended() {
                return waiter.park(deadline);
            }
            // Nobody will read once the seat is left.
            let retry = Instant::now() + STAND_BACK;
            let is_last = deadline.is_some_and(|at| at <= retry);
            if waiter.park(if is_last { deadline } else { Some(retry) }) || is_last {
                return waiter.is_notified();
            }
        }
        if waiter.sit(Some(Arc::clone(&self.seat.bell))) {
            self.wait_seated(waiter, deadline);
            waiter.sit(None);
        }
        self.seat.leave();
        waiter.is_notified()
    }

    fn wait_seated(self: &Arc<Self>, waiter: &Waiter, deadline: Option<Instant>) {
        while !waiter.is_notified() {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return;
            }
            if let Err(error) = poller::wait_once(self.poll.as_fd(), &self.reactor, left) {
                // The loop thread goes on; only this caller's short cut is closed.
                debug_assert!(false, "waiting on our own epoll: {error}");
                waiter.sit(None);
                waiter.park(deadline);
                return;
            }
        }
    }
}

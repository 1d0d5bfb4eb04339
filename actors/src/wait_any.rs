//! Waiting for whatever comes first: queues, ends of processes, requests to stop, times and descriptors, in one wait.
//!
//! A set leaves one hook with each member. A hook that is notified puts its member on the set's list; a wait polls what is
//! on the list and nothing else, so its cost follows what happens and not how many members there are. A member that is ready
//! goes to the end of the list and is polled again by the next wait: so each gets its turn, however busy the others
//! are, and nothing is lost if its user does not take it at once.
//!
//! # Why no wake-up is lost
//!
//! A member leaves the list before it is polled, and the thread's waiter is reset before the list is looked at. Whatever
//! happens after the poll finds the hook (see `hook.rs`), puts the member on the list again and then notifies the waiter.

mod descriptor;
mod member;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use callboard_core::{Slot, Slots, Wants};
use parking_lot::Mutex;

use crate::hook::{Hook, Notify, Poll};
use crate::node::Node;
use crate::peer::Peer;
use crate::runtime::Runtime;
use crate::standing::{MAX_NAMED, Sought};
use crate::wait::Waiter;

use self::member::Time;
pub use self::member::Waitable;
pub(crate) use self::member::{Pollable, Sealed};

/// A member of a [`WaitAny`], as [`WaitAny::add`] names it. No other ever has the same name in that set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member(Slot);

/// What a plain descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, or its end.
    Readable,
    /// Room to write, or that nobody reads any more.
    Writable,
}

/// Where a set's hooks meet its thread.
#[derive(Debug, Default)]
struct Listed {
    waiter: Arc<Waiter>,
    /// Members to be polled, in the order of their turn.
    list: Mutex<VecDeque<Slot>>,
}

/// The hook that a set leaves with one member.
#[derive(Debug)]
struct MemberHook {
    set: Arc<Listed>,
    slot: Slot,
    is_listed: AtomicBool,
}

impl MemberHook {
    /// Puts the member at the end of the list, unless it stands there.
    fn list(&self) -> bool {
        // Ordering: pairs with the poll's `leave`. Whoever finds it listed may rely on a poll that begins later.
        let is_new = !self.is_listed.swap(true, Ordering::AcqRel);
        if is_new {
            self.set.list.lock().push_back(self.slot);
        }
        is_new
    }

    fn leave(&self) {
        self.is_listed.swap(false, Ordering::AcqRel);
    }
}

impl Notify for MemberHook {
    fn notify(&self) {
        if self.list() {
            self.set.waiter.notify();
        }
    }
}

struct Entry {
    hook: Arc<MemberHook>,
    what: Arc<dyn Poll>,
    /// A time goes with its moment.
    is_time: bool,
}

/// Waits for whichever of its members is ready first: with one thread, one deadline, and no polling.
///
/// A wait tells which member is ready and takes nothing from it: the caller does, with the `try_` form of whatever it
/// wants. A member that stays ready is named again by a later wait; members that are ready at the same time take
/// turns. The cost of a wait follows how many members something has happened to, not how many there are.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Node, Queue, QueueOptions, TryGetError, WaitAny};
/// use std::time::Duration;
///
/// let node = Node::start()?;
/// let lines: Queue<String> = node.create("/lines", QueueOptions::new())?;
/// let mut any = WaitAny::new(&node);
/// let line = any.add(&lines);
/// let stop = any.add(&node);
/// while let Some(ready) = any.wait_timeout(Duration::from_secs(60)) {
///     if ready == stop {
///         break;
///     }
///     match lines.try_get() {
///         Ok(text) => println!("{text}"),
///         Err(TryGetError::Empty) => {} // Another thread was faster.
///         Err(_) => _ = any.remove(line),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Source: `multiprocessing.connection.wait` and `selectors` of Python.
pub struct WaitAny {
    runtime: Arc<Runtime>,
    set: Arc<Listed>,
    members: Slots<Entry>,
    /// Moments, and deadlines of other members.
    times: BinaryHeap<Reverse<(Instant, Slot)>>,
    /// The peers of members, each with how many of them.
    peers: Vec<Arc<Peer>>,
    uses: Vec<usize>,
    /// Other nodes of this process that members belong to, with the peers there. Their own loops read what comes.
    others: Vec<(Arc<Runtime>, Option<Arc<Peer>>)>,
    /// Its user will soon wait for the same things by another set.
    comes_again: bool,
}

impl fmt::Debug for WaitAny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WaitAny({} members)", self.members.len())
    }
}

impl WaitAny {
    /// An empty set. Its waits go by `node`'s event loop; members may belong to other nodes of this process.
    pub fn new(node: &Node) -> Self {
        Self::on(node.runtime())
    }

    pub(crate) fn on(runtime: &Arc<Runtime>) -> Self {
        Self {
            runtime: Arc::clone(runtime),
            set: Arc::default(),
            members: Slots::default(),
            times: BinaryHeap::new(),
            peers: Vec::new(),
            uses: Vec::new(),
            others: Vec::new(),
            comes_again: false,
        }
    }

    /// Adds a member, which is kept until it is [removed](Self::remove). The same thing may be added twice.
    pub fn add(&mut self, what: &(impl Waitable + ?Sized)) -> Member {
        let Pollable { runtime, what } = what.pollable();
        if Arc::ptr_eq(&runtime, &self.runtime) {
            self.use_peer(&what);
        } else {
            let peer = what.peer().map(Arc::clone);
            let same = |(_, other): &(_, Option<Arc<Peer>>)| {
                other.as_ref().map(Arc::as_ptr) == peer.as_ref().map(Arc::as_ptr)
            };
            if !self.others.iter().any(|other| Arc::ptr_eq(&other.0, &runtime) && same(other)) {
                self.others.push((runtime, peer));
            }
        }
        self.insert(what, false)
    }

    fn use_peer(&mut self, what: &Arc<dyn Poll>) {
        let Some(peer) = what.peer() else { return };
        match self.peers.iter().position(|other| Arc::ptr_eq(other, peer)) {
            Some(at) => self.uses[at] += 1,
            None => {
                self.peers.push(Arc::clone(peer));
                self.uses.push(1);
            }
        }
    }

    /// Adds something of this node that has no public face.
    pub(crate) fn add_poll(&mut self, what: Arc<dyn Poll>) -> Member {
        self.insert(what, false)
    }

    /// Adds a moment. Once it has come a wait names it, a single time, and it is no longer a member.
    pub fn add_time(&mut self, at: Instant) -> Member {
        self.insert(Arc::new(Time(at)), true)
    }

    /// Adds a descriptor: a socket, a pipe, a terminal, an eventfd. The set keeps a duplicate of it, so the caller may
    /// close its own; both stand for the same file, whose end is seen only once all are closed.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` for what can't be waited for, such as a regular file, which is always ready; what the system
    /// says when descriptors run out.
    pub fn add_fd(&mut self, fd: impl AsFd, interest: Interest) -> io::Result<Member> {
        let wants = match interest {
            Interest::Readable => Wants::Reading,
            Interest::Writable => Wants::Writing,
        };
        let what = descriptor::watch(&self.runtime, fd.as_fd(), wants)?;
        Ok(self.insert(what, false))
    }

    fn insert(&mut self, what: Arc<dyn Poll>, is_time: bool) -> Member {
        let (set, at) = (Arc::clone(&self.set), what.deadline());
        let slot = self.members.insert_with(|slot| {
            let hook = Arc::new(MemberHook { set, slot, is_listed: AtomicBool::new(false) });
            Entry { hook, what, is_time }
        });
        if let Some(entry) = self.members.get(slot)
            && !is_time
        {
            entry.hook.list();
        }
        self.times.extend(at.map(|at| Reverse((at, slot))));
        Member(slot)
    }

    /// Takes a member out; whether it was one.
    pub fn remove(&mut self, member: Member) -> bool {
        let Some(entry) = self.members.remove(member.0) else { return false };
        entry.what.forget(&(Arc::clone(&entry.hook) as Hook));
        let at = entry.what.peer().and_then(|peer| self.peers.iter().position(|p| Arc::ptr_eq(p, peer)));
        if let Some(at) = at {
            self.uses[at] -= 1;
            if self.uses[at] == 0 {
                self.uses.swap_remove(at);
                self.peers.swap_remove(at);
            }
        }
        let mut list = self.set.list.lock();
        if list.len() > 2 * self.members.len() + 64 {
            // Those of members that are gone would go with the next wait, if there is one.
            list.retain(|slot| self.members.get(*slot).is_some());
        }
        drop(list);
        // Others' times may stay for a while: when they come they name nobody.
        if entry.is_time || self.times.len() > 2 * self.members.len() + 64 {
            self.times.retain(|Reverse((_, slot))| self.members.get(*slot).is_some());
        }
        true
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until a member is ready. None if there is no member: nothing would ever come.
    pub fn wait(&mut self) -> Option<Member> {
        self.wait_until(None)
    }

    /// Waits up to `timeout` until a member is ready; none if none was. Zero does as [`try_wait`](Self::try_wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Member> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// A member that is ready now, as far as it has been heard of here; none if none is. Never waits. A queue that has not
    /// been waited for before is asked now and may be ready only at the next try.
    pub fn try_wait(&mut self) -> Option<Member> {
        self.wait_until(Some(Instant::now()))
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Member> {
        if deadline.is_some_and(|at| at <= Instant::now()) {
            self.runtime.look_at_all();
        }
        self.set.waiter.begins();
        loop {
            self.set.waiter.reset();
            let ready = self.poll_listed();
            // What the polls have asked is on its way, however soon this wait ends.
            self.runtime.flush_listed();
            self.others.iter().for_each(|(runtime, _)| runtime.flush_listed());
            if ready.is_some() {
                return ready;
            }
            if self.is_empty() && deadline.is_none() {
                return None;
            }
            if deadline.is_some_and(|at| at <= Instant::now()) {
                return None;
            }
            let next = self.times.peek().map(|Reverse((at, _))| *at);
            let until = [deadline, next].into_iter().flatten().min();
            for (runtime, peer) in &self.others {
                peer.iter().for_each(|peer| peer.fetch_what_is_held_back(runtime));
            }
            self.runtime.wait_for_any(&self.set.waiter, until, &self.peers, &|| self.sought());
        }
    }

    /// What this thread waits for, as a whole, and some of it.
    fn sought(&self) -> (Sought, Vec<Sought>) {
        let named: Vec<Sought> = self.members.iter().take(MAX_NAMED).map(|(_, m)| m.what.sought()).collect();
        let is_idle = self.members.len() == named.len() && named.iter().all(|sought| sought.is_idle);
        let whole = Sought::any(self.members.len());
        (if is_idle { whole.idle() } else { whole }, named)
    }

    /// Polls what is on the list until something is ready.
    fn poll_listed(&mut self) -> Option<Member> {
        self.list_times();
        loop {
            let slot = self.set.list.lock().pop_front()?;
            let Some(entry) = self.members.get(slot) else { continue };
            entry.hook.leave();
            if entry.what.poll(&(Arc::clone(&entry.hook) as Hook)) {
                if entry.is_time {
                    self.members.remove(slot);
                } else {
                    entry.hook.list();
                }
                return Some(Member(slot));
            }
        }
    }

    /// Puts the times that have come on the list.
    fn list_times(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, slot))) = self.times.peek().copied() {
            if at > now {
                return;
            }
            self.times.pop();
            if let Some(entry) = self.members.get(slot) {
                entry.hook.list();
            }
        }
    }
}

impl Drop for WaitAny {
    fn drop(&mut self) {
        for (_, entry) in self.members.iter() {
            let hook = Arc::clone(&entry.hook) as Hook;
            if self.comes_again { entry.what.leave(&hook) } else { entry.what.forget(&hook) }
        }
    }
}

/// Waits until one of `members` is ready, up to `timeout`, or without end if there is none; the place of the first that was
/// found ready, none if none was, or if there are no members and no `timeout`.
///
/// Of several that are ready each gets its turn to be found first. Nothing is taken from any. A queue that was asked and was
/// not the first may send an item all the same, which the next wait finds; if none comes, it goes back as soon as others wait
/// for it. An event of another process is asked anew by each call, so it needs a `timeout` of a round trip at least. Costs
/// more with each member: whoever waits again and again keeps a [`WaitAny`].
pub fn wait_any(members: &[&dyn Waitable], timeout: Option<Duration>) -> Option<usize> {
    let deadline = timeout.map(|timeout| Instant::now().checked_add(timeout));
    let Some(first) = members.first() else {
        if let Some(timeout) = timeout {
            std::thread::sleep(timeout);
        }
        return None;
    };
    let mut any = WaitAny::on(&first.pollable().runtime);
    // Any number that differs from call to call.
    let turn = RandomState::new().build_hasher().finish() as usize % members.len();
    let places: Vec<usize> = (turn..members.len()).chain(0..turn).collect();
    let added: Vec<Member> = places.iter().map(|place| any.add(members[*place])).collect();
    // Otherwise a busy member could keep the others from being asked for good, and a short timeout all of them.
    any.comes_again = true;
    let ready = any.wait_until(deadline.flatten())?;
    added.iter().position(|member| *member == ready).map(|at| places[at])
}

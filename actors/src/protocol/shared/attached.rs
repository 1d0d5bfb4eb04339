//! An object in shared memory with this node as a member, and what keeps its owner from taking this node for dead.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use callboard_ipc::sync::{Caller, Cut, Member, this_thread};

use super::error::LockError;
use super::owner::{Shape, SharedOwner};
use crate::hook::{Hook, Notify};
use crate::protocol::object::Asked;

/// The object itself, with this node as a member.
///
/// The end comes from either side: the owner's, this node's, the connection's. From then on nobody takes anything (`cut`), and whoever waits is told. But what a
/// thread has in hand it keeps until it gives it back, and as long the owner must not give it to others, if it lives. So it is kept from that by `_hold`, which goes with this: every
/// guard and every verb borrows it, so no thread can write to the words any more then. Or it goes with the process, by the kernel.
pub(crate) struct Attached<S: Shape> {
    /// For locks that their holder may take again: how often it has. Only the thread that holds the lock is at it.
    pub(crate) depth: Depth,
    pub(crate) options: S::Options,
    member: Member,
    /// As in `line`, but nearer.
    words: S::Words,
    /// What is told when the owner has ended.
    line: Arc<Line<S>>,
    /// This node is a member as long as that is there.
    _stay: Asked<SharedOwner<S>>,
    /// None for an object of this very node, from which no other node takes anything once it has ended.
    _hold: Option<Arc<OwnedFd>>,
}

/// A number that one thread at a time is at, and says so by a lock.
#[derive(Debug, Default)]
pub(crate) struct Depth(AtomicU32);

impl Depth {
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    pub(crate) fn set(&self, depth: u32) {
        self.0.store(depth, Relaxed);
    }
}

/// The way to the owner; the object's words, so that whoever waits in them hears of its end.
struct Line<S: Shape> {
    words: S::Words,
    cut: Cut,
    shape: PhantomData<S>,
}

impl<S: Shape> fmt::Debug for Line<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({:?})", self.cut)
    }
}

/// There is no way to the owner any more: nobody waits for an answer.
impl<S: Shape> Notify for Line<S> {
    fn notify(&self) {
        self.cut.set();
        S::nudge(&self.words);
    }
}

impl<S: Shape> Attached<S> {
    /// With `stay` as the question that makes this node a member. Fails if that has been answered: the owner has ended.
    pub(super) fn new(
        member: Member,
        words: S::Words,
        options: S::Options,
        stay: Asked<SharedOwner<S>>,
        hold: Option<Arc<OwnedFd>>,
    ) -> Result<Self, LockError> {
        let line = Arc::new(Line { words: words.clone(), cut: Cut::default(), shape: PhantomData });
        if stay.poll(&(Arc::clone(&line) as Hook)) {
            return Err(LockError::Disconnected);
        }
        Ok(Self { depth: Depth::default(), options, member, words, line, _stay: stay, _hold: hold })
    }

    #[inline]
    pub(crate) fn words(&self) -> &S::Words {
        &self.words
    }

    /// This thread, as the words know it.
    #[inline]
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller { member: self.member, thread: this_thread(), cut: &self.line.cut }
    }

    /// The same where it does not matter which thread it is.
    #[inline]
    pub(crate) fn any_thread(&self) -> Caller<'_> {
        Caller { member: self.member, thread: 0, cut: &self.line.cut }
    }

    #[inline]
    pub(super) fn is_cut_off(&self) -> bool {
        self.line.cut.is_set()
    }

    pub(super) fn cut_off(&self) {
        self.line.notify();
    }
}

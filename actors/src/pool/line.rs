//! The way from a worker to its pool, in this process or out of it, and the words that say how far the worker is.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release, SeqCst};

use std::time::{Duration, Instant};

use callboard_core::{Address, Flags, Kind, Slot};
use callboard_ipc::Counter;

use super::cell::PoolCell;
use super::crew::{Progress, WorkerId};
use super::wire::{ToPool, Told};
use crate::peer::{Peer, encoded, header};
use crate::runtime::Runtime;

/// How long a worker waits until what it has told is written, before it begins a task that may end it.
const WRITE_WITHIN: Duration = Duration::from_millis(20);

#[derive(Clone)]
pub(super) enum Line {
    Here { cell: Arc<PoolCell>, worker: WorkerId, counter: Arc<Counter> },
    There { peer: Arc<Peer>, slot: Slot, counter: u32 },
}

impl Line {
    pub(super) fn peer(&self) -> Option<&Arc<Peer>> {
        match self {
            Line::Here { .. } => None,
            Line::There { peer, .. } => Some(peer),
        }
    }

    /// The worker and its pool, if it is in the pool's process.
    pub(super) fn here(&self) -> Option<(Address, WorkerId)> {
        match self {
            Line::Here { cell, worker, .. } => Some((cell.address, *worker)),
            Line::There { .. } => None,
        }
    }

    fn counter<R>(&self, with: impl FnOnce(&Counter) -> R) -> Option<R> {
        match self {
            Line::Here { counter, .. } => Some(with(counter)),
            Line::There { peer, counter, .. } => {
                let link = peer.connection()?.link();
                link.counter(link.side(), *counter).map(with)
            }
        }
    }

    /// The task of that number begins. Read by the pool when the worker has died: the kernel keeps what was written.
    pub(super) fn begins(&self, task: u64) {
        // A thread asks after this whether it was given up, and whoever gives it up then looks here.
        let ordering = if matches!(self, Line::Here { .. }) { SeqCst } else { Release };
        self.counter(|counter| counter.taken.store(task + 1, ordering));
    }

    pub(super) fn returned(&self, task: u64) {
        self.counter(|counter| counter.finished.store(task + 1, Release));
    }

    /// Says that the worker is there, with the trail that it will leave.
    pub(super) fn is_there(&self, runtime: &Arc<Runtime>, ready: &ToPool, trail: Option<OwnedFd>) {
        if let Line::There { peer, slot, .. } = self {
            let rights: Vec<OwnedFd> = trail.into_iter().collect();
            peer.post(runtime, header(Kind::Cast, *slot, 0), &encoded(ready), rights);
        }
    }

    pub(super) fn say(&self, runtime: &Arc<Runtime>, message: ToPool) {
        match self {
            Line::Here { cell, worker, .. } => cell.hears(runtime, *worker, message),
            Line::There { peer, slot, .. } => peer.cast(runtime, *slot, &encoded(&message)),
        }
    }

    pub(super) fn tell(&self, runtime: &Arc<Runtime>, told: Told) {
        match self {
            Line::Here { cell, worker, .. } => cell.told_here(runtime, *worker, told),
            Line::There { peer, slot, .. } => crate::scratch::with_scratch(|bytes| {
                told.write(bytes).expect("our own messages can be encoded");
                if told.rights.is_empty() {
                    peer.item(runtime, *slot, Flags::NONE, 0, bytes);
                } else {
                    peer.with_outbox(|outbox| outbox.parcel(*slot, Flags::NONE, 0, bytes, told.rights));
                    peer.list(runtime);
                }
                peer.flush_by_need(runtime);
            }),
        }
    }

    /// Writes what was told and is not on its way yet. Another thread may be at it, or the socket full: then it waits, for a
    /// while.
    pub(super) fn flush_unsent(&self, runtime: &Arc<Runtime>) {
        let Line::There { peer, .. } = self else { return };
        let is_written = || peer.with_outbox(|outbox| outbox.is_written());
        if is_written() {
            return;
        }
        let until = Instant::now() + WRITE_WITHIN;
        loop {
            peer.flush(runtime);
            if is_written() || Instant::now() >= until {
                return;
            }
            std::thread::yield_now();
        }
    }

    pub(super) fn flush(&self, runtime: &Arc<Runtime>) {
        if let Line::There { peer, .. } = self {
            peer.flush(runtime);
        }
    }
}

/// How far a worker is by its words.
pub(super) fn progress(counter: &Counter) -> Progress {
    // What it has returned is read first: it never shows more than has begun.
    let returned = counter.finished.load(Acquire);
    Progress { begun: counter.taken.load(SeqCst), returned }
}

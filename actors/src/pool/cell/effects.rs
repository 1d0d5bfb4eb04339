//! What a pool's table does to its workers, under the cell's lock: it appends to outboxes and inboxes.

use std::collections::HashMap;
use std::sync::Arc;

use callboard_core::Flags;

use super::Sink;
use super::link::{Link, Linked};
use super::running::After;
use crate::peer::encoded;
use crate::pool::crew::{Progress, WorkerId};
use crate::pool::machine::{Machine, World};
use crate::pool::stats::Figures;
use crate::pool::wire::{Given, ToWorker, given_head};
use crate::pool::work::{Outcomes, Work};
use crate::process::routine::Routine;
use crate::runtime::Runtime;

/// What the table does, under the cell's lock.
pub(in crate::pool) struct Effects<'a> {
    pub(super) runtime: &'a Arc<Runtime>,
    pub(super) links: &'a mut HashMap<WorkerId, Linked>,
    pub(super) functions: &'a [Routine],
    pub(in crate::pool) figures: &'a mut Figures,
    pub(super) after: &'a mut After,
}

impl Effects<'_> {
    /// Something has changed that others may wait for.
    pub(in crate::pool) fn change(&mut self) {
        self.after.changed = true;
    }

    /// Counts a report of tasks from `at` on. The table has not heard of it yet.
    pub(super) fn count(&mut self, machine: &Machine<Sink>, worker: WorkerId, at: u64, outcomes: &Outcomes) {
        self.figures.told(worker, outcomes);
        if let Some(took) = self.figures.slow(outcomes) {
            let last = at.saturating_add(outcomes.count.saturating_sub(1).into());
            if let Some(args) = machine.args_of(worker, last) {
                self.figures.add_slow(worker, took, args);
            }
        }
    }

    fn tell(&mut self, worker: WorkerId, message: ToWorker) {
        match self.links.get(&worker).map(|linked| &linked.link) {
            Some(Link::Here { inbox, .. }) => self.after.tells.push((Arc::clone(inbox), message)),
            Some(Link::There { peer, slot, .. }) => peer.cast(self.runtime, *slot, &encoded(&message)),
            None => {}
        }
    }
}

impl World<Sink> for Effects<'_> {
    fn start(&mut self, worker: WorkerId) {
        self.figures.starts(worker);
        self.after.starts.push(worker);
        self.after.changed = true;
    }

    fn give(&mut self, worker: WorkerId, at: u64, work: &Work) {
        let Some(linked) = self.links.get_mut(&worker) else { return };
        let new = &self.functions[linked.knows.min(self.functions.len())..];
        linked.knows = self.functions.len();
        match &linked.link {
            Link::Here { inbox, .. } => {
                new.iter().for_each(|routine| inbox.told(self.runtime, ToWorker::Define(*routine)));
                inbox.add(Given::new(at, work));
            }
            Link::There { peer, slot, .. } => {
                for routine in new {
                    peer.cast(self.runtime, *slot, &encoded(&ToWorker::Define(*routine)));
                }
                let head = given_head(at, work);
                peer.with_outbox(|outbox| {
                    if work.rights.is_empty() {
                        outbox.item_of(*slot, Flags::NONE, 0, [&head, &work.args]);
                    } else {
                        let item = [&head, work.args.as_slice()].concat();
                        outbox.parcel(*slot, Flags::NONE, 0, &item, work.rights.clone());
                    }
                });
                peer.list(self.runtime);
            }
        }
    }

    fn recall(&mut self, worker: WorkerId, count: u32) {
        self.tell(worker, ToWorker::Recall { count });
    }

    fn recall_one(&mut self, worker: WorkerId, at: u64) {
        self.tell(worker, ToWorker::RecallOne { at });
    }

    fn take(&mut self, worker: WorkerId, at: u64) -> bool {
        match self.links.get(&worker).map(|linked| &linked.link) {
            Some(Link::Here { inbox, .. }) => inbox.take(at),
            _ => false,
        }
    }

    fn flush(&mut self, worker: WorkerId) {
        self.tell(worker, ToWorker::Flush);
    }

    fn finish(&mut self, worker: WorkerId) {
        self.tell(worker, ToWorker::Finish);
    }

    fn kill(&mut self, worker: WorkerId) {
        self.after.kills.push(worker);
    }

    fn progress(&mut self, worker: WorkerId) -> Progress {
        self.links.get(&worker).map(|linked| linked.link.progress()).unwrap_or_default()
    }

    fn settle(&mut self, sink: &Sink, first: u64, outcomes: Outcomes) {
        sink.settled(first, outcomes, &mut self.after.calls);
    }

    fn changed(&mut self) {
        self.after.changed = true;
    }
}

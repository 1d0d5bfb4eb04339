//! A worker's slot on its node: what it has been given and has not begun.
//!
//! Whatever thread reads fills it, and takes out again what the pool wants back, while the worker's own thread runs a task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use callboard_core::{ByteStrings, Kind, NodeId, Slot, decode};
use parking_lot::Mutex;

use super::reports::Reports;
use super::wire::{Given, ToPool, ToWorker};
use crate::cell::{Cell, Incoming, Violation};
use crate::hook::{Hook, Hooks};
use crate::parcel::Rights;
use crate::peer::Peer;
use crate::process::routine::Routine;
use crate::runtime::Runtime;
use crate::standing::Sought;
use crate::wait::Waiter;

#[derive(Default)]
struct Mail {
    units: VecDeque<Given>,
    functions: Vec<Routine>,
    finish: bool,
    hooks: Hooks,
    /// The unit that is worked on, if it has several tasks.
    chunk: Option<u64>,
    /// The rest of that is to be given back: what had been asked for.
    cut: Option<Option<u64>>,
}

/// What a worker finds in its inbox.
pub(super) enum Next {
    Work(Given),
    /// Nothing for now.
    Nothing,
    /// Nothing any more.
    End,
}

pub(super) struct Inbox {
    pool: NodeId,
    mail: Mutex<Mail>,
    pub(super) reports: Reports,
    /// Whether `cut` is set; for a look after each task.
    is_cut: AtomicBool,
    /// Nobody wants anything of this worker any more.
    is_cut_off: AtomicBool,
}

impl Inbox {
    /// The inbox in that slot; none for a worker of the pool's own process.
    pub(super) fn new(pool: NodeId, slot: Option<Slot>) -> Arc<Self> {
        Arc::new(Self {
            pool,
            mail: Mutex::default(),
            reports: Reports::new(slot),
            is_cut: AtomicBool::new(false),
            is_cut_off: AtomicBool::new(false),
        })
    }

    pub(super) fn add(&self, unit: Given) {
        self.change(|mail| mail.units.push_back(unit));
    }

    /// Takes a unit out again; whether it was there.
    pub(super) fn take(&self, at: u64) -> bool {
        let mut mail = self.mail.lock();
        let place = mail.units.iter().position(|unit| unit.at == at);
        place.and_then(|place| mail.units.remove(place)).is_some()
    }

    /// Its worker is to end as soon as the task in hand has returned.
    pub(super) fn cut_off(&self) {
        // Ordering: before whoever does this looks how far the worker is, which looks here after it has said so.
        self.is_cut_off.store(true, SeqCst);
        self.change(|mail| {
            mail.units.clear();
            mail.finish = true;
        });
    }

    pub(super) fn told(&self, runtime: &Arc<Runtime>, message: ToWorker) {
        match message {
            ToWorker::Define(routine) => self.change(|mail| mail.functions.push(routine)),
            ToWorker::Finish => self.change(|mail| mail.finish = true),
            ToWorker::Flush => self.answer(runtime, ToPool::Flushed),
            ToWorker::Recall { count } => {
                let mut mail = self.mail.lock();
                let stay = mail.units.len().saturating_sub(count as usize);
                let units = mail.units.split_off(stay);
                if units.is_empty() && mail.chunk.is_some() && mail.cut.is_none() {
                    // The worker answers, when the task in its hand has returned.
                    mail.cut = Some(None);
                    return self.is_cut.store(true, SeqCst);
                }
                drop(mail);
                let units = units.iter().map(|unit| unit.at).collect();
                self.answer(runtime, ToPool::Recalled { one: None, units });
            }
            ToWorker::RecallOne { at } => {
                let mut mail = self.mail.lock();
                if mail.chunk == Some(at) && mail.cut.is_none() {
                    mail.cut = Some(Some(at));
                    return self.is_cut.store(true, SeqCst);
                }
                let place = mail.units.iter().position(|unit| unit.at == at);
                let units =
                    place.and_then(|place| mail.units.remove(place)).iter().map(|unit| unit.at).collect();
                drop(mail);
                self.answer(runtime, ToPool::Recalled { one: Some(at), units });
            }
        }
    }

    fn answer(&self, runtime: &Arc<Runtime>, message: ToPool) {
        self.reports.say(runtime, message);
    }

    fn change(&self, change: impl FnOnce(&mut Mail)) {
        let mut mail = self.mail.lock();
        change(&mut mail);
        mail.hooks.notify_all();
    }

    /// What is next, and the functions beyond those that are `known`.
    pub(super) fn next(&self, known: usize) -> (Next, Vec<Routine>) {
        let mut mail = self.mail.lock();
        let functions =
            if mail.functions.len() > known { mail.functions[known..].to_vec() } else { Vec::new() };
        let next = match mail.units.pop_front() {
            Some(unit) => {
                mail.chunk = (unit.count > 1).then_some(unit.at);
                Next::Work(unit)
            }
            None if mail.finish => Next::End,
            None => Next::Nothing,
        };
        (next, functions)
    }

    /// Whether this worker was given up. To be asked after it has said that it begins a task.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(SeqCst)
    }

    /// Whether the rest of the chunk that is worked on is to be given back.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Relaxed)
    }

    /// The chunk that was worked on is done, or cut before the task `from`. Answers who had it cut.
    pub(super) fn chunk_ends(&self, runtime: &Arc<Runtime>, from: Option<u64>) {
        let cut = {
            let mut mail = self.mail.lock();
            mail.chunk = None;
            self.is_cut.store(false, SeqCst);
            mail.cut.take()
        };
        if let Some(one) = cut {
            self.answer(runtime, ToPool::Recalled { one, units: from.into_iter().collect() });
        }
    }

    /// Waits until there is something.
    pub(super) fn wait(&self, runtime: &Arc<Runtime>, from: Option<&Arc<Peer>>) {
        let waiter = Waiter::new();
        if self.poll(&(Arc::clone(&waiter) as Hook)) {
            return;
        }
        let sought = Sought::plain("a task").idle();
        runtime.wait(&waiter, None, from, sought);
        self.forget(&(waiter as Hook));
    }

    /// Whether there is something; if not, `hook` is notified when there is.
    pub(super) fn poll(&self, hook: &Hook) -> bool {
        let mut mail = self.mail.lock();
        let is_ready = !mail.units.is_empty() || mail.finish;
        if !is_ready {
            mail.hooks.add(hook);
        }
        is_ready
    }

    pub(super) fn has_work(&self) -> bool {
        let mail = self.mail.lock();
        !mail.units.is_empty() || mail.finish
    }

    pub(super) fn forget(&self, hook: &Hook) {
        self.mail.lock().hooks.remove(hook);
    }
}

impl Cell for Inbox {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        if from.id != self.pool {
            return Err("a message to a pool's worker from another than its pool".to_owned());
        }
        if incoming.kind != Kind::Items {
            let message = decode(incoming.body).map_err(|error| format!("a message to a worker: {error}"))?;
            self.told(runtime, message);
            return Ok(());
        }
        let mut rights = Rights::from(incoming.rights);
        let mut units = Vec::new();
        for item in ByteStrings::new(incoming.body) {
            let item = item.map_err(|error| format!("work for a worker: {error}"))?;
            units.push(Given::read(item, std::mem::take(&mut rights))?);
        }
        self.change(|mail| mail.units.extend(units));
        Ok(())
    }

    fn tick(&self, runtime: &Arc<Runtime>) {
        self.reports.tick(runtime);
    }

    fn peer_ended(&self, _: &Arc<Runtime>, _: NodeId) {
        self.cut_off();
    }
}

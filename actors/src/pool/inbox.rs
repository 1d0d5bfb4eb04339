//! A worker's slot on its node: what it has been given and has not begun.
//!
//! Whatever thread reads fills it, and takes out again what the pool wants back, while the worker's own thread runs a task.

use std::collections::VecDeque;
use std::sync::Arc;

use callboard_core::{ByteStrings, Kind, NodeId, Slot, decode};
use parking_lot::Mutex;

use super::reports::Reports;
use super::wire::{Given, ToPool, ToWorker};
use crate::cell::{Cell, Incoming, Violation};
use crate::hook::Hook;
use crate::parcel::Rights;
use crate::peer::Peer;
use crate::process::routine::Routine;
use crate::runtime::Runtime;
use crate::wait::Waiter;

#[derive(Default)]
struct Mail {
    units: VecDeque<Given>,
    functions: Vec<Routine>,
    finish: bool,
    waiter: Option<Hook>,
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
}

impl Inbox {
    /// The inbox in that slot; none for a worker of the pool's own process.
    pub(super) fn new(pool: NodeId, slot: Option<Slot>) -> Arc<Self> {
        Arc::new(Self { pool, mail: Mutex::default(), reports: Reports::new(slot) })
    }

    pub(super) fn add(&self, unit: Given) {
        self.change(|mail| mail.units.push_back(unit));
    }

    /// Its worker is to end as soon as the task in hand has returned.
    pub(super) fn cut_off(&self) {
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
                let units = {
                    let mut mail = self.mail.lock();
                    let stay = mail.units.len().saturating_sub(count as usize);
                    mail.units.split_off(stay)
                };
                let units = units.iter().map(|unit| unit.at).collect();
                self.answer(runtime, ToPool::Recalled { one: None, units });
            }
            ToWorker::RecallOne { at } => {
                let mut mail = self.mail.lock();
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
        let waiter = {
            let mut mail = self.mail.lock();
            change(&mut mail);
            mail.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.notify();
        }
    }

    /// What is next, and the functions beyond those that are `known`.
    pub(super) fn next(&self, known: usize) -> (Next, Vec<Routine>) {
        let mut mail = self.mail.lock();
        let functions =
            if mail.functions.len() > known { mail.functions[known..].to_vec() } else { Vec::new() };
        let next = match mail.units.pop_front() {
            Some(unit) => Next::Work(unit),
            None if mail.finish => Next::End,
            None => Next::Nothing,
        };
        (next, functions)
    }

    /// Waits until there is something.
    pub(super) fn wait(&self, runtime: &Arc<Runtime>, from: Option<&Arc<Peer>>) {
        let waiter = Waiter::new();
        if self.poll(&(Arc::clone(&waiter) as Hook)) {
            return;
        }
        runtime.wait(&waiter, None, from);
    }

    /// Whether there is something; if not, `hook` is notified when there is.
    pub(super) fn poll(&self, hook: &Hook) -> bool {
        let mut mail = self.mail.lock();
        let is_ready = !mail.units.is_empty() || mail.finish;
        if !is_ready {
            mail.waiter = Some(Arc::clone(hook));
        }
        is_ready
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

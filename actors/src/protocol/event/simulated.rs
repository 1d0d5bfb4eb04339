//! Events in seeded schedules.

use std::collections::BTreeSet;
use std::time::Instant;

use callboard_core::NodeId;

use super::options::EventOptions;
use super::owner::EventOwner;
use super::wire::{Ask, IsSet};
use crate::fault::Fault;
use crate::protocol::object::Asker;
use crate::protocol::object::simulated::{Due, Model, play};
use crate::simulation::{self, Schedule};

struct Event {
    is_set: bool,
    waiting: BTreeSet<Asker>,
}

impl Model for Event {
    type Owner = EventOwner;

    fn begin(_: &mut Schedule) -> (Self, EventOwner) {
        (Self { is_set: false, waiting: BTreeSet::new() }, EventOwner::new(EventOptions::new()))
    }

    fn next_ask(&mut self, _: NodeId, schedule: &mut Schedule) -> (Ask, bool) {
        (schedule.weighed(&[(6, Ask::Wait), (2, Ask::Set), (2, Ask::Clear), (1, Ask::Look)]), true)
    }

    fn asked(&mut self, asker: Asker, _: NodeId, ask: &Ask, _: Instant) -> Due<IsSet> {
        self.waiting.insert(asker);
        match ask {
            Ask::Wait if !self.is_set => return Vec::new(),
            Ask::Set => self.is_set = true,
            Ask::Clear => self.is_set = false,
            Ask::Wait | Ask::Look => {}
        }
        let told = if *ask == Ask::Set { std::mem::take(&mut self.waiting) } else { BTreeSet::from([asker]) };
        self.waiting.remove(&asker);
        told.into_iter().map(|asker| (asker, Some(IsSet(self.is_set)))).collect()
    }

    fn left(&mut self, asker: Asker, _: bool) -> Due<IsSet> {
        self.waiting.remove(&asker);
        Vec::new()
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.waiting.clone()
    }
}

/// > Under any schedule of slow, stopped and dead nodes each wait for an event ends with the next set, and only with one.
#[test]
fn event() {
    simulation::run("event", 2_000, play::<Event>);
}

#[test]
fn a_planted_fault_of_events_is_found() {
    simulation::finds(Fault::WaiterForgotten, play::<Event>);
}

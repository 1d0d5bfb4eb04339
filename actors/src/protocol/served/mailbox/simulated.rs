//! Served objects in seeded schedules: their calls, and a worker that takes them one by one and takes its time.
//!
//! What a call does to the object, and the threads that wait, are left out.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use callboard_core::NodeId;
use serde_bytes::ByteBuf;

use super::{Answer, MAX_CALLS, Mailbox, Request, Waiting};
use crate::fault::Fault;
use crate::parcel::Parcel;
use crate::process::entry::Call;
use crate::protocol::object::Asker;
use crate::protocol::object::simulated::{Due, Model, play};
use crate::simulation::{self, Schedule};

struct Served {
    waiting: Arc<Waiting>,
    /// Calls that the worker has not taken, in their order.
    line: VecDeque<Asker>,
    /// The one that it has, whether its asker still waits or not.
    in_hand: Option<Asker>,
    open: BTreeSet<Asker>,
}

impl Model for Served {
    type Owner = Mailbox;

    fn begin(_: &mut Schedule) -> (Self, Mailbox) {
        let waiting = Arc::new(Waiting::default());
        let owner = Mailbox::new(Arc::clone(&waiting), Box::new(|| Ok(())));
        (Self { waiting, line: VecDeque::new(), in_hand: None, open: BTreeSet::new() }, owner)
    }

    fn next_ask(&mut self, _: NodeId, _: &mut Schedule) -> (Request, bool) {
        (Request { image: ByteBuf::new(), call: Call::default() }, true)
    }

    fn asked(&mut self, asker: Asker, _: NodeId, _: &Request, _: Instant) -> Due<Answer> {
        if self.line.len() >= MAX_CALLS {
            return vec![(asker, Some(Answer::Full))];
        }
        self.line.push_back(asker);
        self.open.insert(asker);
        Vec::new()
    }

    fn left(&mut self, asker: Asker, _: bool) -> Due<Answer> {
        self.line.retain(|waiting| *waiting != asker);
        self.open.remove(&asker);
        Vec::new()
    }

    /// The worker is through with a call, and takes the next.
    fn worked_out(&mut self, _: &mut Schedule) -> Option<(Asker, Answer)> {
        let done = self.in_hand.take();
        if !self.line.is_empty() {
            let taken = self.waiting.next().map(|(asker, _)| asker);
            assert_eq!(taken, self.line.pop_front(), "calls are taken in their order");
            self.in_hand = taken;
        }
        let done = done?;
        self.open.remove(&done);
        Some((done, Answer::Returned(Parcel::default())))
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.open.clone()
    }

    fn check(&mut self, _: &mut Mailbox, _: bool) {
        let calls = &self.waiting.state.lock().calls;
        assert!(calls.iter().map(|(asker, _)| asker).eq(&self.line), "the calls that wait for the object");
    }
}

/// > Under any schedule of slow, stopped and dead nodes the calls of a served object are taken in their order, and one whose caller has
/// > given up or died before that is not taken at all.
#[test]
fn served() {
    simulation::run("served", 1_000, play::<Served>);
}

#[test]
fn a_planted_fault_of_served_objects_is_found() {
    simulation::finds(Fault::CallOfTheDeadRun, play::<Served>);
}

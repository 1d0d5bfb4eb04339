//! Latches in seeded schedules.

use std::collections::BTreeSet;
use std::time::Instant;

use callboard_core::NodeId;

use super::options::LatchOptions;
use super::owner::LatchOwner;
use super::wire::{Ask, Reply};
use crate::protocol::object::Asker;
use crate::protocol::object::simulated::{Due, Model, play};
use crate::simulation::{self, Schedule};

struct Latch {
    left: u64,
    waiting: BTreeSet<Asker>,
}

impl Model for Latch {
    type Owner = LatchOwner;

    fn begin(schedule: &mut Schedule) -> (Self, LatchOwner) {
        let left = schedule.below(30);
        (Self { left, waiting: BTreeSet::new() }, LatchOwner::new(LatchOptions::new(left)))
    }

    fn next_ask(&mut self, _: NodeId, schedule: &mut Schedule) -> (Ask, bool) {
        let by = schedule.below(4);
        (schedule.weighed(&[(6, Ask::Wait), (5, Ask::CountDown(by)), (1, Ask::Look)]), true)
    }

    fn asked(&mut self, asker: Asker, _: NodeId, ask: &Ask, _: Instant) -> Due<Reply> {
        match ask {
            Ask::Wait if self.left > 0 => {
                self.waiting.insert(asker);
                return Vec::new();
            }
            Ask::CountDown(by) if *by > self.left => return vec![(asker, Some(Reply::TooFew(self.left)))],
            Ask::CountDown(by) => self.left -= by,
            Ask::Wait | Ask::Look => {}
        }
        let waiting = if self.left == 0 { std::mem::take(&mut self.waiting) } else { BTreeSet::new() };
        waiting.into_iter().chain([asker]).map(|asker| (asker, Some(Reply::Left(self.left)))).collect()
    }

    fn left(&mut self, asker: Asker, _: bool) -> Due<Reply> {
        self.waiting.remove(&asker);
        Vec::new()
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.waiting.clone()
    }
}

/// > Under any schedule of slow, stopped and dead nodes each wait at a latch ends with the last count.
#[test]
fn latch() {
    simulation::run("latch", 2_000, play::<Latch>);
}

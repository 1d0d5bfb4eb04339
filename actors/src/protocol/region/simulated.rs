//! Regions in seeded schedules: who has one mapped, who has made it, and when it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use callboard_core::NodeId;

use super::owner::RegionOwner;
use super::wire::{Ask, Make, Reply};
use crate::fault::Fault;
use crate::parcel::Parcel;
use crate::protocol::object::Asker;
use crate::protocol::object::simulated::{Due, Model, play};
use crate::simulation::{self, Schedule};

const SIZE: u64 = 4_096;
const KEY: u64 = 7;
const NAME: &str = "/region";

struct Region {
    creator: Option<NodeId>,
    mapped: BTreeMap<Asker, NodeId>,
    has_name: bool,
    /// Who has taken the name away, or the last holder.
    is_to_be_freed: bool,
}

impl Region {
    fn is_gone(&self) -> bool {
        self.creator.is_none() && self.mapped.is_empty()
    }

    fn free(&mut self) {
        self.is_to_be_freed |= std::mem::take(&mut self.has_name);
    }

    fn look(&mut self) {
        if self.is_gone() {
            self.free();
        }
    }
}

impl Model for Region {
    type Owner = RegionOwner;

    fn begin(_: &mut Schedule) -> (Self, RegionOwner) {
        let creator = NodeId::new(1).expect("it is not zero");
        let name = Some(NAME.to_owned());
        let owner =
            RegionOwner::new(creator, Make { size_bytes: SIZE, memory: Parcel::default(), name, key: KEY });
        let mapped = BTreeMap::new();
        (Self { creator: Some(creator), mapped, has_name: true, is_to_be_freed: false }, owner)
    }

    fn next_ask(&mut self, by: NodeId, schedule: &mut Schedule) -> (Ask, bool) {
        let ask = schedule.weighed(&[
            (8, Ask::Hold { by }),
            (2, Ask::Look),
            (4, Ask::Memory),
            (1, Ask::Close { by, key: None }),
            (1, Ask::Close { by, key: Some(KEY + 1) }),
            (1, Ask::Unlink),
        ]);
        (ask, true)
    }

    fn asked(&mut self, asker: Asker, _: NodeId, ask: &Ask, _: Instant) -> Due<Reply> {
        if self.is_gone() {
            return vec![(asker, Some(Reply::Gone))];
        }
        let reply = match *ask {
            Ask::Hold { by } => {
                self.mapped.insert(asker, by);
                return Vec::new();
            }
            Ask::Look => {
                let nodes: BTreeSet<NodeId> = self.mapped.values().copied().chain(self.creator).collect();
                Reply::Is { size_bytes: SIZE, holders: nodes.len() as u64 }
            }
            Ask::Memory => Reply::Memory { size_bytes: SIZE, memory: Parcel::default() },
            Ask::Close { by, key } => {
                if self.creator == Some(by) && key.is_none_or(|key| key == KEY) {
                    self.creator = None;
                    self.look();
                }
                Reply::Done
            }
            Ask::Unlink if self.has_name => (self.free(), Reply::Done).1,
            Ask::Unlink => Reply::NoName,
        };
        vec![(asker, Some(reply))]
    }

    fn left(&mut self, asker: Asker, _: bool) -> Due<Reply> {
        self.mapped.remove(&asker);
        self.look();
        Vec::new()
    }

    fn node_ended(&mut self, node: NodeId) {
        self.creator = self.creator.filter(|creator| *creator != node);
        self.look();
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.mapped.keys().copied().collect()
    }

    fn freed(&mut self, name: &str) {
        assert!(name == NAME && std::mem::take(&mut self.is_to_be_freed), "its name is taken away once");
    }

    fn check(&mut self, _: &mut RegionOwner, is_over: bool) {
        assert_eq!(is_over, self.is_gone(), "it goes with the last who has it");
        assert!(!self.is_to_be_freed, "its name goes too");
    }
}

/// > Under any schedule of slow, stopped and dead nodes a region is there as long as its creator or somebody who has it mapped, and no longer.
#[test]
fn region() {
    simulation::run("region", 2_000, play::<Region>);
}

#[test]
fn a_planted_fault_of_regions_is_found() {
    simulation::finds(Fault::HolderNotForgotten, play::<Region>);
}

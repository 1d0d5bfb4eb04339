//! Barriers in seeded schedules: parties that wait, act, panic, give up and die.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use callboard_core::NodeId;

use super::error::BrokenBy;
use super::options::BarrierOptions;
use super::owner::BarrierOwner;
use super::wire::{Ask, Reply};
use crate::fault::Fault;
use crate::protocol::object::Asker;
use crate::protocol::object::simulated::{Due, Model, play};
use crate::simulation::{self, Schedule};

#[derive(Clone, Copy)]
struct Party {
    asker: Asker,
    key: u64,
    acts: bool,
    deadline: Option<Instant>,
}

struct Barrier {
    parties: usize,
    /// All who wait, in the order in which they came; the first `parties` of them are this round's while one acts.
    line: Vec<Party>,
    acting: Option<u64>,
    broken: Option<BrokenBy>,
    /// Who asks whether it is to act.
    turns: BTreeMap<Asker, u64>,
    keys: u64,
    /// What nodes are about to ask or say.
    next: BTreeMap<NodeId, Vec<(Ask, bool)>>,
}

impl Barrier {
    fn no_turn(&mut self, key: u64, due: &mut Due<Reply>) {
        let told: Vec<Asker> =
            self.turns.iter().filter(|(_, of)| **of == key).map(|(asker, _)| *asker).collect();
        for asker in told {
            self.turns.remove(&asker);
            due.push((asker, Some(Reply::DoNotAct)));
        }
    }

    fn breaks(&mut self, by: BrokenBy, due: &mut Due<Reply>) {
        self.acting = None;
        self.broken = (by != BrokenBy::Reset).then_some(by);
        for party in std::mem::take(&mut self.line) {
            due.push((party.asker, Some(Reply::Broken(by))));
            self.no_turn(party.key, due);
        }
    }

    /// One comes, or is let in again after a round in which it was too early.
    fn comes(&mut self, party: Party, now: Instant, due: &mut Due<Reply>) {
        if let Some(by) = self.broken {
            due.push((party.asker, Some(Reply::Broken(by))));
            return self.no_turn(party.key, due);
        }
        self.line.push(party);
        if self.acting.is_none() && self.line.len() == self.parties {
            if !party.acts {
                return self.opens(now, due);
            }
            self.acting = Some(party.key);
            let told: Vec<Asker> =
                self.turns.iter().filter(|(_, key)| **key == party.key).map(|(asker, _)| *asker).collect();
            for asker in told {
                self.turns.remove(&asker);
                due.push((asker, Some(Reply::Act)));
            }
        }
        self.look(now, due);
    }

    fn look(&mut self, now: Instant, due: &mut Due<Reply>) {
        if self.line.iter().filter_map(|party| party.deadline).any(|at| at <= now) {
            self.breaks(BrokenBy::TimedOut, due);
        }
    }

    fn opens(&mut self, now: Instant, due: &mut Due<Reply>) {
        self.acting = None;
        let mut round = std::mem::take(&mut self.line);
        let early = round.split_off(self.parties);
        for (index, party) in round.into_iter().enumerate() {
            due.push((party.asker, Some(Reply::Passed(index as u64))));
            self.no_turn(party.key, due);
        }
        early.into_iter().for_each(|party| self.comes(party, now, due));
    }
}

impl Model for Barrier {
    type Owner = BarrierOwner;

    fn begin(schedule: &mut Schedule) -> (Self, BarrierOwner) {
        let parties = schedule.within(1..5) as usize;
        let model = Self {
            parties,
            line: Vec::new(),
            acting: None,
            broken: None,
            turns: BTreeMap::new(),
            keys: 0,
            next: BTreeMap::new(),
        };
        (model, BarrierOwner::new(BarrierOptions::new(parties).expect("there is one at least")))
    }

    fn next_ask(&mut self, by: NodeId, schedule: &mut Schedule) -> (Ask, bool) {
        let next = self.next.entry(by).or_default();
        if !next.is_empty() {
            let at = schedule.index(next.len());
            return next.remove(at);
        }
        self.keys += 1;
        let (key, acts) = (self.keys, schedule.one_in(2));
        let ask = match schedule.below(12) {
            0 => Ask::Abort,
            1 | 2 => Ask::Reset,
            3 => Ask::Look,
            _ => {
                let timeout = schedule.one_in(3).then(|| Duration::from_millis(schedule.below(300)));
                Ask::Wait { key, acts, timeout }
            }
        };
        if matches!(ask, Ask::Wait { acts: true, .. }) {
            next.push((Ask::Turn { key }, true));
        }
        (ask, true)
    }

    fn asked(&mut self, asker: Asker, _: NodeId, ask: &Ask, now: Instant) -> Due<Reply> {
        let mut due = Vec::new();
        let reply = match *ask {
            Ask::Wait { key, acts, timeout } => {
                let deadline = timeout.map(|timeout| now + timeout);
                self.comes(Party { asker, key, acts, deadline }, now, &mut due);
                return due;
            }
            Ask::Turn { key } if self.acting == Some(key) => Reply::Act,
            Ask::Turn { key } if self.line.iter().any(|party| party.key == key) => {
                self.turns.insert(asker, key);
                return due;
            }
            Ask::Turn { .. } => Reply::DoNotAct,
            Ask::Acted { key } if self.acting == Some(key) => {
                self.opens(now, &mut due);
                Reply::Done
            }
            Ask::Panicked { key } if self.acting == Some(key) => {
                self.breaks(BrokenBy::ActionPanicked, &mut due);
                Reply::Done
            }
            Ask::Acted { .. } | Ask::Panicked { .. } => Reply::Done,
            Ask::Abort => (self.breaks(BrokenBy::Aborted, &mut due), Reply::Done).1,
            Ask::Reset => (self.breaks(BrokenBy::Reset, &mut due), Reply::Done).1,
            Ask::Look => {
                due.push((asker, None));
                return due;
            }
        };
        due.push((asker, Some(reply)));
        due
    }

    fn left(&mut self, asker: Asker, has_died: bool) -> Due<Reply> {
        let mut due = Vec::new();
        self.turns.remove(&asker);
        if let Some(at) = self.line.iter().position(|party| party.asker == asker) {
            let party = self.line.remove(at);
            self.no_turn(party.key, &mut due);
            self.breaks(if has_died { BrokenBy::PartyEnded } else { BrokenBy::TimedOut }, &mut due);
        }
        due
    }

    fn ticked(&mut self, now: Instant) -> Due<Reply> {
        let mut due = Vec::new();
        self.look(now, &mut due);
        due
    }

    fn timer(&self) -> Option<Instant> {
        self.line.iter().filter_map(|party| party.deadline).min()
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.line.iter().map(|party| party.asker).chain(self.turns.keys().copied()).collect()
    }

    fn heard(&mut self, by: NodeId, ask: &Ask, reply: &Reply) {
        if let (Ask::Turn { key }, Reply::Act) = (*ask, reply) {
            let said = if key % 5 == 0 { Ask::Panicked { key } } else { Ask::Acted { key } };
            self.next.entry(by).or_default().push((said, false));
        }
    }
}

/// > Under any schedule of slow, stopped and dead nodes a barrier lets a whole round through or nobody, breaks when one who waits
/// > there dies, and has one act at a time.
#[test]
fn barrier() {
    simulation::run("barrier", 2_000, play::<Barrier>);
}

#[test]
fn a_planted_fault_of_barriers_is_found() {
    simulation::finds(Fault::DeathUnnoticed, play::<Barrier>);
}

//! The machine of a barrier.

use std::collections::BTreeMap;
use std::time::Instant;

use super::error::BrokenBy;
use super::options::BarrierOptions;
use super::wire::{Ask, Reply};
use crate::fault::fault;
use crate::protocol::object::{Asker, Effects, Owner};

/// One that waits.
#[derive(Clone, Copy, Debug)]
struct Party {
    key: u64,
    acts: bool,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not all are there.
    Gathers,
    /// All are, and that one acts.
    Acts(u64),
    Broken(BrokenBy),
}

#[derive(Debug)]
pub(crate) struct BarrierOwner {
    options: BarrierOptions,
    phase: Phase,
    /// Those of this round, in the order in which they came.
    inside: BTreeMap<Asker, Party>,
    /// Those who came while one acts: they are of the next round.
    early: BTreeMap<Asker, Party>,
    /// Who asks whether it is its turn, by the key of its wait.
    turns: BTreeMap<u64, Asker>,
}

impl BarrierOwner {
    pub(crate) fn new(options: BarrierOptions) -> Self {
        let (inside, early, turns) = Default::default();
        Self { options, phase: Phase::Gathers, inside, early, turns }
    }

    fn comes(&mut self, asker: Asker, party: Party, now: Instant, effects: &mut Effects<Reply>) {
        match self.phase {
            Phase::Broken(by) => {
                effects.reply(asker, Reply::Broken(by));
                // One that was too early may have asked already, and another that was may have broken it just now.
                return self.has_no_turn(party.key, effects);
            }
            Phase::Acts(_) => {
                self.early.insert(asker, party);
            }
            Phase::Gathers => {
                self.inside.insert(asker, party);
                if self.inside.len() as u64 == self.options.parties.get() {
                    return self.all_are_there(party, now, effects);
                }
            }
        }
        self.look_at_the_time(now, effects);
    }

    fn all_are_there(&mut self, last: Party, now: Instant, effects: &mut Effects<Reply>) {
        if !last.acts {
            return self.opens(now, effects);
        }
        self.phase = Phase::Acts(last.key);
        if let Some(asker) = self.turns.remove(&last.key) {
            effects.reply(asker, Reply::Act);
        }
        self.look_at_the_time(now, effects);
    }

    fn opens(&mut self, now: Instant, effects: &mut Effects<Reply>) {
        self.phase = Phase::Gathers;
        for (index, (asker, party)) in std::mem::take(&mut self.inside).into_iter().enumerate() {
            effects.reply(asker, Reply::Passed(index as u64));
            self.has_no_turn(party.key, effects);
        }
        for (asker, party) in std::mem::take(&mut self.early) {
            self.comes(asker, party, now, effects);
        }
    }

    /// Tells all who wait; whoever comes then is told the same, unless it is a reset.
    fn breaks(&mut self, by: BrokenBy, effects: &mut Effects<Reply>) {
        self.phase = if by == BrokenBy::Reset { Phase::Gathers } else { Phase::Broken(by) };
        let waiting = std::mem::take(&mut self.inside).into_iter().chain(std::mem::take(&mut self.early));
        for (asker, party) in waiting {
            effects.reply(asker, Reply::Broken(by));
            self.has_no_turn(party.key, effects);
        }
    }

    fn has_no_turn(&mut self, key: u64, effects: &mut Effects<Reply>) {
        if let Some(asker) = self.turns.remove(&key) {
            effects.reply(asker, Reply::DoNotAct);
        }
    }

    fn turn(&mut self, asker: Asker, key: u64, effects: &mut Effects<Reply>) {
        if self.phase == Phase::Acts(key) {
            effects.reply(asker, Reply::Act);
        } else if self.all().any(|party| party.key == key) {
            // Two who ask for one wait's turn: the first has nothing to do any more.
            if let Some(before) = self.turns.insert(key, asker) {
                effects.reply(before, Reply::DoNotAct);
            }
        } else {
            effects.reply(asker, Reply::DoNotAct);
        }
    }

    fn all(&self) -> impl Iterator<Item = &Party> {
        self.inside.values().chain(self.early.values())
    }

    /// Breaks it if a wait is over, else is called again when the next one will be.
    fn look_at_the_time(&mut self, now: Instant, effects: &mut Effects<Reply>) {
        match self.all().filter_map(|party| party.deadline).min() {
            Some(at) if at <= now => self.breaks(BrokenBy::TimedOut, effects),
            Some(at) => effects.tick_at(at),
            None => {}
        }
    }

    fn leaves(&mut self, asker: Asker, by: BrokenBy, effects: &mut Effects<Reply>) {
        let was_there = self.inside.remove(&asker).or(self.early.remove(&asker));
        if let Some(party) = was_there {
            self.has_no_turn(party.key, effects);
            self.breaks(by, effects);
        }
        self.turns.retain(|_, waiting| *waiting != asker);
    }

    fn look(&self) -> Reply {
        let broken = match self.phase {
            Phase::Broken(by) => Some(by),
            Phase::Gathers | Phase::Acts(_) => None,
        };
        Reply::Is { options: self.options, waiting: self.all().count() as u64, broken }
    }
}

#[cfg(any(test, fuzzing))]
impl BarrierOwner {
    /// Nobody is inside, or has asked for its turn, who does not wait.
    pub(crate) fn check(&self, waiting: &mut dyn Iterator<Item = Asker>) {
        let waiting: std::collections::BTreeSet<Asker> = waiting.collect();
        let here = self.inside.keys().chain(self.early.keys()).chain(self.turns.values());
        let here: std::collections::BTreeSet<Asker> = here.copied().collect();
        assert!(here.is_subset(&waiting), "{here:?} of {waiting:?}");
        // Nobody else waits: each question is answered or kept.
        assert_eq!(here, waiting);
        assert!(self.inside.len() as u64 <= self.options.parties.get());
    }
}

impl Owner for BarrierOwner {
    const KIND: &'static str = "barrier";

    type Ask = Ask;
    type Reply = Reply;

    fn handle(&mut self, asker: Asker, ask: Ask, now: Instant, effects: &mut Effects<Reply>) {
        let reply = match ask {
            Ask::Wait { key, acts, timeout } => {
                let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
                return self.comes(asker, Party { key, acts, deadline }, now, effects);
            }
            Ask::Turn { key } => return self.turn(asker, key, effects),
            Ask::Acted { key } => {
                if self.phase == Phase::Acts(key) {
                    self.opens(now, effects);
                }
                Reply::Done
            }
            Ask::Panicked { key } => {
                if self.phase == Phase::Acts(key) {
                    self.breaks(BrokenBy::ActionPanicked, effects);
                }
                Reply::Done
            }
            Ask::Abort => {
                self.breaks(BrokenBy::Aborted, effects);
                Reply::Done
            }
            Ask::Reset => {
                self.breaks(BrokenBy::Reset, effects);
                Reply::Done
            }
            Ask::Look => self.look(),
        };
        effects.reply(asker, reply);
    }

    fn forget(&mut self, asker: Asker, effects: &mut Effects<Reply>) {
        self.leaves(asker, BrokenBy::TimedOut, effects);
    }

    fn lose(&mut self, asker: Asker, effects: &mut Effects<Reply>) {
        fault!(DeathUnnoticed, return);
        self.leaves(asker, BrokenBy::PartyEnded, effects);
    }

    fn tick(&mut self, now: Instant, effects: &mut Effects<Reply>) {
        self.look_at_the_time(now, effects);
    }
}

#[cfg(test)]
mod tests;

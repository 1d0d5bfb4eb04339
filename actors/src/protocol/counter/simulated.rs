//! Counters in seeded schedules, casts and their refusals included.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use callboard_core::{ByteStrings, NodeId, decode, push_encoded};

use super::options::CounterOptions;
use super::owner::CounterOwner;
use super::wire::{Ask, Reply};
use crate::protocol::object::simulated::{Due, Model, play};
use crate::protocol::object::{AboutCasts, Asker, Refused};
use crate::simulation::{self, Schedule};

#[derive(Default)]
struct Counter {
    value: i64,
    waiting: BTreeMap<Asker, i64>,
    refused: BTreeMap<NodeId, Refused>,
    /// What each node was told last and has not said that it knows.
    heard: BTreeMap<NodeId, u64>,
}

impl Counter {
    fn told(&mut self) -> Due<Reply> {
        let value = self.value;
        let told: Vec<Asker> =
            self.waiting.iter().filter(|(_, least)| **least <= value).map(|(asker, _)| *asker).collect();
        told.iter().for_each(|asker| _ = self.waiting.remove(asker));
        told.into_iter().map(|asker| (asker, Some(Reply::Is(value)))).collect()
    }
}

impl Model for Counter {
    type Owner = CounterOwner;

    fn begin(_: &mut Schedule) -> (Self, CounterOwner) {
        (Self::default(), CounterOwner::new(CounterOptions::new()))
    }

    fn next_ask(&mut self, by: NodeId, schedule: &mut Schedule) -> (Ask, bool) {
        if let Some(total) = self.heard.remove(&by) {
            return (Ask::Casts(AboutCasts::Told { of: by, total }), false);
        }
        let small = schedule.below(7) as i64 - 3;
        let wanted = schedule.below(20) as i64;
        let ask = schedule.weighed(&[
            (3, Ask::Add(small)),
            (1, Ask::Sub(small)),
            (1, Ask::Add(i64::MAX - 8)),
            (1, Ask::Get),
            (1, Ask::Set(small)),
            (1, Ask::CompareAndSwap { expected: small, new: wanted }),
            (6, Ask::WaitAtLeast(wanted)),
            (2, Ask::Casts(AboutCasts::Tell(by))),
        ]);
        (ask, true)
    }

    fn next_cast(&mut self, schedule: &mut Schedule) -> Option<Vec<u8>> {
        let mut cast = Vec::new();
        for _ in 0..schedule.within(1..4) {
            let by = schedule.weighed(&[(4, 1_i64), (1, -3), (1, i64::MAX)]);
            push_encoded(&mut cast, &by).expect("a number can be encoded");
        }
        Some(cast)
    }

    fn asked(&mut self, asker: Asker, _: NodeId, ask: &Ask, _: Instant) -> Due<Reply> {
        let before = self.value;
        let sum = match *ask {
            Ask::Add(by) => before.checked_add(by),
            Ask::Sub(by) => before.checked_sub(by),
            Ask::Set(value) => Some(value),
            Ask::CompareAndSwap { expected, new } if before == expected => Some(new),
            _ => Some(before),
        };
        self.value = sum.unwrap_or(before);
        let reply = match *ask {
            Ask::Add(_) | Ask::Sub(_) => sum.map_or(Reply::Overflow, Reply::Is),
            Ask::Casts(about) => {
                let (AboutCasts::Tell(of) | AboutCasts::Told { of, .. }) = about;
                if let (AboutCasts::Told { total, .. }, Some(refused)) = (about, self.refused.get_mut(&of)) {
                    assert!(total <= refused.total, "a node knows of more refusals than there were");
                    refused.told = refused.told.max(total);
                }
                Reply::Refused(self.refused.get(&of).copied().unwrap_or_default())
            }
            Ask::WaitAtLeast(least) if least > before => {
                self.waiting.insert(asker, least);
                return Vec::new();
            }
            _ => Reply::Is(before),
        };
        let mut due = self.told();
        due.push((asker, Some(reply)));
        due
    }

    fn cast(&mut self, by: NodeId, cast: &[u8], _: Instant) -> Due<Reply> {
        let mut due = Vec::new();
        for number in ByteStrings::new(cast) {
            let number = decode(number.expect("we wrote it")).expect("a number");
            match self.value.checked_add(number) {
                Some(sum) => self.value = sum,
                None => self.refused.entry(by).or_default().total += 1,
            }
            due.append(&mut self.told());
        }
        due
    }

    fn left(&mut self, asker: Asker, _: bool) -> Due<Reply> {
        self.waiting.remove(&asker);
        Vec::new()
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.waiting.keys().copied().collect()
    }

    fn heard(&mut self, by: NodeId, _: &Ask, reply: &Reply) {
        if let Reply::Refused(refused) = reply
            && refused.news() > 0
        {
            self.heard.insert(by, refused.total);
        }
    }
}

/// > Under any schedule of slow, stopped and dead nodes a counter counts as one number would, each wait ends as soon as its value is
/// > reached, and each refused cast is told of.
#[test]
fn counter() {
    simulation::run("counter", 2_000, play::<Counter>);
}

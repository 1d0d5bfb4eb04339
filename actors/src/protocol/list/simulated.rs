//! Lists in seeded schedules, against a plain vector.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use callboard_core::{ByteStrings, NodeId, push_bytes};
use serde_bytes::ByteBuf;

use super::options::ListOptions;
use super::owner::ListOwner;
use super::wire::{Ask, Cursor, Fault, Reply};
use crate::protocol::object::simulated::{Due, Model, play};
use crate::protocol::object::{AboutCasts, Asker, Refused};
use crate::simulation::{self, Schedule};

struct List {
    elements: Vec<ByteBuf>,
    capacity: usize,
    capacity_bytes: usize,
    version: u64,
    waiting: BTreeSet<Asker>,
    refused: BTreeMap<NodeId, Refused>,
    /// The latest change that each node has heard of.
    seen: BTreeMap<NodeId, u64>,
    /// Where each node is in an iteration.
    pages: BTreeMap<NodeId, Cursor>,
}

fn value(schedule: &mut Schedule) -> ByteBuf {
    let len = schedule.weighed(&[(6, 1), (3, 2), (1, 7)]);
    ByteBuf::from(vec![schedule.below(4) as u8; len])
}

impl List {
    /// Makes it this, if there is room.
    fn become_this(&mut self, new: &[&ByteBuf], elements: Vec<ByteBuf>) -> Result<(), Fault> {
        if new.iter().any(|value| value.len() > self.capacity_bytes) {
            return Err(Fault::TooLarge);
        }
        let bytes: usize = elements.iter().map(|value| value.len()).sum();
        if elements.len() > self.capacity || bytes > self.capacity_bytes {
            return Err(Fault::Full);
        }
        self.elements = elements;
        Ok(())
    }

    fn index(&self, at: u64) -> Result<usize, Fault> {
        let len = self.elements.len() as u64;
        if at < len { Ok(at as usize) } else { Err(Fault::OutOfBounds { index: at, len }) }
    }

    fn insert(&mut self, at: usize, value: &ByteBuf) -> Result<Reply, Fault> {
        let mut elements = self.elements.clone();
        elements.insert(at, value.clone());
        self.become_this(&[value], elements)?;
        Ok(Reply::Number(self.elements.len() as u64))
    }

    fn set(&mut self, at: usize, value: &ByteBuf) -> Result<Reply, Fault> {
        let mut elements = self.elements.clone();
        let before = std::mem::replace(&mut elements[at], value.clone());
        self.become_this(&[value], elements)?;
        Ok(Reply::Value(Some(before)))
    }

    /// What is answered, and whether it is a change; none where this does not say.
    fn answer(&mut self, ask: &Ask) -> Result<(Option<Reply>, bool), Fault> {
        let len = self.elements.len();
        let position =
            |list: &List, value: &ByteBuf| list.elements.iter().position(|element| element == value);
        let (reply, is_change) = match ask {
            Ask::Push(value) => (self.insert(len, value)?, true),
            Ask::PushFront(value) => (self.insert(0, value)?, true),
            Ask::Extend(values) => {
                let all: Vec<ByteBuf> = self.elements.iter().chain(values).cloned().collect();
                self.become_this(&values.iter().collect::<Vec<_>>(), all)?;
                (Reply::Number(self.elements.len() as u64), !values.is_empty())
            }
            Ask::Insert { at, value } if *at == len as u64 => (self.insert(len, value)?, true),
            Ask::Insert { at, value } => (self.insert(self.index(*at)?, value)?, true),
            Ask::Pop => (Reply::Value(self.elements.pop()), len > 0),
            Ask::PopFront => (Reply::Value((len > 0).then(|| self.elements.remove(0))), len > 0),
            Ask::Remove(at) => {
                let at = self.index(*at)?;
                (Reply::Value(Some(self.elements.remove(at))), true)
            }
            Ask::Get(at) => (Reply::Value(self.elements.get(*at as usize).cloned()), false),
            Ask::Last => (Reply::Value(self.elements.last().cloned()), false),
            Ask::Set { at, value } => (self.set(self.index(*at)?, value)?, true),
            Ask::Swap(a, b) => {
                let (a, b) = (self.index(*a)?, self.index(*b)?);
                self.elements.swap(a, b);
                (Reply::Done, a != b)
            }
            Ask::Reverse => (self.elements.reverse(), (Reply::Done, len > 1)).1,
            Ask::Len => (Reply::Number(len as u64), false),
            Ask::Truncate(to) => {
                self.elements.truncate(*to as usize);
                (Reply::Done, (*to as usize) < len)
            }
            Ask::Slice { from, to } => {
                let to = (*to as usize).min(len);
                (Reply::Values(self.elements[(*from as usize).min(to)..to].to_vec()), false)
            }
            Ask::TakeAll => (Reply::Values(std::mem::take(&mut self.elements)), len > 0),
            Ask::Position(value) => (Reply::Found(position(self, value).map(|at| at as u64)), false),
            Ask::Count(value) => (
                Reply::Number(self.elements.iter().filter(|element| *element == value).count() as u64),
                false,
            ),
            Ask::RemoveValue(value) => {
                let at = position(self, value);
                at.map(|at| self.elements.remove(at));
                (Reply::Found(at.map(|at| at as u64)), at.is_some())
            }
            Ask::CompareAndSwap { at, expected, new } => {
                let at = self.index(*at)?;
                if self.elements[at] == *expected {
                    (self.set(at, new).map(|_| Reply::Done)?, true)
                } else {
                    (Reply::Value(Some(self.elements[at].clone())), false)
                }
            }
            Ask::Casts(AboutCasts::Tell(of)) => {
                (Reply::Refused(self.refused.get(of).copied().unwrap_or_default()), false)
            }
            Ask::Look | Ask::Watch { .. } => (self.report(), false),
            _ => return Ok((None, false)),
        };
        Ok((Some(reply), is_change))
    }

    fn report(&self) -> Reply {
        Reply::Report { version: self.version, len: self.elements.len() as u64 }
    }

    fn told(&mut self) -> Due<Reply> {
        let report = self.report();
        std::mem::take(&mut self.waiting).into_iter().map(|asker| (asker, Some(report.clone()))).collect()
    }
}

impl Model for List {
    type Owner = ListOwner;

    fn begin(schedule: &mut Schedule) -> (Self, ListOwner) {
        let (capacity, bytes) = (schedule.within(1..12), schedule.within(3..20));
        let model = Self {
            elements: Vec::new(),
            capacity: capacity as usize,
            capacity_bytes: bytes as usize,
            version: 0,
            waiting: BTreeSet::new(),
            refused: BTreeMap::new(),
            seen: BTreeMap::new(),
            pages: BTreeMap::new(),
        };
        (model, ListOwner::new(ListOptions::<u8>::new().capacity(capacity).capacity_bytes(bytes)))
    }

    fn next_ask(&mut self, by: NodeId, schedule: &mut Schedule) -> (Ask, bool) {
        let (a, b) = (schedule.below(8), schedule.below(8));
        let (one, other) = (value(schedule), value(schedule));
        let after = self.seen.get(&by).copied().unwrap_or(0);
        let ask = match schedule.below(34) {
            0..3 => Ask::Push(one),
            3..5 => Ask::PushFront(one),
            5..7 => Ask::Extend(vec![one; (a % 3) as usize]),
            7 => Ask::Insert { at: a, value: one },
            8 => Ask::Pop,
            9 => Ask::PopFront,
            10 => Ask::Remove(a),
            11 => Ask::Get(a),
            12 => Ask::Last,
            13 => Ask::Set { at: a, value: one },
            14 => Ask::Swap(a, b),
            15 => Ask::Reverse,
            16 => Ask::Len,
            17 => Ask::Truncate(a),
            18 => Ask::Slice { from: a, to: b },
            19 => Ask::TakeAll,
            20 => Ask::Position(one),
            21 => Ask::Count(one),
            22 => Ask::RemoveValue(one),
            23 => Ask::CompareAndSwap { at: a % 3, expected: one, new: other },
            24..27 => Ask::Page(self.pages.get(&by).copied()),
            27 => Ask::Casts(AboutCasts::Tell(by)),
            28 => Ask::Look,
            _ => Ask::Watch { after },
        };
        (ask, true)
    }

    fn next_cast(&mut self, schedule: &mut Schedule) -> Option<Vec<u8>> {
        let mut cast = Vec::new();
        (0..schedule.within(1..4)).for_each(|_| push_bytes(&mut cast, &value(schedule)));
        Some(cast)
    }

    fn asked(&mut self, asker: Asker, _: NodeId, ask: &Ask, _: Instant) -> Due<Reply> {
        if let Ask::Watch { after } = ask
            && *after >= self.version
        {
            self.waiting.insert(asker);
            return Vec::new();
        }
        let (reply, is_change) = self.answer(ask).unwrap_or_else(|fault| (Some(Reply::Failed(fault)), false));
        let mut due = Vec::new();
        if is_change {
            self.version += 1;
            due = self.told();
        }
        due.push((asker, reply));
        due
    }

    fn cast(&mut self, by: NodeId, cast: &[u8], _: Instant) -> Due<Reply> {
        let before = self.version;
        for value in ByteStrings::new(cast) {
            let value = ByteBuf::from(value.expect("we wrote it"));
            match self.insert(self.elements.len(), &value) {
                Ok(_) => self.version += 1,
                Err(_) => self.refused.entry(by).or_default().total += 1,
            }
        }
        if self.version > before { self.told() } else { Vec::new() }
    }

    fn left(&mut self, asker: Asker, _: bool) -> Due<Reply> {
        self.waiting.remove(&asker);
        Vec::new()
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.waiting.clone()
    }

    fn heard(&mut self, by: NodeId, ask: &Ask, reply: &Reply) {
        match (ask, reply) {
            (Ask::Watch { after }, Reply::Report { version, .. }) => {
                assert!(version > after, "told of what it knew");
                let seen = self.seen.entry(by).or_default();
                *seen = (*seen).max(*version);
            }
            (_, Reply::Page { next: Some(next), .. }) => _ = self.pages.insert(by, *next),
            (Ask::Page(_), _) => _ = self.pages.remove(&by),
            _ => {}
        }
    }
}

/// > Under any schedule of slow, stopped and dead nodes a list answers as a plain vector would, and whoever watches it is told of
/// > the next change.
#[test]
fn list() {
    simulation::run("list", 2_000, play::<List>);
}

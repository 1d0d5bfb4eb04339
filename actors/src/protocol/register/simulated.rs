//! Registers in seeded schedules: values that go by themselves, waits and watches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use callboard_core::NodeId;
use serde_bytes::ByteBuf;

use super::options::RegisterOptions;
use super::owner::RegisterOwner;
use super::wire::{Ask, Reply};
use crate::protocol::object::Asker;
use crate::protocol::object::simulated::{Due, Model, play};
use crate::simulation::{self, Schedule};

/// What somebody waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Value,
    Report,
    Version,
}

#[derive(Default)]
struct Register {
    value: Option<ByteBuf>,
    until: Option<Instant>,
    version: u64,
    waiting: BTreeMap<Asker, Wait>,
    /// The latest change that each node has heard of.
    seen: BTreeMap<NodeId, u64>,
}

impl Register {
    fn report(&self, wait: Wait) -> Reply {
        match wait {
            Wait::Value => Reply::Value(self.value.clone()),
            Wait::Report => Reply::Report { version: self.version, value: self.value.clone() },
            Wait::Version => Reply::Version(self.version),
        }
    }

    fn replace(&mut self, value: Option<ByteBuf>, due: &mut Due<Reply>) {
        self.until = None;
        if self.value.is_none() && value.is_none() {
            return;
        }
        self.version += 1;
        self.value = value;
        let is_told = |wait: Wait| wait != Wait::Value || self.value.is_some();
        let told = self.waiting.iter().filter(|(_, wait)| is_told(**wait));
        due.extend(told.map(|(asker, wait)| (*asker, Some(self.report(*wait)))));
        let has_value = self.value.is_some();
        self.waiting.retain(|_, wait| *wait == Wait::Value && !has_value);
    }

    fn expire(&mut self, now: Instant, due: &mut Due<Reply>) {
        if self.until.is_some_and(|until| until <= now) {
            self.replace(None, due);
        }
    }
}

fn value(schedule: &mut Schedule) -> ByteBuf {
    ByteBuf::from(vec![schedule.below(3) as u8])
}

impl Model for Register {
    type Owner = RegisterOwner;

    fn begin(_: &mut Schedule) -> (Self, RegisterOwner) {
        (Self::default(), RegisterOwner::new(RegisterOptions::<u8>::empty()))
    }

    fn next_ask(&mut self, by: NodeId, schedule: &mut Schedule) -> (Ask, bool) {
        let after = self.seen.get(&by).copied().unwrap_or(0);
        let maybe = |schedule: &mut Schedule| (!schedule.one_in(3)).then(|| value(schedule));
        let ask = match schedule.below(12) {
            0 => Ask::Get,
            1..4 => {
                let lasting = schedule.one_in(2).then(|| Duration::from_millis(schedule.below(200)));
                Ask::Set { value: value(schedule), lasting }
            }
            4 => Ask::Take,
            5 => Ask::CompareAndSwap { expected: maybe(schedule), new: maybe(schedule) },
            6..8 => Ask::Wait,
            8 => Ask::Version,
            9 => Ask::Look,
            10 => Ask::Await { after },
            _ => Ask::Watch { after },
        };
        (ask, true)
    }

    fn asked(&mut self, asker: Asker, _: NodeId, ask: &Ask, now: Instant) -> Due<Reply> {
        let mut due = Vec::new();
        self.expire(now, &mut due);
        let before = Reply::Value(self.value.clone());
        let mut wait = |wait| _ = self.waiting.insert(asker, wait);
        let reply = match ask {
            Ask::Wait if self.value.is_none() => return (wait(Wait::Value), due).1,
            Ask::Watch { after } if *after >= self.version => return (wait(Wait::Report), due).1,
            Ask::Await { after } if *after >= self.version => return (wait(Wait::Version), due).1,
            Ask::Get | Ask::Wait => before,
            Ask::Set { value, lasting } => {
                self.replace(Some(value.clone()), &mut due);
                self.until = lasting.map(|lasting| now + lasting);
                self.expire(now, &mut due);
                before
            }
            Ask::Take => (self.replace(None, &mut due), before).1,
            Ask::CompareAndSwap { expected, new } if *expected == self.value => {
                (self.replace(new.clone(), &mut due), Reply::Done).1
            }
            Ask::CompareAndSwap { .. } => before,
            Ask::Version | Ask::Await { .. } => self.report(Wait::Version),
            Ask::Look | Ask::Watch { .. } => self.report(Wait::Report),
            Ask::Update { .. } => unreachable!("no function is registered"),
        };
        due.push((asker, Some(reply)));
        due
    }

    fn left(&mut self, asker: Asker, _: bool) -> Due<Reply> {
        self.waiting.remove(&asker);
        Vec::new()
    }

    fn ticked(&mut self, now: Instant) -> Due<Reply> {
        let mut due = Vec::new();
        self.expire(now, &mut due);
        due
    }

    fn timer(&self) -> Option<Instant> {
        self.until
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.waiting.keys().copied().collect()
    }

    fn heard(&mut self, by: NodeId, ask: &Ask, reply: &Reply) {
        let (Reply::Report { version, .. } | Reply::Version(version)) = reply else { return };
        if let Ask::Watch { after } | Ask::Await { after } = ask {
            assert!(version > after, "told of what it knew");
        }
        let seen = self.seen.entry(by).or_default();
        *seen = (*seen).max(*version);
    }

    fn check(&mut self, owner: &mut RegisterOwner, _: bool) {
        assert_eq!(owner.version(), self.version, "changes are counted");
    }
}

/// > Under any schedule of slow, stopped and dead nodes a register is as one value would be, goes when its time is over, and whoever
/// > waits for a value or a change is told.
#[test]
fn register() {
    simulation::run("register", 2_000, play::<Register>);
}

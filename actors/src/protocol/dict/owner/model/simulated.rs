//! Dicts and sets, which are dicts too, in seeded schedules: against a plain list of entries, with casts, and with watchers on every
//! node, each of which keeps a copy by what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use callboard_core::{ByteStrings, NodeId, push_bytes};
use serde_bytes::ByteBuf;

use super::super::DictOwner;
use super::{BYTES, ENTRIES, Model as Entries};
use crate::fault::Fault;
use crate::protocol::dict::options::Settings;
use crate::protocol::dict::wire::{Ask, Operator, Reply, Scope, Thrown};
use crate::protocol::object::simulated::{Due, Model, play};
use crate::protocol::object::{Asker, Effects, Owner};
use crate::simulation::{self, Schedule};

/// What a node knows of the dict.
#[derive(Default)]
struct Copy {
    since: u64,
    entries: BTreeMap<ByteBuf, ByteBuf>,
    since_of: BTreeMap<ByteBuf, u64>,
}

impl Copy {
    fn hear(&mut self, version: u64, changes: &[(ByteBuf, Option<ByteBuf>)]) {
        assert!(version > self.since && !changes.is_empty(), "told of what it knew");
        self.since = version;
        for (key, value) in changes {
            match value {
                Some(value) => _ = self.entries.insert(key.clone(), value.clone()),
                None => _ = self.entries.remove(key),
            }
        }
    }
}

struct Dict {
    entries: Entries,
    version: u64,
    /// The number of the latest change of each key.
    changed_at: BTreeMap<ByteBuf, u64>,
    /// The keys changed in this step.
    touched: BTreeSet<ByteBuf>,
    /// Who watches a key, or all.
    waiting: BTreeMap<Asker, Option<ByteBuf>>,
    copies: BTreeMap<NodeId, Copy>,
}

fn key(schedule: &mut Schedule) -> ByteBuf {
    ByteBuf::from(schedule.pick(&["a", "b", "c", "d", "e", "f"]))
}

fn value(schedule: &mut Schedule) -> ByteBuf {
    ByteBuf::from(&b"123456789"[..schedule.index(9)])
}

fn maybe(schedule: &mut Schedule) -> Option<ByteBuf> {
    schedule.one_in(2).then(|| value(schedule))
}

fn lasting(schedule: &mut Schedule) -> Option<Duration> {
    schedule.one_in(2).then(|| Duration::from_millis(schedule.below(300)))
}

impl Dict {
    /// Does something to the entries, and notes which keys it changes.
    fn change<R>(&mut self, with: impl FnOnce(&mut Entries) -> R) -> R {
        let plain = |entries: &Entries| -> BTreeMap<ByteBuf, ByteBuf> {
            entries.0.iter().map(|(key, value, _)| (key.clone(), value.clone())).collect()
        };
        let before = plain(&self.entries);
        let done = with(&mut self.entries);
        let after = plain(&self.entries);
        let differs = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key));
        self.touched.extend(differs.cloned());
        self.touched.append(&mut self.entries.1);
        done
    }

    fn expire(&mut self, now: Instant) {
        self.change(|entries| entries.0.retain(|(.., until)| until.is_none_or(|until| until > now)));
    }

    /// Those who wait for what has changed in this step.
    fn told(&mut self) -> Due<Reply> {
        let is_told = |key: &Option<ByteBuf>| match key {
            Some(key) => self.touched.contains(key),
            None => !self.touched.is_empty(),
        };
        let told: Vec<(Asker, Option<ByteBuf>)> = self
            .waiting
            .iter()
            .filter(|(_, key)| is_told(key))
            .map(|(asker, key)| (*asker, key.clone()))
            .collect();
        told.iter().for_each(|(asker, _)| _ = self.waiting.remove(asker));
        told.into_iter().map(|(asker, _)| (asker, None)).collect()
    }

    /// What a watch is answered now: whether there is news.
    fn watched(&mut self, asker: Asker, key: Option<&ByteBuf>, since: u64, wait: bool) -> Due<Reply> {
        let has_changed = match key {
            Some(key) => self.touched.contains(key) || self.changed_at.get(key).is_some_and(|at| *at > since),
            None => !self.touched.is_empty() || self.version > since,
        };
        match (has_changed, wait) {
            (true, _) => vec![(asker, None)],
            (false, false) => vec![(asker, Some(Reply::Unchanged))],
            (false, true) => (self.waiting.insert(asker, key.cloned()), Vec::new()).1,
        }
    }
}

impl Model for Dict {
    type Owner = DictOwner;

    fn begin(schedule: &mut Schedule) -> (Self, DictOwner) {
        let now = schedule.now();
        let settings = Settings { entries: ENTRIES, bytes: BYTES, ..Settings::default() };
        let mut owner = DictOwner::new(settings);
        owner.handle(Asker(0), Ask::BeginWatch(Scope::All), now, &mut Effects::default());
        let model = Self {
            entries: Entries::default(),
            version: 0,
            changed_at: BTreeMap::new(),
            touched: BTreeSet::new(),
            waiting: BTreeMap::new(),
            copies: BTreeMap::new(),
        };
        (model, owner)
    }

    fn next_ask(&mut self, by: NodeId, schedule: &mut Schedule) -> (Ask, bool) {
        let copy = self.copies.entry(by).or_default();
        let wait = !schedule.one_in(4);
        let some_key = key(schedule);
        let ask = match schedule.below(24) {
            0..4 => Ask::Insert(some_key, value(schedule), lasting(schedule)),
            4 => Ask::InsertNew(some_key, value(schedule)),
            5..7 => Ask::Remove(some_key),
            7 => Ask::Pop,
            8 if schedule.one_in(2) => Ask::Clear,
            8 => Ask::RemoveMany([&**some_key, &**key(schedule)].into_iter().collect()),
            9..11 => {
                let (other, one, two) = (key(schedule), value(schedule), value(schedule));
                Ask::InsertMany([&**some_key, &**one, &**other, &**two].into_iter().collect())
            }
            11..13 => {
                let expected =
                    if schedule.one_in(3) { vec![(key(schedule), maybe(schedule))] } else { vec![] };
                let changes = (0..schedule.below(4)).map(|_| (key(schedule), maybe(schedule))).collect();
                Ask::Batch { expected, changes }
            }
            13..15 => {
                let (expected, new) = (maybe(schedule), maybe(schedule));
                Ask::Swap { key: some_key, expected, new, keeps_end: schedule.one_in(2) }
            }
            15 => Ask::Expire(some_key, lasting(schedule)),
            16..20 => {
                let since = copy.since_of.get(&some_key).copied().unwrap_or(0);
                Ask::Watch { key: some_key, since, wait }
            }
            _ => Ask::DictWatchAll { since: copy.since, wait },
        };
        (ask, true)
    }

    fn next_cast(&mut self, schedule: &mut Schedule) -> Option<Vec<u8>> {
        let mut casts = Vec::new();
        for _ in 0..schedule.within(1..4) {
            let is_insert = !schedule.one_in(3);
            let operator = if is_insert { Operator::Insert } else { Operator::Remove };
            let mut cast = vec![operator.mark()];
            push_bytes(&mut cast, &key(schedule));
            if is_insert {
                cast.extend_from_slice(&value(schedule));
            }
            push_bytes(&mut casts, &cast);
        }
        Some(casts)
    }

    fn asked(&mut self, asker: Asker, _: NodeId, ask: &Ask, now: Instant) -> Due<Reply> {
        self.expire(now);
        let mut own = match ask {
            Ask::Watch { key, since, wait } => self.watched(asker, Some(key), *since, *wait),
            Ask::DictWatchAll { since, wait } => self.watched(asker, None, *since, *wait),
            _ => {
                let reply = self.change(|entries| entries.answer(ask.clone(), now));
                vec![(asker, Some(reply))]
            }
        };
        own.append(&mut self.told());
        own
    }

    fn cast(&mut self, _: NodeId, casts: &[u8], now: Instant) -> Due<Reply> {
        self.expire(now);
        for cast in ByteStrings::new(casts) {
            let Thrown { operator, key, value } = Thrown::read(cast.expect("we wrote it")).expect("a cast");
            let value = (operator == Operator::Insert).then(|| ByteBuf::from(value));
            // One that does not fit changes nothing.
            let _ = self.change(|entries| {
                entries.change(|entries| _ = entries.set(&ByteBuf::from(key), value, None))
            });
        }
        self.told()
    }

    fn left(&mut self, asker: Asker, _: bool) -> Due<Reply> {
        self.waiting.remove(&asker);
        Vec::new()
    }

    fn node_ended(&mut self, node: NodeId) {
        self.copies.remove(&node);
    }

    fn ticked(&mut self, now: Instant) -> Due<Reply> {
        self.expire(now);
        self.told()
    }

    fn timer(&self) -> Option<Instant> {
        self.entries.0.iter().filter_map(|(.., until)| *until).min()
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.waiting.keys().copied().collect()
    }

    fn heard(&mut self, by: NodeId, ask: &Ask, reply: &Reply) {
        let copy = self.copies.entry(by).or_default();
        match (ask, reply) {
            // A node that had given up and asked again has heard of it in the answer to the later one.
            (Ask::DictWatchAll { since, .. }, Reply::Changes { version, changes })
                if *since == copy.since =>
            {
                copy.hear(*version, changes);
            }
            (Ask::Watch { key, since, .. }, Reply::Report { version, .. }) => {
                assert!(version > since, "told of what it knew");
                let seen = copy.since_of.entry(key.clone()).or_default();
                *seen = (*seen).max(*version);
            }
            _ => {}
        }
    }

    fn check(&mut self, owner: &mut DictOwner, _: bool) {
        owner.table.check();
        let version = owner.table.log.version();
        assert_eq!(version > self.version, !self.touched.is_empty(), "changes are counted");
        self.version = version;
        for key in std::mem::take(&mut self.touched) {
            assert_eq!(owner.table.value(&key), self.entries.get(&key).as_ref().map(|value| &***value));
            self.changed_at.insert(key, version);
        }
    }

    /// Every copy, brought up to date, is as the dict is.
    fn check_quiet(&mut self, owner: &mut DictOwner) {
        let entries: BTreeMap<ByteBuf, ByteBuf> =
            self.entries.0.iter().map(|(key, value, _)| (key.clone(), value.clone())).collect();
        for copy in self.copies.values_mut() {
            match owner.watch_all(Asker(0), copy.since, false) {
                Some(Reply::Changes { version, changes }) => copy.hear(version, &changes),
                other => assert_eq!(other, Some(Reply::Unchanged)),
            }
            assert_eq!(copy.entries, entries, "a copy made of what was told");
        }
    }
}

/// > Under any schedule of slow, stopped and dead nodes a dict answers as a plain list of entries would, and whoever watches it can
/// > keep a copy by what it is told.
#[test]
fn dict() {
    simulation::run("dict", 2_000, play::<Dict>);
}

#[test]
fn a_planted_fault_of_dicts_is_found() {
    simulation::finds(Fault::ChangeUntold, play::<Dict>);
}

//! A dict's machine against a plain list of entries, and what its watchers are told against what is there.

mod simulated;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_bytes::ByteBuf;

use super::tests::{Bench, bytes};
use crate::protocol::dict::wire::{Ask, Part, Refusal, Reply, Scope};

const ENTRIES: u64 = 4;
const BYTES: u64 = 24;

#[derive(Clone, Debug)]
enum Step {
    Ask(Ask),
    Wait(u8),
    /// The watchers hear what has happened.
    Hear,
}

fn key() -> impl Strategy<Value = ByteBuf> {
    prop::sample::select(vec!["a", "b", "c", "d", "e", "f"]).prop_map(bytes)
}

fn value() -> impl Strategy<Value = ByteBuf> {
    (0..9usize).prop_map(|len| ByteBuf::from(&b"123456789"[..len]))
}

fn step() -> impl Strategy<Value = Step> {
    let changes = || prop::collection::vec((key(), prop::option::of(value())), 0..5);
    let expected = prop::collection::vec((key(), prop::option::of(value())), 0..2);
    let lasting = prop::option::of((0..4u64).prop_map(Duration::from_secs));
    let ask = prop_oneof![
        5 => (key(), value(), lasting.clone()).prop_map(|(key, value, time)| Ask::Insert(key, value, time)),
        1 => (key(), value()).prop_map(|(key, value)| Ask::InsertNew(key, value)),
        2 => key().prop_map(Ask::Remove),
        1 => Just(Ask::Pop),
        1 => Just(Ask::Clear),
        1 => prop::collection::vec(key(), 0..4)
            .prop_map(|keys| Ask::RemoveMany(keys.iter().map(|key| &***key).collect())),
        2 => prop::collection::vec((key(), value()), 0..5).prop_map(|entries| {
            Ask::InsertMany(entries.iter().flat_map(|(key, value)| [&***key, &***value]).collect())
        }),
        2 => (expected, changes()).prop_map(|(expected, changes)| Ask::Batch { expected, changes }),
        2 => (key(), prop::option::of(value()), prop::option::of(value()), any::<bool>())
            .prop_map(|(key, expected, new, keeps_end)| Ask::Swap { key, expected, new, keeps_end }),
        1 => (key(), lasting).prop_map(|(key, time)| Ask::Expire(key, time)),
    ];
    prop_oneof![
        12 => ask.prop_map(Step::Ask),
        1 => (0..3u8).prop_map(Step::Wait),
        2 => Just(Step::Hear),
    ]
}

/// The entries in order: key, value, end; and the keys that were given a value, be it the same.
#[derive(Clone, Default)]
struct Model(Vec<(ByteBuf, ByteBuf, Option<Instant>)>, BTreeSet<ByteBuf>);

impl Model {
    fn get(&self, key: &ByteBuf) -> Option<ByteBuf> {
        self.0.iter().find(|(other, ..)| other == key).map(|(_, value, _)| value.clone())
    }

    fn fits(&self) -> bool {
        let bytes: usize = self.0.iter().map(|(key, value, _)| key.len() + value.len()).sum();
        self.0.len() as u64 <= ENTRIES && bytes as u64 <= BYTES
    }

    /// Makes one change; the value before.
    fn set(&mut self, key: &ByteBuf, value: Option<ByteBuf>, until: Option<Instant>) -> Option<ByteBuf> {
        let at = self.0.iter().position(|(other, ..)| other == key);
        if at.is_some() || value.is_some() {
            self.1.insert(key.clone());
        }
        match (at, value) {
            (Some(at), Some(value)) => {
                self.0[at].2 = until;
                Some(std::mem::replace(&mut self.0[at].1, value))
            }
            (Some(at), None) => Some(self.0.remove(at).1),
            (None, Some(value)) => {
                self.0.push((key.clone(), value, until));
                None
            }
            (None, None) => None,
        }
    }

    /// Makes changes that stay only if they fit.
    fn change<R>(&mut self, with: impl FnOnce(&mut Model) -> R) -> Result<R, Reply> {
        let mut next = self.clone();
        let result = with(&mut next);
        if !next.fits() {
            return Err(Reply::Refused(Refusal::Full));
        }
        *self = next;
        Ok(result)
    }

    fn answer(&mut self, ask: Ask, now: Instant) -> Reply {
        self.0.retain(|(.., until)| until.is_none_or(|until| until > now));
        let end = |time: Option<Duration>| time.map(|time| now + time);
        match ask {
            Ask::Insert(key, value, time) => {
                self.change(|model| Reply::Value(model.set(&key, Some(value), end(time))))
            }
            Ask::InsertNew(key, value) => match self.get(&key) {
                Some(found) => Ok(Reply::Value(Some(found))),
                None => self.change(|model| {
                    model.set(&key, Some(value.clone()), None);
                    Reply::Value(Some(value))
                }),
            },
            Ask::Remove(key) => Ok(Reply::Value(self.set(&key, None, None))),
            Ask::Pop => Ok(Reply::Entry(self.0.pop().map(|(key, value, _)| (key, value)))),
            Ask::Clear => {
                self.0.clear();
                Ok(Reply::Done)
            }
            Ask::RemoveMany(keys) => {
                let removed =
                    keys.iter().filter(|key| self.set(&ByteBuf::from(*key), None, None).is_some()).count();
                Ok(Reply::Count(removed as u64))
            }
            Ask::InsertMany(entries) => self.change(|model| {
                let mut put =
                    |(key, value)| model.set(&ByteBuf::from(key), Some(ByteBuf::from(value)), None).is_none();
                Reply::Count(entries.pairs().filter(|(key, value)| put((*key, *value))).count() as u64)
            }),
            Ask::Batch { expected, changes } => {
                if expected.iter().any(|(key, value)| self.get(key) != *value) {
                    return Reply::Is(false);
                }
                self.change(|model| {
                    let mut added = 0;
                    for (key, value) in changes {
                        let is_put = value.is_some();
                        added += u64::from(model.set(&key, value, None).is_none() && is_put);
                    }
                    Reply::Count(added)
                })
            }
            Ask::Swap { key, expected, new, keeps_end } => {
                let found = self.get(&key);
                if found != expected {
                    return Reply::Value(found);
                }
                let end =
                    self.0.iter().find(|(other, ..)| *other == key && keeps_end).and_then(|entry| entry.2);
                self.change(|model| {
                    model.set(&key, new, end);
                    Reply::Done
                })
            }
            Ask::Expire(key, time) => {
                let entry = self.0.iter_mut().find(|(other, ..)| *other == key);
                Ok(Reply::Is(entry.map(|entry| entry.2 = end(time)).is_some()))
            }
            other => panic!("{other:?} is not in the model"),
        }
        .unwrap_or_else(|refused| refused)
    }
}

/// One who watches all keys and keeps a copy of the dict by what it is told, and one who watches a single key.
#[derive(Default)]
struct Watchers {
    since: u64,
    copy: BTreeMap<ByteBuf, ByteBuf>,
    since_of_one: u64,
    one: Option<ByteBuf>,
}

impl Watchers {
    fn hear(&mut self, bench: &mut Bench) {
        loop {
            match bench.ask(Ask::DictWatchAll { since: self.since, wait: false }) {
                Reply::Unchanged => break,
                Reply::Changes { version, changes } => {
                    assert!(version > self.since && !changes.is_empty());
                    self.since = version;
                    for (key, value) in changes {
                        match value {
                            Some(value) => self.copy.insert(key, value),
                            None => self.copy.remove(&key),
                        };
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        match bench.ask(Ask::Watch { key: bytes("a"), since: self.since_of_one, wait: false }) {
            Reply::Report { version, value } => (self.since_of_one, self.one) = (version, value),
            other => assert_eq!(other, Reply::Unchanged),
        }
    }
}

fn snapshot(bench: &mut Bench) -> Vec<(ByteBuf, ByteBuf)> {
    let Reply::Flat(flat) = bench.ask(Ask::Snapshot(Part::Both)) else { panic!() };
    flat.pairs().map(|(key, value)| (ByteBuf::from(key), ByteBuf::from(value))).collect()
}

proptest! {
    /// > Under any order of questions and times a dict answers as a plain list of entries would, and its watchers know all.
    #[test]
    fn a_dict_answers_as_a_plain_list_would_and_its_watchers_know_all(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        let mut bench = Bench::new(ENTRIES, BYTES);
        let (mut model, mut watchers) = (Model::default(), Watchers::default());
        bench.ask(Ask::BeginWatch(Scope::All));
        for step in steps {
            match step {
                Step::Ask(ask) => {
                    let expected = model.answer(ask.clone(), bench.now);
                    prop_assert_eq!(bench.ask(ask.clone()), expected, "{:?}", ask);
                }
                Step::Wait(seconds) => {
                    bench.now += Duration::from_secs(seconds.into());
                    if seconds == 1 {
                        bench.tick();
                    }
                }
                Step::Hear => watchers.hear(&mut bench),
            }
            let now = bench.now;
            model.0.retain(|(.., until)| until.is_none_or(|until| until > now));
            let all = snapshot(&mut bench);
            let expected: Vec<_> = model.0.iter().map(|(key, value, _)| (key.clone(), value.clone())).collect();
            prop_assert_eq!(&all, &expected);
        }
        watchers.hear(&mut bench);
        let all = snapshot(&mut bench);
        prop_assert_eq!(watchers.one, model.get(&bytes("a")));
        prop_assert_eq!(watchers.copy, all.into_iter().collect::<BTreeMap<_, _>>());
    }
}

//! What has changed in a dict, and who waits to hear of it.
//!
//! Every change has a number. An entry knows the number of its latest one; removals are remembered in a list of limited length,
//! and only from the first watch on.

use std::collections::{BTreeMap, VecDeque};

use foldhash::HashMap;

use super::table::Key;
use crate::protocol::object::Asker;

/// How many removals are remembered for those who watch all keys.
const REMOVALS: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Log {
    /// The number of the latest change.
    version: u64,
    remembers: bool,
    removals: VecDeque<(u64, Key)>,
    /// Removals up to this number may be missing from the list.
    forgotten: u64,
    /// The keys of all entries by their latest change, once somebody has watched all.
    latest: Option<BTreeMap<u64, Key>>,
    watched: HashMap<Key, Vec<Asker>>,
    /// The same by who waits.
    waiting: HashMap<Asker, Key>,
    /// Watched keys that have changed and whose watchers have not heard of it.
    touched: Vec<Key>,
    /// Those who wait for any change, each with the number of the latest that it has heard of.
    all: BTreeMap<Asker, u64>,
}

impl Log {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Remembers removals from now on.
    pub(super) fn remember(&mut self) {
        if !std::mem::replace(&mut self.remembers, true) {
            self.forgotten = self.version;
        }
    }

    pub(super) fn keeps_order(&self) -> bool {
        self.latest.is_some()
    }

    /// Keeps all keys in order of their latest change from now on; `all` are those there are.
    pub(super) fn keep_order(&mut self, all: BTreeMap<u64, Key>) {
        self.remember();
        self.latest = Some(all);
    }

    /// An entry is new or has changed, the last time in the change `before`; the number of this one.
    pub(super) fn changed(&mut self, before: Option<u64>, key: impl FnOnce() -> Option<Key>) -> u64 {
        self.version += 1;
        if (self.latest.is_some() || !self.watched.is_empty())
            && let Some(key) = key()
        {
            self.touch(&key);
            if let Some(latest) = &mut self.latest {
                before.map(|before| latest.remove(&before));
                latest.insert(self.version, key);
            }
        }
        self.version
    }

    /// The entry whose last change was `before` is no longer there.
    pub(super) fn removed(&mut self, before: u64, key: &Key) {
        self.version += 1;
        self.touch(key);
        if let Some(latest) = &mut self.latest {
            latest.remove(&before);
        }
        if self.remembers {
            self.removals.push_back((self.version, Key::clone(key)));
        }
        if self.removals.len() > REMOVALS
            && let Some((version, _)) = self.removals.pop_front()
        {
            self.forgotten = version;
        }
    }

    fn touch(&mut self, key: &Key) {
        if self.watched.contains_key(key) {
            self.touched.push(Key::clone(key));
        }
    }

    /// Whether removals after `since` may have been forgotten.
    pub(super) fn lacks(&self, since: u64) -> bool {
        since < self.forgotten
    }

    /// Whether `key`, which is not there, may have been removed after `since`.
    pub(super) fn was_removed(&self, key: &[u8], since: u64) -> bool {
        self.lacks(since) || self.removals_after(since).any(|(_, removed)| **removed == *key)
    }

    fn removals_after(&self, since: u64) -> impl Iterator<Item = (u64, &Key)> {
        let first = self.removals.partition_point(|(version, _)| *version <= since);
        self.removals.range(first..).map(|(version, key)| (*version, key))
    }

    /// All changes after `since` that are not outdated, in their order: the key, and whether it was removed.
    pub(super) fn after(&self, since: u64) -> impl Iterator<Item = (u64, &Key, bool)> {
        let mut removals = self.removals_after(since).peekable();
        let entries = self.latest.iter().flat_map(move |latest| latest.range(since.saturating_add(1)..));
        let mut entries = entries.peekable();
        std::iter::from_fn(move || {
            let next_entry = entries.peek().map_or(u64::MAX, |(version, _)| **version);
            if let Some((version, key)) = removals.next_if(|(version, _)| *version < next_entry) {
                return Some((version, key, true));
            }
            entries.next().map(|(version, key)| (*version, key, false))
        })
    }

    pub(super) fn wait_for(&mut self, asker: Asker, key: &[u8]) {
        let key = Key::from(key);
        self.watched.entry(Key::clone(&key)).or_default().push(asker);
        self.waiting.insert(asker, key);
    }

    pub(super) fn wait_for_any(&mut self, asker: Asker, since: u64) {
        self.all.insert(asker, since);
    }

    pub(super) fn forget(&mut self, asker: Asker) {
        self.all.remove(&asker);
        if let Some(key) = self.waiting.remove(&asker)
            && let Some(askers) = self.watched.get_mut(&key)
        {
            askers.retain(|other| *other != asker);
            if askers.is_empty() {
                self.watched.remove(&key);
            }
        }
    }

    /// Who waits, in order. Whoever does knows of the latest change.
    #[cfg(any(test, fuzzing))]
    pub(super) fn waiting(&self) -> impl Iterator<Item = Asker> {
        assert!(self.all.values().all(|since| *since == self.version), "somebody was not told");
        assert!(self.removals.len() <= REMOVALS && self.touched.is_empty());
        let both: std::collections::BTreeSet<Asker> =
            self.all.keys().chain(self.waiting.keys()).copied().collect();
        both.into_iter()
    }

    /// Takes out all who waited for a key that has changed.
    pub(super) fn take_touched(&mut self) -> Vec<(Asker, Key)> {
        let mut told = Vec::new();
        for key in std::mem::take(&mut self.touched) {
            for asker in self.watched.remove(&key).unwrap_or_default() {
                self.waiting.remove(&asker);
                told.push((asker, Key::clone(&key)));
            }
        }
        told
    }

    /// Takes out all who wait for any change and have not heard of the latest, each with the number it has heard of.
    pub(super) fn take_behind(&mut self) -> BTreeMap<Asker, u64> {
        // Whoever waits knew all there was, so one look at the first tells of all.
        if self.all.first_key_value().is_none_or(|(_, since)| *since >= self.version) {
            return BTreeMap::new();
        }
        std::mem::take(&mut self.all)
    }
}

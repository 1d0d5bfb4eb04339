//! The entries of a dict: by key, in the order in which they were first inserted, and by the end of their time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use callboard_core::{limits, push_bytes};
use foldhash::HashMap;

use super::log::Log;
use crate::parcel::Rights;
use crate::protocol::dict::wire::{PAGE_BYTES, PAGE_ENTRIES, Part, Refusal};
use crate::protocol::object::Strings;

pub(super) type Key = Arc<[u8]>;

/// What each byte string of a list takes beside its bytes, at most.
const HEAD_BYTES: usize = 5;

#[derive(Debug)]
pub(super) struct Entry {
    /// Its place in the order.
    number: u64,
    /// Its latest change.
    version: u64,
    value: Vec<u8>,
    until: Option<Instant>,
}

impl Entry {
    pub(super) fn value(&self) -> &[u8] {
        &self.value
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}

/// What becomes of the end of an entry whose value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has none any more.
    ForGood,
    Kept,
}

#[derive(Debug)]
pub(super) struct Table {
    entries: HashMap<Key, Entry>,
    order: BTreeMap<u64, Key>,
    /// The entries that end by themselves, by time and number.
    ends: BTreeSet<(Instant, u64)>,
    /// The number of the newest entry there ever was.
    newest: u64,
    bytes: u64,
    most_entries: u64,
    most_bytes: u64,
    /// What moves in some of the values.
    moving: HashMap<Key, Rights>,
    pub(super) log: Log,
}

/// One page of an iteration.
pub(super) struct Page {
    pub(super) entries: Vec<u8>,
    pub(super) after: Option<u64>,
    pub(super) until: u64,
}

impl Table {
    pub(super) fn new(most_entries: u64, most_bytes: u64) -> Self {
        Self {
            entries: HashMap::default(),
            order: BTreeMap::new(),
            ends: BTreeSet::new(),
            newest: 0,
            bytes: 0,
            most_entries,
            most_bytes,
            moving: HashMap::default(),
            log: Log::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key).map(Entry::value)
    }

    /// Whether an entry of so many bytes may be in this dict at all.
    pub(super) fn admits(&self, key: usize, value: usize) -> Result<(), Refusal> {
        let bytes = key.saturating_add(value);
        let is_admitted = bytes <= limits::MAX_VALUE_BYTES && bytes as u64 <= self.most_bytes;
        if is_admitted { Ok(()) } else { Err(Refusal::TooLarge) }
    }

    /// Whether there is room for so many entries and bytes in place of so many.
    pub(super) fn has_room(&self, new: (u64, u64), old: (u64, u64)) -> Result<(), Refusal> {
        let entries = (self.entries.len() as u64).saturating_sub(old.0).saturating_add(new.0);
        let bytes = self.bytes.saturating_sub(old.1).saturating_add(new.1);
        let fits = entries <= self.most_entries && bytes <= self.most_bytes;
        if fits { Ok(()) } else { Err(Refusal::Full) }
    }

    /// Whether there certainly is room for so many entries of so many bytes together, whatever is there already.
    pub(super) fn surely_has_room(&self, entries: u64, bytes: usize) -> bool {
        self.admits(0, bytes).is_ok() && self.has_room((entries, bytes as u64), (0, 0)).is_ok()
    }

    /// Puts a value, which is there until `until`, in place of the one before.
    pub(super) fn put(
        &mut self,
        key: &[u8],
        value: Vec<u8>,
        until: Option<Instant>,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        self.admits(key.len(), value.len())?;
        let new = value.len() as u64;
        match self.entries.get(key) {
            Some(entry) => self.has_room((0, new), (0, entry.value.len() as u64))?,
            None => self.has_room((1, new + key.len() as u64), (0, 0))?,
        }
        Ok(self.place(key, value, until))
    }

    /// What moves in the value of this key.
    pub(super) fn rights(&self, key: &[u8]) -> Rights {
        self.moving.get(key).cloned().unwrap_or_default()
    }

    /// Keeps what moves in the value that is there now.
    pub(super) fn keep(&mut self, key: &[u8], rights: Rights) {
        if let Some((key, _)) = self.entries.get_key_value(key) {
            self.moving.insert(Key::clone(key), rights);
        }
    }

    /// The value of this key is another, or none.
    fn let_go(&mut self, key: &[u8]) {
        if !self.moving.is_empty() {
            self.moving.remove(key);
        }
    }

    /// The same for a value for which there is room.
    pub(super) fn place(&mut self, key: &[u8], value: Vec<u8>, until: Option<Instant>) -> Option<Vec<u8>> {
        self.let_go(key);
        let Some(entry) = self.entries.get_mut(key) else {
            self.add(Key::from(key), value, until);
            return None;
        };
        self.bytes = self.bytes - entry.value.len() as u64 + value.len() as u64;
        let before = std::mem::replace(&mut entry.value, trimmed(value));
        let number = entry.number;
        entry.version = self.log.changed(Some(entry.version), || self.order.get(&number).cloned());
        end_at(&mut self.ends, entry, until);
        Some(before)
    }

    /// Puts a copy of a value.
    pub(super) fn put_copy(&mut self, key: &[u8], value: &[u8], end: End) -> Result<(), Refusal> {
        self.admits(key.len(), value.len())?;
        let new = value.len() as u64;
        // Where there is much room what is there need not be known.
        if self.has_room((1, new + key.len() as u64), (0, 0)).is_err() {
            match self.entries.get(key) {
                Some(entry) => self.has_room((0, new), (0, entry.value.len() as u64))?,
                None => return Err(Refusal::Full),
            }
        }
        self.copy(key, value, end);
        Ok(())
    }

    /// The same for a value for which there is room; whether the key is new. The memory of the value before is used again.
    pub(super) fn copy(&mut self, key: &[u8], value: &[u8], end: End) -> bool {
        self.let_go(key);
        let Some(entry) = self.entries.get_mut(key) else {
            self.add(Key::from(key), value.to_vec(), None);
            return true;
        };
        self.bytes = self.bytes - entry.value.len() as u64 + value.len() as u64;
        entry.value.clear();
        entry.value.extend_from_slice(value);
        trim(&mut entry.value);
        let number = entry.number;
        entry.version = self.log.changed(Some(entry.version), || self.order.get(&number).cloned());
        if end == End::ForGood {
            end_at(&mut self.ends, entry, None);
        }
        false
    }

    fn add(&mut self, key: Key, value: Vec<u8>, until: Option<Instant>) {
        self.newest += 1;
        self.bytes += (key.len() + value.len()) as u64;
        let version = self.log.changed(None, || Some(Key::clone(&key)));
        if let Some(until) = until {
            self.ends.insert((until, self.newest));
        }
        self.order.insert(self.newest, Key::clone(&key));
        self.entries.insert(key, Entry { number: self.newest, version, value: trimmed(value), until });
    }

    /// Puts `tail` bytes more at the end of a value that is there, by `with`.
    pub(super) fn lengthen(
        &mut self,
        key: &[u8],
        tail: usize,
        with: impl FnOnce(&mut Vec<u8>) -> Result<u64, Refusal>,
    ) -> Result<Option<u64>, Refusal> {
        /// By how much the head may grow.
        const HEAD_GROWTH: usize = 4;
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        let more = tail.saturating_add(HEAD_GROWTH);
        self.admits(key.len(), entry.value.len().saturating_add(more))?;
        self.has_room((0, more as u64), (0, 0))?;
        let Some(entry) = self.entries.get_mut(key) else { return Ok(None) };
        let before = entry.value.len() as u64;
        let len = with(&mut entry.value)?;
        self.bytes = self.bytes - before + entry.value.len() as u64;
        let number = entry.number;
        entry.version = self.log.changed(Some(entry.version), || self.order.get(&number).cloned());
        self.let_go(key);
        Ok(Some(len))
    }

    /// The time at which the entry of this key ends, if it does so by itself.
    pub(super) fn end(&self, key: &[u8]) -> Option<Instant> {
        self.entries.get(key)?.until
    }

    /// Has the entry of this key end at `until`; whether it is there.
    pub(super) fn expire(&mut self, key: &[u8], until: Option<Instant>) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        end_at(&mut self.ends, entry, until);
        true
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<(Key, Vec<u8>)> {
        self.let_go(key);
        let (key, entry) = self.entries.remove_entry(key)?;
        self.order.remove(&entry.number);
        if let Some(until) = entry.until {
            self.ends.remove(&(until, entry.number));
        }
        self.bytes -= (key.len() + entry.value.len()) as u64;
        self.log.removed(entry.version, &key);
        Some((key, entry.value))
    }

    /// The key of the last entry in order.
    pub(super) fn last_key(&self) -> Option<&Key> {
        self.order.last_key_value().map(|(_, key)| key)
    }

    /// Removes the last entry in order.
    pub(super) fn pop(&mut self) -> Option<(Key, Vec<u8>)> {
        let key = Key::clone(self.last_key()?);
        self.remove(&key)
    }

    pub(super) fn clear(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for key in std::mem::take(&mut self.order).into_values() {
            if let Some(entry) = entries.get(&key) {
                self.log.removed(entry.version, &key);
            }
        }
        self.ends.clear();
        self.moving.clear();
        self.bytes = 0;
    }

    /// When the first entry ends by itself.
    pub(super) fn first_end(&self) -> Option<Instant> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// Removes the entries whose time is over.
    pub(super) fn drop_expired(&mut self, now: Instant) {
        while self.first_end().is_some_and(|at| at <= now) {
            let Some((_, number)) = self.ends.pop_first() else { return };
            if let Some(key) = self.order.get(&number).cloned() {
                self.remove(&key);
            }
        }
    }

    /// All entries in order, one after the other.
    pub(super) fn snapshot(&self, part: Part) -> Result<Strings, Refusal> {
        let most = self.bytes as usize + self.entries.len() * 2 * HEAD_BYTES;
        if most > limits::MAX_VALUE_BYTES && self.bytes_of(part) > limits::MAX_VALUE_BYTES {
            return Err(Refusal::TooLarge);
        }
        let mut all = Strings::with_capacity(if part == Part::Both { most } else { 0 });
        for key in self.order.values() {
            if part != Part::Values {
                all.push(key);
            }
            if part != Part::Keys {
                all.push(self.value(key).unwrap_or_default());
            }
        }
        Ok(all)
    }

    /// How many bytes a list of all entries takes, at most.
    fn bytes_of(&self, part: Part) -> usize {
        let keys = self.entries.keys().map(|key| key.len() + HEAD_BYTES);
        let values = self.entries.values().map(|entry| entry.value.len() + HEAD_BYTES);
        match part {
            Part::Keys => keys.sum(),
            Part::Values => values.sum(),
            Part::Both => keys.chain(values).sum(),
        }
    }

    fn push(&self, part: Part, key: &[u8], out: &mut Vec<u8>) {
        if part != Part::Values {
            push_bytes(out, key);
        }
        if part != Part::Keys {
            push_bytes(out, self.value(key).unwrap_or_default());
        }
    }

    /// Entries in order after the number `after`, none after `until`, up to the limits of a page.
    pub(super) fn page(&self, after: u64, until: Option<u64>, part: Part) -> Page {
        let until = until.unwrap_or(self.newest);
        let mut page = Page { entries: Vec::new(), after: None, until };
        let rest = self.order.range(after.saturating_add(1)..);
        for (count, (number, key)) in rest.take_while(|(number, _)| **number <= until).enumerate() {
            if count > 0 {
                let more = key.len() + self.value(key).map_or(0, <[u8]>::len) + 2 * HEAD_BYTES;
                if count == PAGE_ENTRIES || page.entries.len() + more > PAGE_BYTES {
                    return page;
                }
            }
            self.push(part, key, &mut page.entries);
            page.after = Some(*number);
        }
        page.after = None;
        page
    }

    /// All keys by their latest change.
    pub(super) fn by_version(&self) -> BTreeMap<u64, Key> {
        self.entries.iter().map(|(key, entry)| (entry.version, Key::clone(key))).collect()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        let sum: usize = self.entries.iter().map(|(key, entry)| key.len() + entry.value.len()).sum();
        assert_eq!(self.bytes, sum as u64);
        assert!(self.bytes <= self.most_bytes && self.entries.len() as u64 <= self.most_entries);
        assert_eq!(self.order.len(), self.entries.len());
        assert!(self.order.iter().all(|(number, key)| self.entries[key].number == *number));
        let ends = self.entries.values().filter(|entry| entry.until.is_some()).count();
        assert_eq!(self.ends.len(), ends);
    }
}

/// Has an entry end at `until`, or never.
fn end_at(ends: &mut BTreeSet<(Instant, u64)>, entry: &mut Entry, until: Option<Instant>) {
    if let Some(before) = std::mem::replace(&mut entry.until, until) {
        ends.remove(&(before, entry.number));
    }
    if let Some(until) = until {
        ends.insert((until, entry.number));
    }
}

/// Without room that nothing will use.
fn trimmed(mut value: Vec<u8>) -> Vec<u8> {
    trim(&mut value);
    value
}

fn trim(value: &mut Vec<u8>) {
    if value.capacity() > value.len() + value.len() / 2 + 16 {
        value.shrink_to_fit();
    }
}

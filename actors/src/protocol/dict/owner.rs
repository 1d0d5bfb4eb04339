//! The machine of a dict. Keys and values are bytes to it; only a function given at its creation sees more.

mod log;
#[cfg(test)]
mod model;
mod table;
#[cfg(test)]
mod tests;
mod updates;
mod watching;

use std::time::{Duration, Instant};

use callboard_core::{BodyError, ByteStrings, NodeId, limits};
use foldhash::HashMap;
use serde_bytes::ByteBuf;

use self::table::{End, Page, Table};
use super::options::Settings;
use super::wire::{Ask, Changes, Operator, Refusal, Reply, Thrown};
use crate::fault::fault;
use crate::parcel::{Parcel, Rights};
use crate::protocol::message_pack::Operation;
use crate::protocol::object::{
    AboutCasts, Asker, Effects, Functions, Owner, Refusals, Refused, Strings, TakesCasts,
};

/// What travels around a byte string in a message, at most.
const HEAD_BYTES: usize = 5;

#[derive(Debug)]
pub(crate) struct DictOwner {
    table: Table,
    functions: Functions,
    refusals: Refusals,
}

impl DictOwner {
    pub(crate) fn new(settings: impl Into<Settings>) -> Self {
        let Settings { entries, bytes, functions } = settings.into();
        Self { table: Table::new(entries, bytes), functions, refusals: Refusals::default() }
    }

    /// What is answered now; none if `asker` waits.
    fn answer(&mut self, asker: Asker, ask: Ask, now: Instant) -> Result<Option<Reply>, Refusal> {
        let table = &mut self.table;
        Ok(Some(match ask {
            Ask::Get(key) => value(table.value(&key)),
            Ask::Has(key) => Reply::Is(table.get(&key).is_some()),
            Ask::Insert(key, new, lasting) => {
                let rights = table.rights(&key);
                taken_out(table.put(&key, new.into_vec(), end(now, lasting))?, rights)
            }
            Ask::Place(key, Parcel { bytes, rights }, lasting) => {
                let rights_before = table.rights(&key);
                let before = table.put(&key, bytes.into_vec(), end(now, lasting))?;
                table.keep(&key, rights);
                taken_out(before, rights_before)
            }
            Ask::InsertNew(key, new) => {
                if table.get(&key).is_none() {
                    table.put(&key, new.into_vec(), None)?;
                }
                value(table.value(&key))
            }
            Ask::Remove(key) => {
                let rights = table.rights(&key);
                taken_out(table.remove(&key).map(|(_, value)| value), rights)
            }
            Ask::Pop => {
                let rights = table.last_key().map(|key| table.rights(key)).unwrap_or_default();
                match table.pop() {
                    Some((key, value)) if !rights.is_empty() => {
                        let parcel = Parcel { bytes: ByteBuf::from(value), rights };
                        Reply::Moved(Some(ByteBuf::from(&*key)), parcel)
                    }
                    popped => {
                        Reply::Entry(popped.map(|(key, value)| (ByteBuf::from(&*key), ByteBuf::from(value))))
                    }
                }
            }
            Ask::Len => Reply::Count(table.len() as u64),
            Ask::Clear => {
                table.clear();
                Reply::Done
            }
            Ask::GetMany(keys) => self.get_many(&keys)?,
            Ask::RemoveMany(keys) => {
                Reply::Count(keys.iter().filter(|key| table.remove(key).is_some()).count() as u64)
            }
            Ask::InsertMany(entries) => self.insert_many(&entries)?,
            Ask::Batch { expected, changes } => self.batch(&expected, changes)?,
            Ask::Snapshot(part) => Reply::Flat(table.snapshot(part)?),
            Ask::Page { after, until, part } => {
                let Page { entries, after, until } = table.page(after, until, part);
                Reply::Page { entries: ByteBuf::from(entries), after, until }
            }
            Ask::Swap { key, expected, new, keeps_end } => {
                let end = if keeps_end { table.end(&key) } else { None };
                self.swap(&key, expected, new, end)?
            }
            Ask::Number { key, operation, kind, by } => value(Some(&self.count(&key, operation, kind, &by)?)),
            Ask::Append { key, tail } => self.append(&key, tail)?,
            Ask::Update { key, function, args } => self.update(&key, &function, &args)?,
            Ask::Expire(key, lasting) => Reply::Is(table.expire(&key, end(now, lasting))),
            Ask::Casts(about) => Reply::Casts(self.refusals.hear(about)),
            Ask::BeginWatch(scope) => self.begin_watch(scope),
            Ask::Watch { key, since, wait } => return Ok(self.watch(asker, &key, since, wait)),
            Ask::DictWatchAll { since, wait } => return Ok(self.watch_all(asker, since, wait)),
        }))
    }

    fn thrown(&mut self, Thrown { operator, key, value }: Thrown<'_>) -> Result<(), Refusal> {
        match operator {
            Operator::Insert => self.table.put_copy(key, value, End::ForGood),
            Operator::Remove => {
                self.table.remove(key);
                Ok(())
            }
            Operator::Add(kind) => self.count(key, Operation::Add, kind, value).map(drop),
        }
    }

    fn get_many(&self, keys: &Strings) -> Result<Reply, Refusal> {
        let mut values = Strings::default();
        for key in keys.iter() {
            let value = self.table.value(key).unwrap_or_default();
            if values.bytes() + value.len() + HEAD_BYTES > limits::MAX_VALUE_BYTES {
                return Err(Refusal::TooLarge);
            }
            values.push(value);
        }
        Ok(Reply::Flat(values))
    }

    fn insert_many(&mut self, entries: &Strings) -> Result<Reply, Refusal> {
        if !self.table.surely_has_room(entries.len() as u64 / 2, entries.bytes()) {
            self.has_room_for(entries.pairs().map(|(key, value)| (key, Some(value))))?;
        }
        let added = entries.pairs().filter(|(key, value)| self.table.copy(key, value, End::ForGood)).count();
        Ok(Reply::Count(added as u64))
    }

    fn swap(
        &mut self,
        key: &[u8],
        expected: Option<ByteBuf>,
        new: Option<ByteBuf>,
        end: Option<Instant>,
    ) -> Result<Reply, Refusal> {
        let found = self.table.value(key);
        if found != expected.as_ref().map(|bytes| &***bytes) {
            return Ok(value(found));
        }
        match new {
            Some(new) => _ = self.table.put(key, new.into_vec(), end)?,
            None => _ = self.table.remove(key),
        }
        Ok(Reply::Done)
    }

    fn batch(&mut self, expected: &Changes, changes: Changes) -> Result<Reply, Refusal> {
        let holds = |(key, value): &(ByteBuf, Option<ByteBuf>)| {
            self.table.value(key) == value.as_ref().map(|bytes| &***bytes)
        };
        if !expected.iter().all(holds) {
            return Ok(Reply::Is(false));
        }
        self.has_room_for(
            changes.iter().map(|(key, value)| (&***key, value.as_ref().map(|bytes| &***bytes))),
        )?;
        let mut added = 0;
        for (key, value) in changes {
            match value {
                Some(value) => added += u64::from(self.table.place(&key, value.into_vec(), None).is_none()),
                None => _ = self.table.remove(&key),
            }
        }
        Ok(Reply::Count(added))
    }

    /// Whether there is room when all changes have been made; what comes between does not count.
    fn has_room_for<'a>(
        &self,
        changes: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<(), Refusal> {
        let (mut new, mut old) = ((0, 0), (0, 0));
        // The last change of a key is the one that stays.
        let mut last = HashMap::default();
        for (key, after) in changes {
            if let Some(after) = after {
                self.table.admits(key.len(), after.len())?;
            }
            last.insert(key, after);
        }
        for (key, after) in last {
            let bytes = |value: &[u8]| (key.len() + value.len()) as u64;
            if let Some(before) = self.table.value(key) {
                old = (old.0 + 1, old.1 + bytes(before));
            }
            if let Some(after) = after {
                new = (new.0 + 1, new.1 + bytes(after));
            }
        }
        self.table.has_room(new, old)
    }
}

/// A value that is the dict's no more, and what moves in it.
fn taken_out(value: Option<Vec<u8>>, rights: Rights) -> Reply {
    match value.map(ByteBuf::from) {
        Some(bytes) if !rights.is_empty() => Reply::Moved(None, Parcel { bytes, rights }),
        value => Reply::Value(value),
    }
}

impl Owner for DictOwner {
    const KIND: &'static str = "dict";

    type Ask = Ask;
    type Reply = Reply;

    fn handle(&mut self, asker: Asker, ask: Ask, now: Instant, effects: &mut Effects<Reply>) {
        self.table.drop_expired(now);
        match self.answer(asker, ask, now) {
            Ok(Some(reply)) => effects.reply(asker, reply),
            Ok(None) => {}
            Err(refusal) => effects.reply(asker, Reply::Refused(refusal)),
        }
        self.settle(effects);
    }

    fn casts(
        &mut self,
        by: NodeId,
        mut casts: ByteStrings<'_>,
        now: Instant,
        effects: &mut Effects<Reply>,
    ) -> Result<(), BodyError> {
        self.table.drop_expired(now);
        let done = casts.try_for_each(|cast| {
            if self.thrown(Thrown::read(cast?)?).is_err() {
                self.refusals.add(by);
            }
            Ok(())
        });
        fault!(ChangeUntold, return done);
        self.settle(effects);
        done
    }

    fn forget(&mut self, asker: Asker, _: &mut Effects<Reply>) {
        self.table.log.forget(asker);
    }

    fn tick(&mut self, now: Instant, effects: &mut Effects<Reply>) {
        self.table.drop_expired(now);
        self.settle(effects);
    }
}

impl TakesCasts for DictOwner {
    fn about(about: AboutCasts) -> Ask {
        Ask::Casts(about)
    }

    fn refused(reply: Reply) -> Option<Refused> {
        if let Reply::Casts(refused) = reply { Some(refused) } else { None }
    }
}

#[cfg(any(test, fuzzing))]
impl DictOwner {
    pub(crate) fn check(&self, waiting: &mut dyn Iterator<Item = Asker>) {
        self.table.check();
        assert!(self.table.log.waiting().eq(waiting), "whoever waits is to be told, and nobody else");
    }
}

fn value(bytes: Option<&[u8]>) -> Reply {
    Reply::Value(bytes.map(ByteBuf::from))
}

/// When something ends that lasts so long. A time beyond all clocks is for good.
fn end(now: Instant, lasting: Option<Duration>) -> Option<Instant> {
    now.checked_add(lasting?)
}

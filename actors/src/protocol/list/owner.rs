//! The machine of a list: byte strings in order.

mod positions;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Instant;

use callboard_core::{BodyError, ByteStrings, NodeId};
use serde_bytes::ByteBuf;

use self::positions::Positions;
use super::options::ListOptions;
use super::wire::{Ask, Cursor, Fault, Reply, to_usize};
use crate::protocol::object::{
    AboutCasts, Asker, Changes, Effects, Functions, Owner, Refusals, Refused, TakesCasts, fit_a_message,
};

/// What a page of an iteration holds at most, but one element at least.
const PAGE_ELEMENTS: usize = 1024;
const PAGE_BYTES: usize = 256 * 1024;

pub(crate) struct ListOwner {
    elements: VecDeque<ByteBuf>,
    /// What they take.
    bytes: u64,
    capacity: u64,
    capacity_bytes: u64,
    functions: Functions,
    whole: Functions,
    positions: Positions,
    refusals: Refusals,
    changes: Changes<()>,
    /// What is being asked just now has changed something.
    is_touched: bool,
}

impl ListOwner {
    pub(crate) fn new<T>(options: ListOptions<T>) -> Self {
        Self {
            elements: VecDeque::new(),
            bytes: 0,
            capacity: options.capacity,
            capacity_bytes: options.capacity_bytes,
            functions: options.functions,
            whole: options.whole,
            positions: Positions::default(),
            refusals: Refusals::default(),
            changes: Changes::default(),
            is_touched: false,
        }
    }

    fn len(&self) -> u64 {
        self.elements.len() as u64
    }

    /// Tells those who watch how it stands.
    fn tell(&mut self, effects: &mut Effects<Reply>) {
        for (watcher, ()) in self.changes.take_waiting() {
            effects.reply(watcher, self.report());
        }
    }

    fn report(&self) -> Reply {
        Reply::Report { version: self.changes.version(), len: self.len() }
    }

    fn answer(&mut self, ask: Ask) -> Result<Reply, Fault> {
        Ok(match ask {
            Ask::Push(value) => self.insert(self.elements.len(), value)?,
            Ask::PushFront(value) => self.insert(0, value)?,
            Ask::Extend(values) => self.extend(values)?,
            Ask::Insert { at, value } => {
                let at = if at == self.len() { self.elements.len() } else { self.index(at)? };
                self.insert(at, value)?
            }
            Ask::Pop => Reply::Value(self.elements.len().checked_sub(1).map(|last| self.remove(last))),
            Ask::PopFront => Reply::Value((!self.elements.is_empty()).then(|| self.remove(0))),
            Ask::Remove(at) => {
                let at = self.index(at)?;
                Reply::Value(Some(self.remove(at)))
            }
            Ask::Get(at) => Reply::Value(self.elements.get(to_usize(at)).cloned()),
            Ask::Last => Reply::Value(self.elements.back().cloned()),
            Ask::Set { at, value } => {
                let at = self.index(at)?;
                Reply::Value(Some(self.replace(at, value)?))
            }
            Ask::Swap(a, b) => self.swap(a, b)?,
            Ask::Reverse => self.reverse(),
            Ask::Len => Reply::Number(self.len()),
            Ask::Truncate(len) => self.truncate(len),
            Ask::Slice { from, to } => self.slice(from, to)?,
            Ask::TakeAll => self.take_all()?,
            Ask::Position(value) => Reply::Found(self.position(&value).map(|at| at as u64)),
            Ask::Count(value) => {
                Reply::Number(self.elements.iter().filter(|element| **element == value).count() as u64)
            }
            Ask::RemoveValue(value) => {
                let at = self.position(&value);
                at.map(|at| self.remove(at));
                Reply::Found(at.map(|at| at as u64))
            }
            Ask::CompareAndSwap { at, expected, new } => self.compare_and_swap(at, &expected, new)?,
            Ask::Update { at, name, args } => self.update(at, &name, &args)?,
            Ask::Apply { name, args } => self.apply(&name, &args)?,
            Ask::Page(cursor) => self.page(cursor)?,
            Ask::Casts(about) => Reply::Refused(self.refusals.hear(about)),
            Ask::Look | Ask::Watch { .. } => self.report(),
        })
    }

    fn index(&self, at: u64) -> Result<usize, Fault> {
        if at < self.len() {
            Ok(to_usize(at))
        } else {
            Err(Fault::OutOfBounds { index: at, len: self.len() })
        }
    }

    fn position(&self, value: &ByteBuf) -> Option<usize> {
        self.elements.iter().position(|element| element == value)
    }

    /// Whether there is room for a list of so many elements and bytes.
    fn room_for(&self, elements: u64, bytes: u64) -> Result<(), Fault> {
        if elements > self.capacity || bytes > self.capacity_bytes { Err(Fault::Full) } else { Ok(()) }
    }

    fn size_of(&self, value: &ByteBuf) -> Result<u64, Fault> {
        let size = value.len() as u64;
        if size > self.capacity_bytes || !fit_a_message([value]) { Err(Fault::TooLarge) } else { Ok(size) }
    }

    fn insert(&mut self, at: usize, value: ByteBuf) -> Result<Reply, Fault> {
        let bytes = self.bytes + self.size_of(&value)?;
        self.room_for(self.len() + 1, bytes)?;
        self.bytes = bytes;
        self.positions.inserted(at, self.elements.len());
        self.elements.insert(at, value);
        self.is_touched = true;
        Ok(Reply::Number(self.len()))
    }

    fn extend(&mut self, values: Vec<ByteBuf>) -> Result<Reply, Fault> {
        let mut bytes = self.bytes;
        for value in &values {
            bytes += self.size_of(value)?;
        }
        self.room_for(self.len() + values.len() as u64, bytes)?;
        self.bytes = bytes;
        self.is_touched = !values.is_empty();
        self.elements.extend(values);
        Ok(Reply::Number(self.len()))
    }

    fn remove(&mut self, at: usize) -> ByteBuf {
        let removed = self.elements.remove(at).unwrap_or_default();
        self.positions.removed(at, self.elements.len());
        self.bytes -= removed.len() as u64;
        self.is_touched = true;
        removed
    }

    fn replace(&mut self, at: usize, value: ByteBuf) -> Result<ByteBuf, Fault> {
        let bytes = self.bytes + self.size_of(&value)? - self.elements[at].len() as u64;
        self.room_for(self.len(), bytes)?;
        self.bytes = bytes;
        self.is_touched = true;
        Ok(std::mem::replace(&mut self.elements[at], value))
    }

    fn swap(&mut self, a: u64, b: u64) -> Result<Reply, Fault> {
        let (a, b) = (self.index(a)?, self.index(b)?);
        self.elements.swap(a, b);
        self.is_touched = a != b;
        Ok(Reply::Done)
    }

    fn reverse(&mut self) -> Reply {
        if self.elements.len() > 1 {
            self.elements.make_contiguous().reverse();
            self.positions.rearranged();
            self.is_touched = true;
        }
        Reply::Done
    }

    fn truncate(&mut self, len: u64) -> Reply {
        let len = to_usize(len);
        if len < self.elements.len() {
            self.bytes -= self.elements.range(len..).map(|element| element.len() as u64).sum::<u64>();
            self.elements.truncate(len);
            self.is_touched = true;
        }
        Reply::Done
    }

    /// What lies beyond the end is left out.
    fn slice(&self, from: u64, to: u64) -> Result<Reply, Fault> {
        let to = to_usize(to).min(self.elements.len());
        let from = to_usize(from).min(to);
        if !fit_a_message(self.elements.range(from..to)) {
            return Err(Fault::TooLarge);
        }
        Ok(Reply::Values(self.elements.range(from..to).cloned().collect()))
    }

    fn take_all(&mut self) -> Result<Reply, Fault> {
        if !fit_a_message(&self.elements) {
            return Err(Fault::TooLarge);
        }
        self.is_touched = !self.elements.is_empty();
        self.bytes = 0;
        Ok(Reply::Values(std::mem::take(&mut self.elements).into()))
    }

    fn compare_and_swap(&mut self, at: u64, expected: &ByteBuf, new: ByteBuf) -> Result<Reply, Fault> {
        let at = self.index(at)?;
        if self.elements[at] != *expected {
            return Ok(Reply::Value(Some(self.elements[at].clone())));
        }
        self.replace(at, new)?;
        Ok(Reply::Done)
    }

    fn update(&mut self, at: u64, name: &str, args: &ByteBuf) -> Result<Reply, Fault> {
        let at = self.index(at)?;
        let mut outcome = self.functions.run(name, &[&self.elements[at]], args)?;
        if !fit_a_message([&outcome.result]) {
            return Err(Fault::TooLarge);
        }
        self.replace(at, outcome.values.pop().unwrap_or_default())?;
        Ok(Reply::Value(Some(outcome.result)))
    }

    fn apply(&mut self, name: &str, args: &ByteBuf) -> Result<Reply, Fault> {
        let before: Vec<&[u8]> = self.elements.iter().map(|element| element.as_slice()).collect();
        let outcome = self.whole.run(name, &before, args)?;
        if !fit_a_message([&outcome.result]) {
            return Err(Fault::TooLarge);
        }
        let mut bytes = 0;
        for value in &outcome.values {
            bytes += self.size_of(value)?;
        }
        self.room_for(outcome.values.len() as u64, bytes)?;
        let values = VecDeque::from(outcome.values);
        if values != self.elements {
            self.elements = values;
            self.bytes = bytes;
            self.positions.rearranged();
            self.is_touched = true;
        }
        Ok(Reply::Value(Some(outcome.result)))
    }

    fn page(&self, cursor: Option<Cursor>) -> Result<Reply, Fault> {
        let from = self.positions.index(cursor).ok_or(Fault::Changed)?;
        let mut values = Vec::new();
        let mut bytes = 0;
        for element in self.elements.range(from.min(self.elements.len())..) {
            bytes += element.len();
            if !values.is_empty() && (bytes > PAGE_BYTES || values.len() == PAGE_ELEMENTS) {
                break;
            }
            values.push(element.clone());
        }
        let to = from + values.len();
        let next = (to < self.elements.len()).then(|| self.positions.cursor(to));
        Ok(Reply::Page { values, next })
    }
}

#[cfg(any(test, fuzzing))]
impl ListOwner {
    pub(crate) fn check(&self, _: &mut dyn Iterator<Item = Asker>) {
        assert_eq!(self.bytes, self.elements.iter().map(|element| element.len() as u64).sum::<u64>());
        assert!(self.len() <= self.capacity && self.bytes <= self.capacity_bytes);
    }
}

impl Owner for ListOwner {
    const KIND: &'static str = "list";

    type Ask = Ask;
    type Reply = Reply;

    fn handle(&mut self, asker: Asker, ask: Ask, _: Instant, effects: &mut Effects<Reply>) {
        if let Ask::Watch { after } = ask
            && after >= self.changes.version()
        {
            return self.changes.wait(asker, ());
        }
        self.is_touched = false;
        let reply = self.answer(ask).unwrap_or_else(Reply::Failed);
        if self.is_touched {
            self.changes.count();
            self.tell(effects);
        }
        effects.reply(asker, reply);
    }

    /// A cast is an element to append.
    fn casts(
        &mut self,
        by: NodeId,
        casts: ByteStrings<'_>,
        _: Instant,
        effects: &mut Effects<Reply>,
    ) -> Result<(), BodyError> {
        let before = self.changes.version();
        for value in casts {
            match self.insert(self.elements.len(), ByteBuf::from(value?)) {
                Ok(_) => self.changes.count(),
                Err(_) => self.refusals.add(by),
            }
        }
        if self.changes.version() > before {
            self.tell(effects);
        }
        Ok(())
    }

    fn forget(&mut self, asker: Asker, _: &mut Effects<Reply>) {
        self.changes.forget(asker);
    }
}

impl TakesCasts for ListOwner {
    fn about(about: AboutCasts) -> Ask {
        Ask::Casts(about)
    }

    fn refused(reply: Reply) -> Option<Refused> {
        if let Reply::Refused(refused) = reply { Some(refused) } else { None }
    }
}

//! Items that have been delivered to this node and that no `get` has returned yet.
//!
//! Kept as they came, as sequences of byte strings; nothing is allocated per item.

use std::collections::VecDeque;

use callboard_core::{BodyError, ByteStrings, push_bytes, push_parts};

use crate::parcel::Rights;

/// An emptied buffer up to this size is kept for the next delivery.
const KEPT_BUFFER_BYTES: usize = 64 * 1024;

/// What stands before a leased item.
const ATTEMPT_BYTES: usize = 4;

/// What stands before a leased item as it travels.
pub(super) fn leased_head(attempt: u32) -> [u8; ATTEMPT_BYTES] {
    attempt.to_le_bytes()
}

/// How the items of a delivery are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A byte string for each item.
    Plain,
    /// A byte string for each: the number of the attempt, four bytes little endian, then the item.
    Leased,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    at: usize,
    /// Of the only item here, if it has any.
    rights: Rights,
}

#[derive(Debug)]
pub(super) struct Inbox {
    form: Form,
    chunks: VecDeque<Chunk>,
    spare: Vec<u8>,
    len: usize,
    bytes: usize,
}

impl Inbox {
    pub(super) fn new(form: Form) -> Self {
        Self { form, chunks: VecDeque::new(), spare: Vec::new(), len: 0, bytes: 0 }
    }

    pub(super) fn is_leased(&self) -> bool {
        self.form == Form::Leased
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many bytes the items take, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a delivery as it came; how many items it had.
    ///
    /// # Errors
    ///
    /// It is no sequence of items; nothing is appended then.
    pub(super) fn extend(&mut self, body: &[u8]) -> Result<usize, BodyError> {
        let mut count = 0;
        for item in ByteStrings::new(body) {
            if self.form == Form::Leased && item.as_ref().is_ok_and(|item| item.len() < ATTEMPT_BYTES) {
                return Err(BodyError::NotByteStrings(0));
            }
            item?;
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.extend_from_slice(body);
        self.append(bytes, count);
        Ok(count)
    }

    /// Appends an item and what belongs to it.
    pub(super) fn extend_parcel(&mut self, item: &[u8], rights: Rights) -> usize {
        let mut bytes = Vec::new();
        push_bytes(&mut bytes, item);
        self.append(bytes, 1);
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.rights = rights;
        }
        1
    }

    /// Appends items that come from an owner in the same process.
    pub(super) fn extend_with<'a>(&mut self, items: impl Iterator<Item = &'a [u8]>) -> usize {
        let mut bytes = std::mem::take(&mut self.spare);
        let mut count = 0;
        for item in items {
            push_bytes(&mut bytes, item);
            count += 1;
        }
        self.append(bytes, count);
        count
    }

    /// Appends leased items, each with the number of its attempt, that come from an owner in the same process.
    pub(super) fn extend_leased<'a>(&mut self, items: impl Iterator<Item = (&'a [u8], u32)>) -> usize {
        let mut bytes = std::mem::take(&mut self.spare);
        let mut count = 0;
        for (item, attempt) in items {
            push_parts(&mut bytes, [&leased_head(attempt), item]);
            count += 1;
        }
        self.append(bytes, count);
        count
    }

    fn append(&mut self, bytes: Vec<u8>, count: usize) {
        self.len += count;
        self.bytes += bytes.len();
        self.chunks.push_back(Chunk { bytes, at: 0, rights: Rights::default() });
    }

    /// Moves the first item into `into`; the number of its attempt, 1 for a plain one, and what belongs to it. None if there
    /// is none.
    #[inline(always)]
    pub(super) fn pop(&mut self, into: &mut Vec<u8>) -> Option<(u32, Rights)> {
        let chunk = self.chunks.front_mut()?;
        let mut strings = ByteStrings::new(&chunk.bytes[chunk.at..]);
        let item = strings.next()?.ok()?;
        let (attempt, item) = match self.form {
            Form::Plain => (1, item),
            Form::Leased => {
                let (attempt, item) = item.split_first_chunk::<ATTEMPT_BYTES>()?;
                (u32::from_le_bytes(*attempt), item)
            }
        };
        into.clear();
        into.extend_from_slice(item);
        chunk.at += strings.position();
        self.bytes -= strings.position();
        self.len -= 1;
        let mut rights = Rights::default();
        if chunk.at == chunk.bytes.len() {
            rights = std::mem::take(&mut chunk.rights);
            self.drop_chunk();
        }
        Some((attempt, rights))
    }

    fn drop_chunk(&mut self) {
        let Some(chunk) = self.chunks.pop_front() else { return };
        if chunk.bytes.capacity() <= KEPT_BUFFER_BYTES && chunk.bytes.capacity() > self.spare.capacity() {
            self.spare = chunk.bytes;
            self.spare.clear();
        }
    }

    /// Drops all items.
    pub(super) fn clear(&mut self) {
        self.chunks.clear();
        self.len = 0;
        self.bytes = 0;
    }
}

/// Takes any bytes as deliveries: what was taken in comes out, as many items as were counted.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    for form in [Form::Plain, Form::Leased] {
        let mut inbox = Inbox::new(form);
        let (one, other) = bytes.split_at(bytes.len() / 2);
        let count: usize = [one, bytes, other].iter().filter_map(|body| inbox.extend(body).ok()).sum();
        assert_eq!(inbox.len(), count);
        let mut item = Vec::new();
        let popped = std::iter::from_fn(|| inbox.pop(&mut item)).count();
        assert_eq!((popped, inbox.len(), inbox.bytes()), (count, 0, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_leave_in_the_order_they_came_across_deliveries() {
        let mut inbox = Inbox::new(Form::Plain);
        let mut body = Vec::new();
        push_bytes(&mut body, b"one");
        push_bytes(&mut body, b"");
        assert_eq!(inbox.extend(&body), Ok(2));
        assert_eq!(inbox.extend_with([&b"three"[..]].into_iter()), 1);
        let mut item = Vec::new();
        let mut got = Vec::new();
        while inbox.pop(&mut item).is_some() {
            got.push(item.clone());
        }
        assert_eq!(got, [&b"one"[..], b"", b"three"]);
        assert_eq!((inbox.len(), inbox.bytes()), (0, 0));
    }

    #[test]
    fn leased_items_bring_the_number_of_their_attempt() {
        let mut inbox = Inbox::new(Form::Leased);
        for (attempt, item) in [(1, b"a"), (4, b"b")] {
            inbox.extend_leased([(&item[..], attempt)].into_iter());
        }
        let mut item = Vec::new();
        let mut attempt = || inbox.pop(&mut item).map(|(attempt, _)| attempt);
        assert_eq!([attempt(), attempt(), attempt()], [Some(1), Some(4), None]);
        assert_eq!(item, b"b");
    }

    #[test]
    fn a_delivery_that_is_no_sequence_of_items_changes_nothing() {
        let mut inbox = Inbox::new(Form::Leased);
        assert!(inbox.extend(b"garbage").is_err());
        let mut wrong = Vec::new();
        push_bytes(&mut wrong, b"abc");
        assert!(inbox.extend(&wrong).is_err());
        assert_eq!(inbox.len(), 0);
    }
}

//! What stands before each message in the ring.

use callboard_core::limits;
use callboard_ipc::{Need, RING_BYTES};

/// Length of a header.
pub(super) const HEADER_BYTES: usize = 8;
/// A longer message does not go through the ring but beside it, in memory of its own.
pub(super) const MAX_INLINE_BYTES: usize = 64 * 1024;

const _: () = assert!(MAX_INLINE_BYTES + HEADER_BYTES <= RING_BYTES);

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A value, encoded.
    Value,
    /// Bytes, as they are.
    Bytes,
}

/// A message as it is announced: length of its content as four bytes, number of its descriptors as two, its form and where
/// its content is as one each; all little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of content.
    pub(super) len: usize,
    /// Descriptors, that of content beside the ring included, which comes first.
    pub(super) rights: usize,
    pub(super) form: Form,
    pub(super) is_beside: bool,
}

impl Head {
    pub(super) fn new(len: usize, form: Form, rights: usize) -> Self {
        let is_beside = len > MAX_INLINE_BYTES;
        Self { len, rights: rights + usize::from(is_beside), form, is_beside }
    }

    /// What it takes until it has been read.
    pub(super) fn need(&self) -> Need {
        let (inline, beside) = if self.is_beside { (0, self.len as u64) } else { (self.len, 0) };
        Need { bytes: HEADER_BYTES + inline, rights: self.rights, beside }
    }

    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let len = (self.len as u32).to_le_bytes();
        let rights = (self.rights as u16).to_le_bytes();
        let form = u8::from(self.form == Form::Bytes);
        [len[0], len[1], len[2], len[3], rights[0], rights[1], form, u8::from(self.is_beside)]
    }

    /// The header of a message of `len` bytes that goes through the ring and takes nothing along.
    #[inline]
    pub(super) fn short(len: usize, form: Form) -> [u8; HEADER_BYTES] {
        (len as u64 | Self::short_mark(form)).to_le_bytes()
    }

    /// The length of such a message, if this is the header of one of this form.
    #[inline]
    pub(super) fn short_len(bytes: [u8; HEADER_BYTES], form: Form) -> Option<usize> {
        let len = u64::from_le_bytes(bytes) ^ Self::short_mark(form);
        (len <= MAX_INLINE_BYTES as u64).then_some(len as usize)
    }

    /// What stands beside the length.
    #[inline]
    fn short_mark(form: Form) -> u64 {
        u64::from(form == Form::Bytes) << 48
    }

    /// None if no sound end writes such a header.
    pub(super) fn decode(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let [a, b, c, d, e, f, form, beside] = bytes;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        let rights = usize::from(u16::from_le_bytes([e, f]));
        let form = match form {
            0 => Form::Value,
            1 => Form::Bytes,
            _ => return None,
        };
        let head = Self { len, rights, form, is_beside: beside == 1 };
        let is_sound =
            beside <= 1 && head.is_beside == (len > MAX_INLINE_BYTES) && rights >= usize::from(beside);
        (is_sound && len <= limits::MAX_VALUE_BYTES).then_some(head)
    }
}

/// Reads any bytes as the header of a message: what is taken for one can be read from a ring, and comes back as it was.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let Some(bytes) = bytes.first_chunk().copied() else { return };
    if let Some(head) = Head::decode(bytes) {
        assert_eq!(head.encode(), bytes);
        assert!(head.need().bytes <= RING_BYTES && head.len <= limits::MAX_VALUE_BYTES);
    }
    for form in [Form::Value, Form::Bytes] {
        if let Some(len) = Head::short_len(bytes, form) {
            assert_eq!(Head::decode(bytes), Some(Head::new(len, form, 0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were_and_others_are_refused() {
        for len in [0, 1, MAX_INLINE_BYTES, MAX_INLINE_BYTES + 1, limits::MAX_VALUE_BYTES] {
            for form in [Form::Value, Form::Bytes] {
                let head = Head::new(len, form, 3);
                assert_eq!(Head::decode(head.encode()), Some(head));
                assert_eq!(Head::short_len(head.encode(), form), None, "it has descriptors");
            }
        }
        for len in [0, 1, 255, MAX_INLINE_BYTES] {
            let [value, bytes] = [Form::Value, Form::Bytes].map(|form| Head::new(len, form, 0).encode());
            assert_eq!((Head::short(len, Form::Value), Head::short(len, Form::Bytes)), (value, bytes));
            assert_eq!(Head::short_len(value, Form::Value), Some(len));
            assert_eq!(Head::short_len(bytes, Form::Bytes), Some(len));
            assert_eq!(
                (Head::short_len(value, Form::Bytes), Head::short_len(bytes, Form::Value)),
                (None, None)
            );
        }
        assert_eq!(
            Head::short_len(Head::new(MAX_INLINE_BYTES + 1, Form::Value, 0).encode(), Form::Value),
            None
        );
        assert_eq!(Head::decode([0, 0, 0, 0, 0, 0, 2, 0]), None);
        assert_eq!(Head::decode([0, 0, 0, 0, 0, 0, 0, 2]), None);
        assert_eq!(Head::decode(Head::new(limits::MAX_VALUE_BYTES + 1, Form::Value, 0).encode()), None);
        // Content beside the ring needs its descriptor, and a short one does not go there.
        assert_eq!(Head::decode([0, 0, 2, 0, 0, 0, 0, 1]), None);
        assert_eq!(Head::decode([1, 0, 0, 0, 1, 0, 0, 1]), None);
        assert_eq!(Head::decode([0, 0, 2, 0, 1, 0, 0, 0]), None);
    }
}

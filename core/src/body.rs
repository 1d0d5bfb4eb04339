//! Bodies: values as MessagePack, and sequences of byte strings.
//!
//! The only file that knows which library does it.

use std::io::ErrorKind;

use rmp_serde::decode::Error as RmpError;
use serde::{Deserialize, Serialize};

use crate::error::BodyError;
use crate::limits::MAX_BODY_DEPTH;

/// Appends `value` to `out` and says how many bytes that took.
///
/// # Errors
///
/// [`BodyError::Encode`]; `out` is then as it was.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<usize, BodyError> {
    let before = out.len();
    let mut whole = Whole(out, before);
    serialize(value, whole.0)?;
    whole.1 = whole.0.len();
    Ok(whole.1 - before)
}

/// Appends the encoding of `value` as a MessagePack byte string and says how long that encoding is.
///
/// # Errors
///
/// [`BodyError::Encode`]; `out` is then as it was.
pub fn push_encoded<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<usize, BodyError> {
    let before = out.len();
    let mut whole = Whole(out, before);
    // Most are short. What is not is moved up by the rest of a longer head.
    whole.0.extend_from_slice(&[BIN8, 0]);
    serialize(value, whole.0)?;
    let len = whole.0.len() - before - 2;
    if let Ok(len) = u8::try_from(len) {
        whole.0[before + 1] = len;
    } else {
        let mut head = Vec::with_capacity(5);
        push_header(&mut head, len);
        whole.0.splice(before..before + 2, head);
    }
    whole.1 = whole.0.len();
    Ok(len)
}

/// Bytes that are cut back to this length unless what is appended comes to its end, also when a value's own code panics.
struct Whole<'a>(&'a mut Vec<u8>, usize);

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        self.0.truncate(self.1);
    }
}

fn serialize<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), BodyError> {
    let mut serializer = rmp_serde::Serializer::new(out);
    value.serialize(&mut serializer).map_err(|error| BodyError::Encode(error.to_string()))
}

/// Decodes one value that fills `bytes`. Text and byte strings may borrow from them.
///
/// # Errors
///
/// [`BodyError::Decode`] if this is no `T`, [`BodyError::TrailingBytes`] if it is more than one.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BodyError> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes);
    decoder.set_max_depth(MAX_BODY_DEPTH);
    let value = T::deserialize(&mut decoder).map_err(|error: RmpError| BodyError::Decode {
        expected: std::any::type_name::<T>(),
        reason: error.to_string(),
    })?;
    // The library does not say where it stopped, but it says when there is not even the first byte of something small.
    match u8::deserialize(&mut decoder) {
        Err(RmpError::InvalidMarkerRead(error)) if error.kind() == ErrorKind::UnexpectedEof => Ok(value),
        _ => Err(BodyError::TrailingBytes),
    }
}

const BIN8: u8 = 0xc4;
const BIN16: u8 = 0xc5;
const BIN32: u8 = 0xc6;

/// Appends `item` as a MessagePack byte string.
#[inline]
pub fn push_bytes(out: &mut Vec<u8>, item: &[u8]) {
    push_header(out, item.len());
    out.extend_from_slice(item);
}

/// Appends two parts as one MessagePack byte string.
#[inline]
pub fn push_parts(out: &mut Vec<u8>, [head, tail]: [&[u8]; 2]) {
    push_header(out, head.len() + tail.len());
    out.extend_from_slice(head);
    out.extend_from_slice(tail);
}

#[inline]
fn push_header(out: &mut Vec<u8>, len: usize) {
    match len {
        len @ 0..=0xff => out.extend_from_slice(&[BIN8, len as u8]),
        len @ 0x100..=0xffff => {
            out.push(BIN16);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(BIN32);
            let len = u32::try_from(len).expect("items are far below four gigabytes");
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
}

/// The byte strings of a body, one after the other. After an error there are no more.
#[derive(Clone, Debug)]
pub struct ByteStrings<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> ByteStrings<'a> {
    /// Those in `body`.
    #[inline]
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// How many bytes of the body the strings so far have taken.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn take(&mut self) -> Option<&'a [u8]> {
        let rest = &self.body[self.at..];
        let (head, len): (usize, usize) = match *rest {
            [BIN8, len, ..] => (2, usize::from(len)),
            [BIN16, a, b, ..] => (3, usize::from(u16::from_be_bytes([a, b]))),
            [BIN32, a, b, c, d, ..] => (5, u32::from_be_bytes([a, b, c, d]) as usize),
            _ => return None,
        };
        let item = rest.get(head..head.checked_add(len)?)?;
        self.at += head + len;
        Some(item)
    }
}

impl<'a> Iterator for ByteStrings<'a> {
    type Item = Result<&'a [u8], BodyError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.body.len() {
            return None;
        }
        Some(self.take().ok_or_else(|| {
            let at = std::mem::replace(&mut self.at, self.body.len());
            BodyError::NotByteStrings(at)
        }))
    }
}

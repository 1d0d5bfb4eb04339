//! The heads of encoded values, for updates that are made where the bytes are: numbers are read, counted with and written, and
//! arrays and texts made longer, without decoding what is in them.
//!
//! What is written here is what encoding the value would have written, which the tests compare.

mod readable;

use std::ops::Deref;

use serde::{Deserialize, Serialize};

pub(crate) use self::readable::readable;

/// The type of a number: what its range is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Operation {
    Add,
    Max,
    Min,
}

/// Why bytes can't be updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// They hold something else.
    WrongKind,
    /// What would come out is out of range.
    Overflow,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Whole(i128),
    Single(f32),
    Double(f64),
}

impl Kind {
    /// Each at the place of its number.
    pub(crate) const ALL: [Kind; 10] = [
        Kind::U8,
        Kind::U16,
        Kind::U32,
        Kind::U64,
        Kind::I8,
        Kind::I16,
        Kind::I32,
        Kind::I64,
        Kind::F32,
        Kind::F64,
    ];

    /// The least and the greatest; none for floats.
    fn range(self) -> Option<(i128, i128)> {
        Some(match self {
            Kind::U8 => (0, u8::MAX.into()),
            Kind::U16 => (0, u16::MAX.into()),
            Kind::U32 => (0, u32::MAX.into()),
            Kind::U64 => (0, u64::MAX.into()),
            Kind::I8 => (i8::MIN.into(), i8::MAX.into()),
            Kind::I16 => (i16::MIN.into(), i16::MAX.into()),
            Kind::I32 => (i32::MIN.into(), i32::MAX.into()),
            Kind::I64 => (i64::MIN.into(), i64::MAX.into()),
            Kind::F32 | Kind::F64 => return None,
        })
    }
}

/// What `operation` makes of the number in `before` (none: there is none yet) and the one in `by`, as encoded.
pub(crate) fn count(
    operation: Operation,
    kind: Kind,
    before: Option<&[u8]>,
    by: &[u8],
) -> Result<Number, Misfit> {
    let by = read_number(by, kind)?;
    let before = before.map(|bytes| read_number(bytes, kind)).transpose()?;
    let after = match (before, by) {
        (None, by) => by,
        (Some(Value::Whole(a)), Value::Whole(b)) => Value::Whole(match operation {
            Operation::Add => a + b,
            Operation::Max => a.max(b),
            Operation::Min => a.min(b),
        }),
        (Some(Value::Single(a)), Value::Single(b)) => {
            let sum = a + b;
            let is_over = sum.is_infinite() && a.is_finite() && b.is_finite();
            match operation {
                Operation::Add if is_over => return Err(Misfit::Overflow),
                Operation::Add => Value::Single(sum),
                Operation::Max => Value::Single(a.max(b)),
                Operation::Min => Value::Single(a.min(b)),
            }
        }
        (Some(Value::Double(a)), Value::Double(b)) => {
            let sum = a + b;
            let is_over = sum.is_infinite() && a.is_finite() && b.is_finite();
            match operation {
                Operation::Add if is_over => return Err(Misfit::Overflow),
                Operation::Add => Value::Double(sum),
                Operation::Max => Value::Double(a.max(b)),
                Operation::Min => Value::Double(a.min(b)),
            }
        }
        (Some(_), _) => return Err(Misfit::WrongKind),
    };
    if let (Value::Whole(after), Some((least, greatest))) = (after, kind.range())
        && !(least..=greatest).contains(&after)
    {
        return Err(Misfit::Overflow);
    }
    Ok(write_number(after))
}

fn read_number(bytes: &[u8], kind: Kind) -> Result<Value, Misfit> {
    let (&mark, rest) = bytes.split_first().ok_or(Misfit::WrongKind)?;
    let value = match (mark, kind) {
        (0xca, Kind::F32) => Value::Single(f32::from_be_bytes(whole(rest)?)),
        (0xcb, Kind::F64) => Value::Double(f64::from_be_bytes(whole(rest)?)),
        (_, Kind::F32 | Kind::F64) => return Err(Misfit::WrongKind),
        (0..=0x7f, _) => whole::<0>(rest).map(|_| Value::Whole(mark.into()))?,
        (0xe0..=0xff, _) => whole::<0>(rest).map(|_| Value::Whole((mark as i8).into()))?,
        (0xcc, _) => Value::Whole(u8::from_be_bytes(whole(rest)?).into()),
        (0xcd, _) => Value::Whole(u16::from_be_bytes(whole(rest)?).into()),
        (0xce, _) => Value::Whole(u32::from_be_bytes(whole(rest)?).into()),
        (0xcf, _) => Value::Whole(u64::from_be_bytes(whole(rest)?).into()),
        (0xd0, _) => Value::Whole(i8::from_be_bytes(whole(rest)?).into()),
        (0xd1, _) => Value::Whole(i16::from_be_bytes(whole(rest)?).into()),
        (0xd2, _) => Value::Whole(i32::from_be_bytes(whole(rest)?).into()),
        (0xd3, _) => Value::Whole(i64::from_be_bytes(whole(rest)?).into()),
        _ => return Err(Misfit::WrongKind),
    };
    Ok(value)
}

/// The whole rest of a number.
fn whole<const N: usize>(rest: &[u8]) -> Result<[u8; N], Misfit> {
    rest.try_into().map_err(|_| Misfit::WrongKind)
}

/// A number as encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    bytes: [u8; 9],
    len: usize,
}

impl Number {
    fn new(mark: u8, rest: &[u8]) -> Self {
        let mut bytes = [mark, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[1..=rest.len()].copy_from_slice(rest);
        Self { bytes, len: 1 + rest.len() }
    }
}

impl Deref for Number {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn write_number(value: Value) -> Number {
    let number = match value {
        Value::Single(value) => return Number::new(0xca, &value.to_be_bytes()),
        Value::Double(value) => return Number::new(0xcb, &value.to_be_bytes()),
        Value::Whole(number) => number,
    };
    match number {
        0..=0x7f => Number::new(number as u8, &[]),
        0x80..=0xff => Number::new(0xcc, &(number as u8).to_be_bytes()),
        0x100..=0xffff => Number::new(0xcd, &(number as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => Number::new(0xce, &(number as u32).to_be_bytes()),
        0x1_0000_0000.. => Number::new(0xcf, &(number as u64).to_be_bytes()),
        -32..=-1 => Number::new(number as i8 as u8, &[]),
        -0x80..-32 => Number::new(0xd0, &(number as i8).to_be_bytes()),
        -0x8000..-0x80 => Number::new(0xd1, &(number as i16).to_be_bytes()),
        -0x8000_0000..-0x8000 => Number::new(0xd2, &(number as i32).to_be_bytes()),
        _ => Number::new(0xd3, &(number as i64).to_be_bytes()),
    }
}

fn marked(mark: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + rest.len());
    bytes.push(mark);
    bytes.extend_from_slice(rest);
    bytes
}

/// What has a length at its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series {
    Array,
    Text,
}

impl Series {
    /// The encoding of one without content.
    pub(crate) fn empty(self) -> Vec<u8> {
        self.head(0)
    }

    /// The bytes of the head of `bytes`, and the length in it.
    fn read(self, bytes: &[u8]) -> Result<(usize, u32), Misfit> {
        Ok(match (self, bytes) {
            (Series::Array, &[mark @ 0x90..=0x9f, ..]) => (1, u32::from(mark & 0x0f)),
            (Series::Text, &[mark @ 0xa0..=0xbf, ..]) => (1, u32::from(mark & 0x1f)),
            (Series::Text, &[0xd9, len, ..]) => (2, len.into()),
            (Series::Array, &[0xdc, a, b, ..]) | (Series::Text, &[0xda, a, b, ..]) => {
                (3, u16::from_be_bytes([a, b]).into())
            }
            (Series::Array, &[0xdd, a, b, c, d, ..]) | (Series::Text, &[0xdb, a, b, c, d, ..]) => {
                (5, u32::from_be_bytes([a, b, c, d]))
            }
            _ => return Err(Misfit::WrongKind),
        })
    }

    fn head(self, len: u32) -> Vec<u8> {
        match (self, len) {
            (Series::Array, 0..=0x0f) => vec![0x90 | len as u8],
            (Series::Array, 0x10..=0xffff) => marked(0xdc, &(len as u16).to_be_bytes()),
            (Series::Array, _) => marked(0xdd, &len.to_be_bytes()),
            (Series::Text, 0..=0x1f) => vec![0xa0 | len as u8],
            (Series::Text, 0x20..=0xff) => marked(0xd9, &[len as u8]),
            (Series::Text, 0x100..=0xffff) => marked(0xda, &(len as u16).to_be_bytes()),
            (Series::Text, _) => marked(0xdb, &len.to_be_bytes()),
        }
    }

    /// Puts `tail`, which is `more` long, at the end of the series in `bytes`; how long that is then. After an error they are
    /// as before. Moves what is there only when the head needs more room, which happens three times in its life.
    pub(crate) fn extend(self, bytes: &mut Vec<u8>, more: u32, tail: &[u8]) -> Result<u64, Misfit> {
        let (head_bytes, len) = self.read(bytes)?;
        let len = len.checked_add(more).ok_or(Misfit::Overflow)?;
        let head = self.head(len);
        if head.len() == head_bytes {
            bytes[..head_bytes].copy_from_slice(&head);
        } else {
            bytes.splice(..head_bytes, head);
        }
        bytes.extend_from_slice(tail);
        Ok(len.into())
    }
}

#[cfg(test)]
mod tests {
    use callboard_core::encode_into;
    use proptest::prelude::*;

    use super::*;

    fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        encode_into(value, &mut out).unwrap();
        out
    }

    /// What counting makes of two numbers, as bytes.
    fn count(operation: Operation, kind: Kind, before: Option<&[u8]>, by: &[u8]) -> Result<Vec<u8>, Misfit> {
        super::count(operation, kind, before, by).map(|number| number.to_vec())
    }

    proptest! {
        #[test]
        fn sums_of_signed_numbers_are_what_encoding_them_makes(a: i64, b: i64, small: i8, narrow in 0..63u32) {
            for (a, b) in [(a, b), (a >> narrow, b >> narrow), (small.into(), b >> narrow)] {
                let sum = count(Operation::Add, Kind::I64, Some(&encoded(&a)), &encoded(&b));
                let expected = a.checked_add(b).map(|sum| encoded(&sum)).ok_or(Misfit::Overflow);
                prop_assert_eq!(sum, expected);
                let greatest = count(Operation::Max, Kind::I64, Some(&encoded(&a)), &encoded(&b));
                prop_assert_eq!(greatest, Ok(encoded(&a.max(b))));
            }
        }

        #[test]
        fn sums_of_unsigned_numbers_are_what_encoding_them_makes(a: u64, b: u64, narrow in 0..64u32) {
            let (a, b) = (a >> narrow, b >> narrow);
            let sum = count(Operation::Add, Kind::U64, Some(&encoded(&a)), &encoded(&b));
            prop_assert_eq!(sum, a.checked_add(b).map(|sum| encoded(&sum)).ok_or(Misfit::Overflow));
            let (x, y) = (a as u8, b as u8);
            let sum = count(Operation::Add, Kind::U8, Some(&encoded(&x)), &encoded(&y));
            prop_assert_eq!(sum, x.checked_add(y).map(|sum| encoded(&sum)).ok_or(Misfit::Overflow));
        }

        #[test]
        fn sums_of_floats_are_what_encoding_them_makes(a in -1e30..1e30f64, b in -1e30..1e30f64) {
            let sum = count(Operation::Add, Kind::F64, Some(&encoded(&a)), &encoded(&b));
            prop_assert_eq!(sum, Ok(encoded(&(a + b))));
            let (a, b) = (a as f32, b as f32);
            let least = count(Operation::Min, Kind::F32, Some(&encoded(&a)), &encoded(&b));
            prop_assert_eq!(least, Ok(encoded(&a.min(b))));
        }

        #[test]
        fn bytes_of_any_kind_are_read_or_refused(bytes: Vec<u8>) {
            let by = encoded(&1u64);
            let _ = count(Operation::Add, Kind::U64, Some(&bytes), &by);
            let _ = count(Operation::Add, Kind::F32, Some(&bytes), &bytes);
            let _ = Series::Array.extend(&mut bytes.clone(), 1, &by);
            let _ = Series::Text.extend(&mut bytes.clone(), 1, &by);
        }
    }

    #[test]
    fn what_is_out_of_range_or_of_another_kind_is_refused() {
        let max = encoded(&f64::MAX);
        assert_eq!(count(Operation::Add, Kind::F64, Some(&max), &max), Err(Misfit::Overflow));
        let one = encoded(&1i8);
        assert_eq!(count(Operation::Add, Kind::I8, Some(&encoded(&i8::MAX)), &one), Err(Misfit::Overflow));
        assert_eq!(count(Operation::Add, Kind::U8, Some(&encoded("1")), &one), Err(Misfit::WrongKind));
        assert_eq!(count(Operation::Add, Kind::I8, None, &one), Ok(one.clone()));
        assert_eq!(Series::Array.extend(&mut encoded("text"), 1, &one), Err(Misfit::WrongKind));
        assert_eq!(Series::Text.extend(&mut encoded(&[1]), 1, b"x"), Err(Misfit::WrongKind));
        let mut longest = marked(0xdd, &u32::MAX.to_be_bytes());
        assert_eq!(Series::Array.extend(&mut longest, 1, &one), Err(Misfit::Overflow));
    }

    /// > What is counted or appended where the dict is, is what encoding the result would have made.
    #[test]
    fn arrays_and_texts_grow_over_every_size_of_their_heads() {
        let (mut numbers, mut bytes) = (Vec::<u16>::new(), Series::Array.empty());
        for number in 0..70_000u32 {
            numbers.push(number as u16);
            let len = Series::Array.extend(&mut bytes, 1, &encoded(&(number as u16)));
            assert_eq!(len, Ok(numbers.len() as u64));
            if number < 300 || number % 1000 == 0 || (65_530..65_540).contains(&number) {
                assert_eq!(bytes, encoded(&numbers));
            }
        }
        let (mut text, mut bytes) = (String::new(), Series::Text.empty());
        for round in 0..3_000 {
            let more = if round % 7 == 0 { "" } else { "ä line\n, and more of it" };
            text.push_str(more);
            let len = Series::Text.extend(&mut bytes, more.len() as u32, more.as_bytes());
            assert_eq!(len, Ok(text.len() as u64));
            assert_eq!(bytes, encoded(&text));
        }
    }
}

//! Many byte strings in one: keys and values on their way to an owner and back, without a piece of memory for each.

use std::fmt;
use std::sync::Arc;

use callboard_core::{BodyError, ByteStrings, decode, limits, push_bytes, push_encoded};
use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::runtime::Runtime;
use crate::scope;

/// Byte strings one after the other. That they are such has been seen by the time they are decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    len: usize,
}

impl Strings {
    /// None yet, with room for so many bytes, heads included.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), len: 0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, string: &[u8]) {
        push_bytes(&mut self.bytes, string);
        self.len += 1;
    }

    /// Appends the encoding of a value.
    #[inline]
    pub(crate) fn push_encoded<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), BodyError> {
        push_encoded(&mut self.bytes, value)?;
        self.len += 1;
        Ok(())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What they take, heads included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether they travel in one message.
    pub(crate) fn fit_a_message(&self) -> bool {
        self.bytes.len() <= limits::MAX_VALUE_BYTES
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        // An error there can't be: they were pushed here, or looked through when they came.
        ByteStrings::new(&self.bytes).filter_map(Result::ok)
    }

    /// Two at a time: a key and its value.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let mut strings = self.iter();
        std::iter::from_fn(move || Some((strings.next()?, strings.next()?)))
    }

    /// Decodes them by `each`, for the node of `runtime`.
    pub(crate) fn decode_by<T>(
        &self,
        runtime: &Arc<Runtime>,
        each: impl Fn(&mut dyn Iterator<Item = &[u8]>) -> Option<Result<T, BodyError>>,
    ) -> Result<Vec<T>, BodyError> {
        scope::enter(runtime, || {
            let (mut strings, mut all) = (self.iter(), Vec::new());
            while let Some(value) = each(&mut strings) {
                all.push(value?);
            }
            Ok(all)
        })
    }

    /// Decodes them all.
    pub(crate) fn decode<T: DeserializeOwned>(&self, runtime: &Arc<Runtime>) -> Result<Vec<T>, BodyError> {
        self.decode_by(runtime, |strings| strings.next().map(decode))
    }

    /// Whether these bytes are byte strings, and how many.
    fn read(bytes: &[u8]) -> Result<usize, BodyError> {
        ByteStrings::new(bytes).try_fold(0, |len, string| string.map(|_| len + 1))
    }
}

impl<'a> FromIterator<&'a [u8]> for Strings {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(strings: I) -> Self {
        let mut all = Self::default();
        strings.into_iter().for_each(|string| all.push(string));
        all
    }
}

impl Serialize for Strings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes)
    }
}

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Strings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("byte strings in a byte string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Strings, E> {
                let len = Strings::read(bytes).map_err(E::custom)?;
                Ok(Strings { bytes: bytes.to_vec(), len })
            }
        }

        deserializer.deserialize_bytes(Whole)
    }
}

#[cfg(test)]
mod tests {
    use callboard_core::encode_into;
    use serde_bytes::ByteBuf;

    use super::*;

    fn travelled(bytes: Vec<u8>) -> Result<Strings, BodyError> {
        let mut body = Vec::new();
        encode_into(&ByteBuf::from(bytes), &mut body)?;
        decode(&body)
    }

    #[test]
    fn strings_of_every_length_arrive_as_they_were_and_broken_ones_never() {
        let all: Vec<Vec<u8>> = [0, 1, 255, 256, 65_535, 65_536].map(|len| vec![7; len]).to_vec();
        let strings: Strings = all.iter().map(Vec::as_slice).collect();
        let mut body = Vec::new();
        encode_into(&strings, &mut body).unwrap();
        let arrived: Strings = decode(&body).unwrap();
        assert_eq!((&arrived, arrived.len()), (&strings, 6));
        assert!(arrived.iter().eq(all.iter().map(Vec::as_slice)));
        assert_eq!(arrived.pairs().count(), 3);
        for broken in [&[0xc4][..], &[0xc4, 2, 1], &[0xc4, 1, 1, 7], &[0x01]] {
            assert!(travelled(broken.to_vec()).is_err(), "{broken:?}");
        }
        assert_eq!(travelled(vec![0xc4, 1, 9]).unwrap().iter().next(), Some(&[9][..]));
    }

    #[test]
    fn a_value_is_a_string_of_its_encoding_whatever_its_length() {
        for len in [0, 1, 30, 31, 250, 253, 254, 255, 256, 70_000] {
            let text = "x".repeat(len);
            let mut strings = Strings::default();
            strings.push_encoded(&text).unwrap();
            strings.push_encoded(&len).unwrap();
            let mut body = Vec::new();
            encode_into(&text, &mut body).unwrap();
            let parts: Vec<&[u8]> = strings.iter().collect();
            assert_eq!((parts[0], decode(parts[1])), (&*body, Ok(len)));
        }
    }
}

//! Values of any type drawn from bytes: whatever serde can decode comes out of it, messages that nobody sound would send too.
//!
//! Bytes that a fuzzer changes a little make values that are changed a little. When they have run out, everything is zero or
//! empty, so each value is finite. Numbers are mostly small, as those of clients, items and calls are, and now and then at
//! one of the ends.

use callboard_core::push_bytes;
use serde::Deserialize;
use serde::de::value::Error;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// How deep values may be nested. What is deeper is no value.
const MAX_DEPTH: u8 = 16;
/// What text is drawn from.
const TEXTS: [&str; 8] = ["", "a", "b", "/lines", "add", "ä", "callboard", "\u{0}"];

/// Bytes that values are drawn from.
#[derive(Debug)]
pub(crate) struct Draw<'a> {
    bytes: &'a [u8],
    depth: u8,
}

impl<'a> Draw<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, depth: 0 }
    }

    /// Whether all has been drawn.
    pub(crate) fn is_over(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *byte
    }

    /// A number below `end`, which is not zero and at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn raw(&mut self) -> u64 {
        let mut word = [0; 8];
        word.fill_with(|| self.byte());
        u64::from_le_bytes(word)
    }

    /// A number as they occur: small, or near a power of two, or anything.
    pub(crate) fn number(&mut self) -> u64 {
        let shape = self.byte();
        match shape {
            0..=159 => u64::from(shape % 20),
            160..=199 => u64::from(self.byte()),
            200..=215 => u64::from(self.byte()) << 8 | u64::from(self.byte()),
            216..=235 => u64::MAX - u64::from(shape - 216) / 4,
            236..=247 => (1 << (self.byte() % 64)) - u64::from(shape % 2),
            _ => self.raw(),
        }
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// So many of the bytes that are left, or all of them.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.bytes.split_at(count.min(self.bytes.len()));
        self.bytes = rest;
        bytes
    }

    /// A few bytes: mostly less than twenty, sometimes some hundreds.
    pub(crate) fn some_bytes(&mut self) -> &'a [u8] {
        let count = match self.byte() {
            count @ 0..=249 => usize::from(count % 20),
            _ => 300,
        };
        self.bytes(count)
    }

    /// A few byte strings one after the other, now and then with something that is none.
    pub(crate) fn strings(&mut self) -> Vec<u8> {
        let mut strings = Vec::new();
        let count = self.byte();
        for _ in 0..count % 5 {
            push_bytes(&mut strings, self.some_bytes());
        }
        if count > 250 {
            strings.extend_from_slice(self.bytes(2));
        }
        strings
    }

    /// A value; none if what was drawn is none of that type.
    pub(crate) fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        self.depth = 0;
        T::deserialize(self).ok()
    }

    fn deeper<R>(&mut self, value: impl FnOnce(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error::custom("too deep"));
        }
        self.depth += 1;
        let value = value(self);
        self.depth -= 1;
        value
    }
}

macro_rules! numbers {
    ($($name:ident $visit:ident $as:ty),*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.number() as $as)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Draw<'de> {
    type Error = Error;

    numbers!(
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64, deserialize_u128 visit_u128 u128,
        deserialize_i128 visit_i128 i128
    );

    /// What describes itself: the values of users, which are byte strings here.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.flag())
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f32(f32::from_bits(self.raw() as u32))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(f64::from_bits(self.raw()))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_char(char::from(self.byte()))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = match self.below(TEXTS.len() + 1) {
            at if at < TEXTS.len() => TEXTS[at],
            _ => std::str::from_utf8(self.some_bytes()).unwrap_or("no text"),
        };
        visitor.visit_borrowed_str(text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    /// A value, or several of them as byte strings in one.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.below(4) {
            0 => visitor.visit_borrowed_bytes(self.some_bytes()),
            1 => visitor.visit_byte_buf(super::encoded(&self.number())),
            _ => visitor.visit_byte_buf(self.strings()),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.flag() { self.deeper(|draw| visitor.visit_some(draw)) } else { visitor.visit_none() }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deeper(|draw| visitor.visit_newtype_struct(draw))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.below(6);
        self.deserialize_tuple(left, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deeper(|draw| visitor.visit_seq(Parts { draw, left: len }))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.below(4);
        self.deeper(|draw| visitor.visit_map(Parts { draw, left }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if variants.is_empty() {
            return Err(Error::custom("nothing to choose from"));
        }
        let at = self.below(variants.len());
        self.deeper(|draw| visitor.visit_enum(Choice { draw, at: at as u32 }))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.number())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Some values in a row.
struct Parts<'d, 'a> {
    draw: &'d mut Draw<'a>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Parts<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.draw).map(Some)
    }
}

impl<'de> MapAccess<'de> for Parts<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.draw)
    }
}

/// One of several forms of a value.
struct Choice<'d, 'a> {
    draw: &'d mut Draw<'a>,
    at: u32,
}

impl<'d, 'de> EnumAccess<'de> for Choice<'d, 'de> {
    type Error = Error;
    type Variant = Choice<'d, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let which: serde::de::value::U32Deserializer<Error> = self.at.into_deserializer();
        Ok((seed.deserialize(which)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.draw)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.draw.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.draw.deserialize_tuple(fields.len(), visitor)
    }
}

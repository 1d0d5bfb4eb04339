//! Updates of single values that are made where the dict is, each in one step.

use std::borrow::Borrow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::ask::{encoded, unexpected, within};
use super::error::DictError;
use super::handle::Dict;
use super::wire::{Ask, Reply, Tail};
use crate::protocol::message_pack::{Kind, Operation};
use crate::protocol::object::asked_name;

mod sealed {
    use super::Kind;

    /// The kind of a number, as the owner knows it.
    pub trait Kinded {
        #[expect(private_interfaces, reason = "nobody can name this trait")]
        const KIND: Kind;
    }
}

pub(super) use self::sealed::Kinded;

/// A number that a dict counts with where it is: whole ones of up to 64 bits, and floats.
pub trait Number: Kinded + Serialize + DeserializeOwned {}

macro_rules! numbers {
    ($($number:ty => $kind:expr),+ $(,)?) => {
        $(
            impl Kinded for $number {
                #[expect(private_interfaces, reason = "nobody can name this trait")]
                const KIND: Kind = $kind;
            }
            impl Number for $number {}
        )+
    };
}

numbers! {
    u8 => Kind::U8, u16 => Kind::U16, u32 => Kind::U32, u64 => Kind::U64, usize => Kind::U64,
    i8 => Kind::I8, i16 => Kind::I16, i32 => Kind::I32, i64 => Kind::I64, isize => Kind::I64,
    f32 => Kind::F32, f64 => Kind::F64,
}

impl<K, V: Number> Dict<K, V> {
    /// Adds to the number of a key, in one step; the sum. A key that is not there counts as zero.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`DictError::Full`]; [`DictError::Overflow`] if the sum is out of the type's range, for
    /// floats that of the finite ones. Nothing has changed then.
    pub fn add<Q>(&self, key: &Q, number: V) -> Result<V, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.count_with(Operation::Add, key, &number)
    }

    /// Raises the number of a key to `number`, unless it is greater; what it is then. A key that is not there is put.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn max<Q>(&self, key: &Q, number: V) -> Result<V, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.count_with(Operation::Max, key, &number)
    }

    /// Lowers the number of a key to `number`, unless it is less; what it is then. A key that is not there is put.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn min<Q>(&self, key: &Q, number: V) -> Result<V, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.count_with(Operation::Min, key, &number)
    }

    fn count_with<Q>(&self, operation: Operation, key: &Q, number: &V) -> Result<V, DictError>
    where
        Q: Serialize + ?Sized,
    {
        let (key, by) = (encoded(key)?, encoded(number)?);
        within([&key, &by])?;
        match self.handle.value(Ask::Number { key, operation, kind: V::KIND, by })? {
            Some(after) => Ok(after),
            None => unexpected(&Reply::Value(None)),
        }
    }
}

impl<K, E> Dict<K, Vec<E>> {
    /// Puts an element at the end of the list of a key, in one step, whoever else does the same; the length after it. A key that
    /// is not there counts as an empty list. Only the element travels.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert); [`DictError::Overflow`] beyond 4,294,967,295 elements.
    pub fn append<Q>(&self, key: &Q, element: &E) -> Result<usize, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        E: Serialize,
    {
        let (key, element) = (encoded(key)?, encoded(element)?);
        within([&key, &element])?;
        self.handle.count(Ask::Append { key, tail: Tail::Elements(1, element) })
    }

    /// Puts several elements at the end of the list of a key, together and in one step; the length after it. A key that is not
    /// there counts as an empty list, and is there afterwards, also if there are no elements.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn extend<Q>(&self, key: &Q, elements: impl IntoIterator<Item = E>) -> Result<usize, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        E: Serialize,
    {
        let key = encoded(key)?;
        let (mut count, mut bytes) = (0u32, Vec::new());
        for element in elements {
            callboard_core::encode_into(&element, &mut bytes).map_err(DictError::Encode)?;
            count = count.checked_add(1).ok_or(DictError::Overflow)?;
        }
        let bytes = ByteBuf::from(bytes);
        within([&key, &bytes])?;
        self.handle.count(Ask::Append { key, tail: Tail::Elements(count, bytes) })
    }
}

impl<K> Dict<K, String> {
    /// Puts text at the end of the text of a key, in one step; the length after it, in bytes. A key that is not there counts
    /// as an empty text.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn push_str<Q>(&self, key: &Q, text: &str) -> Result<usize, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = encoded(key)?;
        within([&key])?;
        if text.len() > callboard_core::limits::MAX_VALUE_BYTES - key.len() {
            return Err(DictError::TooLarge);
        }
        self.handle.count(Ask::Append { key, tail: Tail::Text(text.to_owned()) })
    }
}

impl<K, V> Dict<K, V> {
    /// Runs a [function](crate::DictOptions::function) of this dict on the value of a key, in one step; its answer. What it
    /// returns as the value takes the place of the one before; one that is the same as encoded changes nothing.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert), and [`DictError::Function`] if there is none of that name, if it panics, or if its types
    /// are others. After [`DictError::Decode`], which is about the answer, it has been done.
    pub fn update<Q, A, R>(&self, key: &Q, function: &str, args: A) -> Result<R, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        A: Serialize,
        R: DeserializeOwned,
    {
        let function = asked_name(function)?;
        let (key, args) = (encoded(key)?, encoded(&args)?);
        within([&key, &args])?;
        match self.handle.value(Ask::Update { key, function, args })? {
            Some(answer) => Ok(answer),
            None => unexpected(&Reply::Value(None)),
        }
    }
}

//! What a register is created with.

use std::fmt;
use std::marker::PhantomData;

use callboard_core::BodyError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::protocol::object::functions::{maybe, travelling};
use crate::protocol::object::{Functions, encode_value, fit_a_message};

/// How a register is created: with a value or without.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct RegisterOptions<T> {
    pub(super) value: Option<ByteBuf>,
    #[serde(with = "travelling")]
    pub(super) functions: Functions,
    values: PhantomData<fn(T) -> T>,
}

impl<T> fmt::Debug for RegisterOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.value.as_ref().map(|value| value.len());
        f.debug_struct("RegisterOptions").field("bytes", &bytes).field("functions", &self.functions).finish()
    }
}

impl<T> Default for RegisterOptions<T> {
    fn default() -> Self {
        Self { value: None, functions: Functions::default(), values: PhantomData }
    }
}

impl<T> Clone for RegisterOptions<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), functions: self.functions.clone(), values: PhantomData }
    }
}

impl<T> RegisterOptions<T> {
    /// A register without a value.
    pub fn empty() -> Self {
        Self::default()
    }
}

impl<T: Serialize> RegisterOptions<T> {
    /// A register that begins with `value`.
    ///
    /// # Errors
    ///
    /// [`BodyError::Encode`] if it can't be encoded, or is more than a message holds, 256 KiB less than 256 MiB.
    pub fn new(value: &T) -> Result<Self, BodyError> {
        let value = encode_value(value)?;
        if !fit_a_message([&value]) {
            return Err(BodyError::Encode(format!("{} bytes are more than a message holds", value.len())));
        }
        Ok(Self { value: Some(value), ..Self::default() })
    }
}

impl<T: Serialize + DeserializeOwned + 'static> RegisterOptions<T> {
    /// Registers a function of the value, if there is one, and an argument for [`Register::update`](crate::Register::update):
    /// it gives the new value, or none, and a result. Of two functions of one name the later one counts.
    ///
    /// It runs in the owner's process, on any of its threads, and nothing else happens to the register meanwhile: so it should
    /// be quick. It panics if it asks an object or waits for something of this crate, and handles in its argument or its value
    /// are an error. A panic is the error of who called it, unless the program is built with `panic = "abort"`. A name of more
    /// than 16 KiB is never found.
    #[must_use]
    pub fn function<A, R>(
        mut self,
        name: &str,
        function: impl Fn(Option<T>, A) -> (Option<T>, R) + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        self.functions.add(name, maybe(), function);
        self
    }
}

//! Functions that are registered with an object when it is created, and run by its owner: a read, a change and a write that
//! nothing comes between.
//!
//! They are the one exception to "an owner never decodes": what they work on is decoded and encoded here, in no node's scope,
//! so there are no handles among it. They run under the lock of the owner's cell; whoever waits within one may read a frame
//! for that cell, or ask it, and so would wait for itself: that is a panic, which is caught here as any other.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use callboard_core::{BodyError, decode};
use foldhash::HashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::value::encode_value;

/// The longest name of a function that is asked for, and the most that is told of what went wrong in one.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// Why a registered function came to nothing. The object is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum FunctionError {
    /// The object was created without a function of this name.
    #[error("no function is registered as {0}")]
    Unknown(String),
    /// It panicked, with this message, of which the first 16 KiB are told.
    #[error("the registered function panicked: {0}")]
    Panicked(String),
    /// The argument or the value can't be decoded as what the function takes, for this reason. Handles never can.
    #[error("the registered function can't be given its argument or its value: {0}")]
    Input(String),
    /// What the function returned can't be encoded, for this reason.
    #[error("what the registered function returned can't be encoded: {0}")]
    Output(String),
}

/// What a function made of values.
pub(crate) struct Outcome {
    pub(crate) values: Vec<ByteBuf>,
    pub(crate) result: ByteBuf,
}

/// How a function's values stand in the owner.
pub(crate) struct Shape<V> {
    decode: fn(&[&[u8]]) -> Result<V, BodyError>,
    encode: fn(&V) -> Result<Vec<ByteBuf>, BodyError>,
}

/// One value becomes one.
pub(crate) fn one<T: Serialize + DeserializeOwned>() -> Shape<T> {
    Shape {
        decode: |values| decode(values.first().copied().unwrap_or_default()),
        encode: |value| Ok(vec![encode_value(value)?]),
    }
}

/// One value or none becomes one or none.
pub(crate) fn maybe<T: Serialize + DeserializeOwned>() -> Shape<Option<T>> {
    Shape {
        decode: |values| values.first().map(|value| decode(value)).transpose(),
        encode: |value| value.iter().map(encode_value).collect(),
    }
}

/// All values become others, as many as there are then.
pub(crate) fn all<T: Serialize + DeserializeOwned>() -> Shape<Vec<T>> {
    Shape {
        decode: |values| values.iter().map(|value| decode(value)).collect(),
        encode: |values| values.iter().map(encode_value).collect(),
    }
}

type Erased = Arc<dyn Fn(&[&[u8]], &[u8]) -> Result<Outcome, FunctionError> + Send + Sync>;

/// Functions by name.
#[derive(Clone, Default)]
pub(crate) struct Functions(HashMap<String, Erased>);

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Functions {
    /// Registers a function; of two of one name the later one.
    pub(crate) fn add<V: 'static, A: DeserializeOwned, R: Serialize>(
        &mut self,
        name: &str,
        shape: Shape<V>,
        function: impl Fn(V, A) -> (V, R) + Send + Sync + 'static,
    ) {
        let erased = move |values: &[&[u8]], args: &[u8]| {
            let input = |error: BodyError| FunctionError::Input(shortened(error.to_string()));
            let output = |error: BodyError| FunctionError::Output(shortened(error.to_string()));
            let (value, result) =
                function((shape.decode)(values).map_err(input)?, decode(args).map_err(input)?);
            let values = (shape.encode)(&value).map_err(output)?;
            Ok(Outcome { values, result: encode_value(&result).map_err(output)? })
        };
        self.0.insert(name.to_owned(), Arc::new(erased));
    }

    /// Runs a function on values.
    pub(crate) fn run(&self, name: &str, values: &[&[u8]], args: &[u8]) -> Result<Outcome, FunctionError> {
        let function = self.0.get(name).ok_or_else(|| FunctionError::Unknown(name.to_owned()))?;
        let panicked = |text| Err(FunctionError::Panicked(shortened(text)));
        run_inside(|| function(values, args)).unwrap_or_else(panicked)
    }
}

/// The name of a function as it travels. None is registered under a longer one that anybody could ask for.
pub(crate) fn asked_name(name: &str) -> Result<String, FunctionError> {
    if name.len() > MAX_TEXT_BYTES {
        return Err(FunctionError::Unknown(shortened(name.to_owned())));
    }
    Ok(name.to_owned())
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

/// Runs a user's function under an owner's lock; the text of its panic, if it panics. What it may have left half done must
/// be copies.
pub(crate) fn run_inside<R>(function: impl FnOnce() -> R) -> Result<R, String> {
    let _inside = Inside::enter();
    catch_unwind(AssertUnwindSafe(function)).map_err(panic_text)
}

/// What a panic was thrown with, as text.
pub(crate) fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    // Dropped, it might panic again.
    std::mem::forget(panic);
    text.unwrap_or_else(|| "a value that is not text".to_owned())
}

/// Functions do not travel; options without any do.
pub(crate) mod travelling {
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Whether there are any.
    pub(crate) trait Some: Default {
        fn is_some(&self) -> bool;
    }

    pub(crate) fn serialize<F: Some, S: Serializer>(functions: &F, serializer: S) -> Result<S::Ok, S::Error> {
        if functions.is_some() {
            let why = "registered functions do not travel: create the object by a function that runs where it shall be";
            return Err(S::Error::custom(why));
        }
        serializer.serialize_unit()
    }

    pub(crate) fn deserialize<'de, F: Some, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
        <()>::deserialize(deserializer).map(|()| F::default())
    }
}

impl travelling::Some for Functions {
    fn is_some(&self) -> bool {
        !self.0.is_empty()
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// That this thread runs a function, until this is dropped.
struct Inside;

impl Inside {
    fn enter() -> Self {
        INSIDE.set(true);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

/// Called where this thread asks an object, waits or reads what has come: within a function that ends the function.
pub(crate) fn refuse_inside() {
    assert!(!INSIDE.get(), "a function that runs in an object's owner can't ask an object or wait");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(functions: &Functions, name: &str, value: u64, by: u64) -> Result<(u64, u64), FunctionError> {
        let (value, by) = (encode_value(&value).unwrap(), encode_value(&by).unwrap());
        let outcome = functions.run(name, &[&value], &by)?;
        Ok((decode(&outcome.values[0]).unwrap(), decode(&outcome.result).unwrap()))
    }

    #[test]
    fn a_function_is_given_what_was_encoded_and_a_panic_is_an_error() {
        let mut functions = Functions::default();
        functions.add("add", one(), |value: u64, by: u64| (value + by, value));
        functions.add("text", one(), |value: String, _: u64| (value, 0_u64));
        functions.add("panics", one(), |_: u64, by: u64| -> (u64, u64) { panic!("by {by}") });
        functions.add("asks", one(), |value: u64, by: u64| {
            refuse_inside();
            (value, by)
        });
        assert_eq!(run(&functions, "add", 3, 4), Ok((7, 3)));
        assert_eq!(run(&functions, "panics", 3, 4), Err(FunctionError::Panicked("by 4".to_owned())));
        assert!(matches!(run(&functions, "asks", 3, 4), Err(FunctionError::Panicked(_))));
        refuse_inside();
        assert!(matches!(run(&functions, "text", 3, 4), Err(FunctionError::Input(_))));
        assert_eq!(run(&functions, "none", 3, 4), Err(FunctionError::Unknown("none".to_owned())));
        assert_eq!(run(&functions.clone(), "add", 3, 4), Ok((7, 3)));
    }

    #[test]
    fn what_is_told_of_a_failure_and_the_name_that_travels_are_short() {
        let mut functions = Functions::default();
        functions.add("panics", one(), |_: u64, by: usize| -> (u64, u64) { panic!("{}", "ä".repeat(by)) });
        let args = encode_value(&20_000_usize).unwrap();
        match functions.run("panics", &[&encode_value(&1_u64).unwrap()], &args) {
            Err(FunctionError::Panicked(text)) => assert_eq!(text.len(), MAX_TEXT_BYTES),
            other => panic!("{:?}", other.map(|outcome| outcome.result)),
        }
        let longest = "x".repeat(MAX_TEXT_BYTES);
        assert_eq!(asked_name(&longest), Ok(longest.clone()));
        assert_eq!(asked_name(&(longest.clone() + "x")), Err(FunctionError::Unknown(longest)));
    }
}

//! Functions that run where a dict is: typed outside, bytes inside.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use callboard_core::{decode, encode_into};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::Refusal;
use crate::protocol::{run_inside, travelling};

/// The longest name of a function that is asked for, and the most that is told of what went wrong in one.
pub(super) const MAX_TEXT_BYTES: usize = 16 * 1024;

/// What a function made of a value.
pub(super) struct Updated {
    pub(super) value: Option<Vec<u8>>,
    pub(super) answer: Vec<u8>,
}

type Erased = dyn Fn(Option<&[u8]>, &[u8]) -> Result<Updated, Refusal> + Send + Sync;

/// The functions of one dict by name.
#[derive(Clone, Default)]
pub(crate) struct Functions(BTreeMap<String, Arc<Erased>>);

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl travelling::Some for Functions {
    fn is_some(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Functions {
    pub(super) fn add<V, A, R>(&mut self, name: &str, function: fn(Option<V>, A) -> (Option<V>, R))
    where
        V: Serialize + DeserializeOwned + 'static,
        A: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        let erased = move |value: Option<&[u8]>, args: &[u8]| {
            let wrong = |error: callboard_core::BodyError| Refusal::WrongKind(shortened(error.to_string()));
            let value = value.map(decode::<V>).transpose().map_err(wrong)?;
            let args = decode::<A>(args).map_err(wrong)?;
            let (value, answer) = function(value, args);
            Ok(Updated {
                value: value.as_ref().map(encoded).transpose().map_err(wrong)?,
                answer: encoded(&answer).map_err(wrong)?,
            })
        };
        self.0.insert(name.to_owned(), Arc::new(erased));
    }

    /// Runs the function of this name. Its panic is an answer like any other: it has seen copies only.
    pub(super) fn run(&self, name: &str, value: Option<&[u8]>, args: &[u8]) -> Result<Updated, Refusal> {
        let function = self.0.get(name).ok_or_else(|| Refusal::UnknownFunction(name.to_owned()))?;
        run_inside(|| function(value, args)).unwrap_or_else(|text| Err(Refusal::Panicked(shortened(text))))
    }
}

fn encoded<T: Serialize>(value: &T) -> Result<Vec<u8>, callboard_core::BodyError> {
    let mut out = Vec::new();
    encode_into(value, &mut out)?;
    Ok(out)
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

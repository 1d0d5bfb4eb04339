//! What a dict is created with.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::object::Functions;
use crate::protocol::object::functions::{maybe, travelling};

/// What a dict holds if nothing else is said.
const DEFAULT_ENTRIES: u64 = 1 << 20;
const DEFAULT_BYTES: u64 = 256 << 20;

/// The types that a dict is of, in and out: it holds none of them.
pub(super) type Types<K, V> = PhantomData<fn(K, V) -> (K, V)>;

/// What the owner is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    #[serde(with = "travelling")]
    pub(crate) functions: Functions,
}

impl Default for Settings {
    fn default() -> Self {
        Self { entries: DEFAULT_ENTRIES, bytes: DEFAULT_BYTES, functions: Functions::default() }
    }
}

/// How a dict is created.
///
/// By default it holds 1,048,576 entries and 256 MiB of keys and values as encoded, and has no functions.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct DictOptions<K, V> {
    settings: Settings,
    types: Types<K, V>,
}

impl<K, V> Default for DictOptions<K, V> {
    fn default() -> Self {
        Self { settings: Settings::default(), types: PhantomData }
    }
}

impl<K, V> Clone for DictOptions<K, V> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), types: PhantomData }
    }
}

impl<K, V> fmt::Debug for DictOptions<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DictOptions").field(&self.settings).finish()
    }
}

impl<K, V> From<DictOptions<K, V>> for Settings {
    fn from(options: DictOptions<K, V>) -> Self {
        options.settings
    }
}

impl<K, V> DictOptions<K, V> {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A dict that holds at most so many entries; zero counts as one. One more is
    /// [`DictError::Full`](crate::DictError::Full).
    #[must_use]
    pub fn capacity(mut self, entries: u64) -> Self {
        self.settings.entries = entries.max(1);
        self
    }

    /// A dict whose keys and values take at most so many bytes, as encoded. An entry beyond that alone is
    /// [`DictError::TooLarge`](crate::DictError::TooLarge), so zero refuses all.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.settings.bytes = bytes;
        self
    }

    /// Registers a function of the value of a key, if there is one, and an argument for [`Dict::update`](crate::Dict::update):
    /// it gives the new value, or none for no entry, and a result. Of two functions of one name the later one counts.
    ///
    /// It runs in the owner's process, on any of its threads, and nothing else happens to the dict meanwhile: so it should be
    /// quick. It panics if it asks an object or waits for something of this crate, and handles in its argument or its value
    /// are an error. A panic is the error of who called it, unless the program is built with `panic = "abort"`. A name of more
    /// than 16 KiB is never found.
    ///
    /// ```
    /// use callboard::DictOptions;
    ///
    /// let options: DictOptions<String, f64> = DictOptions::new().function("halve", |price: Option<f64>, (): ()| {
    ///     let half = price.map(|price| price / 2.0);
    ///     (half, half.is_some())
    /// });
    /// ```
    #[must_use]
    pub fn function<A, R>(
        mut self,
        name: &str,
        function: impl Fn(Option<V>, A) -> (Option<V>, R) + Send + Sync + 'static,
    ) -> Self
    where
        V: Serialize + DeserializeOwned + 'static,
        A: DeserializeOwned,
        R: Serialize,
    {
        self.settings.functions.add(name, maybe(), function);
        self
    }
}

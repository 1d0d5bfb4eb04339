//! What a list is created with.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::object::Functions;
use crate::protocol::object::functions::{all, one, travelling};

/// What a list holds if nothing else is said.
const DEFAULT_ELEMENTS: u64 = 1 << 20;
const DEFAULT_BYTES: u64 = 256 << 20;

/// How a list is created: empty, with room for a million elements (1,048,576) and 256 MiB of them as encoded.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ListOptions<T> {
    pub(super) capacity: u64,
    pub(super) capacity_bytes: u64,
    #[serde(with = "travelling")]
    pub(super) functions: Functions,
    #[serde(with = "travelling")]
    pub(super) whole: Functions,
    elements: PhantomData<fn(T) -> T>,
}

impl<T> fmt::Debug for ListOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListOptions")
            .field("capacity", &self.capacity)
            .field("capacity_bytes", &self.capacity_bytes)
            .field("functions", &self.functions)
            .field("list_functions", &self.whole)
            .finish()
    }
}

impl<T> Default for ListOptions<T> {
    fn default() -> Self {
        Self {
            capacity: DEFAULT_ELEMENTS,
            capacity_bytes: DEFAULT_BYTES,
            functions: Functions::default(),
            whole: Functions::default(),
            elements: PhantomData,
        }
    }
}

impl<T> Clone for ListOptions<T> {
    fn clone(&self) -> Self {
        Self {
            capacity: self.capacity,
            capacity_bytes: self.capacity_bytes,
            functions: self.functions.clone(),
            whole: self.whole.clone(),
            elements: PhantomData,
        }
    }
}

impl<T> ListOptions<T> {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A list of at most so many elements; zero counts as one. One more is [`ListError::Full`](crate::ListError::Full).
    #[must_use]
    pub fn capacity(mut self, elements: u64) -> Self {
        self.capacity = elements.max(1);
        self
    }

    /// A list whose elements take at most so many bytes, as encoded. An element beyond that alone is
    /// [`ListError::TooLarge`](crate::ListError::TooLarge), so zero refuses all.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = bytes;
        self
    }
}

impl<T: Serialize + DeserializeOwned + 'static> ListOptions<T> {
    /// Registers a function of an element and an argument for [`List::update`](crate::List::update): it gives the new element
    /// and a result. Of two functions of one name the later one counts.
    ///
    /// It runs in the owner's process, on any of its threads, and nothing else happens to the list meanwhile: so it should be
    /// quick. It panics if it asks an object or waits for something of this crate, and handles in its argument or its element
    /// are an error. A panic is the error of who called it, unless the program is built with `panic = "abort"`. A name of more
    /// than 16 KiB is never found.
    #[must_use]
    pub fn function<A, R>(
        mut self,
        name: &str,
        function: impl Fn(T, A) -> (T, R) + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        self.functions.add(name, one(), function);
        self
    }

    /// Registers a function of all elements and an argument for [`List::apply`](crate::List::apply): it gives the
    /// new elements, as many as it likes, and a result. The rest is as with [`function`](Self::function).
    ///
    /// It decodes and encodes the whole list: sorting, say, is a matter of milliseconds for some thousand elements, not
    /// for millions.
    #[must_use]
    #[doc(alias = "sort")]
    pub fn list_function<A, R>(
        mut self,
        name: &str,
        function: impl Fn(Vec<T>, A) -> (Vec<T>, R) + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        self.whole.add(name, all(), function);
        self
    }
}

//! What an array is created with.

use std::fmt;

use bytemuck::Pod;
use serde::{Deserialize, Serialize};

use crate::protocol::shared::PROCESSES;

/// How an array is created: how many elements, what they are at first, and how finely it is locked.
#[derive(Clone, Serialize, Deserialize)]
pub struct ArrayOptions<T> {
    len: usize,
    initial: Vec<T>,
    stripes: usize,
    processes: usize,
}

impl<T: Pod> ArrayOptions<T> {
    /// `len` elements of all zeros. None at all is an array too.
    pub fn new(len: usize) -> Self {
        Self { len, initial: Vec::new(), stripes: 1, processes: PROCESSES }
    }

    /// These elements.
    pub fn with(elements: impl Into<Vec<T>>) -> Self {
        let initial = elements.into();
        Self { len: initial.len(), initial, stripes: 1, processes: PROCESSES }
    }

    /// Divides the array into so many parts of about the same length, each with a lock of its own: guards of ranges in different parts do not wait
    /// for each other. One unless it is set; zero counts as one, and more than there are elements as so many. Each costs 32 bytes for every node
    /// that may use the array.
    #[must_use]
    pub fn stripes(mut self, count: usize) -> Self {
        self.stripes = count.max(1);
        self
    }

    /// How many nodes may use it at a time: 256 unless it is set. Zero counts as one.
    #[must_use]
    pub fn processes(mut self, most: usize) -> Self {
        self.processes = most.max(1);
        self
    }
}

impl<T> fmt::Debug for ArrayOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, stripes, processes, .. } = self;
        write!(f, "ArrayOptions {{ len: {len}, stripes: {stripes}, processes: {processes} }}")
    }
}

/// The same, as everybody is told who uses the array.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Laid {
    pub(super) len: usize,
    pub(super) size: usize,
    pub(super) stripes: usize,
    pub(super) processes: usize,
    /// The owner's alone.
    #[serde(skip)]
    pub(super) initial: Vec<u8>,
}

impl<T: Pod> From<ArrayOptions<T>> for Laid {
    fn from(options: ArrayOptions<T>) -> Self {
        let ArrayOptions { len, initial, stripes, processes } = options;
        let initial = bytemuck::cast_slice(&initial).to_vec();
        Self { len, size: size_of::<T>(), stripes: stripes.clamp(1, len.max(1)), processes, initial }
    }
}

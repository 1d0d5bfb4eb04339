//! What travels in the benchmarks: numbers, small structs, and blocks of bytes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Something that can be made by its number, and checked on arrival.
pub(crate) trait Item: Serialize + DeserializeOwned + Send + 'static {
    /// The item with this number.
    fn nth(number: u64) -> Self;
    /// Its number, if the item is whole.
    fn number(&self) -> u64;
}

/// What the numbers of the first `count` items add up to.
pub(crate) fn sum_of(count: u64) -> u64 {
    count * count.saturating_sub(1) / 2
}

impl Item for u64 {
    fn nth(number: u64) -> Self {
        number
    }

    fn number(&self) -> u64 {
        *self
    }
}

/// A struct as small programs send it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    id: u64,
    label: String,
    value: f64,
}

impl Item for Sample {
    fn nth(number: u64) -> Self {
        Self { id: number, label: "a label".to_owned(), value: number as f64 }
    }

    fn number(&self) -> u64 {
        // A damaged item counts as a number that no sum survives.
        if self.label == "a label" && self.value == self.id as f64 { self.id } else { u64::MAX / 3 }
    }
}

/// How many bytes a block has.
pub(crate) const BLOCK_BYTES: usize = 1024;

/// A kibibyte that travels as one byte string.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Block(#[serde(with = "serde_bytes")] Vec<u8>);

impl Item for Block {
    fn nth(number: u64) -> Self {
        let mut bytes = vec![7; BLOCK_BYTES];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Self(bytes)
    }

    fn number(&self) -> u64 {
        match self.0.first_chunk() {
            Some(number) if self.0.len() == BLOCK_BYTES => u64::from_le_bytes(*number),
            _ => u64::MAX / 3,
        }
    }
}

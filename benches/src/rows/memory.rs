//! Large byte strings through a queue, copied: the owner takes.

use callboard::QueueOptions;
use serde::{Deserialize, Serialize};

use super::queue;
use crate::harness::{Bench, Measured, Outcome, Row, Unit, limit, ours};
use crate::item::Item;
use crate::limits::stream;

/// How many may wait.
const CAPACITY: u64 = 8;
/// What a raw message is made of.
const WORD_BYTES: usize = 8;

const SMALL: usize = 64 << 10;
const MIDDLE: usize = 1 << 20;
const LARGE: usize = 16 << 20;

/// So many bytes that travel as one byte string.
#[derive(Debug, Serialize, Deserialize)]
struct Bytes<const N: usize>(#[serde(with = "serde_bytes")] Vec<u8>);

impl<const N: usize> Item for Bytes<N> {
    fn nth(number: u64) -> Self {
        let mut bytes = vec![7; N];
        bytes[..WORD_BYTES].copy_from_slice(&number.to_le_bytes());
        Self(bytes)
    }

    fn number(&self) -> u64 {
        match self.0.first_chunk() {
            // A damaged item counts as a number that no sum survives.
            Some(number) if self.0.len() == N && self.0.ends_with(&[7]) => u64::from_le_bytes(*number),
            _ => u64::MAX / 3,
        }
    }
}

pub(super) fn all() -> Vec<Row> {
    vec![
        row::<SMALL, 20_000, 50>("memory-64k", "64 KiB from one process to another by a queue"),
        row::<MIDDLE, 2_000, 10>("memory-1m", "a mebibyte from one process to another by a queue"),
        row::<LARGE, 100, 4>("memory-16m", "16 MiB from one process to another by a queue"),
    ]
}

/// `FULL` messages of `N` bytes, or `SMOKE` where nothing is measured.
fn row<const N: usize, const FULL: u64, const SMOKE: u64>(name: &'static str, about: &'static str) -> Row {
    Row {
        name,
        about,
        unit: Unit::Time,
        contestants: vec![
            ours("queue", |b| by_queue::<N>(b, b.size(FULL, SMOKE))),
            limit("raw, a write each", |b| raw::<N>(b.size(FULL, SMOKE))),
        ],
    }
}

fn by_queue<const N: usize>(bench: &Bench, count: u64) -> Outcome {
    queue::owner_takes::<Bytes<N>>(bench, count, QueueOptions::new().capacity(CAPACITY))
}

/// The same bytes over a Unix stream, without any encoding.
fn raw<const N: usize>(count: u64) -> Outcome {
    let words = (N / WORD_BYTES) as u64;
    let measured = stream::one_way(count * words, words)?;
    Ok(Measured { operations: count, ..measured })
}

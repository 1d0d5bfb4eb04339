//! What a stage does with its items, as users write it.

use std::error::Error;
use std::hash::{Hash, Hasher as _};
use std::marker::PhantomData;

use callboard_core::{BodyError, encode_into};
use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use super::wire::Output;
use crate::fnv::Fnv;

/// One stage of a pipeline: takes items, puts out others.
///
/// The value given to [`Pipeline::stage`](super::Pipeline::stage) travels to each worker, which begins with a copy of
/// it. A worker that dies is replaced by one that begins anew, and what it had not settled is worked on again: a stage
/// must not have other effects than its outputs, or ones that may happen twice.
///
/// A stage **with state** sets [`HOLDS`](Self::HOLDS): its items stay unsettled until [`flush`](Self::flush) puts out
/// what they amounted to. So totals are exact, whichever worker is killed.
pub trait Stage: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// What it takes.
    type In: Serialize + DeserializeOwned;
    /// What it puts out.
    type Out: Serialize + DeserializeOwned;

    /// Whether it keeps items in its state until `flush`.
    const HOLDS: bool = false;
    /// The most items it holds before it is flushed.
    const MAX_HELD_ITEMS: u64 = 65_536;
    /// The most bytes of items, as encoded, that it holds before it is flushed.
    const MAX_HELD_BYTES: u64 = 4 << 20;

    /// Works on one item. On an error its outputs are dropped, and the stage's [`OnError`](super::OnError) says what
    /// happens to the item. But what it has changed of `self` stays changed: change the state last.
    ///
    /// An output that can't be encoded, and more than 64 MiB of outputs for one item, are such errors too.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the item. The text is that of the error that ends the pipeline, or of the dead letter;
    /// [`OnError::Skip`](super::OnError::Skip) only counts.
    fn item(&mut self, item: Self::In, out: &mut Outputs<Self::Out>) -> Result<(), Box<dyn Error>>;

    /// Whether what it holds had better be put out now. Asked after each item of stages that hold.
    fn is_full(&self) -> bool {
        false
    }

    /// Puts out everything held and leaves the state empty. Called before items are settled: for a stage that
    /// [holds](Self::HOLDS) when it must, or the input has ended; for another one after a few items.
    ///
    /// An output that can't be encoded panics here, which ends the worker: what it held is worked on again.
    fn flush(&mut self, _out: &mut Outputs<Self::Out>) {}
}

/// What an output takes on its way beside its own bytes: a key and two lengths.
const BYTES_BESIDE: usize = 24;

/// Where a stage puts its items.
#[derive(Debug)]
pub struct Outputs<T> {
    outputs: Vec<Output>,
    bytes: usize,
    failed: Option<BodyError>,
    items: PhantomData<fn(T)>,
}

impl<T: Serialize> Outputs<T> {
    pub(super) fn new() -> Self {
        Self { outputs: Vec::new(), bytes: 0, failed: None, items: PhantomData }
    }

    /// Puts an item out, to whichever worker of the next stage is free; if that stage is partitioned, equal items go to
    /// the same worker.
    ///
    /// It leaves once the item in hand is through. If it can't be encoded, that item fails, or in
    /// [`flush`](Stage::flush) the worker; the same goes for the other two verbs.
    pub fn put(&mut self, item: &T) {
        self.push(None, item);
    }

    /// Puts an item out, to the worker of the next stage to which everything of this key goes, if that stage is
    /// partitioned.
    pub fn put_keyed(&mut self, key: &(impl Hash + ?Sized), item: &T) {
        let mut hasher = Fnv::default();
        key.hash(&mut hasher);
        self.push(Some(hasher.finish()), item);
    }

    /// Puts an item out to worker `number` of a partitioned next stage, counted round if it has fewer.
    pub fn put_to(&mut self, number: usize, item: &T) {
        self.push(Some(number as u64), item);
    }

    fn push(&mut self, key: Option<u64>, item: &T) {
        let mut bytes = Vec::new();
        match encode_into(item, &mut bytes) {
            Ok(len) => {
                self.bytes += len;
                self.outputs.push(Output { key, item: ByteBuf::from(bytes) });
            }
            Err(error) => self.failed = Some(error),
        }
    }

    /// How many bytes wait to leave.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes they take on their way, at most.
    pub(super) fn bytes_sent(&self) -> usize {
        self.bytes + self.outputs.len() * BYTES_BESIDE
    }

    /// Where the outputs are now, to come back to.
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.outputs.len(), self.bytes)
    }

    /// Drops what came after the mark.
    pub(super) fn back_to(&mut self, (len, bytes): (usize, usize)) {
        self.outputs.truncate(len);
        self.bytes = bytes;
    }

    pub(super) fn take_failure(&mut self) -> Option<BodyError> {
        self.failed.take()
    }

    pub(super) fn take(&mut self) -> Vec<Output> {
        self.bytes = 0;
        std::mem::take(&mut self.outputs)
    }
}

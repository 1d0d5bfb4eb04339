//! How a pipeline went.

use std::fmt;
use std::io;
use std::time::Duration;

use callboard_core::{BodyError, decode};
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::hub::{Figures, Letter, Spec};
use crate::process::SpawnError;

/// Why a pipeline did not come to its end.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// It has no stage.
    #[error("a pipeline needs at least one stage")]
    NoStage,
    /// A worker could not be started.
    #[error("a worker could not be started")]
    Spawn(#[source] SpawnError),
    /// A worker's thread could not be started.
    #[error("a worker's thread could not be started")]
    Thread(#[source] io::Error),
    /// An item of the source can't be encoded.
    #[error("an item of the source can't be encoded")]
    Source(#[source] BodyError),
    /// What came out of the last stage can't be decoded.
    #[error("what came out of the last stage can't be decoded")]
    Sink(#[source] BodyError),
    /// An item failed in a stage that may not fail, or the workers of a stage kept dying.
    #[error("{0}")]
    Failed(String),
}

/// What a pipeline has done. Its `Display` is a table of the stages.
#[derive(Clone, Debug)]
pub struct Report {
    /// Items taken from the source.
    pub read: u64,
    /// Items handed to the sink.
    pub delivered: u64,
    /// The stages, in their order.
    pub stages: Vec<StageReport>,
    /// Items given up; at most 1,024 of them, all are counted in their stages.
    pub dead_letters: Vec<DeadLetter>,
    /// From the start of the workers to the last item.
    pub took: Duration,
}

/// What one stage has done, all its workers together.
#[derive(Clone, Debug)]
pub struct StageReport {
    /// Its name.
    pub name: String,
    /// How many workers it had at a time.
    pub workers: usize,
    /// Items settled.
    pub taken: u64,
    /// Items put out.
    pub emitted: u64,
    /// Items that failed and were left out.
    pub skipped: u64,
    /// How often an item was tried again after an error.
    pub retried: u64,
    /// Items given up.
    pub dead_letters: u64,
    /// Workers that died and were replaced.
    pub restarts: u64,
    /// Time that workers spent working.
    pub busy: Duration,
    /// Time that workers waited for items.
    pub idle: Duration,
    /// The most items that waited in front of the stage.
    pub deepest: usize,
}

impl StageReport {
    pub(super) fn new(spec: &Spec, figures: &Figures) -> Self {
        Self {
            name: spec.name.clone(),
            workers: spec.workers,
            taken: figures.taken,
            emitted: figures.emitted,
            skipped: figures.skipped,
            retried: figures.retried,
            dead_letters: figures.dead_letters,
            restarts: figures.restarts,
            busy: Duration::from_nanos(figures.busy_nanos),
            idle: Duration::from_nanos(figures.idle_nanos),
            deepest: figures.deepest,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { read, delivered, took, .. } = self;
        writeln!(f, "{read} items read, {delivered} delivered, in {:.2} s", took.as_secs_f64())?;
        writeln!(
            f,
            "stage            workers       in      out  skipped  retried  dead  restarts  busy %  deepest"
        )?;
        for stage in &self.stages {
            let working = stage.busy.as_secs_f64();
            let share = 100.0 * working / (took.as_secs_f64() * stage.workers as f64).max(f64::MIN_POSITIVE);
            writeln!(
                f,
                "{:16} {:7} {:8} {:8} {:8} {:8} {:5} {:9} {:7.0} {:8}",
                stage.name,
                stage.workers,
                stage.taken,
                stage.emitted,
                stage.skipped,
                stage.retried,
                stage.dead_letters,
                stage.restarts,
                share,
                stage.deepest
            )?;
        }
        Ok(())
    }
}

/// An item that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stage that could not deal with it.
    pub stage: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What was wrong the last time.
    pub reason: String,
    bytes: Box<[u8]>,
}

impl DeadLetter {
    pub(super) fn new(specs: &[Spec], letter: Letter) -> Self {
        let stage = specs[letter.stage].name.clone();
        Self { stage, attempts: letter.attempts, reason: letter.reason, bytes: letter.bytes }
    }

    /// The item, as the input of its stage.
    ///
    /// # Errors
    ///
    /// [`BodyError`] if it is no `T`.
    pub fn item<T: DeserializeOwned>(&self) -> Result<T, BodyError> {
        decode(&self.bytes)
    }
}

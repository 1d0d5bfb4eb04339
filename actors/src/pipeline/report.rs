//! How a pipeline went.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use callboard_core::{BodyError, decode};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::hub::{Figures, Letter, Spec};
use crate::process::SpawnError;
use crate::runtime::Runtime;
use crate::scope;

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
    /// Items that workers are through with, those skipped or given up after an error among them; not those tried again,
    /// nor those given up because workers died of them.
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
    /// Time that workers had items in hand, by the clock: also without a core, and while their own code waited. What
    /// `flush` takes is not in it, nor what a worker did between its last report and its death.
    pub busy: Duration,
    /// Time that workers waited for items that were not there. A worker's last wait, after which nothing came, is not
    /// in it. Workers that run inline do not wait.
    pub idle: Duration,
    /// Time that workers waited for items which were withheld, because the edge behind the stage was full.
    ///
    /// A wait that was both is counted here. A worker that keeps items in its state counts as idle then.
    pub blocked: Duration,
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
            blocked: Duration::from_nanos(figures.blocked_nanos),
            deepest: figures.deepest,
        }
    }
}

impl Report {
    /// What share of its workers' time `spent` is, as text.
    fn share(&self, stage: &StageReport, spent: Duration) -> String {
        let whole = self.took.as_secs_f64() * stage.workers as f64;
        format!("{:.0}", 100.0 * spent.as_secs_f64() / whole.max(f64::MIN_POSITIVE))
    }

    fn row(&self, stage: &StageReport) -> Vec<String> {
        vec![
            stage.name.clone(),
            stage.workers.to_string(),
            stage.taken.to_string(),
            stage.emitted.to_string(),
            stage.skipped.to_string(),
            stage.retried.to_string(),
            stage.dead_letters.to_string(),
            stage.restarts.to_string(),
            self.share(stage, stage.busy),
            self.share(stage, stage.idle),
            self.share(stage, stage.blocked),
            stage.deepest.to_string(),
        ]
    }
}

const COLUMNS: [&str; 12] = [
    "stage",
    "workers",
    "in",
    "out",
    "skipped",
    "retried",
    "dead",
    "restarts",
    "busy %",
    "idle %",
    "blocked %",
    "deepest",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { read, delivered, took, .. } = self;
        writeln!(f, "{read} items read, {delivered} delivered, in {:.2} s", took.as_secs_f64())?;
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(COLUMNS);
        for stage in &self.stages {
            table.add_row(self.row(stage));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{}", table.trim_fmt())
    }
}

/// An item that was given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The stage that could not deal with it.
    pub stage: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What was wrong the last time.
    pub reason: String,
    bytes: Box<[u8]>,
    /// Handles in the item come to life on this node.
    runtime: Arc<Runtime>,
}

impl DeadLetter {
    pub(super) fn new(runtime: &Arc<Runtime>, specs: &[Spec], letter: Letter) -> Self {
        Self {
            stage: specs[letter.stage].name.clone(),
            attempts: letter.attempts,
            reason: letter.reason,
            bytes: letter.bytes,
            runtime: Arc::clone(runtime),
        }
    }

    /// The item, as the input of its stage.
    ///
    /// # Errors
    ///
    /// [`BodyError`] if it is no `T`.
    pub fn item<T: DeserializeOwned>(&self) -> Result<T, BodyError> {
        scope::enter(&self.runtime, || decode(&self.bytes))
    }
}

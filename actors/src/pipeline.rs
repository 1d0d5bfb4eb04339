//! Pipelines: items from a source through stages of workers to a sink, exact whoever is killed.
//!
//! All edges belong to the hub, in the process that runs the pipeline (`hub`, a pure machine; `cell` puts it into a slot).
//! Workers report in steps that settle items and put out what came of them at once (`worker`). The caller's thread
//! feeds the source, empties the sink, and replaces workers that have died (`run`).

mod build;
mod cell;
mod command;
mod hub;
mod report;
mod run;
mod stage;
mod wire;
mod worker;

pub use build::{Pipeline, StageOptions, Workers};
pub use command::CommandStage;
pub use hub::OnError;
pub use report::{DeadLetter, PipelineError, Report, StageReport};
pub use stage::{Outputs, Stage};

//! A pipeline of stages that do nothing: what an item costs on its way through.

use callboard::pipeline::{Outputs, Pipeline, Stage, StageOptions, Workers};
use serde::{Deserialize, Serialize};

use crate::clock::stamp;
use crate::harness::{Bench, Measured, Outcome, Row, Unit, base, check, ours};
use crate::item::sum_of;

/// How many stages there are.
const STAGES: u64 = 3;

/// Puts out what comes in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Through;

impl Stage for Through {
    type In = u64;
    type Out = u64;

    fn item(&mut self, number: u64, out: &mut Outputs<u64>) -> Result<(), Box<dyn std::error::Error>> {
        out.put(&number);
        Ok(())
    }
}

/// The same with state: an item stays unsettled until what it amounted to is put out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sum {
    count: u64,
    sum: u64,
}

impl Stage for Sum {
    type In = u64;
    type Out = (u64, u64);

    const HOLDS: bool = true;

    fn item(&mut self, number: u64, _: &mut Outputs<(u64, u64)>) -> Result<(), Box<dyn std::error::Error>> {
        self.count += 1;
        self.sum += number;
        Ok(())
    }

    fn flush(&mut self, out: &mut Outputs<(u64, u64)>) {
        let Self { count, sum } = std::mem::take(self);
        out.put(&(count, sum));
    }
}

pub(super) fn row() -> Row {
    Row {
        name: "pipeline",
        about: "a number through three stages that do nothing, a worker each",
        unit: Unit::Time,
        contestants: vec![
            ours("processes", |b| through(b, Workers::Processes, b.size(1_000_000, 5_000))),
            ours("processes, the last one sums", |b| summed(b, Workers::Processes, b.size(1_000_000, 5_000))),
            ours("threads", |b| through(b, Workers::Threads, b.size(1_000_000, 5_000))),
            base("inline", |b| through(b, Workers::Inline, b.size(1_000_000, 5_000))),
        ],
    }
}

/// Numbers from the source, and when the first one was asked for.
fn numbers(count: u64, start: &mut u64) -> impl Iterator<Item = u64> {
    (0..count).inspect(move |number| {
        if *number == 0 {
            *start = stamp();
        }
    })
}

fn stage(number: u64) -> StageOptions {
    StageOptions::new(format!("stage {number}"))
}

/// What has come out at the end, of `count` numbers.
#[derive(Default)]
struct Arrived {
    count: u64,
    so_far: u64,
    sum: u64,
    /// When the last one came.
    at: u64,
}

impl Arrived {
    fn add(&mut self, more: u64, sum: u64) {
        self.so_far += more;
        self.sum += sum;
        if self.so_far == self.count {
            self.at = stamp();
        }
    }

    fn since(&self, start: u64) -> Outcome {
        check("count", &self.so_far, &self.count)?;
        check("sum", &self.sum, &sum_of(self.count))?;
        Ok(Measured::between(self.count, start, self.at))
    }
}

fn through(bench: &Bench, workers: Workers, count: u64) -> Outcome {
    let (mut start, mut arrived) = (0, Arrived { count, ..Arrived::default() });
    let pipeline = Pipeline::source(numbers(count, &mut start))
        .stage(stage(1), Through)
        .stage(stage(2), Through)
        .stage(stage(STAGES), Through);
    pipeline.run(&bench.node, workers, |number| arrived.add(1, number))?;
    arrived.since(start)
}

/// The last stage has state, so what it took stays unsettled for a while.
fn summed(bench: &Bench, workers: Workers, count: u64) -> Outcome {
    let (mut start, mut arrived) = (0, Arrived { count, ..Arrived::default() });
    let pipeline = Pipeline::source(numbers(count, &mut start))
        .stage(stage(1), Through)
        .stage(stage(2), Through)
        .stage(stage(STAGES), Sum::default());
    pipeline.run(&bench.node, workers, |(more, part)| arrived.add(more, part))?;
    arrived.since(start)
}

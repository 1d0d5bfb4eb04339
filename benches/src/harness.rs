//! Rows, contestants, and the order in which they run.
//!
//! A row is one workload; its contestants take turns within each round, so that whatever else the machine does
//! meets all of them alike.

use std::cell::OnceCell;
use std::fmt;
use std::time::{Duration, Instant};

use callboard::Node;

use crate::clock;
use crate::rows::text::Text;
use crate::watchdog;

/// The longest that one round of one contestant may take.
const ROUND_LIMIT: Duration = Duration::from_secs(180);

/// What a contestant stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// This project.
    Ours,
    /// Another library or program.
    Peer,
    /// Raw code that does the least any implementation must do.
    Limit,
    /// The same workload of this project without what the row is about.
    Base,
}

/// How a row's figures read best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Operations a second.
    Rate,
    /// Time an operation.
    Time,
    /// Neither: what matters is CPU time and the further figures.
    Cost,
}

/// One workload.
#[derive(Debug)]
pub(crate) struct Row {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// What one operation is.
    pub(crate) about: &'static str,
    pub(crate) unit: Unit,
    pub(crate) contestants: Vec<Contestant>,
}

/// One way to do the workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// Runs one round.
    pub(crate) run: fn(&Bench) -> Outcome,
}

/// This project's way.
pub(crate) fn ours(name: &'static str, run: fn(&Bench) -> Outcome) -> Contestant {
    Contestant { name, role: Role::Ours, run }
}

/// Somebody else's way.
pub(crate) fn peer(name: &'static str, run: fn(&Bench) -> Outcome) -> Contestant {
    Contestant { name, role: Role::Peer, run }
}

/// The least that must be done.
pub(crate) fn limit(name: &'static str, run: fn(&Bench) -> Outcome) -> Contestant {
    Contestant { name, role: Role::Limit, run }
}

/// This project without what the row is about.
pub(crate) fn base(name: &'static str, run: fn(&Bench) -> Outcome) -> Contestant {
    Contestant { name, role: Role::Base, run }
}

/// What contestants get.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The root node of the run.
    pub(crate) node: Node,
    pub(crate) smoke: bool,
    /// The text to be counted, made when first asked for.
    pub(crate) text: OnceCell<Text>,
}

impl Bench {
    pub(crate) fn new(node: Node, smoke: bool) -> Self {
        Self { node, smoke, text: OnceCell::new() }
    }

    /// How many operations a round has.
    pub(crate) fn size(&self, full: u64, smoke: u64) -> u64 {
        if self.smoke { smoke } else { full }
    }

    /// The same for arguments of programs.
    pub(crate) fn pick(&self, full: &'static str, smoke: &'static str) -> &'static str {
        if self.smoke { smoke } else { full }
    }
}

/// One round of one contestant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) operations: u64,
    pub(crate) seconds: f64,
    /// CPU time of all processes that took part; if the contestant leaves it out, it is that of the whole round.
    pub(crate) cpu_seconds: Option<f64>,
    /// What else is worth knowing.
    pub(crate) notes: Vec<Note>,
}

/// A further figure of a round, such as a percentile.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

impl Measured {
    /// A round between two stamps.
    pub(crate) fn between(operations: u64, start_ns: u64, end_ns: u64) -> Self {
        let seconds = end_ns.saturating_sub(start_ns) as f64 / 1e9;
        Self { operations, seconds, ..Self::default() }
    }

    pub(crate) fn note(mut self, name: &'static str, value: f64, unit: &'static str) -> Self {
        self.notes.push(Note { name, value, unit });
        self
    }

    /// Seconds an operation.
    pub(crate) fn each(&self) -> f64 {
        self.seconds / self.operations.max(1) as f64
    }
}

/// Why there is no figure.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// It can't run here.
    Skipped(String),
    /// It ran and went wrong, which fails the whole run.
    Failed(String),
}

/// What one round gives.
pub(crate) type Outcome = Result<Measured, Trouble>;

impl Trouble {
    pub(crate) fn failed(why: impl fmt::Display) -> Self {
        Trouble::Failed(why.to_string())
    }
}

impl<E: std::error::Error> From<E> for Trouble {
    fn from(error: E) -> Self {
        Trouble::failed(error)
    }
}

/// For helper processes, which only print it.
impl From<Trouble> for Box<dyn std::error::Error> {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Skipped(why) | Trouble::Failed(why) => why.into(),
        }
    }
}

/// Fails the round unless what arrived is what was sent.
pub(crate) fn check<T: PartialEq + fmt::Debug>(what: &str, got: &T, wanted: &T) -> Result<(), Trouble> {
    if got == wanted {
        return Ok(());
    }
    Err(Trouble::Failed(format!("{what} is {got:?} instead of {wanted:?}")))
}

/// What a row gave.
#[derive(Debug)]
pub(crate) struct RowResult {
    pub(crate) row: Row,
    /// Beside the contestants: their rounds, or why there are none.
    pub(crate) results: Vec<Result<Vec<Measured>, Trouble>>,
    /// How many cores other programs kept busy meanwhile, which spoils the figures.
    pub(crate) foreign_cores: f64,
}

impl RowResult {
    /// What went wrong, one line each.
    pub(crate) fn failures(&self) -> Vec<String> {
        let pairs = self.row.contestants.iter().zip(&self.results);
        pairs
            .filter_map(|(who, result)| match result {
                Err(Trouble::Failed(why)) => Some(format!("{}, {}: {why}", self.row.name, who.name)),
                _ => None,
            })
            .collect()
    }
}

/// Runs a row; a contestant that fails or skips does not run again.
pub(crate) fn run_row(bench: &Bench, row: Row, rounds: usize) -> RowResult {
    let mut results: Vec<Result<Vec<Measured>, Trouble>> =
        row.contestants.iter().map(|_| Ok(Vec::new())).collect();
    let (start, foreign) = (Instant::now(), foreign_used());
    for _ in 0..rounds {
        for (contestant, result) in row.contestants.iter().zip(&mut results) {
            let Ok(measured) = result else { continue };
            match run_once(bench, &row, contestant) {
                Ok(round) => measured.push(round),
                Err(trouble) => *result = Err(trouble),
            }
        }
    }
    let foreign = foreign_used() - foreign;
    let foreign_cores = (foreign / start.elapsed().as_secs_f64()).max(0.0);
    RowResult { row, results, foreign_cores }
}

/// Seconds of CPU that programs other than this one have used so far.
fn foreign_used() -> f64 {
    clock::machine_used().map_or(0.0, |all| all.as_secs_f64() - clock::cpu_used().as_secs_f64())
}

fn run_once(bench: &Bench, row: &Row, contestant: &Contestant) -> Outcome {
    let _watched = watchdog::watch(format!("{}, {}", row.name, contestant.name), ROUND_LIMIT);
    let before = clock::cpu_used();
    let mut measured = (contestant.run)(bench)?;
    let used = clock::cpu_used().saturating_sub(before);
    measured.cpu_seconds.get_or_insert(used.as_secs_f64());
    Ok(measured)
}

//! Many actors in a process that is there for them alone, so that its memory is theirs.

use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::local;
use super::tally::End;
use crate::clock::{cpu_used, stamp};
use crate::harness::{Measured, Outcome, Trouble};
use crate::helper::{self, Helper};
use crate::peers::{actix, kameo, ractor};
use crate::rows::idle::resident_kib;

/// The most that a million of ours may take.
const MAX_BYTES: f64 = (1_u64 << 30) as f64;

/// What the helper prints.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    seconds: f64,
    cpu_seconds: f64,
    /// Of each, started, and when it has handled a message.
    bytes: f64,
    bytes_used: f64,
    skipped: Option<String>,
}

/// So many started by that library.
pub(crate) fn measure(library: &str, count: u64) -> Outcome {
    let args = [library.to_owned(), count.to_string()];
    let mut helper = Helper::start("actors", &args, Stdio::null(), Stdio::piped())?;
    let out = helper.child().stdout.take().ok_or(Trouble::failed("no pipe"))?;
    let text = std::io::read_to_string(out)?;
    helper.finish()?;
    let seen: Seen = serde_json::from_str(&text)?;
    if let Some(why) = seen.skipped {
        return Err(Trouble::Skipped(why));
    }
    let measured = Measured {
        operations: count,
        seconds: seen.seconds,
        cpu_seconds: Some(seen.cpu_seconds),
        ..Measured::default()
    };
    let measured = measured.note("memory of each", seen.bytes, "B");
    Ok(measured.note("after a message", seen.bytes_used, "B"))
}

/// So many of ours, which fail if all together take a gibibyte.
pub(super) fn within_a_gibibyte(count: u64) -> Outcome {
    let measured = measure("ours", count)?;
    let each =
        measured.notes.iter().find(|note| note.name == "memory of each").map_or(0.0, |note| note.value);
    let all = each * count as f64;
    if all >= MAX_BYTES {
        return Err(Trouble::failed(format!("{count} idle actors take {:.0} MiB", all / 1048576.0)));
    }
    Ok(measured.note("of all", all / 1048576.0, "MiB"))
}

/// The helper's side.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let count = helper::number(args, 1)?;
    let outcome = match args.first().map_or("", String::as_str) {
        "ours" => local::start(count),
        "kameo" => kameo::start(count),
        "ractor" => ractor::start(count),
        "actix" => actix::start(count),
        _ => Err(Trouble::failed("an unknown library")),
    };
    let note = |measured: &Measured, at: usize| measured.notes.get(at).map_or(0.0, |note| note.value);
    let seen = match outcome {
        Ok(measured) => Seen {
            seconds: measured.seconds,
            cpu_seconds: measured.cpu_seconds.unwrap_or(0.0),
            bytes: note(&measured, 0),
            bytes_used: note(&measured, 1),
            skipped: None,
        },
        Err(Trouble::Skipped(why)) => {
            Seen { seconds: 0.0, cpu_seconds: 0.0, bytes: 0.0, bytes_used: 0.0, skipped: Some(why) }
        }
        Err(trouble) => return Err(trouble.into()),
    };
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

/// A start of many, as it goes on.
#[derive(Debug)]
pub(crate) struct Started {
    resident_kib: u64,
    cpu: std::time::Duration,
    start: u64,
    end: u64,
    grown_kib: u64,
}

impl Started {
    pub(crate) fn begin() -> Result<Self, Trouble> {
        let (resident_kib, cpu) = (resident_kib()?, cpu_used());
        Ok(Self { resident_kib, cpu, start: stamp(), end: 0, grown_kib: 0 })
    }

    /// All have started.
    pub(crate) fn all_there(&mut self) -> Result<(), Trouble> {
        self.end = stamp();
        self.cpu = cpu_used().saturating_sub(self.cpu);
        self.grown_kib = resident_kib()?.saturating_sub(self.resident_kib);
        Ok(())
    }

    /// Each of them handles a one.
    pub(crate) fn all_handled(self, end: &End, count: u64) -> Outcome {
        end.measured(count, self.start, count)?;
        let used_kib = resident_kib()?.saturating_sub(self.resident_kib);
        let each = |kib: u64| kib as f64 * 1024.0 / count as f64;
        let mut measured = Measured::between(count, self.start, self.end);
        measured.cpu_seconds = Some(self.cpu.as_secs_f64());
        measured = measured.note("memory of each", each(self.grown_kib), "B");
        Ok(measured.note("after a message", each(used_kib), "B"))
    }
}

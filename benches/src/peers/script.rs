//! Programs in other languages, which measure themselves and print what they found as one line of JSON.

use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::harness::{Measured, Outcome, Trouble};

/// The exit code of a script that lacks a library.
const MISSING: i32 = 77;

/// What a script prints.
#[derive(Debug, Deserialize)]
struct Printed {
    operations: u64,
    seconds: f64,
    cpu_seconds: f64,
    #[serde(default)]
    p50_us: Option<f64>,
    #[serde(default)]
    p99_us: Option<f64>,
    #[serde(default)]
    memory_bytes: Option<f64>,
}

/// Runs a program to its end and reads what it prints. One that is not installed is skipped.
pub(super) fn output(command: &mut Command, what: &str) -> Result<Vec<u8>, Trouble> {
    let result = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = match result {
        Err(error) => {
            let program = command.get_program().to_string_lossy();
            return Err(Trouble::Skipped(format!("{program}: {error}")));
        }
        Ok(output) => output,
    };
    if output.status.code() == Some(MISSING) {
        return Err(Trouble::Skipped(format!("{what}: not installed")));
    }
    if !output.status.success() {
        return Err(Trouble::Failed(format!("{what}: {}", output.status)));
    }
    Ok(output.stdout)
}

/// Runs a script, one workload and its sizes.
pub(super) fn measured(command: &mut Command, what: &str) -> Outcome {
    let printed: Printed = serde_json::from_slice(&output(command, what)?)?;
    let mut measured = Measured {
        operations: printed.operations,
        seconds: printed.seconds,
        cpu_seconds: Some(printed.cpu_seconds),
        ..Measured::default()
    };
    if let (Some(p50), Some(p99)) = (printed.p50_us, printed.p99_us) {
        measured = measured.note("p50", p50, "us").note("p99", p99, "us");
    }
    if let Some(bytes) = printed.memory_bytes {
        measured = measured.note("memory of each", bytes, "B");
    }
    Ok(measured)
}

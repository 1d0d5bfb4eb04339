//! Python's `multiprocessing`, in small scripts that measure themselves and print what they found.

use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::harness::{Measured, Outcome, Trouble};

/// Where the scripts lie.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

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
}

/// Runs a script with its arguments, one workload and its sizes.
pub(crate) fn run(script: &str, args: &[&str]) -> Outcome {
    let result = Command::new("python3")
        // Without compiled copies of the scripts beside them.
        .arg("-B")
        .arg(format!("{SCRIPTS}/{script}"))
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = match result {
        Err(error) => return Err(Trouble::Skipped(format!("python3: {error}"))),
        Ok(output) => output,
    };
    if !output.status.success() {
        return Err(Trouble::Failed(format!("{script} {args:?}: {}", output.status)));
    }
    let printed: Printed = serde_json::from_slice(&output.stdout)?;
    let mut measured = Measured {
        operations: printed.operations,
        seconds: printed.seconds,
        cpu_seconds: Some(printed.cpu_seconds),
        ..Measured::default()
    };
    if let (Some(p50), Some(p99)) = (printed.p50_us, printed.p99_us) {
        measured = measured.note("p50", p50, "us").note("p99", p99, "us");
    }
    Ok(measured)
}

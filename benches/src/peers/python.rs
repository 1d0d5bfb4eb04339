//! Python's `multiprocessing`, in small scripts.

use std::process::Command;

use super::script;
use crate::harness::Outcome;

/// Where the scripts lie.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

/// Runs a script with its arguments, one workload and its sizes.
pub(crate) fn run(script: &str, args: &[&str]) -> Outcome {
    let mut command = Command::new("python3");
    // Without compiled copies of the scripts beside them.
    command.arg("-B").arg(format!("{SCRIPTS}/{script}")).args(args);
    script::measured(&mut command, &format!("{script} {args:?}"))
}

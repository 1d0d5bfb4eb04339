//! The targets for a moment, with bytes that are the same every time, and with those that once found something.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{TARGETS, run};

/// How many inputs each target is given at least.
const INPUTS: usize = 300;
/// And for how long, if there is more time.
const WITHIN: Duration = Duration::from_millis(150);

/// > Whatever bytes a peer, a child or a guest sends, nobody panics over them and nothing is forgotten.
#[test]
fn no_bytes_break_what_reads_them() {
    for (name, target) in TARGETS {
        let mut chance = fastrand::Rng::with_seed(0x5eed);
        let begun = Instant::now();
        let mut at = 0;
        while at < INPUTS || begun.elapsed() < WITHIN {
            let mut input = vec![0; chance.usize(0..400)];
            chance.fill(&mut input);
            let failed = std::panic::catch_unwind(|| target(&input)).is_err();
            assert!(!failed, "input {at} of {name}: {input:?}");
            at += 1;
        }
    }
}

#[test]
fn what_once_broke_something_does_not_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/regressions");
    let mut count = 0;
    for (name, _) in TARGETS {
        let Ok(inputs) = std::fs::read_dir(folder.join(name)) else { continue };
        for input in inputs {
            let path = input.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(std::panic::catch_unwind(|| run(name, &bytes)).is_ok(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 0, "no inputs in {}", folder.display());
}

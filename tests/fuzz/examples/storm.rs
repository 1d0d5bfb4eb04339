//! The targets without a fuzzer: many inputs in a short time, of a seeded generator, and by changes of those that a fuzzer has kept.
//!
//! `RUSTFLAGS="--cfg fuzzing" cargo run --release --example storm -- TARGET COUNT SEED [FOLDER]`. What fails is left in a file, whose name is told.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// No input may take longer, nor may the process hold more.
const MAX_TIME: Duration = Duration::from_secs(2);
const MAX_BYTES: u64 = 1 << 30;
/// The longest input.
const MAX_LEN: usize = 160;

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, name, count, seed, folder @ ..] = &args[..] else {
        eprintln!("storm TARGET COUNT SEED [FOLDER]");
        std::process::exit(2);
    };
    let (count, seed): (u64, u64) = (count.parse().expect("a count"), seed.parse().expect("a seed"));
    let all = callboard::fuzzing::TARGETS.iter().chain(callboard_ipc::fuzzing::TARGETS.iter());
    let (_, target) = all.into_iter().find(|(known, _)| known == name).expect("a target of that name");
    let kept: Vec<Vec<u8>> = folder
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .filter_map(|entry| fs::read(entry.path()).ok())
        .collect();
    let mut chance = Chance(seed | 1);
    let (mut input, begun, mut slowest) = (Vec::new(), Instant::now(), Duration::ZERO);
    for at in 0..count {
        make(&mut input, &kept, &mut chance);
        let since = Instant::now();
        let failed = catch_unwind(AssertUnwindSafe(|| target(&input))).is_err();
        slowest = slowest.max(since.elapsed());
        if failed || slowest > MAX_TIME {
            let path = format!("storm-{name}-{seed}-{at}");
            fs::write(&path, &input).expect("the input can be written");
            eprintln!("input {at} of {name} failed after {slowest:?}: {path}");
            std::process::exit(1);
        }
        if at % 100_000 == 0 {
            assert!(resident_bytes() < MAX_BYTES, "it grows: {} bytes after {at} inputs", resident_bytes());
        }
    }
    let (took, bytes) = (begun.elapsed(), resident_bytes());
    println!("{name}: {count} inputs in {took:?}, the slowest in {slowest:?}; {bytes} bytes at the end");
}

/// The next input: one of those kept with a few changes, or anything.
fn make(input: &mut Vec<u8>, kept: &[Vec<u8>], chance: &mut Chance) {
    input.clear();
    if kept.is_empty() || chance.below(8) == 0 {
        let len = chance.below(MAX_LEN);
        input.extend((0..len).map(|_| (chance.next() >> 24) as u8));
        return;
    }
    input.extend_from_slice(&kept[chance.below(kept.len())]);
    for _ in 0..1 + chance.below(5) {
        let at = chance.below(input.len());
        match chance.below(6) {
            0 | 1 if !input.is_empty() => input[at] = (chance.next() >> 24) as u8,
            2 if !input.is_empty() => input[at] = input[at].wrapping_add(1),
            3 if !input.is_empty() => _ = input.remove(at),
            4 => {
                let other = &kept[chance.below(kept.len())];
                let (from, to) = (chance.below(other.len()), chance.below(other.len()));
                let part = other[from.min(to)..from.max(to)].iter().copied();
                input.splice(at..at, part);
            }
            _ => input.insert(at, (chance.next() >> 24) as u8),
        }
    }
    input.truncate(MAX_LEN);
}

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * 4096)
}

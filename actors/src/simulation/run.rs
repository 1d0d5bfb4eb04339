//! Plays schedules by the thousand, and tells of the one that goes wrong.

use std::any::Any;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Schedule;
use crate::fault::{Fault, plant};

/// How many schedules each owner gets.
const SCHEDULES: &str = "CALLBOARD_SCHEDULES";
/// The seed of the first one.
const SEED: &str = "CALLBOARD_SEED";

/// How many schedules a planted fault may need to be found.
const MOST_TO_FIND: u64 = 100_000;

/// A schedule in which a promise was broken.
#[derive(Debug)]
struct Violation {
    seed: u64,
    why: String,
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
}

fn outcome(schedule: &mut Schedule, play: fn(&mut Schedule)) -> Option<String> {
    let played = catch_unwind(AssertUnwindSafe(|| play(schedule)));
    played.err().map(|panic| text_of(&*panic))
}

fn first_violation(first: u64, count: u64, play: fn(&mut Schedule)) -> Option<Violation> {
    (0..count).map(|at| first.wrapping_add(at)).find_map(|seed| {
        let why = outcome(&mut Schedule::new(seed), play)?;
        Some(Violation { seed, why })
    })
}

/// Plays a violation once more and tells what led to it.
fn story(owner: &str, violation: &Violation, play: fn(&mut Schedule)) -> String {
    let Violation { seed, why } = violation;
    let mut schedule = Schedule::written(*seed);
    let again = outcome(&mut schedule, play);
    let steps: Vec<&str> = schedule.steps().collect();
    let again = match again {
        Some(again) if again == *why => String::new(),
        again => format!("\nit went otherwise the second time: {again:?}"),
    };
    format!(
        "{owner}, schedule {seed}: {why}{again}\n\nthe last steps:\n{}\n\nagain: {SEED}={seed} {SCHEDULES}=1 cargo \
         test -p callboard --lib simulated::{owner}",
        steps.join("\n")
    )
}

/// Plays `few` schedules of an owner, or as many as `CALLBOARD_SCHEDULES` says, from the seed in `CALLBOARD_SEED`, else zero. The
/// test that does so has the owner's name, in a module named `simulated`.
///
/// # Panics
///
/// At the first violation, with the last steps that led to it; or if a schedule does not hang on its seed alone.
pub(crate) fn run(owner: &str, few: u64, play: fn(&mut Schedule)) {
    let first = number(SEED).unwrap_or(0);
    let count = number(SCHEDULES).unwrap_or(few);
    if let Some(violation) = first_violation(first, count, play) {
        panic!("{}", story(owner, &violation, play));
    }
    let fingerprint = || {
        let mut schedule = Schedule::new(first);
        play(&mut schedule);
        schedule.fingerprint()
    };
    assert_eq!(
        fingerprint(),
        fingerprint(),
        "{owner}, schedule {first}: the same seed makes another schedule"
    );
    println!("{owner}: {count} schedules from seed {first}, no violation");
}

/// Whether the schedules find that fault, and tells how many they needed.
///
/// # Panics
///
/// If it is not found in 100,000 of them, or if the story of it does not lead to it again.
pub(crate) fn finds(fault: Fault, play: fn(&mut Schedule)) {
    plant(fault, || {
        let found = first_violation(0, MOST_TO_FIND, play);
        let found = found.unwrap_or_else(|| panic!("{fault:?} was not found in {MOST_TO_FIND} schedules"));
        let story = story("planted", &found, play);
        assert!(!story.contains("otherwise"), "{story}");
        println!("{fault:?} was found in schedule {}: {}", found.seed + 1, found.why.replace('\n', " "));
    });
}

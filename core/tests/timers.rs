//! Timers against a model: a `BTreeMap` by time and order of insertion.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use callboard_core::{TimerKey, Timers};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Step {
    /// Due so many ticks after the start, which may be in the past.
    Insert(u64),
    /// Any key that was ever handed out, also those that are due or cancelled.
    Cancel(Index),
    /// Time goes on by so many ticks, then everything due is taken.
    Advance(u64),
    /// One value is taken.
    Pop,
}

fn any_step() -> impl Strategy<Value = Step> {
    // Few ticks, so that many times are equal.
    prop_oneof![
        4 => (0..40_u64).prop_map(Step::Insert),
        2 => any::<Index>().prop_map(Step::Cancel),
        1 => (0..6_u64).prop_map(Step::Advance),
        1 => Just(Step::Pop),
    ]
}

/// The model: the tick and the number of insertion.
#[derive(Debug, Default)]
struct Model {
    due: BTreeMap<(u64, usize), usize>,
    keys: Vec<(TimerKey, (u64, usize))>,
    now: u64,
}

impl Model {
    fn pop_due(&mut self) -> Option<usize> {
        let first = self.due.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }
}

proptest! {
    #[test]
    fn timers_do_what_the_model_does(steps in vec(any_step(), 0..120)) {
        let start = Instant::now();
        let at = |tick: u64| start + Duration::from_millis(tick);
        let mut timers = Timers::default();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Insert(tick) => {
                    let number = model.keys.len();
                    let key = timers.insert(at(tick), number);
                    model.keys.push((key, (tick, number)));
                    model.due.insert((tick, number), number);
                }
                Step::Cancel(index) if !model.keys.is_empty() => {
                    let (key, known) = model.keys[index.index(model.keys.len())];
                    prop_assert_eq!(timers.cancel(key), model.due.remove(&known));
                }
                Step::Cancel(_) => {}
                Step::Advance(ticks) => {
                    model.now += ticks;
                    while let Some(expected) = model.pop_due() {
                        prop_assert_eq!(timers.pop_due(at(model.now)), Some(expected));
                    }
                    prop_assert_eq!(timers.pop_due(at(model.now)), None);
                }
                Step::Pop => prop_assert_eq!(timers.pop_due(at(model.now)), model.pop_due()),
            }
            prop_assert_eq!(timers.next_at(), model.due.first_key_value().map(|((tick, _), _)| at(*tick)));
            prop_assert_eq!(timers.len(), model.due.len());
            prop_assert_eq!(timers.is_empty(), model.due.is_empty());
        }
    }
}

#[test]
fn equal_times_keep_the_order_of_insertion() {
    let now = Instant::now();
    let mut timers = Timers::default();
    for name in ["first", "second", "third"] {
        timers.insert(now, name);
    }
    let taken: Vec<_> = std::iter::from_fn(|| timers.pop_due(now)).collect();
    assert_eq!(taken, ["first", "second", "third"]);
}

#[test]
fn a_value_is_due_at_its_time_and_not_before() {
    let now = Instant::now();
    let mut timers = Timers::default();
    timers.insert(now + Duration::from_nanos(1), ());
    assert_eq!(timers.pop_due(now), None);
    assert_eq!(timers.pop_due(now + Duration::from_nanos(1)), Some(()));
}

#[test]
fn the_key_of_a_value_that_was_due_cancels_nothing_else() {
    let now = Instant::now();
    let mut timers = Timers::default();
    let old = timers.insert(now, "old");
    assert_eq!(timers.pop_due(now), Some("old"));
    timers.insert(now, "new");
    assert_eq!(timers.cancel(old), None);
    assert_eq!(timers.len(), 1);
}

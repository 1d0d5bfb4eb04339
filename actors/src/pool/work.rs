//! What is to be done, what came of it, and what may have gone wrong: the values that the table moves about.
//!
//! A unit of work is one task, or a chunk of them with the same function. Its arguments are encoded once, by whoever submits,
//! and decoded once, by the worker; here they are byte strings.

use std::ops::Range;
use std::time::Duration;

use callboard_core::{ByteStrings, push_bytes};
use serde::{Deserialize, Serialize};

use super::error::TaskError;
use super::retry::Retries;
use crate::parcel::Rights;
use crate::process::ChildPanic;

/// What a worker is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// Which of the pool's functions.
    pub(super) function: u32,
    /// The arguments of each task, as byte strings one after the other.
    pub(super) args: Vec<u8>,
    /// What moves with them. Only a single task has any.
    pub(super) rights: Rights,
    /// How many tasks.
    pub(super) count: u32,
}

impl Work {
    /// Some of the tasks as work of their own.
    pub(super) fn part(&self, range: Range<u32>) -> Work {
        let mut strings = ByteStrings::new(&self.args);
        for _ in 0..range.start {
            strings.next();
        }
        let from = strings.position();
        for _ in range.clone() {
            strings.next();
        }
        Work {
            function: self.function,
            args: self.args[from..strings.position()].to_vec(),
            rights: self.rights.clone(),
            count: range.end - range.start,
        }
    }

    /// How much room it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.args.len()
    }
}

/// On what terms a unit is worked on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// Higher ones first.
    pub(super) priority: i32,
    /// How long each task may run.
    pub(super) limit: Option<Duration>,
    pub(super) retries: Retries,
}

/// Why one task has no value, as its worker tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fault {
    Panicked(ChildPanic),
    /// The arguments can't be decoded there.
    Arguments(String),
    /// The value can't be encoded or sent.
    Value(String),
    /// The function said of its value that the task is to be tried again. The value is beside.
    Unsatisfied,
}

/// What came of some tasks of a unit, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    pub(super) count: u32,
    /// A byte string for each: its value, encoded, or an empty one.
    pub(super) values: Vec<u8>,
    pub(super) rights: Rights,
    /// Why those with an empty one have none.
    pub(super) errors: Vec<(u32, TaskError)>,
    /// Those whose value will not do; it counts if they are not tried again.
    pub(super) unsatisfied: Vec<u32>,
    /// Those that are tried again: nothing has come of them yet.
    pub(super) again: Vec<u32>,
    /// How long their worker took for them.
    pub(super) nanos: u64,
}

impl Outcomes {
    /// Those of the tasks from `at` on; the ones before stay. Nothing moves with any of them.
    pub(super) fn split_off(&mut self, at: u32) -> Self {
        let mut strings = ByteStrings::new(&self.values);
        for _ in 0..at {
            strings.next();
        }
        let position = strings.position();
        let mut rest = Self { count: self.count - at, nanos: self.nanos, ..Self::default() };
        rest.values = self.values.split_off(position);
        let behind = |(place, error): &(u32, TaskError)| Some((place.checked_sub(at)?, error.clone()));
        rest.errors = self.errors.iter().filter_map(behind).collect();
        rest.unsatisfied = self.unsatisfied.iter().filter_map(|place| place.checked_sub(at)).collect();
        self.errors.retain(|(place, _)| *place < at);
        self.unsatisfied.retain(|place| *place < at);
        // A worker may have said anything of how long they took.
        let share = u128::from(self.nanos) * u128::from(at) / u128::from(self.count.max(1));
        let share = share.min(self.nanos.into()) as u64;
        (self.count, self.nanos, rest.nanos) = (at, share, rest.nanos - share);
        rest
    }

    /// Whether each has a value that will do.
    pub(super) fn are_values(&self) -> bool {
        self.errors.is_empty() && self.unsatisfied.is_empty()
    }

    /// None of `count` tasks has a value.
    pub(super) fn failed(count: u32, error: &TaskError) -> Self {
        let mut values = Vec::with_capacity(count as usize * 2);
        for _ in 0..count {
            push_bytes(&mut values, &[]);
        }
        let errors = (0..count).map(|at| (at, error.clone())).collect();
        Self { count, values, errors, ..Self::default() }
    }
}

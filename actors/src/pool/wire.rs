//! What a pool and its workers say to each other.
//!
//! Work and reports travel as items, many in a frame; what is rare as messages of their own, in the same order.

use callboard_core::{BodyError, ByteStrings, Slot, decode, encode_into, push_bytes};
use serde::{Deserialize, Serialize};

use super::crew::WorkerId;
use super::error::TaskError;
use super::work::{Fault, Outcomes, Work};
use crate::parcel::Rights;
use crate::process::routine::Routine;

/// From the pool to a worker, beside work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// The next of the pool's functions, which are counted from zero.
    Define(Routine),
    /// Give up to so many units back that have not begun, the last ones first.
    Recall { count: u32 },
    /// Give this one back, if it has not begun.
    RecallOne { at: u64 },
    /// Write what you have.
    Flush,
    /// End when you have nothing more to do.
    Finish,
}

/// From a worker to the pool, beside reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ToPool {
    /// It is there, and its initializer has run.
    Ready {
        worker: WorkerId,
        /// Where work shall go.
        slot: Slot,
        /// The counter of its side of the link page that tells how far it is.
        counter: u32,
    },
    /// It has given these back; `one` if it had been asked for that.
    Recalled { one: Option<u64>, units: Vec<u64> },
    /// It has written what it had.
    Flushed,
    /// It takes more memory than it should.
    Heavy,
}

/// The bytes before the arguments of a unit.
pub(super) const GIVEN_HEAD: usize = 16;
/// The bytes before the values of a report.
const TOLD_HEAD: usize = 24;

/// The head of a unit, whose first task has the number `at`.
pub(super) fn given_head(at: u64, work: &Work) -> [u8; GIVEN_HEAD] {
    let mut head = [0; GIVEN_HEAD];
    head[..8].copy_from_slice(&at.to_le_bytes());
    head[8..12].copy_from_slice(&work.function.to_le_bytes());
    head[12..].copy_from_slice(&work.count.to_le_bytes());
    head
}

/// A unit as a worker gets it.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) at: u64,
    pub(super) function: u32,
    pub(super) count: u32,
    pub(super) args: Box<[u8]>,
    pub(super) rights: Rights,
}

impl Given {
    pub(super) fn new(at: u64, work: &Work) -> Self {
        let Work { function, args, rights, count } = work;
        Self { at, function: *function, count: *count, args: args.as_slice().into(), rights: rights.clone() }
    }

    pub(super) fn read(bytes: &[u8], rights: Rights) -> Result<Self, String> {
        let (head, args) = bytes.split_at_checked(GIVEN_HEAD).ok_or("work without a head")?;
        Ok(Self {
            at: u64_at(head, 0),
            function: u32_at(head, 8),
            count: u32_at(head, 12),
            args: args.into(),
            rights,
        })
    }
}

/// What travels of these types.
#[cfg(any(test, fuzzing))]
pub(crate) const TRIPS: &[crate::fuzzing::Trip] = {
    use crate::fuzzing::trip;
    &[trip::<ToWorker>, trip::<ToPool>, trip::<Fault>]
};

/// Reads any bytes as work and as a report.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = Given::read(bytes, Rights::default());
    if let Ok((_, mut outcomes)) = Told::read(bytes, Rights::default()) {
        let strings = |values: &[u8]| ByteStrings::new(values).filter(Result::is_ok).count();
        let count = outcomes.count;
        assert_eq!(strings(&outcomes.values), count as usize);
        let rest = outcomes.split_off(count / 2);
        assert_eq!((outcomes.count, rest.count), (count / 2, count - count / 2));
        assert_eq!(strings(&rest.values), rest.count as usize);
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// What a worker has to tell, as it gathers: values as byte strings, empty ones for faults.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) at: u64,
    pub(super) count: u32,
    pub(super) nanos: u64,
    pub(super) values: Vec<u8>,
    pub(super) rights: Rights,
    pub(super) faults: Vec<(u32, Fault)>,
}

impl Told {
    /// The next task has no value. Its number counts from that of the first.
    pub(super) fn fault(&mut self, fault: Fault) {
        push_bytes(&mut self.values, &[]);
        self.faults.push((self.count, fault));
    }

    /// Whether what is told next may be told with it.
    pub(super) fn goes_on_with(&self, next: &Told) -> bool {
        self.count == 0
            || self.at + u64::from(self.count) == next.at && self.rights.is_empty() && next.rights.is_empty()
    }

    /// Takes what `next` tells, which is empty then.
    pub(super) fn append(&mut self, next: &mut Told) {
        if self.count == 0 {
            *self = std::mem::take(next);
            return;
        }
        let before = self.count;
        self.faults.extend(next.faults.drain(..).map(|(at, fault)| (before + at, fault)));
        self.values.append(&mut next.values);
        self.count += std::mem::take(&mut next.count);
        self.nanos += std::mem::take(&mut next.nanos);
    }

    /// Appends it to `out`, in bytes.
    ///
    /// # Errors
    ///
    /// What can't be encoded of the faults.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), BodyError> {
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.nanos.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        // No longer than a message may be.
        out.extend_from_slice(&(self.values.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.values);
        if !self.faults.is_empty() {
            encode_into(&self.faults, out)?;
        }
        Ok(())
    }

    /// Reads it: the number of the first task, and what came of them.
    pub(super) fn read(bytes: &[u8], rights: Rights) -> Result<(u64, Outcomes), String> {
        let (head, rest) = bytes.split_at_checked(TOLD_HEAD).ok_or("a report without a head")?;
        let (count, length) = (u32_at(head, 16), u32_at(head, 20) as usize);
        let (values, faults) = rest.split_at_checked(length).ok_or("a report that is cut short")?;
        let faults: Vec<(u32, Fault)> =
            if faults.is_empty() { Vec::new() } else { decode(faults).map_err(|error| error.to_string())? };
        let are_in_it = faults.iter().all(|(at, _)| *at < count);
        if !are_in_it || ByteStrings::new(values).filter(Result::is_ok).count() != count as usize {
            return Err("a report with another number of values than of tasks".to_owned());
        }
        Ok((u64_at(head, 0), outcomes(u64_at(head, 8), count, values.to_vec(), rights, faults)))
    }

    /// As the pool takes it, for a worker in the same process.
    pub(super) fn into_outcomes(self) -> Outcomes {
        outcomes(self.nanos, self.count, self.values, self.rights, self.faults)
    }
}

fn outcomes(nanos: u64, count: u32, values: Vec<u8>, rights: Rights, faults: Vec<(u32, Fault)>) -> Outcomes {
    let mut outcomes = Outcomes { nanos, count, values, rights, ..Outcomes::default() };
    for (at, fault) in faults {
        match fault {
            Fault::Unsatisfied => outcomes.unsatisfied.push(at),
            fault => outcomes.errors.push((at, TaskError::from(fault))),
        }
    }
    outcomes
}

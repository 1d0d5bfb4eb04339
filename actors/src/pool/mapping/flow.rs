//! The inputs of a mapping on their way out, and what comes of them on its way back.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use callboard_core::{ByteStrings, push_encoded};
use serde::{Serialize, de::DeserializeOwned};

use super::arrivals::Arrivals;
use super::pace::Pace;
use super::{Hook as OnProgress, Progress};
use crate::parcel::Rights;
use crate::pool::Pool;
use crate::pool::cell::Sink;
use crate::pool::error::{RunError, SubmitError, TaskError};
use crate::pool::machine::Wanted;
use crate::pool::work::{Outcomes, Terms, Work};
use crate::process::entry::check_sent;
use crate::process::routine::Routine;
use crate::scope::{self, Departing};

/// A chunk's arguments take no more than this, unless a single one does.
const CHUNK_BYTES: usize = 32 * 1024;
/// Inputs are read for about so long before those read are handed in, to the few milliseconds that the clock tells.
const READS_FOR_NANOS: u64 = 1_000_000;
/// So many small chunks are handed in together.
const TOGETHER: usize = 64;

/// A report on its way to whoever takes its values.
pub(super) struct Batch {
    first: u64,
    /// The number of the next within it.
    at: u32,
    outcomes: Outcomes,
    /// Where the next value begins.
    position: usize,
}

/// An input that does not travel with others.
enum Apart {
    Nothing,
    /// Something moves with it; it is one.
    Moves(Vec<Work>, Departing),
    /// It can't be sent.
    Fails(SubmitError),
}

pub(super) struct Flow<'p, R, I> {
    pool: &'p Pool,
    function: u32,
    inputs: Option<I>,
    /// How many there are in all, if they say so.
    total: Option<u64>,
    terms: Terms,
    pace: Pace,
    progress: Option<OnProgress<'p>>,
    arrivals: Arc<Arrivals>,
    batch: Option<Batch>,
    /// What came with it.
    batches: VecDeque<(u64, Outcomes)>,
    /// Inputs that were read when there was no room for them any more: chunks, and behind them one apart.
    unplaced: Vec<Work>,
    apart: Apart,
    /// The number of the next input to be handed in.
    next: u64,
    /// Handed in, and not taken yet; of these, how many whoever takes them keeps for their order.
    under_way: usize,
    held: usize,
    failed: u64,
    done: u64,
    /// The last chunk is short because its inputs took their time.
    is_slow: bool,
    /// Inputs that could not be sent.
    unsent: VecDeque<(u64, SubmitError)>,
    refused: Option<SubmitError>,
    values: PhantomData<fn() -> R>,
}

impl<'p, A, R, I> Flow<'p, R, I>
where
    A: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item = A>,
{
    pub(super) fn new(
        pool: &'p Pool,
        routine: Routine,
        inputs: I,
        terms: Terms,
        pace: Pace,
        progress: Option<OnProgress<'p>>,
    ) -> Self {
        let hint = inputs.size_hint();
        let total = hint.1.filter(|most| *most == hint.0).map(|total| total as u64);
        Self {
            pool,
            function: pool.inner.number_of(routine),
            inputs: Some(inputs),
            total,
            terms,
            pace,
            progress,
            arrivals: Arc::default(),
            batch: None,
            unplaced: Vec::new(),
            apart: Apart::Nothing,
            next: 0,
            under_way: 0,
            held: 0,
            batches: VecDeque::new(),
            failed: 0,
            done: 0,
            is_slow: false,
            unsent: VecDeque::new(),
            refused: None,
            values: PhantomData,
        }
    }

    /// The next that comes; none at `deadline`, or if nothing more comes.
    pub(super) fn next_value(&mut self, deadline: Option<Instant>) -> Option<(u64, Result<R, RunError>)> {
        loop {
            if let Some(value) = self.value_at_hand() {
                return Some(value);
            }
            if let Some((number, error)) = self.unsent.pop_front() {
                self.under_way -= 1;
                self.done += 1;
                self.failed += 1;
                self.tell_progress();
                return Some((number, Err(error.into())));
            }
            if let Some(error) = self.refused.take() {
                self.inputs = None;
                return Some((self.next, Err(error.into())));
            }
            let has_more = self.inputs.is_some() || self.has_unplaced();
            if self.under_way == 0 && has_more && !self.pool.inner.wait_for_room(deadline) {
                return None;
            }
            self.fill();
            if self.take_batch() {
                continue;
            }
            if self.refused.is_some() || !self.unsent.is_empty() {
                continue;
            }
            if self.under_way == 0 {
                if self.has_unplaced() {
                    // Others have taken the room. Whoever waits for that has a deadline.
                    continue;
                }
                return None;
            }
            let sink = Arc::clone(&self.arrivals) as Sink;
            if !self.pool.inner.wait(&*self.arrivals, Wanted::Of(&sink), deadline) {
                return None;
            }
        }
    }

    /// Hands in as much as is worth it, and as there is room for. Never waits for room.
    fn fill(&mut self) {
        while self.has_unplaced() || self.inputs.is_some() && self.under_way + self.held < self.pace.window()
        {
            if self.under_way > 0 && !self.pool.inner.has_room() {
                return;
            }
            if !self.has_unplaced() && !self.read() {
                self.inputs = None;
            }
            match self.place() {
                Ok(()) => {}
                Err(SubmitError::Full) => return,
                Err(error) => {
                    self.refused = Some(error);
                    self.inputs = None;
                    (self.unplaced, self.apart) = (Vec::new(), Apart::Nothing);
                }
            }
            // What has come goes before what may still be read.
            if !self.arrivals.0.lock().batches.is_empty() {
                return;
            }
        }
    }

    /// Reads the next chunks; false if there are no more inputs.
    fn read(&mut self) -> bool {
        let room = self.pace.window().saturating_sub(self.under_way + self.held);
        let (mut taken, mut is_over) = (0, false);
        let begun = callboard_ipc::coarse_nanos();
        while !is_over && self.unplaced.len() < TOGETHER && taken < room && !is_late(begun) {
            let left = self.total.map(|total| total.saturating_sub(self.next + taken as u64));
            let count = self.pace.next(left).min(room - taken).max(1);
            let (work, apart) = self.chunk(count, begun);
            is_over = !std::mem::take(&mut self.is_slow)
                && matches!(apart, Apart::Nothing)
                && (work.count as usize) < count
                && work.args.len() < CHUNK_BYTES;
            taken += work.count as usize;
            if work.count > 0 {
                self.unplaced.push(work);
            }
            self.apart = apart;
            if !matches!(self.apart, Apart::Nothing) || count > TOGETHER {
                break;
            }
        }
        !is_over
    }

    /// Hands in what was read. What there is no room for stays.
    fn place(&mut self) -> Result<(), SubmitError> {
        let mut chunks = std::mem::take(&mut self.unplaced);
        if let Err(error) = self.submit(&mut chunks) {
            self.unplaced = chunks;
            return Err(error);
        }
        match std::mem::replace(&mut self.apart, Apart::Nothing) {
            Apart::Nothing => {}
            Apart::Moves(mut work, departing) => {
                if let Err(error) = self.submit(&mut work) {
                    self.apart = Apart::Moves(work, departing);
                    return Err(error);
                }
                departing.depart();
            }
            Apart::Fails(error) => {
                self.unsent.push_back((self.next, error));
                self.next += 1;
                self.under_way += 1;
            }
        }
        Ok(())
    }

    /// The next `count` inputs, or as many as there are, encoded; up to one that is not to be among others.
    fn chunk(&mut self, count: usize, begun: u64) -> (Work, Apart) {
        let mut work = Work { function: self.function, ..Work::default() };
        work.args.reserve(count.saturating_mul(10).min(CHUNK_BYTES));
        let Some(inputs) = self.inputs.as_mut() else { return (work, Apart::Nothing) };
        while (work.count as usize) < count && work.args.len() < CHUNK_BYTES {
            if work.count > 0 && is_late(begun) {
                self.is_slow = true;
                break;
            }
            let Some(input) = inputs.next() else { break };
            let before = work.args.len();
            let (encoded, departing) = scope::collect(|| push_encoded(&mut work.args, &input));
            let apart = match encoded {
                Err(error) => Apart::Fails(SubmitError::Arguments(error)),
                Ok(_) => match check_sent(work.args.len() - before, &departing) {
                    Err(error) => Apart::Fails(error.into()),
                    Ok(()) if departing.count() == 0 => {
                        work.count += 1;
                        continue;
                    }
                    Ok(()) => match departing.rights() {
                        Err(error) => Apart::Fails(SubmitError::Arguments(error)),
                        Ok(rights) => {
                            let args = work.args.split_off(before);
                            let alone = Work { args, rights, count: 1, function: self.function };
                            Apart::Moves(vec![alone], departing)
                        }
                    },
                },
            };
            work.args.truncate(before);
            return (work, apart);
        }
        (work, Apart::Nothing)
    }

    fn submit(&mut self, chunks: &mut Vec<Work>) -> Result<(), SubmitError> {
        let tasks: u64 = chunks.iter().map(|work| u64::from(work.count)).sum();
        if tasks == 0 {
            return Ok(());
        }
        let sink = Arc::clone(&self.arrivals) as Sink;
        let now = Some(Instant::now());
        self.pool.inner.submit(chunks, self.terms, (&sink, self.next), now, |_| ())?;
        self.next += tasks;
        self.under_way += tasks as usize;
        Ok(())
    }

    /// Takes the next report; false if none has come.
    fn take_batch(&mut self) -> bool {
        if self.batches.is_empty() {
            std::mem::swap(&mut self.batches, &mut self.arrivals.0.lock().batches);
        }
        let Some((first, outcomes)) = self.batches.pop_front() else { return false };
        if outcomes.nanos > 0 {
            self.pace.measured(outcomes.count, outcomes.nanos);
        }
        self.done += u64::from(outcomes.count) - outcomes.again.len() as u64;
        self.failed += outcomes.errors.len() as u64;
        self.batch = Some(Batch { first, at: 0, outcomes, position: 0 });
        self.tell_progress();
        true
    }

    fn tell_progress(&mut self) {
        if let Some(progress) = &mut self.progress {
            progress(Progress { done: self.done, failed: self.failed, total: self.total });
        }
    }

    /// The next value of the report in hand.
    fn value_at_hand(&mut self) -> Option<(u64, Result<R, RunError>)> {
        loop {
            let batch = self.batch.as_mut()?;
            let Batch { first, at, outcomes, position } = batch;
            let mut values = ByteStrings::new(&outcomes.values[*position..]);
            let Some(value) = values.next().filter(|_| *at < outcomes.count) else {
                self.batch = None;
                continue;
            };
            let offset = *at;
            let number = *first + u64::from(offset);
            let read =
                value.map(|value| -> Result<R, TaskError> { read(self.pool, value, &mut outcomes.rights) });
            *position += values.position();
            *at += 1;
            if outcomes.again.contains(&offset) {
                continue;
            }
            let error = outcomes.errors.iter().find(|(at, _)| *at == offset).map(|(_, error)| error.clone());
            self.under_way -= 1;
            let outcome = match (error, read) {
                (Some(error), _) => Err(error),
                (None, Ok(value)) => value,
                (None, Err(error)) => Err(TaskError::BadValue(error.to_string())),
            };
            return Some((number, outcome.map_err(RunError::Task)));
        }
    }
}

/// Whether reading inputs has taken so long that those read so far had better be handed in.
fn is_late(begun: u64) -> bool {
    callboard_ipc::coarse_nanos().saturating_sub(begun) > READS_FOR_NANOS
}

fn read<R: DeserializeOwned>(pool: &Pool, value: &[u8], rights: &mut Rights) -> Result<R, TaskError> {
    let runtime = &pool.inner.runtime;
    let read = if rights.is_empty() {
        scope::enter(runtime, || callboard_core::decode(value))
    } else {
        scope::enter_with(runtime, std::mem::take(rights), || callboard_core::decode(value))
    };
    read.map_err(|error| TaskError::BadValue(error.to_string()))
}

impl<R, I> Flow<'_, R, I> {
    /// So many values have come and are kept for their order.
    pub(super) fn is_held(&mut self, count: usize) {
        self.held = count;
    }

    fn has_unplaced(&self) -> bool {
        !self.unplaced.is_empty() || !matches!(self.apart, Apart::Nothing)
    }

    pub(super) fn is_over(&self) -> bool {
        self.under_way == 0
            && self.batch.is_none()
            && self.batches.is_empty()
            && self.inputs.is_none()
            && !self.has_unplaced()
            && self.refused.is_none()
    }
}

/// What has not begun is not done.
impl<R, I> Drop for Flow<'_, R, I> {
    fn drop(&mut self) {
        if self.under_way == 0 {
            return;
        }
        let inner = &self.pool.inner;
        let sink = Arc::clone(&self.arrivals) as Sink;
        inner.cell.run(&inner.runtime, |machine, effects| {
            machine.cancel_all_of(&sink, Instant::now(), effects);
        });
        inner.runtime.flush_listed();
    }
}

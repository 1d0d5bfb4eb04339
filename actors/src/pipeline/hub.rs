//! The hub of a pipeline: all its edges, who works on what, and what comes back when a worker dies.
//!
//! A pure machine. Every item is either in the queue of an edge, or leased to one worker, or settled. A step settles items
//! and admits what came out of them in one go, so a worker that is killed leaves either the items or their results,
//! never both and never neither.
//!
//! A step's outputs are admitted whole, also beyond the edge's capacity; but a stage whose output edge is full gets no new
//! input. So an edge holds at most its capacity and one step per worker. A partitioned edge is bounded as a whole: a slow
//! partition may hold up the others once it has filled the edge, which is what keeps memory flat.

use std::collections::VecDeque;

#[cfg(any(test, fuzzing))]
mod fuzzing;
#[cfg(test)]
mod simulated;
mod stage;
mod terms;
#[cfg(test)]
mod tests;

#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::run as fuzz;
use stage::{Stage, Worker};
pub use terms::OnError;
pub(super) use terms::{AfterDeath, Figures, Item, Letter, Place, Reached, Spec, World};

use super::wire::Step;
use crate::fault::fault;

/// How often, for each of its workers, those of a stage may die in a row before they finished their first item; then the
/// pipeline gives up.
const DEATHS_IN_A_ROW: u32 = 5;
/// Dead letters kept with their items; further ones are counted.
const MAX_DEAD_LETTERS: usize = 1024;

/// The state of one pipeline.
#[derive(Debug)]
pub(super) struct Hub {
    stages: Vec<Stage>,
    /// What has come out of the last stage.
    sink: VecDeque<Box<[u8]>>,
    sink_bytes: usize,
    sink_ended: bool,
    failed: Option<String>,
    letters: Vec<Letter>,
}

/// The sink is full with this many items or bytes.
const SINK_ITEMS: usize = 64 * 1024;
const SINK_BYTES: usize = 8 << 20;

impl Hub {
    /// A pipeline of at least one stage.
    pub(super) fn new(specs: Vec<Spec>) -> Self {
        Self {
            stages: specs.into_iter().map(Stage::new).collect(),
            sink: VecDeque::new(),
            sink_bytes: 0,
            sink_ended: false,
            failed: None,
            letters: Vec::new(),
        }
    }

    // ---- the caller's side -----------------------------------------------------------------------

    /// Whether the first edge has room for another item of the source.
    pub(super) fn has_room(&self) -> bool {
        !self.stages[0].is_full()
    }

    /// Adds an item of the source. The caller has asked for room.
    pub(super) fn push(&mut self, item: Item, world: &mut impl World) {
        self.stages[0].push(item);
        self.pump(world);
    }

    /// The source has no more.
    pub(super) fn end_source(&mut self, world: &mut impl World) {
        self.stages[0].input_ended = true;
        self.pump(world);
    }

    /// Takes what has come out of the last stage.
    pub(super) fn take(&mut self, world: &mut impl World) -> VecDeque<Box<[u8]>> {
        let taken = std::mem::take(&mut self.sink);
        self.sink_bytes = 0;
        if !taken.is_empty() {
            self.pump(world);
        }
        taken
    }

    /// Whether everything has come out.
    pub(super) fn has_ended(&self) -> bool {
        self.sink_ended && self.sink.is_empty()
    }

    pub(super) fn stage_names(&self) -> Vec<&str> {
        self.stages.iter().map(|stage| stage.spec.name.as_str()).collect()
    }

    /// The workers that have something in hand, of the last stage first: the others may wait for room.
    pub(super) fn at_work(&self) -> Vec<Place> {
        let stages = self.stages.iter().enumerate().rev();
        let workers = stages.flat_map(|(stage, of)| {
            let workers = of.workers.iter().enumerate();
            workers.map(move |(index, worker)| (Place { stage, index }, worker))
        });
        workers.filter(|(_, worker)| !worker.leased.is_empty()).map(|(at, _)| at).collect()
    }

    pub(super) fn has(&self, at: Place) -> bool {
        self.stages.get(at.stage).is_some_and(|stage| at.index < stage.workers.len())
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    pub(super) fn figures(&self, stage: usize) -> Figures {
        self.stages[stage].figures
    }

    pub(super) fn letters(&mut self) -> Vec<Letter> {
        std::mem::take(&mut self.letters)
    }

    // ---- the workers' side -----------------------------------------------------------------------

    /// A worker is there, with nothing in hand.
    pub(super) fn ready(&mut self, at: Place, world: &mut impl World) {
        let stage = &mut self.stages[at.stage];
        stage.workers[at.index] = Worker { is_there: true, ..Worker::default() };
        if stage.is_over {
            world.finish(at);
        }
    }

    /// A worker can take more.
    pub(super) fn more(&mut self, at: Place, count: u64, world: &mut impl World) {
        let worker = &mut self.stages[at.stage].workers[at.index];
        worker.demand = worker.demand.saturating_add(count);
        self.pump(world);
    }

    /// Applies a step.
    ///
    /// # Errors
    ///
    /// A step that settles items which the worker does not have: it is out of order, and nothing is applied.
    pub(super) fn step(&mut self, at: Place, step: Step, world: &mut impl World) -> Result<(), String> {
        let stage = &mut self.stages[at.stage];
        let worker = &mut stage.workers[at.index];
        let end = worker.first + worker.leased.len() as u64;
        let in_range = |seq: u64| (worker.first..step.settled).contains(&seq);
        if step.settled < worker.first || step.settled > end {
            return Err(format!("a step that settles up to {} of {}..{end}", step.settled, worker.first));
        }
        if !step.failures.iter().all(|(seq, _)| in_range(*seq)) {
            return Err("a step that reports a failure of an item it does not settle".to_owned());
        }
        let failed: Vec<(Item, String)> = step
            .failures
            .into_iter()
            .filter_map(|(seq, why)| Some((worker.leased[(seq - worker.first) as usize].take()?, why)))
            .collect();
        let settled = step.settled - worker.first;
        worker.leased.drain(..settled as usize);
        worker.first = step.settled;
        worker.is_flushing &= !worker.leased.is_empty();
        let withheld = std::mem::take(&mut worker.was_withheld);
        if settled > 0 {
            stage.deaths_in_a_row = 0;
        }
        stage.figures.taken += settled;
        stage.figures.emitted += step.outputs.len() as u64;
        let figures = &mut stage.figures;
        // A worker may say anything of its time.
        figures.busy_nanos = figures.busy_nanos.saturating_add(step.busy_nanos);
        let waited = if withheld { &mut figures.blocked_nanos } else { &mut figures.idle_nanos };
        *waited = waited.saturating_add(step.waited_nanos);
        for (item, why) in failed {
            self.item_failed(at.stage, item, why);
        }
        for output in step.outputs {
            self.admit(at.stage + 1, output.key, output.item.into_vec());
        }
        self.pump(world);
        Ok(())
    }

    /// A worker has died, and `why`; `in_hand` is the number of the item it had begun and not finished.
    ///
    /// What was leased to it goes back to the head, in order; the one in hand has one death more.
    pub(super) fn down(
        &mut self,
        at: Place,
        in_hand: Option<u64>,
        reached: Reached,
        why: &str,
        world: &mut impl World,
    ) -> AfterDeath {
        let stage = &mut self.stages[at.stage];
        let mut worker = std::mem::take(&mut stage.workers[at.index]);
        // One that dies of giving out what it holds has finished every item, and will do so each time.
        let of_flushing =
            in_hand.is_none() && !worker.leased.is_empty() && (worker.is_flushing || !stage.spec.holds);
        let mut given_up = None;
        fault!(ItemsOfTheDeadLost, worker.leased.clear());
        for (back, item) in worker.leased.drain(..).enumerate().rev() {
            let Some(mut item) = item else { continue };
            if in_hand == Some(worker.first + back as u64) {
                item.deaths += 1;
                if item.deaths >= stage.spec.max_deaths {
                    given_up = Some(item);
                    continue;
                }
            }
            stage.push_front(item);
        }
        if let Some(item) = given_up {
            self.give_up(at.stage, item, format!("its worker died with it in hand: {why}"));
        }
        let stage = &mut self.stages[at.stage];
        if stage.is_over || self.failed.is_some() {
            return AfterDeath::Nothing;
        }
        let was_at_work = reached == Reached::Working && !of_flushing;
        stage.deaths_in_a_row = if was_at_work { 0 } else { stage.deaths_in_a_row + 1 };
        if stage.deaths_in_a_row >= DEATHS_IN_A_ROW.max(stage.spec.max_deaths + 2) * stage.spec.workers as u32
        {
            let name = &stage.spec.name;
            let times = stage.deaths_in_a_row;
            self.failed = Some(format!(
                "the workers of stage {name} died {times} times in a row before they finished an item \
                 or gave out what they held; the last time: {why}"
            ));
            return AfterDeath::Nothing;
        }
        self.pump(world);
        let stage = &mut self.stages[at.stage];
        if stage.is_over {
            // What was given up just now was the stage's last.
            return AfterDeath::Nothing;
        }
        stage.figures.restarts += 1;
        AfterDeath::Replace
    }

    // ---- inside ----------------------------------------------------------------------------------

    fn item_failed(&mut self, stage: usize, mut item: Item, why: String) {
        let at = &mut self.stages[stage];
        item.attempts += 1;
        match at.spec.on_error {
            OnError::Fail => {
                let name = &at.spec.name;
                self.failed.get_or_insert_with(|| format!("stage {name}: {why}"));
            }
            OnError::Skip => at.figures.skipped += 1,
            OnError::Retry(times) if item.attempts <= times => {
                at.figures.retried += 1;
                at.figures.taken -= 1;
                at.push_front(item);
            }
            OnError::Retry(_) => self.give_up(stage, item, why),
        }
    }

    fn give_up(&mut self, stage: usize, item: Item, reason: String) {
        self.stages[stage].figures.dead_letters += 1;
        if self.letters.len() < MAX_DEAD_LETTERS {
            let attempts = item.attempts + item.deaths;
            self.letters.push(Letter { stage, attempts, reason, bytes: item.bytes });
        }
    }

    fn admit(&mut self, stage: usize, key: Option<u64>, bytes: Vec<u8>) {
        match self.stages.get_mut(stage) {
            Some(stage) => stage.push(Item::new(key, bytes)),
            None => {
                self.sink_bytes += bytes.len();
                self.sink.push_back(bytes.into());
            }
        }
    }

    fn output_is_full(&self, stage: usize) -> bool {
        match self.stages.get(stage + 1) {
            Some(next) => next.is_full(),
            None => self.sink.len() >= SINK_ITEMS || self.sink_bytes >= SINK_BYTES,
        }
    }

    /// Gives workers what they can take, and ends what is at its end; from the last stage to the first, so that
    /// room made behind is used before.
    fn pump(&mut self, world: &mut impl World) {
        if self.failed.is_some() {
            return;
        }
        for stage in (0..self.stages.len()).rev() {
            if self.output_is_full(stage) {
                self.stages[stage].withhold();
            } else {
                self.stages[stage].hand_out(stage, world);
            }
        }
        for stage in 0..self.stages.len() {
            self.end_stage(stage, world);
        }
    }

    fn end_stage(&mut self, stage: usize, world: &mut impl World) {
        let at = &mut self.stages[stage];
        if at.is_over || !at.input_ended || at.edge_items > 0 || at.flush(stage, world) {
            return;
        }
        at.is_over = true;
        for index in (0..at.workers.len()).filter(|index| at.workers[*index].is_there) {
            world.finish(Place { stage, index });
        }
        match self.stages.get_mut(stage + 1) {
            Some(next) => next.input_ended = true,
            None => self.sink_ended = true,
        }
    }
}

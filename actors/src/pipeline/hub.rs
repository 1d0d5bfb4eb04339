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

use super::wire::Step;

/// How often, for each of its workers, those of a stage may die in a row before they finished their first item; then the
/// pipeline gives up.
const DEATHS_IN_A_ROW: u32 = 5;
/// Dead letters kept with their items; further ones are counted.
const MAX_DEAD_LETTERS: usize = 1024;

/// What happens to an item whose stage reports an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The pipeline ends with that error.
    Fail,
    /// The item is left out and counted.
    Skip,
    /// The item is tried again, this often, and then becomes a dead letter.
    Retry(u32),
}

/// One stage as the hub sees it.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) workers: usize,
    pub(super) partitioned: bool,
    /// The capacity of its input edge.
    pub(super) capacity_items: usize,
    pub(super) capacity_bytes: usize,
    pub(super) on_error: OnError,
    /// How often an item may be in the hands of a worker that dies.
    pub(super) max_deaths: u32,
}

/// An item between stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) key: u64,
    pub(super) bytes: Box<[u8]>,
    attempts: u32,
    deaths: u32,
}

impl Item {
    pub(super) fn new(key: u64, bytes: impl Into<Box<[u8]>>) -> Self {
        Self { key, bytes: bytes.into(), attempts: 0, deaths: 0 }
    }
}

/// An item that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) stage: usize,
    pub(super) attempts: u32,
    pub(super) reason: String,
    pub(super) bytes: Box<[u8]>,
}

/// What one stage has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) taken: u64,
    pub(super) emitted: u64,
    pub(super) skipped: u64,
    pub(super) retried: u64,
    pub(super) dead_letters: u64,
    pub(super) restarts: u64,
    pub(super) busy_nanos: u64,
    pub(super) idle_nanos: u64,
    /// The most items that its input edge held.
    pub(super) deepest: usize,
}

/// Where a worker is: stage and index. Its incarnation is checked by who delivers its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) stage: usize,
    pub(super) index: usize,
}

/// What the hub does to its workers.
pub(super) trait World {
    /// Sends items, the first of them numbered `first`.
    fn send<'a>(&mut self, to: Place, first: u64, items: impl Iterator<Item = &'a [u8]>);
    /// Asks a worker to settle what it holds.
    fn flush(&mut self, worker: Place);
    /// Tells a worker that its stage is over.
    fn finish(&mut self, worker: Place);
}

/// How far a worker had come when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// It had finished with items, or had not been given any.
    Working,
    /// It had begun an item, its first, and not finished it.
    FirstItem,
    /// It had not said that it was there.
    Nothing,
}

/// What follows from a worker's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterDeath {
    Replace,
    /// The stage, or the pipeline, is over.
    Nothing,
}

#[derive(Debug, Default)]
struct Edge {
    items: VecDeque<Item>,
}

#[derive(Debug, Default)]
struct Worker {
    is_there: bool,
    /// How many more items it can take.
    demand: u64,
    /// The number of the first item in `leased`.
    first: u64,
    /// None for one that has failed and been dealt with.
    leased: VecDeque<Option<Item>>,
    is_flushing: bool,
}

#[derive(Debug)]
struct Stage {
    spec: Spec,
    edges: Vec<Edge>,
    edge_items: usize,
    edge_bytes: usize,
    workers: Vec<Worker>,
    input_ended: bool,
    is_over: bool,
    deaths_in_a_row: u32,
    figures: Figures,
}

impl Stage {
    fn new(spec: Spec) -> Self {
        let edges = if spec.partitioned { spec.workers } else { 1 };
        Self {
            edges: (0..edges).map(|_| Edge::default()).collect(),
            workers: (0..spec.workers).map(|_| Worker::default()).collect(),
            spec,
            edge_items: 0,
            edge_bytes: 0,
            input_ended: false,
            is_over: false,
            deaths_in_a_row: 0,
            figures: Figures::default(),
        }
    }

    fn is_full(&self) -> bool {
        self.edge_items >= self.spec.capacity_items || self.edge_bytes >= self.spec.capacity_bytes
    }

    fn edge_of(&self, item: &Item) -> usize {
        (item.key % self.edges.len() as u64) as usize
    }

    fn count_in(&mut self, item: &Item) {
        self.edge_items += 1;
        self.edge_bytes += item.bytes.len();
        self.figures.deepest = self.figures.deepest.max(self.edge_items);
    }

    fn push(&mut self, item: Item) {
        self.count_in(&item);
        let edge = self.edge_of(&item);
        self.edges[edge].items.push_back(item);
    }

    fn push_front(&mut self, item: Item) {
        self.count_in(&item);
        let edge = self.edge_of(&item);
        self.edges[edge].items.push_front(item);
    }

    fn pop(&mut self, worker: usize) -> Option<Item> {
        let edge = if self.spec.partitioned { worker } else { 0 };
        let item = self.edges[edge].items.pop_front()?;
        self.edge_items -= 1;
        self.edge_bytes -= item.bytes.len();
        Some(item)
    }
}

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
        if settled > 0 {
            stage.deaths_in_a_row = 0;
        }
        stage.figures.taken += settled;
        stage.figures.emitted += step.outputs.len() as u64;
        stage.figures.busy_nanos += step.busy_nanos;
        stage.figures.idle_nanos += step.idle_nanos;
        for (item, why) in failed {
            self.item_failed(at.stage, item, why);
        }
        for output in step.outputs {
            self.admit(at.stage + 1, output.key, output.item.into_vec());
        }
        self.pump(world);
        Ok(())
    }

    /// A worker has died; `in_hand` is the number of the item it had begun and not finished.
    ///
    /// What was leased to it goes back to the head, in order; the one in hand has one death more.
    pub(super) fn down(
        &mut self,
        at: Place,
        in_hand: Option<u64>,
        reached: Reached,
        world: &mut impl World,
    ) -> AfterDeath {
        let stage = &mut self.stages[at.stage];
        let worker = std::mem::take(&mut stage.workers[at.index]);
        let mut given_up = None;
        for (back, item) in worker.leased.into_iter().enumerate().rev() {
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
            self.give_up(at.stage, item, "its worker died with it in hand".to_owned());
        }
        let stage = &mut self.stages[at.stage];
        if stage.is_over || self.failed.is_some() {
            return AfterDeath::Nothing;
        }
        stage.figures.restarts += 1;
        stage.deaths_in_a_row = if reached == Reached::Working { 0 } else { stage.deaths_in_a_row + 1 };
        if stage.deaths_in_a_row >= DEATHS_IN_A_ROW.max(stage.spec.max_deaths + 2) * stage.spec.workers as u32
        {
            let name = &stage.spec.name;
            let times = stage.deaths_in_a_row;
            self.failed = Some(format!(
                "the workers of stage {name} died {times} times in a row before they finished an item"
            ));
            return AfterDeath::Nothing;
        }
        self.pump(world);
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

    fn admit(&mut self, stage: usize, key: u64, bytes: Vec<u8>) {
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
            if !self.output_is_full(stage) {
                self.hand_out(stage, world);
            }
        }
        for stage in 0..self.stages.len() {
            self.end_stage(stage, world);
        }
    }

    fn hand_out(&mut self, stage: usize, world: &mut impl World) {
        let at = &mut self.stages[stage];
        let waiting = at.workers.iter().filter(|worker| worker.is_there && worker.demand > 0).count();
        let share = at.edge_items.div_ceil(waiting.max(1)) as u64;
        for index in 0..at.workers.len() {
            let count = at.workers[index].demand.min(share);
            if !at.workers[index].is_there || count == 0 {
                continue;
            }
            let before = at.workers[index].leased.len();
            for _ in 0..count {
                let Some(item) = at.pop(index) else { break };
                let worker = &mut at.workers[index];
                worker.leased.push_back(Some(item));
                worker.demand -= 1;
                worker.is_flushing = false;
            }
            let worker = &at.workers[index];
            if worker.leased.len() > before {
                let sent = worker.leased.range(before..).flatten().map(|item| &*item.bytes);
                world.send(Place { stage, index }, worker.first + before as u64, sent);
            }
        }
    }

    fn end_stage(&mut self, stage: usize, world: &mut impl World) {
        let at = &mut self.stages[stage];
        if at.is_over || !at.input_ended || at.edge_items > 0 {
            return;
        }
        let mut holds = false;
        for (index, worker) in at.workers.iter_mut().enumerate() {
            if !worker.leased.is_empty() {
                holds = true;
                if !std::mem::replace(&mut worker.is_flushing, true) {
                    world.flush(Place { stage, index });
                }
            }
        }
        if holds {
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

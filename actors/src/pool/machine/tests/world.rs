//! Workers as the table meets them, in one thread and in virtual time.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use callboard_core::{ByteStrings, Slot, push_bytes};

use super::fake::{Fake, Order, Unit, Word};
use crate::pool::crew::{Phase, Progress, WorkerId};
use crate::pool::error::TaskError;
use crate::pool::machine::{Cancel, Death, Hears, Machine, Rules, World};
use crate::pool::work::{Outcomes, Terms, Work};
use crate::process::JoinError;

impl Hears for Unit {
    fn is(&self, other: &Self) -> bool {
        self == other
    }
}

/// What came of a task.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    Value,
    Error(TaskError),
}

#[derive(Default)]
pub(super) struct Fakes {
    pub(super) fakes: BTreeMap<WorkerId, Fake>,
    pub(super) seen: HashMap<(Unit, u64), Seen>,
    pub(super) runs: HashMap<(Unit, u64), u32>,
    /// The units of single tasks, in the order in which they began.
    pub(super) order: Vec<Unit>,
    pub(super) dooms: Vec<WorkerId>,
    pub(super) killed: Vec<WorkerId>,
    pub(super) starts: VecDeque<WorkerId>,
}

impl World<Unit> for Fakes {
    fn start(&mut self, worker: WorkerId) {
        self.starts.push_back(worker);
        self.fakes.insert(worker, Fake::default());
    }

    fn give(&mut self, worker: WorkerId, at: u64, work: &Work) {
        let tasks: Vec<(Unit, u64)> = ByteStrings::new(&work.args)
            .map(|arg| {
                let arg: [u8; 16] = arg.unwrap().try_into().unwrap();
                let (unit, task) = arg.split_at(8);
                (u64::from_le_bytes(unit.try_into().unwrap()), u64::from_le_bytes(task.try_into().unwrap()))
            })
            .collect();
        assert_eq!(tasks.len(), work.count as usize);
        self.fake(worker).orders.push_back(Order::Give(at, tasks));
    }

    fn recall(&mut self, worker: WorkerId, count: u32) {
        self.fake(worker).orders.push_back(Order::Recall(count));
    }

    fn recall_one(&mut self, worker: WorkerId, at: u64) {
        self.fake(worker).orders.push_back(Order::RecallOne(at));
    }

    fn take(&mut self, worker: WorkerId, at: u64) -> bool {
        let fake = self.fake(worker);
        let place = fake.inbox.iter().position(|(of, _)| *of == at);
        place.and_then(|place| fake.inbox.remove(place)).is_some()
    }

    fn flush(&mut self, worker: WorkerId) {
        self.dooms.push(worker);
        self.fake(worker).orders.push_back(Order::Flush);
    }

    fn finish(&mut self, worker: WorkerId) {
        self.fake(worker).orders.push_back(Order::Finish);
    }

    fn kill(&mut self, worker: WorkerId) {
        self.killed.push(worker);
    }

    fn progress(&mut self, worker: WorkerId) -> Progress {
        self.fakes.get(&worker).map(|fake| fake.progress).unwrap_or_default()
    }

    fn settle(&mut self, sink: &Unit, first: u64, outcomes: Outcomes) {
        for (at, value) in ByteStrings::new(&outcomes.values).enumerate() {
            let at = at as u32;
            if outcomes.again.contains(&at) {
                continue;
            }
            let error =
                outcomes.errors.iter().find(|(place, _)| *place == at).map(|(_, error)| error.clone());
            assert_eq!(value.unwrap().is_empty(), error.is_some(), "a value or an error");
            let task = (*sink, first + u64::from(at));
            let before = self.seen.insert(task, error.map_or(Seen::Value, Seen::Error));
            assert!(before.is_none(), "{task:?} was settled twice: {before:?}");
        }
    }

    fn changed(&mut self) {}
}

impl Fakes {
    pub(super) fn fake(&mut self, worker: WorkerId) -> &mut Fake {
        self.fakes.get_mut(&worker).expect("a worker that was started and has not ended")
    }
}

/// A table, its world, and a time.
pub(super) struct Play {
    pub(super) machine: Machine<Unit>,
    pub(super) world: Fakes,
    pub(super) now: Instant,
    pub(super) next: Unit,
    pub(super) chance: fastrand::Rng,
    pub(super) seed: u64,
    /// Values outlive their workers.
    pub(super) keeps: bool,
    pub(super) tasks: HashMap<Unit, (u32, Terms, Slot)>,
    /// Single tasks that were to be ended by all means.
    pub(super) to_end: HashSet<Unit>,
    /// Workers that were lent.
    pub(super) lent: Vec<WorkerId>,
    /// Workers that stand still, and until when.
    pub(super) stopped: HashMap<WorkerId, Instant>,
    /// What happened last: the dice, and to whom.
    pub(super) last: (u32, Option<WorkerId>),
}

impl Play {
    pub(super) fn new(rules: Rules, seed: u64) -> Self {
        Self::at(Instant::now(), rules, seed)
    }

    pub(super) fn at(now: Instant, rules: Rules, seed: u64) -> Self {
        let mut play = Self {
            machine: Machine::new(rules, seed),
            world: Fakes::default(),
            now,
            next: 0,
            chance: fastrand::Rng::with_seed(seed),
            seed,
            keeps: seed % 2 == 1,
            tasks: HashMap::new(),
            to_end: HashSet::new(),
            lent: Vec::new(),
            stopped: HashMap::new(),
            last: (0, None),
        };
        play.machine.keep_up(play.now, &mut play.world);
        play
    }

    pub(super) fn submit(&mut self, count: u32, terms: Terms) -> Unit {
        let unit = self.next;
        self.next += 1;
        let mut args = Vec::new();
        for task in 0..u64::from(count) {
            push_bytes(&mut args, &[unit.to_le_bytes(), task.to_le_bytes()].concat());
        }
        let work = Work { args, count, ..Work::default() };
        let slot = self.machine.submit(work, terms, unit, 0);
        self.machine.hand_out(self.now, &mut self.world);
        self.tasks.insert(unit, (count, terms, slot));
        unit
    }

    pub(super) fn cancel(&mut self, unit: Unit, kill: bool) -> Cancel {
        let slot = self.tasks[&unit].2;
        self.machine.cancel(slot, kill, self.now, &mut self.world)
    }

    /// Has the next worker that was asked for begin.
    pub(super) fn start_worker(&mut self) -> WorkerId {
        while let Some(worker) = self.world.starts.pop_front() {
            if self.machine.crew.get(&worker).is_some_and(|member| member.phase == Phase::Starting) {
                self.world.fake(worker).ready = true;
                self.machine.ready(worker, self.now, &mut self.world);
                return worker;
            }
        }
        panic!("play {}: no worker was asked for", self.seed);
    }

    pub(super) fn fail_start(&mut self, why: &str) {
        if let Some(worker) = self.world.starts.pop_front() {
            self.world.fakes.remove(&worker);
            self.machine.failed_start(worker, why, self.now, &mut self.world);
        }
    }

    pub(super) fn holds(&self, worker: WorkerId) -> usize {
        self.machine.crew.get(&worker).map_or(0, |member| member.held.len())
    }

    pub(super) fn waits(&self) -> usize {
        self.machine.waiting_units
    }

    /// Lets time pass, tick by tick.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.machine.tick_at.filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.machine.tick(self.now, &mut self.world);
        }
        self.now = until;
    }

    /// The same for a table that is stopped meanwhile.
    pub(super) fn pass_late(&mut self, time: Duration) {
        self.now += time;
        if self.machine.tick_at.is_some_and(|at| at <= self.now) {
            self.machine.tick(self.now, &mut self.world);
        }
    }

    /// A worker takes what it was sent.
    pub(super) fn deliver(&mut self, worker: WorkerId) -> bool {
        let fake = self.world.fake(worker);
        let Some(order) = fake.orders.pop_front() else { return false };
        match order {
            Order::Give(at, tasks) => fake.inbox.push_back((at, tasks)),
            Order::Recall(_) if fake.inbox.is_empty() && fake.is_at_chunk() && fake.cut.is_none() => {
                fake.cut = Some(None);
            }
            Order::RecallOne(at)
                if fake.cut.is_none()
                    && fake.is_at_chunk()
                    && fake.at_work.as_ref().is_some_and(|(of, ..)| *of == at) =>
            {
                fake.cut = Some(Some(at));
            }
            Order::Recall(count) => {
                let stay = fake.inbox.len().saturating_sub(count as usize);
                let units = fake.inbox.split_off(stay).into_iter().map(|(at, _)| at).collect();
                fake.words.push_back(Word::Recalled(None, units));
            }
            Order::RecallOne(wanted) => {
                let place = fake.inbox.iter().position(|(at, _)| *at == wanted);
                let units = place.and_then(|place| fake.inbox.remove(place)).into_iter().map(|(at, _)| at);
                let units = units.collect();
                fake.words.push_back(Word::Recalled(Some(wanted), units));
            }
            Order::Flush => {
                fake.tell();
                fake.words.push_back(Word::Flushed);
            }
            Order::Finish => fake.finish = true,
        }
        true
    }

    pub(super) fn deliver_all(&mut self, worker: WorkerId) {
        while self.deliver(worker) {}
    }

    /// The table hears what a worker has said.
    pub(super) fn hear(&mut self, worker: WorkerId) -> bool {
        let Some(word) = self.world.fakes.get_mut(&worker).and_then(|fake| fake.words.pop_front()) else {
            return false;
        };
        let (now, world) = (self.now, &mut self.world);
        let heard = match word {
            Word::Told(at, count, tasks) => {
                let mut values = Vec::new();
                tasks.iter().for_each(|(unit, _)| push_bytes(&mut values, &unit.to_le_bytes()));
                // Light, as a worker measures it.
                let outcomes =
                    Outcomes { count, values, nanos: 500 * u64::from(count), ..Outcomes::default() };
                self.machine.told(worker, at, outcomes, now, world)
            }
            Word::Recalled(one, units) => self.machine.recalled(worker, one, &units, now, world),
            Word::Flushed => {
                self.machine.flushed(worker, now, world);
                Ok(())
            }
        };
        assert_eq!(heard, Ok(()), "play {}: a sound worker is refused", self.seed);
        true
    }

    pub(super) fn hear_all(&mut self, worker: WorkerId) {
        while self.hear(worker) {}
    }

    /// A worker begins the next task, if it has none in hand.
    pub(super) fn begin(&mut self, worker: WorkerId) {
        let Fakes { fakes, runs, order, .. } = &mut self.world;
        let Some(fake) = fakes.get_mut(&worker) else { return };
        if fake.at_work.is_none()
            && let Some((at, tasks)) = fake.inbox.pop_front()
        {
            if fake.untold_at + fake.untold.len() as u64 != at {
                fake.tell();
            }
            fake.at_work = Some((at, tasks, 0, 0));
        }
        if fake.cut_chunk() {
            return;
        }
        if let Some((at, tasks, begun, returned)) = &mut fake.at_work
            && begun == returned
        {
            fake.progress.begun = *at + *begun as u64 + 1;
            *runs.entry(tasks[*begun]).or_default() += 1;
            order.push(tasks[*begun].0);
            *begun += 1;
        }
    }

    /// The task in its hand returns.
    pub(super) fn finish(&mut self, worker: WorkerId) {
        let fake = self.world.fake(worker);
        if let Some((at, tasks, begun, returned)) = &mut fake.at_work
            && begun > returned
        {
            let number = *at + *returned as u64;
            fake.progress.returned = number + 1;
            if fake.untold.is_empty() {
                fake.untold_at = number;
            }
            fake.untold.push(tasks[*returned]);
            *returned += 1;
            if *returned == tasks.len() {
                fake.at_work = None;
                if let Some(one) = fake.cut.take() {
                    fake.words.push_back(Word::Recalled(one, Vec::new()));
                }
            }
        }
    }

    /// A worker does all it has, and the table hears of it.
    pub(super) fn work_off(&mut self, worker: WorkerId) {
        loop {
            self.deliver_all(worker);
            let fake = self.world.fake(worker);
            if fake.inbox.is_empty()
                && fake.at_work.is_none()
                && fake.untold.is_empty()
                && fake.words.is_empty()
            {
                return;
            }
            self.begin(worker);
            self.finish(worker);
            self.world.fake(worker).tell();
            self.hear_all(worker);
        }
    }

    /// A worker dies: what it had written is heard, and nothing else.
    pub(super) fn die(&mut self, worker: WorkerId) {
        self.hear_all(worker);
        let Some(fake) = self.world.fakes.remove(&worker) else { return };
        self.world.starts.retain(|other| *other != worker);
        let why = JoinError::Signalled { signal: 9, name: "SIGKILL", core_dumped: false };
        let mut death = Death::of(Some(1), why);
        if self.keeps {
            let words = fake.words.iter().filter_map(|word| match word {
                Word::Told(at, _, tasks) => Some((*at, tasks)),
                _ => None,
            });
            for (at, tasks) in words.chain([(fake.untold_at, &fake.untold)]) {
                let value = |(place, (unit, _)): (usize, &(Unit, u64))| {
                    let mut value = Vec::new();
                    push_bytes(&mut value, &unit.to_le_bytes());
                    (at + place as u64, value)
                };
                death.values.extend(tasks.iter().enumerate().map(value));
            }
        }
        let progress = fake.ready.then_some(fake.progress);
        self.machine.ended(worker, progress, &death, self.now, &mut self.world);
    }
}

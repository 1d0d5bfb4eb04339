//! The table and workers that report, give back and die as they like, with words that say anything of how far they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use callboard_core::{ByteStrings, Slot, push_bytes};

use super::{Cancel, Death, Hears, Machine, Place, Rules, State, Wanted, World};
use crate::fuzzing::Draw;
use crate::pool::crew::{Phase, Progress, WorkerId};
use crate::pool::retry::Retries;
use crate::pool::wire::{ToPool, Told};
use crate::pool::work::{Outcomes, Terms, Work};
use crate::process::JoinError;

/// Who hears of tasks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sink(u64);

impl Hears for Sink {
    fn is(&self, other: &Self) -> bool {
        self == other
    }
}

/// What the table does, as far as it matters.
#[derive(Default)]
struct Outside {
    there: BTreeSet<WorkerId>,
    killed: BTreeSet<WorkerId>,
    progress: BTreeMap<WorkerId, Progress>,
    /// What is to be told of yet, and was submitted.
    open: BTreeSet<(Sink, u64)>,
    /// A worker in this process gives back what it is asked for. Such a one tells the truth, so none that has told of anything does.
    gives_back: bool,
    have_told: BTreeSet<WorkerId>,
}

impl World<Sink> for Outside {
    fn start(&mut self, worker: WorkerId) {
        assert!(self.there.insert(worker), "started twice");
    }

    fn give(&mut self, worker: WorkerId, _: u64, work: &Work) {
        assert!(self.there.contains(&worker), "nobody is there to work");
        assert_eq!(ByteStrings::new(&work.args).filter(Result::is_ok).count(), work.count as usize);
    }

    fn recall(&mut self, _: WorkerId, _: u32) {}
    fn recall_one(&mut self, _: WorkerId, _: u64) {}

    fn take(&mut self, worker: WorkerId, _: u64) -> bool {
        self.gives_back && !self.have_told.contains(&worker)
    }

    fn flush(&mut self, _: WorkerId) {}
    fn finish(&mut self, _: WorkerId) {}

    fn kill(&mut self, worker: WorkerId) {
        self.killed.insert(worker);
    }

    fn progress(&mut self, worker: WorkerId) -> Progress {
        self.progress.get(&worker).copied().unwrap_or_default()
    }

    fn settle(&mut self, sink: &Sink, first: u64, outcomes: Outcomes) {
        let values = ByteStrings::new(&outcomes.values).filter(Result::is_ok).count();
        assert_eq!(values, outcomes.count as usize, "something is told of each");
        for at in (0..outcomes.count).filter(|at| !outcomes.again.contains(at)) {
            let task = (sink.clone(), first + u64::from(at));
            assert!(self.open.remove(&task), "{task:?} was told of twice, or nobody submitted it");
        }
    }

    fn changed(&mut self) {}
}

struct Play {
    machine: Machine<Sink>,
    world: Outside,
    now: Instant,
    slots: Vec<Slot>,
    next_sink: u64,
    /// How much of its tasks have been submitted for the sink that hears of several units.
    of_many: u64,
}

/// Has a table hear what the bytes say.
pub(crate) fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let mut play = Play {
        machine: Machine::new(rules(&mut draw), 7),
        world: Outside::default(),
        now: Instant::now(),
        slots: Vec::new(),
        next_sink: 1,
        of_many: 0,
    };
    play.machine.hand_out(play.now, &mut play.world);
    while !draw.is_over() {
        play.step(&mut draw);
        play.check();
    }
    play.end();
}

fn rules(draw: &mut Draw<'_>) -> Rules {
    let min = draw.below(3);
    let time = |draw: &mut Draw<'_>| draw.flag().then(|| Duration::from_millis(draw.byte().into()));
    Rules {
        min,
        max: min.max(1) + draw.below(3),
        idle_for: time(draw),
        tasks_a_life: draw.flag().then(|| u64::from(draw.byte() % 8) + 1),
        life: time(draw),
        capacity: 12,
        capacity_bytes: 400,
    }
}

/// Whether a worker has not said that it is there.
fn starts(machine: &Machine<Sink>, worker: WorkerId) -> bool {
    machine.crew.get(&worker).is_some_and(|member| member.phase == Phase::Starting)
}

impl Play {
    fn step(&mut self, draw: &mut Draw<'_>) {
        let who = draw.below(8);
        let worker = self.world.there.iter().nth(who % self.world.there.len().max(1)).copied();
        let (machine, world, now) = (&mut self.machine, &mut self.world, self.now);
        world.gives_back = who.is_multiple_of(2);
        match (draw.below(20), worker) {
            (0..4, _) if machine.state == State::Open && machine.has_room() => self.submit(draw),
            (4 | 5, Some(worker)) => machine.ready(worker, now, world),
            (6, Some(worker)) if draw.below(4) == 0 && starts(machine, worker) => {
                world.there.remove(&worker);
                machine.failed_start(worker, "it was to", now, world);
            }
            (7 | 8, Some(worker)) => {
                let progress = Progress { begun: draw.number(), returned: draw.number() };
                world.progress.insert(worker, progress);
            }
            (9..13, Some(worker)) => {
                let said = self.tells(worker, draw);
                self.heard(worker, said, draw);
            }
            (13, Some(worker)) => self.ended(worker, draw),
            (14, _) => {
                self.now += Duration::from_millis(draw.byte().into());
                self.machine.tick(self.now, world);
            }
            (15, _) => {
                let slot = self.slots.get(draw.below(16)).copied().unwrap_or_default();
                if machine.cancel(slot, draw.flag(), now, world) == Cancel::Over {
                    assert!(machine.units.get(slot).is_none());
                }
            }
            (16, _) => match draw.below(16) {
                0 => machine.abort(now, world),
                1 => machine.state = State::Draining,
                2 | 3 => machine.cancel_all_of(&Sink(0), now, world),
                _ => self.lend(draw),
            },
            (_, Some(worker)) => {
                let said = self.says(worker, draw);
                self.heard(worker, said, draw);
            }
            _ => {}
        }
    }

    fn submit(&mut self, draw: &mut Draw<'_>) {
        let count = draw.below(4) as u32 + 1;
        let mut args = Vec::new();
        (0..count).for_each(|_| push_bytes(&mut args, draw.bytes(4)));
        let terms = Terms {
            priority: draw.below(3) as i32,
            limit: draw.flag().then(|| Duration::from_millis(draw.byte().into())),
            retries: Retries::up_to(draw.below(3) as u32),
        };
        let (sink, first) = if draw.flag() {
            let first = self.of_many;
            self.of_many += u64::from(count);
            (Sink(0), first)
        } else {
            self.next_sink += 1;
            (Sink(self.next_sink), 0)
        };
        let tasks = (0..u64::from(count)).map(|at| (sink.clone(), first + at));
        self.world.open.extend(tasks);
        let work = Work { args, count, ..Work::default() };
        self.slots.push(self.machine.submit(work, terms, sink, first));
        self.machine.hand_out(self.now, &mut self.world);
    }

    /// A report: of what it holds, or of anything.
    fn tells(&mut self, worker: WorkerId, draw: &mut Draw<'_>) -> Result<(), String> {
        self.world.have_told.insert(worker);
        let held = self.machine.crew.get(&worker).and_then(|member| member.held.front().copied());
        let mut told = Told { at: draw.number(), nanos: draw.number(), ..Told::default() };
        if let Some(held) = held
            && draw.below(4) > 0
        {
            told.at = held.at + u64::from(held.told);
        }
        for _ in 0..draw.below(6) {
            match draw.below(3) {
                0 if let Some(fault) = draw.value() => told.fault(fault),
                _ => push_bytes(&mut told.values, &[draw.byte()]),
            }
            told.count += 1;
        }
        let mut bytes = Vec::new();
        told.write(&mut bytes).map_err(|error| error.to_string())?;
        if draw.below(16) == 0 {
            bytes.truncate(draw.below(64));
        }
        let (at, outcomes) = Told::read(&bytes, Default::default())?;
        self.machine.told(worker, at, outcomes, self.now, &mut self.world)
    }

    fn says(&mut self, worker: WorkerId, draw: &mut Draw<'_>) -> Result<(), String> {
        let (machine, now, world) = (&mut self.machine, self.now, &mut self.world);
        match draw.value::<ToPool>() {
            Some(ToPool::Recalled { one, mut units }) => {
                let held = machine.crew.get(&worker).map(|member| member.held.iter());
                let held: Vec<u64> =
                    held.into_iter().flatten().map(|held| held.at + u64::from(held.told)).collect();
                for unit in &mut units {
                    *unit = held.get(draw.below(5)).copied().unwrap_or(*unit);
                }
                machine.recalled(worker, one, &units, now, world)
            }
            Some(ToPool::Flushed) => {
                machine.flushed(worker, now, world);
                Ok(())
            }
            Some(ToPool::Heavy) => {
                machine.retire(worker, now, world);
                Ok(())
            }
            Some(ToPool::Ready { .. }) | None => Ok(()),
        }
    }

    /// Whoever breaks the rules loses its connection, and so its life.
    fn heard(&mut self, worker: WorkerId, said: Result<(), String>, draw: &mut Draw<'_>) {
        self.check();
        if said.is_err() {
            self.ended(worker, draw);
        }
    }

    fn ended(&mut self, worker: WorkerId, draw: &mut Draw<'_>) {
        self.world.there.remove(&worker);
        let values: HashMap<u64, Vec<u8>> =
            (0..draw.below(3)).map(|_| (draw.number(), draw.strings())).collect();
        let death = Death { pid: None, why: JoinError::Vanished, values };
        let progress = draw.flag().then(|| self.world.progress(worker));
        self.machine.ended(worker, progress, &death, self.now, &mut self.world);
    }

    /// Somebody who waits does it, whole, or fails to begin.
    fn lend(&mut self, draw: &mut Draw<'_>) {
        let (machine, now, world) = (&mut self.machine, self.now, &mut self.world);
        let slot = self.slots.get(draw.below(16)).copied().unwrap_or_default();
        let wanted = [Wanted::Unit(slot), Wanted::Of(&Sink(0)), Wanted::Room, Wanted::Nothing][draw.below(4)];
        let Some(worker) = machine.lend(wanted, None, now, world) else { return };
        world.there.insert(worker);
        if draw.below(4) == 0 {
            world.there.remove(&worker);
            return machine.lent_fails(worker, "it was to", now, world);
        }
        if !machine.lent_begins(worker, now, world) {
            return self.ended(worker, draw);
        }
        let Some(held) = machine.crew.get(&worker).and_then(|member| member.held.front().copied()) else {
            return;
        };
        let mut outcomes = Outcomes { count: held.count, nanos: draw.number(), ..Outcomes::default() };
        (0..held.count).for_each(|_| push_bytes(&mut outcomes.values, b"done"));
        let told = machine.told(worker, held.at, outcomes, now, world);
        assert_eq!(told, Ok(()), "one of ours keeps to the rules");
        if machine.lent_ends(worker, now, world) {
            world.there.remove(&worker);
        } else {
            self.ended(worker, draw);
        }
    }

    /// However it went, everybody is told of everything once the pool has ended.
    fn end(&mut self) {
        self.machine.abort(self.now, &mut self.world);
        self.check();
        assert!(self.world.open.is_empty(), "nobody was told of {:?}", self.world.open);
        for worker in std::mem::take(&mut self.world.there) {
            self.ended(worker, &mut Draw::new(&[]));
        }
        assert!(self.machine.is_over(), "workers are left: {:?}", self.machine.crew);
    }

    fn check(&self) {
        let machine = &self.machine;
        let of_place = |place: fn(&Place) -> bool| {
            let units = machine.units.iter().map(|(_, unit)| unit).filter(move |unit| place(&unit.place));
            units.fold((0, 0, 0), |(units, tasks, bytes), unit| {
                (units + 1, tasks + unit.work.count as usize, bytes + unit.work.bytes())
            })
        };
        let waiting = (machine.waiting_units, machine.waiting_tasks, machine.waiting_bytes);
        assert_eq!(of_place(|place| *place == Place::Waiting), waiting);
        let (_, tasks, bytes) = of_place(|place| matches!(place, Place::Later(_)));
        assert_eq!((tasks, bytes), (machine.later_tasks, machine.later_bytes));
        for (slot, unit) in machine.units.iter() {
            if let Place::Held(worker, at) = unit.place {
                let member = machine.crew.get(&worker).expect("whoever holds something is known");
                let held = member.held.iter().filter(|held| held.unit == slot);
                assert_eq!(held.map(|held| held.at).collect::<Vec<_>>(), [at], "unit {slot} at {worker}");
            }
        }
        for member in machine.crew.values() {
            let held: u64 = member.held.iter().map(|held| u64::from(held.left())).sum();
            assert_eq!(held, member.held_tasks, "what worker {} holds", member.id);
        }
        // Nothing is forgotten.
        let known: usize = machine.units.iter().map(|(_, unit)| unit.work.count as usize).sum();
        assert!(self.world.open.len() <= known, "nobody is at {:?}", self.world.open);
        let places: usize = machine.waiting.values().map(|queue| queue.len()).sum();
        assert!(
            places <= 4 * machine.units.len() + 256 && machine.later.len() <= 4 * machine.units.len() + 256
        );
    }
}

#[cfg(test)]
mod tests;

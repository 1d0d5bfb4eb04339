//! Plays of chance: anything may happen next, and what must hold does.

use std::time::Duration;

use super::fake::Fake;
use super::world::{Play, Seen};
use crate::pool::crew::{Phase, WorkerId};
use crate::pool::error::TaskError;
use crate::pool::machine::{Cancel, Place, State, Wanted};
use crate::pool::retry::{FailureKind, Retries};
use crate::pool::work::Terms;

impl Play {
    /// Something happens, by chance.
    pub(super) fn step(&mut self, deadly: bool) {
        let moves = |worker: &WorkerId| self.stopped.get(worker).is_none_or(|until| *until <= self.now);
        let workers: Vec<WorkerId> = self.world.fakes.keys().copied().filter(moves).collect();
        let worker = self.chance.choice(workers);
        let dice = self.chance.u32(0..100);
        self.last = (dice, worker);
        match (dice, worker) {
            (0..20, _) => self.submit_by_chance(deadly),
            (20..30, _) if !self.world.starts.is_empty() => {
                if deadly && self.chance.u32(0..10) == 0 {
                    self.fail_start("by chance");
                } else if self.machine.crew.values().any(|member| member.phase == Phase::Starting) {
                    self.start_worker();
                }
            }
            (30..45, Some(worker)) => _ = self.deliver(worker),
            (45..60, Some(worker)) => self.begin(worker),
            (60..75, Some(worker)) => self.finish(worker),
            (75..80, Some(worker)) => self.world.fake(worker).tell(),
            (80..90, Some(worker)) => _ = self.hear(worker),
            (90..93, _) => {
                let time = self.chance.u64(0..80);
                self.pass(Duration::from_millis(time));
            }
            (93..95, Some(worker)) if deadly => {
                if self.chance.bool() {
                    // Not all that it said had been written.
                    self.world.fake(worker).words.truncate(1);
                }
                self.die(worker);
            }
            (95..98, _) if deadly && self.next > 0 => {
                let unit = self.chance.u64(0..self.next);
                let kill = self.chance.bool();
                let came = self.cancel(unit, kill);
                if kill && came != Cancel::Over && self.tasks[&unit].0 == 1 {
                    self.to_end.insert(unit);
                }
            }
            (98, _) if self.next > 0 && self.chance.bool() => self.lend_by_chance(deadly),
            (98, Some(worker)) => self.machine.retire(worker, self.now, &mut self.world),
            _ => {}
        }
        self.end_those_that_are_over();
    }

    /// What has happened just now, for the story of a schedule.
    pub(super) fn last_step(&self) -> String {
        let (dice, worker) = self.last;
        let what = match dice {
            0..20 => return format!("unit {} is submitted", self.next - 1),
            20..30 => return "a worker begins, or can't be started".to_owned(),
            30..45 => "takes what it was sent",
            45..60 => "begins a task",
            60..75 => "has done a task",
            75..80 => "says what it has done",
            80..90 => "is heard",
            90..93 => return "time passes".to_owned(),
            93..95 => "dies, perhaps",
            95..98 => return "a unit is cancelled, perhaps".to_owned(),
            _ => "is lent, or retires, perhaps",
        };
        format!("worker {worker:?} {what}: {} units, {} wait", self.machine.units.len(), self.waits())
    }

    fn submit_by_chance(&mut self, deadly: bool) {
        let limited = deadly && self.chance.u32(0..8) == 0;
        let count = if limited { 1 } else { self.chance.u32(1..5) };
        let most = if deadly { self.chance.u32(0..3) } else { 0 };
        let retries = Retries::up_to(most);
        let counts_limits = deadly && self.chance.bool();
        let terms = Terms {
            priority: self.chance.i32(0..2),
            limit: limited.then_some(Duration::from_millis(100)),
            retries: if counts_limits { retries.on(FailureKind::TimeLimit, 1) } else { retries },
        };
        self.submit(count, terms);
    }

    /// Somebody waits for a unit, and is lent a worker for it.
    fn lend_by_chance(&mut self, deadly: bool) {
        let unit = self.chance.u64(0..self.next);
        let wanted = if self.chance.bool() { Wanted::Of(&unit) } else { Wanted::Unit(self.tasks[&unit].2) };
        let Some(worker) = self.machine.lend(wanted, None, self.now, &mut self.world) else { return };
        self.world.fakes.insert(worker, Fake { ready: true, ..Fake::default() });
        if deadly && self.chance.u32(0..8) == 0 {
            self.world.fakes.remove(&worker);
            return self.machine.lent_fails(worker, "by chance", self.now, &mut self.world);
        }
        if deadly && self.chance.u32(0..4) == 0 {
            self.cancel(unit, true);
        }
        if !self.machine.lent_begins(worker, self.now, &mut self.world) {
            return self.die(worker);
        }
        self.lent.push(worker);
    }

    /// Those that have done what they were lent for.
    fn end_those_lent(&mut self) {
        for worker in std::mem::take(&mut self.lent) {
            let holds = self.machine.crew.get(&worker).is_some_and(|member| !member.held.is_empty());
            if holds && self.world.fakes.contains_key(&worker) {
                self.lent.push(worker);
            } else if self.machine.lent_ends(worker, self.now, &mut self.world) {
                self.world.fakes.remove(&worker);
            } else {
                self.die(worker);
            }
        }
    }

    /// Ends workers that were killed, and those that were told to end and have done everything.
    fn end_those_that_are_over(&mut self) {
        self.end_those_lent();
        for worker in std::mem::take(&mut self.world.killed) {
            self.die(worker);
        }
        let is_over = |fake: &Fake| {
            fake.finish && fake.inbox.is_empty() && fake.at_work.is_none() && fake.orders.is_empty()
        };
        let over: Vec<WorkerId> =
            self.world.fakes.iter().filter(|(_, fake)| is_over(fake)).map(|(worker, _)| *worker).collect();
        for worker in over {
            self.world.fake(worker).tell();
            self.die(worker);
        }
    }

    /// What must hold at any moment.
    pub(super) fn check(&self) {
        let waiting: Vec<_> = self
            .machine
            .units
            .iter()
            .filter(|(_, unit)| unit.place == Place::Waiting)
            .map(|(_, unit)| unit)
            .collect();
        let seed = self.seed;
        assert_eq!(waiting.len(), self.machine.waiting_units, "play {seed}: units that wait");
        let tasks: usize = waiting.iter().map(|unit| unit.work.count as usize).sum();
        assert_eq!(tasks, self.machine.waiting_tasks, "play {seed}: tasks that wait");
        let bytes: usize = waiting.iter().map(|unit| unit.work.bytes()).sum();
        assert_eq!(bytes, self.machine.waiting_bytes, "play {seed}: bytes that wait");
        let later = self.machine.units.iter().filter(|(_, unit)| matches!(unit.place, Place::Later(_)));
        let later: Vec<usize> = later.map(|(_, unit)| unit.work.bytes()).collect();
        let counted = (self.machine.later_tasks, self.machine.later_bytes);
        assert_eq!((later.len(), later.iter().sum()), counted, "play {seed}: those to be tried again");
        for member in self.machine.crew.values() {
            let held: u64 = member.held.iter().map(|held| u64::from(held.count - held.told)).sum();
            assert_eq!(held, member.held_tasks, "play {seed}: what worker {} holds", member.id);
            assert!(
                waiting.is_empty() || !member.is_idle() || member.recalling,
                "play {seed}: work waits, and {} is idle",
                member.id
            );
        }
        for ((unit, task), runs) in &self.world.runs {
            let most = self.tasks[unit].1.retries.most();
            assert!(*runs <= most + 1, "play {seed}: {unit}.{task} ran {runs} times of {}", most + 1);
        }
    }

    /// Nothing bad happens any more: everything comes to its end.
    pub(super) fn settle_all(&mut self) {
        for _ in 0..10_000 {
            if self.machine.units.is_empty() {
                break;
            }
            self.end_those_that_are_over();
            while self.machine.crew.values().any(|member| member.phase == Phase::Starting) {
                self.start_worker();
            }
            let workers: Vec<WorkerId> = self.world.fakes.keys().copied().collect();
            for worker in workers {
                if self.world.fakes.contains_key(&worker) {
                    self.work_off(worker);
                }
            }
            self.end_those_that_are_over();
            self.pass(Duration::from_millis(50));
            self.check();
        }
        let seed = self.seed;
        assert!(self.machine.units.is_empty(), "play {seed}: units are left");
        for (unit, (count, ..)) in &self.tasks {
            for task in 0..u64::from(*count) {
                assert!(
                    self.world.seen.contains_key(&(*unit, task)),
                    "play {seed}: {unit}.{task} was forgotten"
                );
            }
        }
        for unit in &self.to_end {
            // It may have a value, or have had one.
            let seen = &self.world.seen[&(*unit, 0)];
            let died = matches!(seen, Seen::Error(TaskError::Died { had_returned: false, .. }));
            assert!(!died, "play {seed}: {unit} was to end, and came to {seen:?}");
        }
        if self.machine.state == State::Open {
            self.machine.state = State::Draining;
            self.machine.keep_up(self.now, &mut self.world);
        }
        for _ in 0..1_000 {
            let workers: Vec<WorkerId> = self.world.fakes.keys().copied().collect();
            for worker in workers {
                self.deliver_all(worker);
                self.hear_all(worker);
            }
            self.end_those_that_are_over();
            self.pass(Duration::from_millis(50));
        }
        assert!(self.machine.is_over(), "play {seed}: workers are left");
    }
}

//! Plays of chance: anything may happen next, and what must hold does.

use std::time::Duration;

use super::fake::Fake;
use super::world::Play;
use crate::pool::crew::{Phase, WorkerId};
use crate::pool::machine::{Place, State};
use crate::pool::retry::Retries;
use crate::pool::work::Terms;

impl Play {
    /// Something happens, by chance.
    pub(super) fn step(&mut self, deadly: bool) {
        let workers: Vec<WorkerId> = self.world.fakes.keys().copied().collect();
        let worker = self.chance.choice(workers);
        let dice = self.chance.u32(0..100);
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
                self.cancel(unit, kill);
            }
            (98, Some(worker)) => self.machine.retire(worker, self.now, &mut self.world),
            _ => {}
        }
        self.end_those_that_are_over();
    }

    fn submit_by_chance(&mut self, deadly: bool) {
        let limited = deadly && self.chance.u32(0..8) == 0;
        let count = if limited { 1 } else { self.chance.u32(1..5) };
        let most = if deadly { self.chance.u32(0..3) } else { 0 };
        let terms = Terms {
            priority: self.chance.i32(0..2),
            limit: limited.then_some(Duration::from_millis(100)),
            retries: Retries::up_to(most),
        };
        self.submit(count, terms);
    }

    /// Ends workers that were killed, and those that were told to end and have done everything.
    fn end_those_that_are_over(&mut self) {
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

//! A supervisor in a world of which it must keep every promise, whatever happens there; what happens comes from whoever plays.

#[cfg(test)]
mod simulated;
mod world;

use std::time::{Duration, Instant};

use self::world::World;
use super::effect::{ChildId, How, Ticket, Which};
use super::machine::Machine;
use super::spec::{Plan, Settings, Strategy as Who};

/// The longest time that a child is given to end, and that a back-off lasts.
pub(super) const LONGEST: Duration = Duration::from_millis(1_000);

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// One thing that happens. Numbers choose among those that it can happen to.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Begin,
    Started(usize),
    StartFailed(usize),
    Ended(usize, How),
    /// News of a life before the latest, or of nobody.
    Stale(usize, How),
    /// Time passes, and nobody is late.
    Pass(u64),
    /// Time passes, and the wake-up comes late.
    PassLate(u64),
    Add(Plan),
    Terminate(usize),
    Restart(usize),
    Delete(usize),
    /// All goes well for a while.
    Calm,
    Stop,
    Kill,
}

/// Plans without fault for a supervisor of these settings.
fn fitting(settings: Settings, plans: Vec<Plan>) -> Vec<Plan> {
    let mut fitting: Vec<Plan> = Vec::new();
    for mut plan in plans {
        if plan.check(&settings).is_err() {
            plan.is_significant = false;
        }
        let is_new = fitting.iter().all(|known| known.name != plan.name);
        if is_new && settings.strategy != Who::SimpleOneForOne {
            fitting.push(plan);
        }
    }
    fitting
}

/// A supervisor in its world.
pub(super) struct Scene {
    machine: Machine<u64>,
    world: World,
    origin: Instant,
    now: Instant,
    tickets: u64,
}

impl Scene {
    pub(super) fn new(settings: Settings, plans: Vec<Plan>, seed: u64) -> Scene {
        let now = Instant::now();
        let plans = fitting(settings, plans);
        let mut world = World::new(settings);
        for (plan, id) in plans.iter().zip(1..) {
            world.knows(ChildId(id), plan.clone());
        }
        let machine = Machine::new(settings, plans, seed, now).expect("plans without fault");
        Scene { machine, world, origin: now, now, tickets: 0 }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.world.waits_for(Ticket(self.tickets));
        Ticket(self.tickets)
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Begin => {
                self.world.begins();
                let effects = self.machine.begin(self.now);
                self.world.sees(effects, self.now);
            }
            Step::Started(who) => {
                if let Some((child, attempt)) = self.world.one_starting(who) {
                    self.start(child, attempt);
                }
            }
            Step::StartFailed(who) => {
                if let Some((child, attempt)) = self.world.one_starting(who) {
                    self.world.is_over(child);
                    let effects = self.machine.start_failed(child, attempt, 0, self.now);
                    self.world.sees(effects, self.now);
                }
            }
            Step::Ended(who, how) => {
                if let Some((child, attempt)) = self.world.one_there(who) {
                    self.end(child, attempt, how);
                }
            }
            Step::Stale(who, how) => self.stale(who, how),
            Step::Pass(time) => self.pass(ms(time)),
            Step::PassLate(time) => {
                self.now += ms(time);
                self.tick();
            }
            Step::Calm => self.calm(),
            step => self.command(step),
        }
        self.check();
    }

    fn command(&mut self, step: Step) {
        let effects = match step {
            Step::Add(plan) => {
                let ticket = self.ticket();
                let (id, effects) = self.machine.add(plan.clone(), ticket, self.now);
                if let Some(id) = id {
                    self.world.knows(id, plan);
                }
                effects
            }
            Step::Stop => {
                self.world.must_end();
                self.machine.stop(self.now)
            }
            Step::Kill => {
                self.world.is_killed();
                self.machine.kill(self.now)
            }
            Step::Terminate(who) => {
                let (ticket, child) = (self.ticket(), self.world.one_known(who));
                self.world.is_commanded(child);
                let effects = self.machine.terminate(Which::Id(child), ticket, self.now);
                self.world.sees(effects, self.now);
                return self.world.is_commanded(ChildId(0));
            }
            Step::Restart(who) => {
                let (ticket, child) = (self.ticket(), self.world.one_known(who));
                self.machine.restart(Which::Id(child), ticket, self.now)
            }
            Step::Delete(who) => {
                let (ticket, child) = (self.ticket(), self.world.one_known(who));
                self.machine.delete(Which::Name(&self.world.name(child)), ticket, self.now)
            }
            _ => unreachable!("not a command"),
        };
        self.world.sees(effects, self.now);
    }

    fn start(&mut self, child: ChildId, attempt: u64) {
        self.world.has_started(child);
        let effects = self.machine.started(child, attempt, self.now);
        self.world.sees(effects, self.now);
    }

    fn end(&mut self, child: ChildId, attempt: u64, how: How) {
        let expected = self.world.expects(child, how, self.machine.children().map(|(.., state)| state));
        self.world.is_over(child);
        let effects = self.machine.ended(child, attempt, how, 0, self.now);
        if let Some(is_restart) = expected {
            world::check_outcome(&effects, is_restart);
        }
        self.world.sees(effects, self.now);
    }

    fn stale(&mut self, who: usize, how: How) {
        let child = self.world.one_known(who);
        let attempt = self.world.a_former_attempt(child);
        let told = [
            self.machine.started(child, attempt, self.now),
            self.machine.start_failed(child, attempt, 0, self.now),
            self.machine.ended(child, attempt, how, 0, self.now),
        ];
        for effects in told {
            assert_eq!(effects, [], "old news");
        }
    }

    fn tick(&mut self) {
        let effects = self.machine.tick(self.now);
        self.world.sees(effects, self.now);
    }

    /// Time passes, with a tick at each moment that was asked for.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.world.wakes_at().filter(|at| *at <= end) {
            assert!(at > self.now, "what is due has been done");
            self.now = at;
            self.tick();
        }
        self.now = end;
    }

    /// Starts succeed, and whoever is asked to end does so; the deaf ones only when they are killed.
    fn answer_all(&mut self) {
        while let Some((child, attempt)) = self.world.one_obedient() {
            self.end(child, attempt, How::Shutdown);
        }
        if let Some((child, attempt)) = self.world.one_starting(0) {
            self.start(child, attempt);
            return self.answer_all();
        }
        if self.world.one_obedient().is_some() {
            self.answer_all();
        }
    }

    /// After a while in which all goes well, everybody runs or is down, and nobody waits.
    fn calm(&mut self) {
        let limit = self.now + LONGEST * 40;
        while self.world.is_waiting(self.machine.children()) && self.now < limit {
            self.answer_all();
            self.pass(ms(20));
        }
        if self.world.has_begun_to_begin() {
            assert!(self.now < limit, "stuck at {:?}: {:?}", self.now - self.origin, self.machine);
            self.world.check_calm(self.machine.children());
        }
    }

    fn check(&mut self) {
        let children = self.machine.children();
        self.world.check(children, self.now);
    }

    /// Told to end, it does.
    pub(super) fn ends(&mut self) {
        self.step(Step::Calm);
        self.step(Step::Stop);
        self.step(Step::Calm);
        assert!(self.world.has_ended(), "it was told to end: {:?}", self.machine);
    }
}

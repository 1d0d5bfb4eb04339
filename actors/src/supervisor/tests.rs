//! A supervisor on virtual time, told in words: what goes in, and what comes out of it.

mod backoff;
mod begin;
mod commands;
mod faulty;
mod groups;
mod matrix;
mod nested;
mod news;
mod shutdown;
mod significant;
mod window;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::effect::{ChildId, Conclusion, Effect, How, State, Ticket, Which};
use super::machine::Machine;
use super::spec::{Faulty, Plan, Restart, Settings, Strategy};

type Effects = Vec<Effect<&'static str>>;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn permanent(name: &str) -> Plan {
    Plan::worker(name)
}

fn transient(name: &str) -> Plan {
    Plan { restart: Restart::Transient, ..Plan::worker(name) }
}

fn temporary(name: &str) -> Plan {
    Plan { restart: Restart::Temporary, ..Plan::worker(name) }
}

/// Permanent children of these names.
fn all_permanent(names: &str) -> Vec<Plan> {
    names.split_whitespace().map(permanent).collect()
}

fn of(strategy: Strategy) -> Settings {
    Settings { strategy, ..Settings::default() }
}

/// A supervisor of children whose names are single words. What comes out is told in words too, but for reports and
/// times, which are kept apart.
struct Scene {
    machine: Machine<&'static str>,
    origin: Instant,
    now: Instant,
    names: BTreeMap<ChildId, String>,
    attempts: BTreeMap<ChildId, u64>,
    next_ticket: u64,
    reports: Vec<String>,
    /// The `WakeAt` that stands, from the beginning on.
    wake_at: Option<Duration>,
}

impl Scene {
    /// Children that have not been started.
    fn new(settings: Settings, plans: Vec<Plan>) -> Scene {
        Scene::try_new(settings, plans).unwrap()
    }

    fn try_new(settings: Settings, plans: Vec<Plan>) -> Result<Scene, Faulty> {
        let now = Instant::now();
        let names = plans.iter().map(|plan| plan.name.clone());
        let names = (1..).map(ChildId).zip(names).collect();
        Ok(Scene {
            machine: Machine::new(settings, plans, 7, now)?,
            origin: now,
            now,
            names,
            attempts: BTreeMap::new(),
            next_ticket: 0,
            reports: Vec::new(),
            wake_at: None,
        })
    }

    /// Children that all run. Those of a `SimpleOneForOne` have been added.
    fn running(settings: Settings, plans: Vec<Plan>) -> Scene {
        let is_simple = settings.strategy == Strategy::SimpleOneForOne;
        let (planned, added) = if is_simple { (Vec::new(), plans) } else { (plans, Vec::new()) };
        let mut scene = Scene::new(settings, planned);
        let effects = scene.machine.begin(scene.now);
        scene.play(effects);
        for plan in added {
            let effects = scene.add_quietly(plan);
            scene.play(effects);
        }
        assert!(scene.machine.children().all(|(_, _, state)| state == State::Running));
        scene
    }

    fn id(&self, name: &str) -> ChildId {
        let known = self.names.iter().rev().find(|(_, known)| *known == name);
        *known.unwrap_or_else(|| panic!("no child was ever called {name}")).0
    }

    /// The number of its latest start.
    fn attempt(&self, name: &str) -> u64 {
        self.attempts[&self.id(name)]
    }

    fn state(&self, name: &str) -> Option<State> {
        self.machine.children().find(|(_, plan, _)| plan.name == name).map(|(.., state)| state)
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    // Inputs, each with what comes of it.

    fn begin(&mut self) -> String {
        let effects = self.machine.begin(self.now);
        self.tell(&effects)
    }

    fn started(&mut self, name: &str) -> String {
        let effects = self.machine.started(self.id(name), self.attempt(name), self.now);
        self.tell(&effects)
    }

    fn start_fails(&mut self, name: &str) -> String {
        let effects = self.machine.start_failed(self.id(name), self.attempt(name), "no luck", self.now);
        self.tell(&effects)
    }

    fn ends(&mut self, name: &str, how: How) -> String {
        let effects = self.machine.ended(self.id(name), self.attempt(name), how, "over", self.now);
        self.tell(&effects)
    }

    fn fails(&mut self, name: &str) -> String {
        self.ends(name, How::Abnormal)
    }

    /// It does as it was told, or is killed.
    fn is_gone(&mut self, name: &str) -> String {
        self.ends(name, How::Shutdown)
    }

    fn pass(&mut self, time: Duration) -> String {
        self.now += time;
        let effects = self.machine.tick(self.now);
        self.tell(&effects)
    }

    fn stop(&mut self) -> String {
        let effects = self.machine.stop(self.now);
        self.tell(&effects)
    }

    fn kill(&mut self) -> String {
        let effects = self.machine.kill(self.now);
        self.tell(&effects)
    }

    fn add_quietly(&mut self, plan: Plan) -> Effects {
        let (name, ticket) = (plan.name.clone(), self.ticket());
        let (id, effects) = self.machine.add(plan, ticket, self.now);
        if let Some(id) = id {
            self.names.insert(id, name);
        }
        effects
    }

    fn add(&mut self, plan: Plan) -> String {
        let effects = self.add_quietly(plan);
        self.tell(&effects)
    }

    fn terminate(&mut self, name: &str) -> String {
        let ticket = self.ticket();
        let effects = self.machine.terminate(Which::Name(name), ticket, self.now);
        self.tell(&effects)
    }

    fn restart(&mut self, name: &str) -> String {
        let ticket = self.ticket();
        let effects = self.machine.restart(Which::Name(name), ticket, self.now);
        self.tell(&effects)
    }

    fn delete(&mut self, name: &str) -> String {
        let ticket = self.ticket();
        let effects = self.machine.delete(Which::Name(name), ticket, self.now);
        self.tell(&effects)
    }

    // A world in which everything works.

    /// It fails, and everybody else does at once what they are told. All that happens, in order.
    fn fails_among_good_ones(&mut self, name: &str) -> String {
        self.ends_among_good_ones(name, How::Abnormal)
    }

    fn ends_among_good_ones(&mut self, name: &str, how: How) -> String {
        let effects = self.machine.ended(self.id(name), self.attempt(name), how, "over", self.now);
        self.play(effects)
    }

    /// Children start, stop and die as they are told, until nothing more is to be done.
    fn play(&mut self, effects: Effects) -> String {
        let mut said = vec![self.tell(&effects)];
        let mut todo = VecDeque::from(effects);
        while let Some(effect) = todo.pop_front() {
            let effects = match effect {
                Effect::Start { child, attempt, .. } => self.machine.started(child, attempt, self.now),
                Effect::Stop { child, attempt } => {
                    self.machine.ended(child, attempt, How::Shutdown, "asked", self.now)
                }
                Effect::Kill { child, attempt } => {
                    self.machine.ended(child, attempt, How::Abnormal, "killed", self.now)
                }
                _ => continue,
            };
            said.push(self.tell(&effects));
            todo.extend(effects);
        }
        said.retain(|words| !words.is_empty());
        said.join(", ")
    }

    /// Keeps what later inputs need, and puts the rest into words.
    fn tell(&mut self, effects: &Effects) -> String {
        let mut said = Vec::new();
        for effect in effects {
            if let Effect::Start { child, attempt, .. } = effect {
                self.attempts.insert(*child, *attempt);
            }
            match effect {
                Effect::Report(report) => self.reports.push(report.to_string()),
                Effect::WakeAt(at) => self.wake_at = Some(at.duration_since(self.origin)),
                effect => said.push(self.words(effect)),
            }
        }
        said.join(", ")
    }

    fn words(&self, effect: &Effect<&'static str>) -> String {
        let name = |child: &ChildId| self.names[child].as_str();
        match effect {
            Effect::Start { child, is_restart: false, .. } => format!("start {}", name(child)),
            Effect::Start { child, is_restart: true, .. } => format!("restart {}", name(child)),
            Effect::Stop { child, .. } => format!("stop {}", name(child)),
            Effect::Kill { child, .. } => format!("kill {}", name(child)),
            Effect::Answer { ticket, result: Ok(_) } => format!("{} is done", ticket.0),
            Effect::Answer { ticket, result: Err(refusal) } => format!("{} is refused: {refusal}", ticket.0),
            Effect::Restarting { child, .. } => format!("restarting {}", name(child)),
            Effect::Final { child, .. } => format!("final {}", name(child)),
            Effect::Forget { child } => format!("forget {}", name(child)),
            Effect::Begun => "begun".to_owned(),
            Effect::Ended { why } => format!("ended: {}", conclusion(why)),
            Effect::Report(_) | Effect::WakeAt(_) => unreachable!("these are kept apart"),
        }
    }
}

fn conclusion(why: &Conclusion<&'static str>) -> String {
    match why {
        Conclusion::Asked => "asked".to_owned(),
        Conclusion::Killed => "killed".to_owned(),
        Conclusion::TooManyRestarts => "too many restarts".to_owned(),
        Conclusion::Significant { .. } => "significant".to_owned(),
        Conclusion::StartFailed { name, why, .. } => format!("{name} did not start, {why}"),
    }
}

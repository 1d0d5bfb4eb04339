//! A supervisor on its node: the machine, its children, and the one place where what it decides is carried out.
//!
//! News and commands come on any thread. Effects are carried out in order, by one thread at a time: whoever finds another at it leaves
//! its own to that one. Starts and kills run users' code and have threads of their own. No lock is held meanwhile.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use callboard_core::Slot;
use parking_lot::Mutex;

use super::answer::Answer;
use super::child_spec::{ChildSpec, SupervisorSpec};
use super::effect::{ChildId, Conclusion, Effect, Refusal, State, Ticket};
use super::kid::{Kid, Told};
use super::machine::Machine;
use super::outcome::ChildState;
use super::spec::{Faulty, Plan};
use crate::actor::Exit;
use crate::cell::{Cell, Incoming, Violation};
use crate::hook::Hooks;
use crate::node::{Node, WeakNode};
use crate::peer::Peer;
use crate::protocol::panic_text;
use crate::runtime::Runtime;
use crate::tree::{KidIs, KidPart, Seen, SupervisorPart};

/// When to try again, if no thread could be had.
const NO_THREAD_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A start or a kill.
type Job = Box<dyn FnOnce(&Arc<Runtime>) + Send>;

pub(crate) struct SupervisorCell {
    runtime: Weak<Runtime>,
    node: WeakNode,
    pub(super) slot: Slot,
    me: Weak<Self>,
    pub(super) name: String,
    /// Its strategy and limit, in words.
    terms: String,
    is_quiet: bool,
    above: Option<Above>,
    pub(super) state: Mutex<Inner>,
}

/// Who supervises a supervisor.
pub(super) struct Above {
    pub(super) told: Told,
    /// Which of its lives this is.
    pub(super) attempt: u64,
}

pub(super) struct Inner {
    machine: Machine<Exit>,
    kids: HashMap<ChildId, Arc<dyn Kid>>,
    effects: VecDeque<Effect<Exit>>,
    /// A thread carries them out.
    is_at_it: bool,
    answers: HashMap<Ticket, Arc<Answer>>,
    next_ticket: u64,
    /// Starts and kills for which no thread could be had; a tick tries again.
    waiting: Vec<Job>,
    pub(super) has_begun: bool,
    pub(super) over: Option<Conclusion<Exit>>,
    pub(super) hooks: Hooks,
}

impl SupervisorCell {
    /// One that has not begun.
    ///
    /// # Errors
    ///
    /// What is wrong with the plan.
    pub(super) fn create(
        node: &Node,
        spec: &SupervisorSpec,
        above: Option<Above>,
    ) -> Result<Arc<Self>, Faulty> {
        let plans = spec.children.iter().map(|child| child.plan.clone()).collect();
        let seed = callboard_ipc::random_u64();
        let machine = Machine::new(spec.settings, plans, seed, node.runtime().now())?;
        let ids: Vec<ChildId> = machine.children().map(|(id, ..)| id).collect();
        let runtime = node.runtime();
        let cell = runtime.add_cell(|slot| {
            Arc::new_cyclic(|me: &Weak<Self>| {
                let inner = Inner {
                    machine,
                    kids: HashMap::new(),
                    effects: VecDeque::new(),
                    is_at_it: false,
                    answers: HashMap::new(),
                    next_ticket: 0,
                    waiting: Vec::new(),
                    has_begun: false,
                    over: None,
                    hooks: Hooks::default(),
                };
                Self {
                    runtime: Arc::downgrade(runtime),
                    node: node.downgrade(),
                    slot,
                    me: Weak::clone(me),
                    name: spec.name.clone(),
                    terms: spec.settings.to_string(),
                    is_quiet: spec.is_quiet,
                    above,
                    state: Mutex::new(inner),
                }
            })
        });
        // Users' code, so no lock is held; should it panic, nothing is left.
        let make = || -> HashMap<_, _> {
            let kids = ids.into_iter().zip(&spec.children);
            kids.map(|(id, child)| (id, cell.make(child, Some(id)).0)).collect()
        };
        match catch_unwind(AssertUnwindSafe(make)) {
            Ok(kids) => cell.state.lock().kids = kids,
            Err(panic) => {
                runtime.remove_cell(cell.slot);
                resume_unwind(panic);
            }
        }
        Ok(cell)
    }

    fn make(&self, child: &ChildSpec, id: Option<ChildId>) -> (Arc<dyn Kid>, Told) {
        let told = Told::new(Weak::clone(&self.me));
        id.iter().for_each(|id| told.is_for(*id));
        ((child.make)(self.node.clone(), told.clone()), told)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Tells the machine something, and has done what follows from it.
    pub(super) fn input(&self, with: impl FnOnce(&mut Machine<Exit>, Instant) -> Vec<Effect<Exit>>) {
        self.change(|inner, now| {
            let effects = with(&mut inner.machine, now);
            inner.effects.extend(effects);
        });
    }

    fn change(&self, with: impl FnOnce(&mut Inner, Instant)) {
        let Some(runtime) = self.runtime.upgrade() else { return };
        let mut inner = self.state.lock();
        with(&mut inner, runtime.now());
        if std::mem::replace(&mut inner.is_at_it, true) {
            return;
        }
        while let Some(effect) = inner.effects.pop_front() {
            drop(inner);
            // What is dropped there may be users' own; the others must not wait for it.
            let carry_out = || self.carry_out(&runtime, effect);
            if catch_unwind(AssertUnwindSafe(carry_out)).is_err() {
                runtime.complain(&format!("{}: something of a child panicked as it was dropped", self.name));
            }
            inner = self.state.lock();
        }
        inner.is_at_it = false;
    }

    /// Gives a command; its answer is to be waited for.
    pub(super) fn command(
        &self,
        with: impl FnOnce(&mut Machine<Exit>, Ticket, Instant) -> Vec<Effect<Exit>>,
    ) -> Arc<Answer> {
        let answer = Arc::new(Answer::default());
        self.change(|inner, now| {
            let Some(ticket) = inner.ticket(&answer) else { return };
            let effects = with(&mut inner.machine, ticket, now);
            inner.effects.extend(effects);
        });
        answer
    }

    /// Adds a child; the answer is to be waited for.
    pub(super) fn add(&self, spec: &ChildSpec) -> Arc<Answer> {
        let answer = Arc::new(Answer::default());
        let (kid, told) = self.make(spec, None);
        self.change(|inner, now| {
            let Some(ticket) = inner.ticket(&answer) else { return };
            let (id, effects) = inner.machine.add(spec.plan.clone(), ticket, now);
            if let Some(id) = id {
                told.is_for(id);
                inner.kids.insert(id, kid);
            }
            inner.effects.extend(effects);
        });
        answer
    }

    fn kid(&self, child: ChildId) -> Option<Arc<dyn Kid>> {
        self.state.lock().kids.get(&child).map(Arc::clone)
    }

    fn carry_out(&self, runtime: &Arc<Runtime>, effect: Effect<Exit>) {
        match effect {
            Effect::Start { child, attempt, .. } => {
                let Some(kid) = self.kid(child) else { return };
                kid.is_to_start(attempt);
                let me = Weak::clone(&self.me);
                let start = move |runtime: &Arc<Runtime>| {
                    let start = || kid.start(runtime, attempt);
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(start))
                        && let Some(me) = me.upgrade()
                    {
                        let why = Exit::Panicked(panic_text(panic));
                        me.input(|machine, now| machine.start_failed(child, attempt, why, now));
                    }
                };
                self.aside(runtime, Box::new(start));
            }
            Effect::Kill { child, attempt } => {
                let Some(kid) = self.kid(child) else { return };
                self.aside(runtime, Box::new(move |runtime: &Arc<Runtime>| kid.kill(runtime, attempt)));
            }
            Effect::Stop { child, attempt } => {
                self.kid(child).iter().for_each(|kid| kid.stop(runtime, attempt));
            }
            Effect::Restarting { child, attempt } => {
                self.kid(child).iter().for_each(|kid| kid.restarts(runtime, attempt));
            }
            Effect::Final { child, attempt } => {
                self.kid(child).iter().for_each(|kid| kid.is_over(runtime, attempt));
            }
            Effect::Forget { child } => {
                let forgotten = self.state.lock().kids.remove(&child);
                drop(forgotten);
            }
            Effect::WakeAt(at) => _ = runtime.tick_by_clock(at, self.slot),
            Effect::Answer { ticket, result } => {
                let answer = self.state.lock().answers.remove(&ticket);
                answer.iter().for_each(|answer| answer.fill(result.clone()));
            }
            Effect::Report(report) if self.is_quiet => drop(report),
            Effect::Report(report) => runtime.complain(&format!("{}: {report}", self.name)),
            Effect::Begun => {
                self.notify(|inner| inner.has_begun = true);
                self.above.iter().for_each(|above| above.told.started(above.attempt));
            }
            Effect::Ended { why } => self.ended(runtime, why),
        }
    }

    /// Runs users' code beside the threads of actors, which may all be in use. Never on this thread, which may hold that very child.
    fn aside(&self, runtime: &Arc<Runtime>, job: Job) {
        // In a place of its own, so that it is still there if no thread can be had.
        let job = Arc::new(Mutex::new(Some(job)));
        let (of, taken) = (Arc::clone(runtime), Arc::clone(&job));
        let run = move || {
            let job = taken.lock().take();
            if let Some(job) = job {
                job(&of);
                of.flush_listed_by_need();
            }
        };
        if std::thread::Builder::new().name("supervisor".to_owned()).spawn(run).is_err()
            && let Some(job) = job.lock().take()
        {
            self.state.lock().waiting.push(job);
            runtime.tick_at(Instant::now() + NO_THREAD_AGAIN_AFTER, self.slot);
        }
    }

    fn notify(&self, with: impl FnOnce(&mut Inner)) {
        let hooks = {
            let mut inner = self.state.lock();
            with(&mut inner);
            inner.hooks.take()
        };
        hooks.iter().for_each(|hook| hook.notify());
    }

    fn ended(&self, runtime: &Arc<Runtime>, why: Conclusion<Exit>) {
        let has_begun = self.state.lock().has_begun;
        let mut kids = HashMap::new();
        self.notify(|inner| {
            inner.over.get_or_insert(why.clone());
            kids = std::mem::take(&mut inner.kids);
        });
        drop(kids);
        runtime.remove_cell(self.slot);
        let Some(Above { told, attempt }) = &self.above else { return };
        match why {
            Conclusion::StartFailed { why, .. } if !has_begun => told.start_failed(*attempt, why),
            why => told.ended_so(*attempt, why.how(), exit_of(&why)),
        }
    }

    /// How it ended, if it has.
    pub(super) fn over(&self) -> Option<Conclusion<Exit>> {
        self.state.lock().over.clone()
    }

    pub(super) fn has_begun(&self) -> bool {
        self.state.lock().has_begun
    }

    /// Its children in the order of their starts.
    pub(super) fn children(&self) -> Vec<(Plan, State)> {
        let inner = self.state.lock();
        inner.machine.children().map(|(_, plan, state)| (plan.clone(), state)).collect()
    }

    /// What is to be seen of it.
    pub(super) fn part(&self) -> SupervisorPart {
        let kids: Vec<_> = {
            let inner = self.state.lock();
            let kid = |id| inner.kids.get(&id).map(Arc::clone);
            inner.machine.children().map(|(id, plan, state)| (plan.name.clone(), state, kid(id))).collect()
        };
        let children = kids.into_iter().map(|(name, state, kid)| KidPart {
            name,
            state: ChildState::from(state).to_string(),
            is: kid.map_or(KidIs::Nothing, |kid| kid.is()),
        });
        SupervisorPart { name: self.name.clone(), terms: self.terms.clone(), children: children.collect() }
    }
}

impl Inner {
    /// None if nobody would answer any more: that is the answer then.
    fn ticket(&mut self, answer: &Arc<Answer>) -> Option<Ticket> {
        if self.over.is_some() {
            answer.fill(Err(Refusal::Ending));
            return None;
        }
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.answers.insert(ticket, Arc::clone(answer));
        Some(ticket)
    }
}

/// A supervisor's end as its own supervisor sees it. Too many restarts are in order there, as with OTP: whoever is permanent is started
/// again all the same.
pub(super) fn exit_of(why: &Conclusion<Exit>) -> Exit {
    match why {
        Conclusion::Asked | Conclusion::TooManyRestarts | Conclusion::Significant { .. } => Exit::Shutdown,
        Conclusion::Killed => Exit::Killed,
        Conclusion::StartFailed { why, .. } => why.clone(),
    }
}

impl Cell for SupervisorCell {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(&self, _: &Arc<Runtime>, _: &Arc<Peer>, _: Incoming<'_>) -> Result<(), Violation> {
        Err("a message to a supervisor, which takes none".to_owned())
    }

    fn is_supervisor(&self) -> bool {
        true
    }

    fn awaited(&self, _: Option<Slot>) -> Option<crate::standing::Awaited> {
        Some(self.as_awaited())
    }

    fn seen(&self) -> Option<Seen> {
        self.above.is_none().then(|| Seen::Supervisor(self.part()))
    }

    fn tick(&self, runtime: &Arc<Runtime>) {
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        waiting.into_iter().for_each(|job| self.aside(runtime, job));
        self.input(|machine, now| machine.tick(now));
    }

    /// Its children end with the node, and nobody is started any more.
    fn node_ends(&self, runtime: &Arc<Runtime>) {
        let mut left = None;
        self.notify(|inner| {
            inner.over.get_or_insert(Conclusion::Killed);
            // From here on nobody carries anything out.
            inner.is_at_it = true;
            inner.effects.clear();
            let (answers, kids) = (std::mem::take(&mut inner.answers), std::mem::take(&mut inner.kids));
            left = Some((answers, kids, std::mem::take(&mut inner.waiting)));
        });
        if let Some((answers, kids, waiting)) = left {
            answers.into_values().for_each(|answer| answer.fill(Err(Refusal::Ending)));
            drop((kids, waiting));
        }
        runtime.remove_cell(self.slot);
    }
}

impl fmt::Debug for SupervisorCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Supervisor({})", self.name)
    }
}

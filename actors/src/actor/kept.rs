//! An actor as a supervisor's child: on the supervisor's node, where it lives on at the same address when it is started again, or in a
//! process of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Actor;
use super::cell::ActorCell;
use super::error::StartActorError;
use super::exit::Exit;
use super::fate::Open;
use super::keeper::Keeper;
use super::start::{KeptAs, StartActor, live};
use super::wire::Ending;
use crate::names;
use crate::node::{Node, WeakNode};
use crate::process::{self, Process, SpawnError};
use crate::protocol::panic_text;
use crate::runtime::Runtime;
use crate::supervisor::{Kid, Told};
use crate::tree::KidIs;

/// An actor that a supervisor keeps. `F` says how it is started, each time anew.
pub(crate) struct Kept<A: Actor, F> {
    make: F,
    node: WeakNode,
    told: Told,
    me: Weak<Self>,
    state: Mutex<State<A::Message>>,
}

struct State<M> {
    /// The latest start.
    attempt: u64,
    life: Life<M>,
    /// It has been asked to end before there was anybody to ask.
    asked: Option<Ending>,
    /// The plan of the start is being made, which is users' code; nothing is there yet.
    in_plan: bool,
    /// How many cells it has had.
    cells: u64,
    /// The name that is kept for its processes, and the key to it.
    held: Option<(String, u64)>,
    /// What is to be decided of its latest process.
    fate: Option<Open>,
}

enum Life<M> {
    None,
    Here { cell: Arc<ActorCell<M>>, number: u64, phase: Phase },
    Process(Arc<Process<Exit>>),
}

/// Where an actor on this node is in its lives.
enum Phase {
    /// It is to start, and nobody has come to that yet.
    Pending,
    /// Its `start` runs.
    Starting,
    Running,
    /// So its latest life ended.
    Over(Exit),
}

/// What came of a start.
enum Begun {
    Yes,
    /// It was killed meanwhile.
    GivenUp,
}

/// Hears of the end of one cell's lives.
struct Hears<A: Actor, F> {
    kept: Weak<Kept<A, F>>,
    number: u64,
}

impl<A, F> Keeper for Hears<A, F>
where
    A: Actor,
    F: for<'n> Fn(&'n Node) -> StartActor<'n, A> + Send + Sync + 'static,
{
    fn ended(&self, _: &Arc<Runtime>, exit: Exit) -> bool {
        self.kept.upgrade().is_some_and(|kept| kept.ended_here(self.number, exit))
    }
}

impl<A, F> Kept<A, F>
where
    A: Actor,
    F: for<'n> Fn(&'n Node) -> StartActor<'n, A> + Send + Sync + 'static,
{
    pub(crate) fn create(make: F, node: WeakNode, told: Told) -> Arc<dyn Kid> {
        let state = State {
            attempt: 0,
            life: Life::None,
            asked: None,
            in_plan: false,
            cells: 0,
            held: None,
            fate: None,
        };
        Arc::new_cyclic(|me| Self { make, node, told, me: Weak::clone(me), state: Mutex::new(state) })
    }

    /// A life in one of its cells has ended; false if that cell has been given up.
    fn ended_here(&self, of: u64, with: Exit) -> bool {
        let attempt = {
            let mut state = self.state.lock();
            match &mut state.life {
                Life::Here { number, phase: phase @ (Phase::Starting | Phase::Running), .. }
                    if *number == of =>
                {
                    *phase = Phase::Over(with.clone());
                }
                _ => return false,
            }
            state.attempt
        };
        self.told.ended(attempt, with);
        true
    }

    fn start_here(
        &self,
        node: &Node,
        plan: StartActor<'_, A>,
        attempt: u64,
    ) -> Result<Begun, StartActorError> {
        let runtime = node.runtime();
        let stash_capacity = plan.stash_capacity;
        let known = match &self.state.lock().life {
            Life::Here { cell, number, .. } if !cell.has_ended() => Some((Arc::clone(cell), *number)),
            _ => None,
        };
        let is_new = known.is_none();
        let (cell, number, args) = match known {
            Some((cell, number)) => (cell, number, plan.args),
            None => {
                let number = {
                    let mut state = self.state.lock();
                    state.cells += 1;
                    state.cells
                };
                let keeper = Arc::new(Hears { kept: Weak::clone(&self.me), number });
                let (plan, args) = plan.into_plan(Some(keeper));
                let cell = ActorCell::create(runtime, plan);
                cell.take_name(runtime, 0)?;
                (cell, number, args)
            }
        };
        {
            let mut state = self.state.lock();
            if state.attempt != attempt || state.asked == Some(Ending::Kill) {
                drop(state);
                if is_new {
                    cell.close(runtime, Exit::Killed);
                }
                return Ok(Begun::GivenUp);
            }
            // Nothing of a former life is left, nor what was asked of it.
            cell.begins_anew();
            if let Some(ending) = state.asked.take() {
                cell.end(runtime, ending);
            }
            state.life = Life::Here { cell: Arc::clone(&cell), number, phase: Phase::Starting };
        }
        let begun = live::<A>(runtime, &cell, self.node.clone(), args, stash_capacity);
        let why = begun.as_ref().err().map(Exit::from);
        self.has_begun(number, why.clone());
        if let (Some(why), true) = (why, is_new) {
            cell.close(runtime, why);
        }
        begun.map(|()| Begun::Yes)
    }

    /// Its `start` has returned.
    fn has_begun(&self, of: u64, failed: Option<Exit>) {
        if let Life::Here { number, phase: phase @ Phase::Starting, .. } = &mut self.state.lock().life
            && *number == of
        {
            *phase = failed.map_or(Phase::Running, Phase::Over);
        }
    }

    /// Ends the life in that cell, whose code can't be interrupted: it goes on, for nobody.
    fn give_up(&self, runtime: &Arc<Runtime>, of: u64, attempt: u64) {
        let cell = {
            let mut state = self.state.lock();
            match &state.life {
                Life::Here { cell, number, phase } if *number == of && state.attempt == attempt => {
                    if matches!(phase, Phase::Over(_)) {
                        return;
                    }
                    let cell = Arc::clone(cell);
                    (state.life, state.asked) = (Life::None, Some(Ending::Kill));
                    cell
                }
                _ => return,
            }
        };
        cell.end(runtime, Ending::Kill);
        cell.close(runtime, Exit::Killed);
        self.told.ended(attempt, Exit::Killed);
    }

    /// Keeps the name of one in a process of its own, so that nobody else has it between two lives; the key to it.
    fn hold(&self, runtime: &Arc<Runtime>, name: Option<&str>) -> Result<u64, StartActorError> {
        let held = self.state.lock().held.clone();
        match (held, name) {
            (Some((held, key)), Some(name)) if held == name => return Ok(key),
            (Some((held, key)), _) => names::unhold(runtime, &held, key),
            (None, _) => {}
        }
        let Some(name) = name else { return Ok(0) };
        let key = callboard_ipc::random_u64();
        names::hold(runtime, name, key)?;
        self.state.lock().held = Some((name.to_owned(), key));
        Ok(key)
    }

    /// So its latest process ended, if that was where it lived.
    fn process_ended(&self, exit: &Exit) {
        if let Some(fate) = &mut self.state.lock().fate {
            fate.exit = Some(exit.clone());
        }
    }

    fn start_process(&self, mut plan: StartActor<'_, A>, attempt: u64) -> Result<Begun, StartActorError> {
        let Some(start) = plan.process else { return Ok(Begun::GivenUp) };
        let runtime = plan.node.runtime();
        let key = self.hold(runtime, plan.name.as_deref())?;
        let node = process::new_id().ok_or(SpawnError::NoRandomness)?;
        plan.kept = Some(KeptAs { key, node });
        // Before there is a process: it may be watched, and killed, before this thread goes on.
        self.state.lock().fate = Some(Open::new(runtime, node));
        let publish = |process: &Arc<Process<Exit>>| {
            process.is_watched();
            let asked = {
                let mut state = self.state.lock();
                state.life = Life::Process(Arc::clone(process));
                state.asked.take()
            };
            match asked {
                Some(Ending::Kill) => _ = process.kill(),
                Some(_) => process.ask_to_end(),
                None => {}
            }
        };
        let (_, process) = start(plan, &publish)?;
        let me = Weak::clone(&self.me);
        let ended = Arc::downgrade(&process);
        process.on_end(move || {
            if let (Some(kept), Some(process)) = (me.upgrade(), ended.upgrade()) {
                let exit = process.ended().unwrap_or_else(Exit::from);
                kept.process_ended(&exit);
                kept.told.ended(attempt, exit);
            }
        });
        Ok(Begun::Yes)
    }
}

impl<A, F> Kid for Kept<A, F>
where
    A: Actor,
    F: for<'n> Fn(&'n Node) -> StartActor<'n, A> + Send + Sync + 'static,
{
    fn is_to_start(&self, attempt: u64) {
        let mut state = self.state.lock();
        (state.attempt, state.asked, state.in_plan) = (attempt, None, true);
        if let Life::Here { phase, .. } = &mut state.life {
            *phase = Phase::Pending;
        }
    }

    fn start(&self, _: &Arc<Runtime>, attempt: u64) {
        let Some(node) = self.node.upgrade() else {
            return self.told.start_failed(attempt, Exit::Shutdown);
        };
        let plan = catch_unwind(AssertUnwindSafe(|| (self.make)(&node)));
        {
            let mut state = self.state.lock();
            if state.attempt != attempt || state.asked == Some(Ending::Kill) {
                drop(state);
                return self.told.ended(attempt, Exit::Killed);
            }
            state.in_plan = false;
        }
        let begun = match plan {
            Ok(plan) if plan.process.is_some() => self.start_process(plan, attempt),
            Ok(plan) => self.start_here(&node, plan, attempt),
            Err(panic) => Err(StartActorError::Panicked(panic_text(panic))),
        };
        match begun {
            Ok(Begun::Yes) => self.told.started(attempt),
            Ok(Begun::GivenUp) => self.told.ended(attempt, Exit::Killed),
            Err(error) => {
                let why = Exit::from(&error);
                self.process_ended(&why);
                self.told.start_failed(attempt, why);
            }
        }
    }

    fn stop(&self, runtime: &Arc<Runtime>, attempt: u64) {
        let mut state = self.state.lock();
        if state.attempt != attempt {
            return;
        }
        match &state.life {
            Life::Here { cell, phase: Phase::Starting | Phase::Running, .. } => {
                cell.end(runtime, Ending::Shutdown);
            }
            Life::Here { phase: Phase::Over(_), .. } => {}
            Life::Process(process) if process.is_alive() => process.ask_to_end(),
            _ => state.asked = state.asked.max(Some(Ending::Shutdown)),
        }
    }

    fn kill(&self, runtime: &Arc<Runtime>, attempt: u64) {
        let mut state = self.state.lock();
        if state.attempt != attempt {
            return;
        }
        match &state.life {
            Life::Here { phase: Phase::Over(_), .. } => {}
            Life::Here { cell, number, phase } => {
                let (cell, number, is_running) = (Arc::clone(cell), *number, matches!(phase, Phase::Running));
                drop(state);
                if !is_running || !cell.kill_now(runtime) {
                    self.give_up(runtime, number, attempt);
                }
            }
            Life::Process(process) if process.is_alive() => _ = process.kill(),
            _ => {
                state.asked = Some(Ending::Kill);
                if state.in_plan {
                    drop(state);
                    self.told.ended(attempt, Exit::Killed);
                }
            }
        }
    }

    fn restarts(&self, runtime: &Arc<Runtime>, _: u64) {
        let (over, fate) = {
            let mut state = self.state.lock();
            let over = match &state.life {
                Life::Here { cell, phase: Phase::Over(exit), .. } => Some((Arc::clone(cell), exit.clone())),
                _ => None,
            };
            (over, state.fate.take())
        };
        if let Some((cell, exit)) = over {
            cell.restarts(runtime, exit);
        }
        if let Some(fate) = fate {
            fate.decide(runtime, true);
        }
    }

    fn is_over(&self, runtime: &Arc<Runtime>, _: u64) {
        let (life, held, fate) = {
            let mut state = self.state.lock();
            let life = std::mem::replace(&mut state.life, Life::None);
            (life, state.held.take(), state.fate.take())
        };
        if let Life::Here { cell, phase, .. } = life {
            let exit = if let Phase::Over(exit) = phase { exit } else { Exit::Shutdown };
            cell.close(runtime, exit);
        }
        // Whoever is told of the end finds the name free.
        let decide = |runtime: &Arc<Runtime>| {
            if let Some(fate) = fate {
                fate.decide(runtime, false);
            }
        };
        match held {
            Some((name, key)) => names::unhold_then(runtime, &name, key, decide),
            None => decide(runtime),
        }
    }

    fn is(&self) -> KidIs {
        match &self.state.lock().life {
            Life::Here { cell, .. } => KidIs::Actor(cell.address.slot),
            Life::Process(process) if process.is_alive() => KidIs::Process(process.pid()),
            Life::Process(_) | Life::None => KidIs::Nothing,
        }
    }
}

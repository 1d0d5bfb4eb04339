//! An actor as a supervisor's child: on the supervisor's node, where it lives on at the same address when it is started again, or in a
//! process of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Actor;
use super::cell::ActorCell;
use super::error::StartActorError;
use super::exit::Exit;
use super::keeper::Keeper;
use super::start::{StartActor, live};
use super::wire::Ending;
use crate::failure::Failure;
use crate::names;
use crate::node::{Node, WeakNode};
use crate::process::Process;
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
    /// How many cells it has had.
    cells: u64,
    /// The name that is kept for its processes, and the key to it.
    held: Option<(String, u64)>,
}

enum Life<M> {
    None,
    Here {
        cell: Arc<ActorCell<M>>,
        number: u64,
        /// How the latest life ended.
        exit: Option<Exit>,
        /// Its `start` runs.
        is_starting: bool,
    },
    Process(Arc<Process<Exit>>),
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
    fn ended(&self, _: &Arc<Runtime>, exit: Exit) {
        if let Some(kept) = self.kept.upgrade() {
            kept.ended_here(self.number, exit);
        }
    }
}

impl<A, F> Kept<A, F>
where
    A: Actor,
    F: for<'n> Fn(&'n Node) -> StartActor<'n, A> + Send + Sync + 'static,
{
    pub(crate) fn create(make: F, node: WeakNode, told: Told) -> Arc<dyn Kid> {
        let state = State { attempt: 0, life: Life::None, asked: None, cells: 0, held: None };
        Arc::new_cyclic(|me| Self { make, node, told, me: Weak::clone(me), state: Mutex::new(state) })
    }

    /// A life in one of its cells has ended.
    fn ended_here(&self, of: u64, with: Exit) {
        let attempt = {
            let mut state = self.state.lock();
            match &mut state.life {
                Life::Here { number, exit, .. } if *number == of => *exit = Some(with.clone()),
                // That cell has been given up.
                _ => return,
            }
            state.attempt
        };
        self.told.ended(attempt, with);
    }

    fn start_here(&self, node: &Node, plan: StartActor<'_, A>, attempt: u64) -> Result<(), StartActorError> {
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
                (ActorCell::create_named(runtime, plan, 0)?, number, args)
            }
        };
        let asked = {
            let mut state = self.state.lock();
            if state.attempt != attempt || state.asked == Some(Ending::Kill) {
                drop(state);
                cell.close(runtime, Exit::Killed);
                return Ok(());
            }
            let cell = Arc::clone(&cell);
            state.life = Life::Here { cell, number, exit: None, is_starting: true };
            state.asked.take()
        };
        if let Some(ending) = asked {
            cell.end(runtime, ending);
        }
        let begun = live::<A>(runtime, &cell, self.node.clone(), args, stash_capacity);
        if let Life::Here { number: of, is_starting, .. } = &mut self.state.lock().life
            && *of == number
        {
            *is_starting = false;
        }
        if begun.is_err() && is_new {
            self.give_up(number);
            cell.close(runtime, Exit::NotThere);
        }
        begun
    }

    /// Forgets a cell; whether it was the one in use.
    fn give_up(&self, of: u64) -> bool {
        let mut state = self.state.lock();
        let is_it = matches!(&state.life, Life::Here { number, .. } if *number == of);
        if is_it {
            state.life = Life::None;
        }
        is_it
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

    fn let_go(&self, runtime: &Arc<Runtime>) {
        let held = self.state.lock().held.take();
        if let Some((name, key)) = held {
            names::unhold(runtime, &name, key);
        }
    }

    fn start_process(&self, mut plan: StartActor<'_, A>, attempt: u64) -> Result<(), StartActorError> {
        let Some(start) = plan.process else { return Ok(()) };
        plan.key = self.hold(plan.node.runtime(), plan.name.as_deref())?;
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
                kept.told.ended(attempt, process.ended().unwrap_or_else(Exit::from));
            }
        });
        Ok(())
    }
}

impl<A, F> Kid for Kept<A, F>
where
    A: Actor,
    F: for<'n> Fn(&'n Node) -> StartActor<'n, A> + Send + Sync + 'static,
{
    fn is_to_start(&self, attempt: u64) {
        let mut state = self.state.lock();
        (state.attempt, state.asked) = (attempt, None);
    }

    fn start(&self, _: &Arc<Runtime>, attempt: u64) {
        let Some(node) = self.node.upgrade() else {
            return self.told.start_failed(attempt, Exit::Shutdown);
        };
        let begun = match catch_unwind(AssertUnwindSafe(|| (self.make)(&node))) {
            Ok(plan) if plan.process.is_some() => self.start_process(plan, attempt),
            Ok(plan) => self.start_here(&node, plan, attempt),
            Err(panic) => Err(StartActorError::Panicked(panic_text(panic))),
        };
        match begun {
            Ok(()) => self.told.started(attempt),
            Err(StartActorError::Failed(failure)) => self.told.start_failed(attempt, Exit::Failed(failure)),
            Err(StartActorError::Panicked(text)) => self.told.start_failed(attempt, Exit::Panicked(text)),
            Err(error) => self.told.start_failed(attempt, Exit::Failed(Failure::from(error))),
        }
    }

    fn stop(&self, runtime: &Arc<Runtime>, attempt: u64) {
        let mut state = self.state.lock();
        if state.attempt != attempt {
            return;
        }
        match &state.life {
            Life::Here { cell, exit: None, .. } => {
                let cell = Arc::clone(cell);
                drop(state);
                cell.end(runtime, Ending::Shutdown);
            }
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
            Life::Here { cell, exit: None, number, is_starting } => {
                let (cell, number, is_starting) = (Arc::clone(cell), *number, *is_starting);
                drop(state);
                // Code that runs can't be interrupted: it goes on, for nobody.
                if (is_starting || !cell.kill_now(runtime)) && self.give_up(number) {
                    cell.end(runtime, Ending::Kill);
                    cell.close(runtime, Exit::Killed);
                    self.told.ended(attempt, Exit::Killed);
                }
            }
            Life::Process(process) if process.is_alive() => _ = process.kill(),
            _ => state.asked = Some(Ending::Kill),
        }
    }

    fn restarts(&self, runtime: &Arc<Runtime>, _: u64) {
        let over = {
            let mut state = self.state.lock();
            match &mut state.life {
                Life::Here { cell, exit, .. } => exit.take().map(|exit| (Arc::clone(cell), exit)),
                _ => None,
            }
        };
        if let Some((cell, exit)) = over {
            cell.restarts(runtime, exit);
        }
    }

    fn is_over(&self, runtime: &Arc<Runtime>, _: u64) {
        let life = std::mem::replace(&mut self.state.lock().life, Life::None);
        if let Life::Here { cell, exit, .. } = life {
            cell.close(runtime, exit.unwrap_or(Exit::Shutdown));
        }
        self.let_go(runtime);
    }

    fn is(&self) -> KidIs {
        match &self.state.lock().life {
            Life::Here { cell, .. } => KidIs::Actor(cell.address.slot),
            Life::Process(process) if process.is_alive() => KidIs::Process(process.pid()),
            Life::Process(_) | Life::None => KidIs::Nothing,
        }
    }
}

//! What somebody asks of a supervisor about one child. Each ticket is answered once.

use std::time::Instant;

use super::{Machine, Phase};
use crate::supervisor::child::{Cause, Child, Life, Next};
use crate::supervisor::effect::{ChildId, Effect, Refusal, State, Ticket, Which};
use crate::supervisor::spec::Plan;

impl<R: Clone> Machine<R> {
    /// Adds a child after all others. Answered when it has started, or has not and is forgotten. The number is the
    /// child's, unless it is refused at once; the effects may name it.
    pub(crate) fn add(
        &mut self,
        plan: Plan,
        ticket: Ticket,
        now: Instant,
    ) -> (Option<ChildId>, Vec<Effect<R>>) {
        let mut child = None;
        let effects = self.input(now, |machine| {
            if machine.is_ending() {
                return machine.refuse(ticket, Refusal::Ending);
            }
            match machine.check(&plan) {
                Ok(()) => child = Some(machine.roster.add(Child::new(plan, Cause::Added(ticket)))),
                Err(faulty) => machine.refuse(ticket, Refusal::Faulty(faulty)),
            }
        });
        (child, effects)
    }

    /// Stops a child for good; it stays known unless it is temporary. Answered when it is gone, also if it was already.
    pub(crate) fn terminate(&mut self, which: Which<'_>, ticket: Ticket, now: Instant) -> Vec<Effect<R>> {
        self.command(which, ticket, now, |machine, id| match machine.roster[id].life {
            Life::Down => machine.effects.push(Effect::Answer { ticket, result: Ok(id) }),
            Life::Waiting { .. } => {
                machine.go_down(id, Refusal::Stopped);
                machine.effects.push(Effect::Answer { ticket, result: Ok(id) });
            }
            Life::Starting | Life::Running { .. } => {
                machine.stop_child(id, Next::Down);
                machine.roster.change(id, |child| child.waiters.push(ticket));
            }
            Life::Stopping { .. } => machine.roster.change(id, |child| {
                if let Life::Stopping { next, .. } = &mut child.life {
                    *next = Next::Down;
                }
                child.waiters.push(ticket);
            }),
        })
    }

    /// Starts a child that is known and not there. Answered when it has started, or has not and stays down.
    pub(crate) fn restart(&mut self, which: Which<'_>, ticket: Ticket, now: Instant) -> Vec<Effect<R>> {
        self.command(which, ticket, now, |machine, id| match machine.roster[id].refusal() {
            Some(refusal) => machine.refuse(ticket, refusal),
            None => machine.roster.change(id, |child| {
                child.life = Life::Waiting { until: None };
                child.cause = Cause::Asked(ticket);
                child.failures = 0;
            }),
        })
    }

    /// Forgets a child that is not there. Answered at once.
    pub(crate) fn delete(&mut self, which: Which<'_>, ticket: Ticket, now: Instant) -> Vec<Effect<R>> {
        self.command(which, ticket, now, |machine, id| match machine.roster[id].refusal() {
            Some(refusal) => machine.refuse(ticket, refusal),
            None => {
                machine.roster.remove(id);
                machine.effects.push(Effect::Forget { child: id });
                machine.effects.push(Effect::Answer { ticket, result: Ok(id) });
            }
        })
    }

    /// Its children in the order of their starts.
    pub(crate) fn children(&self) -> impl Iterator<Item = (ChildId, &Plan, State)> {
        self.roster.iter().map(|(id, child)| {
            let state = match child.refusal::<R>() {
                None => State::Down,
                Some(Refusal::Running) => State::Running,
                Some(Refusal::Stopping) => State::Stopping,
                Some(Refusal::Starting) => State::Starting,
                Some(_) => State::Restarting,
            };
            (id, &child.plan, state)
        })
    }

    /// A command for a child that must be there to be asked about.
    fn command(
        &mut self,
        which: Which<'_>,
        ticket: Ticket,
        now: Instant,
        carry_out: impl FnOnce(&mut Self, ChildId),
    ) -> Vec<Effect<R>> {
        self.input(now, |machine| {
            if machine.is_ending() {
                return machine.refuse(ticket, Refusal::Ending);
            }
            match machine.roster.find(which) {
                Some(id) => carry_out(machine, id),
                None => machine.refuse(ticket, Refusal::NotFound),
            }
        })
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_) | Phase::Ended)
    }

    fn refuse(&mut self, ticket: Ticket, refusal: Refusal<R>) {
        self.effects.push(Effect::Answer { ticket, result: Err(refusal) });
    }
}

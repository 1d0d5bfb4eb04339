//! The order of starts and stops: who is next, and what becomes of a child that is gone.

use std::mem;
use std::time::Instant;

use super::{Machine, Phase, later};
use crate::supervisor::child::{Cause, Child, Life, Next};
use crate::supervisor::effect::{ChildId, Conclusion, Done, Effect, Event, Refusal};
use crate::supervisor::spec::{AutoShutdown, Restart, Shutdown, Strategy};

impl<R: Clone> Machine<R> {
    /// Does what is due by now: ends back-offs, and kills those that have not ended in time.
    pub(super) fn expire(&mut self) {
        while let Some((_, id)) = self.roster.next_timer().filter(|(due, _)| *due <= self.now) {
            match self.roster[id].life {
                Life::Waiting { .. } => {
                    self.roster.change(id, |child| child.life = Life::Waiting { until: None });
                }
                _ => {
                    self.report(id, Event::Overdue, Done::Killed);
                    self.kill_child(id);
                }
            }
        }
    }

    /// Goes on until something has to be waited for.
    pub(super) fn advance(&mut self) {
        loop {
            let (from, next) = match &self.phase {
                Phase::New | Phase::Ended => return,
                Phase::Up => return self.start_all_ready(),
                Phase::TakingDown { from } => (*from, Next::Again),
                Phase::Ending(_) => (ChildId(0), Next::Down),
            };
            match (self.roster.last_there(from), next) {
                (Some((_, Life::Stopping { .. })), _) => return,
                (Some((id, _)), _) => self.stop_child(id, next),
                (None, Next::Again) => self.phase = Phase::Up,
                (None, Next::Down) => return self.end(),
            }
        }
    }

    /// Starts those whose turn it is.
    fn start_all_ready(&mut self) {
        if !self.has_begun && !self.roster.is_one_awaited() {
            self.has_begun = true;
            self.effects.push(Effect::Begun);
        }
        while let Some(id) = self.next_to_start() {
            self.start_child(id);
        }
    }

    fn next_to_start(&self) -> Option<ChildId> {
        let ready = self.roster.first_ready()?;
        let delayed = self.roster.first_delayed();
        let is_one_by_one = match self.settings.strategy {
            Strategy::OneForOne | Strategy::SimpleOneForOne => !self.has_begun,
            // One back-off is all children's.
            Strategy::OneForAll if delayed.is_some() => return None,
            // Those before the one that waits don't depend on it.
            Strategy::RestForOne if delayed.is_some_and(|delayed| delayed < ready) => return None,
            Strategy::OneForAll | Strategy::RestForOne => true,
        };
        (!is_one_by_one || !self.roster.is_one_starting()).then_some(ready)
    }

    fn start_child(&mut self, id: ChildId) {
        let (attempt, is_restart) = self.roster.change(id, |child| {
            child.life = Life::Starting;
            child.attempt += 1;
            (child.attempt, mem::replace(&mut child.is_held, true))
        });
        self.effects.push(Effect::Start { child: id, attempt, is_restart });
    }

    /// Stops a child that is there and has not been asked yet.
    pub(super) fn stop_child(&mut self, id: ChildId, next: Next) {
        let shutdown = self.roster[id].plan.shutdown;
        let (is_asked, kill_at) = match shutdown {
            Shutdown::Kill => (false, None),
            Shutdown::Within(time) => (true, Some(later(self.now, time))),
            Shutdown::Unlimited => (true, None),
        };
        let is_killed = shutdown == Shutdown::Kill || kill_at == Some(self.now);
        let attempt = self.roster.change(id, |child| {
            let since = match child.life {
                Life::Running { since } => Some(since),
                _ => None,
            };
            let kill_at = kill_at.filter(|_| !is_killed);
            child.life = Life::Stopping { since, kill_at, is_killed, next };
            child.attempt
        });
        if is_asked {
            self.effects.push(Effect::Stop { child: id, attempt });
        }
        if is_killed {
            self.effects.push(Effect::Kill { child: id, attempt });
        }
    }

    /// Kills a child that is there, once.
    pub(super) fn kill_child(&mut self, id: ChildId) {
        let (since, next) = match self.roster[id].life {
            Life::Down | Life::Waiting { .. } | Life::Stopping { is_killed: true, .. } => return,
            Life::Stopping { since, next, .. } => (since, next),
            Life::Running { since } => (Some(since), Next::Down),
            Life::Starting => (None, Next::Down),
        };
        let attempt = self.roster.change(id, |child| {
            child.life = Life::Stopping { since, kill_at: None, is_killed: true, next };
            child.attempt
        });
        self.effects.push(Effect::Kill { child: id, attempt });
    }

    /// A child is gone, and another life follows.
    pub(super) fn wait_to_start(&mut self, id: ChildId, until: Option<Instant>) {
        let attempt = self.roster.change(id, |child| {
            child.life = Life::Waiting { until };
            child.attempt
        });
        self.effects.push(Effect::Restarting { child: id, attempt });
    }

    /// A child is not there, and no life follows. Whoever waits for its start is refused.
    pub(super) fn go_down(&mut self, id: ChildId, refusal: Refusal<R>) {
        let is_simple = self.settings.strategy == Strategy::SimpleOneForOne;
        let is_ending = matches!(self.phase, Phase::Ending(_));
        let (attempt, was_held, is_kept, starter) = self.roster.change(id, |child| {
            let is_temporary = child.plan.restart == Restart::Temporary;
            let is_only_wanted = matches!(child.cause, Cause::Added(_));
            let starter = child.take_starter();
            child.life = Life::Down;
            child.cause = Cause::Again;
            let was_held = mem::replace(&mut child.is_held, false);
            let is_kept = !is_simple && !is_ending && !is_temporary && !is_only_wanted;
            (child.attempt, was_held, is_kept, starter)
        });
        if was_held {
            self.effects.push(Effect::Final { child: id, attempt });
        }
        if !is_kept {
            self.roster.remove(id);
            self.effects.push(Effect::Forget { child: id });
        }
        if let Some(ticket) = starter {
            self.effects.push(Effect::Answer { ticket, result: Err(refusal) });
        }
    }

    /// A child has failed, and this one and all after it are to be started again, also those that were down.
    pub(super) fn take_down(&mut self, from: ChildId) {
        let from = match self.phase {
            Phase::TakingDown { from: earlier } => earlier.min(from),
            _ => from,
        };
        self.phase = Phase::TakingDown { from };
        for id in self.roster.from(from) {
            self.roster.change(id, |child| match &mut child.life {
                Life::Down => {
                    child.life = Life::Waiting { until: None };
                    child.cause = Cause::Again;
                }
                Life::Stopping { next, .. } => *next = Next::Again,
                _ => {}
            });
        }
    }

    /// A significant child has ended by itself: does the supervisor end?
    pub(super) fn is_last_significant(&self) -> bool {
        match self.settings.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self.roster.is_one_significant_active(),
        }
    }

    /// From now on all children are stopped, and those that are not there are forgotten.
    pub(super) fn conclude(&mut self, why: Conclusion<R>) {
        match &mut self.phase {
            Phase::Ended => return,
            // It had its reason; but whoever kills does not let it finish in order.
            Phase::Ending(reason) => {
                if matches!(why, Conclusion::Killed) {
                    *reason = why;
                }
                return;
            }
            _ => self.phase = Phase::Ending(why),
        }
        for id in self.roster.backwards() {
            if !self.roster[id].life.is_there() {
                self.go_down(id, Refusal::Ending);
            } else if let Some(ticket) = self.roster.change(id, Child::take_starter) {
                self.effects.push(Effect::Answer { ticket, result: Err(Refusal::Ending) });
            }
        }
        let is_at_once = self.settings.strategy == Strategy::SimpleOneForOne
            && !matches!(self.phase, Phase::Ending(Conclusion::Killed));
        for id in self.roster.backwards().into_iter().filter(|_| is_at_once) {
            if !matches!(self.roster[id].life, Life::Stopping { .. }) {
                self.stop_child(id, Next::Down);
            }
        }
    }

    /// Nobody is left.
    fn end(&mut self) {
        if let Phase::Ending(why) = mem::replace(&mut self.phase, Phase::Ended) {
            self.effects.push(Effect::Ended { why });
        }
    }
}

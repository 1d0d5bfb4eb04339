//! The machine itself: what it is told, and what each kind of news means.

mod commands;
mod order;

use std::mem;
use std::time::{Duration, Instant};

use super::child::{Cause, Child, Life, Next};
use super::effect::{ChildId, Conclusion, Done, Effect, Event, How, Refusal, Report, Which};
use super::roster::Roster;
use super::spec::{Faulty, Plan, Restart, Settings, Strategy};
use super::window::Window;
use crate::fault::fault;

/// What the supervisor as a whole is doing.
#[derive(Debug)]
enum Phase<R> {
    /// It waits for `begin`.
    New,
    /// Children whose turn has come are started.
    Up,
    /// The children from this one on are stopped, the last first, because one of them has failed. Then `Up` again.
    TakingDown {
        from: ChildId,
    },
    /// All children are stopped. Only those that are there are still known.
    Ending(Conclusion<R>),
    Ended,
}

/// A supervisor. `R` is the reason of an end, which it only carries along.
#[derive(Debug)]
pub(crate) struct Machine<R> {
    settings: Settings,
    roster: Roster,
    phase: Phase<R>,
    has_begun: bool,
    window: Window,
    chance: fastrand::Rng,
    /// The latest time that it has been told.
    now: Instant,
    /// The `WakeAt` that stands.
    wake_at: Option<Instant>,
    effects: Vec<Effect<R>>,
}

// What it is told.
impl<R: Clone> Machine<R> {
    /// A supervisor with children to begin with, who have the numbers from 1 on. `seed` decides what back-off leaves to
    /// chance.
    ///
    /// # Errors
    ///
    /// The first of the plans that can't be carried out, or the settings.
    pub(crate) fn new(settings: Settings, plans: Vec<Plan>, seed: u64, now: Instant) -> Result<Self, Faulty> {
        if settings.within.is_zero() {
            return Err(Faulty::NoWindow);
        }
        if settings.strategy == Strategy::SimpleOneForOne && !plans.is_empty() {
            return Err(Faulty::PlansForSimple);
        }
        let mut machine = Self {
            settings,
            roster: Roster::default(),
            phase: Phase::New,
            has_begun: false,
            window: Window::new(settings.max_restarts, settings.within),
            chance: fastrand::Rng::with_seed(seed),
            now,
            wake_at: None,
            effects: Vec::new(),
        };
        for plan in plans {
            machine.check(&plan)?;
            machine.roster.add(Child::new(plan, Cause::Begin));
        }
        Ok(machine)
    }

    /// Begins to start its children. What was asked before waits until now.
    pub(crate) fn begin(&mut self, now: Instant) -> Vec<Effect<R>> {
        self.input(now, |machine| {
            if matches!(machine.phase, Phase::New) {
                machine.phase = Phase::Up;
            }
        })
    }

    /// The child runs.
    pub(crate) fn started(&mut self, child: ChildId, attempt: u64, now: Instant) -> Vec<Effect<R>> {
        self.input(now, |machine| {
            let is_news = machine.roster.living(child, attempt).map(|child| child.life);
            if let Some(Life::Starting) = is_news {
                machine.has_started(child);
            }
        })
    }

    /// The child does not run, and nothing is left of this attempt.
    pub(crate) fn start_failed(
        &mut self,
        child: ChildId,
        attempt: u64,
        why: R,
        now: Instant,
    ) -> Vec<Effect<R>> {
        self.input(now, |machine| {
            let Some(known) = machine.roster.living(child, attempt) else { return };
            let is_starting = matches!(known.life, Life::Starting);
            match known.cause {
                // Somebody waits for this start, and is told what came of it, whatever else is going on.
                Cause::Added(_) | Cause::Asked(_) if is_starting => machine.failed_for_somebody(child, why),
                Cause::Begin if is_starting && matches!(machine.phase, Phase::Up) => {
                    machine.cannot_begin(child, why);
                }
                _ => machine.is_over(child, Event::StartFailed { why }),
            }
        })
    }

    /// The child's life is over, and nothing is left of it. This may come before it was told that it had started.
    pub(crate) fn ended(
        &mut self,
        child: ChildId,
        attempt: u64,
        how: How,
        why: R,
        now: Instant,
    ) -> Vec<Effect<R>> {
        self.input(now, |machine| {
            let Some(known) = machine.roster.living(child, attempt) else { return };
            if matches!(known.life, Life::Starting) {
                machine.has_started(child);
            }
            machine.is_over(child, Event::Ended { how, why });
        })
    }

    /// It is so late. To be called when the time of the latest `WakeAt` has come; at any other time it does no harm.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Effect<R>> {
        // Whoever was too early is told again.
        self.wake_at = None;
        self.input(now, |_| {})
    }

    /// Stops all children in order, then ends.
    pub(crate) fn stop(&mut self, now: Instant) -> Vec<Effect<R>> {
        self.input(now, |machine| machine.conclude(Conclusion::Asked))
    }

    /// Kills all children, then ends.
    pub(crate) fn kill(&mut self, now: Instant) -> Vec<Effect<R>> {
        self.input(now, |machine| {
            machine.conclude(Conclusion::Killed);
            for id in machine.roster.backwards() {
                machine.kill_child(id);
            }
        })
    }

    /// What all inputs have in common.
    fn input(&mut self, now: Instant, handle: impl FnOnce(&mut Self)) -> Vec<Effect<R>> {
        // Those who read the clock may come here in another order.
        self.now = self.now.max(now);
        handle(self);
        self.expire();
        self.advance();
        let next = self.roster.next_timer().map(|(due, _)| due);
        if let Some(due) = next.filter(|_| next != self.wake_at) {
            self.effects.push(Effect::WakeAt(due));
        }
        self.wake_at = next;
        mem::take(&mut self.effects)
    }
}

// What it means.
impl<R: Clone> Machine<R> {
    /// Says whether a child can be taken up.
    fn check(&self, plan: &Plan) -> Result<(), Faulty> {
        plan.check(&self.settings)?;
        match self.roster.find(Which::Name(&plan.name)) {
            Some(_) => Err(Faulty::NameTaken { child: plan.name.clone() }),
            None => Ok(()),
        }
    }

    fn has_started(&mut self, id: ChildId) {
        let since = self.now;
        let starter = self.roster.change(id, |child| {
            child.life = Life::Running { since };
            let starter = child.take_starter();
            child.cause = Cause::Again;
            starter
        });
        if let Some(ticket) = starter {
            self.effects.push(Effect::Answer { ticket, result: Ok(id) });
        }
    }

    /// A start that somebody has asked for failed: it is their failure, and nobody else's.
    fn failed_for_somebody(&mut self, id: ChildId, why: R) {
        self.report(id, Event::StartFailed { why: why.clone() }, Done::StaysDown);
        self.go_down(id, Refusal::StartFailed(why));
    }

    fn cannot_begin(&mut self, id: ChildId, why: R) {
        self.report(id, Event::StartFailed { why: why.clone() }, Done::EndsAll);
        let name = self.roster[id].plan.name.clone();
        self.go_down(id, Refusal::Ending);
        self.conclude(Conclusion::StartFailed { child: id, name, why });
    }

    /// A life is over, or a start that nobody in particular waits for failed.
    fn is_over(&mut self, id: ChildId, event: Event<R>) {
        let child = &self.roster[id];
        let (life, backoff) = (child.life, child.plan.backoff);
        let since = match life {
            Life::Running { since } => Some(since),
            Life::Stopping { since, .. } => since,
            _ => None,
        };
        let lived = since.map_or(Duration::ZERO, |since| self.now.duration_since(since));
        if backoff.is_some_and(|backoff| backoff.is_reset_by(lived)) {
            self.roster.change(id, |child| child.failures = 0);
        }
        let next = match (life, &self.phase) {
            (_, Phase::Ending(_)) => Some(Next::Down),
            (Life::Stopping { next, .. }, _) => Some(next),
            // Its turn to be stopped has not come yet, and now need not.
            (_, Phase::TakingDown { from }) if id >= *from => Some(Next::Again),
            _ => None,
        };
        match next {
            Some(next) => self.was_stopped(id, next, event),
            None => self.ended_by_itself(id, event),
        }
    }

    /// A child is gone that was to be stopped anyway. However it ended, that is no failure.
    fn was_stopped(&mut self, id: ChildId, next: Next, event: Event<R>) {
        let child = &self.roster[id];
        let is_again = next == Next::Again && child.plan.restart != Restart::Temporary;
        let was_killed = matches!(child.life, Life::Stopping { is_killed: true, .. });
        let is_worth_a_line = match event {
            Event::Ended { how, .. } => how == How::Abnormal && !was_killed,
            // It failed because it was told to end.
            Event::StartFailed { .. } => !matches!(child.life, Life::Stopping { .. }),
            Event::Overdue => false,
        };
        if is_worth_a_line {
            let again = Done::StartsAgain { after: Duration::ZERO };
            self.report(id, event, if is_again { again } else { Done::StaysDown });
        }
        let waiters = self.roster.change(id, |child| mem::take(&mut child.waiters));
        if is_again {
            self.wait_to_start(id, None);
        } else {
            self.go_down(id, Refusal::Stopped);
        }
        fault!(CommandUnanswered, return);
        for ticket in waiters {
            self.effects.push(Effect::Answer { ticket, result: Ok(id) });
        }
    }

    /// A child is gone that nobody has stopped.
    fn ended_by_itself(&mut self, id: ChildId, event: Event<R>) {
        let child = &self.roster[id];
        let is_failure = match (child.plan.restart, &event) {
            (Restart::Permanent, _) => true,
            (Restart::Transient, Event::Ended { how, .. }) => *how == How::Abnormal,
            (Restart::Transient, _) => true,
            (Restart::Temporary, _) => false,
        };
        if is_failure {
            return self.failed(id, event);
        }
        let is_significant = child.plan.is_significant;
        if let Event::Ended { how: How::Abnormal, .. } = event {
            self.report(id, event, Done::StaysDown);
        }
        self.go_down(id, Refusal::Stopped);
        if is_significant && self.is_last_significant() {
            self.conclude(Conclusion::Significant { child: id });
        }
    }

    /// A child is to be started again, unless this is once too often.
    fn failed(&mut self, id: ChildId, event: Event<R>) {
        if !self.window.count(self.now) {
            self.report(id, event, Done::TooManyRestarts);
            self.go_down(id, Refusal::Ending);
            return self.conclude(Conclusion::TooManyRestarts);
        }
        let failures = self.roster.change(id, |child| {
            child.failures = child.failures.saturating_add(1);
            child.failures
        });
        let backoff = self.roster[id].plan.backoff;
        let after = backoff.map_or(Duration::ZERO, |backoff| backoff.wait(failures, &mut self.chance));
        self.report(id, event, Done::StartsAgain { after });
        let until = (!after.is_zero()).then(|| later(self.now, after));
        self.wait_to_start(id, until);
        match self.settings.strategy {
            Strategy::OneForOne | Strategy::SimpleOneForOne => {}
            Strategy::RestForOne => self.take_down(id),
            Strategy::OneForAll => self.take_down(self.roster.first().unwrap_or(id)),
        }
    }

    fn report(&mut self, child: ChildId, event: Event<R>, done: Done) {
        let name = self.roster[child].plan.name.clone();
        self.effects.push(Effect::Report(Report { child, name, event, done }));
    }
}

/// So much later, or in a hundred years, whichever comes first: what lies beyond can't be told.
fn later(now: Instant, time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now + time.min(CENTURY)
}

//! The world of a supervisor: who lives in it, and what may be done to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::supervisor::effect::{ChildId, Effect, How, State, Ticket};
use crate::supervisor::spec::{Plan, Restart, Settings, Shutdown, Strategy};

/// A life that is not over.
#[derive(Clone, Copy, Debug)]
struct Body {
    attempt: u64,
    has_started: bool,
    asked_at: Option<Instant>,
    is_killed: bool,
}

#[derive(Debug)]
struct Person {
    plan: Plan,
    body: Option<Body>,
    attempts: u64,
    /// Its name is its own: it was started, and no end has been final since.
    is_held: bool,
    /// The end of its latest life was followed by `Restarting` or `Final`.
    end_is_told: bool,
}

#[derive(Debug)]
pub(super) struct World {
    settings: Settings,
    people: BTreeMap<ChildId, Person>,
    tickets: BTreeSet<Ticket>,
    /// Whom the command is about that is being carried out.
    commanded: ChildId,
    wake_at: Option<Instant>,
    has_begun: bool,
    must_end: bool,
    is_killed: bool,
    has_ended: bool,
    has_seen_begin: bool,
}

/// A child that nobody has stopped ended while all was quiet: is it started again?
pub(super) fn check_outcome(effects: &[Effect<u64>], is_restart: bool) {
    let was_restarted = effects.iter().any(|effect| matches!(effect, Effect::Restarting { .. }));
    let gave_up = effects.iter().any(|effect| match effect {
        Effect::Report(report) => report.done == crate::supervisor::effect::Done::TooManyRestarts,
        _ => false,
    });
    assert_eq!(was_restarted || gave_up, is_restart, "{effects:?}");
}

// What happens to it.
impl World {
    pub(super) fn new(settings: Settings) -> World {
        World {
            settings,
            people: BTreeMap::new(),
            tickets: BTreeSet::new(),
            commanded: ChildId(0),
            wake_at: None,
            has_begun: false,
            must_end: false,
            is_killed: false,
            has_ended: false,
            has_seen_begin: false,
        }
    }

    pub(super) fn knows(&mut self, id: ChildId, plan: Plan) {
        assert!(self.people.values().all(|person| person.plan.name != plan.name), "two of one name");
        assert!(self.people.keys().all(|known| *known < id), "numbers rise");
        let person = Person { plan, body: None, attempts: 0, is_held: false, end_is_told: true };
        self.people.insert(id, person);
    }

    pub(super) fn waits_for(&mut self, ticket: Ticket) {
        self.tickets.insert(ticket);
    }

    pub(super) fn is_commanded(&mut self, id: ChildId) {
        self.commanded = id;
    }

    pub(super) fn begins(&mut self) {
        self.has_seen_begin = true;
    }

    pub(super) fn must_end(&mut self) {
        self.must_end = true;
    }

    pub(super) fn is_killed(&mut self) {
        self.must_end = true;
        self.is_killed = true;
    }

    pub(super) fn has_started(&mut self, id: ChildId) {
        self.body(id).has_started = true;
    }

    pub(super) fn is_over(&mut self, id: ChildId) {
        let person = self.person(id);
        person.body.take().expect("it has a life to end");
        person.end_is_told = false;
    }

    fn person(&mut self, id: ChildId) -> &mut Person {
        self.people.get_mut(&id).expect("nothing is done about a child that is forgotten")
    }

    fn body(&mut self, id: ChildId) -> &mut Body {
        self.person(id).body.as_mut().expect("nothing is done to a child that is not there")
    }
}

// Whom it can happen to.
impl World {
    fn pick(&self, who: usize, fits: impl Fn(&Person, &Body) -> bool) -> Option<(ChildId, u64)> {
        let there = self.people.iter().filter_map(|(id, person)| Some((*id, person, person.body?)));
        let found: Vec<_> = there
            .filter(|(_, person, body)| fits(person, body))
            .map(|(id, _, body)| (id, body.attempt))
            .collect();
        (!found.is_empty()).then(|| found[who % found.len()])
    }

    pub(super) fn one_there(&self, who: usize) -> Option<(ChildId, u64)> {
        self.pick(who, |_, _| true)
    }

    pub(super) fn one_starting(&self, who: usize) -> Option<(ChildId, u64)> {
        self.pick(who, |_, body| !body.has_started)
    }

    /// One that was told to end and will: all that are killed, and of the others those that are not deaf.
    pub(super) fn one_obedient(&self) -> Option<(ChildId, u64)> {
        self.pick(0, |person, body| {
            let is_deaf = body.attempt % 2 == 1 && person.plan.shutdown != Shutdown::Unlimited;
            body.is_killed || body.asked_at.is_some() && !is_deaf
        })
    }

    /// One that is known, or nobody.
    pub(super) fn one_known(&self, who: usize) -> ChildId {
        self.people.keys().nth(who).copied().unwrap_or(ChildId(1_000))
    }

    pub(super) fn name(&self, id: ChildId) -> String {
        self.people.get(&id).map_or("nobody", |person| &person.plan.name).to_owned()
    }

    /// The number of a life that is over.
    pub(super) fn a_former_attempt(&self, id: ChildId) -> u64 {
        match self.people.get(&id) {
            Some(person) if person.body.is_none() => person.attempts,
            Some(person) => person.attempts - 1,
            None => 1,
        }
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.wake_at
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn has_begun_to_begin(&self) -> bool {
        self.has_seen_begin || self.must_end
    }

    /// What must follow from this end, if nothing else is going on.
    pub(super) fn expects(
        &self,
        id: ChildId,
        how: How,
        mut states: impl Iterator<Item = State>,
    ) -> Option<bool> {
        let is_quiet = states.all(|state| matches!(state, State::Running | State::Down));
        (is_quiet && !self.must_end).then(|| match self.people[&id].plan.restart {
            Restart::Permanent => true,
            Restart::Transient => how == How::Abnormal,
            Restart::Temporary => false,
        })
    }
}

// What may be done.
impl World {
    pub(super) fn sees(&mut self, effects: Vec<Effect<u64>>, now: Instant) {
        if self.wake_at.is_some_and(|at| at <= now) {
            self.wake_at = None;
        }
        for effect in effects {
            if !matches!(effect, Effect::Answer { .. }) {
                assert!(!self.has_ended, "{effect:?} after the end");
            }
            self.see(effect, now);
        }
    }

    fn see(&mut self, effect: Effect<u64>, now: Instant) {
        match effect {
            Effect::Start { child, attempt, is_restart } => self.see_start(child, attempt, is_restart),
            Effect::Stop { child, attempt } => self.see_stop(child, attempt, now),
            Effect::Kill { child, attempt } => self.see_kill(child, attempt, now),
            Effect::Restarting { child, attempt } => {
                let person = self.person(child);
                assert!(person.body.is_none() && person.attempts == attempt && !person.end_is_told);
                assert!(person.is_held && person.plan.restart != Restart::Temporary);
                person.end_is_told = true;
            }
            Effect::Final { child, attempt } => {
                let person = self.person(child);
                assert!(person.body.is_none() && person.attempts == attempt && person.is_held);
                person.is_held = false;
                person.end_is_told = true;
            }
            Effect::Forget { child } => {
                let person = self.people.remove(&child).expect("it is forgotten once");
                assert!(person.body.is_none() && !person.is_held);
            }
            Effect::Answer { ticket, .. } => {
                assert!(self.tickets.remove(&ticket), "{ticket:?} answered twice");
            }
            Effect::WakeAt(at) => {
                assert!(at > now, "what is due is done at once");
                self.wake_at = Some(at);
            }
            Effect::Begun => {
                assert!(!self.has_begun, "it begins once");
                self.has_begun = true;
            }
            Effect::Ended { .. } => {
                assert!(self.people.is_empty(), "left alone: {:?}", self.people);
                assert!(self.tickets.is_empty(), "never answered: {:?}", self.tickets);
                self.has_ended = true;
            }
            Effect::Report(_) => {}
        }
    }

    fn is_in_order(&self) -> bool {
        matches!(self.settings.strategy, Strategy::OneForAll | Strategy::RestForOne)
    }

    fn see_start(&mut self, id: ChildId, attempt: u64, is_restart: bool) {
        assert!(!self.must_end, "started while it ends");
        if self.is_in_order() || !self.has_begun {
            let starting = |body: &Body| !body.has_started && body.asked_at.is_none() && !body.is_killed;
            let mut bodies = self.people.values().filter_map(|person| person.body.as_ref());
            assert!(!bodies.any(starting), "two start at once");
        }
        if self.is_in_order() && is_restart {
            assert!(self.nobody_after(id), "started again below one that lives");
        }
        let person = self.person(id);
        assert!(person.body.is_none() && person.end_is_told, "its former life is not over");
        assert_eq!(attempt, person.attempts + 1);
        assert_eq!(is_restart, person.is_held);
        assert!(attempt == 1 || person.plan.restart != Restart::Temporary);
        person.attempts = attempt;
        person.is_held = true;
        person.body = Some(Body { attempt, has_started: false, asked_at: None, is_killed: false });
    }

    fn nobody_after(&self, id: ChildId) -> bool {
        self.people.range(id..).skip(1).all(|(_, person)| person.body.is_none())
    }

    /// Who is not stopped by a command for its own sake is the last that lives, unless all are stopped at once.
    fn check_turn(&self, id: ChildId) {
        let is_its_turn = self.commanded == id || self.is_killed || self.nobody_after(id);
        let is_at_once = self.settings.strategy == Strategy::SimpleOneForOne;
        assert!(is_its_turn || is_at_once, "{id:?} is stopped before those after it");
    }

    fn see_stop(&mut self, id: ChildId, attempt: u64, now: Instant) {
        self.check_turn(id);
        assert_ne!(self.person(id).plan.shutdown, Shutdown::Kill);
        let body = self.body(id);
        assert_eq!(body.attempt, attempt);
        assert!(body.asked_at.is_none() && !body.is_killed, "asked twice");
        body.asked_at = Some(now);
    }

    fn see_kill(&mut self, id: ChildId, attempt: u64, now: Instant) {
        let (is_killed, shutdown) = (self.is_killed, self.person(id).plan.shutdown);
        let body = *self.body(id);
        assert!(body.attempt == attempt && !body.is_killed, "killed twice");
        let is_due = match (shutdown, body.asked_at) {
            (Shutdown::Kill, None) => {
                self.check_turn(id);
                true
            }
            (Shutdown::Within(time), Some(asked_at)) => now >= asked_at + time,
            _ => false,
        };
        assert!(is_due || is_killed, "{id:?} still had time");
        self.body(id).is_killed = true;
    }

    /// What is true between any two inputs.
    pub(super) fn check<'a>(&self, children: impl Iterator<Item = (ChildId, &'a Plan, State)>, now: Instant) {
        let states: BTreeMap<ChildId, State> = children.map(|(id, _, state)| (id, state)).collect();
        assert!(states.keys().eq(self.people.keys()), "the same children are known to both");
        let mut is_awaited = self.wake_at.is_some_and(|at| at > now);
        let mut is_wanted = false;
        for (id, person) in &self.people {
            assert!(person.end_is_told, "nobody was told that {id:?} ended");
            match person.body {
                Some(body) => {
                    is_awaited |= !body.has_started || body.asked_at.is_some() || body.is_killed;
                    let is_late = match (person.plan.shutdown, body.asked_at) {
                        (Shutdown::Within(time), Some(asked_at)) => now >= asked_at + time,
                        _ => false,
                    };
                    assert!(body.is_killed || !is_late, "{id:?} lives on after its time");
                    assert!(body.is_killed || !self.is_killed, "{id:?} outlives a kill");
                }
                None => is_wanted |= states[id] != State::Down,
            }
        }
        is_wanted |= self.must_end && !self.has_ended;
        is_wanted |= !self.tickets.is_empty();
        assert!(is_awaited || !is_wanted || !self.has_begun_to_begin(), "nothing is awaited: {self:?}");
    }

    /// Something is still to come.
    pub(super) fn is_waiting<'a>(
        &self,
        mut children: impl Iterator<Item = (ChildId, &'a Plan, State)>,
    ) -> bool {
        let is_moving = children.any(|(.., state)| !matches!(state, State::Running | State::Down));
        !self.has_ended && self.has_begun_to_begin() && (is_moving || self.must_end)
    }

    /// What is true when nothing is to come.
    pub(super) fn check_calm<'a>(&self, mut children: impl Iterator<Item = (ChildId, &'a Plan, State)>) {
        assert!(self.tickets.is_empty(), "never answered: {:?}", self.tickets);
        assert!(self.has_begun || self.must_end || self.has_ended, "it never began");
        assert!(children.all(|(id, _, state)| (state == State::Down) == self.people[&id].body.is_none()));
    }
}

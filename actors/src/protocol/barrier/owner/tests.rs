//! The machine alone: who passes, what breaks it, and that nobody is left, whatever comes in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// A barrier and the time.
struct World {
    owner: BarrierOwner,
    now: Instant,
    last: u64,
    told: BTreeMap<u64, Reply>,
}

impl World {
    fn new(parties: usize) -> Self {
        let owner = BarrierOwner::new(BarrierOptions::new(parties).unwrap());
        Self { owner, now: Instant::now(), last: 0, told: BTreeMap::new() }
    }

    fn take(&mut self, effects: Effects<Reply>) {
        for (Asker(asker), reply) in effects.replies {
            assert_eq!(self.told.insert(asker, reply), None, "{asker} is answered once");
        }
    }

    fn ask(&mut self, ask: Ask) -> u64 {
        self.last += 1;
        let mut effects = Effects::default();
        self.owner.handle(Asker(self.last), ask, self.now, &mut effects);
        self.take(effects);
        self.last
    }

    /// A wait, known by its own number as key.
    fn wait(&mut self, acts: bool, timeout: Option<Duration>) -> u64 {
        self.ask(Ask::Wait { key: self.last + 1, acts, timeout })
    }

    fn gives_up(&mut self, asker: u64, ended: bool) {
        if self.told.contains_key(&asker) {
            return;
        }
        let mut effects = Effects::default();
        if ended {
            self.owner.lose(Asker(asker), &mut effects);
        } else {
            self.owner.forget(Asker(asker), &mut effects);
        }
        self.take(effects);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let mut effects = Effects::default();
        self.owner.tick(self.now, &mut effects);
        self.take(effects);
    }

    fn passed(&self, asker: u64) -> Option<u64> {
        match self.told.get(&asker) {
            Some(Reply::Passed(index)) => Some(*index),
            _ => None,
        }
    }

    fn broken(&self, asker: u64) -> Option<BrokenBy> {
        match self.told.get(&asker) {
            Some(Reply::Broken(by)) => Some(*by),
            _ => None,
        }
    }

    fn waiting(&self) -> u64 {
        match self.owner.look() {
            Reply::Is { waiting, .. } => waiting,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn all_pass_when_the_last_comes_again_and_again() {
    let mut world = World::new(3);
    for _ in 0..3 {
        let waits: Vec<u64> = (0..3).map(|_| world.wait(false, Some(LONG))).collect();
        assert_eq!(
            waits.iter().map(|wait| world.passed(*wait)).collect::<Vec<_>>(),
            [Some(0), Some(1), Some(2)]
        );
        assert_eq!(world.waiting(), 0);
    }
    let mut alone = World::new(1);
    let wait = alone.wait(false, Some(Duration::ZERO));
    assert_eq!(alone.passed(wait), Some(0));
}

#[test]
fn whatever_breaks_it_is_told_to_all_who_wait_or_come_until_a_reset() {
    type Breaks = fn(&mut World, u64);
    let cases: [(BrokenBy, Breaks); 5] = [
        (BrokenBy::PartyEnded, |world, wait| world.gives_up(wait, true)),
        (BrokenBy::TimedOut, |world, wait| world.gives_up(wait, false)),
        (BrokenBy::TimedOut, |world, _| world.pass(LONG)),
        (BrokenBy::Aborted, |world, _| {
            world.ask(Ask::Abort);
        }),
        (BrokenBy::TimedOut, |world, _| {
            world.wait(false, Some(Duration::ZERO));
        }),
    ];
    for (by, breaks) in cases {
        let mut world = World::new(4);
        let (one, other) = (world.wait(true, None), world.wait(false, Some(LONG)));
        world.pass(LONG / 2);
        assert!(world.told.is_empty());
        breaks(&mut world, other);
        assert_eq!(world.broken(one), Some(by));
        let late = world.wait(false, None);
        assert_eq!((world.broken(late), world.waiting()), (Some(by), 0));
        world.ask(Ask::Reset);
        let waits: Vec<u64> = (0..4).map(|_| world.wait(false, None)).collect();
        assert!(waits.iter().all(|wait| world.passed(*wait).is_some()));
    }
}

#[test]
fn a_reset_tells_those_who_wait_and_nobody_else() {
    let mut world = World::new(2);
    let wait = world.wait(false, None);
    world.ask(Ask::Reset);
    assert_eq!(world.broken(wait), Some(BrokenBy::Reset));
    let (one, other) = (world.wait(false, None), world.wait(false, None));
    assert_eq!((world.passed(one), world.passed(other)), (Some(0), Some(1)));
}

#[test]
fn the_last_acts_before_anybody_passes() {
    for asks_before in [false, true] {
        let mut world = World::new(2);
        let first = world.wait(true, None);
        let first_turn = world.ask(Ask::Turn { key: first });
        let last = world.last + 1 + u64::from(asks_before);
        let mut turn = 0;
        if asks_before {
            // Of a wait that it does not know.
            let strange = world.ask(Ask::Turn { key: 1_000 });
            assert_eq!(world.told[&strange], Reply::DoNotAct);
        }
        world.wait(true, None);
        turn += world.ask(Ask::Turn { key: last });
        assert_eq!(world.told[&turn], Reply::Act);
        let early = world.wait(false, None);
        assert_eq!(world.passed(first), None);
        world.ask(Ask::Acted { key: first });
        assert_eq!(world.passed(first), None, "it was not its turn");
        world.ask(Ask::Acted { key: last });
        assert_eq!((world.passed(first), world.passed(last)), (Some(0), Some(1)));
        assert_eq!((world.told.get(&first_turn), world.passed(early)), (Some(&Reply::DoNotAct), None));
        let next = world.wait(false, None);
        assert_eq!((world.passed(early), world.passed(next)), (Some(0), Some(1)));
    }
}

#[test]
fn an_action_that_panics_or_dies_or_takes_too_long_breaks_it() {
    type Breaks = fn(&mut World, u64);
    let cases: [(BrokenBy, Breaks); 4] = [
        (BrokenBy::ActionPanicked, |world, acts| {
            world.ask(Ask::Panicked { key: acts });
        }),
        (BrokenBy::PartyEnded, |world, acts| world.gives_up(acts, true)),
        (BrokenBy::TimedOut, |world, _| world.pass(LONG)),
        (BrokenBy::Reset, |world, _| {
            world.ask(Ask::Reset);
        }),
    ];
    for (by, breaks) in cases {
        let mut world = World::new(2);
        let (first, acts) = (world.wait(true, Some(LONG)), world.wait(true, None));
        let turn = world.ask(Ask::Turn { key: acts });
        let early = world.wait(false, None);
        assert_eq!(world.told[&turn], Reply::Act);
        breaks(&mut world, acts);
        assert_eq!((world.broken(first), world.broken(early)), (Some(by), Some(by)));
        let done = world.ask(Ask::Acted { key: acts });
        assert_eq!((world.told[&done], world.passed(first)), (Reply::Done, None));
    }
}

/// > Nobody waits for its turn at a barrier that is broken, also if the owner's clock was late.
#[test]
fn who_waits_for_its_turn_is_told_when_an_earlier_one_is_late_as_the_next_round_begins() {
    let mut world = World::new(2);
    world.wait(true, None);
    let acts = world.wait(true, None);
    let (late, next) = (world.wait(true, Some(LONG)), world.wait(true, None));
    let turn = world.ask(Ask::Turn { key: next });
    // The owner is stopped meanwhile, and comes to the message before it comes to its timer.
    world.now += LONG;
    world.ask(Ask::Acted { key: acts });
    assert_eq!(world.passed(acts), Some(1));
    assert_eq!(
        (world.broken(late), world.broken(next)),
        (Some(BrokenBy::TimedOut), Some(BrokenBy::TimedOut))
    );
    assert_eq!(world.told.get(&turn), Some(&Reply::DoNotAct));
}

#[derive(Clone, Debug)]
enum Step {
    Wait { acts: bool, seconds: Option<u64> },
    Turn(usize),
    Acted(usize),
    Panicked(usize),
    GivesUp { which: usize, ended: bool },
    Abort,
    Reset,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..8_usize;
    prop_oneof![
        8 => (any::<bool>(), prop::option::of(0..20_u64)).prop_map(|(acts, seconds)| Step::Wait { acts, seconds }),
        5 => which.clone().prop_map(Step::Turn),
        5 => which.clone().prop_map(Step::Acted),
        1 => which.clone().prop_map(Step::Panicked),
        2 => (which, any::<bool>()).prop_map(|(which, ended)| Step::GivesUp { which, ended }),
        1 => Just(Step::Abort),
        3 => Just(Step::Reset),
        2 => (0..15_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    /// > Under any steps a barrier lets through as many as it has parties, each with another number, and leaves nobody waiting who is not
    /// > of a round that goes on.
    #[test]
    fn it_lets_through_as_many_as_it_has_parties(parties in 1..4_usize, steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new(parties);
        let mut waits: Vec<u64> = Vec::new();
        let mut given_up = BTreeSet::new();
        for step in steps {
            let latest = |which: usize| waits.iter().rev().nth(which).copied();
            let known: BTreeSet<u64> = world.told.keys().copied().collect();
            match step {
                Step::Wait { acts, seconds } => waits.push(world.wait(acts, seconds.map(Duration::from_secs))),
                Step::Turn(which) => drop(latest(which).map(|key| world.ask(Ask::Turn { key }))),
                Step::Acted(which) => drop(latest(which).map(|key| world.ask(Ask::Acted { key }))),
                Step::Panicked(which) => drop(latest(which).map(|key| world.ask(Ask::Panicked { key }))),
                Step::GivesUp { which, ended } => {
                    if let Some(wait) = latest(which).filter(|wait| !given_up.contains(wait)) {
                        world.gives_up(wait, ended);
                        given_up.insert(wait);
                    }
                }
                Step::Abort => drop(world.ask(Ask::Abort)),
                Step::Reset => drop(world.ask(Ask::Reset)),
                Step::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
            }
            // Of those let through in this step there are whole rounds.
            let mut passed: Vec<u64> =
                waits.iter().filter(|wait| !known.contains(wait)).filter_map(|wait| world.passed(*wait)).collect();
            passed.sort_unstable();
            let rounds = passed.len() / parties;
            let whole: Vec<u64> = (0..parties as u64).flat_map(|index| std::iter::repeat_n(index, rounds)).collect();
            prop_assert_eq!(passed, whole);
            let open = waits.iter().filter(|wait| !world.told.contains_key(wait) && !given_up.contains(wait)).count();
            prop_assert_eq!(world.waiting(), open as u64);
            match world.owner.phase {
                Phase::Broken(_) => prop_assert_eq!(open, 0),
                Phase::Gathers => prop_assert!(open < parties),
                Phase::Acts(_) => prop_assert!(open >= parties),
            }
        }
    }
}

#[test]
fn of_two_who_ask_for_the_turn_of_one_wait_each_is_answered() {
    let mut world = World::new(2);
    let waits = world.wait(true, None);
    let turns = [(); 2].map(|()| world.ask(Ask::Turn { key: waits }));
    assert_eq!(world.told.get(&turns[0]), Some(&Reply::DoNotAct));
    world.wait(false, None);
    assert_eq!(world.told.get(&turns[1]), Some(&Reply::DoNotAct));
}

//! The machine of a register beside an `Option`, with a clock of its own.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_bytes::ByteBuf;

use super::options::RegisterOptions;
use super::owner::RegisterOwner;
use super::wire::{Ask, Reply};
use crate::protocol::object::{Asker, Effects, Owner};

fn value(number: u8) -> ByteBuf {
    ByteBuf::from(vec![number])
}

struct World {
    owner: RegisterOwner,
    now: Instant,
    tick_at: Option<Instant>,
}

impl World {
    fn new() -> Self {
        let owner = RegisterOwner::new(RegisterOptions::<u8>::empty());
        Self { owner, now: Instant::now(), tick_at: None }
    }

    fn ask(&mut self, asker: u64, ask: Ask) -> Vec<(u64, Reply)> {
        let mut effects = Effects::default();
        self.owner.handle(Asker(asker), ask, self.now, &mut effects);
        self.heed(effects)
    }

    /// Time passes, with a tick where the owner asked for one.
    fn pass(&mut self, time: Duration) -> Vec<(u64, Reply)> {
        let mut answers = Vec::new();
        let end = self.now + time;
        while let Some(at) = self.tick_at.filter(|at| *at <= end) {
            let mut effects = Effects::default();
            (self.now, self.tick_at) = (at, None);
            self.owner.tick(at, &mut effects);
            answers.extend(self.heed(effects));
        }
        self.now = end;
        answers
    }

    fn heed(&mut self, effects: Effects<Reply>) -> Vec<(u64, Reply)> {
        let soonest = [self.tick_at, effects.tick_at].into_iter().flatten().min();
        self.tick_at = soonest;
        effects.replies.into_iter().map(|(Asker(asker), reply)| (asker, reply)).collect()
    }
}

fn set(number: u8, lasting: Option<u64>) -> Ask {
    Ask::Set { value: value(number), lasting: lasting.map(Duration::from_millis) }
}

#[test]
fn a_value_goes_when_its_time_is_over_and_whoever_watches_is_told() {
    let mut world = World::new();
    assert_eq!(world.ask(1, Ask::Wait), []);
    let set_reply = Reply::Value(Some(value(7)));
    assert_eq!(world.ask(2, set(7, Some(10))), [(1, set_reply.clone()), (2, Reply::Value(None))]);
    assert_eq!(world.ask(3, Ask::Watch { after: 1 }), []);
    assert_eq!(world.ask(4, Ask::Await { after: 1 }), []);
    assert_eq!(world.pass(Duration::from_millis(9)), []);
    let report = Reply::Report { version: 2, value: None };
    assert_eq!(world.pass(Duration::from_millis(1)), [(3, report), (4, Reply::Version(2))]);
    assert_eq!(world.ask(5, Ask::Get), [(5, Reply::Value(None))]);
    // Nobody needs the tick to see that it is over, and what is written over it stays.
    world.ask(6, set(8, Some(10)));
    world.now += Duration::from_millis(10);
    assert_eq!(world.ask(7, Ask::Get), [(7, Reply::Value(None))]);
    world.ask(8, set(8, Some(10)));
    world.ask(8, set(9, None));
    world.pass(Duration::from_millis(50));
    assert_eq!(world.ask(9, Ask::Get), [(9, Reply::Value(Some(value(9))))]);
    world.ask(8, set(8, Some(10)));
    world.ask(8, set(9, Some(30)));
    world.pass(Duration::from_millis(29));
    assert_eq!(world.ask(9, Ask::Take), [(9, Reply::Value(Some(value(9))))]);
}

#[test]
fn who_waits_no_longer_is_forgotten() {
    let mut world = World::new();
    for ask in [Ask::Wait, Ask::Watch { after: 0 }, Ask::Await { after: 0 }] {
        assert_eq!(world.ask(1, ask), []);
        world.owner.forget(Asker(1), &mut Effects::default());
    }
    assert_eq!(world.ask(2, set(1, None)), [(2, Reply::Value(None))]);
}

proptest! {
    /// > Under any steps a register's machine does what an `Option` does, and whoever watches is told.
    #[test]
    fn it_does_what_an_option_does(
        steps in prop::collection::vec((0..5_u8, 0..3_u8, 0..3_u8, 0..20_u64), 0..60),
    ) {
        let mut world = World::new();
        let mut model: Option<(u8, Option<Instant>)> = None;
        for (kind, a, b, time) in steps {
            let version = world.owner.version();
            let there = model.map(|(number, _)| number);
            // Zero stands for none.
            let maybe = |number: u8| (number > 0).then_some(number);
            let (question, expected) = match kind {
                0 => {
                    model = Some((a, None));
                    (set(a, None), Reply::Value(there.map(value)))
                }
                1 => {
                    model = Some((a, Some(world.now + Duration::from_millis(time + 1))));
                    (set(a, Some(time + 1)), Reply::Value(there.map(value)))
                }
                2 => {
                    model = None;
                    (Ask::Take, Reply::Value(there.map(value)))
                }
                3 => {
                    let (expected, new) = (maybe(a), maybe(b));
                    let ask = Ask::CompareAndSwap { expected: expected.map(value), new: new.map(value) };
                    if there == expected {
                        model = new.map(|number| (number, None));
                        (ask, Reply::Done)
                    } else {
                        (ask, Reply::Value(there.map(value)))
                    }
                }
                _ => {
                    world.pass(Duration::from_millis(time));
                    let now = world.now;
                    model = model.filter(|(_, until)| until.is_none_or(|until| until > now));
                    (Ask::Get, Reply::Value(model.map(|(number, _)| value(number))))
                }
            };
            prop_assert_eq!(world.ask(1, question), [(1, expected)]);
            let is_told = world.owner.version() != version;
            prop_assert!(is_told || there == model.map(|(number, _)| number), "a change that nobody is told of");
        }
    }
}

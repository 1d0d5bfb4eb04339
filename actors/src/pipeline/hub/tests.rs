//! The hub against workers that ask, work, fail and die in any order: every item is accounted for exactly once.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use serde_bytes::ByteBuf;

use super::{AfterDeath, Hub, Item, OnError, Place, Reached, Spec, World};
use crate::pipeline::wire::{Output, Step};

const CAPACITY: usize = 8;
/// Items divisible by this fail in the first stage, every time.
const FAILS: u64 = 7;

/// A worker, as the hub must see it.
#[derive(Default)]
struct Hand {
    is_there: bool,
    items: VecDeque<(u64, u64)>,
    done: u64,
    is_over: bool,
}

#[derive(Default)]
struct Workers {
    hands: BTreeMap<Place, Hand>,
}

impl World for Workers {
    fn send<'a>(&mut self, to: Place, first: u64, items: impl Iterator<Item = &'a [u8]>) {
        let hand = self.hands.entry(to).or_default();
        assert_eq!(first, hand.done + hand.items.len() as u64, "items are numbered without a gap");
        assert!(hand.is_there && !hand.is_over, "nobody is there to take them");
        for (number, item) in (first..).zip(items) {
            hand.items.push_back((number, u64::from_le_bytes(item.try_into().unwrap())));
        }
    }

    fn flush(&mut self, _: Place) {}

    fn finish(&mut self, worker: Place) {
        self.hands.entry(worker).or_default().is_over = true;
    }
}

#[derive(Clone, Debug)]
enum Event {
    Push,
    EndSource,
    More { worker: usize, count: u64 },
    Work { worker: usize, items: usize },
    Die { worker: usize, has_begun: bool },
    Take,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Push),
        1 => Just(Event::EndSource),
        6 => (0..5_usize, 1..6_u64).prop_map(|(worker, count)| Event::More { worker, count }),
        8 => (0..5_usize, 1..6_usize).prop_map(|(worker, items)| Event::Work { worker, items }),
        2 => (0..5_usize, any::<bool>()).prop_map(|(worker, has_begun)| Event::Die { worker, has_begun }),
        3 => Just(Event::Take),
    ]
}

/// Two stages: two workers that put out each number twice, then three that pass on what is theirs by key.
struct Job {
    hub: Hub,
    workers: Workers,
    places: Vec<Place>,
    pushed: u64,
    ended: bool,
    /// How often each number has come out.
    out: BTreeMap<u64, u64>,
    deaths: BTreeMap<u64, u32>,
}

impl Job {
    fn new() -> Self {
        let spec = |name: &str, workers, partitioned| Spec {
            name: name.to_owned(),
            workers,
            partitioned,
            holds: true,
            capacity_items: CAPACITY,
            capacity_bytes: usize::MAX,
            on_error: OnError::Retry(1),
            max_deaths: 3,
        };
        let at = |stage, index| Place { stage, index };
        let mut job = Self {
            hub: Hub::new(vec![spec("double", 2, false), spec("pass", 3, true)]),
            workers: Workers::default(),
            places: vec![at(0, 0), at(0, 1), at(1, 0), at(1, 1), at(1, 2)],
            pushed: 0,
            ended: false,
            out: BTreeMap::new(),
            deaths: BTreeMap::new(),
        };
        for place in job.places.clone() {
            job.begin(place);
        }
        job
    }

    fn begin(&mut self, place: Place) {
        self.workers.hands.insert(place, Hand { is_there: true, ..Hand::default() });
        self.hub.ready(place, &mut self.workers);
    }

    fn more(&mut self, place: Place, count: u64) {
        if self.workers.hands[&place].is_there {
            self.hub.more(place, count, &mut self.workers);
        }
    }

    /// The worker finishes with `items` of what it has, in one step.
    fn work(&mut self, place: Place, items: usize) -> bool {
        let hand = self.workers.hands.get_mut(&place).unwrap();
        let items: Vec<_> = hand.items.drain(..items.min(hand.items.len())).collect();
        hand.done += items.len() as u64;
        let mut step = Step { settled: hand.done, ..Step::default() };
        for (seq, n) in &items {
            let times = if place.stage == 0 { 2 } else { 1 };
            if place.stage == 0 && n.is_multiple_of(FAILS) {
                step.failures.push((*seq, "a bad number".to_owned()));
            } else {
                let output = || Output { key: Some(*n), item: ByteBuf::from(n.to_le_bytes()) };
                step.outputs.extend(std::iter::repeat_with(output).take(times));
            }
        }
        if items.is_empty() {
            return false;
        }
        self.hub.step(place, step, &mut self.workers).unwrap();
        true
    }

    fn die(&mut self, place: Place, has_begun: bool) {
        if !self.workers.hands[&place].is_there {
            return;
        }
        let hand = std::mem::take(self.workers.hands.get_mut(&place).unwrap());
        let in_hand = hand.items.front().filter(|_| has_begun);
        if let Some((_, n)) = in_hand {
            *self.deaths.entry(*n).or_default() += 1;
        }
        let in_hand = in_hand.map(|(seq, _)| *seq);
        let after = self.hub.down(place, in_hand, Reached::Working, "it was killed", &mut self.workers);
        match after {
            AfterDeath::Replace => self.begin(place),
            AfterDeath::Nothing => {
                assert!(self.hub.stages[place.stage].is_over, "its stage goes on without it");
            }
        }
    }

    fn take(&mut self) -> bool {
        let taken = self.hub.take(&mut self.workers);
        for item in &taken {
            *self.out.entry(u64::from_le_bytes((**item).try_into().unwrap())).or_default() += 1;
        }
        !taken.is_empty()
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Push if !self.ended && self.hub.has_room() => {
                self.hub.push(Item::new(None, self.pushed.to_le_bytes()), &mut self.workers);
                self.pushed += 1;
            }
            Event::Push => {}
            Event::EndSource => self.end(),
            Event::More { worker, count } => self.more(self.places[worker], count),
            Event::Work { worker, items } => {
                self.work(self.places[worker], items);
            }
            Event::Die { worker, has_begun } => self.die(self.places[worker], has_begun),
            Event::Take => {
                self.take();
            }
        }
        for (stage, allowance) in [(0, 2 * 3), (1, 2 * 2 * CAPACITY)] {
            let deepest = self.hub.figures(stage).deepest;
            assert!(deepest <= CAPACITY + allowance + 3 * CAPACITY, "stage {stage} held {deepest}");
        }
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.hub.end_source(&mut self.workers);
        }
    }

    /// Lets everybody work until nothing moves any more.
    fn drain(&mut self) {
        self.end();
        for place in self.places.clone() {
            self.more(place, 1);
        }
        loop {
            let mut moved = self.take();
            for place in self.places.clone() {
                if self.work(place, 3) {
                    self.more(place, 3);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }
}

proptest! {
    /// > Under any order of work, deaths and failures each item comes out as often as it should or is a dead
    /// > letter, and nothing stands still.
    #[test]
    fn every_item_comes_out_as_often_as_it_should_or_is_a_dead_letter(
        events in prop::collection::vec(event(), 0..400)
    ) {
        let mut job = Job::new();
        for event in &events {
            job.apply(event);
        }
        job.drain();
        prop_assert!(job.hub.has_ended(), "it stands still: {:#?}", job.hub);
        prop_assert!(job.hub.failure().is_none());
        prop_assert!(job.workers.hands.values().all(|hand| hand.is_over == hand.is_there && hand.items.is_empty()));

        let mut given_up: BTreeMap<u64, u64> = BTreeMap::new();
        for letter in job.hub.letters() {
            let n = u64::from_le_bytes((*letter.bytes).try_into().unwrap());
            let by_death = job.deaths.get(&n).copied().unwrap_or(0) >= 3;
            prop_assert!(by_death || n.is_multiple_of(FAILS), "{n} was given up: {}", letter.reason);
            // A number given up in the first stage would have come out twice.
            *given_up.entry(n).or_default() += if letter.stage == 0 { 2 } else { 1 };
        }
        for n in 0..job.pushed {
            let out = job.out.get(&n).copied().unwrap_or(0);
            let lost = given_up.get(&n).copied().unwrap_or(0);
            prop_assert_eq!(out + lost, 2, "number {}", n);
        }
        prop_assert!(job.out.keys().all(|n| *n < job.pushed));
    }
}

#[test]
fn what_a_dead_worker_had_goes_back_to_the_head_in_order() {
    let mut job = Job::new();
    for _ in 0..5 {
        job.apply(&Event::Push);
    }
    let (first, second) = (job.places[0], job.places[1]);
    job.more(first, 3);
    let had: Vec<u64> = job.workers.hands[&first].items.iter().map(|(_, n)| *n).collect();
    assert_eq!(had, [0, 1, 2]);
    job.die(first, true);
    job.more(second, 5);
    let has: Vec<u64> = job.workers.hands[&second].items.iter().map(|(_, n)| *n).collect();
    assert_eq!(has, [0, 1, 2, 3, 4]);
}

#[test]
fn a_step_that_settles_what_the_worker_does_not_have_is_refused_and_changes_nothing() {
    let mut job = Job::new();
    job.apply(&Event::Push);
    let place = job.places[0];
    job.more(place, 1);
    let step = Step { settled: 2, ..Step::default() };
    assert!(job.hub.step(place, step, &mut job.workers).unwrap_err().contains("settles up to 2"));
    let failures = vec![(1, "why".to_owned())];
    let step = Step { settled: 1, failures, ..Step::default() };
    assert!(job.hub.step(place, step, &mut job.workers).unwrap_err().contains("does not settle"));
    assert_eq!(job.hub.figures(0).taken, 0);
    job.drain();
    assert!(job.hub.has_ended());
}

/// > A worker that dies with the last item of its stage, which is given up for that, is not replaced.
#[test]
fn a_worker_that_dies_with_the_last_item_of_its_stage_is_not_replaced() {
    let mut job = Job::new();
    job.apply(&Event::Push);
    job.end();
    let first = job.places[0];
    for _ in 0..3 {
        job.more(first, 1);
        job.die(first, true);
    }
    assert_eq!(job.hub.letters().len(), 1);
    assert!(!job.workers.hands[&first].is_there);
    assert_eq!(job.hub.figures(0).restarts, 2);
    assert!(job.hub.has_ended());
}

/// > A stage whose output is full gets no input.
#[test]
fn a_stage_whose_output_is_full_gets_no_input_and_says_that_it_was_blocked() {
    let mut job = Job::new();
    let (first, second) = (job.places[0], job.places[1]);
    for _ in 0..2 * CAPACITY {
        job.more(first, 1);
        job.apply(&Event::Push);
        job.work(first, 1);
    }
    assert!(job.workers.hands[&first].items.is_empty(), "it is withheld");
    job.more(second, 1);
    assert!(job.workers.hands[&second].items.is_empty(), "from every worker of the stage");
    let second_stage = job.places.split_off(2);
    while job.workers.hands[&first].items.is_empty() {
        for place in second_stage.iter().copied() {
            job.more(place, 1);
            job.work(place, 1);
        }
    }
    let step = Step { settled: job.workers.hands[&first].done + 1, waited_nanos: 9, ..Step::default() };
    job.workers.hands.get_mut(&first).unwrap().items.pop_front();
    job.workers.hands.get_mut(&first).unwrap().done += 1;
    job.hub.step(first, step, &mut job.workers).unwrap();
    assert_eq!((job.hub.figures(0).blocked_nanos, job.hub.figures(0).idle_nanos), (9, 0));
}

#[test]
fn a_worker_that_says_anything_of_its_time_harms_nobody() {
    let mut job = Job::new();
    let at = job.places[0];
    job.workers.hands.entry(at).or_default().is_there = true;
    job.hub.ready(at, &mut job.workers);
    for _ in 0..2 {
        let step = Step { busy_nanos: u64::MAX, waited_nanos: u64::MAX, ..Step::default() };
        assert_eq!(job.hub.step(at, step, &mut job.workers), Ok(()));
    }
    assert_eq!(job.hub.figures(0).busy_nanos, u64::MAX);
}

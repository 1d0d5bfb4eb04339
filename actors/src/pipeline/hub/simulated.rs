//! Pipelines in seeded schedules: workers in processes of their own, whose steps are under way for a while, and who stop and die.
//!
//! Every number that goes in is doubled, passed on by its key, and in some pipelines gathered by workers that hold what they have. An
//! item is the numbers in it, so each can be looked for in what comes out.

mod hands;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_bytes::ByteBuf;

use self::hands::{Down, Hand, Hands, Up, bytes, numbers};
use super::{AfterDeath, Hub, Item, OnError, Place, Reached, Spec};
use crate::fault::Fault;
use crate::pipeline::wire::{Output, Step, ToHub, ToWorker};
use crate::simulation::{self, Next, Roads, Schedule, to_owner};

const MAX_DEATHS: u32 = 3;
/// Numbers divisible by this fail in the first stage, every time.
const FAILS: u64 = 11;

struct Play {
    hub: Hub,
    hands: Hands,
    places: Vec<Place>,
    roads: Roads,
    capacity: usize,
    pushed: u64,
    source_ended: bool,
    /// How often each number has come out.
    out: BTreeMap<u64, u64>,
    deaths: u32,
    in_hand_at_death: BTreeMap<Vec<u64>, u32>,
}

impl Play {
    fn new(schedule: &mut Schedule) -> Self {
        let capacity = schedule.within(1..12) as usize;
        let on_error = schedule.pick(&[OnError::Skip, OnError::Retry(0), OnError::Retry(2)]);
        let mut stages = vec![(schedule.within(1..4), false, false), (schedule.within(1..4), true, false)];
        if schedule.one_in(2) {
            stages.push((schedule.within(1..3), schedule.one_in(2), true));
        }
        let spec = |(at, (workers, partitioned, holds)): (usize, &(u64, bool, bool))| Spec {
            name: format!("stage {at}"),
            workers: *workers as usize,
            partitioned: *partitioned,
            holds: *holds,
            capacity_items: capacity,
            capacity_bytes: usize::MAX,
            on_error,
            max_deaths: MAX_DEATHS,
        };
        let specs: Vec<Spec> = stages.iter().enumerate().map(spec).collect();
        let places: Vec<Place> = stages
            .iter()
            .enumerate()
            .flat_map(|(stage, (workers, ..))| {
                (0..*workers as usize).map(move |index| Place { stage, index })
            })
            .collect();
        Self {
            hub: Hub::new(specs),
            hands: Hands(places.iter().map(|place| (*place, Hand::new())).collect()),
            roads: Roads::new(places.len()),
            places,
            capacity,
            pushed: 0,
            source_ended: false,
            out: BTreeMap::new(),
            deaths: 0,
            in_hand_at_death: BTreeMap::new(),
        }
    }

    // ---- the workers -----------------------------------------------------------------------------

    /// A worker does something, if it can.
    fn work(&mut self, at: usize, schedule: &mut Schedule) -> bool {
        let place = self.places[at];
        let holds = self.hub.stages[place.stage].spec.holds;
        let hand = self.hands.0.get_mut(&place).expect("every place has its hand");
        if !hand.is_alive || hand.finish {
            return false;
        }
        let window = 1 + schedule.below(6);
        if hand.asked <= window / 2 {
            let count = window - hand.asked;
            hand.asked += count;
            hand.said(ToHub::More { count });
        }
        if hand.begun > hand.finished {
            self.finish_item(place);
        } else if let Some(item) = hand.inbox.pop_front() {
            hand.begun += 1;
            hand.asked = hand.asked.saturating_sub(1);
            hand.in_hand = item;
        } else if hand.finished > hand.settled && (hand.flush || !holds) {
            self.step(place, schedule);
        } else {
            hand.flush = false;
            return false;
        }
        let hand = self.hands.0.get_mut(&place).expect("every place has its hand");
        if hand.begun == hand.finished && hand.finished > hand.settled && schedule.one_in(6) {
            self.step(place, schedule);
        }
        true
    }

    fn finish_item(&mut self, place: Place) {
        let hand = self.hands.0.get_mut(&place).expect("every place has its hand");
        let item = std::mem::take(&mut hand.in_hand);
        if place.stage > 0 {
            hand.outputs.push(item);
        } else if item[0].is_multiple_of(FAILS) {
            hand.failures.push(hand.finished);
        } else {
            hand.outputs.extend([item.clone(), item]);
        }
        hand.finished += 1;
    }

    fn step(&mut self, place: Place, schedule: &mut Schedule) {
        let holds = self.hub.stages[place.stage].spec.holds;
        let hand = self.hands.0.get_mut(&place).expect("every place has its hand");
        let mut outputs = std::mem::take(&mut hand.outputs);
        if holds {
            outputs = vec![outputs.concat()];
        }
        hand.settled = hand.finished;
        let output = |item: Vec<u64>| Output { key: Some(item[0]), item: ByteBuf::from(bytes(&item)) };
        let step = Step {
            settled: hand.settled,
            failures: hand.failures.drain(..).map(|seq| (seq, "a bad number".to_owned())).collect(),
            outputs: outputs.into_iter().map(output).collect(),
            ..Step::default()
        };
        schedule.note(|| format!("{place:?} settles up to {}", step.settled));
        hand.said(ToHub::Step(step));
    }

    fn kill(&mut self, at: usize, schedule: &mut Schedule) {
        let place = self.places[at];
        let hand = self.hands.0.get_mut(&place).expect("every place has its hand");
        if !hand.is_alive || hand.finish {
            return;
        }
        let unsent = schedule.index(hand.up.len().min(3) + 1);
        hand.up.truncate(hand.up.len() - unsent);
        hand.up.push_back(Up::Down);
        hand.down.clear();
        hand.is_alive = false;
        self.roads.is_cut(at);
        self.deaths += 1;
        schedule.note(|| format!("{place:?} dies with {unsent} messages unsent"));
    }

    // ---- the hub ---------------------------------------------------------------------------------

    fn arrives(&mut self, at: usize, schedule: &mut Schedule) {
        let place = self.places[at];
        let hand = self.hands.0.get_mut(&place).expect("every place has its hand");
        let Some(up) = hand.up.pop_front() else { return };
        match up {
            Up::Ready => {
                schedule.note(|| format!("{place:?} is there"));
                hand.is_known = true;
                self.hub.ready(place, &mut self.hands);
            }
            Up::Said(ToHub::More { count }) => self.hub.more(place, count, &mut self.hands),
            Up::Said(ToHub::Step(step)) => {
                schedule.note(|| format!("a step of {place:?} is applied"));
                self.hub.step(place, step, &mut self.hands).expect("it is in order");
            }
            Up::Said(ToHub::Ready { .. }) => unreachable!("it is another message here"),
            Up::Down => self.down(place, schedule),
        }
    }

    fn down(&mut self, place: Place, schedule: &mut Schedule) {
        let hand = std::mem::take(self.hands.0.get_mut(&place).expect("every place has its hand"));
        let (mut in_hand, mut reached) = (None, Reached::Nothing);
        if hand.is_known {
            reached = Reached::Working;
            if hand.begun > hand.finished {
                in_hand = Some(hand.begun - 1);
                *self.in_hand_at_death.entry(hand.in_hand).or_default() += 1;
                reached = if hand.finished == 0 { Reached::FirstItem } else { Reached::Working };
            }
        }
        let after = self.hub.down(place, in_hand, reached, "it was killed", &mut self.hands);
        schedule
            .note(|| format!("the hub hears that {place:?} has died with {in_hand:?} in hand: {after:?}"));
        let is_over = self.hub.stages[place.stage].is_over || self.hub.failure().is_some();
        assert_eq!(
            after == AfterDeath::Nothing,
            is_over,
            "whoever died is replaced unless its stage is over"
        );
        let next = if is_over { Hand { finish: true, ..Hand::default() } } else { Hand::new() };
        self.hands.0.insert(place, next);
    }

    fn take(&mut self) -> bool {
        let taken = self.hub.take(&mut self.hands);
        for item in &taken {
            for number in numbers(item) {
                *self.out.entry(number).or_default() += 1;
            }
        }
        !taken.is_empty()
    }

    fn feed(&mut self) {
        if !self.source_ended && self.hub.has_room() {
            self.hub.push(Item::new(None, bytes(&[self.pushed])), &mut self.hands);
            self.pushed += 1;
        }
    }

    fn end_source(&mut self) {
        if !std::mem::replace(&mut self.source_ended, true) {
            self.hub.end_source(&mut self.hands);
        }
    }

    // ---- the schedule ----------------------------------------------------------------------------

    fn next(&mut self, schedule: &mut Schedule) -> bool {
        let (hands, places) = (&self.hands.0, &self.places);
        let has_traffic = |road: usize| {
            let hand = &hands[&places[road / 2]];
            if road == to_owner(road / 2) { !hand.up.is_empty() } else { !hand.down.is_empty() }
        };
        let Some(Next::Arrival(road)) = self.roads.next(schedule, has_traffic, None) else { return false };
        let leased = self.leased();
        if road == to_owner(road / 2) {
            self.arrives(road / 2, schedule);
        } else {
            self.hears(road / 2);
        }
        self.check(&leased);
        true
    }

    fn hears(&mut self, at: usize) {
        let hand = self.hands.0.get_mut(&self.places[at]).expect("every place has its hand");
        match hand.down.pop_front() {
            Some(Down::Items(first, items)) => {
                assert_eq!(first, hand.begun + hand.inbox.len() as u64, "items are numbered without a gap");
                hand.inbox.extend(items);
            }
            Some(Down::Told(ToWorker::Flush)) => hand.flush = true,
            Some(Down::Told(ToWorker::Finish)) => {
                assert!(
                    hand.inbox.is_empty() && hand.finished == hand.settled,
                    "its stage is over too early"
                );
                hand.finish = true;
            }
            None => {}
        }
    }

    fn turn(&mut self, schedule: &mut Schedule, is_deadly: bool) {
        let at = schedule.index(self.places.len());
        let leased = self.leased();
        match schedule.below(100) {
            0..45 => {
                self.next(schedule);
                return;
            }
            45..75 if self.roads.is_still(at, schedule.now()) => {}
            45..75 => _ = self.work(at, schedule),
            75..90 => self.feed(),
            90..94 => _ = self.take(),
            94 | 95 if is_deadly => self.kill(at, schedule),
            96 => self.roads.stop_one(schedule),
            97 => schedule.pass(Duration::from_millis(50)),
            98 if schedule.one_in(10) => self.end_source(),
            _ => {}
        }
        self.check(&leased);
    }

    /// How much each stage has in hand.
    fn leased(&self) -> Vec<usize> {
        let count = |stage: &super::Stage| stage.workers.iter().map(|worker| worker.leased.len()).sum();
        self.hub.stages.iter().map(count).collect()
    }

    /// A stage whose output is full has been given nothing, and nobody waits beside what is his.
    fn check(&self, before: &[usize]) {
        let stages = &self.hub.stages;
        for (at, (was, is)) in before.iter().zip(self.leased()).enumerate() {
            assert!(
                !self.hub.output_is_full(at) || is <= *was,
                "stage {at} was given input beside a full output"
            );
        }
        let in_edges = |stage: &super::Stage| stage.edges.iter().map(|edge| edge.items.len()).sum::<usize>();
        assert!(stages.iter().all(|stage| in_edges(stage) == stage.edge_items), "an edge is counted");
        if self.hub.failure().is_some() {
            return;
        }
        for (at, stage) in stages.iter().enumerate().filter(|(at, _)| !self.hub.output_is_full(*at)) {
            for (index, worker) in stage.workers.iter().enumerate() {
                let edge = if stage.spec.partitioned { index } else { 0 };
                let waits = worker.is_there && worker.demand > 0 && !stage.edges[edge].items.is_empty();
                assert!(!waits, "worker {index} of stage {at} waits beside an item");
            }
        }
    }

    /// Everybody works until nothing moves any more.
    fn drain(&mut self, schedule: &mut Schedule) {
        self.end_source();
        for _ in 0..100_000 {
            let mut moves = self.take();
            while self.next(schedule) {
                moves = true;
            }
            for at in 0..self.places.len() {
                moves |= self.work(at, schedule);
            }
            if !moves && self.places.iter().all(|place| self.hands.0[place].up.is_empty()) {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn check_end(&mut self) {
        if let Some(why) = self.hub.failure() {
            assert!(self.deaths >= super::DEATHS_IN_A_ROW, "it gave up: {why}");
            return;
        }
        assert!(self.hub.has_ended(), "it stands still: {:#?}", self.hub);
        assert!(self.hands.0.values().all(|hand| hand.finish), "a worker was not told of the end");
        let mut given_up: BTreeMap<u64, u64> = BTreeMap::new();
        for letter in self.hub.letters() {
            let numbers = numbers(&letter.bytes);
            let deaths = self.in_hand_at_death.get(&numbers).copied().unwrap_or(0);
            let has_failed = letter.stage == 0 && numbers[0].is_multiple_of(FAILS);
            assert!(has_failed || deaths >= MAX_DEATHS, "{numbers:?} was given up: {}", letter.reason);
            for number in numbers {
                // One given up in the first stage would have come out twice.
                *given_up.entry(number).or_default() += if letter.stage == 0 { 2 } else { 1 };
            }
        }
        let skipped = self.hub.figures(0).skipped;
        let mut missing = 0;
        for number in 0..self.pushed {
            let out = self.out.get(&number).copied().unwrap_or(0);
            match out + given_up.get(&number).copied().unwrap_or(0) {
                2 => {}
                0 if number.is_multiple_of(FAILS) => missing += 1,
                other => panic!("{number} came to {other} of 2"),
            }
        }
        assert_eq!(missing, skipped, "those that were skipped");
        assert!(self.out.keys().all(|number| *number < self.pushed), "out of nothing");
    }
}

fn play(schedule: &mut Schedule) {
    let mut play = Play::new(schedule);
    schedule.note(|| format!("{} workers, edges of {}", play.places.len(), play.capacity));
    let is_deadly = !schedule.one_in(4);
    for _ in 0..schedule.within(1..600) {
        play.turn(schedule, is_deadly);
    }
    schedule.note(|| "the source ends, and all goes well".to_owned());
    play.drain(schedule);
    play.check_end();
}

/// > Under any schedule of slow, stopped and dead workers a pipeline's totals are exact, and nothing stands still.
#[test]
fn pipeline() {
    simulation::run("pipeline", 2_000, play);
}

#[test]
fn a_planted_fault_of_pipelines_is_found() {
    simulation::finds(Fault::ItemsOfTheDeadLost, play);
}

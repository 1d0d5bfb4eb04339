//! Queues of every kind in seeded schedules: the model's clients on nodes that are slow, stop and die, on a virtual clock.
//!
//! What the real client does and this one leaves out: how much it prefetches, threads that share one node's face, and
//! the descriptors in items. It asks for any number of items at any time instead, which includes all that.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::super::wire::Amount;
use super::super::{Order, Settings};
use super::{PEERS, Scene, Step, Verb};
use crate::fault::Fault;
use crate::simulation::{self, Next, Roads, Schedule, from_owner, to_owner};

/// What clients do, and how often.
const VERBS: [(u64, Verb); 19] = [
    (12, Verb::Put),
    (10, Verb::Take),
    (5, Verb::Want),
    (4, Verb::Lease),
    (2, Verb::Fetch),
    (1, Verb::GiveBack),
    (1, Verb::Withdraw),
    (3, Verb::Ack),
    (2, Verb::Nack),
    (1, Verb::Reject),
    (1, Verb::Extend),
    (1, Verb::Surrender),
    (2, Verb::Pass),
    (1, Verb::Join),
    (1, Verb::Unjoin),
    (1, Verb::Letters),
    (1, Verb::Len),
    (1, Verb::Kill),
    (1, Verb::Quiet),
];

fn settings(schedule: &mut Schedule) -> Settings {
    let items = schedule.pick(&[1..4, 4..40, 10_000..10_001].map(|range| (range.start, range.end)));
    let bytes = schedule.pick(&[(20, 200), (200, 4_000), (1 << 24, (1 << 24) + 1)]);
    Settings {
        capacity: Amount {
            items: schedule.within(items.0..items.1),
            bytes: schedule.within(bytes.0..bytes.1),
        },
        max_attempts: NonZeroU32::new(schedule.below(4) as u32),
        order: schedule.weighed(&[(4, Order::Fifo), (1, Order::Lifo), (1, Order::Priority)]),
    }
}

/// A queue, its clients, and the roads between them.
struct Play {
    scene: Scene,
    roads: Roads,
}

impl Play {
    /// What is under way arrives, or somebody does something.
    fn turn(&mut self, schedule: &mut Schedule) {
        let dice = schedule.below(100);
        if dice < 50 {
            self.next(schedule);
        } else if dice == 50 {
            self.roads.stop_one(schedule);
        } else {
            let verb = schedule.weighed(&VERBS);
            let peer = schedule.index(PEERS);
            let n = schedule.below(256) as u8;
            if verb == Verb::Kill {
                self.roads.is_cut(peer);
            } else if !matches!(verb, Verb::Pass | Verb::Quiet) && self.roads.is_still(peer, schedule.now()) {
                return;
            }
            self.act(Step { verb, peer, n }, schedule);
        }
    }

    fn next(&mut self, schedule: &mut Schedule) {
        let peers = &self.scene.net.peers;
        let has_traffic = |road: usize| {
            let peer = &peers[road / 2];
            if road == to_owner(road / 2) { !peer.up.is_empty() } else { !peer.down.is_empty() }
        };
        let timer = self.scene.owner.next_deadline();
        match self.roads.next(schedule, has_traffic, timer) {
            Some(Next::Arrival(road)) if road == from_owner(road / 2) => {
                self.act(Step { verb: Verb::ToClient, peer: road / 2, n: 0 }, schedule);
            }
            Some(Next::Arrival(road)) => {
                self.act(Step { verb: Verb::ToOwner, peer: road / 2, n: 0 }, schedule);
            }
            Some(Next::Timer) => self.act(Step { verb: Verb::Pass, peer: 0, n: 0 }, schedule),
            None => {}
        }
    }

    fn act(&mut self, step: Step, schedule: &mut Schedule) {
        schedule.note(|| self.scene.tells(step));
        if step.verb == Verb::Pass {
            schedule.pass(Duration::from_millis(u64::from(step.n)));
        }
        self.scene.net.now = schedule.now();
        self.scene.step(Step { n: if step.verb == Verb::Pass { 0 } else { step.n }, ..step });
    }
}

fn play(schedule: &mut Schedule) {
    play_with(schedule, true);
}

/// The same by what can be seen from outside alone.
fn play_from_outside(schedule: &mut Schedule) {
    play_with(schedule, false);
}

fn play_with(schedule: &mut Schedule, looks_inside: bool) {
    let settings = settings(schedule);
    schedule.note(|| format!("a queue: {settings:?}"));
    let scene = Scene { looks_inside, ..Scene::new(settings) };
    let mut play = Play { scene, roads: Roads::new(PEERS) };
    let steps = schedule.within(1..300);
    let closes_at = if schedule.below(10) < 4 { schedule.below(steps) } else { steps };
    for step in 0..steps {
        if step == closes_at {
            let peer = schedule.index(PEERS);
            play.act(Step { verb: Verb::Close, peer, n: 0 }, schedule);
        }
        play.turn(schedule);
    }
    schedule.note(|| "everything is drained".to_owned());
    play.scene.drain();
}

/// > Under any schedule of slow, stopped and dead nodes a queue loses, doubles and strands no item, lends no more than it has
/// > room for, and tells everybody of its end.
#[test]
fn queue() {
    simulation::run("queue", 1_000, play);
}

#[test]
fn planted_faults_of_queues_are_found() {
    for fault in [Fault::LostWakeUp, Fault::CreditNotReturned, Fault::LeaseReturnedTwice] {
        simulation::finds(fault, play);
        simulation::finds(fault, play_from_outside);
    }
}

/// Many more schedules in the same time.
#[test]
fn queue_from_outside() {
    simulation::run("queue_from_outside", 3_000, play_from_outside);
}

//! The owner against a model: random schedules of clients whose messages are under way for as long
//! as it pleases the schedule, with takes, deaths, a close and time in between.
//!
//! After every step the owner's books are checked against the model's (`check`), and whenever nothing
//! is under way, nobody may wait who could go on. In the end everything is drained, and every
//! item must have met exactly one fate.

mod check;
mod fate;
mod net;
mod peer;
mod simulated;

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use self::net::Net;
use super::super::wire::{Amount, Run, Terms, ToOwner};
use super::{Order, Owner, Settings};

/// What happens next to one of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Put,
    ToOwner,
    ToClient,
    Take,
    Want,
    Lease,
    Fetch,
    GiveBack,
    Withdraw,
    Ack,
    Nack,
    Reject,
    Extend,
    Surrender,
    Pass,
    Join,
    Unjoin,
    Letters,
    Len,
    Kill,
    Close,
    Quiet,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    verb: Verb,
    peer: usize,
    n: u8,
}

const PEERS: usize = 4;

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        12 => Just(Verb::Put),
        16 => Just(Verb::ToOwner),
        14 => Just(Verb::ToClient),
        10 => Just(Verb::Take),
        5 => Just(Verb::Want),
        4 => Just(Verb::Lease),
        1 => Just(Verb::Unjoin),
        2 => Just(Verb::Fetch),
        1 => Just(Verb::GiveBack),
        1 => Just(Verb::Withdraw),
        3 => Just(Verb::Ack),
        2 => Just(Verb::Nack),
        1 => Just(Verb::Reject),
        1 => Just(Verb::Extend),
        1 => Just(Verb::Surrender),
        2 => Just(Verb::Pass),
        1 => Just(Verb::Join),
        1 => Just(Verb::Letters),
        1 => Just(Verb::Len),
        1 => Just(Verb::Kill),
        1 => Just(Verb::Quiet),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (verb(), 0..PEERS, any::<u8>()).prop_map(|(verb, peer, n)| Step { verb, peer, n });
    let closing = proptest::option::weighted(0.4, (0..PEERS, 0..200_usize));
    (proptest::collection::vec(step, 1..200), closing).prop_map(|(mut steps, closing)| {
        if let Some((peer, at)) = closing {
            let verb = Verb::Close;
            let at = at.min(steps.len());
            steps.insert(at, Step { verb, peer, n: 0 });
        }
        steps
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let items = prop_oneof![1..4_u64, 4..40_u64, Just(10_000)];
    let bytes = prop_oneof![20..200_u64, 200..4_000_u64, Just(1 << 24)];
    let order = prop_oneof![4 => Just(Order::Fifo), 1 => Just(Order::Lifo), 1 => Just(Order::Priority)];
    (items, bytes, 0..4_u32, order).prop_map(|(items, bytes, attempts, order)| Settings {
        capacity: Amount { items, bytes },
        max_attempts: NonZeroU32::new(attempts),
        order,
    })
}

/// The owner, and the clients around it.
struct Scene {
    owner: Owner,
    net: Net,
    /// The owner's books are looked at after each step, not only what can be seen from outside.
    looks_inside: bool,
}

impl Scene {
    fn new(settings: Settings) -> Scene {
        let mut net = Net::new(PEERS);
        net.is_fifo = settings.order == Order::Fifo;
        Scene { owner: Owner::new(settings), net, looks_inside: true }
    }

    /// What a step is about, for the story of a schedule.
    fn tells(&self, Step { verb, peer, n }: Step) -> String {
        let at = &self.net.peers[peer];
        match verb {
            Verb::ToOwner => format!("node {peer} to the queue: {:?}", at.up.front()),
            Verb::ToClient => format!("the queue to node {peer}: {:?}", at.down.front()),
            Verb::Pass => format!("time passes, {n} ms"),
            Verb::Quiet => "all that is under way arrives".to_owned(),
            _ => format!("node {peer}: {verb:?} {n}"),
        }
    }

    fn step(&mut self, Step { verb, peer, n }: Step) {
        let few = u64::from(n % 6);
        let lasting = Duration::from_millis(u64::from(n));
        let at = &mut self.net.peers[peer];
        match verb {
            Verb::ToOwner => {
                for _ in 0..=n % 3 {
                    self.net.arrive(&mut self.owner, peer);
                    self.check();
                }
            }
            Verb::ToClient => (0..=n % 3).for_each(|_| self.net.bring_back(peer)),
            Verb::Pass => self.net.pass(&mut self.owner, lasting),
            Verb::Quiet => self.quiet(),
            // A client that is killed sends and takes nothing any more.
            _ if !at.is_alive => {}
            Verb::Put => self.put(peer, 1 + few as usize, usize::from(n >> 2)),
            Verb::Take => (0..=few).for_each(|_| self.net.take(peer)),
            Verb::Want => at.want(few + 1, Terms::Taken),
            Verb::Lease => {
                let lasting = (n % 2 == 0).then_some(lasting);
                at.want(few + 1, Terms::Leased { lasting });
            }
            Verb::Unjoin => at.unjoin(),
            Verb::Fetch => at.say(ToOwner::Fetch { max: few + 1, terms: Terms::Taken }),
            Verb::GiveBack => at.give_back(usize::from(n)),
            Verb::Withdraw => at.withdraw(few),
            Verb::Ack => at.ack(usize::from(n)),
            Verb::Reject => at.reject(usize::from(n)),
            Verb::Nack => at.nack(usize::from(n), lasting.saturating_sub(Duration::from_millis(99))),
            Verb::Extend => at.extend(usize::from(n), lasting),
            Verb::Surrender => at.surrender(few),
            Verb::Join => at.join(),
            Verb::Letters => at.say(ToOwner::DeadLetters),
            Verb::Len => at.say(ToOwner::Len),
            Verb::Kill => self.net.kill(peer, usize::from(n % 4)),
            Verb::Close => at.say(ToOwner::Close),
        }
        self.check();
    }

    fn put(&mut self, at: usize, count: usize, size: usize) {
        if !self.net.peers[at].is_beside {
            self.net.put(at, count, size);
            return;
        }
        for _ in 0..count {
            while !self.net.peers[at].up.is_empty() {
                self.net.arrive(&mut self.owner, at);
                self.check();
            }
            self.net.put_directly(&mut self.owner, at, size);
            self.check();
        }
    }

    fn check(&mut self) {
        if !self.looks_inside {
            return;
        }
        check::books(&self.owner, &self.net);
        check::news(&self.owner, &mut self.net);
    }

    /// Lets everything under way arrive; then nobody may wait for something that is there.
    fn quiet(&mut self) {
        while self.net.peers.iter().any(|p| p.has_traffic()) {
            for peer in 0..PEERS {
                self.net.bring_back(peer);
                self.net.arrive(&mut self.owner, peer);
                self.check();
            }
        }
        check::nobody_waits_in_vain(&self.owner, &self.net);
    }

    /// Everybody gets and settles all there is, until nothing is left.
    fn drain(&mut self) {
        self.quiet();
        for round in 0.. {
            assert!(round < 1_000, "the queue does not drain");
            for peer in 0..PEERS {
                let at = &mut self.net.peers[peer];
                if at.is_alive {
                    at.want(3, Terms::Taken);
                    at.ack_all();
                    at.say(ToOwner::DeadLetters);
                }
            }
            self.quiet();
            for peer in 0..PEERS {
                while self.net.peers[peer].can_take() {
                    self.net.take(peer);
                }
            }
            self.net.pass(&mut self.owner, Duration::from_millis(500));
            self.quiet();
            if self.net.is_settled() {
                break;
            }
        }
        check::all_is_told(&self.owner, &self.net);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// > Under any schedule of messages, takes, deaths and closes nothing is lost, doubled or left waiting, and the
    /// > capacity holds.
    #[test]
    fn no_schedule_loses_doubles_or_strands_an_item(settings in settings(), steps in steps()) {
        let mut scene = Scene::new(settings);
        for step in steps {
            scene.step(step);
        }
        scene.drain();
    }
}

#[test]
fn the_last_run_number_does_not_overflow() {
    let mut scene = Scene::new(Settings {
        capacity: Amount { items: u64::MAX, bytes: u64::MAX },
        max_attempts: None,
        order: Order::Fifo,
    });
    let run = Run { first: u64::MAX, count: u64::MAX };
    let at = &mut scene.net.peers[0];
    at.withdraw_run(run);
    at.say(ToOwner::Len);
    scene.quiet();
    scene.put(0, 3, 8);
    scene.put(1, 3, 8);
    scene.drain();
}

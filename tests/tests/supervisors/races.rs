//! Stops and kills that come while a child starts, between two lives, or when its code is stuck.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use callboard::{
    Actor, ActorRef, ChildSpec, Context, Event, EventOptions, Exit, Failure, Node, Shutdown, Strategy,
    SupervisorEnd, SupervisorError,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds};

use crate::quiet;
use crate::worker::{Work, find, here, job};

/// A child whose start waits, in its plan or in its code.
fn slow(name: &'static str, gate: Event, in_plan: bool) -> ChildSpec {
    ChildSpec::actor(name, move |node| {
        if in_plan {
            gate.wait_timeout(2 * PATIENCE).unwrap();
        }
        node.actor::<Slow>((!in_plan).then(|| gate.clone())).name(format!("/{name}"))
    })
}

struct Slow;

impl Actor for Slow {
    type Message = u64;
    type Args = Option<Event>;
    fn start(_: &mut Context<u64>, gate: Option<Event>) -> Result<Self, Failure> {
        if let Some(gate) = gate {
            gate.wait_timeout(2 * PATIENCE)?;
        }
        Ok(Slow)
    }
    fn handle(&mut self, _: &mut Context<u64>, _: u64) -> Result<(), Failure> {
        Err(Failure::new("always"))
    }
}

/// > A child that is killed while it starts, first or again, is gone, its name is free, and its supervisor goes on or ends.
#[test]
fn a_child_that_is_killed_while_it_starts_is_gone() {
    let check = LeakCheck::new();
    {
        let (node, _log) = job();
        for round in 0..rounds(12) {
            let (in_plan, is_again, is_kill) = (round % 2 == 0, round % 4 < 2, round % 3 == 0);
            let gate: Event = node.anonymous(EventOptions::new());
            let child =
                slow("slow", gate.clone(), in_plan).shutdown(Shutdown::Within(Duration::from_millis(5)));
            let supervisor = node.supervise(&quiet().child(here("first"))).unwrap();
            std::thread::scope(|scope| {
                if is_again {
                    gate.set().unwrap();
                    supervisor.add(&child).unwrap();
                    gate.clear().unwrap();
                    node.open::<ActorRef<u64>>("/slow").unwrap().cast(1).unwrap();
                    eventually("it starts again", || {
                        crate::state(&supervisor, "slow") == Some(callboard::ChildState::Restarting)
                    });
                } else {
                    scope.spawn(|| supervisor.add(&child));
                    eventually("it starts", || crate::state(&supervisor, "slow").is_some());
                    let other = slow("other", gate.clone(), in_plan).shutdown(Shutdown::Kill);
                    let soon = Duration::from_millis(5);
                    assert_eq!(supervisor.add_timeout(&other, soon), Err(SupervisorError::TimedOut));
                    let spec = quiet().child(slow("third", gate.clone(), in_plan));
                    let late = node.supervise_timeout(&spec, soon);
                    assert_eq!(late.unwrap_err(), SupervisorError::TimedOut);
                }
                if is_kill {
                    supervisor.kill();
                } else {
                    let told = supervisor.terminate("slow");
                    assert!(matches!(told, Ok(()) | Err(SupervisorError::NotFound(_))), "{told:?}");
                    supervisor.stop();
                }
                // It ends whether or not the code of the start ever goes on.
                assert!(supervisor.wait_timeout(PATIENCE / 2).is_some(), "{round}");
                gate.set().unwrap();
            });
            let expected = if is_kill { SupervisorEnd::Killed } else { SupervisorEnd::Asked };
            assert_eq!(supervisor.wait_timeout(PATIENCE), Some(expected), "{round}");
            eventually("the name is free", || node.open::<ActorRef<u64>>("/slow").is_err());
            pause(Duration::from_millis(2));
            assert!(node.open::<ActorRef<u64>>("/slow").is_err(), "and stays so");
            assert_eq!(supervisor.terminate("first"), Err(SupervisorError::Ending));
        }
    }
    check.check();
}

/// What is told to an actor of a former life.
struct Haunted {
    ticks: u64,
}

static STARTS: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);
static EXITS: AtomicU64 = AtomicU64::new(0);

impl Actor for Haunted {
    type Message = Option<ActorRef<Work>>;
    type Args = ();
    fn start(context: &mut Context<Self::Message>, (): ()) -> Result<Self, Failure> {
        if STARTS.fetch_add(1, SeqCst) == 0 {
            context.trap_exits(true);
            context.cast_every(Duration::from_millis(1), || None);
        }
        Ok(Haunted { ticks: 0 })
    }
    fn handle(
        &mut self,
        context: &mut Context<Self::Message>,
        message: Self::Message,
    ) -> Result<(), Failure> {
        match message {
            Some(other) => {
                context.link(&other);
                other.stop();
                // Its ticks and the end of the other one wait meanwhile.
                pause(Duration::from_millis(20));
                Err(Failure::new("as it was told"))
            }
            None => {
                self.ticks += 1;
                if STARTS.load(SeqCst) > 1 {
                    TICKS.fetch_add(1, SeqCst);
                }
                Ok(())
            }
        }
    }
    fn exited(
        &mut self,
        _: &mut Context<Self::Message>,
        _: Option<callboard::Address>,
        _: Exit,
    ) -> Result<(), Failure> {
        EXITS.fetch_add(1, SeqCst);
        Ok(())
    }
}

/// > What a former life had asked to be told of is not told to the next.
#[test]
fn what_a_former_life_asked_for_is_not_told_to_the_next() {
    let (node, _log) = job();
    let child = ChildSpec::actor("haunted", |node| node.actor::<Haunted>(()).name("/haunted"));
    let supervisor = node.supervise(&quiet().child(child).child(here("other"))).unwrap();
    let haunted: ActorRef<Option<ActorRef<Work>>> = node.open("/haunted").unwrap();
    haunted.cast(Some(find(&node, "other"))).unwrap();
    eventually("it lives again", || STARTS.load(SeqCst) == 2);
    pause(Duration::from_millis(20));
    haunted.cast(None).unwrap();
    eventually("it handles what comes", || TICKS.load(SeqCst) == 1);
    assert_eq!((EXITS.load(SeqCst), haunted.stats(PATIENCE).unwrap().restarts), (0, 1));
    supervisor.stop();
    supervisor.wait_timeout(PATIENCE).unwrap();
}

/// Fails when it is told, and takes its time to end.
struct Lingers;

impl Actor for Lingers {
    type Message = ();
    type Args = ();
    fn start(_: &mut Context<()>, (): ()) -> Result<Self, Failure> {
        Ok(Lingers)
    }
    fn handle(&mut self, _: &mut Context<()>, (): ()) -> Result<(), Failure> {
        Err(Failure::new("as it was told"))
    }
    fn stopped(&mut self, _: &mut Context<()>, _: &Exit) {
        pause(Duration::from_millis(2));
    }
}

/// > Two children of a group that fail together are started again once, whatever each was asked meanwhile.
#[test]
fn two_children_that_fail_together_are_started_again_once() {
    let check = LeakCheck::new();
    {
        let (node, _log) = job();
        let child = |name: &'static str| {
            ChildSpec::actor(name, move |node: &Node| node.actor::<Lingers>(()).name(format!("/{name}")))
        };
        let spec = quiet().strategy(Strategy::OneForAll).child(child("a")).child(child("b"));
        let supervisor = node.supervise(&spec).unwrap();
        let [a, b]: [ActorRef<()>; 2] = ["/a", "/b"].map(|name| node.open(name).unwrap());
        let mut random = Random::new();
        for round in 1..=rounds(60) {
            a.cast(()).unwrap();
            pause(random.time(Duration::from_millis(3)));
            b.cast(()).unwrap();
            let restarts = |actor: &ActorRef<()>| u64::from(actor.stats(PATIENCE).unwrap().restarts);
            eventually("both have failed", || {
                [&a, &b].iter().all(|actor| actor.stats(PATIENCE).unwrap().handled >= round)
            });
            eventually("both run again", || {
                supervisor.children().iter().all(|child| child.state == callboard::ChildState::Running)
            });
            // Each fails once a round and is taken down once by the other at most.
            assert!(restarts(&a) <= 2 * round && restarts(&b) <= 2 * round, "{round}");
        }
        supervisor.stop();
        assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
    }
    check.check();
}

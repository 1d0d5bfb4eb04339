//! Exactly one `Down` for each monitor, in whatever order it is set up, taken back, and the actor ends.

use callboard::testing::Probe;
use callboard::{ActorRef, ChildSpec, Down, Failure, Node, Restart, SupervisorSpec};
use callboard_tests::{PATIENCE, eventually, send_signal};
use proptest::prelude::*;

use crate::scribe::{Do, Scribe, Tell, elsewhere, seen, tell};

/// What happens to an actor, on its node or on another, and to those who watch it.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// An actor watches it.
    Watch,
    /// That takes all its watches back.
    TakeBack,
    /// A thread watches it.
    Look,
    /// A thread does, and gives up.
    GiveUp,
    Cast,
    End(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Watch),
        1 => Just(Step::TakeBack),
        2 => Just(Step::Look),
        1 => Just(Step::GiveUp),
        2 => Just(Step::Cast),
        1 => (0..5_u8).prop_map(Step::End),
    ]
}

/// Where it lives.
#[derive(Clone, Copy, Debug)]
enum Place {
    Here,
    There,
    /// In its own process, whose supervisor is here.
    Apart(Restart),
    /// In its own process, whose supervisor is in another.
    ApartThere(Restart),
}

fn place() -> impl Strategy<Value = Place> {
    let restart = prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)];
    prop_oneof![
        Just(Place::Here),
        Just(Place::There),
        restart.clone().prop_map(Place::Apart),
        restart.prop_map(Place::ApartThere),
    ]
}

fn kept(restart: Restart) -> SupervisorSpec {
    let child = ChildSpec::actor("apart", |node| node.actor::<Scribe>(()).name("/apart").own_process());
    SupervisorSpec::new().quiet().child(child.restart(restart))
}

fn keeps(node: &Node, restart: u8) -> Result<(), Failure> {
    let restarts = [Restart::Permanent, Restart::Transient, Restart::Temporary];
    Ok(node.supervise(&kept(restarts[usize::from(restart)]))?.run()?)
}

/// `pid`: of its process, if that is its own.
fn end(actor: &ActorRef<Tell>, how: u8, pid: Option<u32>) {
    match how {
        4 => match pid {
            Some(pid) => send_signal(pid, 9),
            None => actor.kill(),
        },
        0 => actor.stop(),
        1 => actor.kill(),
        2 => drop(actor.cast(Tell::Do(Do::Panic))),
        _ => actor.drain(),
    }
}

/// How many ends the watching actor has been told of.
fn told(watcher: &ActorRef<Tell>) -> usize {
    seen(watcher).iter().filter(|line| line.starts_with("down")).count()
}

/// Carries out the steps; the actor has ended after the last.
fn run(node: &Node, actor: &ActorRef<Tell>, pid: Option<u32>, steps: &[Step]) {
    let watcher = node.actor::<Scribe>(()).start().unwrap();
    let probe = Probe::<u64>::start(node);
    let mut expected = 0;
    let mut looks = Vec::new();
    let mut has_ended = false;
    for step in steps {
        match *step {
            Step::Watch => {
                tell(&watcher, Do::Monitor(actor.clone()));
                expected += 1;
            }
            Step::TakeBack => {
                // What had been told before is told; of the rest nothing is.
                tell(&watcher, Do::Demonitor);
                eventually("they are taken back", || {
                    seen(&watcher).last().is_some_and(|l| l.starts_with("ended"))
                });
                expected = told(&watcher);
            }
            Step::Look => looks.push(actor.monitor()),
            Step::GiveUp => drop(actor.monitor()),
            Step::Cast => drop(actor.cast(Tell::Do(Do::Note(1)))),
            Step::End(how) => {
                end(actor, how, pid);
                has_ended = true;
            }
        }
    }
    if !has_ended {
        actor.stop();
    }
    for look in looks {
        let first: Down = look.wait_timeout(PATIENCE).unwrap();
        assert_eq!(look.wait_timeout(PATIENCE), Some(first));
    }
    eventually("each watch is told of", || told(&watcher) >= expected);
    // One that comes after all that was under way shows that nothing more does.
    probe.monitor(actor);
    probe.expect_down(actor);
    assert_eq!(told(&watcher), expected, "once each");
    watcher.stop();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: callboard_tests::rounds(60) as u32, failure_persistence: None, ..ProptestConfig::default() })]

    /// > Each monitor is told of an actor's end exactly once, in whatever order it is set up, taken back, and the actor ends.
    #[test]
    fn each_monitor_is_told_exactly_once(steps in proptest::collection::vec(step(), 1..12), place in place()) {
        let node = Node::start().unwrap();
        let find = || node.open_timeout::<ActorRef<Tell>>("/apart", PATIENCE).unwrap();
        let pid = |actor: &ActorRef<Tell>| Some(actor.call_timeout(Tell::Pid, PATIENCE).unwrap());
        match place {
            Place::Here => run(&node, &node.actor::<Scribe>(()).start().unwrap(), None, &steps),
            Place::There => {
                let (_child, maker) = elsewhere(&node, "/maker");
                let actor = maker.call_timeout(Tell::Make, PATIENCE).unwrap();
                run(&node, &actor, None, &steps);
            }
            Place::Apart(restart) => {
                let supervisor = node.supervise(&kept(restart)).unwrap();
                let actor = find();
                run(&node, &actor, pid(&actor), &steps);
                supervisor.stop();
                assert!(supervisor.wait_timeout(PATIENCE).is_some());
            }
            Place::ApartThere(restart) => {
                let _child = node.process("keeps").stderr_null().spawn(keeps, restart as u8).unwrap();
                let actor = find();
                run(&node, &actor, pid(&actor), &steps);
            }
        }
    }
}

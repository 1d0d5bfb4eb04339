//! Exactly one `Down` for each monitor, in whatever order it is set up, taken back, and the actor ends.

use callboard::testing::Probe;
use callboard::{ActorRef, Down, Node};
use callboard_tests::{PATIENCE, eventually};
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
        1 => (0..4_u8).prop_map(Step::End),
    ]
}

fn end(actor: &ActorRef<Tell>, how: u8) {
    match how {
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
fn run(node: &Node, actor: &ActorRef<Tell>, steps: &[Step]) {
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
                end(actor, how);
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
    fn each_monitor_is_told_exactly_once(steps in proptest::collection::vec(step(), 1..12), is_there: bool) {
        let node = Node::start().unwrap();
        let maker = is_there.then(|| elsewhere(&node, "/maker"));
        let actor = match &maker {
            Some((_, maker)) => maker.call_timeout(Tell::Make, PATIENCE).unwrap(),
            None => node.actor::<Scribe>(()).start().unwrap(),
        };
        run(&node, &actor, &steps);
    }
}

//! Monitors and links: who is told of an end, how, and how often.

use std::time::Duration;

use callboard::{ActorRef, ChildSpec, Exit, Failure, Node, SupervisorSpec, WaitAny};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal};

use crate::scribe::{Do, Scribe, Tell, elsewhere, seen, tell};

fn here(node: &Node) -> ActorRef<Tell> {
    node.actor::<Scribe>(()).start().unwrap()
}

/// > A monitor tells how an actor ended, in whatever process, to actors and to threads.
#[test]
fn a_monitor_tells_how_an_actor_ended() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let (_watching, watcher_there) = elsewhere(&node, "/watcher");
        let watcher_here = here(&node);
        type End = (fn(&ActorRef<Tell>), Exit);
        let ends: [End; 6] = [
            (|actor| tell(actor, Do::Stop), Exit::Normal),
            (ActorRef::stop, Exit::Normal),
            (ActorRef::kill, Exit::Killed),
            (|actor| tell(actor, Do::Fail), Exit::Failed(Failure::new("as it was told"))),
            (|actor| tell(actor, Do::Panic), Exit::Panicked("as it was told".to_owned())),
            (|actor| actor.exit(Failure::new("as asked")), Exit::Failed(Failure::new("as asked"))),
        ];
        let mut expected = Vec::new();
        for (end, exit) in ends {
            for is_there in [false, true] {
                let (child, actor) = match is_there {
                    true => {
                        let (child, actor) = elsewhere(&node, "/named");
                        (Some(child), actor)
                    }
                    false => (None, node.actor::<Scribe>(()).name("/named").start().unwrap()),
                };
                let monitor = actor.monitor();
                let mut any = WaitAny::new(&node);
                let member = any.add(&monitor);
                for watcher in [&watcher_here, &watcher_there] {
                    tell(watcher, Do::Monitor(actor.clone()));
                    assert_eq!(seen(watcher).len(), expected.len(), "nothing yet");
                }
                end(&actor);
                let down = monitor.wait_timeout(PATIENCE).unwrap();
                assert_eq!((down.address, &down.exit, down.restarts), (actor.address(), &exit, false));
                assert_eq!(any.wait_timeout(PATIENCE), Some(member));
                assert!(node.open::<ActorRef<Tell>>("/named").is_err(), "its name is free");
                expected.push(format!("down {exit}"));
                eventually("the watcher is told", || seen(&watcher_here) == expected);
                eventually("so is the other", || seen(&watcher_there).len() == expected.len());
                // What it asks a third process and what this one tells that have no order.
                let not_there = format!("down {}", Exit::NotThere);
                let told = seen(&watcher_there);
                assert!(told.last() == expected.last() || (is_there && told.last() == Some(&not_there)));
                // One that has ended already.
                let late = actor.monitor().wait_timeout(PATIENCE).unwrap();
                assert_eq!(late.exit, Exit::NotThere);
                if let Some(child) = child {
                    child.terminate(PATIENCE);
                    child.join().unwrap();
                    let later = actor.monitor().wait_timeout(PATIENCE).unwrap();
                    assert!(matches!(later.exit, Exit::Disconnected | Exit::NotThere));
                }
            }
        }
    }
    check.check();
}

/// > A killed process is told of by each monitor of its actors, once, when its names are free.
#[test]
fn a_killed_process_is_told_of_by_each_monitor_once() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let mut random = Random::new();
        let (_watching, there) = elsewhere(&node, "/watcher");
        for _ in 0..rounds(20) {
            let (child, actor) = elsewhere(&node, "/named");
            let (watcher, trapper, linked) = (here(&node), here(&node), here(&node));
            tell(&trapper, Do::Trap);
            let before = seen(&there).len();
            for _ in 0..3 {
                tell(&watcher, Do::Monitor(actor.clone()));
                tell(&there, Do::Monitor(actor.clone()));
            }
            tell(&trapper, Do::Link(actor.clone()));
            tell(&linked, Do::Link(actor.clone()));
            let is_linked = linked.monitor();
            assert_eq!(seen(&trapper).len() + seen(&linked).len() + seen(&watcher).len(), 0);
            tell(&actor, Do::Cast(watcher.clone(), 0, 50));
            pause(random.time(Duration::from_millis(2)));
            if random.below(2) == 0 {
                send_signal(child.pid(), 19);
            }
            send_signal(child.pid(), 9);
            let exit = is_linked.wait_timeout(PATIENCE).unwrap().exit;
            let disconnected = Box::new(Exit::Disconnected);
            assert_eq!(exit, Exit::Linked { from: actor.address(), why: disconnected });
            eventually("it is told", || {
                seen(&watcher).iter().filter(|line| line.starts_with("down")).count() >= 3
            });
            eventually("it is told there", || seen(&there).len() - before >= 3);
            eventually("the link is told", || !seen(&trapper).is_empty());
            let lines = seen(&watcher);
            let down = format!("down {}", Exit::Disconnected);
            let notes = lines.len() - 3;
            assert!(lines[..notes].iter().eq((0..notes).map(|n| n.to_string()).collect::<Vec<_>>().iter()));
            assert_eq!(lines[notes..], vec![down.clone(); 3], "{lines:?}");
            assert_eq!(seen(&there)[before..], vec![down; 3]);
            assert_eq!(seen(&trapper), [format!("exited {}", Exit::Disconnected)]);
            assert!(child.join().is_err());
            [watcher, trapper].iter().for_each(ActorRef::stop);
        }
    }
    check.check();
}

/// > A watch that is taken back tells nothing; one that goes with its watcher leaves nothing.
#[test]
fn a_watch_that_is_taken_back_tells_nothing() {
    let node = Node::start().unwrap();
    let (_child, there) = elsewhere(&node, "/there");
    for round in 0..rounds(30) {
        let local = here(&node);
        for actor in [&local, &there] {
            let watcher = here(&node);
            tell(&watcher, Do::Monitor(actor.clone()));
            tell(&watcher, Do::Monitor(actor.clone()));
            tell(&watcher, Do::Demonitor);
            assert_eq!(seen(&watcher), ["ended 2 monitors"]);
            drop(actor.monitor());
            if round % 2 == 0 {
                tell(&watcher, Do::Monitor(actor.clone()));
                assert_eq!(seen(&watcher).len(), 1);
            }
            if actor == &local {
                let monitor = actor.monitor();
                actor.stop();
                monitor.wait_timeout(PATIENCE).unwrap();
                let wanted = 1 + usize::from(round % 2 == 0);
                eventually("it is told", || seen(&watcher).len() == wanted);
            }
            watcher.stop();
        }
    }
}

/// > Linked actors end together when one fails, in a row across processes too; not when one ends in order, and not when the link
/// > was taken back.
#[test]
fn linked_actors_end_together_when_one_fails() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        for (end, is_failure) in [(Do::Fail, true), (Do::Panic, true), (Do::Stop, false)] {
            let (first, third) = (here(&node), here(&node));
            let (child, second) = elsewhere(&node, "/second");
            let (apart, trapper) = (here(&node), here(&node));
            tell(&first, Do::Link(second.clone()));
            tell(&second, Do::Link(third.clone()));
            tell(&second, Do::Link(apart.clone()));
            tell(&trapper, Do::Trap);
            tell(&trapper, Do::Link(first.clone()));
            assert!(seen(&second).is_empty() && seen(&first).is_empty() && seen(&trapper).is_empty());
            tell(&second, Do::Unlink(apart.clone()));
            assert!(seen(&second).is_empty() && seen(&apart).is_empty());
            let monitors = [first.monitor(), second.monitor(), third.monitor()];
            tell(&first, end);
            eventually("who traps exits is told", || seen(&trapper).len() == 1);
            let down = monitors[0].wait_timeout(PATIENCE).unwrap();
            assert_eq!(seen(&trapper), [format!("exited {}", down.exit)]);
            if is_failure {
                let linked = Exit::Linked { from: first.address(), why: Box::new(down.exit) };
                for monitor in &monitors[1..] {
                    assert_eq!(monitor.wait_timeout(PATIENCE).unwrap().exit, linked);
                }
            } else {
                assert!(seen(&second).is_empty() && seen(&third).is_empty());
            }
            assert!(seen(&apart).is_empty());
            // With one that has ended.
            let late = here(&node);
            let ended = late.monitor();
            tell(&late, Do::Link(first.clone()));
            let exit = ended.wait_timeout(PATIENCE).unwrap().exit;
            assert_eq!(exit, Exit::Linked { from: first.address(), why: Box::new(Exit::NotThere) });
            child.terminate(PATIENCE);
            child.join().unwrap();
        }
    }
    check.check();
}

/// > Others in the process of a supervised actor have ends of their own, and are not started again with it.
#[test]
fn others_in_the_process_of_a_supervised_actor_have_ends_of_their_own() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let child = ChildSpec::actor("apart", |node| node.actor::<Scribe>(()).name("/apart").own_process());
        let supervisor = node.supervise(&SupervisorSpec::new().quiet().child(child)).unwrap();
        let (_watching, there) = elsewhere(&node, "/watcher");
        let apart: ActorRef<Tell> = node.open("/apart").unwrap();
        let [first, second] = [(); 2].map(|()| apart.call_timeout(Tell::Make, PATIENCE).unwrap());
        let monitors = [&first, &second, &apart].map(ActorRef::monitor);
        [&first, &second].iter().for_each(|other| tell(&there, Do::Monitor((*other).clone())));
        assert!(seen(&there).is_empty());
        // The watches of the other process have come there before what it sends behind them.
        tell(&there, Do::Cast(apart.clone(), 7, 1));
        eventually("it has come", || seen(&apart) == ["7"]);
        first.stop();
        let down = monitors[0].wait_timeout(PATIENCE).unwrap();
        assert_eq!((down.exit, down.restarts), (Exit::Normal, false));
        eventually("so is the other", || seen(&there) == [format!("down {}", Exit::Normal)]);
        assert!(monitors[2].down().is_none());
        send_signal(apart.call_timeout(Tell::Pid, PATIENCE).unwrap(), 9);
        let [other, it] = [&monitors[1], &monitors[2]].map(|monitor| monitor.wait_timeout(PATIENCE).unwrap());
        assert_eq!((other.exit, other.restarts), (Exit::Disconnected, false));
        assert_eq!((it.exit, it.restarts, it.in_place), (Exit::Signalled(9), true, false));
        eventually("so is the other", || seen(&there).len() == 2);
        assert_eq!(seen(&there)[1], format!("down {}", Exit::Disconnected));
        supervisor.stop();
        supervisor.wait_timeout(PATIENCE).unwrap();
    }
    check.check();
}

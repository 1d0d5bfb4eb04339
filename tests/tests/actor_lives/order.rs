//! What one actor sends another arrives in order, its end included.

use callboard::{ActorRef, Node};
use callboard_tests::{PATIENCE, eventually, rounds};

use crate::scribe::{Do, Scribe, Tell, seen, tell};

/// Messages, a request to exit, messages, and then the sender's own end; what the other one saw.
fn round(sender: &ActorRef<Tell>, receiver: &ActorRef<Tell>) -> Vec<String> {
    tell(receiver, Do::Trap);
    tell(receiver, Do::Monitor(sender.clone()));
    assert!(seen(receiver).is_empty());
    tell(sender, Do::Cast(receiver.clone(), 0, 3));
    tell(sender, Do::Exit(receiver.clone()));
    tell(sender, Do::Cast(receiver.clone(), 3, 3));
    tell(sender, Do::Stop);
    eventually("its end is told", || seen(receiver).last().is_some_and(|last| last.starts_with("down")));
    let lines = seen(receiver);
    receiver.stop();
    lines
}

fn keeps_busy(node: &Node, (): ()) {
    while !node.stopping() {
        std::hint::spin_loop();
    }
}

/// > Messages, requests to exit and the sender's end arrive in the order sent, in one process and between two either way, under load.
#[test]
fn messages_requests_to_exit_and_the_end_arrive_in_order() {
    let expected = ["0", "1", "2", "exited by nobody: it failed: as asked", "3", "4", "5", "down it stopped"];
    let node = Node::start().unwrap();
    let load = node.spawn("load", keeps_busy, ()).unwrap();
    let here = |node: &Node| node.actor::<Scribe>(()).start().unwrap();
    for _ in 0..rounds(1000) {
        assert_eq!(round(&here(&node), &here(&node)), expected);
    }
    // Each of those there ends, and is made anew by another there.
    fn makes(node: &Node, kind: String) {
        let mut number = 0;
        while !node.stopping() {
            let scribe = node.actor::<Scribe>(()).name(format!("/{kind}/{number}")).start().unwrap();
            scribe.monitor().wait_timeout(PATIENCE);
            number += 1;
        }
    }
    let there = |kind: &str, number| node.open_timeout(&format!("/{kind}/{number}"), PATIENCE).unwrap();
    let maker = node.spawn("makes", makes, "sender".to_owned()).unwrap();
    for number in 0..rounds(1000) {
        assert_eq!(round(&there("sender", number), &here(&node)), expected, "{number}, from there");
    }
    maker.kill().unwrap();
    let maker = node.spawn("makes", makes, "receiver".to_owned()).unwrap();
    for number in 0..rounds(1000) {
        assert_eq!(round(&here(&node), &there("receiver", number)), expected, "{number}, from here");
    }
    maker.kill().unwrap();
    load.kill().unwrap();
}

/// > When an actor's end is told its name is free, in one process and between several.
#[test]
fn when_an_end_is_told_the_name_is_free() {
    let node = Node::start().unwrap();
    for _ in 0..rounds(7600) {
        let actor = node.actor::<Scribe>(()).name("/again").start().unwrap();
        let monitor = actor.monitor();
        actor.stop();
        assert!(monitor.wait_timeout(PATIENCE).is_some());
    }
    // The name is taken in two processes by turns, each as soon as it hears of the other's end.
    fn by_turns(node: &Node, (count, is_first): (u64, bool)) -> u64 {
        let mut taken = 0;
        if is_first {
            let actor = node.actor::<Scribe>(()).name("/turn/0").start().unwrap();
            let monitor = actor.monitor();
            monitor.wait_timeout(PATIENCE).unwrap();
        }
        for turn in (1..count).filter(|turn| (turn % 2 == 0) == is_first) {
            let before: ActorRef<Tell> = match node.open_timeout(&format!("/turn/{}", turn - 1), PATIENCE) {
                Ok(before) => before,
                Err(error) => panic!("turn {turn}: {error}"),
            };
            let monitor = before.monitor();
            before.stop();
            monitor.wait_timeout(PATIENCE).unwrap();
            // Taken at once, or it is an error.
            let again = node.actor::<Scribe>(()).name(format!("/turn/{}", turn - 1)).start().unwrap();
            let ended = again.monitor();
            again.stop();
            ended.wait_timeout(PATIENCE).unwrap();
            let mine = node.actor::<Scribe>(()).name(format!("/turn/{turn}")).start().unwrap();
            if turn + 1 < count {
                mine.monitor().wait_timeout(PATIENCE).unwrap();
            }
            taken += 1;
        }
        taken
    }
    let count = rounds(2500);
    let first = node.spawn("first", by_turns, (count, true)).unwrap();
    let second = node.spawn("second", by_turns, (count, false)).unwrap();
    assert_eq!(first.join().unwrap() + second.join().unwrap(), count - 1);
}

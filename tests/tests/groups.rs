//! Groups of actors: who is in them, who is told, and who gets a message.

use std::collections::HashSet;
use std::time::Duration;

use callboard::{
    Actor, ActorRef, Context, Failure, Group, GroupCastError, GroupChange, GroupError, GroupOptions,
    NameError, Node, Process, ReplyTo,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal};
use serde::{Deserialize, Serialize};

callboard::test_door!();

struct Member(Vec<u64>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Say {
    Note(u64),
    Notes(Option<Notes>),
    Panic,
}

/// The right to reply, which is compared with nobody.
#[derive(Debug, Serialize, Deserialize)]
struct Notes(ReplyTo<Vec<u64>>);

impl PartialEq for Notes {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Actor for Member {
    type Message = Say;
    type Args = ();
    fn start(_: &mut Context<Say>, (): ()) -> Result<Self, Failure> {
        Ok(Member(Vec::new()))
    }
    fn handle(&mut self, _: &mut Context<Say>, message: Say) -> Result<(), Failure> {
        match message {
            Say::Note(number) => self.0.push(number),
            Say::Notes(Some(Notes(reply))) => reply.send(self.0.clone())?,
            Say::Notes(None) => {}
            Say::Panic => panic!("as it was told"),
        }
        Ok(())
    }
}

fn notes(member: &ActorRef<Say>) -> Vec<u64> {
    member.call_timeout(|reply| Say::Notes(Some(Notes(reply))), PATIENCE).unwrap()
}

fn member(node: &Node) -> ActorRef<Say> {
    node.actor::<Member>(()).start().unwrap()
}

/// Members of the group in a process of their own.
fn joins(node: &Node, (group, count): (Group<Say>, u64)) {
    for _ in 0..count {
        group.join(&member(node)).unwrap();
    }
    node.wait_stopping(PATIENCE * 10);
}

fn elsewhere(node: &Node, group: &Group<Say>, count: u64) -> Process<()> {
    node.process("joins").stderr_null().spawn(joins, (group.clone(), count)).unwrap()
}

/// > Whoever joins a group is found by all who know its name, and leaves it when it ends, also by SIGKILL.
#[test]
fn whoever_joins_a_group_is_found_by_all_until_it_ends() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let group: Group<Say> = node.create("/members", GroupOptions::new()).unwrap();
        assert!(matches!(node.open::<Group<u64>>("/members"), Err(NameError::WrongType { .. })));
        let other: Group<Say> = node.open("/members").unwrap();
        let mut watch = other.watch().unwrap();
        assert_eq!((group.members().unwrap(), other.by_turn()), (vec![], Ok(None)));
        assert!(matches!(group.cast(Say::Note(1)), Err(GroupCastError::Nobody(Say::Note(1)))));
        let here = member(&node);
        group.join(&here).unwrap();
        group.join(&here).unwrap();
        assert_eq!(group.members().unwrap(), std::slice::from_ref(&here));
        let next = |watch: &mut callboard::GroupWatch<Say>| watch.next_timeout(PATIENCE);
        assert_eq!(next(&mut watch), Some(GroupChange::Joined(here.clone())));
        let mut random = Random::new();
        for _ in 0..rounds(10) {
            let child = elsewhere(&node, &group, 3);
            let joined: Vec<_> = (0..3).map(|_| next(&mut watch)).collect();
            assert!(joined.iter().all(|change| matches!(change, Some(GroupChange::Joined(_)))));
            eventually("this one knows too", || group.members().unwrap().len() == 4);
            pause(random.time(Duration::from_millis(2)));
            if random.below(2) == 0 {
                send_signal(child.pid(), 19);
            }
            send_signal(child.pid(), 9);
            let left: Vec<_> = (0..3).map(|_| next(&mut watch)).collect();
            assert!(left.iter().all(|change| matches!(change, Some(GroupChange::Left(_)))));
            eventually("this one knows too", || group.members().unwrap() == std::slice::from_ref(&here));
            assert!(child.join().is_err());
        }
        group.leave(&here).unwrap();
        assert_eq!(next(&mut watch), Some(GroupChange::Left(here.clone())));
        group.join(&here).unwrap();
        here.cast(Say::Panic).unwrap();
        assert_eq!(next(&mut watch), Some(GroupChange::Joined(here.clone())));
        assert_eq!(next(&mut watch), Some(GroupChange::Left(here)));
        assert_eq!(watch.next_timeout(Duration::ZERO), None);
    }
    check.check();
}

/// > A message goes to the members by turn, to all, or to the one in charge of its key; keys change hands only with members.
#[test]
fn a_message_goes_by_turn_to_all_or_by_key() {
    let node = Node::start().unwrap();
    let group: Group<Say> = node.create("/members", GroupOptions::new()).unwrap();
    let (_one, _two) = (elsewhere(&node, &group, 2), elsewhere(&node, &group, 2));
    (0..2).for_each(|_| group.join(&member(&node)).unwrap());
    eventually("all are there", || group.members().unwrap().len() == 6);
    (0..600).for_each(|n| group.cast(Say::Note(n)).unwrap());
    let members = group.members().unwrap();
    assert!(members.iter().all(|member| notes(member).len() == 100));
    assert_eq!(group.cast_to_all(|| Say::Note(1000)).unwrap(), 6);
    assert!(members.iter().all(|member| notes(member).last() == Some(&1000)));
    // By key: alike for every handle, in every process.
    fn in_charge(_: &Node, group: Group<Say>) -> Vec<ActorRef<Say>> {
        while group.members().unwrap().len() < 6 {
            std::thread::yield_now();
        }
        (0..300_u64).map(|key| group.by_key(&key).unwrap().unwrap()).collect()
    }
    let theirs = node.spawn("in charge", in_charge, group.clone()).unwrap().join().unwrap();
    let ours = |group: &Group<Say>| -> Vec<_> {
        (0..300_u64).map(|key| group.by_key(&key).unwrap().unwrap()).collect()
    };
    let before = ours(&group);
    assert_eq!(before, theirs);
    let shares: Vec<usize> =
        members.iter().map(|m| before.iter().filter(|other| *other == m).count()).collect();
    assert!(shares.iter().all(|share| (20..100).contains(share)), "{shares:?}");
    let leaver = members[0].clone();
    group.leave(&leaver).unwrap();
    let after = ours(&group);
    assert!(before.iter().zip(&after).all(|(before, after)| before == after || *before == leaver));
    assert!(!after.contains(&leaver));
    group.cast_by_key(&7_u64, Say::Note(77)).unwrap();
    assert_eq!(notes(&after[7]).last(), Some(&77));
}

/// > When a group's node ends, all who know it are told; nothing waits for ever.
#[test]
fn when_a_groups_node_ends_all_are_told() {
    fn keeps(node: &Node, (): ()) {
        let _group: Group<Say> = node.create("/members", GroupOptions::new()).unwrap();
        node.wait_stopping(PATIENCE * 10);
    }
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        for round in 0..rounds(10) {
            let child = node.process("keeps").stderr_null().spawn(keeps, ()).unwrap();
            let group: Group<Say> = node.open_timeout("/members", PATIENCE).unwrap();
            let here = member(&node);
            if round % 2 == 0 {
                group.join(&here).unwrap();
            }
            let fresh: Group<Say> = node.open("/members").unwrap();
            send_signal(child.pid(), 9);
            assert!(child.join().is_err());
            eventually("it is told", || group.members() == Err(GroupError::Disconnected));
            assert_eq!(group.join(&here), Err(GroupError::Disconnected));
            assert_eq!(fresh.members(), Err(GroupError::Disconnected));
        }
    }
    check.check();
}

/// > A burst of joins and ends from several processes leaves every handle with the same members.
#[test]
fn a_burst_of_joins_and_ends_leaves_all_handles_alike() {
    fn comes_and_goes(node: &Node, (group, count): (Group<Say>, u64)) -> u64 {
        let members: Vec<_> = (0..count).map(|_| member(node)).collect();
        members.iter().for_each(|member| group.join(member).unwrap());
        members.iter().skip(1).for_each(ActorRef::stop);
        // The first one is there until all are told to end.
        node.wait_stopping(PATIENCE * 10);
        count
    }
    let node = Node::start().unwrap();
    let group: Group<Say> = node.create("/members", GroupOptions::new()).unwrap();
    let handles: Vec<Group<Say>> = (0..3).map(|_| node.open("/members").unwrap()).collect();
    let children: Vec<_> =
        (0..3).map(|_| node.spawn("comes", comes_and_goes, (group.clone(), 200)).unwrap()).collect();
    let all: HashSet<_> = children.iter().map(callboard::Process::node_id).collect();
    for handle in handles.iter().chain([&group]) {
        eventually("the three are left", || {
            let members = handle.members().unwrap();
            members.len() == 3 && members.iter().map(|m| m.address().node).collect::<HashSet<_>>() == all
        });
    }
    children.iter().for_each(|child| child.terminate(PATIENCE));
    assert!(children.iter().all(|child| child.join().unwrap() == 200));
    eventually("nobody is left", || group.members().unwrap().is_empty());
}

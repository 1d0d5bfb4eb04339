//! Groups in seeded schedules: members that join, leave, end and are started again, and handles that come and go, on nodes that are slow, stop
//! and die.
//!
//! This world plays the actor in which the owner is at work: a watch is a message to the node of whoever is watched, and its end one back, or
//! comes when the root is through with that node. What is left out is a handle that waits, and an owner's mailbox without room.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use callboard_core::{Address, NodeId};

use self::world::{Down, Mirror, Node, Others, Up};
use super::owner::Owner;
use crate::fault::Fault;
use crate::simulation::{self, Next, Roads, Schedule, to_owner};

const NODES: usize = 4;

struct Play {
    owner: Owner<Address, Address, u64>,
    others: Others,
    roads: Roads,
    last_node: u64,
    last_call: u64,
    /// Who has been started anywhere, to be a member.
    known: Vec<Address>,
    /// Who should be a member, in order.
    expected: Vec<Address>,
    /// The same at each version.
    at: BTreeMap<u64, Vec<Address>>,
}

impl Play {
    fn new(schedule: &Schedule) -> Self {
        let mut play = Self {
            owner: Owner::default(),
            others: Others::new(schedule.now()),
            roads: Roads::new(NODES),
            last_node: 0,
            last_call: 0,
            known: Vec::new(),
            expected: Vec::new(),
            at: BTreeMap::from([(0, Vec::new())]),
        };
        for _ in 0..NODES {
            let node = play.new_node();
            play.others.nodes.push(node);
        }
        play
    }

    fn new_node(&mut self) -> Node {
        self.last_node += 1;
        Node::new(NodeId::new(self.last_node).expect("it is not zero"))
    }

    // ---- the nodes -------------------------------------------------------------------------------

    fn act(&mut self, at: usize, schedule: &mut Schedule) {
        if !self.others.nodes[at].is_alive {
            return;
        }
        if schedule.one_in(25) {
            return self.kill(at, schedule);
        }
        if self.roads.is_still(at, schedule.now()) {
            return;
        }
        let node = &mut self.others.nodes[at];
        match schedule.below(16) {
            0 | 1 => self.known.push(node.starts(None)),
            2 => node.one(false, schedule).into_iter().for_each(|actor| node.ends(actor)),
            3 => {
                // Its supervisor starts it again.
                let again = node.one(false, schedule);
                let again = again.and_then(|actor| node.actors.get_mut(&actor));
                let watches = again.map(|actor| std::mem::take(&mut actor.watches)).unwrap_or_default();
                node.up.extend(watches.into_iter().map(|watch| Up::Ended(watch, true)));
            }
            4 => {
                let mirror = node.starts(Some(Mirror::default()));
                node.up.push_back(Up::Follow(mirror));
            }
            5 => node.one(true, schedule).into_iter().for_each(|mirror| node.ends(mirror)),
            dice => {
                // Its own, or somebody else's, that may have ended.
                let own = node.one(false, schedule).filter(|_| dice < 10);
                let any = (!self.known.is_empty()).then(|| schedule.pick(&self.known));
                let Some(actor) = own.or(any) else { return };
                self.last_call += 1;
                let joins = dice != 15;
                node.calls.insert(self.last_call, (joins, actor));
                let make = if joins { Up::Join } else { Up::Leave };
                let ask = make(actor, self.last_call);
                schedule.note(|| format!("node {at} says {ask:?}"));
                node.up.push_back(ask);
            }
        }
    }

    fn kill(&mut self, at: usize, schedule: &mut Schedule) {
        let node = &mut self.others.nodes[at];
        let unsent = schedule.index(node.up.len().min(3) + 1);
        schedule.note(|| format!("node {at}, which is {}, dies with {unsent} messages unsent", node.id));
        node.is_alive = false;
        node.calls.clear();
        node.actors.clear();
        node.down.clear();
        node.up.truncate(node.up.len() - unsent);
        node.up.push_back(Up::Down);
        self.roads.is_cut(at);
    }

    fn hears(&mut self, at: usize) {
        let node = &mut self.others.nodes[at];
        match node.down.pop_front() {
            Some(Down::Answer(word, version)) => {
                let (joined, whom) = node.calls.remove(&word).expect("a call is answered once");
                assert_eq!(
                    self.at[&version].contains(&whom),
                    joined,
                    "what was asked is done by that version"
                );
            }
            Some(Down::Watch(watch, whom)) => match node.actors.get_mut(&whom) {
                Some(actor) => _ = actor.watches.insert(watch),
                None => node.up.push_back(Up::Ended(watch, false)),
            },
            Some(Down::Unwatch(watch)) => {
                node.actors.values_mut().for_each(|actor| _ = actor.watches.remove(&watch));
            }
            Some(Down::News(to, news)) => {
                let mirror = node.actors.get_mut(&to).and_then(|actor| actor.mirror.as_mut());
                if let Some(mirror) = mirror {
                    mirror.hears(news, &self.at);
                }
            }
            None => {}
        }
    }

    // ---- the owner -------------------------------------------------------------------------------

    fn arrives(&mut self, at: usize, schedule: &mut Schedule) {
        let node = &mut self.others.nodes[at];
        let id = node.id;
        let Some(up) = node.up.pop_front() else { return };
        schedule.note(|| format!("the owner hears from {id}: {up:?}"));
        self.others.now = schedule.now();
        let answer = match up {
            Up::Join(member, word) => {
                if !self.expected.contains(&member) {
                    self.expected.push(member);
                }
                Some((word, self.owner.join(member, &mut self.others)))
            }
            Up::Leave(member, word) => {
                self.expected.retain(|other| *other != member);
                Some((word, self.owner.leave(member, &mut self.others)))
            }
            Up::Follow(mirror) => {
                self.owner.follow(mirror, &mut self.others);
                None
            }
            Up::Ended(watch, in_place) => return self.is_over(watch, in_place),
            Up::Down => {
                let of_it = self.others.watches.iter().filter(|(_, whom)| whom.node == id);
                let of_it: Vec<u64> = of_it.map(|(watch, _)| *watch).collect();
                self.others.gone.extend(of_it);
                let next = self.new_node();
                self.others.nodes[at] = next;
                None
            }
        };
        self.check();
        let node = &mut self.others.nodes[at];
        if let Some((word, version)) = answer.filter(|_| node.is_alive) {
            node.down.push_back(Down::Answer(word, version));
        }
    }

    /// Of whom that watch is about an end is told, unless nobody wants to know any more.
    fn is_over(&mut self, watch: u64, in_place: bool) {
        let Some(whom) = self.others.watches.remove(&watch) else { return };
        if !in_place {
            self.expected.retain(|other| *other != whom);
        }
        self.owner.down(watch, in_place, &mut self.others);
        self.check();
    }

    fn check(&mut self) {
        assert!(self.owner.members().eq(self.expected.iter().copied()), "who is a member, in order");
        let version = self.owner.version();
        let known = self.at.entry(version).or_insert_with(|| self.expected.clone());
        assert_eq!(*known, self.expected, "a version is that of one list of members");
        let mut watches: Vec<u64> = self.owner.watches().collect();
        watches.sort_unstable();
        assert!(watches.iter().eq(self.others.watches.keys()), "what is watched, and what should be");
        if self.owner.mirrors().any(|(_, is_behind)| is_behind) {
            assert!(self.others.armed.is_some(), "a mirror that is left behind");
        }
    }

    // ---- the schedule ----------------------------------------------------------------------------

    fn next(&mut self, schedule: &mut Schedule) -> bool {
        let nodes = &self.others.nodes;
        let has_traffic = |road: usize| {
            let node = &nodes[road / 2];
            if road == to_owner(road / 2) { !node.up.is_empty() } else { !node.down.is_empty() }
        };
        match self.roads.next(schedule, has_traffic, self.others.armed) {
            Some(Next::Arrival(road)) if road == to_owner(road / 2) => self.arrives(road / 2, schedule),
            Some(Next::Arrival(road)) => self.hears(road / 2),
            Some(Next::Timer) => {
                schedule.note(|| "the owner tries again".to_owned());
                (self.others.armed, self.others.now) = (None, schedule.now());
                self.owner.again(&mut self.others);
                self.check();
            }
            None => return false,
        }
        true
    }

    /// The owner hears of the next one whose node has ended.
    fn goes(&mut self) -> bool {
        let gone = self.others.gone.pop_front();
        gone.into_iter().for_each(|watch| self.is_over(watch, false));
        gone.is_some()
    }

    /// All that is under way arrives; then all who look see the members, who live.
    fn quiet(&mut self, schedule: &mut Schedule) {
        while self.next(schedule) || self.goes() {}
        schedule.note(|| "nothing is under way".to_owned());
        let living = self.others.nodes.iter().filter(|node| node.is_alive);
        let actors: BTreeMap<_, _> = living.flat_map(|node| &node.actors).collect();
        assert!(self.expected.iter().all(|member| actors.contains_key(member)), "a member that has ended");
        let mirrors: BTreeSet<Address> = self.owner.mirrors().map(|(mirror, _)| *mirror).collect();
        for (address, mirror) in actors.iter().filter_map(|(at, actor)| Some((*at, actor.mirror.as_ref()?))) {
            assert!(mirrors.contains(address), "a mirror that the owner has forgotten");
            assert_eq!(mirror.roll.version, Some(self.owner.version()), "a mirror that is not told");
            assert_eq!(mirror.roll.members, self.expected, "who is a member, by a mirror");
        }
        assert!(self.others.nodes.iter().all(|node| node.calls.is_empty()), "a call is not answered");
    }
}

fn play(schedule: &mut Schedule) {
    let mut play = Play::new(schedule);
    for _ in 0..schedule.within(1..250) {
        match schedule.below(100) {
            0..40 => _ = play.next(schedule),
            40..44 => _ = play.goes(),
            44 => play.roads.stop_one(schedule),
            45 => play.quiet(schedule),
            _ => {
                let at = schedule.index(NODES);
                play.act(at, schedule);
            }
        }
    }
    play.quiet(schedule);
    for at in 0..NODES {
        if play.others.nodes[at].is_alive {
            play.kill(at, schedule);
        }
    }
    play.quiet(schedule);
    assert!(play.expected.is_empty() && play.owner.mirrors().next().is_none(), "the dead are kept");
    assert!(play.others.watches.is_empty(), "the dead are watched");
}

/// > Under any schedule of slow, stopped and dead nodes whoever knows a group knows at each of its versions the same members in the same
/// > order, and in the end those that live.
#[test]
fn group() {
    simulation::run("group", 2_000, play);
}

#[test]
fn a_planted_fault_of_groups_is_found() {
    simulation::finds(Fault::DeadMemberKept, play);
}

#[test]
fn a_planted_fault_of_a_groups_mirrors_is_found() {
    simulation::finds(Fault::MirrorLeftBehind, play);
}

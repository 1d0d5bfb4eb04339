//! What there is around a group's owner in a simulation: nodes with their actors, the roads to them, and watches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use callboard_core::{Address, NodeId, Slot};

use crate::group::owner::World;
use crate::group::roll::{Change, News, Roll};
use crate::simulation::Schedule;

/// How many messages may be under way to a mirror.
const ROOM: usize = 3;

#[derive(Debug)]
pub(super) enum Up {
    /// With the number of the call.
    Join(Address, u64),
    Leave(Address, u64),
    Follow(Address),
    /// Whom that watch is about has ended, or was started again in place.
    Ended(u64, bool),
    /// The connection's end.
    Down,
}

pub(super) enum Down {
    Answer(u64, u64),
    News(Address, News<Address>),
    Watch(u64, Address),
    Unwatch(u64),
}

/// Any actor of a node: one that may be a member, or a mirror.
#[derive(Default)]
pub(super) struct Actor {
    pub(super) watches: BTreeSet<u64>,
    pub(super) mirror: Option<Mirror>,
}

#[derive(Default)]
pub(super) struct Mirror {
    pub(super) roll: Roll<Address>,
    /// Who is there by the changes that a watch was told.
    pub(super) told: BTreeSet<Address>,
}

pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) is_alive: bool,
    pub(super) up: VecDeque<Up>,
    pub(super) down: VecDeque<Down>,
    pub(super) actors: BTreeMap<Address, Actor>,
    pub(super) slots: u32,
    /// What it waits for: whether that one has joined, or left.
    pub(super) calls: BTreeMap<u64, (bool, Address)>,
}

impl Node {
    pub(super) fn new(id: NodeId) -> Self {
        let (up, down) = (VecDeque::new(), VecDeque::new());
        let (actors, calls) = (BTreeMap::new(), BTreeMap::new());
        Self { id, is_alive: true, up, down, actors, slots: 0, calls }
    }

    pub(super) fn starts(&mut self, mirror: Option<Mirror>) -> Address {
        self.slots += 1;
        let address = Address { node: self.id, slot: Slot { index: self.slots, generation: 1 } };
        self.actors.insert(address, Actor { mirror, ..Actor::default() });
        address
    }

    /// One of those that are there.
    pub(super) fn one(&self, is_mirror: bool, schedule: &mut Schedule) -> Option<Address> {
        let all = self.actors.iter().filter(|(_, actor)| actor.mirror.is_some() == is_mirror);
        let all: Vec<Address> = all.map(|(address, _)| *address).collect();
        (!all.is_empty()).then(|| schedule.pick(&all))
    }

    pub(super) fn ends(&mut self, address: Address) {
        let ended = self.actors.remove(&address);
        let watches = ended.into_iter().flat_map(|actor| actor.watches);
        self.up.extend(watches.map(|watch| Up::Ended(watch, false)));
    }
}

/// All but the owner.
pub(super) struct Others {
    pub(super) nodes: Vec<Node>,
    /// Watches that are not over, as the owner's actor knows them.
    pub(super) watches: BTreeMap<u64, Address>,
    pub(super) last_watch: u64,
    /// Those whose node is known to have ended, which is still to be told.
    pub(super) gone: VecDeque<u64>,
    pub(super) armed: Option<Instant>,
    pub(super) now: Instant,
}

impl Others {
    pub(super) fn new(now: Instant) -> Self {
        let (nodes, watches, gone) = (Vec::new(), BTreeMap::new(), VecDeque::new());
        Self { nodes, watches, last_watch: 0, gone, armed: None, now }
    }

    fn watch(&mut self, whom: Address) -> u64 {
        self.last_watch += 1;
        let watch = self.last_watch;
        self.watches.insert(watch, whom);
        match self.nodes.iter_mut().find(|node| node.id == whom.node) {
            Some(node) if node.is_alive => node.down.push_back(Down::Watch(watch, whom)),
            // Of its end will be told.
            Some(_) => {}
            None => self.gone.push_back(watch),
        }
        watch
    }
}

impl World<Address, Address, u64> for Others {
    fn watch_member(&mut self, member: &Address) -> u64 {
        self.watch(*member)
    }

    fn watch_mirror(&mut self, mirror: &Address) -> u64 {
        self.watch(*mirror)
    }

    fn unwatch(&mut self, watch: u64) {
        let whom = self.watches.remove(&watch).expect("a watch that is not over");
        if let Some(node) = self.nodes.iter_mut().find(|node| node.id == whom.node && node.is_alive) {
            node.down.push_back(Down::Unwatch(watch));
        }
    }

    fn tell(&mut self, mirror: &Address, news: News<Address>) -> bool {
        let node = self.nodes.iter_mut().find(|node| node.id == mirror.node && node.is_alive);
        let Some(node) = node else { return true };
        let of_it = |down: &&Down| matches!(down, Down::News(to, _) if to == mirror);
        let has_room = node.down.iter().filter(of_it).count() < ROOM;
        if has_room {
            node.down.push_back(Down::News(*mirror, news));
        }
        has_room
    }

    fn again_in(&mut self, pause: Duration) {
        self.armed = Some(self.now + pause);
    }
}

impl Mirror {
    /// Takes news; `at` says who was a member at each version.
    pub(super) fn hears(&mut self, news: News<Address>, at: &BTreeMap<u64, Vec<Address>>) {
        for change in self.roll.hears(news) {
            match change {
                Change::Joined(member) => assert!(self.told.insert(member), "one that is there joins"),
                Change::Left(member) => assert!(self.told.remove(&member), "one that is not there leaves"),
            }
        }
        let version = self.roll.version.expect("it has been told");
        assert_eq!(self.roll.members, at[&version], "who was a member at {version}, by a mirror");
        let members: BTreeSet<Address> = self.roll.members.iter().copied().collect();
        assert_eq!(members, self.told, "who is there by the changes");
        assert_eq!(members.len(), self.roll.members.len(), "nobody is there twice");
    }
}

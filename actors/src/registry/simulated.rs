//! The registry in seeded schedules: names are given, kept, looked for and let go, by nodes that are slow, stop and die.
//!
//! This world plays the root: of a node's death it tells everybody else when the registry is through with it. What is left out is
//! the handle's timeout, which is a look-up or a name taken back at any time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use callboard_core::{Address, NodeId, Slot};

use super::{Answer, Ask, Asker, Books, Entry, Registry};
use crate::fault::Fault;
use crate::simulation::{self, Next, Roads, Schedule, to_owner};

const NODES: usize = 4;
const NAMES: [&str; 4] = ["/a", "/b", "/c", "/d"];

enum Down {
    Answer(u64, Answer),
    /// That node has ended, and the root is through with it.
    Ended(NodeId),
}

struct Node {
    id: NodeId,
    is_alive: bool,
    /// None: the connection's end.
    up: VecDeque<Option<(u64, Ask)>>,
    down: VecDeque<Down>,
    /// What it waits for, by the number of the call.
    calls: BTreeMap<u64, String>,
    /// Whose end it has heard of.
    ended: BTreeSet<NodeId>,
    slots: u32,
    /// What it has told to be registered: name and address.
    own: Vec<(String, Address)>,
}

/// What the registry should know.
#[derive(Default)]
struct Names {
    names: BTreeMap<String, Entry>,
    /// The key, and who keeps the name.
    holds: BTreeMap<String, (u64, Entry)>,
    waiting: BTreeMap<Asker, String>,
}

impl Names {
    fn unregister(&mut self, name: &str, address: Address) {
        if self.names.get(name).is_some_and(|entry| entry.address == address) {
            self.names.remove(name);
        }
    }

    fn ask(&mut self, asker: Asker, ask: &Ask) -> Vec<(Asker, Answer)> {
        let stands = |entry: &Entry| vec![(asker, Answer::Stands(entry.clone()))];
        match ask {
            Ask::Register { name, entry, key } => {
                let held = self.holds.get(name).filter(|(of, _)| of != key).map(|(_, by)| by);
                if let Some(other) = self.names.get(name).or(held) {
                    return stands(other);
                }
                self.names.insert(name.clone(), entry.clone());
                let told: Vec<Asker> =
                    self.waiting.iter().filter(|(_, of)| *of == name).map(|(asker, _)| *asker).collect();
                told.iter().for_each(|asker| _ = self.waiting.remove(asker));
                let told = told.into_iter().map(|asker| (asker, Answer::Stands(entry.clone())));
                return told.chain([(asker, Answer::Registered)]).collect();
            }
            Ask::Hold { name, entry, key } => {
                let held = self.holds.get(name).map(|(_, by)| by);
                if let Some(other) = self.names.get(name).or(held) {
                    return stands(other);
                }
                self.holds.insert(name.clone(), (*key, entry.clone()));
                return vec![(asker, Answer::Registered)];
            }
            Ask::Unhold { name, key } => {
                if self.holds.get(name).is_some_and(|(of, _)| of == key) {
                    self.holds.remove(name);
                }
            }
            Ask::Lookup { name, wait } => match (self.names.get(name), wait) {
                (Some(entry), _) => return stands(entry),
                (None, false) => return vec![(asker, Answer::Unknown)],
                (None, true) => _ = self.waiting.insert(asker, name.clone()),
            },
            Ask::Forget { word, .. } => _ = self.waiting.remove(&(asker.0, *word)),
            Ask::Unregister { name, address } => self.unregister(name, *address),
            Ask::Release { name, address } => {
                self.unregister(name, *address);
                return vec![(asker, Answer::Released)];
            }
        }
        Vec::new()
    }

    fn node_ended(&mut self, node: NodeId) {
        self.names.retain(|_, entry| entry.address.node != node);
        self.holds.retain(|_, (_, by)| by.address.node != node);
        self.waiting.retain(|(of, _), _| *of != node);
    }
}

struct Play {
    registry: Registry,
    expected: Names,
    nodes: Vec<Node>,
    roads: Roads,
    last_node: u64,
    last_call: u64,
}

impl Play {
    fn new() -> Self {
        let (registry, expected) = (Registry::default(), Names::default());
        let roads = Roads::new(NODES);
        let mut play = Self { registry, expected, nodes: Vec::new(), roads, last_node: 0, last_call: 0 };
        for _ in 0..NODES {
            let node = play.new_node();
            play.nodes.push(node);
        }
        play
    }

    fn new_node(&mut self) -> Node {
        self.last_node += 1;
        Node {
            id: NodeId::new(self.last_node).expect("it is not zero"),
            is_alive: true,
            up: VecDeque::new(),
            down: VecDeque::new(),
            calls: BTreeMap::new(),
            ended: BTreeSet::new(),
            slots: 0,
            own: Vec::new(),
        }
    }

    // ---- the nodes -------------------------------------------------------------------------------

    fn act(&mut self, at: usize, schedule: &mut Schedule) {
        if !self.nodes[at].is_alive {
            return;
        }
        if schedule.one_in(15) {
            return self.kill(at, schedule);
        }
        if self.roads.is_still(at, schedule.now()) {
            return;
        }
        let name = schedule.pick(&NAMES).to_owned();
        // A name that is kept is one for those who know its key: mostly the right one.
        let key = schedule.below(3);
        let node = &mut self.nodes[at];
        let mut entry = || {
            node.slots += 1;
            let slot = Slot { index: node.slots, generation: 1 };
            Entry { address: Address { node: node.id, slot }, type_name: "Queue<u64>".to_owned() }
        };
        let ask = match schedule.below(14) {
            0..4 => {
                let entry = entry();
                node.own.push((name.clone(), entry.address));
                Ask::Register { name, entry, key }
            }
            4 => Ask::Hold { name, entry: entry(), key: key.max(1) },
            5 => Ask::Unhold { name, key: key.max(1) },
            6..10 => Ask::Lookup { name, wait: !schedule.one_in(4) },
            10 if !node.calls.is_empty() => {
                let calls: Vec<u64> = node.calls.keys().copied().collect();
                let word = schedule.pick(&calls);
                let name = node.calls.remove(&word).expect("it is one of them");
                Ask::Forget { name, word }
            }
            _ if !node.own.is_empty() => {
                let at = schedule.index(node.own.len());
                let (name, address) = node.own.swap_remove(at);
                let is_told = schedule.one_in(2);
                if is_told { Ask::Release { name, address } } else { Ask::Unregister { name, address } }
            }
            _ => return,
        };
        schedule.note(|| format!("node {at} says {ask:?}"));
        self.last_call += 1;
        match &ask {
            Ask::Register { name, .. }
            | Ask::Hold { name, .. }
            | Ask::Lookup { name, .. }
            | Ask::Release { name, .. } => {
                node.calls.insert(self.last_call, name.clone());
            }
            Ask::Unhold { .. } | Ask::Forget { .. } | Ask::Unregister { .. } => {}
        }
        node.up.push_back(Some((self.last_call, ask)));
    }

    fn kill(&mut self, at: usize, schedule: &mut Schedule) {
        let node = &mut self.nodes[at];
        let unsent = schedule.index(node.up.len().min(3) + 1);
        schedule.note(|| format!("node {at}, which is {}, dies with {unsent} messages unsent", node.id));
        node.is_alive = false;
        node.calls.clear();
        node.down.clear();
        node.up.truncate(node.up.len() - unsent);
        node.up.push_back(None);
        self.roads.is_cut(at);
    }

    fn hears(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        match node.down.pop_front() {
            Some(Down::Ended(of)) => _ = node.ended.insert(of),
            Some(Down::Answer(word, answer)) => {
                if let Answer::Stands(entry) = &answer {
                    let owner = entry.address.node;
                    assert!(!node.ended.contains(&owner), "a name stands for one whose end was told before");
                }
                node.calls.remove(&word);
            }
            None => {}
        }
    }

    // ---- the root --------------------------------------------------------------------------------

    fn arrives(&mut self, at: usize, schedule: &mut Schedule) {
        let id = self.nodes[at].id;
        match self.nodes[at].up.pop_front() {
            Some(Some((word, ask))) => {
                schedule.note(|| format!("the registry is asked by {id}: {ask:?}"));
                let expected = self.expected.ask((id, word), &ask);
                let answers = self.registry.ask((id, word), ask);
                self.post(answers, expected);
            }
            Some(None) => {
                schedule.note(|| format!("the root is through with {id}"));
                self.registry.node_ended(id);
                self.expected.node_ended(id);
                self.nodes[at] = self.new_node();
                let others = self.nodes.iter_mut().filter(|node| node.is_alive);
                others.for_each(|node| node.down.push_back(Down::Ended(id)));
            }
            None => {}
        }
        self.check();
    }

    fn post(&mut self, mut answers: Vec<(Asker, Answer)>, mut expected: Vec<(Asker, Answer)>) {
        answers.sort_by_key(|(asker, _)| *asker);
        expected.sort_by_key(|(asker, _)| *asker);
        assert_eq!(answers, expected, "what is answered");
        for ((id, word), answer) in answers {
            if let Some(node) = self.nodes.iter_mut().find(|node| node.id == id && node.is_alive) {
                node.down.push_back(Down::Answer(word, answer));
            }
        }
    }

    fn check(&self) {
        let Registry { names, holds, waiting, books } = &self.registry;
        assert_eq!(*books, recount(&self.registry), "what each node has");
        assert!(names.iter().all(|(name, entry)| self.expected.names.get(name) == Some(entry)));
        assert_eq!(names.len(), self.expected.names.len(), "names that stand for something");
        assert!(holds.keys().all(|name| self.expected.holds.contains_key(name)));
        assert_eq!(holds.len(), self.expected.holds.len(), "names that are kept");
        let waits: BTreeSet<Asker> = waiting.values().flatten().copied().collect();
        assert!(waits.iter().eq(self.expected.waiting.keys()), "who waits for a name");
        assert!(waiting.iter().all(|(name, askers)| !askers.is_empty() && !names.contains_key(name)));
    }

    // ---- the schedule ----------------------------------------------------------------------------

    fn next(&mut self, schedule: &mut Schedule) -> bool {
        let nodes = &self.nodes;
        let has_traffic = |road: usize| {
            let node = &nodes[road / 2];
            if road == to_owner(road / 2) { !node.up.is_empty() } else { !node.down.is_empty() }
        };
        match self.roads.next(schedule, has_traffic, None) {
            Some(Next::Arrival(road)) if road == to_owner(road / 2) => self.arrives(road / 2, schedule),
            Some(Next::Arrival(road)) => self.hears(road / 2),
            Some(Next::Timer) | None => return false,
        }
        true
    }

    /// All that is under way arrives; then nobody waits but for a name that stands for nothing.
    fn quiet(&mut self, schedule: &mut Schedule) {
        while self.next(schedule) {}
        for node in &self.nodes {
            let known = self.expected.waiting.iter().filter(|((of, _), _)| *of == node.id);
            let known: BTreeMap<u64, String> = known.map(|((_, word), name)| (*word, name.clone())).collect();
            assert_eq!(node.calls, known, "what {} waits for", node.id);
        }
    }
}

/// What each node has, counted anew.
fn recount(registry: &Registry) -> Books {
    let mut books = Books::default();
    registry.names.iter().for_each(|(name, entry)| books.given(name, entry));
    registry.holds.iter().for_each(|(name, hold)| books.given(name, &hold.by));
    registry.waiting.values().flatten().for_each(|(node, _)| books.waits(*node));
    books
}

fn play(schedule: &mut Schedule) {
    let mut play = Play::new();
    for _ in 0..schedule.within(1..200) {
        match schedule.below(100) {
            0..50 => _ = play.next(schedule),
            50 => play.roads.stop_one(schedule),
            51 | 52 => play.quiet(schedule),
            _ => {
                let at = schedule.index(NODES);
                play.act(at, schedule);
            }
        }
    }
    for at in 0..NODES {
        if play.nodes[at].is_alive {
            play.kill(at, schedule);
        }
    }
    play.quiet(schedule);
    let Registry { names, holds, waiting, .. } = &play.registry;
    assert!(names.is_empty() && holds.is_empty() && waiting.is_empty(), "something of the dead is left");
}

/// > Under any schedule of slow, stopped and dead nodes a name stands for one thing, is free before its owner's end is told, and whoever
/// > waits for it is told as soon as it stands for something.
#[test]
fn registry() {
    simulation::run("registry", 3_000, play);
}

#[test]
fn a_planted_fault_of_the_registry_is_found() {
    simulation::finds(Fault::NamesOfTheDeadKept, play);
}

//! Any object in seeded schedules: an owner, the questions that wait at it, and nodes that ask, give up, stop and die.
//!
//! Each protocol has a [`Model`]: what is asked of it, and who is to be answered what. This world plays the cell: which questions wait, whose they
//! are, and that of a node that ends they are lost one by one. It leaves out what the real cell does with threads of its own node.
//!
//! What is held for every object: each question is answered once, or its asker has given up or died; who should have been answered is not
//! waiting; at the end nobody waits for what was answered, and of the dead nothing is left.

mod model;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use callboard_core::{ByteStrings, NodeId};

use self::model::{AskOf, DueOf, ReplyOf};
use super::{Asker, Effects, Owner};
use crate::simulation::{Next, Roads, Schedule, to_owner};

pub(crate) use self::model::{Due, Model};

const NODES: usize = 4;

enum Up<A> {
    /// With the number of the call, if an answer is wanted.
    Ask(Option<u64>, A),
    Forget(u64),
    Cast(Vec<u8>),
    /// The connection's end.
    Down,
}

struct Node<M: Model> {
    id: NodeId,
    is_alive: bool,
    up: VecDeque<Up<AskOf<M>>>,
    down: VecDeque<(u64, ReplyOf<M>)>,
    /// What it waits for.
    calls: BTreeMap<u64, AskOf<M>>,
}

struct World<M: Model> {
    owner: M::Owner,
    model: M,
    nodes: Vec<Node<M>>,
    roads: Roads,
    /// Questions without an answer, as the cell knows them.
    open: BTreeMap<Asker, (NodeId, u64)>,
    last_asker: u64,
    last_node: u64,
    last_call: u64,
    armed: Option<Instant>,
    now: Instant,
    is_over: bool,
}

impl<M: Model> World<M> {
    fn new(schedule: &mut Schedule) -> Self {
        let (model, owner) = M::begin(schedule);
        let mut world = Self {
            owner,
            model,
            nodes: Vec::new(),
            roads: Roads::new(NODES),
            open: BTreeMap::new(),
            last_asker: 0,
            last_node: 0,
            last_call: 0,
            armed: None,
            now: schedule.now(),
            is_over: false,
        };
        for _ in 0..NODES {
            let node = world.new_node();
            world.nodes.push(node);
        }
        world
    }

    fn new_node(&mut self) -> Node<M> {
        self.last_node += 1;
        let id = NodeId::new(self.last_node).expect("it is not zero");
        Node { id, is_alive: true, up: VecDeque::new(), down: VecDeque::new(), calls: BTreeMap::new() }
    }

    // ---- the nodes -------------------------------------------------------------------------------

    fn act(&mut self, at: usize, schedule: &mut Schedule) {
        if !self.nodes[at].is_alive {
            return;
        }
        let dice = schedule.below(100);
        if dice < 4 {
            return self.kill(at, schedule);
        }
        if self.roads.is_still(at, schedule.now()) {
            return;
        }
        match dice {
            4..16 => self.give_up(at, schedule),
            16..36 => match self.model.next_cast(schedule) {
                Some(cast) => self.nodes[at].up.push_back(Up::Cast(cast)),
                None => self.ask(at, schedule),
            },
            _ => self.ask(at, schedule),
        }
    }

    fn ask(&mut self, at: usize, schedule: &mut Schedule) {
        let (ask, is_call) = self.model.next_ask(self.nodes[at].id, schedule);
        schedule.note(|| format!("node {at} asks {ask:?}"));
        self.last_call += 1;
        let node = &mut self.nodes[at];
        if is_call {
            node.calls.insert(self.last_call, ask.clone());
        }
        node.up.push_back(Up::Ask(is_call.then_some(self.last_call), ask));
    }

    fn give_up(&mut self, at: usize, schedule: &mut Schedule) {
        let node = &mut self.nodes[at];
        let calls: Vec<u64> = node.calls.keys().copied().collect();
        if calls.is_empty() {
            return;
        }
        let call = schedule.pick(&calls);
        if !self.model.may_give_up(node.id, &node.calls[&call]) {
            return;
        }
        let ask = node.calls.remove(&call);
        schedule.note(|| format!("node {at} gives up {ask:?}"));
        node.up.push_back(Up::Forget(call));
    }

    fn kill(&mut self, at: usize, schedule: &mut Schedule) {
        let node = &mut self.nodes[at];
        let unsent = schedule.index(node.up.len().min(3) + 1);
        schedule.note(|| format!("node {at} dies with {unsent} messages unsent"));
        node.is_alive = false;
        node.calls.clear();
        node.down.clear();
        node.up.truncate(node.up.len() - unsent);
        node.up.push_back(Up::Down);
        self.roads.is_cut(at);
        self.model.died(node.id, schedule);
    }

    // ---- the cell --------------------------------------------------------------------------------

    fn arrives(&mut self, at: usize, schedule: &mut Schedule) {
        let Some(up) = self.nodes[at].up.pop_front() else { return };
        self.now = schedule.now();
        let (node, now) = (self.nodes[at].id, schedule.now());
        match up {
            Up::Ask(call, ask) => {
                schedule.note(|| format!("the owner is asked by node {at}: {ask:?}"));
                self.is_asked(node, call, ask, now);
            }
            Up::Forget(call) => {
                let waits = self.open.iter().find(|(_, whose)| **whose == (node, call));
                if let Some((&asker, _)) = waits {
                    self.leaves(asker, false);
                }
            }
            Up::Cast(cast) => {
                schedule.note(|| format!("the owner has a cast of node {at}"));
                let due = self.model.cast(node, &cast, now);
                let mut effects = Effects::default();
                self.owner.casts(node, ByteStrings::new(&cast), now, &mut effects).expect("a sound cast");
                self.carry_out(effects, due);
            }
            Up::Down => {
                schedule.note(|| format!("the owner hears that node {at} has ended"));
                self.node_ends(at);
            }
        }
    }

    fn is_asked(&mut self, node: NodeId, call: Option<u64>, ask: AskOf<M>, now: Instant) {
        self.last_asker += 1;
        let asker = Asker(self.last_asker);
        let mut due = self.model.asked(asker, node, &ask, now);
        let mut effects = Effects::default();
        self.owner.handle(asker, ask, now, &mut effects);
        match call {
            Some(call) => _ = self.open.insert(asker, (node, call)),
            None => {
                // Nobody waits for the answer to a cast.
                let is_own = |other: Asker| other == asker;
                assert!(
                    effects.replies.iter().any(|(other, _)| is_own(*other)),
                    "a question that nobody waits for"
                );
                effects.replies.retain(|(other, _)| !is_own(*other));
                due.retain(|(other, _)| !is_own(*other));
            }
        }
        self.carry_out(effects, due);
    }

    fn leaves(&mut self, asker: Asker, has_died: bool) {
        self.open.remove(&asker);
        let due = self.model.left(asker, has_died);
        let mut effects = Effects::default();
        if has_died {
            self.owner.lose(asker, &mut effects);
        } else {
            self.owner.forget(asker, &mut effects);
        }
        self.carry_out(effects, due);
    }

    fn node_ends(&mut self, at: usize) {
        let node = self.nodes[at].id;
        let lost: Vec<Asker> =
            self.open.iter().filter(|(_, (whose, _))| *whose == node).map(|(asker, _)| *asker).collect();
        for asker in lost {
            self.leaves(asker, true);
        }
        self.model.node_ended(node);
        let mut effects = Effects::default();
        self.owner.node_ended(node, &mut effects);
        self.carry_out(effects, Vec::new());
        self.nodes[at] = self.new_node();
    }

    fn carry_out(&mut self, effects: Effects<ReplyOf<M>>, mut due: DueOf<M>) {
        let mut told: Vec<Asker> = effects.replies.iter().map(|(asker, _)| *asker).collect();
        told.sort_unstable();
        due.sort_unstable_by_key(|(asker, _)| *asker);
        let expected: Vec<Asker> = due.iter().map(|(asker, _)| *asker).collect();
        assert_eq!(told, expected, "who is answered: {:?}, who should be: {due:?}", effects.replies);
        for (asker, reply) in effects.replies {
            let at = due.binary_search_by_key(&asker, |(asker, _)| *asker).expect("it is the same list");
            if let Some(expected) = &due[at].1 {
                assert_eq!(reply, *expected, "what {asker:?} is answered");
            }
            let (node, call) = self.open.remove(&asker).expect("whoever is answered waits");
            if let Some(node) = self.nodes.iter_mut().find(|other| other.id == node && other.is_alive) {
                node.down.push_back((call, reply));
            }
        }
        if let Some(name) = effects.frees {
            self.model.freed(&name);
        }
        let soon = effects.tick_after.map(|time| self.now + time);
        if let Some(at) = effects.tick_at.into_iter().chain(soon).min() {
            self.armed = Some(self.armed.map_or(at, |armed| armed.min(at)));
        }
        assert!(!(self.is_over && effects.is_over), "it ends once");
        self.is_over |= effects.is_over;
        self.check();
    }

    /// As the cell does for an answer that the owner has left to others.
    fn answer(&mut self, asker: Asker, reply: ReplyOf<M>) {
        let mut effects = Effects::default();
        if self.open.contains_key(&asker) {
            effects.reply(asker, reply);
            return self.carry_out(effects, vec![(asker, None)]);
        }
        self.check();
    }

    fn check(&mut self) {
        let open: BTreeSet<Asker> = self.open.keys().copied().collect();
        assert_eq!(open, self.model.waiting(), "who waits at the owner, and who should");
        if let Some(at) = self.model.timer() {
            let armed = self.armed.expect("the owner has asked for a timer");
            assert!(armed <= at, "the timer comes too late");
        }
        self.model.check(&mut self.owner, self.is_over);
    }

    fn tick(&mut self, schedule: &mut Schedule) {
        schedule.note(|| "the owner's timer".to_owned());
        self.armed = None;
        self.now = schedule.now();
        let mut effects = Effects::default();
        let due = self.model.ticked(schedule.now());
        self.owner.tick(schedule.now(), &mut effects);
        self.carry_out(effects, due);
    }

    // ---- the schedule ----------------------------------------------------------------------------

    fn next(&mut self, schedule: &mut Schedule, with_time: bool) -> bool {
        let nodes = &self.nodes;
        let has_traffic = |road: usize| {
            let node = &nodes[road / 2];
            if road == to_owner(road / 2) { !node.up.is_empty() } else { !node.down.is_empty() }
        };
        let timer = self.armed.filter(|_| with_time);
        match self.roads.next(schedule, has_traffic, timer) {
            Some(Next::Arrival(road)) if road == to_owner(road / 2) => self.arrives(road / 2, schedule),
            Some(Next::Arrival(road)) => self.answer_arrives(road / 2, schedule),
            Some(Next::Timer) => self.tick(schedule),
            None => return false,
        }
        true
    }

    fn answer_arrives(&mut self, at: usize, schedule: &mut Schedule) {
        let node = &mut self.nodes[at];
        let Some((call, reply)) = node.down.pop_front() else { return };
        // One that comes after the asker gave up is dropped.
        if let Some(ask) = node.calls.remove(&call) {
            schedule.note(|| format!("node {at} hears {reply:?}"));
            self.model.heard(node.id, &ask, &reply);
        }
    }

    fn turn(&mut self, schedule: &mut Schedule) {
        let dice = schedule.below(100);
        if dice < 50 {
            self.next(schedule, true);
        } else if dice == 50 {
            self.roads.stop_one(schedule);
        } else if dice < 54 {
            let time = Duration::from_millis(schedule.below(300));
            schedule.note(|| format!("{time:?} pass"));
            schedule.pass(time);
        } else if dice == 54 && self.model.happens(schedule) {
            self.tick(schedule);
        } else if let 55..65 = dice
            && let Some((asker, reply)) = self.model.worked_out(schedule)
        {
            self.answer(asker, reply);
        } else {
            let at = schedule.index(NODES);
            self.act(at, schedule);
        }
    }

    /// All that is under way arrives; then whoever waits is known at the owner, and all others have been told.
    fn quiet(&mut self, schedule: &mut Schedule) {
        while self.next(schedule, false) {}
        schedule.note(|| "nothing is under way".to_owned());
        for node in &self.nodes {
            let known = self.open.values().filter(|(whose, _)| *whose == node.id).map(|(_, call)| *call);
            let known: BTreeSet<u64> = known.collect();
            let waits: BTreeSet<u64> = node.calls.keys().copied().collect();
            assert_eq!(waits, known, "what {} waits for, and what the owner knows of", node.id);
        }
        self.model.check_quiet(&mut self.owner);
    }
}

/// One schedule of an object.
pub(crate) fn play<M: Model>(schedule: &mut Schedule) {
    let mut world = World::<M>::new(schedule);
    for _ in 0..schedule.within(1..200) {
        world.turn(schedule);
        if schedule.one_in(40) {
            world.quiet(schedule);
        }
    }
    world.quiet(schedule);
    for at in 0..NODES {
        if world.nodes[at].is_alive {
            world.kill(at, schedule);
        }
    }
    world.quiet(schedule);
    assert!(world.open.is_empty(), "the dead still wait");
    if world.model.calm() {
        world.tick(schedule);
    }
    world.model.check_end(&mut world.owner);
}

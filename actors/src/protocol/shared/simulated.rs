//! Objects in shared memory in seeded schedules: who is a member, what the dead and those who left had in hand, and that it is
//! taken back from them and from nobody else.
//!
//! The object is a real lock in real memory, which nodes take and give back without a message, as threads of theirs would. A node's end
//! is not always its process's: then what it holds stays its own until that has let go. Now and then somebody is inside, so that nothing can be
//! taken back just then. Waits for the lock are the business of its own model (`ipc/src/sync`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::NodeId;
use callboard_ipc::sync::{Holder, RobustLock};
use parking_lot::Mutex;

use super::owner::SharedOwner;
use super::probe::{IS_BUSY, MOST_MEMBERS, Probe};
use super::wire::{Ask, Reply};
use crate::fault::Fault;
use crate::protocol::object::Asker;
use crate::protocol::object::simulated::{Due, Model, play};
use crate::runtime::memory;
use crate::simulation::{self, Schedule};

type Open = Arc<Mutex<BTreeSet<NodeId>>>;

/// A node's side.
struct Side {
    key: u64,
    has_asked: bool,
    /// Its number, once it has the object.
    number: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Its question waits.
    Stays,
    /// Its node has ended, and its process may have something in hand.
    Left,
    /// Something may be left to be taken back.
    Dead,
}

struct Shared {
    words: RobustLock,
    sides: BTreeMap<NodeId, Side>,
    /// Nodes whose processes may have something in hand.
    open: Open,
    keys: u64,
    /// Members by number, as the owner should know them: the node, the question, its key.
    members: BTreeMap<u32, (NodeId, Asker, u64, Stands)>,
    last: u32,
    waiting: BTreeSet<Asker>,
    is_closed: bool,
    now: Instant,
}

impl Shared {
    fn recover(&mut self) {
        if self.is_closed {
            return;
        }
        for (node, .., stands) in self.members.values_mut() {
            if *stands == Stands::Left && !self.open.lock().contains(node) {
                *stands = Stands::Dead;
            }
        }
        if !IS_BUSY.get() {
            self.members.retain(|_, (.., stands)| *stands != Stands::Dead);
        }
    }

    fn held_by(&self) -> Option<u32> {
        self.words.holder().map(|holder| holder.member)
    }

    fn take_or_give(&mut self, number: u32) {
        let me = Holder { member: number, thread: 1 };
        if self.held_by() == Some(number) {
            assert!(self.words.give_back(me), "taken from one who lives");
        } else {
            let before = self.held_by();
            let taken = self.words.try_take(me).expect("it is not its own");
            assert_eq!(taken.is_none(), before.is_some(), "whoever comes gets it if it is free");
        }
    }
}

impl Model for Shared {
    type Owner = SharedOwner<Probe<true>>;

    fn begin(schedule: &mut Schedule) -> (Self, SharedOwner<Probe<true>>) {
        IS_BUSY.set(false);
        let place =
            memory::Memory::default().allocate(NodeId::new(99).expect("it is not zero"), RobustLock::BYTES);
        let place = place.expect("there is memory for a lock");
        let words = RobustLock::new(place.block.clone()).expect("it is large enough");
        let open = Open::default();
        let of_owner = Arc::clone(&open);
        let may_hold = Box::new(move |node| of_owner.lock().contains(&node));
        let owner = SharedOwner::new((), place, may_hold).expect("it can be laid out");
        let model = Self {
            words,
            sides: BTreeMap::new(),
            open,
            keys: 0,
            members: BTreeMap::new(),
            last: 1,
            waiting: BTreeSet::new(),
            is_closed: false,
            now: schedule.now(),
        };
        (model, owner)
    }

    fn next_ask(&mut self, by: NodeId, schedule: &mut Schedule) -> (Ask, bool) {
        self.open.lock().insert(by);
        let Some(side) = self.sides.get_mut(&by) else {
            self.keys += 1;
            self.sides.insert(by, Side { key: self.keys, has_asked: false, number: None });
            return (Ask::Stay { key: self.keys, node: by, pid: by.get() as u32 }, true);
        };
        if !std::mem::replace(&mut side.has_asked, true) {
            return (Ask::Attach { key: side.key, mapped: Vec::new() }, true);
        }
        if let Some(number) = side.number {
            self.take_or_give(number);
        }
        if schedule.one_in(300) {
            return (Ask::Close, true);
        }
        (Ask::Who { numbers: (1..=self.last + 1).collect() }, true)
    }

    fn may_give_up(&mut self, by: NodeId, ask: &Ask) -> bool {
        let Ask::Stay { key, .. } = ask else { return !matches!(ask, Ask::Attach { .. }) };
        let Some(side) = self.sides.get(&by).filter(|side| side.key == *key) else { return true };
        // Whoever lets go of its handle has given back what it had before.
        if side.number.is_some_and(|number| self.held_by() == Some(number)) || side.number.is_none() {
            return false;
        }
        self.sides.remove(&by);
        true
    }

    fn asked(&mut self, asker: Asker, node: NodeId, ask: &Ask, _: Instant) -> Due<Reply<()>> {
        let reply = match ask {
            _ if self.is_closed && !matches!(ask, Ask::Who { .. }) => Some(Reply::Gone),
            Ask::Stay { .. } if self.members.len() >= MOST_MEMBERS => {
                Some(Reply::Full { most: MOST_MEMBERS as u64 })
            }
            Ask::Stay { key, .. } => {
                self.last += 1;
                self.members.insert(self.last, (node, asker, *key, Stands::Stays));
                self.waiting.insert(asker);
                return Vec::new();
            }
            Ask::Close => {
                self.is_closed = true;
                let told = std::mem::take(&mut self.waiting).into_iter().chain([asker]);
                return told.map(|asker| (asker, Some(Reply::Gone))).collect();
            }
            Ask::Who { numbers } => {
                let find =
                    |number: &u32| self.members.get(number).map(|(node, ..)| (*node, node.get() as u32));
                Some(Reply::Members(numbers.iter().map(find).collect()))
            }
            Ask::Attach { .. } => None,
        };
        vec![(asker, reply)]
    }

    fn left(&mut self, asker: Asker, has_died: bool) -> Due<Reply<()>> {
        self.waiting.remove(&asker);
        if let Some((.., stands)) = self.members.values_mut().find(|(_, of, ..)| *of == asker) {
            *stands = if has_died { Stands::Left } else { Stands::Dead };
            self.recover();
        }
        Vec::new()
    }

    /// A dead node's process has died with it, or lives on.
    fn died(&mut self, node: NodeId, schedule: &mut Schedule) {
        self.sides.remove(&node);
        if !schedule.one_in(3) {
            self.open.lock().remove(&node);
        }
    }

    fn happens(&mut self, schedule: &mut Schedule) -> bool {
        IS_BUSY.set(schedule.one_in(5));
        let mut open = self.open.lock();
        let gone: Vec<NodeId> = open.iter().copied().filter(|node| !self.sides.contains_key(node)).collect();
        if gone.is_empty() {
            return false;
        }
        // Its process has let go, or died.
        open.remove(&schedule.pick(&gone))
    }

    fn calm(&mut self) -> bool {
        IS_BUSY.set(false);
        self.open.lock().clear();
        true
    }

    fn ticked(&mut self, now: Instant) -> Due<Reply<()>> {
        self.now = now;
        self.recover();
        Vec::new()
    }

    fn timer(&self) -> Option<Instant> {
        let has_dead = self.members.values().any(|(.., stands)| *stands == Stands::Dead);
        // It asks to be called soon; here it is enough that it does.
        (has_dead && !self.is_closed).then(|| self.now + Duration::from_secs(3600))
    }

    fn waiting(&self) -> BTreeSet<Asker> {
        self.waiting.clone()
    }

    fn heard(&mut self, by: NodeId, ask: &Ask, reply: &Reply<()>) {
        let (Ask::Attach { key, .. } | Ask::Stay { key, .. }) = ask else { return };
        // An answer about a former time here means nothing any more.
        let Some(side) = self.sides.get_mut(&by).filter(|side| side.key == *key) else { return };
        if let Reply::Attached(place) = reply {
            let (node, _, of, _) = self.members[&place.number];
            assert_eq!((node, of), (by, *key), "a number that is another's");
            side.number = Some(place.number);
        } else {
            self.sides.remove(&by);
        }
    }

    fn check(&mut self, owner: &mut SharedOwner<Probe<true>>, is_over: bool) {
        owner.check(self.members.keys().copied());
        assert_eq!(is_over, self.is_closed);
        if let Some(number) = self.held_by().filter(|_| !self.is_closed) {
            assert!(self.members.contains_key(&number), "it is in the hand of one who is no member any more");
        }
    }

    fn check_end(&mut self, _: &mut SharedOwner<Probe<true>>) {
        assert!(self.is_closed || self.members.is_empty(), "a dead node is a member");
        assert!(self.is_closed || self.held_by().is_none(), "it is in the hand of the dead");
    }
}

/// > Under any schedule of slow, stopped and dead nodes what a dead process had of an object in shared memory is taken back, and what
/// > a living one has is not, whatever became of its node.
#[test]
fn shared() {
    simulation::run("shared", 1_000, play::<Shared>);
}

#[test]
fn a_planted_fault_of_shared_memory_is_found() {
    simulation::finds(Fault::NotTakenBack, play::<Shared>);
}

//! The owner of an object in shared memory, asked anything by anybody: numbers and keys that are another's, nodes that are not the asker's,
//! questions that are given up, processes that die, live on without their node, or are inside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::NodeId;
use callboard_ipc::sync::{Holder, RobustLock};
use parking_lot::Mutex;

use super::owner::SharedOwner;
use super::probe::{IS_BUSY, MOST_MEMBERS, Probe};
use super::wire::{Ask, Reply};
use crate::fuzzing::{Draw, node};
use crate::peer::packed;
use crate::protocol::object::{Asker, Effects, Owner};
use crate::runtime::memory::Memory;

const NODES: usize = 4;

thread_local! {
    /// One for all inputs: an object takes 64 bytes of it, and nothing has to be mapped for that.
    static MEMORY: Memory = Memory::default();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// Its question waits.
    Stays,
    /// Its node has ended, and its process may have something in hand.
    Left,
    /// Something may be left to be taken back.
    Dead,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    asker: Asker,
    /// As it has said itself.
    node: NodeId,
    pid: u32,
    key: u64,
    stands: Stands,
}

struct Play<const KEPT: bool> {
    owner: SharedOwner<Probe<KEPT>>,
    words: RobustLock,
    /// Nodes whose processes may have something in hand.
    may_hold: Arc<Mutex<BTreeSet<NodeId>>>,
    /// Members by number.
    members: BTreeMap<u32, Known>,
    last_member: u32,
    last_asker: u64,
    is_closed: bool,
    /// A timer will come.
    is_armed: bool,
}

impl<const KEPT: bool> Play<KEPT> {
    fn new() -> Self {
        IS_BUSY.set(false);
        let place = MEMORY.with(|memory| memory.allocate(node(99), RobustLock::BYTES));
        let place = place.expect("there is memory for a lock");
        let words = RobustLock::new(place.block.clone()).expect("it is large enough");
        let may_hold = Arc::new(Mutex::new(BTreeSet::new()));
        let of_owner = Arc::clone(&may_hold);
        let owner = SharedOwner::new((), place, Box::new(move |node| of_owner.lock().contains(&node)));
        Self {
            owner: owner.expect("it can be laid out"),
            words,
            may_hold,
            members: BTreeMap::new(),
            last_member: 1,
            last_asker: 0,
            is_closed: false,
            is_armed: false,
        }
    }

    fn step(&mut self, draw: &mut Draw<'_>) {
        let mut effects = Effects::default();
        match draw.below(16) {
            0 | 1 => {
                let one = self.staying().nth(draw.below(8));
                let asker = one.unwrap_or(Asker(draw.number() | 1 << 32));
                let has_died = draw.flag();
                if has_died {
                    self.owner.lose(asker, &mut effects);
                } else {
                    self.owner.forget(asker, &mut effects);
                }
                self.left(one, has_died);
            }
            2 => {
                self.owner.node_ended(node(draw.below(NODES)), &mut effects);
                self.is_armed = false;
                self.owner.tick(Instant::now(), &mut effects);
                self.recovered();
            }
            3 => IS_BUSY.set(draw.flag()),
            4 | 5 => {
                let whose = node(draw.below(NODES));
                let mut may_hold = self.may_hold.lock();
                if !may_hold.remove(&whose) {
                    may_hold.insert(whose);
                }
            }
            6..9 => self.takes_or_gives(draw),
            9..12 => {
                let (key, node) = (draw.below(4) as u64, node(draw.below(NODES)));
                self.asks(Ask::Stay { key, node, pid: draw.byte().into() });
            }
            _ => draw.value().into_iter().for_each(|ask| self.asks(ask)),
        }
        assert!(effects.replies.is_empty(), "somebody is answered who has asked nothing");
        assert!(effects.tick_after.is_none_or(|time| !time.is_zero() && time <= Duration::from_secs(1)));
        assert!(!effects.is_over && effects.frees.is_none());
        self.is_armed |= effects.tick_after.is_some();
        self.check();
    }

    fn staying(&self) -> impl Iterator<Item = Asker> {
        self.members.values().filter(|known| known.stands == Stands::Stays).map(|known| known.asker)
    }

    /// Whoever has a number may take the object, also if its node is gone.
    fn takes_or_gives(&self, draw: &mut Draw<'_>) {
        let at = draw.below(8);
        let able = self.members.iter().filter(|(_, known)| known.stands != Stands::Dead);
        let Some(number) = able.map(|(number, _)| *number).nth(at) else { return };
        let me = Holder { member: number, thread: 1 };
        let before = self.held_by();
        if before == Some(number) {
            assert!(self.words.give_back(me), "taken from one who lives");
        } else {
            let taken = self.words.try_take(me).expect("it is not its own");
            assert_eq!(taken.is_none(), before.is_some(), "whoever comes gets it if it is free");
        }
    }

    fn held_by(&self) -> Option<u32> {
        self.words.holder().map(|holder| holder.member)
    }

    fn left(&mut self, asker: Option<Asker>, has_died: bool) {
        let known = self.members.iter_mut().find(|(_, known)| Some(known.asker) == asker);
        if let Some((_, known)) = known {
            known.stands = if has_died { Stands::Left } else { Stands::Dead };
            self.recovered();
        }
    }

    /// What the owner takes back it has taken back.
    fn recovered(&mut self) {
        if self.is_closed {
            return;
        }
        let may_hold = self.may_hold.lock();
        for known in self.members.values_mut() {
            if known.stands == Stands::Left && !may_hold.contains(&known.node) {
                known.stands = Stands::Dead;
            }
        }
        drop(may_hold);
        if !IS_BUSY.get() {
            self.members.retain(|_, known| known.stands != Stands::Dead);
        }
    }

    fn asks(&mut self, ask: Ask) {
        self.last_asker += 1;
        let asker = Asker(self.last_asker);
        let mut effects = Effects::default();
        self.owner.handle(asker, ask.clone(), Instant::now(), &mut effects);
        let told: Vec<Asker> = self.staying().collect();
        let mut replies = effects.replies;
        // As the cell does.
        replies.iter().for_each(|(_, reply)| _ = packed(reply));
        let own = replies.iter().position(|(to, _)| *to == asker).map(|at| replies.swap_remove(at).1);
        let closes = matches!(ask, Ask::Close) && !self.is_closed;
        assert_eq!(effects.is_over, closes, "it ends when it is closed, and once");
        replies.sort_by_key(|(to, _)| *to);
        let others = replies.iter().map(|(to, _)| *to);
        assert!(if closes { others.eq(sorted(told)) } else { replies.is_empty() }, "who else is told");
        assert!(replies.iter().all(|(_, reply)| *reply == Reply::Gone));
        self.answered(asker, &ask, own);
    }

    fn answered(&mut self, asker: Asker, ask: &Ask, own: Option<Reply<()>>) {
        let full = Reply::Full { most: MOST_MEMBERS as u64 };
        match ask {
            Ask::Who { numbers } => {
                let who = |number: &u32| self.members.get(number).map(|known| (known.node, known.pid));
                assert_eq!(own, Some(Reply::Members(numbers.iter().map(who).collect())));
            }
            Ask::Close => {
                self.is_closed = true;
                assert_eq!(own, Some(Reply::Gone));
            }
            _ if self.is_closed => assert_eq!(own, Some(Reply::Gone), "nobody comes any more"),
            Ask::Stay { .. } if self.members.len() >= MOST_MEMBERS => assert_eq!(own, Some(full)),
            Ask::Stay { key, node, pid } => {
                assert_eq!(own, None, "whoever stays is answered at the end");
                self.last_member += 1;
                let (stands, node, pid, key) = (Stands::Stays, *node, *pid, *key);
                self.members.insert(self.last_member, Known { asker, node, pid, key, stands });
            }
            Ask::Attach { key, mapped } => match own {
                Some(Reply::Attached(place)) => {
                    let known = self.members.get(&place.number).expect("a number that nobody has");
                    assert_eq!(known.key, *key, "a number that is another's");
                    assert_eq!(place.memory.rights.is_empty(), mapped.contains(&place.slab));
                }
                other => {
                    assert!(self.members.values().all(|known| known.key != *key), "it is a member");
                    assert_eq!(other, Some(full));
                }
            },
        }
    }

    fn check(&self) {
        self.owner.check(self.members.keys().copied());
        if let Some(number) = self.held_by().filter(|_| !self.is_closed) {
            assert!(self.members.contains_key(&number), "it is in the hand of one who is no member any more");
        }
        let is_waited_for = self.members.values().any(|known| known.stands == Stands::Dead);
        assert!(self.is_closed || !is_waited_for || self.is_armed, "nobody tries again");
    }

    /// All end, and nothing keeps the owner from being done with them.
    fn end(mut self) {
        IS_BUSY.set(false);
        self.may_hold.lock().clear();
        let mut effects = Effects::default();
        for asker in self.staying().collect::<Vec<_>>() {
            self.owner.lose(asker, &mut effects);
            self.left(Some(asker), true);
        }
        self.owner.tick(Instant::now(), &mut effects);
        self.recovered();
        self.check();
        assert!(self.is_closed || self.members.is_empty(), "a dead node is a member");
        assert!(self.is_closed || self.held_by().is_none(), "it is in the hand of the dead");
        self.owner.node_ends(&mut effects);
        assert!(effects.replies.is_empty(), "somebody is told who has ended");
    }
}

fn sorted(mut askers: Vec<Asker>) -> Vec<Asker> {
    askers.sort();
    askers
}

fn play<const KEPT: bool>(mut draw: Draw<'_>) {
    let mut play = Play::<KEPT>::new();
    while !draw.is_over() {
        play.step(&mut draw);
    }
    play.end();
}

pub(crate) fn fuzz(mut draw: Draw<'_>) {
    if draw.flag() { play::<true>(draw) } else { play::<false>(draw) }
}

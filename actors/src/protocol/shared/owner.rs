//! The machine that owns an object in shared memory: who uses it, and what of it is to be taken back.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::NodeId;
use callboard_ipc::sync::{Block, Holder, Member, this_thread};
use serde::{Serialize, de::DeserializeOwned};
use slab::Slab;

use super::wire::{Ask, Place, Reply};
use crate::fault::fault;
use crate::parcel::{Parcel, Rights};
use crate::protocol::object::{Asker, Effects, Owner};
use crate::runtime::{Runtime, memory};

/// The owner's own number.
const OWNER: u32 = 1;
/// How soon it tries again to take back what the dead held, when somebody is inside.
const AGAIN_AFTER: Duration = Duration::from_millis(1);

/// What lies in the memory.
pub(crate) trait Shape: Send + Sync + 'static {
    /// What it is made with. Everybody who uses it is told.
    type Options: Clone + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Whether a node that has ended, or can't be reached, keeps what its process has in hand until that is given back.
    const IS_KEPT: bool = true;
    /// The object, as any process has it.
    type Words: Clone + fmt::Debug + Send + Sync + 'static;

    /// What it is, in a word, for whoever asks what is waited for.
    const KIND: &'static str;

    /// Why there can be none with these options.
    fn fault(_options: &Self::Options) -> Option<String> {
        None
    }
    /// How much memory it needs; none if that is more than can be counted.
    fn bytes(options: &Self::Options) -> Option<usize>;
    /// How many nodes may use it.
    fn most_members(options: &Self::Options) -> usize;
    /// Lays it out in zeroed memory.
    fn begin(options: &Self::Options, block: Block) -> Option<Self::Words> {
        Self::open(options, block)
    }
    /// Finds it in memory in which it was laid out; none if it can't be there.
    fn open(options: &Self::Options, block: Block) -> Option<Self::Words>;
    /// Takes a member in; false if there is no room for it.
    fn join(_words: &Self::Words, _member: Member) -> bool {
        true
    }
    /// Takes back what a member held that has ended. False: to be tried again soon.
    fn recover(words: &Self::Words, dead: Member, owner: Holder) -> bool;
    /// Wakes this process's threads that wait in it.
    fn nudge(words: &Self::Words);
    /// The numbers of those that have it in hand just now.
    fn holders(words: &Self::Words) -> Vec<u32>;
}

struct Joined {
    number: u32,
    node: NodeId,
    pid: u32,
    key: u64,
}

/// Whether the process of a node that has ended, or can't be reached, may still have something in hand.
type MayHold = Box<dyn Fn(NodeId) -> bool + Send>;

pub(crate) struct SharedOwner<S: Shape> {
    options: S::Options,
    place: memory::Place,
    words: S::Words,
    /// By number of the entry.
    members: Slab<Joined>,
    entries: BTreeMap<Asker, usize>,
    last: u32,
    /// Those whose node has ended or can't be reached, and who may still have something in hand.
    left: Vec<(NodeId, Member)>,
    may_hold: MayHold,
    /// Those who have ended and of whom something is still to be taken back.
    dead: Vec<Member>,
    /// Nobody comes any more.
    is_closed: bool,
}

impl<S: Shape> SharedOwner<S> {
    /// Makes the object in memory of the node of `runtime`.
    pub(crate) fn make(runtime: &Arc<Runtime>, options: S::Options) -> io::Result<Self> {
        if let Some(reason) = S::fault(&options) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let bytes = S::bytes(&options).ok_or_else(too_large)?;
        let place = runtime.memory.allocate(runtime.id, bytes)?;
        let holds = Arc::clone(&runtime.holds);
        Self::new(options, place, Box::new(move |node| holds.is_open(node)))
    }

    /// Lays the object out at `place`.
    pub(super) fn new(options: S::Options, place: memory::Place, may_hold: MayHold) -> io::Result<Self> {
        let words = S::begin(&options, place.block.clone()).ok_or_else(too_large)?;
        let (members, entries) = (Slab::new(), BTreeMap::new());
        Ok(Self {
            options,
            place,
            words,
            members,
            entries,
            last: OWNER,
            left: Vec::new(),
            may_hold,
            dead: Vec::new(),
            is_closed: false,
        })
    }

    fn stay(&mut self, asker: Asker, key: u64, node: NodeId, pid: u32) -> Option<Reply<S::Options>> {
        if self.is_closed {
            return Some(Reply::Gone);
        }
        let most = S::most_members(&self.options);
        let full = Some(Reply::Full { most: most as u64 });
        // A number is of no other process ever; and there are more than anybody comes to.
        let Some(number) = self.last.checked_add(1).filter(|_| self.members.len() < most) else {
            return full;
        };
        self.last = number;
        let joined = Joined { number: self.last, node, pid, key };
        let entry = self.members.insert(joined);
        if !S::join(&self.words, Member { number: self.last, entry }) {
            self.members.remove(entry);
            return full;
        }
        self.entries.insert(asker, entry);
        None
    }

    fn attach(&self, key: u64, mapped: &[u32]) -> Reply<S::Options> {
        if self.is_closed {
            return Reply::Gone;
        }
        let Some((entry, joined)) = self.members.iter().find(|(_, joined)| joined.key == key) else {
            return Reply::Full { most: S::most_members(&self.options) as u64 };
        };
        let place = &self.place;
        let is_new = !mapped.contains(&place.slab);
        let rights: Rights = is_new.then(|| Arc::clone(&place.memory)).into_iter().collect();
        Reply::Attached(Place {
            slab: place.slab,
            slab_bytes: place.block.region().len() as u64,
            at: place.block.at() as u64,
            bytes: place.block.len() as u64,
            number: joined.number,
            entry: entry as u64,
            options: self.options.clone(),
            memory: Parcel { rights, ..Parcel::default() },
        })
    }

    fn who(&self, numbers: &[u32]) -> Vec<Option<(NodeId, u32)>> {
        let find = |number: &u32| {
            let joined = self.members.iter().find(|(_, joined)| joined.number == *number);
            joined.map(|(_, joined)| (joined.node, joined.pid))
        };
        numbers.iter().map(find).collect()
    }

    /// Tells all members that it is over.
    fn tell_all(&self, effects: &mut Effects<Reply<S::Options>>) {
        for asker in self.entries.keys() {
            effects.reply(*asker, Reply::Gone);
        }
    }

    /// Takes back what the dead held, as far as nobody is inside.
    fn recover(&mut self, effects: &mut Effects<Reply<S::Options>>) {
        if self.is_closed {
            // Nobody gets anything any more, so nothing is taken from anybody who lives.
            return;
        }
        // The cell is ticked when one of these has let go.
        fault!(NotTakenBack, self.left.clear());
        let may_hold = &self.may_hold;
        let gone = self.left.extract_if(.., |(node, _)| !may_hold(*node));
        self.dead.extend(gone.map(|(_, member)| member));
        let owner = Holder { member: OWNER, thread: this_thread() };
        let (words, members) = (&self.words, &mut self.members);
        self.dead.retain(|dead| {
            let done = S::recover(words, *dead, owner);
            if done {
                // From here on its entry may be another's.
                members.remove(dead.entry);
            }
            !done
        });
        if !self.dead.is_empty() {
            effects.tick_after(AGAIN_AFTER);
        }
    }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no object of that size or type can lie in shared memory")
}

impl<S: Shape> Owner for SharedOwner<S> {
    const KIND: &'static str = S::KIND;

    type Ask = Ask;
    type Reply = Reply<S::Options>;

    fn handle(&mut self, asker: Asker, ask: Ask, _: Instant, effects: &mut Effects<Self::Reply>) {
        let reply = match ask {
            Ask::Stay { key, node, pid } => self.stay(asker, key, node, pid),
            Ask::Attach { key, mapped } => Some(self.attach(key, &mapped)),
            // All have been told.
            Ask::Close if self.is_closed => Some(Reply::Gone),
            Ask::Close => {
                self.is_closed = true;
                self.tell_all(effects);
                effects.end();
                Some(Reply::Gone)
            }
            Ask::Who { numbers } => Some(Reply::Members(self.who(&numbers))),
        };
        if let Some(reply) = reply {
            effects.reply(asker, reply);
        }
    }

    fn forget(&mut self, asker: Asker, effects: &mut Effects<Self::Reply>) {
        let Some(entry) = self.entries.remove(&asker) else { return };
        self.dead.push(Member { number: self.members[entry].number, entry });
        self.recover(effects);
    }

    /// Its node has ended, but its process may live, with something in hand.
    fn lose(&mut self, asker: Asker, effects: &mut Effects<Self::Reply>) {
        let Some(entry) = self.entries.remove(&asker) else { return };
        let Joined { number, node, .. } = self.members[entry];
        let member = Member { number, entry };
        if !S::IS_KEPT {
            // All at once. Its entry is another's only when no thread of that process can take it for its own.
            S::recover(&self.words, member, Holder { member: OWNER, thread: this_thread() });
        }
        self.left.push((node, member));
        self.recover(effects);
    }

    fn tick(&mut self, _: Instant, effects: &mut Effects<Self::Reply>) {
        self.recover(effects);
    }

    fn node_ends(&mut self, effects: &mut Effects<Self::Reply>) {
        // Nobody would take back what the dead held.
        self.is_closed = true;
        self.tell_all(effects);
    }
}

#[cfg(any(test, fuzzing))]
impl<S: Shape> SharedOwner<S> {
    /// # Panics
    ///
    /// If its members are others than those, in order, or one of them stands in none of its books, or in two.
    pub(super) fn check(&self, expected: impl Iterator<Item = u32>) {
        let left: Vec<Member> = self.left.iter().map(|(_, member)| *member).collect();
        let gone = || left.iter().chain(&self.dead);
        assert!(gone().all(|member| self.members[member.entry].number == member.number));
        let mut entries: Vec<usize> = self.entries.values().copied().collect();
        entries.extend(gone().map(|member| member.entry));
        entries.sort_unstable();
        assert!(entries.into_iter().eq(self.members.iter().map(|(entry, _)| entry)), "members and books");
        let mut numbers: Vec<u32> = self.members.iter().map(|(_, joined)| joined.number).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(expected), "who is a member");
    }
}

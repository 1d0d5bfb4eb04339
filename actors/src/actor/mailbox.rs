//! Messages that wait for one actor, from this node and from others, and whoever waits for room.
//!
//! A plain structure under its cell's lock. Each sending node has the whole capacity for itself: so none can keep another from
//! sending, and what a node may have under way is known without asking. Only a mailbox that drops the oldest has one room for
//! all, and tells senders of room as soon as their messages have come. Nothing here decodes a message.

mod parts;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use callboard_core::{ByteStrings, NodeId, Slot};
use callboard_ipc::coarse_nanos;
use slab::Slab;

use super::in_hand::Held;
use super::news::News;
use super::wire::{self, Head};
use crate::hook::{Hook, Hooks};
use crate::parcel::Rights;
use crate::peer::Peer;

pub(super) use self::parts::{Capacity, Closed, Dropped, Load, Next, Room};

enum Entry<M> {
    Moved {
        message: M,
        deadline: Option<Instant>,
        since: u64,
    },
    /// From another node, as it came.
    Frame {
        source: usize,
        is_headed: bool,
        bytes: Vec<u8>,
        at: usize,
        rights: Rights,
        since: u64,
    },
    /// It was in hand when a former life failed.
    Again(Held),
    /// News for the actor, which take no room: there is one for each watch, link and timer at most.
    News(News),
}

/// Where messages come from.
struct Source {
    peer: Arc<Peer>,
    /// Of the sender.
    slot: Slot,
    waiting: Load,
    /// Handled, and not told to the sender yet.
    handled: Load,
    /// Its node has ended: it goes with its last message.
    has_left: bool,
    /// It waits for room, be it little.
    wants_room: bool,
}

pub(super) struct Mailbox<M> {
    entries: VecDeque<Entry<M>>,
    pub(super) capacity: Capacity,
    /// Messages of this node.
    pub(super) moved: u64,
    /// All that wait. Bytes are those of encoded ones.
    waiting: Load,
    room: Hooks,
    /// None until another node sends something.
    sources: Option<Box<Slab<Source>>>,
    /// Those that made room, until they are taken.
    #[expect(clippy::box_collection, reason = "eight bytes less in each of a million")]
    dropped: Option<Box<Vec<Dropped<M>>>>,
}

impl<M> Mailbox<M> {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            entries: VecDeque::new(),
            capacity,
            moved: 0,
            waiting: Load::default(),
            room: Hooks::default(),
            sources: None,
            dropped: None,
        }
    }

    fn sources(&mut self) -> &mut Slab<Source> {
        self.sources.get_or_insert_default()
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> Load {
        self.waiting
    }

    /// Since when the oldest message waits, in nanoseconds of the coarse clock.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Moved { since, .. } | Entry::Frame { since, .. } => Some(*since),
            Entry::Again(_) | Entry::News(_) => None,
        })
    }

    /// Adds news, behind the messages that have come.
    pub(super) fn tell(&mut self, news: News) {
        self.entries.push_back(Entry::News(news));
    }

    /// Takes out the news of a former life.
    pub(super) fn forget_news(&mut self) {
        self.entries.retain(|entry| !matches!(entry, Entry::News(_)));
    }

    /// Has a message handled once more, before all others. It takes no room: there is one at most.
    pub(super) fn again(&mut self, held: Held) {
        self.entries.push_front(Entry::Again(held));
    }

    /// Those that made room since the last time.
    pub(super) fn take_dropped(&mut self) -> Vec<Dropped<M>> {
        self.dropped.take().map(|dropped| *dropped).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    // ---- this node's own -------------------------------------------------------------------------

    /// Adds a message of this node. Without room it comes back, and `hook` is notified when there is some.
    pub(super) fn push(
        &mut self,
        message: M,
        deadline: Option<Instant>,
        hook: Option<&Hook>,
    ) -> Result<(), M> {
        if self.moved >= self.capacity.moved && !self.capacity.drops_oldest {
            if let Some(hook) = hook {
                self.room.add(hook);
            }
            return Err(message);
        }
        self.moved += 1;
        self.waiting.messages += 1;
        self.entries.push_back(Entry::Moved { message, deadline, since: coarse_nanos() });
        self.make_room();
        Ok(())
    }

    /// The oldest go until the others have room, if it is that kind of mailbox.
    fn make_room(&mut self) {
        let Capacity { messages, bytes, drops_oldest, .. } = self.capacity;
        let is_full =
            |waiting: Load| waiting.messages > messages || (waiting.bytes > bytes && waiting.messages > 1);
        while drops_oldest && is_full(self.waiting) {
            let is_message = |entry: &Entry<M>| matches!(entry, Entry::Moved { .. } | Entry::Frame { .. });
            let Some(at) = self.entries.iter().position(is_message) else { return };
            let Entry::Frame { source, is_headed, bytes, at: from, rights, .. } = &mut self.entries[at]
            else {
                let removed = self.entries.remove(at);
                self.moved -= 1;
                self.waiting.messages -= 1;
                if let Some(Entry::Moved { message, .. }) = removed {
                    self.dropped.get_or_insert_default().push(Dropped::Moved(message));
                }
                continue;
            };
            let mut strings = ByteStrings::new(&bytes[*from..]);
            let message = strings.next().and_then(Result::ok).unwrap_or_default();
            let head = if *is_headed { Head::read(message) } else { None };
            let (key, len) = (*source, message.len() as u64);
            *from += strings.position();
            *rights = Rights::default();
            let is_last = *from >= bytes.len();
            self.dropped
                .get_or_insert_default()
                .push(Dropped::Encoded(head.map(|(head, _)| head.replies).unwrap_or_default()));
            if is_last {
                self.entries.remove(at);
            }
            self.taken(key, len);
        }
    }

    /// Nobody waits for room by `hook` any more. If it was notified already, another is in its place.
    pub(super) fn forget(&mut self, hook: &Hook) {
        self.room.remove(hook);
    }

    // ---- other nodes' ----------------------------------------------------------------------------

    /// The source of what `slot` of `peer` sends, and whether it is new.
    fn source(&mut self, peer: &Arc<Peer>, slot: Slot) -> Result<(usize, bool), String> {
        if let Some((key, source)) = self.sources().iter().find(|(_, source)| source.peer.id == peer.id) {
            // A node has one slot for all that it sends to an actor: a second one would have its room once more.
            let is_it = source.slot == slot;
            return is_it.then_some((key, false)).ok_or("a node sends to an actor from two slots".to_owned());
        }
        let source = Source {
            peer: Arc::clone(peer),
            slot,
            waiting: Load::default(),
            handled: Load::default(),
            has_left: false,
            wants_room: false,
        };
        Ok((self.sources().insert(source), true))
    }

    /// Adds what came from another node, messages one after the other. The room that it has from now on, if it is new.
    ///
    /// # Errors
    ///
    /// What no sound node sends.
    pub(super) fn receive(
        &mut self,
        peer: &Arc<Peer>,
        slot: Slot,
        is_headed: bool,
        body: &[u8],
        rights: Rights,
    ) -> Result<Option<Room>, String> {
        let mut load = Load::default();
        let mut last = 0;
        for message in ByteStrings::new(body) {
            let message = message.map_err(|error| format!("messages for an actor: {error}"))?;
            if is_headed && Head::read(message).is_none() {
                return Err("a message for an actor has no head".to_owned());
            }
            load.messages += 1;
            last = message.len() as u64;
            load.bytes += last;
        }
        if !rights.is_empty() && load.messages != 1 {
            return Err("messages for an actor: descriptors come with one message alone".to_owned());
        }
        if load.messages == 0 {
            return Ok(None);
        }
        let capacity = self.capacity;
        let (key, is_new) = self.source(peer, slot)?;
        let source = &mut self.sources()[key];
        match capacity.admits(load, last, source.waiting, source.handled) {
            Ok(waiting) => source.waiting = waiting,
            Err(why) => {
                // Nobody would tell of its end if this was its first.
                if is_new {
                    self.sources().remove(key);
                }
                return Err(why);
            }
        }
        self.waiting.messages += load.messages;
        self.waiting.bytes += load.bytes;
        let (bytes, since) = (body.to_vec(), coarse_nanos());
        self.entries.push_back(Entry::Frame { source: key, is_headed, bytes, at: 0, rights, since });
        let room = if capacity.drops_oldest { self.settled(key, load) } else { None };
        self.make_room();
        // The first message came without asking, and is counted.
        let first = Load { messages: capacity.messages - wire::FIRST_MESSAGES, bytes: capacity.bytes };
        let first = is_new.then(|| Room { peer: Arc::clone(peer), slot, load: first });
        Ok(first.into_iter().chain(room).reduce(|first, more| {
            let (one, other) = (first.load, more.load);
            let load = Load { messages: one.messages + other.messages, bytes: one.bytes + other.bytes };
            Room { load, ..first }
        }))
    }

    /// A node has ended; what it had sent is handled still.
    pub(super) fn left(&mut self, peer: NodeId) {
        let of_it = self.sources().iter().filter(|(_, source)| source.peer.id == peer);
        let left: Vec<usize> = of_it.map(|(key, _)| key).collect();
        for key in left {
            self.sources()[key].has_left = true;
            self.remove_if_done(key);
        }
    }

    fn remove_if_done(&mut self, key: usize) {
        let source = &self.sources()[key];
        if source.has_left && source.waiting.messages == 0 {
            self.sources().remove(key);
        }
    }

    // ---- the actor -------------------------------------------------------------------------------

    /// Takes the next message, an encoded one into `into`; with it those who wait for room here, and the room that a sender
    /// elsewhere is to be told of.
    pub(super) fn pop(&mut self, into: &mut Vec<u8>) -> Option<(Next<M>, Vec<Hook>, Option<Room>)> {
        let Some(Entry::Frame { source, is_headed, bytes, at, rights, .. }) = self.entries.front_mut() else {
            return match self.entries.pop_front()? {
                Entry::Moved { message, deadline, .. } => {
                    self.moved -= 1;
                    self.waiting.messages -= 1;
                    Some((Next::Moved { message, deadline }, self.room.take(), None))
                }
                Entry::News(news) => Some((Next::News(news), Vec::new(), None)),
                Entry::Again(held) => Some((Next::Again(held), Vec::new(), None)),
                Entry::Frame { .. } => None,
            };
        };
        let mut strings = ByteStrings::new(&bytes[*at..]);
        let message = strings.next().and_then(Result::ok).unwrap_or_default();
        let (head, content) = match is_headed {
            true => Head::read(message).unwrap_or_default(),
            false => (Head::default(), message),
        };
        into.clear();
        into.extend_from_slice(content);
        let (key, len) = (*source, message.len() as u64);
        *at += strings.position();
        let rights = std::mem::take(rights);
        if *at >= bytes.len() {
            self.entries.pop_front();
        }
        let load = Load { messages: 1, bytes: len };
        let room = if self.capacity.drops_oldest { None } else { self.settled(key, load) };
        self.taken(key, len);
        Some((Next::Encoded { head, rights }, Vec::new(), room))
    }

    /// A sender waits for room.
    pub(super) fn wants_room(&mut self, peer: NodeId, slot: Slot) {
        for (_, source) in self.sources.iter_mut().flat_map(|sources| sources.iter_mut()) {
            source.wants_room |= source.peer.id == peer && source.slot == slot;
        }
    }

    /// The room of those senders who wait for it, be it little.
    pub(super) fn wanted_room(&mut self) -> Vec<Room> {
        let mut rooms = Vec::new();
        for (_, source) in self.sources.iter_mut().flat_map(|sources| sources.iter_mut()) {
            if source.wants_room && source.handled.messages > 0 && !source.has_left {
                source.wants_room = false;
                let load = std::mem::take(&mut source.handled);
                rooms.push(Room { peer: Arc::clone(&source.peer), slot: source.slot, load });
            }
        }
        rooms
    }

    /// A message from elsewhere has been taken out.
    fn taken(&mut self, key: usize, bytes: u64) {
        self.waiting.messages -= 1;
        self.waiting.bytes -= bytes;
        let source = &mut self.sources()[key];
        source.waiting.messages -= 1;
        source.waiting.bytes -= bytes;
        self.remove_if_done(key);
    }

    /// Counts messages whose room is free for others. Their sender is told of half its room at a time.
    fn settled(&mut self, key: usize, load: Load) -> Option<Room> {
        let capacity = self.capacity;
        let source = &mut self.sources()[key];
        source.handled.messages += load.messages;
        source.handled.bytes += load.bytes;
        let handled = source.handled;
        let is_much = 2 * handled.messages >= capacity.messages || 2 * handled.bytes >= capacity.bytes;
        (is_much && !source.has_left).then(|| {
            let load = std::mem::take(&mut source.handled);
            source.wants_room = false;
            Room { peer: Arc::clone(&source.peer), slot: source.slot, load }
        })
    }

    /// Takes everything out: what is dropped, whom to tell elsewhere, and whom here.
    pub(super) fn close(&mut self) -> Closed<M> {
        let mut dropped = Closed {
            moved: Vec::new(),
            replies: Vec::new(),
            again: Vec::new(),
            senders: Vec::new(),
            hooks: self.room.take(),
        };
        for entry in self.entries.drain(..) {
            match entry {
                Entry::Moved { message, .. } => dropped.moved.push(message),
                Entry::Frame { is_headed: true, bytes, at, .. } => {
                    for message in ByteStrings::new(&bytes[at..]).map_while(Result::ok) {
                        if let Some((head, _)) = Head::read(message) {
                            dropped.replies.extend(head.replies);
                        }
                    }
                }
                Entry::Again(held) => dropped.again.push(held),
                Entry::Frame { .. } | Entry::News(_) => {}
            }
        }
        (self.moved, self.waiting) = (0, Load::default());
        if let Some(mut sources) = self.sources.take() {
            dropped.senders.extend(sources.drain().map(|source| (source.peer, source.slot)));
        }
        dropped
    }
}

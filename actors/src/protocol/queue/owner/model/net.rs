//! The model's world: what is under way, and what has become of every item.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use callboard_core::{Address, NodeId, Slot};
use foldhash::{HashMap, HashSet};

use super::super::super::wire::{Amount, Refusal, Reply, ToClient, ToOwner};
use super::super::{ClientId, Direct, Owner, World};
use super::fate::{Fate, item_id};
use super::peer::{Got, Peer, Tell, Up, last_open};
use crate::parcel::Rights;

pub(super) struct Net {
    pub(super) peers: Vec<Peer>,
    pub(super) now: Instant,
    nodes: u64,
    items: u64,
    pub(super) fates: HashMap<u64, Fate>,
    /// How many of them are the owner's.
    pub(super) owned: usize,
    /// What is waiting by what the owner said about it.
    pub(super) open_offers: HashMap<ClientId, BTreeMap<u64, u64>>,
    /// What is asked for and not delivered, by what the owner was told.
    pub(super) demand: HashMap<ClientId, i64>,
    /// The newest item of each producer that has been delivered.
    delivered: HashMap<u64, u64>,
    pub(super) is_fifo: bool,
    /// All that have been delivered.
    seen: HashSet<u64>,
    /// How often user code has had an item on a lease.
    handed: HashMap<u64, u32>,
    /// Those told of the end in this step.
    pub(super) ended: Vec<ClientId>,
    /// Somebody was told in this step that all is settled.
    pub(super) has_joined: bool,
    /// Counts marks, to let a take come just before or just after one.
    marks: usize,
}

impl Net {
    pub(super) fn new(peers: usize) -> Net {
        let mut net = Net {
            peers: Vec::new(),
            now: Instant::now(),
            nodes: 0,
            items: 0,
            fates: HashMap::default(),
            owned: 0,
            open_offers: HashMap::default(),
            demand: HashMap::default(),
            delivered: HashMap::default(),
            is_fifo: true,
            seen: HashSet::default(),
            handed: HashMap::default(),
            ended: Vec::new(),
            has_joined: false,
            marks: 0,
        };
        for at in 0..peers {
            let peer = Peer::new(net.next_id(), at == 0);
            net.peers.push(peer);
        }
        net
    }

    fn next_id(&mut self) -> ClientId {
        self.nodes += 1;
        Address { node: NodeId::new(self.nodes).unwrap(), slot: Slot { index: 0, generation: 1 } }
    }

    fn peer(&mut self, id: ClientId) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|p| p.id == id && p.is_alive)
    }

    fn tell(&mut self, to: ClientId, tell: Tell) {
        if let Some(peer) = self.peer(to) {
            peer.down.push_back(tell);
        }
    }

    fn set_fate(&mut self, item: u64, from: Fate, to: Fate) {
        let before = self.fates.insert(item, to);
        self.owned = self.owned + usize::from(to == Fate::Owned) - usize::from(from == Fate::Owned);
        assert_eq!(before, Some(from), "item {item:x} becomes {to:?}");
    }

    pub(super) fn put(&mut self, at: usize, count: usize, size: usize) {
        let items = self.make(at, count, size);
        self.peers[at].put(items);
    }

    /// New items of a client, unless it knows that they would be refused.
    fn make(&mut self, at: usize, count: usize, size: usize) -> Vec<Vec<u8>> {
        let peer = &mut self.peers[at];
        if peer.knows_closed {
            return Vec::new();
        }
        let items = (0..count).map(|_| {
            self.items += 1;
            let id = peer.id.node.get() << 32 | self.items;
            self.fates.insert(id, Fate::Sent);
            let mut bytes = id.to_le_bytes().to_vec();
            bytes.resize(8 + size, 7);
            bytes
        });
        items.collect()
    }

    /// A put by a client beside the owner, of which nothing is under way. What finds no room is offered.
    pub(super) fn put_directly(&mut self, owner: &mut Owner, at: usize, size: usize) {
        let Some(item) = self.make(at, 1, size).pop() else {
            return;
        };
        let number = item_id(&item);
        self.set_fate(number, Fate::Sent, Fate::Owned);
        match owner.put_directly(self.peers[at].id, &item[..], self) {
            Direct::Put => {}
            Direct::NoRoom => {
                self.set_fate(number, Fate::Owned, Fate::Sent);
                self.peers[at].put(vec![item]);
                self.arrive(owner, at);
            }
            Direct::Closed => self.set_fate(number, Fate::Owned, Fate::Refused),
        }
    }

    pub(super) fn take(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        let seq = peer.taken;
        let Some(got) = peer.inbox.pop_front() else {
            return;
        };
        peer.taken += 1;
        if std::mem::take(&mut peer.mark) {
            peer.say(ToOwner::Took);
        }
        let item = item_id(&got.bytes);
        if let Some(attempt) = got.attempt {
            peer.leases.push(seq);
            let handed = self.handed.entry(item).or_default();
            assert!(attempt <= *handed + 1, "an attempt that nobody made");
            *handed += 1;
        } else {
            self.set_fate(item, Fate::Owned, Fate::Got);
        }
    }

    /// Ends a client at once, with the last `lost` of its messages still in its outbox.
    pub(super) fn kill(&mut self, at: usize, lost: usize) {
        let peer = &mut self.peers[at];
        peer.is_alive = false;
        peer.down.clear();
        let from = peer.up.len().saturating_sub(lost);
        let lost: Vec<Up> = peer.up.drain(from..).collect();
        peer.up.push_back(Up::Down);
        for up in lost {
            if let Up::Put(items) | Up::Offer(items) = up {
                for item in items {
                    self.set_fate(item_id(&item), Fate::Sent, Fate::Vanished);
                }
            }
        }
    }

    pub(super) fn pass(&mut self, owner: &mut Owner, time: Duration) {
        self.now += time;
        if owner.next_deadline().is_some_and(|at| at <= self.now) {
            owner.tick(self);
        }
        if owner.is_starving() {
            for idle in owner.idle_holders(self) {
                self.tell(idle, Tell::Say(ToClient::Recall));
            }
        }
    }

    pub(super) fn bring_back(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        if let Some(tell) = peer.down.pop_front() {
            peer.hear(tell);
        }
    }

    pub(super) fn arrive(&mut self, owner: &mut Owner, at: usize) {
        let id = self.peers[at].id;
        match self.peers[at].up.pop_front() {
            None => {}
            Some(Up::Put(items)) => {
                self.own(&items);
                let items = items.iter().map(|i| &i[..]);
                owner.put(id, items, self).expect("in order");
            }
            Some(Up::Offer(items)) => {
                self.own(&items);
                let open = self.open_offers.entry(id).or_default();
                let first = owner.next_offer(id);
                open.extend((first..).zip(items.iter().map(|item| item_id(item))));
                let items = items.iter().map(|i| &i[..]);
                owner.offer(id, items, self).expect("in order");
            }
            Some(Up::Say(message)) => self.say(owner, id, message),
            Some(Up::Down) => {
                self.demand.remove(&id);
                for item in self.open_offers.remove(&id).unwrap_or_default().into_values() {
                    self.set_fate(item, Fate::Owned, Fate::Vanished);
                }
                owner.down(id, self);
                self.peers[at] = Peer::new(self.next_id(), self.peers[at].is_beside);
            }
        }
    }

    fn own(&mut self, items: &[Vec<u8>]) {
        for item in items {
            self.set_fate(item_id(item), Fate::Sent, Fate::Owned);
        }
    }

    fn say(&mut self, owner: &mut Owner, id: ClientId, message: ToOwner) {
        let mut stale = 0;
        match &message {
            ToOwner::Want { count, .. } => {
                *self.demand.entry(id).or_default() += *count as i64;
            }
            ToOwner::GiveBack { .. } => {
                self.demand.remove(&id);
            }
            ToOwner::Ack { runs } => {
                stale = runs.len() as u64;
                for (seq, item) in owner.in_hand(id, self.taken(id)) {
                    if runs.iter().any(|run| run.first == seq) {
                        self.set_fate(item, Fate::Owned, Fate::Acked);
                        stale -= 1;
                    }
                }
            }
            _ => {}
        }
        let reply = match &message {
            // By number, as those who want no answer do.
            ToOwner::Ack { runs } if runs.len() % 2 == 1 => {
                owner.acked(id, runs.iter().map(|run| run.first), self).expect("in order");
                None
            }
            _ => owner.handle(id, message.clone(), self).expect("in order"),
        };
        match (&message, &reply) {
            (ToOwner::Withdraw(run), Some(Reply::Withdrawn { count })) => {
                let open = self.open_offers.entry(id).or_default();
                let numbers = last_open(open, *run, *count);
                assert_eq!(numbers.len() as u64, *count);
                let items: Vec<_> = numbers.iter().filter_map(|n| open.remove(n)).collect();
                for item in items {
                    self.set_fate(item, Fate::Owned, Fate::Withdrawn);
                }
            }
            (ToOwner::Ack { .. }, Some(reply)) => assert_eq!(*reply, Reply::Settled { stale }),
            (_, Some(Reply::Fetched { count, .. })) => {
                *self.demand.entry(id).or_default() += *count as i64;
            }
            (_, Some(Reply::DeadLetters { letters, .. })) => {
                for letter in letters {
                    self.set_fate(item_id(&letter.item), Fate::Owned, Fate::Dead);
                }
            }
            _ => {}
        }
        if let Some(reply) = reply {
            self.tell(id, Tell::Reply(reply));
        }
    }

    fn note_delivery(&mut self, to: ClientId, first: u64, items: Vec<Got>) {
        for got in &items {
            let item = item_id(&got.bytes);
            assert_eq!(self.fates[&item], Fate::Owned, "what is delivered was put");
            let newest = self.delivered.entry(item >> 32).or_default();
            // What comes again may come late; what comes first comes in order.
            let is_first = item > *newest;
            assert!(!self.is_fifo || is_first || self.seen.contains(&item), "out of order");
            *newest = item.max(*newest);
            self.seen.insert(item);
        }
        *self.demand.entry(to).or_default() -= items.len() as i64;
        self.tell(to, Tell::Items(first, items));
    }

    /// Every item has met its last fate.
    pub(super) fn is_settled(&self) -> bool {
        let is_open = |fate: &Fate| matches!(fate, Fate::Sent | Fate::Owned);
        !self.fates.values().any(is_open)
    }

    /// What a client has in truth handed to user code.
    pub(super) fn word(&self, id: ClientId) -> u64 {
        let peer = self.peers.iter().find(|p| p.id == id);
        peer.map_or(0, |p| p.taken)
    }
}

impl World for Net {
    fn now(&self) -> Instant {
        self.now
    }

    fn taken(&self, client: ClientId) -> u64 {
        self.word(client)
    }

    /// The consumer runs at the same time as the owner: it may take before the mark, or at once after.
    fn watch(&mut self, client: ClientId) {
        let Some(at) = self.peers.iter().position(|p| p.id == client && p.is_alive) else { return };
        self.marks += 1;
        if self.marks.is_multiple_of(3) {
            self.take(at);
        }
        self.peers[at].mark = true;
        if self.marks.is_multiple_of(5) {
            self.take(at);
        }
    }

    fn deliver<'a>(&mut self, to: ClientId, first_seq: u64, items: impl ExactSizeIterator<Item = &'a [u8]>) {
        let got = items.map(|bytes| Got { bytes: bytes.to_vec(), attempt: None });
        self.note_delivery(to, first_seq, got.collect());
    }

    fn deliver_parcel(&mut self, to: ClientId, seq: u64, item: &[u8], _: &Rights) {
        self.deliver(to, seq, std::iter::once(item));
    }

    fn deliver_leased<'a>(
        &mut self,
        to: ClientId,
        first_seq: u64,
        items: impl ExactSizeIterator<Item = (&'a [u8], u32)>,
    ) {
        let got = items.map(|(bytes, attempt)| Got { bytes: bytes.to_vec(), attempt: Some(attempt) });
        self.note_delivery(to, first_seq, got.collect());
    }

    fn grant(&mut self, to: ClientId, credit: Amount) {
        self.tell(to, Tell::Say(ToClient::Grant(credit)));
    }

    fn revoke(&mut self, from: ClientId) {
        self.tell(from, Tell::Say(ToClient::Revoke));
    }

    fn admitted(&mut self, to: ClientId, below: u64) {
        self.open_offers.entry(to).or_default().retain(|&number, _| number >= below);
        self.tell(to, Tell::Say(ToClient::Admitted { below }));
    }

    fn refused(&mut self, to: ClientId, refusal: Refusal) {
        let open = self.open_offers.entry(to).or_default();
        let hit = open.range(refusal.first..).take(refusal.count as usize);
        let hit: Vec<u64> = hit.map(|(n, _)| *n).collect();
        assert_eq!(hit.len() as u64, refusal.count, "only open offers are refused");
        for number in hit {
            let item = self.open_offers.get_mut(&to).and_then(|o| o.remove(&number));
            self.set_fate(item.expect("it was open"), Fate::Owned, Fate::Refused);
        }
        self.tell(to, Tell::Say(ToClient::Refused(refusal)));
    }

    fn ended(&mut self, to: ClientId) {
        self.demand.remove(&to);
        self.ended.push(to);
        self.tell(to, Tell::Say(ToClient::Ended));
    }

    fn closed(&mut self, to: ClientId) {
        self.tell(to, Tell::Say(ToClient::Closed));
    }

    fn joined(&mut self, to: ClientId, token: u64) {
        self.has_joined = true;
        self.tell(to, Tell::Say(ToClient::Joined { token }));
    }
}

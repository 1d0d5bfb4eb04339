//! The owner's machine in a slot of the node that created the queue.
//!
//! Messages from other nodes come through `receive`, those of this node's own handles through the methods named
//! `_here`. Effects for peers are appended to their outboxes while the cell is locked, which fixes their order; threads of
//! this node are woken after it.

use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use callboard_core::{Address, ByteStrings, Kind, NodeId, Slot, decode};
use foldhash::HashMap;
use parking_lot::Mutex;

use super::client::{After, Client};
use super::effects::{Effects, Place};
use super::line::{ACKED, Envelope, OFFERED, slot_of};
use super::owner::{ClientId, Direct, Item, Owner, Settings};
use super::wire::{Reply, ToClient, ToOwner};
use crate::call;
use crate::cell::{Cell, Incoming, Violation};
use crate::peer::Peer;
use crate::runtime::{Runtime, Tick};

/// How long a consumer waits beside items that others have prefetched and do not take, before they are called back.
const RECALL_AFTER: Duration = Duration::from_millis(20);

/// How many clients one node may have of a queue. It has one for gets and puts and one for leases, and a moment later others.
const MAX_CLIENTS: usize = 64;

struct State {
    owner: Owner,
    places: HashMap<ClientId, Place>,
    tick: Tick,
    /// When idle holders are looked for, while somebody starves.
    recall_at: Option<Instant>,
}

pub(super) struct QueueCell {
    address: Address,
    state: Mutex<State>,
}

impl std::fmt::Debug for QueueCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QueueCell({})", self.address)
    }
}

impl QueueCell {
    /// Creates a queue on this node.
    pub(super) fn create(runtime: &Arc<Runtime>, settings: Settings) -> Arc<Self> {
        runtime.add_cell(|slot| {
            Arc::new(Self {
                address: Address { node: runtime.id, slot },
                state: Mutex::new(State {
                    owner: Owner::new(settings),
                    places: HashMap::default(),
                    tick: Tick::default(),
                    recall_at: None,
                }),
            })
        })
    }

    /// The queue in a slot of this node, if that is what it holds.
    pub(super) fn of(cell: Arc<dyn Cell>) -> Option<Arc<Self>> {
        cell.into_any().downcast().ok()
    }

    pub(super) fn address(&self) -> Address {
        self.address
    }

    /// Runs the owner on behalf of `client`, then what must happen outside the lock.
    ///
    /// `place` says where the client is, if it has not been heard of before.
    fn run<R>(
        &self,
        runtime: &Arc<Runtime>,
        client: ClientId,
        place: impl FnOnce() -> Place,
        mut after: After,
        with: impl FnOnce(&mut Owner, &mut Effects<'_>) -> R,
    ) -> R {
        let result = {
            let mut state = self.state.lock();
            let State { owner, places, .. } = &mut *state;
            let is_new = match places.entry(client) {
                Entry::Occupied(_) => false,
                Entry::Vacant(vacant) => {
                    vacant.insert(place());
                    true
                }
            };
            let result = with(owner, &mut Effects { runtime, places, after: &mut after });
            if is_new && !owner.knows(client) {
                // The answer of one that has left to what crossed its farewell.
                places.remove(&client);
            }
            state.tick_when_due(runtime, self.address.slot);
            result
        };
        after.run(runtime);
        result
    }

    /// How many clients it knows.
    #[cfg(any(test, fuzzing))]
    pub(super) fn places(&self) -> usize {
        self.state.lock().places.len()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        self.state.lock().owner.check();
    }

    // ---- this node's own clients -----------------------------------------------------------------

    /// Puts an item for a client of this node, if there is room.
    pub(super) fn put_here(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        item: impl Into<Item>,
    ) -> Direct {
        self.run_here(runtime, client, |owner, effects| owner.put_directly(client.id, item, effects))
    }

    /// Settles a lease of a client of this node.
    pub(super) fn ack_here(&self, runtime: &Arc<Runtime>, client: &Arc<Client>, seq: u64) {
        let acked = self.run_here(runtime, client, |owner, effects| {
            owner.acked(client.id, std::iter::once(seq), effects)
        });
        debug_assert!(acked.is_ok(), "our own handles keep to the rules: {acked:?}");
    }

    /// Offers an item for a client of this node.
    pub(super) fn offer_here(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        item: impl Into<Item>,
        number: impl FnOnce() -> u64,
    ) -> u64 {
        self.run_here(runtime, client, |owner, effects| {
            let number = number();
            let offered = owner.offer(client.id, std::iter::once(item), effects);
            debug_assert!(offered.is_ok(), "our own handles keep to the rules: {offered:?}");
            number
        })
    }

    /// Handles a message of a client of this node; the reply, if it has one.
    pub(super) fn handle_here(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        message: ToOwner,
    ) -> Option<Reply> {
        let handled =
            self.run_here(runtime, client, |owner, effects| owner.handle(client.id, message, effects));
        debug_assert!(handled.is_ok(), "our own handles keep to the rules: {handled:?}");
        handled.ok().flatten()
    }

    /// Forgets a client of this node.
    pub(super) fn detach_here(&self, runtime: &Arc<Runtime>, client: &Arc<Client>) {
        self.run_here(runtime, client, |owner, effects| owner.down(client.id, effects));
        self.state.lock().places.remove(&client.id);
    }

    fn run_here<R>(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        with: impl FnOnce(&mut Owner, &mut Effects<'_>) -> R,
    ) -> R {
        self.run(runtime, client.id, || Place::Here(Arc::downgrade(client)), After::by_need(), with)
    }

    // ---- clients of other nodes ------------------------------------------------------------------

    fn items(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        let client = Address { node: from.id, slot: slot_of(incoming.word) };
        // Checked whole before any of it counts.
        for item in ByteStrings::new(incoming.body) {
            item.map_err(|error| format!("items for a queue: {error}"))?;
        }
        let mut items = ByteStrings::new(incoming.body).map_while(Result::ok);
        if !incoming.rights.is_empty() {
            let (Some(item), None) = (items.next(), items.next()) else {
                return Err("items for a queue: descriptors come with one item alone".to_owned());
            };
            let parcel = std::iter::once(Item::new(item, incoming.rights.into()));
            let done = self.run_there(runtime, from, client, |owner, effects| {
                if incoming.flags.contains(OFFERED) {
                    owner.offer(client, parcel, effects)
                } else {
                    owner.put(client, parcel, effects)
                }
            });
            return done;
        }
        self.run_there(runtime, from, client, |owner, effects| {
            if incoming.flags.contains(ACKED) {
                let seqs = items.map(|seq| seq.try_into().map_or(u64::MAX, u64::from_le_bytes));
                owner.acked(client, seqs, effects)
            } else if incoming.flags.contains(OFFERED) {
                owner.offer(client, items, effects)
            } else {
                owner.put(client, items, effects)
            }
        })
    }

    fn say(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        client: ClientId,
        message: ToOwner,
        incoming: &Incoming<'_>,
    ) -> Result<(), Violation> {
        // The reply is posted under the lock, right behind the effects that belong to it.
        self.run_there(runtime, from, client, |owner, effects| {
            let reply = owner.handle(client, message, effects)?;
            if let (Some(reply), Kind::Call) = (reply, incoming.kind) {
                call::reply(runtime, from, incoming.word, &reply);
            }
            Ok(())
        })
    }

    fn run_there<R>(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        client: ClientId,
        with: impl FnOnce(&mut Owner, &mut Effects<'_>) -> Result<R, super::owner::Violation>,
    ) -> Result<R, Violation> {
        let mut is_new = false;
        let place = || {
            is_new = true;
            from.interests(self.address.slot);
            Place::There { peer: Arc::clone(from), counter: None, unsent: std::cell::Cell::default() }
        };
        // This thread has just read, and writes when it is through with what it has read.
        let done = self.run(runtime, client, place, After::default(), with);
        if is_new {
            self.may_come(from)?;
        }
        done.map_err(|error| format!("a client of a queue {error}"))
    }

    /// Whether a node has no more clients than it may have.
    fn may_come(&self, from: &Arc<Peer>) -> Result<(), Violation> {
        let clients = self.state.lock().places.keys().filter(|client| client.node == from.id).count();
        if clients > MAX_CLIENTS {
            return Err(format!("more than {MAX_CLIENTS} clients of one node at one queue"));
        }
        Ok(())
    }

    fn attach(&self, from: &Arc<Peer>, client: ClientId, counter: u32) -> Result<(), Violation> {
        from.interests(self.address.slot);
        let counter = Some(counter);
        let place = Place::There { peer: Arc::clone(from), counter, unsent: std::cell::Cell::default() };
        self.state.lock().places.insert(client, place);
        self.may_come(from)
    }

    fn down(&self, runtime: &Arc<Runtime>, clients: &[ClientId]) {
        for client in clients {
            let gone = || Place::Here(Weak::new());
            self.run(runtime, *client, gone, After::default(), |owner, effects| owner.down(*client, effects));
            self.state.lock().places.remove(client);
        }
    }
}

impl Cell for QueueCell {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        if incoming.kind == Kind::Items {
            return self.items(runtime, from, incoming);
        }
        let envelope: Envelope =
            decode(incoming.body).map_err(|error| format!("a message for a queue: {error}"))?;
        let at = |slot: Slot| Address { node: from.id, slot };
        match envelope {
            Envelope::Attach { client, counter } => self.attach(from, at(client), counter),
            Envelope::Say { client, message } => self.say(runtime, from, at(client), message, &incoming),
            Envelope::Detach { client } => {
                self.down(runtime, &[at(client)]);
                call::reply(runtime, from, incoming.word, &());
                Ok(())
            }
        }
    }

    fn peer_ended(&self, runtime: &Arc<Runtime>, peer: NodeId) {
        let gone: Vec<ClientId> =
            self.state.lock().places.keys().filter(|client| client.node == peer).copied().collect();
        self.down(runtime, &gone);
    }

    fn tick(&self, runtime: &Arc<Runtime>) {
        let mut after = After::default();
        {
            let mut state = self.state.lock();
            state.tick.has_come(runtime);
            let State { owner, places, recall_at, .. } = &mut *state;
            let mut effects = Effects { runtime, places, after: &mut after };
            owner.tick(&mut effects);
            if recall_at.is_some_and(|at| at <= Instant::now()) {
                *recall_at = None;
                for client in owner.idle_holders(&effects) {
                    effects.tell(client, ToClient::Recall);
                }
            }
            state.tick_when_due(runtime, self.address.slot);
        }
        after.run(runtime);
    }
}

impl State {
    /// Asks for a tick when there is something to be done.
    fn tick_when_due(&mut self, runtime: &Runtime, slot: Slot) {
        if self.recall_at.is_none() && self.owner.is_starving() {
            self.recall_at = Some(Instant::now() + RECALL_AFTER);
        }
        if let Some(at) = [self.owner.next_deadline(), self.recall_at].into_iter().flatten().min() {
            self.tick.by(runtime, at, slot);
        }
    }
}

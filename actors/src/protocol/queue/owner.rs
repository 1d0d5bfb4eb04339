//! The owner of a queue: who may put, who gets what, and what comes back when somebody dies.
//!
//! A pure state machine, run under its cell's lock wherever a message arrives. It never decodes an
//! item, waits for nothing and opens nothing; what it does to others goes through [`World`].
//!
//! - **Order.** Items leave in the order admitted, so each producer's in the order put. An item that
//!   comes back goes to the head, and may come after later ones.
//! - **Capacity.** Items in the queue, delivered ones not yet in user hands, and credit lent together
//!   stay within the capacity (`ledger`).
//! - **Admission.** Producers put for credit, or offer and wait (`admission`). Two slots per producer
//!   are never lent, so whoever sits on credit, idle or stopped, leaves a way in for the others.
//! - **Delivery.** Consumers ask for items, and several that wait share what there is (`delivery`).
//!   The owner keeps a copy of each item until the consumer's shared word shows that user code has it
//!   or, for a lease, until it is settled (`held`, `lease`).
//! - **No wait is forgotten.** Everything that can let somebody go on is a message, a `Down`, a tick, or
//!   a take; takes alone are silent. So whenever somebody waits for what only takes can free, each
//!   consumer that holds deliveries is asked to say `Took` at its next, and its word is read once
//!   more after that: a take before the mark is seen by the reading, a later one sees the mark.

mod admission;
mod client;
mod delivery;
mod held;
mod item;
mod lease;
mod ledger;
mod letters;
mod limits;
mod ready;
mod recall;
mod world;

#[cfg(any(test, fuzzing))]
mod books;
#[cfg(any(test, fuzzing))]
mod fuzzing;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::client::Clients;
use self::lease::Timing;
use self::ledger::Ledger;
use self::letters::DeadLetters;
use self::ready::Ready;
use super::wire::{Amount, Length, Reply, ToOwner};
use crate::fault::fault;

pub(crate) use self::admission::Direct;
#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzing::run as fuzz;
pub(crate) use self::item::Item;
pub(crate) use self::ready::{Order, PRIORITY_BYTES, priority_head};
pub(crate) use self::world::{ClientId, World};

/// What a queue is created with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The most it may hold; an item with more bytes than this is refused.
    pub(crate) capacity: Amount,
    /// After how many attempts a leased item that comes back becomes a dead letter. `None`: never.
    pub(crate) max_attempts: Option<NonZeroU32>,
    /// Which item is next.
    pub(crate) order: Order,
}

/// Something that no client in order sends. Its connection is to be closed, after which
/// [`Owner::down`] takes back what it had; until then the owner is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Violation {
    /// Items put for credit beyond the credit; those before them are in the queue.
    #[error("put more items or bytes than it had credit for")]
    Overspent,
    /// More credit given back than was lent.
    #[error("gave back more credit than it had")]
    OverSurrendered,
    /// Offers beyond the limit; those before them count.
    #[error("offered more items or bytes than may wait at a time")]
    TooManyOffers,
    /// Demand beyond the limit.
    #[error("waits for more items than may be asked for at a time")]
    TooMuchDemand,
    /// Leases beyond the limit.
    #[error("asked for more leases than one node may have")]
    TooManyLeases,
    /// Requests to be told beyond the limit.
    #[error("asked too often to be told when all is settled")]
    TooManyJoins,
    /// An item returned that was not delivered, or is in user hands.
    #[error("gave back an item that it did not have, or had handed out")]
    WrongGiveBack,
    /// An item settled that has not been in user hands.
    #[error("settled an item that had not been handed out")]
    NotTaken,
}

/// A client that waits for everything to be settled.
#[derive(Debug)]
struct Joiner {
    key: usize,
    token: u64,
}

/// The state of one queue.
#[derive(Debug)]
pub(crate) struct Owner {
    max_attempts: Option<NonZeroU32>,
    is_closed: bool,
    ledger: Ledger,
    /// The queue. While it holds anything, nobody is waiting.
    ready: Ready,
    /// An item has brought descriptors: from then on they are looked for.
    has_parcels: bool,
    clients: Clients,
    producers: u64,
    /// Counts messages that had to wait for admission: the order across clients.
    arrivals: u64,
    /// The arrival of each client's oldest waiting offer, and the client.
    line: BTreeMap<u64, usize>,
    /// Clients with nothing left in line, whose credit is looked at when the line is empty.
    admitted: Vec<usize>,
    /// Clients with demand, each once, the next to be served first.
    waiting: VecDeque<usize>,
    joiners: VecDeque<Joiner>,
    /// Whoever holds deliveries and takes none has been asked to give them back, and nothing has happened since.
    all_are_recalled: bool,
    timing: Timing,
    letters: DeadLetters,
}

impl Owner {
    /// An empty queue.
    pub(crate) fn new(settings: Settings) -> Owner {
        Owner {
            max_attempts: settings.max_attempts,
            is_closed: false,
            ledger: Ledger::new(settings.capacity),
            ready: Ready::new(settings.order),
            has_parcels: false,
            clients: Clients::default(),
            producers: 0,
            arrivals: 0,
            line: BTreeMap::new(),
            admitted: Vec::new(),
            waiting: VecDeque::new(),
            joiners: VecDeque::new(),
            all_are_recalled: false,
            timing: Timing::default(),
            letters: DeadLetters::default(),
        }
    }

    /// Handles a message that is not a put or an offer.
    ///
    /// # Errors
    ///
    /// The [`Violation`], if the client is out of order.
    pub(crate) fn handle(
        &mut self,
        from: ClientId,
        message: ToOwner,
        world: &mut impl World,
    ) -> Result<Option<Reply>, Violation> {
        // A client that has left may have answered a message that crossed its farewell. It has nothing any more.
        if !self.clients.knows(from) {
            match message {
                ToOwner::Surrender(_) | ToOwner::Took | ToOwner::Unjoin { .. } => return Ok(None),
                ToOwner::GiveBack { .. } => return Ok(Some(Reply::Returned { count: 0 })),
                _ => {}
            }
        }
        let key = self.clients.place(from);
        let reply = match message {
            ToOwner::Withdraw(run) => Some(self.withdraw(key, run)),
            ToOwner::Want { count, terms } => {
                self.want(key, count, terms)?;
                None
            }
            ToOwner::Fetch { max, terms } => Some(self.fetch(key, max, terms, world)?),
            ToOwner::GiveBack { from_seq } => Some(self.give_back(key, from_seq, world)?),
            ToOwner::Took => {
                self.clients[key].is_watched = false;
                None
            }
            ToOwner::Ack { runs } => Some(self.ack(key, &runs, world)?),
            ToOwner::Nack { seq, delay } => Some(self.nack(key, seq, delay, world)?),
            ToOwner::Reject { seq } => Some(self.reject(key, seq, world)?),
            ToOwner::Extend { seq, lasting } => Some(self.extend(key, seq, lasting, world)?),
            ToOwner::Surrender(credit) => {
                self.surrender(key, credit)?;
                None
            }
            ToOwner::Close => Some(self.close(world)),
            ToOwner::Len => Some(self.length(world)),
            ToOwner::Confirm => Some(Reply::Confirmed),
            ToOwner::Join { token } => {
                self.join(key, token)?;
                None
            }
            ToOwner::Unjoin { token } => {
                self.joiners.retain(|joiner| (joiner.key, joiner.token) != (key, token));
                None
            }
            ToOwner::DeadLetters => Some(self.take_dead_letters()),
        };
        // Any message is a chance to learn what its sender has taken in the meantime.
        self.read_taken(key, world);
        self.settle_down(world);
        Ok(reply)
    }

    /// Takes back what a client that is gone had, after the last of its messages.
    ///
    /// Its unspent credit and its offers vanish. Exactly the deliveries that user code has not had go
    /// back to the head, in order, and before them its leases, which count as an attempt.
    pub(crate) fn down(&mut self, id: ClientId, world: &mut impl World) {
        let Some(key) = self.clients.bury(id) else {
            return;
        };
        self.read_taken(key, world);
        self.stop_producing(key);
        self.unwant(key);
        self.joiners.retain(|joiner| joiner.key != key);
        self.return_ahead(key, 0);
        self.return_leases(key);
        if self.clients[key].offers.is_empty() {
            self.clients.remove(key);
        }
        fault!(LostWakeUp, return);
        self.settle_down(world);
    }

    /// Whether it keeps anything of that client.
    pub(crate) fn knows(&self, id: ClientId) -> bool {
        self.clients.knows(id)
    }

    /// Serves everybody who can be served, until only takes, messages or time can help.
    fn settle_down(&mut self, world: &mut impl World) {
        self.all_are_recalled = false;
        loop {
            self.admit(world);
            let has_news = self.distribute(world);
            // A plain look is cheap; the mark costs the consumer a message at its next take.
            let has_more = (has_news && !self.line.is_empty())
                || self.waits_for_takes()
                    && (self.read_all_taken(world) || self.read_all_taken_watched(world));
            if !has_more {
                break;
            }
        }
        self.lend_to_admitted(world);
        self.revoke_for_line(world);
        self.announce(world);
    }

    /// Whether somebody waits who could go on if delivered items were in user hands.
    fn waits_for_takes(&self) -> bool {
        if self.ledger.ahead.items == 0 {
            return false;
        }
        let is_last = self.ledger.queued.items == 0 && self.line.is_empty();
        !self.line.is_empty()
            || (is_last && !self.joiners.is_empty())
            || (is_last && self.is_closed && !self.waiting.is_empty())
    }

    /// Tells those who wait for the end of the items, or for the last to be settled.
    fn announce(&mut self, world: &mut impl World) {
        if !self.line.is_empty() {
            return;
        }
        if self.is_closed {
            for _ in 0..self.waiting.len() {
                let Some(key) = self.waiting.pop_front() else {
                    break;
                };
                if self.has_ended_for(key) {
                    let client = &mut self.clients[key];
                    client.demand = Default::default();
                    world.ended(client.id);
                } else {
                    self.waiting.push_back(key);
                }
            }
        }
        if self.ledger.is_settled() {
            for Joiner { key, token } in self.joiners.drain(..) {
                world.joined(self.clients[key].id, token);
            }
        }
    }

    /// Whether nothing can come to this client any more.
    ///
    /// What others hold may come back, and what was put for credit may be on its way: to end before
    /// would lose it, as nobody would be there to get it. What the client holds itself is its own affair,
    /// else it would wait for its own ack.
    fn has_ended_for(&self, key: usize) -> bool {
        let ledger = &self.ledger;
        self.is_closed
            && ledger.queued.items == 0
            && ledger.lent.items == 0
            && self.line.is_empty()
            && ledger.ahead.items + ledger.leased.items == self.clients[key].held.items()
    }

    fn length(&mut self, world: &mut impl World) -> Reply {
        self.read_all_taken(world);
        Reply::Length(Length {
            waiting: self.ledger.waiting(),
            leased: self.ledger.leased,
            dead_letters: self.letters.len(),
        })
    }

    fn join(&mut self, key: usize, token: u64) -> Result<(), Violation> {
        if self.joiners.len() >= limits::MAX_JOINERS {
            return Err(Violation::TooManyJoins);
        }
        self.joiners.push_back(Joiner { key, token });
        Ok(())
    }

    fn take_dead_letters(&mut self) -> Reply {
        let (letters, dropped) = self.letters.take();
        Reply::DeadLetters { letters, dropped }
    }
}

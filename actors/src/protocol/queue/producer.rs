//! Putting, as far as it happens on the putter's node: credit, offers and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use callboard_core::{Flags, Kind};
use parking_lot::Mutex;

use super::client::Client;
use super::error::QueueError;
use super::line::{Envelope, Line, word_of};
use super::owner::{Direct, Item};
use super::wire::{Amount, Reason, Refusal, Reply, Run, ToOwner};
use crate::hook::{Hook, Hooks};
use crate::parcel::Rights;
use crate::peer::{encoded, header};
use crate::runtime::Runtime;
use crate::standing::Sought;
use crate::wait::Waiter;

/// How long a `try_put`, or a put whose time is over, waits for the owner's word on its offer.
pub(super) const ROUND_TRIP: Duration = Duration::from_secs(1);
/// Offers of this node that may wait at the owner at a time; further threads wait here.
const MAX_WAITING_OFFERS: usize = 256;
/// Bytes in those offers. A single one may exceed it.
const MAX_WAITING_BYTES: u64 = 512 * 1024;

/// Why an encoded item was not put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
    Disconnected,
    /// After it had been offered: whether the owner took it before its end is not known.
    DisconnectedMeanwhile,
    Unresponsive,
    TooLarge,
}

impl Refused {
    /// Whether it is known that nobody has the item.
    pub(super) fn is_certain(self) -> bool {
        !matches!(self, Refused::DisconnectedMeanwhile | Refused::Unresponsive)
    }
}

/// An encoded item, and the descriptors in it.
#[derive(Debug)]
pub(super) struct Load<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) rights: Rights,
}

impl From<&Load<'_>> for Item {
    #[inline]
    fn from(load: &Load<'_>) -> Item {
        // Without even a copy of nothing.
        if load.rights.is_empty() { load.bytes.into() } else { Item::new(load.bytes, load.rights.clone()) }
    }
}

/// When an item that was put leaves this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    Now,
    Later,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Waiting,
    Admitted,
    Refused(Refused),
}

#[derive(Debug)]
struct Offer {
    outcome: Outcome,
    bytes: u64,
    hook: Hook,
}

/// What may be put without asking.
///
/// Changed while the outbox to the owner's node is locked, which also fixes the order in which things leave: so the numbers
/// need no ordering of their own, and a put takes one lock alone. Unused beside the owner, where there is no outbox.
#[derive(Debug, Default)]
struct Credit {
    items: AtomicU64,
    bytes: AtomicU64,
}

impl Credit {
    fn now(&self) -> Amount {
        Amount { items: self.items.load(Relaxed), bytes: self.bytes.load(Relaxed) }
    }

    fn set(&self, credit: Amount) {
        self.items.store(credit.items, Relaxed);
        self.bytes.store(credit.bytes, Relaxed);
    }

    fn add(&self, credit: Amount) {
        let Amount { items, bytes } = self.now();
        // No owner lends so much, whatever it says.
        self.set(Amount {
            items: items.saturating_add(credit.items),
            bytes: bytes.saturating_add(credit.bytes),
        });
    }

    /// Takes `cost` off, if there is that much.
    fn spend(&self, cost: Amount) -> bool {
        let now = self.now();
        let covers = now.covers(cost);
        if covers {
            self.set(now - cost);
        }
        covers
    }
}

#[derive(Debug, Default)]
struct State {
    next_offer: u64,
    offers: BTreeMap<u64, Offer>,
    offered_bytes: u64,
    /// Threads that wait until they may offer.
    gate: Hooks,
    is_closed: bool,
    is_cut_off: bool,
}

/// Threads of this node that put into one queue.
#[derive(Debug, Default)]
pub(super) struct Producer {
    credit: Credit,
    state: Mutex<State>,
}

impl Producer {
    pub(super) fn granted(&self, line: &Line, credit: Amount) {
        // A client beside its owner is lent nothing.
        if let Some(peer) = line.peer() {
            peer.with_outbox(|_| self.credit.add(credit));
        }
    }

    /// Gives all credit back: what was put for credit leaves before, and nothing is put for it after.
    pub(super) fn surrender(&self, runtime: &Arc<Runtime>, client: &Arc<Client>) {
        match &client.line {
            Line::There { peer, slot } => {
                peer.with_outbox(|outbox| {
                    let message = ToOwner::Surrender(self.credit.now());
                    self.credit.set(Amount::ZERO);
                    let body = encoded(&Envelope::Say { client: client.id.slot, message });
                    outbox.message(header(Kind::Cast, *slot, 0), &body, Vec::new());
                });
                peer.list(runtime);
            }
            Line::Here(_) | Line::Cut => {
                client.line.say(runtime, client, ToOwner::Surrender(Amount::ZERO));
            }
        }
    }

    pub(super) fn admitted(&self, below: u64, woken: &mut Vec<Hook>) {
        let mut state = self.state.lock();
        for (_, offer) in state.offers.range_mut(..below) {
            if offer.outcome == Outcome::Waiting {
                offer.outcome = Outcome::Admitted;
                woken.push(Arc::clone(&offer.hook));
            }
        }
    }

    pub(super) fn refused(&self, refusal: Refusal, woken: &mut Vec<Hook>) {
        let reason = match refusal.reason {
            Reason::Closed => Refused::Closed,
            Reason::TooLarge => Refused::TooLarge,
        };
        let mut state = self.state.lock();
        let waiting = state.offers.range_mut(refusal.first..).filter(|(_, o)| o.outcome == Outcome::Waiting);
        for (_, offer) in waiting.take(usize::try_from(refusal.count).unwrap_or(usize::MAX)) {
            offer.outcome = Outcome::Refused(reason);
            woken.push(Arc::clone(&offer.hook));
        }
    }

    pub(super) fn closed(&self, woken: &mut Vec<Hook>) {
        let mut state = self.state.lock();
        state.is_closed = true;
        woken.extend(state.gate.take());
    }

    pub(super) fn cut_off(&self, line: &Line, woken: &mut Vec<Hook>) {
        if let Some(peer) = line.peer() {
            peer.with_outbox(|_| self.credit.set(Amount::ZERO));
        }
        let mut state = self.state.lock();
        state.is_cut_off = true;
        for offer in state.offers.values_mut().filter(|o| o.outcome == Outcome::Waiting) {
            offer.outcome = Outcome::Refused(Refused::DisconnectedMeanwhile);
            woken.push(Arc::clone(&offer.hook));
        }
        woken.extend(state.gate.take());
    }

    /// Puts an item if there is credit for it, or, beside the owner, room; none if there is not.
    ///
    /// Credit is spent and the item appended under one lock, so that items leave in the order of their credit.
    fn put_for_credit(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        item: &Load<'_>,
    ) -> Result<Option<Flush>, Refused> {
        let cost = Amount::one(item.bytes.len() as u64);
        match &client.line {
            Line::There { peer, slot } => {
                // Once cut off or closed there is no credit, and the slow path says which.
                let word = word_of(client.id.slot);
                let may = || self.credit.spend(cost);
                let put = if item.rights.is_empty() {
                    peer.item_if(runtime, *slot, Flags::NONE, word, item.bytes, may)
                } else {
                    let rights = item.rights.clone();
                    peer.parcel_if(runtime, *slot, Flags::NONE, word, item.bytes, rights, may)
                };
                Ok(put.map(|must_flush| if must_flush { Flush::Now } else { Flush::Later }))
            }
            Line::Here(_) if runtime.has_ended() => Err(Refused::Disconnected),
            Line::Here(cell) => match cell.put_here(runtime, client, item) {
                Direct::Put => Ok(Some(Flush::Later)),
                Direct::NoRoom => Ok(None),
                Direct::Closed => Err(Refused::Closed),
            },
            Line::Cut => Err(Refused::Disconnected),
        }
    }

    /// Offers an item; its number. None while too many offers wait: then `gate` will be notified.
    fn offer(
        &self,
        runtime: &Arc<Runtime>,
        client: &Arc<Client>,
        item: &Load<'_>,
        hook: &Hook,
    ) -> Result<Option<u64>, Refused> {
        let bytes = item.bytes.len() as u64;
        let mut state = self.state.lock();
        state.check()?;
        let full = state.offers.len() >= MAX_WAITING_OFFERS
            || (state.offered_bytes + bytes > MAX_WAITING_BYTES && !state.offers.is_empty());
        if full {
            state.gate.add(hook);
            return Ok(None);
        }
        if client.line.is_here() {
            drop(state);
            let number =
                client.line.offer_numbered(runtime, client, item, || self.state.lock().note(bytes, hook));
            // The end may have come between the check and the note.
            if runtime.has_ended() {
                client.cut_off();
            }
            return Ok(Some(number));
        }
        let number = state.note(bytes, hook);
        client.line.offer(runtime, client, item);
        Ok(Some(number))
    }

    /// Takes the record of an offer out.
    fn finish(&self, number: u64) -> Outcome {
        let mut state = self.state.lock();
        let Some(offer) = state.offers.remove(&number) else { return Outcome::Waiting };
        state.offered_bytes -= offer.bytes;
        state.gate.notify_all();
        offer.outcome
    }
}

impl State {
    fn check(&self) -> Result<(), Refused> {
        if self.is_cut_off {
            return Err(Refused::Disconnected);
        }
        if self.is_closed { Err(Refused::Closed) } else { Ok(()) }
    }

    fn note(&mut self, bytes: u64, hook: &Hook) -> u64 {
        let number = self.next_offer;
        self.next_offer += 1;
        self.offered_bytes += bytes;
        let hook = Arc::clone(hook);
        self.offers.insert(number, Offer { outcome: Outcome::Waiting, bytes, hook });
        number
    }
}

/// Puts an encoded item, waiting for room until `deadline`; none waits for ever, one that is over does not wait.
///
/// An item put for credit is written at once only if the owner's node waits for something to read.
pub(super) fn put(
    runtime: &Arc<Runtime>,
    client: &Arc<Client>,
    item: &Load<'_>,
    deadline: Option<Instant>,
) -> Result<(), Refused> {
    let producer = &client.producer;
    match producer.put_for_credit(runtime, client, item)? {
        Some(Flush::Now) => {
            client.line.flush(runtime);
            return Ok(());
        }
        Some(Flush::Later) => return Ok(()),
        None => {}
    }
    // Consumers at work make room within a moment, and then for many; to be told of the first slot would cost them and
    // this thread a message each. `Some`: it was put, or can't be.
    if client.line.is_here()
        && let Some(put) = runtime.try_for_a_moment(deadline, || {
            producer.put_for_credit(runtime, client, item).map(|put| put.map(|_| ())).transpose()
        })
    {
        return put;
    }
    let waiter = Waiter::new();
    let hook: Hook = Arc::clone(&waiter) as Hook;
    let sought = Sought::object("room in", "queue", client.queue);
    let number = loop {
        if let Some(number) = producer.offer(runtime, client, item, &hook)? {
            break number;
        }
        if !runtime.wait(&waiter, deadline, client.line.peer(), sought) {
            return Err(Refused::Full);
        }
        waiter.reset();
    };
    let settled = runtime.wait(&waiter, deadline, client.line.peer(), sought);
    if settled {
        return outcome_of(producer.finish(number), Refused::DisconnectedMeanwhile);
    }
    withdraw(runtime, client, number)
}

/// Takes an offer back, or learns that it is too late for that.
fn withdraw(runtime: &Arc<Runtime>, client: &Arc<Client>, number: u64) -> Result<(), Refused> {
    let run = ToOwner::Withdraw(Run { first: number, count: 1 });
    let deadline = Instant::now().checked_add(ROUND_TRIP);
    let reply = client.line.ask(runtime, client, run, deadline);
    let outcome = client.producer.finish(number);
    match reply {
        Ok(Reply::Withdrawn { count: 1 }) => Err(Refused::Full),
        // Not there to be withdrawn: what became of it was told before the reply.
        Ok(_) => outcome_of(outcome, Refused::Unresponsive),
        Err(QueueError::Disconnected) => outcome_of(outcome, Refused::DisconnectedMeanwhile),
        Err(QueueError::Unresponsive) => outcome_of(outcome, Refused::Unresponsive),
    }
}

fn outcome_of(outcome: Outcome, unknown: Refused) -> Result<(), Refused> {
    match outcome {
        Outcome::Admitted => Ok(()),
        Outcome::Refused(why) => Err(why),
        Outcome::Waiting => Err(unknown),
    }
}

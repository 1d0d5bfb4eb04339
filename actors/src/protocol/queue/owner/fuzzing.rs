//! The owner and any messages of any clients: what they put, offer, take, settle and give back may be anything, and so may be the
//! words in which they say what they have taken.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use callboard_core::{Address, Slot};

use super::super::wire::{Amount, Refusal, ToOwner};
use super::limits::{MAX_OFFERED_BYTES, MAX_OFFERED_ITEMS};
use super::{ClientId, Order, Owner, Settings, Violation, World};
use crate::fuzzing::{Draw, node};
use crate::parcel::Rights;

const CLIENTS: usize = 4;

/// Everything outside the owner. Counts what it is told, and keeps none of it.
struct Outside {
    now: Instant,
    /// What clients claim to have taken.
    taken: BTreeMap<ClientId, u64>,
    /// The number of the next delivery of those that are known.
    next: BTreeMap<ClientId, u64>,
}

impl Outside {
    fn delivered(&mut self, to: ClientId, first: u64, count: usize) {
        assert!(count > 0, "a delivery of nothing");
        self.next.insert(to, first + count as u64);
    }
}

impl World for Outside {
    fn now(&self) -> Instant {
        self.now
    }

    fn taken(&self, client: ClientId) -> u64 {
        self.taken.get(&client).copied().unwrap_or(0)
    }

    fn watch(&mut self, _: ClientId) {}

    fn deliver<'a>(&mut self, to: ClientId, first: u64, items: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.delivered(to, first, items.count());
    }

    fn deliver_leased<'a>(
        &mut self,
        to: ClientId,
        first: u64,
        items: impl ExactSizeIterator<Item = (&'a [u8], u32)>,
    ) {
        self.delivered(to, first, items.inspect(|(_, attempt)| assert!(*attempt > 0)).count());
    }

    fn deliver_parcel(&mut self, to: ClientId, seq: u64, _: &[u8], _: &Rights) {
        self.delivered(to, seq, 1);
    }

    fn grant(&mut self, _: ClientId, credit: Amount) {
        assert_ne!(credit, Amount::ZERO);
    }

    fn revoke(&mut self, _: ClientId) {}
    fn admitted(&mut self, _: ClientId, _: u64) {}
    fn refused(&mut self, _: ClientId, _: Refusal) {}
    fn ended(&mut self, _: ClientId) {}
    fn closed(&mut self, _: ClientId) {}
    fn joined(&mut self, _: ClientId, _: u64) {}
}

/// Has an owner hear what the bytes say.
pub(crate) fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let order = [Order::Fifo, Order::Lifo, Order::Priority][draw.below(3)];
    let capacity = Amount { items: draw.below(20) as u64 + 1, bytes: 8 + draw.below(256) as u64 };
    let max_attempts = std::num::NonZeroU32::new(draw.below(3) as u32);
    let mut owner = Owner::new(Settings { capacity, max_attempts, order });
    let mut world = Outside { now: Instant::now(), taken: BTreeMap::new(), next: BTreeMap::new() };
    while !draw.is_over() {
        let (node, slot) = (node(draw.below(CLIENTS)), Slot { index: 1, generation: 1 });
        let from = Address { node, slot };
        let heard = step(&mut owner, from, &mut draw, &mut world);
        owner.check();
        if heard.is_err() {
            // As the connection is closed.
            owner.down(from, &mut world);
            owner.check();
        }
        for (_, client) in owner.clients.iter() {
            assert!(
                client.offered.items <= MAX_OFFERED_ITEMS && client.offered.bytes <= 2 * MAX_OFFERED_BYTES
            );
        }
    }
    for at in 0..CLIENTS {
        let from = Address { node: crate::fuzzing::node(at), slot: Slot { index: 1, generation: 1 } };
        owner.down(from, &mut world);
        owner.check();
    }
    // What was put for credit may be left, as nobody takes anything.
    assert!(owner.clients.iter().all(|(_, client)| !client.offers.is_empty()));
}

fn step(
    owner: &mut Owner,
    from: ClientId,
    draw: &mut Draw<'_>,
    world: &mut Outside,
) -> Result<(), Violation> {
    match draw.below(16) {
        0 | 1 => {
            let items = items(draw);
            owner.put(from, items.iter().map(Vec::as_slice), world)
        }
        2 | 3 => {
            let items = items(draw);
            owner.offer(from, items.iter().map(Vec::as_slice), world)
        }
        4 => {
            owner.put_directly(from, draw.some_bytes(), world);
            Ok(())
        }
        5 => {
            let seqs: Vec<u64> = (0..draw.below(4)).map(|_| draw.number()).collect();
            owner.acked(from, seqs, world)
        }
        6 => {
            owner.down(from, world);
            Ok(())
        }
        7 => {
            world.now += Duration::from_millis(draw.number().min(1 << 40));
            owner.tick(world);
            Ok(())
        }
        8 => {
            // Mostly what it was given, and now and then more, or less than before.
            let taken = match draw.below(4) {
                0 => draw.number(),
                back => world.next.get(&from).map_or(0, |next| next.saturating_sub(back as u64 - 1)),
            };
            world.taken.insert(from, taken);
            Ok(())
        }
        9 => {
            owner.idle_holders(world);
            Ok(())
        }
        10 | 11 => say(owner, from, ToOwner::Want { count: draw.number(), terms: terms(draw) }, world),
        12 => say(owner, from, ToOwner::Fetch { max: draw.number(), terms: terms(draw) }, world),
        _ => match draw.value::<ToOwner>() {
            Some(message) => say(owner, from, message, world),
            None => Ok(()),
        },
    }
}

fn terms(draw: &mut Draw<'_>) -> super::super::wire::Terms {
    draw.value().unwrap_or(super::super::wire::Terms::Taken)
}

fn say(owner: &mut Owner, from: ClientId, message: ToOwner, world: &mut Outside) -> Result<(), Violation> {
    if let Some(reply) = owner.handle(from, message, world)? {
        crate::fuzzing::encoded(&reply);
    }
    Ok(())
}

fn items(draw: &mut Draw<'_>) -> Vec<Vec<u8>> {
    (0..draw.below(5)).map(|_| draw.some_bytes().to_vec()).collect()
}

//! What must hold after every step, and when nothing is under way.

use foldhash::HashSet;

use super::super::super::wire::Amount;
use super::super::client::Client;
use super::super::item::Stored;
use super::super::{ClientId, Owner};
use super::fate::{Fate, item_id};
use super::net::Net;
use super::peer::Up;

fn id_of(stored: &Stored) -> u64 {
    item_id(stored.item.as_bytes())
}

impl Owner {
    fn client(&self, id: ClientId) -> Option<&Client> {
        let (_, client) = self.clients.iter().find(|(_, c)| c.id == id)?;
        Some(client)
    }

    pub(super) fn next_offer(&self, id: ClientId) -> u64 {
        self.client(id).map_or(0, |client| client.next_offer)
    }

    /// The leases that user code has in truth, as number and item.
    pub(super) fn in_hand(&self, id: ClientId, word: u64) -> Vec<(u64, u64)> {
        let client = self.client(id).into_iter();
        let held = client.flat_map(|c| c.held.inventory());
        held.filter(|held| held.1.is_leased() && held.0 < word)
            .map(|(seq, _, stored)| (seq, id_of(stored)))
            .collect()
    }
}

/// The owner's books agree with each other and with the model's.
pub(super) fn books(owner: &Owner, net: &Net) {
    owner.check();
    lines(owner, net);
    items(owner, net);
}

fn lines(owner: &Owner, net: &Net) {
    for (_, client) in owner.clients.iter() {
        let open = client
            .offers
            .iter()
            .filter_map(|offer| Some((offer.number?, item_id(offer.item.as_bytes()))))
            .collect();
        let known = net.open_offers.get(&client.id).cloned();
        assert_eq!(known.unwrap_or_default(), open, "offers of {}", client.id.node.get());
        let demand = client.demand.taken + client.demand.leased;
        let known = net.demand.get(&client.id).copied();
        assert_eq!(known.unwrap_or_default(), demand as i64);
    }
}

/// Each item that the owner answers for is in exactly one place.
fn items(owner: &Owner, net: &Net) {
    let mut found = HashSet::default();
    let mut find = |item: u64| {
        assert_eq!(net.fates[&item], Fate::Owned, "item {item:x}");
        assert!(found.insert(item), "item {item:x} is in two places");
    };
    owner.queued().for_each(|stored| find(id_of(stored)));
    for (_, client) in owner.clients.iter() {
        let offers = client.offers.iter();
        offers.for_each(|offer| find(item_id(offer.item.as_bytes())));
        let word = net.word(client.id);
        for (seq, standing, stored) in client.held.inventory() {
            if seq < word && !standing.is_leased() {
                assert_eq!(net.fates[&id_of(stored)], Fate::Got);
            } else {
                find(id_of(stored));
            }
        }
    }
    owner.letters.iter().for_each(|l| find(item_id(&l.item)));
    assert_eq!(found.len(), net.owned, "some items are in no place");
}

/// Whoever was told just now that all is settled, or of the end, has nothing to come but its own.
pub(super) fn news(owner: &Owner, net: &mut Net) {
    if std::mem::take(&mut net.has_joined) {
        assert_eq!(net.owned as u64, owner.letters.len(), "some are not settled");
    }
    for id in net.ended.drain(..) {
        assert!(owner.is_closed && owner.queued().next().is_none());
        let others = owner.clients.iter().filter(|(_, c)| c.id != id);
        for (_, other) in others {
            assert!(other.offers.is_empty(), "an item waits to be admitted");
            assert_eq!(other.held.items(), 0, "an item may come back");
        }
        for peer in &net.peers {
            let has_put = peer.up.iter().any(|up| matches!(up, Up::Put(_)));
            assert!(!has_put, "an item is under way");
            let may_put = peer.is_alive && !peer.knows_closed && peer.credit.items > 0;
            assert!(!may_put, "an item may still be put");
        }
    }
}

/// Nothing is under way: whoever waits, waits for a take, an ack, a put or time.
pub(super) fn nobody_waits_in_vain(owner: &Owner, net: &Net) {
    for peer in &net.peers {
        let Some(client) = owner.client(peer.id) else {
            continue;
        };
        assert_eq!(peer.credit, client.credit, "credit is lost or made");
        let open = net.open_offers.get(&peer.id);
        let open = open.into_iter().flat_map(|open| open.keys());
        assert!(peer.offers.keys().eq(open), "a client waits for what was told");
        assert_eq!(peer.inbox.len() as u64, client.held.next_seq() - peer.taken);
    }
    assert!(owner.ready.is_empty() || owner.waiting.is_empty(), "somebody waits beside an item");
    // What the owner could know by now, whether it does or not.
    let lent = net.peers.iter().fold(Amount::ZERO, |sum, peer| sum + peer.credit);
    let mut truth = owner.ledger.waiting() + lent;
    truth.bytes += owner.ledger.leased.bytes;
    let mut is_settled = owner.ledger.queued.items == 0 && owner.line.is_empty();
    for (_, client) in owner.clients.iter() {
        for (seq, standing, stored) in client.held.inventory() {
            let is_taken = seq < net.word(client.id);
            is_settled &= is_taken && !standing.is_leased();
            if is_taken && !standing.is_in_hand() {
                truth.items -= 1;
                if !standing.is_leased() {
                    truth.bytes -= stored.item.bytes();
                }
            }
        }
    }
    if let Some((_, &key)) = owner.line.first_key_value() {
        let bytes = owner.clients[key].offers[0].item.bytes();
        let fits = owner.ledger.capacity.covers(truth + Amount::one(bytes));
        assert!(!fits, "an offer waits though there is room");
        let is_barred = owner.ledger.barred_by_credit(bytes);
        assert!(!is_barred, "an offer waits for idle credit");
    }
    let joins = net.peers.iter().any(|peer| !peer.joins.is_empty());
    assert!(!is_settled || !joins, "not told that all is settled");
    assert_eq!(joins, !owner.joiners.is_empty());
    let has_waiting = !owner.waiting.is_empty();
    let is_over = owner.is_closed && is_settled;
    assert!(!is_over || !has_waiting, "not told of the end");
}

/// Everything is drained: nobody has anything to wait for, but new items.
pub(super) fn all_is_told(owner: &Owner, net: &Net) {
    assert!(owner.line.is_empty());
    assert!(owner.joiners.is_empty());
    assert!(net.peers.iter().all(|peer| peer.offers.is_empty()));
    assert!(!owner.is_closed || owner.waiting.is_empty());
    assert_eq!(owner.ledger.leased, Amount::ZERO);
    assert_eq!(owner.clients.iter().filter(|(_, c)| !c.is_alive).count(), 0);
}

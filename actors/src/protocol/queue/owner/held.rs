//! What one consumer has been given and has not settled.
//!
//! Deliveries are numbered. Those from `taken` on are ahead: sent, but not known to be in user hands,
//! so they can all come back. Below it a plain item is the consumer's and its copy is gone, and a
//! leased one is in hand until it is settled, in any order.

use std::collections::VecDeque;
use std::time::Instant;

use super::super::wire::Amount;
use super::item::Stored;

/// How a delivered item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Plain,
    Leased {
        until: Option<Instant>,
    },
    /// A lease that ended before the item was known to be in user hands; the item is elsewhere.
    Void,
}

/// A delivered item that is not known to be in user hands.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) stored: Stored,
    pub(super) standing: Standing,
}

/// An item in user hands. A settled one leaves a hole, so that the others keep their order.
#[derive(Debug)]
struct Lease {
    seq: u64,
    until: Option<Instant>,
    stored: Option<Stored>,
}

/// An item that a consumer no longer has.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) stored: Stored,
    /// It had been in user hands.
    pub(super) was_taken: bool,
    /// Its lease had an end.
    pub(super) was_timed: bool,
}

/// What `advance` found out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Advance {
    /// Plain items that are the consumer's now.
    pub(super) gone: Amount,
    /// Leased items that are in hand now.
    pub(super) leased: Amount,
}

/// The deliveries of one consumer.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The number of the first delivery in `ahead`.
    taken: u64,
    ahead: VecDeque<Delivered>,
    /// How many of `ahead` are not void.
    ahead_items: u64,
    /// How many of `ahead` are leased.
    ahead_leases: u64,
    /// By rising `seq`.
    in_hand: VecDeque<Lease>,
    /// How many of `in_hand` are not holes.
    in_hand_items: u64,
}

impl Held {
    /// The number of the next delivery.
    pub(super) fn next_seq(&self) -> u64 {
        self.taken + self.ahead.len() as u64
    }

    /// How many items are known to be in user hands, or were.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Items here, ahead and in hand.
    pub(super) fn items(&self) -> u64 {
        self.ahead_items + self.in_hand_items
    }

    /// Items delivered and not known to be in user hands.
    pub(super) fn ahead(&self) -> u64 {
        self.ahead_items
    }

    /// Whether its consumer's word may tell something new. Void deliveries count: an ack of one that
    /// user code did get must find its number known.
    pub(super) fn has_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    pub(super) fn leases(&self) -> u64 {
        self.ahead_leases + self.in_hand_items
    }

    /// Adds deliveries.
    pub(super) fn extend(&mut self, items: impl ExactSizeIterator<Item = Stored>, standing: Standing) {
        self.ahead_items += items.len() as u64;
        if standing != Standing::Plain {
            self.ahead_leases += items.len() as u64;
        }
        self.ahead.extend(items.map(|stored| Delivered { stored, standing }));
    }

    /// The deliveries from number `first` on.
    pub(super) fn since(&self, first: u64) -> impl ExactSizeIterator<Item = &Stored> {
        self.ahead.range((first - self.taken) as usize..).map(|delivered| &delivered.stored)
    }

    /// Learns that `taken` items have been handed to user code.
    ///
    /// A count that is too high or falls is wrong, and harms only the consumer that wrote it.
    pub(super) fn advance(&mut self, taken: u64) -> Advance {
        let mut advance = Advance::default();
        for _ in 0..taken.saturating_sub(self.taken) {
            let Some(Delivered { stored, standing }) = self.ahead.pop_front() else {
                break;
            };
            let seq = self.taken;
            self.taken += 1;
            match standing {
                Standing::Void => {}
                Standing::Plain => advance.gone += Amount::one(stored.item.bytes()),
                Standing::Leased { until } => {
                    advance.leased += Amount::one(stored.item.bytes());
                    let stored = Some(stored);
                    self.in_hand.push_back(Lease { seq, until, stored });
                }
            }
        }
        self.ahead_items -= advance.gone.items + advance.leased.items;
        self.ahead_leases -= advance.leased.items;
        self.in_hand_items += advance.leased.items;
        advance
    }

    /// Takes back the newest delivery, down to the number `from_seq`. Void ones are passed over.
    pub(super) fn pop_ahead(&mut self, from_seq: u64) -> Option<Returned> {
        while self.next_seq() > from_seq {
            let Delivered { stored, standing } = self.ahead.pop_back()?;
            if standing == Standing::Void {
                continue;
            }
            self.ahead_items -= 1;
            if standing != Standing::Plain {
                self.ahead_leases -= 1;
            }
            return Some(Returned {
                stored,
                was_taken: false,
                was_timed: matches!(standing, Standing::Leased { until: Some(_) }),
            });
        }
        None
    }

    /// Takes back the newest lease in hand.
    pub(super) fn pop_in_hand(&mut self) -> Option<Returned> {
        while let Some(lease) = self.in_hand.pop_back() {
            if let Some(stored) = lease.stored {
                self.in_hand_items -= 1;
                return Some(Returned { stored, was_taken: true, was_timed: lease.until.is_some() });
            }
        }
        None
    }

    /// Ends the leases in hand numbered in `first..end`, handing each to `settle`.
    pub(super) fn settle(&mut self, first: u64, end: u64, mut settle: impl FnMut(Returned)) {
        let from = self.in_hand.partition_point(|lease| lease.seq < first);
        for lease in self.in_hand.range_mut(from..) {
            if lease.seq >= end {
                break;
            }
            if let Some(stored) = lease.stored.take() {
                self.in_hand_items -= 1;
                settle(Returned { stored, was_taken: true, was_timed: lease.until.is_some() });
            }
        }
        self.close_holes();
    }

    /// Ends the leases numbered in `first..end` that were to end by `now`, in order.
    pub(super) fn expire(&mut self, first: u64, end: u64, now: Instant, mut settle: impl FnMut(Returned)) {
        let due = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        let from = self.in_hand.partition_point(|lease| lease.seq < first);
        for lease in self.in_hand.range_mut(from..) {
            if lease.seq >= end {
                break;
            }
            if due(lease.until)
                && let Some(stored) = lease.stored.take()
            {
                self.in_hand_items -= 1;
                settle(Returned { stored, was_taken: true, was_timed: true });
            }
        }
        for at in self.ahead_range(first, end) {
            let delivered = &mut self.ahead[at];
            if matches!(delivered.standing, Standing::Leased { until } if due(until)) {
                self.ahead_items -= 1;
                self.ahead_leases -= 1;
                delivered.standing = Standing::Void;
                settle(Returned {
                    stored: std::mem::replace(&mut delivered.stored, Stored::new(&[][..])),
                    was_taken: false,
                    was_timed: true,
                });
            }
        }
        self.close_holes();
    }

    /// Gives the lease another end. `Some` is its end before, if there was such a lease in hand.
    pub(super) fn extend_lease(&mut self, seq: u64, until: Instant) -> Option<Option<Instant>> {
        let at = self.in_hand.binary_search_by_key(&seq, |lease| lease.seq).ok()?;
        let lease = &mut self.in_hand[at];
        lease.stored.as_ref()?;
        Some(lease.until.replace(until))
    }

    /// Whether a lease numbered in `first..end` ends exactly at `at`.
    pub(super) fn ends_at(&self, first: u64, end: u64, at: Instant) -> bool {
        let from = self.in_hand.partition_point(|lease| lease.seq < first);
        let to = self.in_hand.partition_point(|lease| lease.seq < end);
        let in_hand = from < to
            && self.in_hand.range(from..to).any(|lease| lease.stored.is_some() && lease.until == Some(at));
        in_hand
            || self.ahead_range(first, end).any(
                |index| matches!(self.ahead[index].standing, Standing::Leased { until } if until == Some(at)),
            )
    }

    /// Where in `ahead` the deliveries numbered in `first..end` are.
    fn ahead_range(&self, first: u64, end: u64) -> std::ops::Range<usize> {
        let clip = |seq: u64| seq.clamp(self.taken, self.next_seq()) - self.taken;
        clip(first) as usize..clip(end) as usize
    }

    /// Keeps `in_hand` within twice its leases, though one held for long keeps later holes from
    /// being popped. Each removal pays for at most two of the moves.
    fn close_holes(&mut self) {
        while self.in_hand.front().is_some_and(|l| l.stored.is_none()) {
            self.in_hand.pop_front();
        }
        if self.in_hand.len() as u64 > 2 * self.in_hand_items + 32 {
            self.in_hand.retain(|lease| lease.stored.is_some());
        }
    }
}

#[cfg(any(test, fuzzing))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    Ahead,
    AheadLeased,
    InHand,
}

#[cfg(any(test, fuzzing))]
impl Whereabouts {
    pub(super) fn is_in_hand(self) -> bool {
        self == Whereabouts::InHand
    }

    #[cfg(test)]
    pub(super) fn is_leased(self) -> bool {
        self != Whereabouts::Ahead
    }
}

#[cfg(any(test, fuzzing))]
impl Held {
    /// Every item here: its number, where it is, and itself.
    pub(super) fn inventory(&self) -> impl Iterator<Item = (u64, Whereabouts, &Stored)> {
        let ahead = (self.taken..).zip(&self.ahead).filter_map(|(seq, d)| {
            let place = match d.standing {
                Standing::Void => return None,
                Standing::Plain => Whereabouts::Ahead,
                Standing::Leased { .. } => Whereabouts::AheadLeased,
            };
            Some((seq, place, &d.stored))
        });
        let in_hand = self
            .in_hand
            .iter()
            .filter_map(|lease| Some((lease.seq, Whereabouts::InHand, lease.stored.as_ref()?)));
        ahead.chain(in_hand)
    }

    /// The ends of the leases that have one.
    pub(super) fn ends(&self) -> impl Iterator<Item = Instant> {
        let ahead = self.ahead.iter().filter_map(|d| match d.standing {
            Standing::Leased { until } => until,
            _ => None,
        });
        let in_hand = self.in_hand.iter().filter_map(|lease| lease.stored.as_ref().and(lease.until));
        ahead.chain(in_hand)
    }
}

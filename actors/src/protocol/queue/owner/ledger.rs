//! Where the capacity is, and how much of it may be lent.
//!
//! `queued + ahead + lent` never exceeds the capacity, but for one case: an item in user hands on a
//! lease has left its slot, as any item that `get` returned, and comes back even when the slot has
//! been filled. The bytes of leased items stay counted, because the owner keeps them.

use super::super::wire::Amount;
use super::limits::{LENT_BYTES_DIVISOR, MAX_CREDIT_BYTES, MAX_CREDIT_ITEMS, UNLENT_SLOTS_PER_PRODUCER};

/// The capacity and its parts.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) capacity: Amount,
    /// In the queue, those that wait for their time after a nack included.
    pub(super) queued: Amount,
    /// Delivered and not known to be in user hands.
    pub(super) ahead: Amount,
    /// In user hands on a lease.
    pub(super) leased: Amount,
    /// Credit outstanding at the clients.
    pub(super) lent: Amount,
}

impl Ledger {
    pub(super) fn new(capacity: Amount) -> Ledger {
        Ledger {
            capacity,
            queued: Amount::ZERO,
            ahead: Amount::ZERO,
            leased: Amount::ZERO,
            lent: Amount::ZERO,
        }
    }

    /// What is taken of the capacity, without the credit.
    fn used(&self) -> Amount {
        let waiting = self.waiting();
        Amount { bytes: waiting.bytes + self.leased.bytes, ..waiting }
    }

    /// The queue's length: what no `get` has returned yet.
    pub(super) fn waiting(&self) -> Amount {
        self.queued + self.ahead
    }

    /// Whether everything put so far has been settled, offers apart.
    pub(super) fn is_settled(&self) -> bool {
        self.queued.items == 0 && self.ahead.items == 0 && self.leased.items == 0
    }

    /// Whether an item that nobody has credit for fits now.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        self.capacity.covers(self.used() + self.lent + Amount::one(bytes))
    }

    /// Whether an item could not come in even if all the others were gone, because of credit.
    pub(super) fn barred_by_credit(&self, bytes: u64) -> bool {
        !self.capacity.covers(self.lent + Amount::one(bytes))
    }

    /// What one of `producers` could have in credit at most, if `used` is what the items take.
    fn share(&self, used: Amount, producers: u64) -> Amount {
        let unlent = Amount { items: UNLENT_SLOTS_PER_PRODUCER.saturating_mul(producers), bytes: 0 };
        let pool = self.capacity.less(used).less(unlent);
        Amount {
            items: (pool.items / producers).min(MAX_CREDIT_ITEMS),
            bytes: (pool.bytes.min(self.lendable_bytes()) / producers).min(MAX_CREDIT_BYTES),
        }
    }

    fn lendable_bytes(&self) -> u64 {
        self.capacity.bytes / LENT_BYTES_DIVISOR
    }

    /// Whether a client with this much credit should get more, if every delivered item were taken.
    pub(super) fn may_deserve_credit(&self, credit: Amount, producers: u64) -> bool {
        is_low(credit, self.share(self.queued, producers))
    }

    /// What to lend now to one of `producers` that has `credit` left; zero while it has half its share.
    pub(super) fn top_up(&self, credit: Amount, producers: u64) -> Amount {
        let used = self.used();
        let share = self.share(used, producers);
        if !is_low(credit, share) {
            return Amount::ZERO;
        }
        let unlent = Amount { items: UNLENT_SLOTS_PER_PRODUCER.saturating_mul(producers), bytes: 0 };
        let free = self.capacity.less(used + self.lent).less(unlent);
        let free =
            Amount { bytes: free.bytes.min(self.lendable_bytes().saturating_sub(self.lent.bytes)), ..free };
        let loan = share.less(credit).least(free);
        let total = credit + loan;
        // Credit that nothing can be put for would only lie there.
        if total.items == 0 || total.bytes == 0 {
            return Amount::ZERO;
        }
        loan
    }
}

/// Below half of the share in either part: seldom enough for a batch to be granted at a time, early
/// enough for it to arrive before the rest is spent.
fn is_low(credit: Amount, share: Amount) -> bool {
    credit.items < share.items.div_ceil(2) || credit.bytes < share.bytes.div_ceil(2)
}

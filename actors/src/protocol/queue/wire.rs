//! What a queue's clients and its owner say to each other.
//!
//! A client is one node's face of the queue. Items travel in frames of kind Items, as a sequence of
//! byte strings: client to owner as a credited put or as an offer, owner to client as a delivery
//! whose word is the sequence number of its first item. Everything else is one of the enums here.
//! Nobody but the putter and the getter knows what is inside an item.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number of items and the bytes in them: a capacity, a credit, a length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amount {
    /// How many items.
    pub(crate) items: u64,
    /// How many bytes, counted as encoded.
    pub(crate) bytes: u64,
}

impl Amount {
    /// Nothing.
    pub(crate) const ZERO: Amount = Amount { items: 0, bytes: 0 };

    /// One item of `bytes` bytes.
    pub(crate) fn one(bytes: u64) -> Amount {
        Amount { items: 1, bytes }
    }

    /// The smaller of each part.
    pub(crate) fn least(self, other: Amount) -> Amount {
        Amount { items: self.items.min(other.items), bytes: self.bytes.min(other.bytes) }
    }

    /// Each part less the other's, zero where the other's is larger.
    pub(crate) fn less(self, other: Amount) -> Amount {
        Amount {
            items: self.items.saturating_sub(other.items),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Whether each part is at least the other's.
    pub(crate) fn covers(self, other: Amount) -> bool {
        self.items >= other.items && self.bytes >= other.bytes
    }
}

impl Add for Amount {
    type Output = Amount;
    fn add(self, other: Amount) -> Amount {
        Amount { items: self.items + other.items, bytes: self.bytes + other.bytes }
    }
}

impl Sub for Amount {
    type Output = Amount;
    fn sub(self, other: Amount) -> Amount {
        Amount { items: self.items - other.items, bytes: self.bytes - other.bytes }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        *self = *self + other;
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Amount) {
        *self = *self - other;
    }
}

/// How a consumer wants its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Terms {
    /// For good: an item is the consumer's once its user code has it.
    Taken,
    /// On a lease, which ends by ack, by nack, by the consumer's death or after `lasting`.
    ///
    /// The time runs from delivery, so that a stopped consumer keeps nothing for ever; `None` means
    /// that only the consumer's death takes the item back.
    Leased {
        /// How long, from delivery.
        lasting: Option<Duration>,
    },
}

/// Neighbouring sequence numbers: `first..first + count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The lowest.
    pub(crate) first: u64,
    /// How many.
    pub(crate) count: u64,
}

/// What a client says to the owner beside its puts and offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToOwner {
    /// Takes these offers back, if they still wait. Offers are numbered from zero, in the order sent,
    /// by each client for itself. Replied to: those withdrawn are the last ones of the run.
    Withdraw(Run),
    /// Adds to what this client waits for.
    Want {
        /// How many items more.
        count: u64,
        /// On which terms. The latest time of a lease holds for all the leases still waited for.
        terms: Terms,
    },
    /// Asks for what is there now. Replied to, after the delivery.
    Fetch {
        /// At most so many.
        max: u64,
        /// On which terms.
        terms: Terms,
    },
    /// Returns every delivered item from this number on, to the head and in order, and waits for
    /// nothing any more. Replied to: what arrives before the reply is returned as well, so the client
    /// drops it, and the next delivery starts at `from_seq` again.
    GiveBack {
        /// The first item returned; not below the count of those handed to user code.
        from_seq: u64,
    },
    /// The count of items handed to user code has risen, as the owner asked to be told.
    Took,
    /// These leased items are done. Replied to, for those who ask.
    Ack {
        /// Their sequence numbers.
        runs: Vec<Run>,
    },
    /// This leased item is to be done again. Replied to as `Ack` is.
    Nack {
        /// Its sequence number.
        seq: u64,
        /// Not before this time has passed.
        delay: Duration,
    },
    /// Nobody can use this leased item: a dead letter, whatever its attempts. Replied to as `Ack` is.
    Reject {
        /// Its sequence number.
        seq: u64,
    },
    /// This lease shall last so long from now. Replied to as `Ack` is.
    Extend {
        /// The item's sequence number.
        seq: u64,
        /// How long.
        lasting: Duration,
    },
    /// Gives unspent credit back: the answer to `Revoke` and to `Closed` (always, even if nothing is
    /// left), and a client's own choice when nobody on its node puts any more.
    Surrender(Amount),
    /// No more puts. Replied to.
    Close,
    /// How much is there? Replied to.
    Len,
    /// Replied to when everything this client sent before has been handled.
    Confirm,
    /// Tells this client when everything put so far and since has been settled.
    Join {
        /// Comes back in `Joined`.
        token: u64,
    },
    /// Waits no longer for what `Join` with this token asked for.
    Unjoin {
        /// The one given with `Join`.
        token: u64,
    },
    /// Takes what was given up after too many attempts. Replied to.
    DeadLetters,
}

/// What the owner answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// To `Withdraw`: how many were still waiting.
    Withdrawn {
        /// The last so many of the run asked for.
        count: u64,
    },
    /// To `Fetch`.
    Fetched {
        /// How many were delivered just before.
        count: u64,
        /// Nothing is left and nothing can come.
        ended: bool,
    },
    /// To `GiveBack`: deliveries after this one are new.
    Returned {
        /// How many went back.
        count: u64,
    },
    /// To `Ack`, `Nack` and `Extend`.
    Settled {
        /// How many of the leases named had ended before.
        stale: u64,
    },
    /// To `Close`.
    Closed,
    /// To `Len`.
    Length(Length),
    /// To `Confirm`.
    Confirmed,
    /// To `DeadLetters`.
    DeadLetters {
        /// The oldest first.
        letters: Vec<DeadLetter>,
        /// How many older ones were let go for want of room since the last time.
        dropped: u64,
    },
}

/// How much a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Length {
    /// Items that no `get` has returned yet, prefetched and delayed ones included.
    pub(crate) waiting: Amount,
    /// Items in user hands on a lease.
    pub(crate) leased: Amount,
    /// Dead letters that nobody has fetched.
    pub(crate) dead_letters: u64,
}

/// What the owner says to a client unasked, beside deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToClient {
    /// So much more may be put without asking.
    Grant(Amount),
    /// Answer with `Surrender` of all the credit left.
    Revoke,
    /// Others wait for what you were delivered and do not take: give it back.
    Recall,
    /// Every offer numbered below this that was not refused or withdrawn is in the queue.
    Admitted {
        /// One more than the number of the newest offer admitted.
        below: u64,
    },
    /// Some offers were not and will not be admitted.
    Refused(Refusal),
    /// The queue is closed and nothing can come: your demand is void.
    Ended,
    /// The queue is closed: answer with `Surrender` of all the credit left.
    Closed,
    /// Everything put has been settled.
    Joined {
        /// The one given with `Join`.
        token: u64,
    },
}

/// Offers that the owner does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The number of the oldest.
    pub(crate) first: u64,
    /// How many, counting from there those not withdrawn, admitted or refused before.
    pub(crate) count: u64,
    /// Why.
    pub(crate) reason: Reason,
}

/// Why an offer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reason {
    /// The queue is closed.
    Closed,
    /// The item alone is larger than the queue's capacity in bytes.
    TooLarge,
}

/// An item that was handed out too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    /// The item as it was put.
    #[serde(with = "serde_bytes")]
    pub(crate) item: Vec<u8>,
    /// How often user code is known to have had it.
    pub(crate) attempts: u32,
    /// What ended the last attempt.
    pub(crate) cause: Cause,
}

/// Why a leased item came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// Its consumer gave it up.
    Nacked,
    /// Its time was over.
    Expired,
    /// Its consumer's node is gone.
    ConsumerGone,
    /// Its consumer could not read it.
    Unreadable,
}

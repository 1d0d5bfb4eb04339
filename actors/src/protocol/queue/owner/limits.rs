//! What one client may make the owner keep, and what the owner lends.

/// Credit lent to one client, in items: a few batches ahead of what a consumer takes in a millisecond.
pub(super) const MAX_CREDIT_ITEMS: u64 = 4096;
/// Credit lent to one client, in bytes.
pub(super) const MAX_CREDIT_BYTES: u64 = 1 << 20;
/// Slots per producer that are never lent: one to be admitted into while the other is being got.
pub(super) const UNLENT_SLOTS_PER_PRODUCER: u64 = 2;
/// Only one part in so many of the capacity in bytes is lent, so that an item up to the rest of it
/// needs nobody's credit back.
pub(super) const LENT_BYTES_DIVISOR: u64 = 2;
/// Offers of one client that may wait. Threads wait for theirs, so it bounds threads, not throughput.
pub(super) const MAX_OFFERED_ITEMS: u64 = 1024;
/// Bytes of waiting offers above which a client may not offer more. One item may exceed it, else
/// a large one could never be put.
pub(super) const MAX_OFFERED_BYTES: u64 = 1 << 20;
/// Items one client may wait for.
pub(super) const MAX_DEMAND_ITEMS: u64 = 1 << 20;
/// Leases of one client, those it still waits for included. Their bytes are bounded by the capacity.
pub(super) const MAX_LEASES: u64 = 1 << 16;
/// Clients' requests to be told when all is settled.
pub(super) const MAX_JOINERS: usize = 1 << 16;
/// Dead letters kept until somebody fetches them; older ones are counted and let go.
pub(super) const MAX_DEAD_LETTERS: usize = 1024;
/// Bytes in the dead letters kept. A single one may exceed it.
pub(super) const MAX_DEAD_LETTER_BYTES: u64 = 16 << 20;
/// The longest delay or lease, about a year: longer ones mean the same and must not overflow the clock.
pub(super) const MAX_LASTING: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);

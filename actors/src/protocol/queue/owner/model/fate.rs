//! What may become of an item, and how the model knows items apart.

/// What has become of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// In its producer's outbox.
    Sent,
    /// The owner is answerable for it.
    Owned,
    /// In user hands for good.
    Got,
    Acked,
    Refused,
    Withdrawn,
    /// A dead letter that has been fetched.
    Dead,
    /// Gone with its killed producer, unadmitted.
    Vanished,
}

/// Items name their producer and their number.
pub(super) fn item_id(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

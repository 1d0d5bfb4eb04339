//! What the owner sees and does outside itself.

use std::time::Instant;

use callboard_core::Address;

use super::super::wire::{Amount, Refusal};
use crate::parcel::Rights;

/// One node's face of the queue.
pub(crate) type ClientId = Address;

/// The effects of an owner, and the two things it reads.
///
/// Effects reach a client in the order in which they were called, and a reply after the effects of
/// its own message. None of them may call the owner.
pub(crate) trait World {
    /// The time. Asked for only when a lease or a delay needs it.
    fn now(&self) -> Instant;

    /// How many delivered items the client has handed to user code so far, from its shared word.
    ///
    /// Must still answer for a client that is gone, until [`super::Owner::down`] has returned.
    fn taken(&self, client: ClientId) -> u64;

    /// Asks the client to send `Took` at its next take, once.
    ///
    /// The owner reads `taken` after this; the client looks for the mark after it has raised `taken`.
    /// Both need sequential consistency between their two steps, so that one sees the other's.
    fn watch(&mut self, client: ClientId);

    /// Sends items for good. The first has the sequence number `first_seq`.
    fn deliver<'a>(&mut self, to: ClientId, first_seq: u64, items: impl ExactSizeIterator<Item = &'a [u8]>);

    /// Sends items on a lease, each with the number of this attempt, counted from one.
    fn deliver_leased<'a>(
        &mut self,
        to: ClientId,
        first_seq: u64,
        items: impl ExactSizeIterator<Item = (&'a [u8], u32)>,
    );

    /// Sends an item for good with the descriptors in it, of which the owner keeps its own as long as its copy.
    fn deliver_parcel(&mut self, to: ClientId, seq: u64, item: &[u8], rights: &Rights);

    /// Lends credit, on top of what the client has.
    fn grant(&mut self, to: ClientId, credit: Amount);

    /// Asks for all credit back; the client answers with `Surrender`.
    fn revoke(&mut self, from: ClientId);

    /// Says that the offers numbered below `below` are in the queue, but for those refused or withdrawn.
    fn admitted(&mut self, to: ClientId, below: u64);

    /// Says that some offers are not taken.
    fn refused(&mut self, to: ClientId, refusal: Refusal);

    /// Says that the queue is closed and drained, to a consumer that waits; its demand is void.
    fn ended(&mut self, to: ClientId);

    /// Says that the queue is closed; the client answers with `Surrender`.
    fn closed(&mut self, to: ClientId);

    /// Says that everything put has been settled.
    fn joined(&mut self, to: ClientId, token: u64);
}

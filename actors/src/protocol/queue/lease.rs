//! Items on a lease, and those given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::client::Client;
use super::error::{GetError, LeaseError, QueueError};
use super::face::QueueFace;
use super::handle::Queue;
use super::kind::Kind;
use super::producer::ROUND_TRIP;
use super::wire::{self, Reply, Run, Terms, ToOwner};
use crate::scratch::with_scratch;

/// An item that goes back to its queue unless it is acknowledged.
///
/// It goes back when the lease is [`nack`](Self::nack)ed or dropped, when its time is over (see
/// [`Queue::lease_for`]), and when this process ends for whatever reason. Then it is delivered again, perhaps after later
/// items, and [`attempt`](Self::attempt) is one higher.
#[derive(Debug)]
#[must_use = "a lease that is dropped puts its item back"]
pub struct Lease<T> {
    item: T,
    attempt: u32,
    seq: u64,
    /// None once the lease is settled.
    face: Option<Arc<QueueFace>>,
}

impl<T: DeserializeOwned> Lease<T> {
    pub(super) fn take<K: Kind<T>>(
        queue: &Queue<T, K>,
        lasting: Option<Duration>,
        timeout: Option<Duration>,
    ) -> Result<Self, GetError> {
        let face = &queue.face;
        let client = face.leased();
        let terms = Terms::Leased { lasting };
        if !client.consumer.hold() {
            return Err(GetError::TooManyLeases);
        }
        let mut undecoded = Undecoded { face, seq: None };
        let took = with_scratch(|bytes| {
            let taken = match timeout {
                Some(Duration::ZERO) => client.try_get(&face.runtime, bytes, terms)?,
                _ => {
                    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                    client.get(&face.runtime, bytes, terms, deadline)?
                }
            };
            undecoded.seq = Some(taken.seq);
            Ok::<_, GetError>((taken, queue.decode(bytes)))
        });
        let (taken, item) = took?;
        let item = item.map_err(GetError::Decode)?;
        // Its place is the lease's from here on.
        std::mem::forget(undecoded);
        Ok(Self { item, attempt: taken.attempt, seq: taken.seq, face: Some(Arc::clone(face)) })
    }
}

/// A lease that is not there yet: its item is still to come, or to be decoded, which may also panic.
struct Undecoded<'a> {
    face: &'a QueueFace,
    seq: Option<u64>,
}

impl Drop for Undecoded<'_> {
    fn drop(&mut self) {
        let client = self.face.leased();
        client.consumer.let_go();
        if let Some(seq) = self.seq {
            // Nobody can use it: delivered again it would only come back.
            client.line.say(&self.face.runtime, client, ToOwner::Reject { seq });
            client.line.flush_by_need(&self.face.runtime);
        }
    }
}

impl<T> Lease<T> {
    /// The item.
    pub fn item(&self) -> &T {
        &self.item
    }

    /// Which attempt at the item this is, counted from one.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Settles the item: it is done, and never delivered again.
    ///
    /// `Ok` means the word is on its way, in order with this process's puts to the same owner. If the lease
    /// had ended before, the item is delivered again all the same; [`ack_confirmed`](Self::ack_confirmed) tells.
    pub fn ack(mut self) {
        let Some(face) = self.let_go() else { return };
        let client: &Arc<Client> = face.leased();
        client.line.ack(&face.runtime, client, self.seq);
    }

    /// Settles the item and waits until the owner knows, for up to 60 s.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Expired`] if the lease had ended before, so that the item is delivered again;
    /// [`LeaseError::Disconnected`]; [`LeaseError::Unresponsive`] after 60 s.
    pub fn ack_confirmed(mut self) -> Result<(), LeaseError> {
        let runs = vec![Run { first: self.seq, count: 1 }];
        match self.let_go() {
            Some(face) => settle(&face, ToOwner::Ack { runs }),
            None => Ok(()),
        }
    }

    /// Returns the item to the head of the queue, to be delivered again after `delay`. Zero means at once, and more
    /// than a year counts as one.
    pub fn nack(mut self, delay: Duration) {
        self.say(|seq| ToOwner::Nack { seq, delay });
    }

    /// Makes the lease last `lasting` from now, whatever it was to last before. Zero ends it, and more than a year
    /// counts as one. Waits for the owner's word, for up to 60 s.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Expired`] if it had ended already; [`LeaseError::Disconnected`]; [`LeaseError::Unresponsive`]
    /// after 60 s.
    pub fn extend(&self, lasting: Duration) -> Result<(), LeaseError> {
        match &self.face {
            Some(face) => settle(face, ToOwner::Extend { seq: self.seq, lasting }),
            None => Ok(()),
        }
    }

    /// From here on it is no lease any more.
    fn let_go(&mut self) -> Option<Arc<QueueFace>> {
        let face = self.face.take()?;
        face.leased().consumer.let_go();
        Some(face)
    }

    fn say(&mut self, message: impl FnOnce(u64) -> ToOwner) {
        let Some(face) = self.let_go() else { return };
        let client: &Arc<Client> = face.leased();
        client.line.say(&face.runtime, client, message(self.seq));
        client.line.flush_by_need(&face.runtime);
    }
}

impl<T> std::ops::Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        self.say(|seq| ToOwner::Nack { seq, delay: Duration::ZERO });
    }
}

fn settle(face: &QueueFace, message: ToOwner) -> Result<(), LeaseError> {
    let client = face.leased();
    let deadline = Instant::now().checked_add(ROUND_TRIP * 60);
    match client.line.ask(&face.runtime, client, message, deadline) {
        Ok(Reply::Settled { stale: 0 }) => Ok(()),
        Ok(_) => Err(LeaseError::Expired),
        Err(QueueError::Disconnected) => Err(LeaseError::Disconnected),
        Err(QueueError::Unresponsive) => Err(LeaseError::Unresponsive),
    }
}

/// An item that was handed out too often, and why it came back the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter<T> {
    /// The item; none if its bytes are no `T`.
    pub item: Option<T>,
    /// How often it is known to have been handed out.
    pub attempts: u32,
    /// What ended the last attempt.
    pub cause: &'static str,
}

impl<T: DeserializeOwned> DeadLetter<T> {
    pub(super) fn new<K: Kind<T>>(queue: &Queue<T, K>, letter: &wire::DeadLetter) -> Self {
        let cause = match letter.cause {
            wire::Cause::Nacked => "its consumer gave it up",
            wire::Cause::Expired => "its time was over",
            wire::Cause::Unreadable => "its consumer could not read it",
            wire::Cause::ConsumerGone => "its consumer's process ended",
        };
        Self { item: queue.decode(&letter.item).ok(), attempts: letter.attempts, cause }
    }
}

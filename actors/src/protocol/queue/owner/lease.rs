//! Leases: settled by ack, returned by nack, by the end of their time and by death.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use super::super::wire::{Amount, Cause, DeadLetter, Reply, Run};
use super::client::Clients;
use super::held::Returned;
use super::item::Stored;
use super::limits::MAX_LASTING;
use super::{ClientId, Owner, Violation, World};
use crate::fault::fault;

/// Leases of one client that were to end at one time, most of which may be settled by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ending {
    at: Instant,
    key: usize,
    first: u64,
    end: u64,
}

/// Everything that waits for time to pass.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// One for each delivery or extension. Settling a lease leaves its entry, which finds nothing to
    /// end later; they are swept when they have doubled.
    endings: BinaryHeap<Reverse<Ending>>,
    sweep_above: usize,
    /// Leases that have an end.
    timed: u64,
    /// Returned items whose delay is not over, by its end and then in the order returned.
    pub(super) delayed: BTreeMap<(Instant, u64), Stored>,
    delays: u64,
}

impl Timing {
    /// Forgets one lease that had an end, if it had.
    pub(super) fn note_settled(&mut self, was_timed: bool) {
        self.timed -= u64::from(was_timed);
        if self.timed == 0 {
            self.endings.clear();
        }
    }

    fn sweep(&mut self, clients: &Clients) {
        if self.endings.len() <= self.sweep_above {
            return;
        }
        self.endings.retain(|Reverse(ending)| {
            let client = clients.get(ending.key);
            client.is_some_and(|c| c.held.ends_at(ending.first, ending.end, ending.at))
        });
        self.sweep_above = 2 * self.endings.len() + 64;
    }

    #[cfg(test)]
    pub(super) fn endings(&self) -> usize {
        self.endings.len()
    }

    fn delay(&mut self, stored: Stored, until: Instant) {
        self.delays += 1;
        self.delayed.insert((until, self.delays), stored);
    }
}

impl Owner {
    /// When [`Owner::tick`] has something to do, or may have: never too late.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let ending = self.timing.endings.peek().map(|Reverse(e)| e.at);
        let delayed = self.timing.delayed.keys().next().map(|(at, _)| *at);
        match (ending, delayed) {
            (Some(ending), Some(delayed)) => Some(ending.min(delayed)),
            (ending, delayed) => ending.or(delayed),
        }
    }

    /// Ends the leases whose time is over and returns the items whose delay is.
    pub(crate) fn tick(&mut self, world: &mut impl World) {
        let now = world.now();
        self.expire(now, world);
        self.end_delays(now);
        self.settle_down(world);
    }

    pub(super) fn ack(&mut self, key: usize, runs: &[Run], world: &impl World) -> Result<Reply, Violation> {
        self.read_taken(key, world);
        let mut stale = 0_u64;
        for run in runs {
            stale = stale.saturating_add(run.count - self.settle(key, *run)?);
        }
        Ok(Reply::Settled { stale })
    }

    /// Settles leases by their numbers, for a client that wants no answer.
    ///
    /// # Errors
    ///
    /// [`Violation::NotTaken`] at the first number that has not been handed out; those before it are settled.
    pub(crate) fn acked(
        &mut self,
        from: ClientId,
        seqs: impl IntoIterator<Item = u64>,
        world: &mut impl World,
    ) -> Result<(), Violation> {
        let key = self.clients.place(from);
        self.read_taken(key, world);
        let mut outcome = Ok(());
        let mut run = Run { first: 0, count: 0 };
        for seq in seqs {
            if run.count > 0 && run.first.checked_add(run.count) == Some(seq) {
                run.count += 1;
                continue;
            }
            let before = std::mem::replace(&mut run, Run { first: seq, count: 1 });
            outcome = self.settle(key, before).map(|_| ());
            if outcome.is_err() {
                break;
            }
        }
        let outcome = outcome.and_then(|()| self.settle(key, run).map(|_| ()));
        self.settle_down(world);
        outcome
    }

    /// Ends leases; how many there were.
    fn settle(&mut self, key: usize, run: Run) -> Result<u64, Violation> {
        let end = self.end_of(key, run)?;
        let mut settled = Amount::ZERO;
        let timing = &mut self.timing;
        self.clients[key].held.settle(run.first, end, |returned| {
            settled += Amount::one(returned.stored.item.bytes());
            timing.note_settled(returned.was_timed);
        });
        self.ledger.leased -= settled;
        Ok(settled.items)
    }

    pub(super) fn nack(
        &mut self,
        key: usize,
        seq: u64,
        delay: Duration,
        world: &impl World,
    ) -> Result<Reply, Violation> {
        self.read_taken(key, world);
        let run = Run { first: seq, count: 1 };
        let end = self.end_of(key, run)?;
        let mut found = None;
        let held = &mut self.clients[key].held;
        held.settle(seq, end, |returned| found = Some(returned));
        let stale = u64::from(found.is_none());
        if let Some(returned) = found {
            let until = (!delay.is_zero()).then(|| self.after(delay, world));
            if let Some(stored) = self.take_back(returned, Cause::Nacked) {
                match until {
                    Some(until) => self.timing.delay(stored, until),
                    None => self.ready.put_back(stored),
                }
            }
        }
        Ok(Reply::Settled { stale })
    }

    /// Makes a leased item a dead letter at once.
    pub(super) fn reject(&mut self, key: usize, seq: u64, world: &impl World) -> Result<Reply, Violation> {
        self.read_taken(key, world);
        let end = self.end_of(key, Run { first: seq, count: 1 })?;
        let mut found = None;
        self.clients[key].held.settle(seq, end, |returned| found = Some(returned));
        let stale = u64::from(found.is_none());
        if let Some(Returned { stored, was_timed, .. }) = found {
            self.timing.note_settled(was_timed);
            self.ledger.leased -= Amount::one(stored.item.bytes());
            self.bury_item(&stored, stored.attempts.saturating_add(1), Cause::Unreadable);
        }
        Ok(Reply::Settled { stale })
    }

    fn bury_item(&mut self, stored: &Stored, attempts: u32, cause: Cause) {
        self.letters.push(DeadLetter { item: stored.item.as_bytes().to_vec(), attempts, cause });
    }

    pub(super) fn extend(
        &mut self,
        key: usize,
        seq: u64,
        lasting: Duration,
        world: &impl World,
    ) -> Result<Reply, Violation> {
        self.read_taken(key, world);
        let run = Run { first: seq, count: 1 };
        self.end_of(key, run)?;
        let until = self.after(lasting, world);
        let before = self.clients[key].held.extend_lease(seq, until);
        if let Some(before) = before
            && before != Some(until)
        {
            if before.is_some() {
                // `note_end` counts it again.
                self.timing.timed -= 1;
            }
            self.note_end(key, seq, 1, until);
        }
        let stale = u64::from(before.is_none());
        Ok(Reply::Settled { stale })
    }

    /// The end of a run of numbers that have all been handed out.
    fn end_of(&self, key: usize, run: Run) -> Result<u64, Violation> {
        let taken = self.clients[key].held.taken();
        let end = run.first.checked_add(run.count);
        end.filter(|&end| end <= taken).ok_or(Violation::NotTaken)
    }

    /// The time that is so far from now.
    pub(super) fn after(&self, lasting: Duration, world: &impl World) -> Instant {
        world.now() + lasting.min(MAX_LASTING)
    }

    /// Remembers that leases end at a time.
    pub(super) fn note_end(&mut self, key: usize, first: u64, count: u64, at: Instant) {
        let end = first + count;
        self.timing.timed += count;
        self.timing.endings.push(Reverse(Ending { at, key, first, end }));
        self.timing.sweep(&self.clients);
    }

    /// Takes an item back from a consumer, as an attempt if user code has had it. `None`: that was the
    /// last attempt, and the item is a dead letter.
    fn take_back(&mut self, returned: Returned, cause: Cause) -> Option<Stored> {
        let Returned { mut stored, was_taken, was_timed } = returned;
        let amount = Amount::one(stored.item.bytes());
        self.timing.note_settled(was_timed);
        if !was_taken {
            self.ledger.ahead -= amount;
            self.ledger.queued += amount;
            return Some(stored);
        }
        self.ledger.leased -= amount;
        stored.attempts = stored.attempts.saturating_add(1);
        if self.max_attempts.is_some_and(|max| stored.attempts >= max.get()) {
            self.bury_item(&stored, stored.attempts, cause);
            return None;
        }
        self.ledger.queued += amount;
        Some(stored)
    }

    /// Puts the leases of a client that is gone back at the head, in order.
    pub(super) fn return_leases(&mut self, key: usize) {
        while let Some(returned) = self.clients[key].held.pop_in_hand() {
            if let Some(stored) = self.take_back(returned, Cause::ConsumerGone) {
                self.ready.put_back(stored);
            }
        }
    }

    fn expire(&mut self, now: Instant, world: &impl World) {
        let mut expired = Vec::new();
        while let Some(Reverse(ending)) = self.timing.endings.peek().copied()
            && ending.at <= now
        {
            self.timing.endings.pop();
            // An entry may be older than its client; then it ends what is due there anyway, or nothing.
            if self.clients.get(ending.key).is_some() {
                // Only what user code has not had is no attempt.
                self.read_taken(ending.key, world);
                let held = &mut self.clients[ending.key].held;
                held.expire(ending.first, ending.end, now, |returned| {
                    expired.push(returned);
                });
            }
        }
        for returned in expired.into_iter().rev() {
            fault!(LeaseReturnedTwice, self.ready.put_back(Stored::new(returned.stored.item.as_bytes())));
            if let Some(stored) = self.take_back(returned, Cause::Expired) {
                self.ready.put_back(stored);
            }
        }
    }

    fn end_delays(&mut self, now: Instant) {
        let later = self.timing.delayed.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.timing.delayed, later);
        for stored in due.into_values().rev() {
            self.ready.put_back(stored);
        }
    }
}

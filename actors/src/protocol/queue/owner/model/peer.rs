//! One client of the model, as a client in order behaves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::super::wire::{Amount, Reason, Reply, Run, Terms, ToClient, ToOwner};
use super::super::ClientId;

/// From a client to the owner.
#[derive(Debug)]
pub(super) enum Up {
    Put(Vec<Vec<u8>>),
    Offer(Vec<Vec<u8>>),
    Say(ToOwner),
    /// The connection's end.
    Down,
}

/// From the owner to a client.
#[derive(Debug)]
pub(super) enum Tell {
    Items(u64, Vec<Got>),
    Say(ToClient),
    Reply(Reply),
}

/// A delivered item.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) bytes: Vec<u8>,
    /// The number of the attempt, if it is leased.
    pub(super) attempt: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: ClientId,
    pub(super) is_alive: bool,
    /// On the owner's node: what it puts needs no credit, and nothing is under way.
    pub(super) is_beside: bool,
    pub(super) up: VecDeque<Up>,
    pub(super) down: VecDeque<Tell>,
    /// The shared word, and the mark beside it.
    pub(super) taken: u64,
    pub(super) mark: bool,
    pub(super) credit: Amount,
    pub(super) next_offer: u64,
    /// Offers not known to be admitted, refused or withdrawn.
    pub(super) offers: BTreeMap<u64, Vec<u8>>,
    /// Withdrawals under way.
    withdrawals: VecDeque<Run>,
    pub(super) inbox: VecDeque<Got>,
    pub(super) is_returning: bool,
    pub(super) leases: Vec<u64>,
    pub(super) joins: Vec<u64>,
    /// Those it has said it waits for no longer; the answer may have been under way.
    left_joins: Vec<u64>,
    next_join: u64,
    pub(super) knows_closed: bool,
}

impl Peer {
    pub(super) fn new(id: ClientId, is_beside: bool) -> Peer {
        Peer {
            id,
            is_alive: true,
            is_beside,
            up: VecDeque::new(),
            down: VecDeque::new(),
            taken: 0,
            mark: false,
            credit: Amount::ZERO,
            next_offer: 0,
            offers: BTreeMap::new(),
            withdrawals: VecDeque::new(),
            inbox: VecDeque::new(),
            is_returning: false,
            leases: Vec::new(),
            joins: Vec::new(),
            left_joins: Vec::new(),
            next_join: 0,
            knows_closed: false,
        }
    }

    pub(super) fn has_traffic(&self) -> bool {
        !self.up.is_empty() || !self.down.is_empty()
    }

    pub(super) fn can_take(&self) -> bool {
        self.is_alive && !self.inbox.is_empty()
    }

    pub(super) fn say(&mut self, message: ToOwner) {
        self.up.push_back(Up::Say(message));
    }

    /// Sends what credit covers as a put, and the rest as an offer.
    pub(super) fn put(&mut self, items: Vec<Vec<u8>>) {
        let mut items = items.into_iter().peekable();
        let mut put = Vec::new();
        let cost = |item: &Vec<u8>| Amount::one(item.len() as u64);
        while let Some(item) = items.next_if(|item| self.credit.covers(cost(item))) {
            self.credit -= cost(&item);
            put.push(item);
        }
        let offer: Vec<_> = items.collect();
        for item in &offer {
            self.offers.insert(self.next_offer, item.clone());
            self.next_offer += 1;
        }
        if !put.is_empty() {
            self.up.push_back(Up::Put(put));
        }
        if !offer.is_empty() {
            self.up.push_back(Up::Offer(offer));
        }
    }

    pub(super) fn want(&mut self, count: u64, terms: Terms) {
        self.say(ToOwner::Want { count, terms });
    }

    pub(super) fn give_back(&mut self, keep: usize) {
        if self.is_returning {
            return;
        }
        self.inbox.truncate(keep % (self.inbox.len() + 1));
        self.is_returning = true;
        let from_seq = self.taken + self.inbox.len() as u64;
        self.say(ToOwner::GiveBack { from_seq });
    }

    pub(super) fn withdraw(&mut self, newest: u64) {
        let first = self.next_offer.saturating_sub(newest);
        let count = self.next_offer - first;
        self.withdraw_run(Run { first, count });
    }

    pub(super) fn withdraw_run(&mut self, run: Run) {
        self.withdrawals.push_back(run);
        self.say(ToOwner::Withdraw(run));
    }

    pub(super) fn surrender(&mut self, keep: u64) {
        let amount = Amount { items: self.credit.items.saturating_sub(keep), bytes: self.credit.bytes / 2 };
        self.credit -= amount;
        self.say(ToOwner::Surrender(amount));
    }

    pub(super) fn ack(&mut self, which: usize) {
        let mut runs = Vec::new();
        for _ in 0..which % 4 {
            if !self.leases.is_empty() {
                let first = self.leases.remove(which % self.leases.len());
                runs.push(Run { first, count: 1 });
            }
        }
        self.say(ToOwner::Ack { runs });
    }

    pub(super) fn ack_all(&mut self) {
        let one = |first| Run { first, count: 1 };
        let runs = self.leases.drain(..).map(one).collect();
        self.say(ToOwner::Ack { runs });
    }

    pub(super) fn nack(&mut self, which: usize, delay: Duration) {
        if !self.leases.is_empty() {
            let seq = self.leases.remove(which % self.leases.len());
            self.say(ToOwner::Nack { seq, delay });
        }
    }

    pub(super) fn reject(&mut self, which: usize) {
        if !self.leases.is_empty() {
            let seq = self.leases.remove(which % self.leases.len());
            self.say(ToOwner::Reject { seq });
        }
    }

    pub(super) fn extend(&mut self, which: usize, lasting: Duration) {
        if !self.leases.is_empty() {
            let seq = self.leases[which % self.leases.len()];
            self.say(ToOwner::Extend { seq, lasting });
        }
    }

    /// As a client does, never with one number twice.
    pub(super) fn join(&mut self) {
        self.next_join += 1;
        let token = self.next_join;
        self.joins.push(token);
        self.say(ToOwner::Join { token });
    }

    pub(super) fn unjoin(&mut self) {
        if let Some(token) = self.joins.pop() {
            self.left_joins.push(token);
            self.say(ToOwner::Unjoin { token });
        }
    }

    /// Takes in what the owner said.
    pub(super) fn hear(&mut self, tell: Tell) {
        match tell {
            // Under way when the items were given back, so they went back with them.
            Tell::Items(..) if self.is_returning => {}
            Tell::Items(first, items) => {
                assert_eq!(first, self.taken + self.inbox.len() as u64);
                self.inbox.extend(items);
            }
            Tell::Say(message) => self.obey(message),
            Tell::Reply(Reply::Returned { .. }) => self.is_returning = false,
            Tell::Reply(Reply::Withdrawn { count }) => {
                let run = self.withdrawals.pop_front().expect("it was asked for");
                let withdrawn = last_open(&self.offers, run, count);
                self.offers.retain(|n, _| !withdrawn.contains(n));
            }
            Tell::Reply(_) => {}
        }
    }

    fn obey(&mut self, message: ToClient) {
        match message {
            ToClient::Grant(amount) => self.credit += amount,
            ToClient::Revoke => self.surrender_all(),
            ToClient::Recall => self.give_back(0),
            ToClient::Closed => {
                self.knows_closed = true;
                self.surrender_all();
            }
            ToClient::Admitted { below } => self.offers.retain(|&n, _| n >= below),
            ToClient::Refused(refusal) => {
                let mut left = refusal.count;
                self.offers.retain(|&n, _| {
                    let hit = n >= refusal.first && left > 0;
                    left -= u64::from(hit);
                    !hit
                });
                assert!(left == 0 || refusal.reason == Reason::Closed);
            }
            ToClient::Ended => {}
            ToClient::Joined { token } => match self.joins.iter().position(|&t| t == token) {
                Some(at) => drop(self.joins.remove(at)),
                None => assert!(self.left_joins.contains(&token), "it never asked"),
            },
        }
    }

    fn surrender_all(&mut self) {
        let all = std::mem::take(&mut self.credit);
        self.say(ToOwner::Surrender(all));
    }
}

/// The last `count` numbers of the run that are still open.
pub(super) fn last_open<T>(offers: &BTreeMap<u64, T>, run: Run, count: u64) -> Vec<u64> {
    let end = run.first.saturating_add(run.count);
    let open = offers.range(run.first..end).map(|(n, _)| *n);
    open.rev().take(count as usize).collect()
}

//! Each rule of the owner by itself.

mod admission;
mod delivery;
mod lease;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use callboard_core::{Address, NodeId, Slot};

use super::super::wire::{Amount, Length, Refusal, Reply, Run, Terms, ToOwner};
use super::{ClientId, Direct, Item, Order, Owner, Settings, Violation, World};
use crate::parcel::Rights;

/// What the owner did, with clients by number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Effect {
    Deliver(u64, u64, Vec<String>),
    DeliverLeased(u64, u64, Vec<(String, u32)>),
    DeliverParcel(u64, u64, String, usize),
    Grant(u64, Amount),
    Revoke(u64),
    Admitted(u64, u64),
    Refused(u64, Refusal),
    Ended(u64),
    Closed(u64),
    Joined(u64, u64),
    Watch(u64),
}

struct Log {
    effects: Vec<Effect>,
    words: HashMap<ClientId, u64>,
    now: Instant,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn id(client: u64) -> ClientId {
    Address { node: NodeId::new(client).unwrap(), slot: Slot { index: 1, generation: 1 } }
}

impl World for Log {
    fn now(&self) -> Instant {
        self.now
    }
    fn taken(&self, client: ClientId) -> u64 {
        self.words.get(&client).copied().unwrap_or_default()
    }
    fn watch(&mut self, client: ClientId) {
        self.effects.push(Effect::Watch(client.node.get()));
    }
    fn deliver<'a>(&mut self, to: ClientId, first_seq: u64, items: impl ExactSizeIterator<Item = &'a [u8]>) {
        let items = items.map(text).collect();
        let effect = Effect::Deliver(to.node.get(), first_seq, items);
        self.effects.push(effect);
    }
    fn deliver_leased<'a>(
        &mut self,
        to: ClientId,
        first_seq: u64,
        items: impl ExactSizeIterator<Item = (&'a [u8], u32)>,
    ) {
        let items = items.map(|(item, attempt)| (text(item), attempt));
        let effect = Effect::DeliverLeased(to.node.get(), first_seq, items.collect());
        self.effects.push(effect);
    }
    fn deliver_parcel(&mut self, to: ClientId, seq: u64, item: &[u8], rights: &Rights) {
        self.effects.push(Effect::DeliverParcel(to.node.get(), seq, text(item), rights.len()));
    }
    fn grant(&mut self, to: ClientId, credit: Amount) {
        self.effects.push(Effect::Grant(to.node.get(), credit));
    }
    fn revoke(&mut self, from: ClientId) {
        self.effects.push(Effect::Revoke(from.node.get()));
    }
    fn admitted(&mut self, to: ClientId, below: u64) {
        self.effects.push(Effect::Admitted(to.node.get(), below));
    }
    fn refused(&mut self, to: ClientId, refusal: Refusal) {
        self.effects.push(Effect::Refused(to.node.get(), refusal));
    }
    fn ended(&mut self, to: ClientId) {
        self.effects.push(Effect::Ended(to.node.get()));
    }
    fn closed(&mut self, to: ClientId) {
        self.effects.push(Effect::Closed(to.node.get()));
    }
    fn joined(&mut self, to: ClientId, token: u64) {
        self.effects.push(Effect::Joined(to.node.get(), token));
    }
}

/// An owner and what it did since somebody looked.
struct Table {
    owner: Owner,
    log: Log,
}

const LEASED: Terms = Terms::Leased { lasting: None };
const SECOND: Duration = Duration::from_secs(1);

impl Table {
    fn new(items: u64, bytes: u64) -> Table {
        Table::with_attempts(items, bytes, 0)
    }

    fn with_attempts(items: u64, bytes: u64, attempts: u32) -> Table {
        let settings = Settings {
            capacity: Amount { items, bytes },
            max_attempts: NonZeroU32::new(attempts),
            order: Order::Fifo,
        };
        let log = Log { effects: Vec::new(), words: HashMap::new(), now: Instant::now() };
        let owner = Owner::new(settings);
        Table { owner, log }
    }

    /// Puts words for credit and returns what came of it.
    fn put(&mut self, client: u64, words: &str) -> Vec<Effect> {
        self.try_put(client, words).unwrap();
        self.effects()
    }

    fn try_put(&mut self, client: u64, words: &str) -> Result<(), Violation> {
        let items = words.split_whitespace().map(str::as_bytes);
        self.owner.put(id(client), items, &mut self.log)
    }

    fn put_directly(&mut self, client: u64, word: &str) -> Direct {
        self.owner.put_directly(id(client), word.as_bytes(), &mut self.log)
    }

    fn offer(&mut self, client: u64, words: &str) -> Vec<Effect> {
        let items = words.split_whitespace().map(str::as_bytes);
        let outcome = self.owner.offer(id(client), items, &mut self.log);
        outcome.unwrap();
        self.effects()
    }

    fn try_say(&mut self, client: u64, message: ToOwner) -> Result<Option<Reply>, Violation> {
        self.owner.handle(id(client), message, &mut self.log)
    }

    /// Says something that is replied to; what it did is still to be looked at.
    fn ask(&mut self, client: u64, message: ToOwner) -> Reply {
        self.try_say(client, message).unwrap().unwrap()
    }

    fn say(&mut self, client: u64, message: ToOwner) -> Vec<Effect> {
        self.try_say(client, message).unwrap();
        self.effects()
    }

    fn want(&mut self, client: u64, count: u64) -> Vec<Effect> {
        let terms = Terms::Taken;
        self.say(client, ToOwner::Want { count, terms })
    }

    fn lease(&mut self, client: u64, count: u64, lasting: Option<Duration>) -> Vec<Effect> {
        let terms = Terms::Leased { lasting };
        self.say(client, ToOwner::Want { count, terms })
    }

    fn take(&mut self, client: u64, count: u64) {
        *self.log.words.entry(id(client)).or_default() += count;
    }

    fn down(&mut self, client: u64) -> Vec<Effect> {
        self.owner.down(id(client), &mut self.log);
        self.effects()
    }

    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        self.log.now += time;
        self.owner.tick(&mut self.log);
        self.effects()
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.log.effects)
    }

    fn waiting_items(&mut self) -> u64 {
        match self.ask(9, ToOwner::Len) {
            Reply::Length(Length { waiting, .. }) => waiting.items,
            other => panic!("{other:?}"),
        }
    }
}

fn words(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn delivered(to: u64, first: u64, items: &str) -> Vec<Effect> {
    vec![Effect::Deliver(to, first, words(items))]
}

fn leased(to: u64, first: u64, items: &[(&str, u32)]) -> Vec<Effect> {
    let items = items.iter().map(|(word, n)| ((*word).to_owned(), *n));
    vec![Effect::DeliverLeased(to, first, items.collect())]
}

fn run(first: u64, count: u64) -> Run {
    Run { first, count }
}

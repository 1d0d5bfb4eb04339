//! Names to addresses, kept by the root for the whole job.
//!
//! `Registry` is a pure machine; `RegistryCell` puts it at the well-known slot [`REGISTRY`] of the root. A name is bound
//! to the life of the node that owns its object, and free again before anybody hears of that node's end.

mod books;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use callboard_core::{Address, Kind, NodeId, Slot, decode, encode_into};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use self::books::Books;
use crate::call;
use crate::cell::{Cell, Incoming, Violation};
use crate::fault::fault;
use crate::parcel::Rights;
use crate::peer::Peer;
use crate::runtime::Runtime;

/// Where the root's registry is.
pub(crate) const REGISTRY: Slot = Slot { index: 1, generation: 1 };

/// The longest name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 255;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) address: Address,
    /// The object's type as its users write it, for instance `Queue<u64>`.
    pub(crate) type_name: String,
}

/// What nodes ask of the registry. All but `Forget`, `Unregister` and `Unhold` are answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// `key`: that of who holds the name, if somebody does; otherwise zero.
    Register {
        name: String,
        entry: Entry,
        key: u64,
    },
    /// Keeps a name for those who know the key, also while it stands for nothing, until `Unhold` or the end of the asker's node.
    Hold {
        name: String,
        entry: Entry,
        key: u64,
    },
    Unhold {
        name: String,
        key: u64,
    },
    /// `wait`: answer when the name is there, however long that takes.
    Lookup {
        name: String,
        wait: bool,
    },
    /// The asker of waiting look-up `word` waits no more.
    Forget {
        name: String,
        word: u64,
    },
    Unregister {
        name: String,
        address: Address,
    },
    /// The same, answered when it is done.
    Release {
        name: String,
        address: Address,
    },
}

impl Ask {
    fn name(&self) -> &str {
        match self {
            Self::Register { name, .. }
            | Self::Hold { name, .. }
            | Self::Unhold { name, .. }
            | Self::Lookup { name, .. }
            | Self::Forget { name, .. }
            | Self::Unregister { name, .. }
            | Self::Release { name, .. } => name,
        }
    }

    /// What the name stands for, or should or did, if that is said.
    fn address(&self) -> Option<Address> {
        match self {
            Self::Register { entry, .. } | Self::Hold { entry, .. } => Some(entry.address),
            Self::Unregister { address, .. } | Self::Release { address, .. } => Some(*address),
            Self::Unhold { .. } | Self::Lookup { .. } | Self::Forget { .. } => None,
        }
    }
}

/// What the registry answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Registered,
    /// The name stands for this. An answer to both questions.
    Stands(Entry),
    Unknown,
    Released,
}

/// Somebody who waits for an answer: a node and the number of its call.
type Asker = (NodeId, u64);

/// A name that is kept for some.
#[derive(Debug)]
struct Hold {
    key: u64,
    /// Who keeps it, to be told to others.
    by: Entry,
}

#[derive(Debug, Default)]
pub(crate) struct Registry {
    names: HashMap<String, Entry>,
    holds: HashMap<String, Hold>,
    waiting: HashMap<String, Vec<Asker>>,
    books: Books,
}

impl Registry {
    /// Handles one request; the answers to give now, in order.
    pub(crate) fn ask(&mut self, asker: Asker, ask: Ask) -> Vec<(Asker, Answer)> {
        match ask {
            Ask::Register { name, entry, key } => self.register(asker, name, entry, key),
            Ask::Hold { name, entry, key } => {
                let answer = match (self.names.get(&name), self.holds.get(&name)) {
                    (Some(stands), _) => Answer::Stands(stands.clone()),
                    (None, Some(hold)) => Answer::Stands(hold.by.clone()),
                    (None, None) => {
                        self.books.given(&name, &entry);
                        self.holds.insert(name, Hold { key, by: entry });
                        Answer::Registered
                    }
                };
                vec![(asker, answer)]
            }
            Ask::Unhold { name, key } => {
                if self.holds.get(&name).is_some_and(|hold| hold.key == key)
                    && let Some(hold) = self.holds.remove(&name)
                {
                    self.books.taken(&name, &hold.by);
                }
                Vec::new()
            }
            Ask::Lookup { name, wait } => match self.names.get(&name) {
                Some(entry) => vec![(asker, Answer::Stands(entry.clone()))],
                None if wait => {
                    self.books.waits(asker.0);
                    self.waiting.entry(name).or_default().push(asker);
                    Vec::new()
                }
                None => vec![(asker, Answer::Unknown)],
            },
            Ask::Forget { name, word } => {
                self.forget(&name, |waiting| *waiting == (asker.0, word));
                Vec::new()
            }
            Ask::Unregister { name, address } => {
                self.unregister(&name, address);
                Vec::new()
            }
            Ask::Release { name, address } => {
                self.unregister(&name, address);
                vec![(asker, Answer::Released)]
            }
        }
    }

    fn unregister(&mut self, name: &str, address: Address) {
        if self.names.get(name).is_some_and(|entry| entry.address == address)
            && let Some(entry) = self.names.remove(name)
        {
            self.books.taken(name, &entry);
        }
    }

    fn register(&mut self, asker: Asker, name: String, entry: Entry, key: u64) -> Vec<(Asker, Answer)> {
        if let Some(stands) = self.names.get(&name) {
            return vec![(asker, Answer::Stands(stands.clone()))];
        }
        if let Some(hold) = self.holds.get(&name).filter(|hold| hold.key != key) {
            return vec![(asker, Answer::Stands(hold.by.clone()))];
        }
        let waiting = self.waiting.remove(&name).unwrap_or_default();
        waiting.iter().for_each(|(node, _)| self.books.wait_no_more(*node, 1));
        let news = waiting.into_iter().map(|who| (who, Answer::Stands(entry.clone())));
        let answers = std::iter::once((asker, Answer::Registered)).chain(news).collect();
        self.books.given(&name, &entry);
        self.names.insert(name, entry);
        answers
    }

    /// Frees the names of a node that has ended and forgets whom it made wait.
    pub(crate) fn node_ended(&mut self, node: NodeId) {
        fault!(NamesOfTheDeadKept, return);
        let books = &mut self.books;
        let of_it = |entry: &Entry| entry.address.node == node;
        self.names.extract_if(|_, entry| of_it(entry)).for_each(|(name, entry)| books.taken(&name, &entry));
        self.holds
            .extract_if(|_, hold| of_it(&hold.by))
            .for_each(|(name, hold)| books.taken(&name, &hold.by));
        let names: Vec<String> = self.waiting.keys().cloned().collect();
        for name in names {
            self.forget(&name, |(waiting, _)| *waiting == node);
        }
    }

    fn forget(&mut self, name: &str, whom: impl Fn(&Asker) -> bool) {
        if let Some(waiting) = self.waiting.get_mut(name) {
            let forgotten = waiting.extract_if(.., |asker| whom(asker));
            forgotten.for_each(|(node, _)| self.books.wait_no_more(node, 1));
            if waiting.is_empty() {
                self.waiting.remove(name);
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct RegistryCell(Mutex<Registry>);

impl RegistryCell {
    fn handle(&self, runtime: &Arc<Runtime>, asker: Asker, ask: Ask) {
        answer_here(runtime, self.answers(runtime, asker, ask));
    }

    /// What those objects are called, by the first of their names in the order of the alphabet.
    pub(crate) fn names_of(&self, of: &[Address]) -> Vec<Option<String>> {
        let mut called: HashMap<Address, Option<&String>> = of.iter().map(|of| (*of, None)).collect();
        let registry = self.0.lock();
        for (name, entry) in &registry.names {
            if let Some(first) = called.get_mut(&entry.address) {
                *first = Some(first.map_or(name, |first| first.min(name)));
            }
        }
        of.iter().map(|address| called[address].cloned()).collect()
    }

    /// How many names stand for something, how many are kept, and how many look-ups wait.
    #[cfg(test)]
    pub(crate) fn has(&self) -> [usize; 3] {
        let registry = self.0.lock();
        [registry.names.len(), registry.holds.len(), registry.waiting.values().map(Vec::len).sum()]
    }

    /// Handles one request and posts the answers to other nodes; those to this one.
    fn answers(&self, runtime: &Arc<Runtime>, asker: Asker, ask: Ask) -> Vec<(u64, Answer)> {
        // Answers are posted before the lock is released, which fixes their order; those to this node
        // itself run a caller's closure, so they come after it.
        let mut to_self = Vec::new();
        let mut registry = self.0.lock();
        for (asker, answer) in registry.ask(asker, ask) {
            if asker.0 == runtime.id {
                to_self.push((asker.1, answer));
            } else if let Some(peer) = runtime.peer(asker.0) {
                call::reply(runtime, &peer, asker.1, &answer);
            }
        }
        to_self
    }
}

fn answer_here(runtime: &Arc<Runtime>, answers: Vec<(u64, Answer)>) {
    for (word, answer) in answers {
        let mut body = Vec::new();
        encode_into(&answer, &mut body).expect("our own answers can be encoded");
        runtime.replied(runtime.id, word, Default::default(), || (body, Rights::default()).into());
    }
}

impl Cell for RegistryCell {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        let ask: Ask = decode(incoming.body).map_err(|e| format!("a registry message: {e}"))?;
        let answered =
            matches!(ask, Ask::Register { .. } | Ask::Hold { .. } | Ask::Lookup { .. } | Ask::Release { .. });
        if answered != (incoming.kind == Kind::Call) {
            return Err("a registry message of the wrong kind".to_owned());
        }
        self.0.lock().books.admit(from.id, &ask)?;
        self.handle(runtime, (from.id, incoming.word), ask);
        Ok(())
    }

    fn peer_ended(&self, _runtime: &Arc<Runtime>, peer: NodeId) {
        self.0.lock().node_ended(peer);
    }
}

/// Asks the root's registry from within the root.
pub(crate) fn ask_here(runtime: &Arc<Runtime>, registry: &RegistryCell, word: u64, ask: Ask) {
    registry.handle(runtime, (runtime.id, word), ask);
}

/// At the root: gives a name to something that lives there too; what the name stands for if it is taken.
pub(crate) fn register_here(
    runtime: &Arc<Runtime>,
    registry: &RegistryCell,
    name: &str,
    entry: Entry,
) -> Option<Entry> {
    // No call has that number.
    let asker = (runtime.id, 0);
    let answers = registry.answers(runtime, asker, Ask::Register { name: name.to_owned(), entry, key: 0 });
    let (own, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(word, _)| *word == asker.1);
    answer_here(runtime, others);
    own.into_iter().find_map(|(_, answer)| match answer {
        Answer::Stands(entry) => Some(entry),
        Answer::Registered | Answer::Unknown | Answer::Released => None,
    })
}

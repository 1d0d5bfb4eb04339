//! An owner in a slot of its node: who asked what is written down here, so that the machine knows askers by number alone.

use std::any::Any;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};
use std::time::Instant;

use callboard_core::limits::MAX_WAITING_PER_NODE;
use callboard_core::{Address, BodyError, ByteStrings, Flags, Kind, NodeId, Slot, decode};
use foldhash::HashMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::owner::{Asker, Effects, Owner};
use crate::call::{self, OnReply};
use crate::cell::{Cell, Incoming, Violation};
use crate::names;
use crate::parcel::{Parcel, Rights};
use crate::peer::{Peer, packed};
use crate::runtime::{Runtime, Tick};
use crate::scope;

/// What travels to the cell.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Envelope<A> {
    /// For the owner. A call, where the answer is wanted.
    Ask(A),
    /// Nobody waits for the answer to that call any more.
    Forget { word: u64 },
}

/// Where an answer goes: to a call of a node.
#[derive(Clone, Debug)]
struct Whom {
    /// None: of this very node.
    peer: Option<Arc<Peer>>,
    word: u64,
}

/// What a question of this node came to.
pub(super) enum Heard<R> {
    Answered(R),
    /// The answer comes to the call of this number.
    Waits(u64),
}

struct State<O> {
    owner: O,
    /// The cell's own.
    slot: Slot,
    last: u64,
    waiting: HashMap<Asker, Whom>,
    /// The same by node and number of the call.
    calls: HashMap<(NodeId, u64), Asker>,
    tick: Tick,
}

pub(crate) struct ObjectCell<O> {
    pub(super) address: Address,
    state: Mutex<State<O>>,
}

impl<O: Owner> ObjectCell<O> {
    pub(super) fn create(runtime: &Arc<Runtime>, owner: O) -> Arc<Self> {
        Self::create_cyclic(runtime, |_| owner)
    }

    pub(super) fn create_cyclic(runtime: &Arc<Runtime>, make: impl FnOnce(&Weak<Self>) -> O) -> Arc<Self> {
        runtime.add_cell(|slot| {
            Arc::new_cyclic(|me| Self {
                address: Address { node: runtime.id, slot },
                state: Mutex::new(State {
                    owner: make(me),
                    slot,
                    last: 0,
                    waiting: HashMap::default(),
                    calls: HashMap::default(),
                    tick: Tick::default(),
                }),
            })
        })
    }

    /// Asks for a thread of this node. If the answer is not there at once, it is `on_reply`'s.
    pub(super) fn ask_here(
        &self,
        runtime: &Arc<Runtime>,
        ask: O::Ask,
        on_reply: Option<&dyn Fn() -> OnReply>,
    ) -> Option<Heard<O::Reply>> {
        let mut effects = Effects::default();
        let mut state = self.state.lock();
        let asker = state.next();
        state.owner.handle(asker, ask, Instant::now(), &mut effects);
        let answer = effects.replies.iter().position(|(other, _)| *other == asker);
        let heard = match (answer, on_reply) {
            (Some(at), _) => Some(Heard::Answered(effects.replies.remove(at).1)),
            (None, Some(on_reply)) => {
                let word = runtime.calls.begin(runtime.id, on_reply());
                let is_new = state.wait(asker, runtime.id, Whom { peer: None, word });
                debug_assert!(is_new, "numbers of calls are not used twice");
                Some(Heard::Waits(word))
            }
            (None, None) => None,
        };
        let after = state.carry_out(runtime, effects);
        drop(state);
        after.run(runtime, self.address);
        if matches!(heard, Some(Heard::Waits(_))) && runtime.has_ended() {
            // Its end may have come before the entry in the table.
            runtime.fail_calls_to(runtime.id);
        }
        // Whoever is told by this may be on another node, and this thread may not come to write for long.
        runtime.flush_listed_by_need();
        heard
    }

    /// Tells it something for which nobody waits.
    pub(crate) fn tell_here(&self, runtime: &Arc<Runtime>, ask: O::Ask) {
        self.ask_here(runtime, ask, None);
    }

    /// Does what `by` has cast.
    pub(super) fn casts(
        &self,
        runtime: &Arc<Runtime>,
        by: NodeId,
        casts: ByteStrings<'_>,
    ) -> Result<(), BodyError> {
        let mut effects = Effects::default();
        let mut state = self.state.lock();
        let done = state.owner.casts(by, casts, Instant::now(), &mut effects);
        let after = state.carry_out(runtime, effects);
        drop(state);
        after.run(runtime, self.address);
        done
    }

    /// A thread of this node waits no longer for the answer to `word`.
    pub(super) fn forget_here(&self, runtime: &Arc<Runtime>, word: u64) {
        self.forget(runtime, runtime.id, word);
        runtime.flush_listed_by_need();
    }

    /// Answers a question that the owner has left open, for a thread that has worked it out.
    pub(crate) fn answer(&self, runtime: &Arc<Runtime>, asker: Asker, reply: O::Reply) {
        let mut effects = Effects::default();
        effects.reply(asker, reply);
        let after = self.state.lock().carry_out(runtime, effects);
        after.run(runtime, self.address);
        runtime.flush_listed_by_need();
    }

    fn forget(&self, runtime: &Arc<Runtime>, node: NodeId, word: u64) {
        self.forget_by(runtime, node, word, O::forget);
    }

    fn forget_by(
        &self,
        runtime: &Arc<Runtime>,
        node: NodeId,
        word: u64,
        tell: impl FnOnce(&mut O, Asker, &mut Effects<O::Reply>),
    ) {
        let mut state = self.state.lock();
        let Some(asker) = state.calls.remove(&(node, word)) else { return };
        state.waiting.remove(&asker);
        let mut effects = Effects::default();
        tell(&mut state.owner, asker, &mut effects);
        let after = state.carry_out(runtime, effects);
        drop(state);
        after.run(runtime, self.address);
    }

    fn asked(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: &Incoming<'_>,
        ask: O::Ask,
    ) -> Result<(), Violation> {
        let mut effects = Effects::default();
        let mut state = self.state.lock();
        let asker = state.next();
        let is_call = incoming.kind == Kind::Call;
        if is_call {
            // Known before the effects are carried out, which takes it off again if the answer is among them; and before the owner
            // is asked, whose answers to others would be lost with a question that can't be.
            let whom = Whom { peer: Some(Arc::clone(from)), word: incoming.word };
            if !state.wait(asker, from.id, whom) {
                return Err("a second call with the number of one that waits".to_owned());
            }
        }
        state.owner.handle(asker, ask, Instant::now(), &mut effects);
        if !is_call && !effects.replies.iter().any(|(other, _)| *other == asker) {
            // Nobody waits for an answer to a cast: none must be kept in mind.
            state.owner.forget(asker, &mut effects);
        }
        let after = state.carry_out(runtime, effects);
        let waits = state.waiting.contains_key(&asker);
        let too_many = waits
            && state.waiting.len() > MAX_WAITING_PER_NODE
            && state.waiting_of(from.id) > MAX_WAITING_PER_NODE;
        drop(state);
        after.run(runtime, self.address);
        if waits {
            from.interests(self.address.slot);
            if from.has_ended() {
                self.peer_ended(runtime, from.id);
            }
        }
        if too_many {
            return Err(format!("more than {MAX_WAITING_PER_NODE} questions of one node wait at one object"));
        }
        Ok(())
    }
}

impl<O: Owner> State<O> {
    fn next(&mut self) -> Asker {
        self.last += 1;
        Asker(self.last)
    }

    /// False if a call of that number waits already.
    #[must_use]
    fn wait(&mut self, asker: Asker, node: NodeId, whom: Whom) -> bool {
        let word = whom.word;
        match self.calls.entry((node, word)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(asker);
                self.waiting.insert(asker, whom);
                true
            }
        }
    }

    fn waiting_of(&self, node: NodeId) -> usize {
        self.calls.keys().filter(|(of, _)| *of == node).count()
    }

    /// Appends answers for other nodes to their outboxes; what is left to do once this is unlocked.
    fn carry_out(&mut self, runtime: &Arc<Runtime>, effects: Effects<O::Reply>) -> After {
        let mut after = After { frees: effects.frees, is_over: effects.is_over, ..After::default() };
        for (asker, reply) in effects.replies {
            let Some(Whom { peer, word }) = self.waiting.remove(&asker) else { continue };
            self.calls.remove(&(peer.as_ref().map_or(runtime.id, |peer| peer.id), word));
            match peer {
                Some(peer) if after.frees.is_some() => after.there.push((peer, word, packed(&reply).into())),
                Some(peer) => call::reply(runtime, &peer, word, &reply),
                None => after.here.push((word, packed(&reply))),
            }
        }
        let soon = effects.tick_after.map(|time| Instant::now() + time);
        if let Some(at) = effects.tick_at.into_iter().chain(soon).min() {
            self.tick.by(runtime, at, self.slot);
        }
        after
    }
}

#[cfg(any(test, fuzzing))]
impl<O: Owner> ObjectCell<O> {
    /// # Panics
    ///
    /// If anybody is taken for waiting.
    pub(super) fn is_left_alone(&self) {
        let state = self.state.lock();
        assert!(state.waiting.is_empty() && state.calls.is_empty(), "somebody waits who has ended");
    }
}

/// What is done without the lock.
#[derive(Default)]
struct After {
    here: Vec<(u64, (Vec<u8>, Rights))>,
    /// Answers that must not come before the name is free.
    there: Vec<(Arc<Peer>, u64, Parcel)>,
    frees: Option<String>,
    is_over: bool,
}

impl After {
    fn run(self, runtime: &Arc<Runtime>, of: Address) {
        if let Some(name) = self.frees {
            names::release(runtime, &name, of);
        }
        if self.is_over {
            runtime.remove_cell(of.slot);
            runtime.peers().iter().for_each(|peer| peer.forgets_interest(of.slot));
        }
        for (peer, word, value) in self.there {
            call::reply_packed(runtime, &peer, word, value);
        }
        for (word, (body, rights)) in self.here {
            runtime.replied(runtime.id, word, Flags::NONE, || (body, rights).into());
        }
    }
}

impl<O: Owner> Cell for ObjectCell<O> {
    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        mut incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        if incoming.kind == Kind::Items {
            let casts = ByteStrings::new(incoming.body);
            return self
                .casts(runtime, from.id, casts)
                .map_err(|error| format!("a cast to an object: {error}"));
        }
        let rights = std::mem::take(&mut incoming.rights);
        let decoded = if rights.is_empty() {
            decode(incoming.body)
        } else {
            scope::enter_with(runtime, rights, || decode(incoming.body))
        };
        let envelope = decoded.map_err(|error| format!("a message to an object: {error}"))?;
        match envelope {
            Envelope::Ask(ask) => self.asked(runtime, from, &incoming, ask)?,
            Envelope::Forget { word } => self.forget(runtime, from.id, word),
        }
        Ok(())
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn peer_ended(&self, runtime: &Arc<Runtime>, peer: NodeId) {
        // First: an end of that from now on is told.
        runtime.holds.await_end(peer, self.address.slot);
        let words: Vec<u64> = {
            let state = self.state.lock();
            state.calls.keys().filter(|(node, _)| *node == peer).map(|(_, word)| *word).collect()
        };
        for word in words {
            self.forget_by(runtime, peer, word, O::lose);
        }
        let mut effects = Effects::default();
        let mut state = self.state.lock();
        state.owner.node_ended(peer, &mut effects);
        let after = state.carry_out(runtime, effects);
        drop(state);
        after.run(runtime, self.address);
    }

    fn node_ends(&self, runtime: &Arc<Runtime>) {
        let mut effects = Effects::default();
        let mut state = self.state.lock();
        state.owner.node_ends(&mut effects);
        let after = state.carry_out(runtime, effects);
        drop(state);
        after.run(runtime, self.address);
    }

    fn tick(&self, runtime: &Arc<Runtime>) {
        let mut effects = Effects::default();
        let mut state = self.state.lock();
        state.tick.has_come(runtime);
        state.owner.tick(Instant::now(), &mut effects);
        let after = state.carry_out(runtime, effects);
        drop(state);
        after.run(runtime, self.address);
    }
}

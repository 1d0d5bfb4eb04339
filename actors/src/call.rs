//! Calls that wait for their replies.
//!
//! A call's number is a slot of the node's call table, so a late or a second reply finds nothing.

use std::sync::Arc;
use std::time::Instant;

use callboard_core::{Flags, Kind, NodeId, Slot, Slots};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};

use crate::hook::{Hook, Hooks, Poll};
use crate::parcel::Parcel;
use crate::peer::{Peer, header, packed};
use crate::runtime::Runtime;
use crate::standing::Sought;

/// Why a call brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The actor called has ended.
    #[error("the actor called has ended")]
    Gone,
    /// The connection to the actor's node broke, or that node has ended.
    #[error("the node of the actor called has ended")]
    Disconnected,
    /// No answer came in time. Whether the call was carried out is not known.
    #[error("no answer within the deadline; whether the call was carried out is not known")]
    TimedOut,
    /// The answer could not be read.
    #[error("the answer could not be read: {0}")]
    BadReply(String),
}

/// As it came.
type Answer = Result<Parcel, CallError>;
pub(crate) type OnReply = Box<dyn FnOnce(&Arc<Runtime>, Answer) + Send>;

struct Entry {
    peer: NodeId,
    /// Others may answer too: the right to do so is passed on, so often up to now.
    hops: Option<u32>,
    on_reply: OnReply,
}

/// The calls of one node that have no reply yet.
#[derive(Default)]
pub(crate) struct Calls(Mutex<Slots<Entry>>);

impl Calls {
    pub(crate) fn begin(&self, peer: NodeId, on_reply: OnReply) -> u64 {
        let slot = self.0.lock().insert(Entry { peer, hops: None, on_reply });
        (u64::from(slot.generation) << 32) | u64::from(slot.index)
    }

    /// As [`begin`](Self::begin), for a call whose right to reply is passed on: whoever has it answers. It is still `here`.
    pub(crate) fn begin_open(&self, here: NodeId, on_reply: OnReply) -> u64 {
        let slot = self.0.lock().insert(Entry { peer: here, hops: Some(0), on_reply });
        (u64::from(slot.generation) << 32) | u64::from(slot.index)
    }

    /// The right to answer `word` has gone to that node. Of several who passed it on, the last one counts, whoever tells first.
    fn moved(&self, word: u64, hops: u32, to: NodeId) {
        if let Some(entry) = self.0.lock().get_mut(slot_of(word))
            && entry.hops.is_some_and(|before| before < hops)
        {
            (entry.peer, entry.hops) = (to, Some(hops));
        }
    }

    /// The pending call `word`, if `from` is who was asked.
    fn take(&self, word: u64, from: Option<NodeId>) -> Option<OnReply> {
        let slot = slot_of(word);
        let mut calls = self.0.lock();
        let asked = calls.get(slot)?;
        if from.is_some_and(|peer| peer != asked.peer && asked.hops.is_none()) {
            return None;
        }
        calls.remove(slot).map(|entry| entry.on_reply)
    }

    /// Whether the answer to `word` is still to come.
    pub(crate) fn is_open(&self, word: u64) -> bool {
        self.0.lock().get(slot_of(word)).is_some()
    }

    /// Nobody waits for the answer to `word` any more.
    pub(crate) fn forget(&self, word: u64) {
        let forgotten = self.take(word, None);
        drop(forgotten);
    }

    fn take_all_to(&self, peer: NodeId) -> Vec<OnReply> {
        let mut calls = self.0.lock();
        let words: Vec<Slot> =
            calls.iter().filter(|(_, entry)| entry.peer == peer).map(|(slot, _)| slot).collect();
        words.into_iter().filter_map(|slot| calls.remove(slot)).map(|p| p.on_reply).collect()
    }
}

fn slot_of(word: u64) -> Slot {
    Slot { index: word as u32, generation: (word >> 32) as u32 }
}

/// Where those who wait find the answer.
#[derive(Default)]
struct Answering {
    state: Mutex<Answered>,
}

#[derive(Default)]
struct Answered {
    /// Stays true when the answer has been taken.
    has_come: bool,
    answer: Option<Answer>,
    hooks: Hooks,
}

impl Answering {
    fn on_reply(self: &Arc<Self>) -> OnReply {
        let fills = Arc::clone(self);
        Box::new(move |_, answer| {
            let mut state = fills.state.lock();
            state.has_come = true;
            state.answer = Some(answer);
            state.hooks.notify_all();
        })
    }
}

/// A call that has been sent, from its sender's side. Dropped, its answer is for nobody.
pub(crate) struct Pending {
    runtime: Arc<Runtime>,
    word: u64,
    peer: Option<Arc<Peer>>,
    answering: Arc<Answering>,
    sought: Sought,
}

impl Pending {
    /// A call that is waited for as `sought`, sent by `send` with what is to be done with its answer; `send` returns its number.
    pub(crate) fn begin(
        runtime: &Arc<Runtime>,
        peer: Option<&Arc<Peer>>,
        sought: Sought,
        send: impl FnOnce(OnReply) -> u64,
    ) -> Self {
        let answering = Arc::new(Answering::default());
        let word = send(answering.on_reply());
        Self { runtime: Arc::clone(runtime), word, peer: peer.map(Arc::clone), answering, sought }
    }

    /// A question within this node that may turn out to be a call: `ask` takes what is to be done with the answer only then,
    /// and returns the call's number.
    pub(crate) fn begin_if(
        runtime: &Arc<Runtime>,
        sought: Sought,
        ask: impl FnOnce(&dyn Fn() -> OnReply) -> Option<u64>,
    ) -> Option<Self> {
        let answering = Arc::new(Answering::default());
        let word = ask(&|| answering.on_reply())?;
        Some(Self { runtime: Arc::clone(runtime), word, peer: None, answering, sought })
    }

    /// Whether no answer has come yet.
    pub(crate) fn is_open(&self) -> bool {
        !self.answering.state.lock().has_come
    }

    /// The call's number.
    pub(crate) fn word(&self) -> u64 {
        self.word
    }

    /// Waits for the answer and takes it.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Answer {
        if !self.runtime.wait_until(self, deadline) && self.runtime.calls.take(self.word, None).is_some() {
            return Err(CallError::TimedOut);
        }
        // Not there yet: the reply was taken from the table this very moment and is being filled in.
        self.runtime.wait_until(self, None);
        self.answering.state.lock().answer.take().unwrap_or(Err(CallError::TimedOut))
    }
}

impl Poll for Pending {
    fn sought(&self) -> Sought {
        self.sought
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.answering.state.lock();
        if !state.has_come {
            state.hooks.add(hook);
        }
        state.has_come
    }

    fn forget(&self, hook: &Hook) {
        self.answering.state.lock().hooks.remove(hook);
    }

    fn peer(&self) -> Option<&Arc<Peer>> {
        self.peer.as_ref()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.runtime.calls.forget(self.word);
    }
}

impl Runtime {
    /// Sends `message` to `slot` at `peer` and runs `on_reply` on whichever thread brings the answer.
    pub(crate) fn call_then<M: Serialize>(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        slot: Slot,
        message: &M,
        on_reply: impl FnOnce(&Arc<Runtime>, Answer) + Send + 'static,
    ) -> u64 {
        self.send_call(peer, slot, message, Box::new(on_reply))
    }

    fn send_call<M: Serialize>(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        slot: Slot,
        message: &M,
        on_reply: OnReply,
    ) -> u64 {
        let (body, rights) = packed(message);
        let word = self.calls.begin(peer.id, on_reply);
        peer.post(self, header(Kind::Call, slot, word), &body, rights);
        // The end may have come between the caller's look-up and the entry in the table.
        if peer.has_ended() {
            self.fail_calls_to(peer.id);
        }
        word
    }

    /// Calls `slot` at `peer` and waits for the answer.
    pub(crate) fn call<M: Serialize, R: DeserializeOwned>(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        slot: Slot,
        message: &M,
        deadline: Option<Instant>,
    ) -> Result<R, CallError> {
        answered(self.call_pending(peer, slot, message).wait(deadline)?, self)
    }

    /// Calls `slot` at `peer`; the answer is waited for by what is returned.
    pub(crate) fn call_pending<M: Serialize>(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        slot: Slot,
        message: &M,
    ) -> Pending {
        self.call_about(peer, slot, message, Sought::node("an answer of", peer.id))
    }

    /// The same, for one that is waited for as `sought`.
    pub(crate) fn call_about<M: Serialize>(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        slot: Slot,
        message: &M,
        sought: Sought,
    ) -> Pending {
        Pending::begin(self, Some(peer), sought, |on_reply| self.send_call(peer, slot, message, on_reply))
    }

    /// Handles a reply frame.
    pub(crate) fn replied(
        self: &Arc<Self>,
        from: NodeId,
        word: u64,
        flags: Flags,
        body: impl FnOnce() -> Parcel,
    ) {
        let Some(on_reply) = self.calls.take(word, Some(from)) else { return };
        let failed = flags.contains(Flags::FAILED);
        on_reply(self, if failed { Err(CallError::Gone) } else { Ok(body()) });
    }

    /// Answers a call of this node whose right to reply came back to it; no other call.
    pub(crate) fn answered_here(self: &Arc<Self>, word: u64, answer: Answer) {
        let is_open = self.calls.0.lock().get(slot_of(word)).is_some_and(|entry| entry.hops.is_some());
        if let Some(on_reply) = is_open.then(|| self.calls.take(word, None)).flatten() {
            on_reply(self, answer);
        }
    }

    /// The right to answer call `word` has gone to that node: if it has ended, so has the call.
    pub(crate) fn call_moved(self: &Arc<Self>, word: u64, hops: u32, to: NodeId) {
        self.calls.moved(word, hops, to);
        // Looked for after the entry names it: an end that comes later finds the entry.
        let is_there = to == self.id || self.meet(to).is_some_and(|peer| !peer.has_ended());
        if !is_there {
            self.fail_calls_to(to);
        }
    }

    /// Tells all who wait for answers from `peer` that none will come.
    pub(crate) fn fail_calls_to(self: &Arc<Self>, peer: NodeId) {
        for on_reply in self.calls.take_all_to(peer) {
            on_reply(self, Err(CallError::Disconnected));
        }
    }
}

/// Reads an answer: handles in it become this node's.
pub(crate) fn answered<R: DeserializeOwned>(answer: Parcel, runtime: &Arc<Runtime>) -> Result<R, CallError> {
    answer.unpack(runtime).map_err(|error| CallError::BadReply(error.to_string()))
}

/// Answers call `word` of `peer`.
pub(crate) fn reply<R: Serialize>(runtime: &Runtime, peer: &Peer, word: u64, answer: &R) {
    let (body, rights) = packed(answer);
    peer.post(runtime, header(Kind::Reply, Slot::default(), word), &body, rights);
}

/// Answers call `word` of `peer` with a user's value.
pub(crate) fn reply_packed(runtime: &Runtime, peer: &Peer, word: u64, value: Parcel) {
    peer.post(runtime, header(Kind::Reply, Slot::default(), word), &value.bytes, value.rights);
}

/// Answers call `word` of `peer` with the news that nobody is at the address.
pub(crate) fn reply_gone(runtime: &Runtime, peer: &Peer, word: u64) {
    let mut failed = header(Kind::Reply, Slot::default(), word);
    failed.flags = Flags::FAILED;
    peer.post(runtime, failed, &[], Vec::new());
}

//! The right to answer a call, once: a value that is moved, in a message to an actor on this node or on another.
//!
//! Whoever has it answers, or drops it, and the caller is told either way. On its way to another node it is a number of the
//! caller's node; that node is told who has it, so that the death of whoever that is ends the call.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use callboard_core::{Address, BodyError, NodeId, limits};
use parking_lot::Mutex;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::wire;
use crate::call::{self, CallError, OnReply};
use crate::control::{self, Control};
use crate::hook::{Hook, Hooks, Poll};
use crate::parcel::Parcel;
use crate::peer::Peer;
use crate::process::entry::MAX_RIGHTS;
use crate::runtime::Runtime;
use crate::scope::{self, MoveOnly};
use crate::standing::Sought;

/// Where a caller on this node finds the answer.
pub(super) struct Local<R> {
    state: Mutex<Answering<R>>,
    /// The node of the actor called, if that is another: as a rule the answer comes from there.
    peer: Option<Arc<Peer>>,
    /// The actor called.
    of: Address,
    /// From then on nobody waits for it.
    deadline: Option<Instant>,
}

struct Answering<R> {
    answer: Option<Result<Came<R>, CallError>>,
    /// Stays true when the answer has been taken.
    has_come: bool,
    hooks: Hooks,
}

/// An answer as it came. One from another node is decoded by the caller: that is user code.
enum Came<R> {
    Moved(R),
    Encoded(Parcel),
}

impl<R> Local<R> {
    pub(super) fn new(of: Address, peer: Option<Arc<Peer>>, deadline: Option<Instant>) -> Arc<Self> {
        let state = Answering { answer: None, has_come: false, hooks: Hooks::default() };
        Arc::new(Self { state: Mutex::new(state), peer, of, deadline })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether it has come, or is not waited for any more.
    pub(super) fn is_settled(&self) -> bool {
        self.state.lock().has_come || self.is_late()
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|at| at <= Instant::now())
    }

    /// The first answer counts.
    fn fill(&self, answer: Result<Came<R>, CallError>) {
        let hooks = {
            let mut state = self.state.lock();
            if std::mem::replace(&mut state.has_come, true) {
                return;
            }
            state.answer = Some(answer);
            state.hooks.take()
        };
        hooks.iter().for_each(|hook| hook.notify());
    }

    /// Waits for the answer until the deadline.
    pub(super) fn wait(&self, runtime: &Arc<Runtime>) -> Result<R, CallError>
    where
        R: DeserializeOwned + Send,
    {
        runtime.wait_until(self, self.deadline);
        self.take(runtime)
    }

    /// The answer, if it has come. One that comes from here on is for nobody.
    pub(super) fn take(&self, runtime: &Arc<Runtime>) -> Result<R, CallError>
    where
        R: DeserializeOwned,
    {
        match self.close().unwrap_or(Err(CallError::TimedOut))? {
            Came::Moved(value) => Ok(value),
            Came::Encoded(answer) => call::answered(answer, runtime),
        }
    }

    /// Nobody waits for the answer any more.
    pub(super) fn forgo(&self) {
        let unread = self.close();
        drop(unread);
    }

    fn close(&self) -> Option<Result<Came<R>, CallError>> {
        let (answer, hooks) = {
            let mut state = self.state.lock();
            state.has_come = true;
            (state.answer.take(), state.hooks.take())
        };
        // Sets of which it is a member.
        hooks.iter().for_each(|hook| hook.notify());
        answer
    }
}

impl<R: Send> Poll for Local<R> {
    fn sought(&self) -> Sought {
        Sought::object("an answer of", "actor", self.of)
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.state.lock();
        let is_settled = state.has_come || self.is_late();
        if !is_settled {
            state.hooks.add(hook);
        }
        is_settled
    }

    fn forget(&self, hook: &Hook) {
        self.state.lock().hooks.remove(hook);
    }

    fn peer(&self) -> Option<&Arc<Peer>> {
        self.peer.as_ref()
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// The right to answer one call, exactly once.
///
/// It comes in a message ([`ActorRef::call`](super::ActorRef::call)), and may be kept, to answer later, or passed on in a message
/// to another actor, on whatever node. Dropped, it tells the caller [`AskError::Gone`](super::AskError::Gone); so a call ends whatever becomes of it, be
/// it that a message is dropped, that the actor panics, or that its process is killed.
///
/// Source: `From` of Erlang's `gen_server`, and `Ret` of stakker, which answers when it is dropped.
#[must_use = "dropped, it tells the caller that nobody answers"]
pub struct ReplyTo<R>(Arc<Right<R>>);

struct Right<R> {
    runtime: Arc<Runtime>,
    holding: Mutex<Holding<R>>,
    answer: PhantomData<fn(R)>,
}

enum Holding<R> {
    /// The caller is on this node, and the right has never left it.
    Here(Arc<Local<R>>),
    There(wire::Right),
    /// A message is being encoded that takes it along to that node.
    Leaving {
        right: wire::Right,
        to: NodeId,
        back: Option<Arc<Local<R>>>,
    },
    Spent,
}

impl<R: DeserializeOwned + Send + 'static> ReplyTo<R> {
    pub(super) fn new(runtime: &Arc<Runtime>, local: &Arc<Local<R>>) -> Self {
        Self::of(runtime, Holding::Here(Arc::clone(local)))
    }
}

impl<R> ReplyTo<R> {
    fn of(runtime: &Arc<Runtime>, holding: Holding<R>) -> Self {
        let (runtime, holding) = (Arc::clone(runtime), Mutex::new(holding));
        Self(Arc::new(Right { runtime, holding, answer: PhantomData }))
    }

    /// Answers, and never waits. To a caller on this node `value` is moved, not encoded. `Ok` means that it is on its way: a caller that
    /// waits no longer does not see it, and nobody is told so.
    ///
    /// # Errors
    ///
    /// `value` can't be encoded, or takes more bytes than a message may; the caller is told [`AskError::Gone`](super::AskError::Gone).
    pub fn send(self, value: R) -> Result<(), BodyError>
    where
        R: Serialize,
    {
        let right = {
            let mut holding = self.0.holding.lock();
            match std::mem::replace(&mut *holding, Holding::Spent) {
                Holding::Here(local) => {
                    drop(holding);
                    local.fill(Ok(Came::Moved(value)));
                    return Ok(());
                }
                // Kept until the value is encoded: should that panic, the caller is told as this is dropped.
                Holding::There(right) => {
                    *holding = Holding::There(right);
                    right
                }
                // It stands still in a message that somebody else encodes, which takes it away.
                Holding::Leaving { .. } | Holding::Spent => return Ok(()),
            }
        };
        let runtime = &self.0.runtime;
        let (packed, departing) = Parcel::pack(&value)?;
        if packed.bytes.len() > limits::MAX_VALUE_BYTES || departing.count() > MAX_RIGHTS {
            return Err(BodyError::Encode("the answer is larger than what can be sent".to_owned()));
        }
        departing.depart();
        *self.0.holding.lock() = Holding::Spent;
        if right.caller == runtime.id {
            runtime.answered_here(right.word, Ok(packed));
        } else if let Some(peer) = runtime.meet(right.caller) {
            call::reply_packed(runtime, &peer, right.word, packed);
            peer.flush_by_need(runtime);
        }
        Ok(())
    }
}

/// Tells a caller that nobody answers.
pub(crate) fn fail(runtime: &Arc<Runtime>, right: wire::Right) {
    if right.caller == runtime.id {
        runtime.answered_here(right.word, Err(CallError::Gone));
    } else if let Some(peer) = runtime.meet(right.caller) {
        call::reply_gone(runtime, &peer, right.word);
        peer.flush_by_need(runtime);
    }
}

impl<R> Drop for Right<R> {
    fn drop(&mut self) {
        match std::mem::replace(self.holding.get_mut(), Holding::Spent) {
            Holding::Here(local) => local.fill(Err(CallError::Gone)),
            Holding::There(right) => fail(&self.runtime, right),
            Holding::Leaving { .. } | Holding::Spent => {}
        }
    }
}

impl<R: DeserializeOwned + Send + 'static> MoveOnly for Right<R> {
    fn stand_still(&self) -> Option<usize> {
        let to = scope::destination()?;
        let mut holding = self.holding.lock();
        let (right, back) = match std::mem::replace(&mut *holding, Holding::Spent) {
            Holding::Here(local) => {
                let fills = Arc::clone(&local);
                let here = self.runtime.id;
                let fill: OnReply = Box::new(move |_, answer| fills.fill(answer.map(Came::Encoded)));
                let word = self.runtime.calls.begin_open(here, fill);
                (wire::Right { caller: here, word, hops: 1 }, Some(local))
            }
            Holding::There(right) => (wire::Right { hops: right.hops.saturating_add(1), ..right }, None),
            other => {
                *holding = other;
                return None;
            }
        };
        *holding = Holding::Leaving { right, to, back };
        scope::takes_along(right);
        Some(0)
    }

    fn copies(&self) -> std::io::Result<Vec<std::os::fd::OwnedFd>> {
        Ok(Vec::new())
    }

    fn depart(&self) {
        let left = std::mem::replace(&mut *self.holding.lock(), Holding::Spent);
        let Holding::Leaving { right, to, .. } = left else { return };
        let wire::Right { caller, word, hops } = right;
        if caller == self.runtime.id {
            self.runtime.call_moved(word, hops, to);
        } else if let Some(caller) = self.runtime.meet(caller) {
            control::cast(&self.runtime, &caller, &Control::CallMoved { word, hops, to });
        }
    }

    fn stay(&self) {
        let mut holding = self.holding.lock();
        if let Holding::Leaving { right, back, .. } = std::mem::replace(&mut *holding, Holding::Spent) {
            *holding = match back {
                Some(local) => {
                    self.runtime.calls.forget(right.word);
                    Holding::Here(local)
                }
                None => Holding::There(wire::Right { hops: right.hops - 1, ..right }),
            };
        }
    }
}

impl<R> fmt::Debug for ReplyTo<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyTo<{}>", std::any::type_name::<R>())
    }
}

thread_local! {
    /// The rights that were decoded on this thread.
    static CLAIMED: RefCell<Vec<wire::Right>> = const { RefCell::new(Vec::new()) };
}

/// Decodes by `with` a message with those rights in it, and fails those that were not decoded: a field may have been skipped.
pub(super) fn claiming<T>(runtime: &Arc<Runtime>, rights: &[wire::Right], with: impl FnOnce() -> T) -> T {
    CLAIMED.with_borrow_mut(Vec::clear);
    let result = with();
    let claimed = CLAIMED.take();
    rights.iter().filter(|right| !claimed.contains(right)).for_each(|right| fail(runtime, *right));
    result
}

/// Its caller's node, the number of the call, and a hash of the type of the answer, which the receiver compares.
#[derive(Serialize, Deserialize)]
struct Travelling(NodeId, u64, u32, u64);

/// Only in messages to actors.
impl<R: DeserializeOwned + Send + 'static> Serialize for ReplyTo<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if scope::destination().is_none() {
            return Err(S::Error::custom("a right to reply travels in messages to actors, nowhere else"));
        }
        let traveller = Arc::clone(&self.0) as Arc<dyn MoveOnly>;
        scope::board(&traveller)
            .map_err(|_| S::Error::custom("this right to reply has been sent already"))?;
        let Holding::Leaving { right, .. } = *self.0.holding.lock() else {
            return Err(S::Error::custom("this right to reply has been used"));
        };
        Travelling(right.caller, right.word, right.hops, type_hash::<R>()).serialize(serializer)
    }
}

impl<'de, R> Deserialize<'de> for ReplyTo<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Travelling(caller, word, hops, of_type) = Travelling::deserialize(deserializer)?;
        if of_type != type_hash::<R>() {
            let expected = std::any::type_name::<R>();
            return Err(D::Error::custom(format!("a right to reply with another type than {expected}")));
        }
        let missing = || D::Error::custom("a right to reply can be decoded only where a node receives it");
        let runtime = scope::current().ok_or_else(missing)?;
        let right = wire::Right { caller, word, hops };
        CLAIMED.with_borrow_mut(|claimed| claimed.push(right));
        Ok(Self::of(&runtime, Holding::There(right)))
    }
}

fn type_hash<R>() -> u64 {
    callboard_ipc::type_hash(std::any::type_name::<R>())
}

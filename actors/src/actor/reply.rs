//! The right to answer a call, once: a value that is moved, in a message to an actor on this node or on another.
//!
//! Whoever has it answers, or drops it, and the caller is told either way. On its way to another node it is a number of the
//! caller's node; that node is told who has it, so that the death of whoever that is ends the call.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use callboard_core::{BodyError, Flags, NodeId};
use parking_lot::Mutex;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::wire;
use crate::call::{self, Body, CallError};
use crate::control::{self, Control};
use crate::hook::{Hook, Hooks, Poll};
use crate::parcel::Parcel;
use crate::runtime::Runtime;
use crate::scope::{self, MoveOnly};

/// Where a caller on this node finds the answer.
pub(super) struct Local<R> {
    state: Mutex<Answering<R>>,
}

struct Answering<R> {
    answer: Option<Result<R, CallError>>,
    /// Stays true when the answer has been taken.
    has_come: bool,
    hooks: Hooks,
}

impl<R> Local<R> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Answering { answer: None, has_come: false, hooks: Hooks::default() }),
        })
    }

    /// The first answer counts.
    fn fill(&self, answer: Result<R, CallError>) {
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

    /// Waits for the answer until `deadline`.
    pub(super) fn wait(&self, runtime: &Arc<Runtime>, deadline: Option<Instant>) -> Result<R, CallError>
    where
        R: Send,
    {
        runtime.wait_until(self, deadline);
        // One that comes from here on is for nobody.
        let mut state = self.state.lock();
        state.has_come = true;
        state.answer.take().unwrap_or(Err(CallError::TimedOut))
    }
}

impl<R: Send> Poll for Local<R> {
    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.state.lock();
        if !state.has_come {
            state.hooks.add(hook);
        }
        state.has_come
    }

    fn forget(&self, hook: &Hook) {
        self.state.lock().hooks.remove(hook);
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

    /// Answers. To a caller on this node `value` is moved, not encoded. One that waits no longer does not see it.
    ///
    /// # Errors
    ///
    /// `value` can't be encoded; the caller is told [`AskError::Gone`](super::AskError::Gone).
    pub fn send(self, value: R) -> Result<(), BodyError>
    where
        R: Serialize,
    {
        let right = match std::mem::replace(&mut *self.0.holding.lock(), Holding::Spent) {
            Holding::Here(local) => {
                local.fill(Ok(value));
                return Ok(());
            }
            Holding::There(right) => right,
            // It stands still in a message that somebody else encodes, which takes it away.
            Holding::Leaving { .. } | Holding::Spent => return Ok(()),
        };
        let runtime = &self.0.runtime;
        let (packed, departing) = Parcel::pack(&value).inspect_err(|_| fail(runtime, right))?;
        departing.depart();
        if right.caller == runtime.id {
            let body = || Body::new(packed.bytes.into_vec(), packed.rights);
            runtime.replied(runtime.id, right.word, Flags::NONE, body);
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
        runtime.replied(runtime.id, right.word, Flags::FAILED, Body::default);
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
                let word = self.runtime.calls.begin_open(
                    to,
                    Box::new(move |runtime, answer| {
                        fills.fill(answer.and_then(|body| body.decode(runtime)));
                    }),
                );
                (wire::Right { caller: self.runtime.id, word }, Some(local))
            }
            Holding::There(right) => (right, None),
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
        if right.caller != self.runtime.id
            && let Some(caller) = self.runtime.meet(right.caller)
        {
            control::cast(&self.runtime, &caller, &Control::CallMoved { word: right.word, to });
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
                None => Holding::There(right),
            };
        }
    }
}

impl<R> fmt::Debug for ReplyTo<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyTo<{}>", std::any::type_name::<R>())
    }
}

/// Its caller's node, the number of the call, and a hash of the type of the answer, which the receiver compares.
#[derive(Serialize, Deserialize)]
struct Travelling(NodeId, u64, u64);

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
        Travelling(right.caller, right.word, type_hash::<R>()).serialize(serializer)
    }
}

impl<'de, R> Deserialize<'de> for ReplyTo<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Travelling(caller, word, of_type) = Travelling::deserialize(deserializer)?;
        if of_type != type_hash::<R>() {
            let expected = std::any::type_name::<R>();
            return Err(D::Error::custom(format!("a right to reply with another type than {expected}")));
        }
        let missing = || D::Error::custom("a right to reply can be decoded only where a node receives it");
        let runtime = scope::current().ok_or_else(missing)?;
        Ok(Self::of(&runtime, Holding::There(wire::Right { caller, word })))
    }
}

fn type_hash<R>() -> u64 {
    callboard_ipc::type_hash(std::any::type_name::<R>())
}

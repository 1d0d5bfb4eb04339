//! The way from any node to an object's owner.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use callboard_core::{Address, ByteStrings, push_bytes};

use super::cell::{Envelope, Heard, ObjectCell};
use super::functions::refuse_inside;
use super::owner::Owner;
use crate::call::{self, CallError, Pending};
use crate::hook::{Hook, Poll};
use crate::peer::{Peer, encoded};
use crate::runtime::Runtime;
use crate::standing::Sought;

/// How long a question that the owner answers at once is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Why a question to a shared object has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The object has ended with its owner's node, or that node's connection broke. Whether what was asked just then was
    /// done is not known.
    #[error("the object's owner has ended")]
    Disconnected,
    /// The owner did not answer within 60 s: its process is stopped or very busy. What was asked is done as soon as it goes
    /// on.
    #[error("the object's owner does not answer")]
    Unresponsive,
}

impl From<CallError> for ObjectError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TimedOut => ObjectError::Unresponsive,
            CallError::Gone | CallError::Disconnected | CallError::BadReply(_) => ObjectError::Disconnected,
        }
    }
}

enum Line<O> {
    Here(Arc<ObjectCell<O>>),
    There(Arc<Peer>),
    Cut,
}

/// An object as one node sees it. Plain and cheap: it keeps nothing alive, and nobody knows of it.
pub(crate) struct Handle<O> {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) address: Address,
    line: Arc<Line<O>>,
}

impl<O> Clone for Handle<O> {
    fn clone(&self) -> Self {
        Self { runtime: Arc::clone(&self.runtime), address: self.address, line: Arc::clone(&self.line) }
    }
}

impl<O: Owner> Handle<O> {
    /// # Panics
    ///
    /// If anybody is taken for waiting.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_left_alone(&self) {
        if let Line::Here(cell) = &*self.line {
            cell.is_left_alone();
        }
    }

    /// Creates an object on the node of `runtime`.
    pub(crate) fn create(runtime: &Arc<Runtime>, owner: O) -> Self {
        let cell = ObjectCell::create(runtime, owner);
        let address = cell.address;
        Self { runtime: Arc::clone(runtime), address, line: Arc::new(Line::Here(cell)) }
    }

    /// As [`create`](Self::create), for an owner whose helpers find its cell.
    pub(crate) fn create_cyclic(
        runtime: &Arc<Runtime>,
        make: impl FnOnce(&Weak<ObjectCell<O>>) -> O,
    ) -> Self {
        let cell = ObjectCell::create_cyclic(runtime, make);
        let address = cell.address;
        Self { runtime: Arc::clone(runtime), address, line: Arc::new(Line::Here(cell)) }
    }

    /// The handle to the object at `address`, wherever that is.
    pub(crate) fn at(runtime: &Arc<Runtime>, address: Address) -> Self {
        let line = if address.node == runtime.id {
            let cell = runtime.cell(address.slot).and_then(|cell| cell.into_any().downcast().ok());
            cell.map_or(Line::Cut, Line::Here)
        } else {
            runtime.meet(address.node).map_or(Line::Cut, Line::There)
        };
        Self { runtime: Arc::clone(runtime), address, line: Arc::new(line) }
    }

    /// Asks what the owner answers at once.
    pub(crate) fn ask(&self, ask: O::Ask) -> Result<O::Reply, ObjectError> {
        Ok(self.ask_until(ask, Instant::now().checked_add(ANSWER_WITHIN))?)
    }

    /// The same, where it matters whether the object or its node has ended.
    pub(crate) fn ask_call(&self, ask: O::Ask) -> Result<O::Reply, CallError> {
        self.ask_until(ask, Instant::now().checked_add(ANSWER_WITHIN))
    }

    /// The same, but until `deadline` if that is sooner.
    pub(crate) fn ask_by(&self, ask: O::Ask, deadline: Option<Instant>) -> Result<O::Reply, ObjectError> {
        let latest = Instant::now().checked_add(ANSWER_WITHIN);
        Ok(self.ask_until(ask, deadline.into_iter().chain(latest).min())?)
    }

    /// Asks, and waits for the answer until `deadline`.
    pub(crate) fn ask_until(&self, ask: O::Ask, deadline: Option<Instant>) -> Result<O::Reply, CallError> {
        self.begin(ask).wait(deadline)
    }

    /// Asks what the owner may answer later; none if it has not within `timeout`.
    pub(crate) fn ask_within(&self, ask: O::Ask, timeout: Duration) -> Result<Option<O::Reply>, ObjectError> {
        match self.ask_until(ask, Instant::now().checked_add(timeout)) {
            Ok(reply) => Ok(Some(reply)),
            Err(CallError::TimedOut) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks; the answer is waited for by what is returned.
    pub(crate) fn begin(&self, ask: O::Ask) -> Asked<O> {
        refuse_inside();
        let runtime = &self.runtime;
        let answer = match &*self.line {
            Line::Here(_) if runtime.has_ended() => Answer::Here(Some(Err(CallError::Disconnected))),
            Line::Here(cell) => {
                let mut heard = None;
                let pending = Pending::begin_if(runtime, self.sought(), |on_reply| {
                    match cell.ask_here(runtime, ask, Some(on_reply)) {
                        Some(Heard::Waits(word)) => Some(word),
                        Some(Heard::Answered(reply)) => {
                            heard = Some(Ok(reply));
                            None
                        }
                        None => None,
                    }
                });
                pending.map_or(Answer::Here(heard), Answer::Comes)
            }
            Line::There(peer) => {
                let ask = Envelope::Ask(ask);
                Answer::Comes(runtime.call_about(peer, self.address.slot, &ask, self.sought()))
            }
            Line::Cut => Answer::Here(Some(Err(CallError::Disconnected))),
        };
        Asked { of: self.clone(), answer }
    }

    /// Says what needs no answer: on its way when this returns, and in order with all else from this node.
    pub(crate) fn cast(&self, ask: O::Ask) {
        refuse_inside();
        match &*self.line {
            Line::Here(cell) => {
                cell.ask_here(&self.runtime, ask, None);
            }
            Line::There(peer) => {
                peer.cast(&self.runtime, self.address.slot, &encoded(&Envelope::Ask(ask)));
                peer.flush_by_need(&self.runtime);
            }
            Line::Cut => {}
        }
    }

    /// Does what is cast on the owner's own node.
    pub(super) fn throw_here(&self, cast: &[u8]) -> Result<(), ObjectError> {
        refuse_inside();
        let Line::Here(cell) = &*self.line else { return Err(ObjectError::Disconnected) };
        if self.runtime.has_ended() {
            return Err(ObjectError::Disconnected);
        }
        let mut item = Vec::with_capacity(cast.len() + 5);
        push_bytes(&mut item, cast);
        let done = cell.casts(&self.runtime, self.runtime.id, ByteStrings::new(&item));
        debug_assert_eq!(done, Ok(()), "our own casts are ones");
        // Whoever is told by this may be on another node, and this thread may not come to write for long.
        self.runtime.flush_listed_by_need();
        Ok(())
    }

    /// The owner's node, if it is another.
    pub(crate) fn peer(&self) -> Option<&Arc<Peer>> {
        match &*self.line {
            Line::There(peer) => Some(peer),
            Line::Here(_) | Line::Cut => None,
        }
    }

    /// What somebody waits for who has asked it.
    pub(crate) fn sought(&self) -> Sought {
        Sought::object("", O::KIND, self.address)
    }

    /// Removes an object that was created here and that nobody else knows.
    pub(crate) fn discard(&self) {
        self.runtime.remove_cell(self.address.slot);
    }

    fn forget(&self, word: u64) {
        match &*self.line {
            Line::Here(cell) => cell.forget_here(&self.runtime, word),
            Line::There(peer) => {
                let forget: Envelope<O::Ask> = Envelope::Forget { word };
                peer.cast(&self.runtime, self.address.slot, &encoded(&forget));
                peer.flush_by_need(&self.runtime);
            }
            Line::Cut => {}
        }
    }
}

enum Answer<R> {
    /// There at once; none once it has been taken.
    Here(Option<Result<R, CallError>>),
    Comes(Pending),
}

/// A question that has been asked. Dropped before its answer, it is taken back.
pub(crate) struct Asked<O: Owner> {
    of: Handle<O>,
    answer: Answer<O::Reply>,
}

impl<O: Owner> Asked<O> {
    /// Waits for the answer and takes it.
    pub(crate) fn wait(mut self, deadline: Option<Instant>) -> Result<O::Reply, CallError> {
        match &mut self.answer {
            Answer::Here(answer) => answer.take().unwrap_or(Err(CallError::Gone)),
            Answer::Comes(pending) => call::answered(pending.wait(deadline)?, &self.of.runtime),
        }
    }

    /// Whether no answer has come yet.
    pub(crate) fn is_open(&self) -> bool {
        matches!(&self.answer, Answer::Comes(pending) if pending.is_open())
    }

    /// Whether the answer is there; if not, `hook` is notified when it is.
    pub(crate) fn poll(&self, hook: &Hook) -> bool {
        match &self.answer {
            Answer::Here(_) => true,
            Answer::Comes(pending) => pending.poll(hook),
        }
    }

    pub(crate) fn forget(&self, hook: &Hook) {
        if let Answer::Comes(pending) = &self.answer {
            pending.forget(hook);
        }
    }
}

impl<O: Owner> Drop for Asked<O> {
    fn drop(&mut self) {
        if let Answer::Comes(pending) = &self.answer
            && pending.is_open()
        {
            self.of.forget(pending.word());
        }
    }
}

/// A user's face of an object: the handle to its owner with types added.
pub(crate) trait Typed: Sized {
    type Owner: Owner;

    fn of(handle: Handle<Self::Owner>) -> Self;
    fn handle(&self) -> &Handle<Self::Owner>;
    fn type_name() -> String;
}

/// What every face has in common: it is created with options and by name, cloned, printed, and travels as a value.
macro_rules! shared_object {
    ($name:ident $(<$($of:ident),+>)?, $options:ty) => {
        impl$(<$($of),+>)? $crate::names::sealed::Sealed for $name$(<$($of),+>)? {}

        impl$(<$($of),+>)? $crate::names::Object for $name$(<$($of),+>)? {
            type Options = $options;

            fn build(node: &$crate::Node, options: $options) -> Self {
                let owner = <Self as $crate::protocol::object::Typed>::Owner::new(options);
                let handle = $crate::protocol::object::Handle::create(node.runtime(), owner);
                $crate::protocol::object::Typed::of(handle)
            }

            fn at(node: &$crate::Node, address: callboard_core::Address) -> Self {
                let handle = $crate::protocol::object::Handle::at(node.runtime(), address);
                $crate::protocol::object::Typed::of(handle)
            }

            fn address(&self) -> callboard_core::Address {
                $crate::protocol::object::Typed::handle(self).address
            }

            fn type_name() -> String {
                <Self as $crate::protocol::object::Typed>::type_name()
            }

            fn discard(self, _: &$crate::Node) {
                $crate::protocol::object::Typed::handle(&self).discard();
            }
        }

        impl$(<$($of),+>)? Clone for $name$(<$($of),+>)? {
            fn clone(&self) -> Self {
                $crate::protocol::object::Typed::of($crate::protocol::object::Typed::handle(self).clone())
            }
        }

        impl$(<$($of),+>)? std::fmt::Debug for $name$(<$($of),+>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let handle = $crate::protocol::object::Typed::handle(self);
                write!(f, "{}({})", <Self as $crate::protocol::object::Typed>::type_name(), handle.address)
            }
        }

        impl$(<$($of),+>)? serde::Serialize for $name$(<$($of),+>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let handle = $crate::protocol::object::Typed::handle(self);
                $crate::protocol::travel::serialize::<Self, S>(handle.address, serializer)
            }
        }

        impl<'de $(, $($of),+)?> serde::Deserialize<'de> for $name$(<$($of),+>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (runtime, address) =
                    $crate::protocol::travel::deserialize::<Self, D>(deserializer)?;
                let handle = $crate::protocol::object::Handle::at(&runtime, address);
                Ok($crate::protocol::object::Typed::of(handle))
            }
        }
    };
}
pub(crate) use shared_object;

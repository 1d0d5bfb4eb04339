//! A call of a method that is under way while its caller does other things.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::error::ServedError;
use super::mailbox::{Answer, Mailbox};
use crate::call::CallError;
use crate::hook::{Hook, Hooks, Poll};
use crate::peer::Peer;
use crate::protocol::object::{Asked, Handle};
use crate::runtime::Runtime;
use crate::standing::Sought;
use crate::wait_any::{Pollable, Sealed, Waitable};

/// What a method returned, as its caller sees it.
pub(super) fn returned<R: DeserializeOwned>(
    runtime: &Arc<Runtime>,
    answer: Result<Answer, CallError>,
) -> Result<R, ServedError> {
    match answer? {
        Answer::Returned(value) => {
            value.unpack(runtime).map_err(|error| ServedError::BadValue(error.to_string()))
        }
        Answer::Panicked(message) => Err(ServedError::Panicked(message)),
        Answer::Refused(why) => Err(ServedError::Refused(why)),
        Answer::Full => Err(ServedError::Full),
    }
}

/// The reply to a call that [`Served::begin_call`](crate::Served::begin_call) has begun: here already, or still to come.
///
/// It comes once, as a value or an error: the end of the object's process is one. Dropped before that, it is a call that nobody
/// waits for: if the method has not begun it will not; else it goes on, and its value is dropped.
#[must_use = "a call whose reply is dropped is taken back if it has not begun"]
pub struct Reply<R> {
    call: Arc<UnderWay>,
    value: PhantomData<fn() -> R>,
}

struct UnderWay {
    handle: Handle<Mailbox>,
    state: Mutex<State>,
}

struct State {
    /// None once the reply has been taken, or dropped.
    asked: Option<Asked<Mailbox>>,
    /// Those who wait for it.
    hooks: Hooks,
}

impl UnderWay {
    /// Nobody else will find the reply, or wait for it.
    fn take(&self) -> Option<Asked<Mailbox>> {
        let mut state = self.state.lock();
        state.hooks.notify_all();
        state.asked.take()
    }
}

impl<R> Reply<R> {
    pub(super) fn new(handle: &Handle<Mailbox>, asked: Asked<Mailbox>) -> Self {
        let state = State { asked: Some(asked), hooks: Hooks::default() };
        let call = UnderWay { handle: handle.clone(), state: Mutex::new(state) };
        Self { call: Arc::new(call), value: PhantomData }
    }
}

impl<R: DeserializeOwned> Reply<R> {
    /// Waits for what the method returned, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`ServedError`]; [`ServedError::Taken`] if the reply was taken before.
    pub fn wait(self) -> Result<R, ServedError> {
        let asked = self.call.take().ok_or(ServedError::Taken)?;
        returned(&self.call.handle.runtime, asked.wait(None))
    }

    /// Waits up to `timeout` for what the method returned; none if it has not by then, and the call goes on. Zero does as
    /// [`try_wait`](Self::try_wait).
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<R>, ServedError> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// What the method returned, if the reply is here; none if it is not. Never waits.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<R>, ServedError> {
        self.call.handle.runtime.look_at_all();
        self.wait_until(Some(Instant::now()))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<Option<R>, ServedError> {
        let runtime = &self.call.handle.runtime;
        if !runtime.wait_until(&*self.call, deadline) {
            return Ok(None);
        }
        let asked = self.call.take().ok_or(ServedError::Taken)?;
        // It is there: this does not wait.
        returned(runtime, asked.wait(None)).map(Some)
    }
}

impl<R> Drop for Reply<R> {
    fn drop(&mut self) {
        // A set of which it is a member may keep the rest.
        let taken_back = self.call.take();
        drop(taken_back);
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply<{}>(of {})", std::any::type_name::<R>(), self.call.handle.address)
    }
}

impl Poll for UnderWay {
    fn sought(&self) -> Sought {
        self.handle.sought()
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.state.lock();
        let is_ready = state.asked.as_ref().is_none_or(|asked| asked.poll(hook));
        if !is_ready {
            state.hooks.add(hook);
        }
        is_ready
    }

    fn forget(&self, hook: &Hook) {
        let mut state = self.state.lock();
        state.hooks.remove(hook);
        if let Some(asked) = &state.asked {
            asked.forget(hook);
        }
    }

    fn peer(&self) -> Option<&Arc<Peer>> {
        self.handle.peer()
    }
}

impl<R> Sealed for Reply<R> {
    fn pollable(&self) -> Pollable {
        Pollable::new(&self.call.handle.runtime, Arc::clone(&self.call) as Arc<dyn Poll>)
    }
}

/// Ready once the reply is here, and then for good, also when it has been taken or dropped.
impl<R> Waitable for Reply<R> {}

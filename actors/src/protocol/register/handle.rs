//! The register as users hold it.

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::error::RegisterError;
use super::options::RegisterOptions;
use super::owner::RegisterOwner;
use super::wire::{Ask, Reply};
use crate::protocol::object::{
    Asking, Handle, ObjectError, Swap, Typed, asked_name, decode_value, encode_value, fit_a_message,
    shared_object, until_done,
};
use crate::wait_any::{Pollable, Sealed, Waitable};

/// One value of `T`, or none, between any threads of any processes of a job.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue): clone it, pass it to a child, open it by name. The
/// value lives in the process that created the register until that process ends; who sets it may be gone by then.
///
/// Each method is one step, which nothing comes between: a change is there for everybody when the method returns. What gets
/// the value, computes and sets it in two steps may overwrite another's change; for that there are
/// [`update`](Self::update) and [`compare_and_swap`](Self::compare_and_swap).
///
/// Values are MessagePack, with what that can't tell apart as described at [`Queue::put`](crate::Queue::put). They are
/// compared by their encodings, whatever `T`'s `PartialEq` says.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Node, Register, RegisterOptions};
///
/// let node = Node::start()?;
/// let leader: Register<String> = node.create("/leader", RegisterOptions::empty())?;
/// let is_leader = leader.compare_and_swap(None, Some("me".to_owned()))?.is_done();
/// assert!(is_leader && leader.wait()? == "me");
/// # Ok(())
/// # }
/// ```
///
/// Source: `Manager().Value()` and `Namespace` of Python's `multiprocessing`.
#[doc(alias = "Value")]
#[doc(alias = "Namespace")]
pub struct Register<T> {
    handle: Handle<RegisterOwner>,
    values: PhantomData<fn(T) -> T>,
}

shared_object!(Register<T>, RegisterOptions<T>);

impl<T> Typed for Register<T> {
    type Owner = RegisterOwner;

    fn of(handle: Handle<RegisterOwner>) -> Self {
        Self { handle, values: PhantomData }
    }

    fn handle(&self) -> &Handle<RegisterOwner> {
        &self.handle
    }

    fn type_name() -> String {
        format!("Register<{}>", std::any::type_name::<T>())
    }
}

impl<T: DeserializeOwned> Register<T> {
    /// A copy of the value; none if there is none.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Disconnected`], [`RegisterError::Unresponsive`], [`RegisterError::Decode`].
    #[doc(alias = "value")]
    pub fn get(&self) -> Result<Option<T>, RegisterError> {
        self.value(self.ask(Ask::Get)?)
    }

    /// Takes the value out: of several who do so one gets it. None if there is none.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), but then it may have been taken out.
    pub fn take(&self) -> Result<Option<T>, RegisterError> {
        self.value(self.ask(Ask::Take)?)
    }

    /// Waits until there is a value, as long as that takes; a copy of it. That counts from when the owner has heard of the
    /// wait, also if the value is taken out soon after.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Disconnected`], [`RegisterError::Decode`].
    pub fn wait(&self) -> Result<T, RegisterError> {
        let reply = self.handle.ask_until(Ask::Wait, None).map_err(ObjectError::from)?;
        self.value(reply)?.ok_or(RegisterError::Disconnected)
    }

    /// Waits up to `timeout` until there is a value; none if there was none. Zero does as [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait). An owner that does not answer is no error, but with zero.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Option<T>, RegisterError> {
        if timeout.is_zero() {
            return self.get();
        }
        let reply = self.handle.ask_within(Ask::Wait, timeout)?;
        reply.map_or(Ok(None), |reply| self.value(reply))
    }
}

impl<T: Serialize + DeserializeOwned> Register<T> {
    /// Makes it `value`, for good; what it was.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Encode`], [`RegisterError::TooLarge`]: then nothing was changed. [`RegisterError::Decode`] for what
    /// it was: then it is `value`. [`RegisterError::Disconnected`] and [`RegisterError::Unresponsive`], and then it may be.
    pub fn set(&self, value: T) -> Result<Option<T>, RegisterError> {
        self.value(self.ask(Ask::Set { value: encode(&value)?, lasting: None })?)
    }

    /// Makes it `value` for as long as `lasting`, counted from when the owner has it; then it goes by itself, which is
    /// a change as another. What is written over it before that stays. Zero is over when it begins.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn set_for(&self, value: T, lasting: Duration) -> Result<Option<T>, RegisterError> {
        self.value(self.ask(Ask::Set { value: encode(&value)?, lasting: Some(lasting) })?)
    }

    /// Makes it `new` if it is `expected`, for good; none is no value.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn compare_and_swap(
        &self,
        expected: Option<&T>,
        new: Option<T>,
    ) -> Result<Swap<Option<T>>, RegisterError> {
        let expected = expected.map(encode).transpose()?;
        let new = new.map(|value| encode(&value)).transpose()?;
        if !fit_a_message(expected.iter().chain(&new)) {
            return Err(RegisterError::TooLarge);
        }
        match self.ask(Ask::CompareAndSwap { expected, new })? {
            Reply::Done => Ok(Swap::Done),
            differs => Ok(Swap::Differs(self.value(differs)?)),
        }
    }
}

impl<T: Serialize + DeserializeOwned> Register<T> {
    /// Changes the value by `change`, which is given what is there, none if nothing is, and leaves what shall be there, for
    /// good unless that is the same; what it returns. Nothing comes between: if another was faster, `change` runs again, on
    /// what that one left. So it may run several times and should do nothing else. It runs in this process, and may be slow
    /// or use handles.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set), but after [`RegisterError::Decode`] nothing has changed.
    pub fn modify<R>(&self, change: impl FnMut(&mut Option<T>) -> R) -> Result<R, RegisterError> {
        self.modify_until(None, change)?.ok_or(RegisterError::Unresponsive)
    }

    /// The same for at most `timeout`; none if others were faster until then, and then nothing was changed by this.
    ///
    /// # Errors
    ///
    /// As [`modify`](Self::modify); [`RegisterError::Unresponsive`] if the owner has not answered by then: the change may
    /// have been made.
    pub fn modify_timeout<R>(
        &self,
        timeout: Duration,
        change: impl FnMut(&mut Option<T>) -> R,
    ) -> Result<Option<R>, RegisterError> {
        self.modify_until(Instant::now().checked_add(timeout), change)
    }

    fn modify_until<R>(
        &self,
        deadline: Option<Instant>,
        mut change: impl FnMut(&mut Option<T>) -> R,
    ) -> Result<Option<R>, RegisterError> {
        let Reply::Value(found) = self.ask_by(Ask::Get, deadline)? else {
            return Err(RegisterError::Disconnected);
        };
        until_done(found, deadline, |expected| {
            let mut value = expected.as_ref().map(|bytes| self.decode(bytes)).transpose()?;
            let result = change(&mut value);
            let new = value.as_ref().map(encode).transpose()?;
            if new == expected {
                return Ok(Ok(result));
            }
            if !fit_a_message(expected.iter().chain(&new)) {
                return Err(RegisterError::TooLarge);
            }
            match self.ask_by(Ask::CompareAndSwap { expected, new }, deadline)? {
                Reply::Done => Ok(Ok(result)),
                Reply::Value(found) => Ok(Err(found)),
                _ => Err(RegisterError::Disconnected),
            }
        })
    }
}

impl<T> Register<T> {
    /// Has the owner run the [function](crate::RegisterOptions::function) of that name on the value, and put what it returns
    /// in its place, for good unless that is the same; the function's result. Nothing comes between.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Function`] if there is none of that name, if it panics, or if its types are others;
    /// [`RegisterError::TooLarge`]; [`RegisterError::Encode`] for `args`. Then nothing was changed.
    /// [`RegisterError::Decode`] if its result is no `R`: then it was. [`RegisterError::Disconnected`] and
    /// [`RegisterError::Unresponsive`], and then it may have been.
    pub fn update<A, R>(&self, name: &str, args: A) -> Result<R, RegisterError>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        match self.ask(Ask::Update { name: asked_name(name)?, args: encode(&args)? })? {
            Reply::Value(Some(result)) => self.decode(&result),
            _ => Err(RegisterError::Disconnected),
        }
    }

    pub(super) fn ask(&self, ask: Ask) -> Result<Reply, RegisterError> {
        self.ask_by(ask, None)
    }

    /// The same until `deadline`, if that is sooner than 60 s.
    fn ask_by(&self, ask: Ask, deadline: Option<Instant>) -> Result<Reply, RegisterError> {
        match self.handle.ask_by(ask, deadline)? {
            Reply::Failed(fault) => Err(fault.into()),
            reply => Ok(reply),
        }
    }

    pub(super) fn decode<V: DeserializeOwned>(&self, bytes: &[u8]) -> Result<V, RegisterError> {
        decode_value(&self.handle.runtime, bytes).map_err(RegisterError::Decode)
    }

    fn value(&self, reply: Reply) -> Result<Option<T>, RegisterError>
    where
        T: DeserializeOwned,
    {
        match reply {
            Reply::Value(value) => value.map(|bytes| self.decode(&bytes)).transpose(),
            _ => Err(RegisterError::Disconnected),
        }
    }
}

fn encode<V: Serialize + ?Sized>(value: &V) -> Result<ByteBuf, RegisterError> {
    let value = encode_value(value).map_err(RegisterError::Encode)?;
    if fit_a_message([&value]) { Ok(value) } else { Err(RegisterError::TooLarge) }
}

impl<T> Sealed for Register<T> {
    fn pollable(&self) -> Pollable {
        Asking::pollable(&self.handle, || Ask::Wait)
    }
}

/// Ready when there has been a value since the wait began, and as long as there is one. Ready too once its owner has ended,
/// for good.
impl<T> Waitable for Register<T> {}

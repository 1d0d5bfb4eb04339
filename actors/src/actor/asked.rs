//! Calls of actors that are under way while their caller does other things.
//!
//! The answer waits where that of any call does (`reply`); here is the face for whoever does not wait at once.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::error::AskError;
use super::handle::{ActorRef, Message};
use super::reply::{Local, ReplyTo};
use super::wire::deadline_in;
use crate::hook::Poll;
use crate::runtime::Runtime;
use crate::wait_any::{Pollable, Sealed, Waitable};

/// The answer to a call that [`ActorRef::begin_call`] has begun: here already, or still to come.
///
/// It comes once, as a value or an error: the end of whoever was to answer is one. Dropped before that, the answer is for nobody;
/// the message stays where it is, and is handled all the same.
#[must_use = "a call whose answer is dropped is a cast"]
pub struct Asked<R> {
    runtime: Arc<Runtime>,
    local: Arc<Local<R>>,
    is_taken: bool,
}

impl<M: Message> ActorRef<M> {
    /// Sends the message that `make` makes of a right to reply, waiting for room in the mailbox, and goes on: the answer is
    /// waited for by what is returned, alone or [among other things](crate::WaitAny).
    ///
    /// Many calls may be under way at once. They are answered in whatever order the actors like.
    ///
    /// ```
    /// # callboard::test_door!();
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use callboard::{Actor, Context, Failure, Node, ReplyTo};
    /// # struct Echo;
    /// # impl Actor for Echo {
    /// #     type Message = (u64, ReplyTo<u64>);
    /// #     type Args = ();
    /// #     fn start(_: &mut Context<Self::Message>, (): ()) -> Result<Self, Failure> {
    /// #         Ok(Echo)
    /// #     }
    /// #     fn handle(&mut self, _: &mut Context<Self::Message>, (number, reply): Self::Message) -> Result<(), Failure> {
    /// #         Ok(reply.send(number)?)
    /// #     }
    /// # }
    /// let node = Node::start()?;
    /// let echo = node.actor::<Echo>(()).start()?;
    /// let first = echo.begin_call(|reply| (1, reply))?;
    /// let second = echo.begin_call(|reply| (2, reply))?;
    /// // Other work here.
    /// assert_eq!((first.wait()?, second.wait()?), (1, 2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`AskError::Gone`], [`AskError::Disconnected`], [`AskError::Encode`], [`AskError::TooLarge`], [`AskError::Itself`]. All
    /// else is told by the answer.
    ///
    /// Source: `gen_server:send_request` of Erlang.
    #[doc(alias = "send_request")]
    pub fn begin_call<R>(&self, make: impl FnOnce(ReplyTo<R>) -> M) -> Result<Asked<R>, AskError>
    where
        R: DeserializeOwned + Send + 'static,
    {
        self.asked(make, None)
    }

    /// As [`begin_call`](Self::begin_call), for a call that is over after `timeout`, room included: if the actor has not come to
    /// the message by then it is not handled, and whoever waits for the answer gets [`AskError::TimedOut`].
    ///
    /// # Errors
    ///
    /// As [`begin_call`](Self::begin_call); [`AskError::TimedOut`] if there was no room in time.
    pub fn begin_call_timeout<R>(
        &self,
        make: impl FnOnce(ReplyTo<R>) -> M,
        timeout: Duration,
    ) -> Result<Asked<R>, AskError>
    where
        R: DeserializeOwned + Send + 'static,
    {
        self.asked(make, deadline_in(timeout))
    }

    fn asked<R>(
        &self,
        make: impl FnOnce(ReplyTo<R>) -> M,
        deadline: Option<Instant>,
    ) -> Result<Asked<R>, AskError>
    where
        R: DeserializeOwned + Send + 'static,
    {
        let local = self.begin_until(make, deadline)?;
        Ok(Asked { runtime: Arc::clone(&self.runtime), local, is_taken: false })
    }
}

impl<R: DeserializeOwned + Send + 'static> Asked<R> {
    /// Waits for the answer, as long as the call may take.
    ///
    /// # Errors
    ///
    /// [`AskError`]; [`AskError::Taken`] if the answer was taken before.
    pub fn wait(self) -> Result<R, AskError> {
        if self.is_taken {
            return Err(AskError::Taken);
        }
        Ok(self.local.wait(&self.runtime)?)
    }

    /// Waits up to `timeout` for the answer; none if it has not come by then, and the call goes on. Zero does as
    /// [`try_wait`](Self::try_wait).
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<R>, AskError> {
        self.wait_until(deadline_in(timeout))
    }

    /// The answer, if it is here; none if it is not. Never waits.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<R>, AskError> {
        if !self.is_ready() {
            self.runtime.look_at_all();
        }
        self.wait_until(Some(Instant::now()))
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Option<R>, AskError> {
        if self.is_taken {
            return Err(AskError::Taken);
        }
        let until = [deadline, self.local.deadline()].into_iter().flatten().min();
        if !self.runtime.wait_until(&*self.local, until) && !self.local.is_settled() {
            return Ok(None);
        }
        self.is_taken = true;
        Ok(Some(self.local.take(&self.runtime)?))
    }
}

impl<R> Asked<R> {
    /// Whether [`wait`](Self::wait) would not wait, as far as is known here: the answer, or an error, has come, or the call's time
    /// is over. Never waits, and takes nothing.
    pub fn is_ready(&self) -> bool {
        self.local.is_settled()
    }
}

impl<R> Drop for Asked<R> {
    fn drop(&mut self) {
        self.local.forgo();
    }
}

impl<R> fmt::Debug for Asked<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked<{}>(is ready: {})", std::any::type_name::<R>(), self.is_ready())
    }
}

impl<R: Send + 'static> Sealed for Asked<R> {
    fn pollable(&self) -> Pollable {
        Pollable::new(&self.runtime, Arc::clone(&self.local) as Arc<dyn Poll>)
    }
}

/// Ready once the answer is here, or the call's time is over, and then for good, also when it has been taken or dropped.
impl<R: Send + 'static> Waitable for Asked<R> {}

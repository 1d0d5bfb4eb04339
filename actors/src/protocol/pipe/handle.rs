//! Ends of pipes as users hold them.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::{BodyError, decode, encode_into};
use callboard_ipc::RawPipe;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::end::{End, NotSent, NotTaken};
use super::error::{PollError, RecvBytesError, RecvError, SendError, TryRecvError};
use super::travel;
use super::waiting::Something;
use super::wire::Form;
use crate::node::Node;
use crate::scope::{self, Departing};
use crate::scratch::with_scratch;
use crate::wait_any::{Pollable, Sealed, Waitable};

/// An end that closes when its holder drops it.
struct Held(Arc<End>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// One end of a pipe that goes both ways: sends `S`, receives `R`. See [`Node::pipe`].
pub struct PipeEnd<S, R> {
    held: Held,
    messages: PhantomData<fn(S) -> R>,
}

/// The end of a one-way pipe that sends `T`. See [`Node::one_way_pipe`].
pub struct PipeSender<T> {
    held: Held,
    messages: PhantomData<fn(T)>,
}

/// The end of a one-way pipe that receives `T`. See [`Node::one_way_pipe`].
pub struct PipeReceiver<T> {
    held: Held,
    messages: PhantomData<fn() -> T>,
}

impl Node {
    /// Makes a pipe that goes both ways, and returns its two ends: the one sends `A` and receives `B`, the other sends `B` and
    /// receives `A`.
    ///
    /// Messages go straight from one process to the other and keep their order. An end belongs to one holder: it is not
    /// cloned, but passed on, in arguments and in what is returned, in messages of other pipes and in items of queues, also
    /// while messages are on their way, of which none is lost. When an end is dropped, or the process that holds it ends in whatever way, the
    /// other end receives what had been sent and then [`RecvError::Closed`], and a send is [`SendError::Closed`]. What had
    /// been sent to an end that is closed before it was received is gone.
    ///
    /// In each direction 256 KiB of messages may be on their way, and besides, of messages longer than 64 KiB, 64 of them, of
    /// 64 MiB together or a single one; then a send waits.
    ///
    /// # Errors
    ///
    /// What the system says when descriptors or memory run out.
    ///
    /// Source: `Pipe` of Python's `multiprocessing`.
    pub fn pipe<A, B>(&self) -> io::Result<(PipeEnd<A, B>, PipeEnd<B, A>)> {
        let (first, second) = self.ends()?;
        let (messages, back) = (PhantomData, PhantomData);
        Ok((PipeEnd { held: first, messages }, PipeEnd { held: second, messages: back }))
    }

    /// Makes a pipe that goes one way. All else, errors included, is as with [`pipe`](Self::pipe).
    ///
    /// # Errors
    ///
    /// As [`pipe`](Self::pipe).
    ///
    /// Source: `Pipe(duplex=False)` of Python's `multiprocessing`. Here the wrong direction does not compile:
    ///
    /// ```compile_fail
    /// # let node = callboard::Node::start().unwrap();
    /// let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
    /// receiver.send(1);
    /// ```
    pub fn one_way_pipe<T>(&self) -> io::Result<(PipeSender<T>, PipeReceiver<T>)> {
        let (first, second) = self.ends()?;
        Ok((
            PipeSender { held: first, messages: PhantomData },
            PipeReceiver { held: second, messages: PhantomData },
        ))
    }

    fn ends(&self) -> io::Result<(Held, Held)> {
        let (first, second) = RawPipe::pair()?;
        let held = |raw| Held(End::new(self.runtime(), raw, Default::default()));
        Ok((held(first), held(second)))
    }
}

impl Held {
    fn send<T: Serialize>(&self, message: T, deadline: Option<Instant>) -> Result<(), SendError<T>> {
        let sent = with_scratch(|scratch| {
            let (encoded, departing) = scope::collect(|| encode_into(&message, scratch));
            encoded.map_err(Failed::Encode)?;
            // Before the long way is even called: this is all that most messages need.
            if departing.count() == 0 && self.0.send_short(scratch, Form::Value) {
                return Ok(());
            }
            self.0.send(scratch, Form::Value, departing, deadline).map_err(Failed::Send)
        });
        sent.map_err(|failed| match failed {
            Failed::Encode(error) => SendError::Encode(message, error),
            Failed::Send(why) => why.with(message),
        })
    }

    fn send_bytes(&self, bytes: &[u8], deadline: Option<Instant>) -> Result<(), SendError<()>> {
        if self.0.send_short(bytes, Form::Bytes) {
            return Ok(());
        }
        self.0.send(bytes, Form::Bytes, Departing::default(), deadline).map_err(|why| why.with(()))
    }

    fn recv<T: DeserializeOwned>(&self, deadline: Option<Instant>) -> Result<T, RecvError> {
        with_scratch(|scratch| {
            if self.0.take_short(Form::Value, usize::MAX, scratch) {
                return scope::enter(&self.0.runtime, || decode(scratch)).map_err(RecvError::Decode);
            }
            let rights = self.0.take(Form::Value, usize::MAX, scratch, deadline).map_err(RecvError::from)?;
            let decoded = scope::enter_with(&self.0.runtime, rights, || decode(scratch));
            decoded.map_err(RecvError::Decode)
        })
    }

    fn try_recv<T: DeserializeOwned>(&self) -> Result<T, TryRecvError> {
        with_scratch(|scratch| {
            if self.0.take_short(Form::Value, usize::MAX, scratch) {
                let decoded = scope::enter(&self.0.runtime, || decode(scratch));
                return decoded.map_err(|error| TryRecvError::Recv(RecvError::Decode(error)));
            }
            let rights = match self.0.try_take(Form::Value, usize::MAX, scratch) {
                Err(NotTaken::Nothing) => return Err(TryRecvError::Empty),
                other => other.map_err(|why| TryRecvError::Recv(why.into()))?,
            };
            let decoded = scope::enter_with(&self.0.runtime, rights, || decode(scratch));
            decoded.map_err(|error| TryRecvError::Recv(RecvError::Decode(error)))
        })
    }

    fn recv_bytes(&self, deadline: Option<Instant>) -> Result<Vec<u8>, RecvBytesError> {
        let mut bytes = Vec::new();
        if !self.0.take_short(Form::Bytes, usize::MAX, &mut bytes) {
            self.0.take(Form::Bytes, usize::MAX, &mut bytes, deadline).map_err(|why| why.of_bytes(0))?;
        }
        Ok(bytes)
    }

    fn recv_bytes_into(&self, buffer: &mut [u8], deadline: Option<Instant>) -> Result<usize, RecvBytesError> {
        with_scratch(|scratch| {
            let taken = self.0.take(Form::Bytes, buffer.len(), scratch, deadline);
            taken.map_err(|why| why.of_bytes(buffer.len()))?;
            buffer[..scratch.len()].copy_from_slice(scratch);
            Ok(scratch.len())
        })
    }

    fn poll(&self, timeout: Duration) -> Result<bool, PollError> {
        let something = self.0.has_something()
            || !timeout.is_zero() && self.0.wait_for_something(Instant::now().checked_add(timeout));
        if self.0.has_moved() { Err(PollError::Moved) } else { Ok(something) }
    }
}

enum Failed {
    Encode(BodyError),
    Send(NotSent),
}

/// The verbs that send, for each type of end that does.
macro_rules! sends {
    ($end:ident<$($of:ident),+>, $message:ident) => {
        impl<$($of),+> $end<$($of),+>
        where
            $message: Serialize,
        {
            /// Sends `message`, waiting for room.
            ///
            /// When this returns the message has left: it arrives also if this process is killed now.
            ///
            /// # Errors
            ///
            /// Each hands `message` back: [`SendError::Closed`], [`SendError::Encode`], [`SendError::TooLarge`],
            /// [`SendError::Moved`], [`SendError::System`].
            pub fn send(&self, message: $message) -> Result<(), SendError<$message>> {
                self.held.send(message, None)
            }

            /// Sends `message` if there is room now. Never waits.
            ///
            /// # Errors
            ///
            /// As [`send`](Self::send); [`SendError::Full`] if there is no room.
            pub fn try_send(&self, message: $message) -> Result<(), SendError<$message>> {
                self.held.send(message, Some(Instant::now()))
            }

            /// Sends `message`, waiting up to `timeout` for room.
            ///
            /// # Errors
            ///
            /// As [`send`](Self::send); [`SendError::Full`] after `timeout`.
            pub fn send_timeout(&self, message: $message, timeout: Duration) -> Result<(), SendError<$message>> {
                self.held.send(message, Instant::now().checked_add(timeout))
            }
        }

        impl<$($of),+> $end<$($of),+> {
            /// Sends bytes as they are, as one message, waiting for room; none is a message too. The other side takes them
            /// with `recv_bytes`.
            ///
            /// # Errors
            ///
            /// As [`send`](Self::send).
            pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), SendError<()>> {
                self.held.send_bytes(bytes, None)
            }

            /// As [`send_bytes`](Self::send_bytes), waiting up to `timeout` for room; zero does not wait.
            ///
            /// # Errors
            ///
            /// As [`send_timeout`](Self::send_timeout).
            pub fn send_bytes_timeout(&self, bytes: &[u8], timeout: Duration) -> Result<(), SendError<()>> {
                self.held.send_bytes(bytes, Instant::now().checked_add(timeout))
            }
        }
    };
}

sends!(PipeSender<T>, T);
sends!(PipeEnd<S, R>, S);

/// The verbs that receive, for each type of end that does.
macro_rules! receives {
    ($end:ident<$($of:ident),+>, $message:ident) => {
        impl<$($of),+> $end<$($of),+>
        where
            $message: DeserializeOwned,
        {
            /// Receives the next message, waiting for one.
            ///
            /// # Errors
            ///
            /// [`RecvError::Closed`] once the other end is closed and everything it sent has been received;
            /// [`RecvError::Decode`], [`RecvError::IsBytes`], [`RecvError::Moved`], [`RecvError::System`].
            pub fn recv(&self) -> Result<$message, RecvError> {
                self.held.recv(None)
            }

            /// Receives the next message if there is one now. Never waits.
            ///
            /// # Errors
            ///
            /// [`TryRecvError`].
            pub fn try_recv(&self) -> Result<$message, TryRecvError> {
                self.held.try_recv()
            }

            /// Receives the next message, waiting up to `timeout` for one.
            ///
            /// # Errors
            ///
            /// As [`recv`](Self::recv); [`RecvError::TimedOut`] after `timeout`.
            pub fn recv_timeout(&self, timeout: Duration) -> Result<$message, RecvError> {
                self.held.recv(Instant::now().checked_add(timeout))
            }
        }

        impl<$($of),+> $end<$($of),+> {
            /// Receives the bytes of the next message, waiting for one.
            ///
            /// # Errors
            ///
            /// As [`recv`](Self::recv), with [`RecvBytesError::IsValue`] if a value comes next, which stays.
            pub fn recv_bytes(&self) -> Result<Vec<u8>, RecvBytesError> {
                self.held.recv_bytes(None)
            }

            /// As [`recv_bytes`](Self::recv_bytes), waiting up to `timeout` for a message; zero does not wait.
            ///
            /// # Errors
            ///
            /// As [`recv_bytes`](Self::recv_bytes); [`RecvBytesError::TimedOut`] after `timeout`.
            pub fn recv_bytes_timeout(&self, timeout: Duration) -> Result<Vec<u8>, RecvBytesError> {
                self.held.recv_bytes(Instant::now().checked_add(timeout))
            }

            /// Receives the bytes of the next message into `buffer`, waiting for one; how many they are.
            ///
            /// # Errors
            ///
            /// As [`recv_bytes`](Self::recv_bytes); [`RecvBytesError::TooShort`] if they do not fit: then the message
            /// stays.
            pub fn recv_bytes_into(&self, buffer: &mut [u8]) -> Result<usize, RecvBytesError> {
                self.held.recv_bytes_into(buffer, None)
            }

            /// As [`recv_bytes_into`](Self::recv_bytes_into), waiting up to `timeout` for a message; zero does not wait.
            ///
            /// # Errors
            ///
            /// As [`recv_bytes_into`](Self::recv_bytes_into); [`RecvBytesError::TimedOut`] after `timeout`.
            pub fn recv_bytes_into_timeout(
                &self,
                buffer: &mut [u8],
                timeout: Duration,
            ) -> Result<usize, RecvBytesError> {
                self.held.recv_bytes_into(buffer, Instant::now().checked_add(timeout))
            }

            /// Whether a receive would return at once, waiting up to `timeout` until it would: with a message, or since
            /// the other end is closed. Zero does not wait.
            ///
            /// # Errors
            ///
            /// [`PollError::Moved`].
            pub fn poll(&self, timeout: Duration) -> Result<bool, PollError> {
                self.held.poll(timeout)
            }
        }

        impl<$($of),+> Sealed for $end<$($of),+> {
            fn pollable(&self) -> Pollable {
                Pollable::new(&self.held.0.runtime, Arc::new(Something(Arc::clone(&self.held.0))))
            }
        }

        /// Ready when a receive would return at once: with a message, or since the other end is closed, which it is for good.
        impl<$($of),+> Waitable for $end<$($of),+> {}
    };
}

receives!(PipeReceiver<T>, T);
receives!(PipeEnd<S, R>, R);

/// What every end has in common: it is printed, and travels as a value.
macro_rules! travels {
    ($end:ident<$($of:ident),+>) => {
        impl<$($of),+> fmt::Debug for $end<$($of),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let state = if self.held.0.has_moved() { "sent away" } else { "here" };
                write!(f, "{}({state})", std::any::type_name::<Self>())
            }
        }

        /// Where a value moves: in arguments and what is returned, messages of pipes, items of queues. From then on this end says `Moved`, unless the message
        /// does not leave. Reading takes it: an enum told by trying (`serde(untagged)`) loses it with the first try.
        impl<$($of),+> Serialize for $end<$($of),+> {
            fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
                travel::serialize::<Self, Z>(&self.held.0, serializer)
            }
        }

        impl<'de, $($of),+> Deserialize<'de> for $end<$($of),+> {
            fn deserialize<Z: Deserializer<'de>>(deserializer: Z) -> Result<Self, Z::Error> {
                let end = travel::deserialize::<Self, Z>(deserializer)?;
                Ok(Self { held: Held(end), messages: PhantomData })
            }
        }
    };
}

travels!(PipeSender<T>);
travels!(PipeReceiver<T>);
travels!(PipeEnd<S, R>);

//! The first messages on a connection that nobody introduced: a parent's to its child, a guest's to the root, and the
//! root's answer.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use callboard_core::{Header, Kind};
use callboard_ipc::{Received, fd_pass};

use crate::arriving::Arriving;
use crate::peer::Reading;

/// The word of every hello: "callbd", then two bytes of protocol version.
pub(crate) const HELLO_WORD: u64 = 0x6361_6c6c_6264_0001;

/// A first message.
pub(crate) struct Hello {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
    pub(crate) rights: VecDeque<OwnedFd>,
}

impl Hello {
    /// Whether it is a hello of this protocol.
    ///
    /// # Errors
    ///
    /// What it is instead.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Header { kind, word, .. } = self.header;
        if kind == Kind::Refuse {
            return Err(String::from_utf8_lossy(&self.body).into_owned());
        }
        if kind != Kind::Hello || word >> 16 != HELLO_WORD >> 16 {
            return Err("the first frame is no hello of a callboard node".to_owned());
        }
        if word != HELLO_WORD {
            let (theirs, ours) = (word & 0xffff, HELLO_WORD & 0xffff);
            return Err(format!("the hello is of protocol version {theirs}, this node speaks {ours}"));
        }
        Ok(())
    }
}

/// What a look at a connection's beginning came to.
pub(crate) enum Looked {
    Hello(Hello),
    NotYet,
    /// The other side has closed before it said anything whole.
    End,
}

/// A connection that is still at its beginning.
pub(crate) struct Opening {
    arriving: Arriving<OwnedFd>,
    bytes: usize,
    most_bytes: usize,
}

impl Opening {
    /// Expects a first message of at most `most_bytes`.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { arriving: Arriving::default(), bytes: 0, most_bytes }
    }

    /// Reads what has come, without waiting.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as text for the other side.
    pub(crate) fn look(&mut self, socket: BorrowedFd<'_>) -> Result<Looked, String> {
        loop {
            let hello = self.arriving.handle(|header, body, rights| {
                ControlFlow::Break(Hello { header: *header, body: body.to_vec(), rights: rights.into() })
            })?;
            if let Some(hello) = hello {
                // The read that brought its end may have brought most of it.
                if hello.body.len() > self.most_bytes {
                    return Err(self.too_long());
                }
                return Ok(Looked::Hello(hello));
            }
            if self.bytes > self.most_bytes {
                return Err(self.too_long());
            }
            let Arriving { decoder, descriptors, .. } = &mut self.arriving;
            match fd_pass::receive(socket, decoder.spare(), descriptors) {
                Ok(Received::Bytes(n)) => {
                    decoder.filled(n);
                    self.bytes += n;
                }
                Ok(Received::Nothing) => return Ok(Looked::NotYet),
                Ok(Received::End) => return Ok(Looked::End),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Waits for the next message, a hello; none if the other side closed without one.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or that there was none `within` that time.
    pub(crate) fn read(&mut self, socket: BorrowedFd<'_>, within: Duration) -> Result<Option<Hello>, String> {
        let deadline = Instant::now() + within;
        loop {
            match self.look(socket)? {
                Looked::Hello(hello) => {
                    hello.check()?;
                    return Ok(Some(hello));
                }
                Looked::End => return Ok(None),
                Looked::NotYet => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("no hello within {within:?}"));
            }
            callboard_ipc::wait_readable(socket, Some(left)).map_err(|error| error.to_string())?;
        }
    }

    /// What is needed to read on behind the messages that came.
    pub(crate) fn into_reading(self) -> Reading {
        Reading::new(self.arriving)
    }

    fn too_long(&self) -> String {
        format!("the first message is longer than {} bytes", self.most_bytes)
    }
}

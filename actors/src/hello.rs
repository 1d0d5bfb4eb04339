//! The first messages on a connection that nobody introduced: a parent's to its child, a guest's to the root, and the
//! root's answer.

use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use callboard_core::{Assembler, Decoder, Header, Kind};
use callboard_ipc::{Received, fd_pass};

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
    decoder: Decoder,
    assembler: Assembler,
    rights: VecDeque<OwnedFd>,
    bytes: usize,
    most_bytes: usize,
}

impl Opening {
    /// Expects a first message of at most `most_bytes`.
    pub(crate) fn new(most_bytes: usize) -> Self {
        let (decoder, assembler) = (Decoder::new(), Assembler::new());
        Self { decoder, assembler, rights: VecDeque::new(), bytes: 0, most_bytes }
    }

    /// Reads what has come, without waiting.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as text for the other side.
    pub(crate) fn look(&mut self, socket: BorrowedFd<'_>) -> Result<Looked, String> {
        loop {
            if let Some((header, body)) = self.next_message()? {
                // The read that brought its end may have brought most of it.
                if body.len() > self.most_bytes {
                    return Err(self.too_long());
                }
                let count = usize::from(header.descriptors).min(self.rights.len());
                let later = self.rights.split_off(count);
                let rights = std::mem::replace(&mut self.rights, later);
                return Ok(Looked::Hello(Hello { header, body, rights }));
            }
            if self.bytes > self.most_bytes {
                return Err(self.too_long());
            }
            match fd_pass::receive(socket, self.decoder.spare(), &mut self.rights) {
                Ok(Received::Bytes(n)) => {
                    self.decoder.filled(n);
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
        Reading::new(self.decoder, self.rights)
    }

    fn too_long(&self) -> String {
        format!("the first message is longer than {} bytes", self.most_bytes)
    }

    fn next_message(&mut self) -> Result<Option<(Header, Vec<u8>)>, String> {
        while let Some(frame) = self.decoder.next().map_err(|error| error.to_string())? {
            let whole = self.assembler.accept(frame.header, frame.body).map_err(|e| e.to_string())?;
            if let Some(message) = whole {
                return Ok(Some((message.header, message.body.to_vec())));
            }
        }
        Ok(None)
    }
}

//! From bytes to frames, and from frames to messages.
//!
//! A reader asks the [`Decoder`] for room, says how much it read there, and takes the frames. They are borrowed from
//! the buffer; nothing is copied but the tail of a frame that has not come whole. The [`Assembler`] joins the frames of long messages.

use std::collections::HashMap;

use crate::error::FrameError;
use crate::frame::{Flags, Header, Kind};
use crate::id::Slot;
use crate::limits::{HEADER_BYTES, MAX_MESSAGE_BYTES, MAX_UNFINISHED_MESSAGES, READ_BUFFER_BYTES};

/// The least room that a read is given.
const MIN_SPARE_BYTES: usize = 4096;

/// One frame, borrowed from the buffer it was read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it says of itself.
    pub header: Header,
    /// As many bytes as the header says.
    pub body: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The next bytes are a header.
    Header,
    /// The header has been read, its body has not come whole.
    Body(Header),
    /// The bytes were not frames.
    Failed(FrameError),
}

/// A read buffer and the frames in it.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How much room a read gets: little on a quiet connection, and more each time a read fills it.
    reach: usize,
    state: State,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that has read nothing. Memory is reserved at the first read.
    pub fn new() -> Self {
        Self { buffer: Vec::new(), start: 0, end: 0, reach: MIN_SPARE_BYTES, state: State::Header }
    }

    /// Room to read into: the rest of the frame that has begun to come, and at least 4 KiB.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        let needs = match &self.state {
            State::Body(header) => header.length as usize,
            State::Header | State::Failed(_) => HEADER_BYTES,
        };
        let missing = needs.saturating_sub(self.end - self.start).max(MIN_SPARE_BYTES);
        if self.buffer.len() - self.end < missing || self.buffer.len() < self.reach {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            let wanted = (self.end + missing).max(self.reach);
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            } else if self.buffer.len() > 2 * READ_BUFFER_BYTES && wanted <= READ_BUFFER_BYTES {
                // A long frame has passed: what it needed goes back.
                self.buffer.truncate(READ_BUFFER_BYTES);
                self.buffer.shrink_to_fit();
            }
        }
        &mut self.buffer[self.end..]
    }

    /// Says that `n` bytes were read into what [`spare`](Self::spare) returned.
    ///
    /// # Panics
    ///
    /// If that is more than there was room for.
    #[inline]
    pub fn filled(&mut self, n: usize) {
        assert!(n <= self.buffer.len() - self.end, "no more than there was room for");
        self.end += n;
        if self.end == self.buffer.len() && self.reach < READ_BUFFER_BYTES {
            self.reach *= 4;
        }
    }

    /// The next frame; none until more bytes come.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if the bytes are no frame; from then on always the same.
    #[expect(clippy::should_implement_trait, reason = "the frames borrow from the decoder")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let header = match &self.state {
            State::Body(header) => *header,
            State::Failed(error) => return Err(error.clone()),
            State::Header => {
                let Some(bytes) = self.buffer[self.start..self.end].first_chunk() else {
                    return Ok(None);
                };
                match Header::decode(bytes) {
                    Ok(header) => header,
                    Err(error) => {
                        self.state = State::Failed(error.clone());
                        return Err(error);
                    }
                }
            }
        };
        if self.state == State::Header {
            self.start += HEADER_BYTES;
        }
        let length = header.length as usize;
        if self.end - self.start < length {
            self.state = State::Body(header);
            return Ok(None);
        }
        self.state = State::Header;
        let body = &self.buffer[self.start..self.start + length];
        self.start += length;
        Ok(Some(Frame { header, body }))
    }

    /// How many bytes have been read and are not part of a frame yet.
    pub fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// Whether the bytes so far were whole frames.
    pub fn is_clean(&self) -> bool {
        self.state == State::Header && self.buffered() == 0
    }
}

/// A whole message: its first frame's header, with the length of that frame, and the whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The header; the flag `MORE` is not set.
    pub header: Header,
    /// The body.
    pub body: &'a [u8],
}

/// A message of which the last frame has not come.
#[derive(Debug)]
struct Unfinished {
    header: Header,
    body: Vec<u8>,
}

type Key = (Kind, Slot, u64);

/// Joins the frames of long messages; a message of one frame passes through as it is.
#[derive(Debug, Default)]
pub struct Assembler {
    unfinished: HashMap<Key, Unfinished>,
    bytes: usize,
    whole: Vec<u8>,
}

impl Assembler {
    /// An assembler that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a frame; the message if this was its last.
    ///
    /// # Errors
    ///
    /// [`FrameError::MessageTooLong`] if the unfinished messages hold too much, [`FrameError::TooManyUnfinished`].
    #[inline]
    pub fn accept<'a>(
        &'a mut self,
        header: Header,
        body: &'a [u8],
    ) -> Result<Option<Message<'a>>, FrameError> {
        if self.whole.capacity() > 0 {
            // Nobody has the last long message any more.
            self.whole = Vec::new();
        }
        if self.unfinished.is_empty() && !header.flags.contains(Flags::MORE) {
            return Ok(Some(Message { header, body }));
        }
        self.accept_chunk(header, body)
    }

    fn accept_chunk<'a>(
        &'a mut self,
        header: Header,
        body: &'a [u8],
    ) -> Result<Option<Message<'a>>, FrameError> {
        let key = (header.kind, header.slot, header.word);
        let more = header.flags.contains(Flags::MORE);
        let known = self.unfinished.contains_key(&key);
        if !known && !more {
            return Ok(Some(Message { header, body }));
        }
        if !known && self.unfinished.len() == MAX_UNFINISHED_MESSAGES {
            return Err(FrameError::TooManyUnfinished);
        }
        self.bytes += body.len();
        if self.bytes > MAX_MESSAGE_BYTES {
            return Err(FrameError::MessageTooLong);
        }
        let first = Header { flags: header.flags.without(Flags::MORE), ..header };
        let message =
            self.unfinished.entry(key).or_insert_with(|| Unfinished { header: first, body: Vec::new() });
        message.body.extend_from_slice(body);
        if more {
            return Ok(None);
        }
        let Some(message) = self.unfinished.remove(&key) else {
            return Ok(None);
        };
        self.bytes -= message.body.len();
        self.whole = message.body;
        Ok(Some(Message { header: message.header, body: &self.whole }))
    }
}

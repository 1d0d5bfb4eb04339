//! Frames: what travels on a connection.
//!
//! A frame is a header of 24 bytes and a body. Numbers are little endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length of the body, without the header |
//! | 4 | 1 | kind |
//! | 5 | 1 | flags |
//! | 6 | 2 | descriptors that come with the message (in its first frame) |
//! | 8 | 4 | destination: index of the slot |
//! | 12 | 4 | destination: generation of the slot |
//! | 16 | 8 | word: a call's number; for items a number that their protocol defines |
//!
//! | kind | number | body |
//! |---|---|---|
//! | hello | 1 | MessagePack, or empty with the life-line; word: magic and version |
//! | cast | 2 | MessagePack; no reply |
//! | call | 3 | MessagePack; replied to with its word |
//! | reply | 4 | MessagePack; with the flag `FAILED` empty: nobody was at the destination |
//! | items | 5 | MessagePack byte strings, one after the other |
//! | door-bell | 6 | empty; asks the peer to write what it holds back |
//! | refuse | 7 | text: why the connection is about to be closed |
//!
//! Hellos come first, on connections that nobody introduced. A parent says two to its child: one that brings the
//! child's life-line, and one with the call to run. A guest and the root that lets it in say one each. A later one ends
//! the connection.
//!
//! | flag | bit | what |
//! |---|---|---|
//! | `MORE` | 1 | another frame of the same message follows |
//! | `FAILED` | 2 | of a reply: nobody was at the destination |
//! | `TAGGED` | 4 | of items to a queue: offered, not put for credit; from a queue: on a lease |
//! | `MARKED` | 8 | of items to a queue: acks of leases |
//!
//! | both of these | 12 | of items to an actor: each begins with a head (`actors/src/actor/wire.rs`) |
//!
//! Other bits are refused. A leased item begins with the number of its attempt, in four bytes; an ack is the number of
//! the delivery, in eight.
//!
//! A message whose body is longer than one frame's may be is cut into several of the same header, all but the last
//! with the flag `MORE`. Frames to other destinations may pass between them.

use crate::error::FrameError;
use crate::id::Slot;
use crate::limits::{HEADER_BYTES, MAX_FRAME_BODY_BYTES, MAX_FRAME_DESCRIPTORS};

/// What a frame is for; see the table of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the module's table says it")]
pub enum Kind {
    Hello = 1,
    Cast = 2,
    Call = 3,
    Reply = 4,
    Items = 5,
    Doorbell = 6,
    Refuse = 7,
}

impl Kind {
    #[inline]
    fn decode(kind: u8) -> Result<Self, FrameError> {
        Ok(match kind {
            1 => Kind::Hello,
            2 => Kind::Cast,
            3 => Kind::Call,
            4 => Kind::Reply,
            5 => Kind::Items,
            6 => Kind::Doorbell,
            7 => Kind::Refuse,
            _ => return Err(FrameError::UnknownKind(kind)),
        })
    }
}

/// Marks of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// Nothing special.
    pub const NONE: Flags = Flags(0);
    /// Another frame of the same message follows.
    pub const MORE: Flags = Flags(1);
    /// A reply without an answer: nobody was at the destination.
    pub const FAILED: Flags = Flags(2);
    /// A mark that the protocol of the destination defines.
    pub const TAGGED: Flags = Flags(4);
    /// Another such mark.
    pub const MARKED: Flags = Flags(8);

    /// Both: of items to an actor, that each has a head.
    pub const TAGGED_AND_MARKED: Flags = Flags(12);

    /// Whether all of `other` is set.
    #[inline]
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    #[inline]
    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// This without `other`.
    #[inline]
    #[must_use]
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes the body has.
    pub length: u32,
    /// What the frame is for.
    pub kind: Kind,
    /// Its marks.
    pub flags: Flags,
    /// How many descriptors come with the message.
    pub descriptors: u16,
    /// Whom it is for.
    pub slot: Slot,
    /// A call's number, or what the items' protocol defines.
    pub word: u64,
}

impl Header {
    /// The header as it travels.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..4].copy_from_slice(&self.length.to_le_bytes());
        out[4] = self.kind as u8;
        out[5] = self.flags.0;
        out[6..8].copy_from_slice(&self.descriptors.to_le_bytes());
        out[8..12].copy_from_slice(&self.slot.index.to_le_bytes());
        out[12..16].copy_from_slice(&self.slot.generation.to_le_bytes());
        out[16..].copy_from_slice(&self.word.to_le_bytes());
        out
    }

    /// Reads a header and checks every part of it.
    ///
    /// # Errors
    ///
    /// [`FrameError`] names the part that can't be.
    #[inline]
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let [l0, l1, l2, l3, kind, flags, d0, d1, i0, i1, i2, i3, g0, g1, g2, g3, word @ ..] = *bytes;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let descriptors = u16::from_le_bytes([d0, d1]);
        if length as usize > MAX_FRAME_BODY_BYTES {
            return Err(FrameError::BodyTooLong(length));
        }
        if flags & !15 != 0 {
            return Err(FrameError::UnknownFlags(flags));
        }
        if usize::from(descriptors) > MAX_FRAME_DESCRIPTORS {
            return Err(FrameError::TooManyDescriptors(descriptors));
        }
        Ok(Self {
            length,
            kind: Kind::decode(kind)?,
            flags: Flags(flags),
            descriptors,
            slot: Slot {
                index: u32::from_le_bytes([i0, i1, i2, i3]),
                generation: u32::from_le_bytes([g0, g1, g2, g3]),
            },
            word: u64::from_le_bytes(word),
        })
    }
}

/// Appends a message to `out`: `header`, whose length is set here, and `body`, in as many frames as it takes.
///
/// The descriptors are announced by the first frame.
pub fn append_message(out: &mut Vec<u8>, header: Header, body: &[u8]) {
    let mut header = header;
    let flags = header.flags.without(Flags::MORE);
    let mut rest = body;
    loop {
        let (chunk, later) = rest.split_at(rest.len().min(MAX_FRAME_BODY_BYTES));
        header.length = chunk.len() as u32;
        header.flags = if later.is_empty() { flags } else { flags.with(Flags::MORE) };
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(chunk);
        if later.is_empty() {
            return;
        }
        header.descriptors = 0;
        rest = later;
    }
}

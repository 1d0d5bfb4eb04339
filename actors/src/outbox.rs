//! Frames waiting to be written to one peer.
//!
//! Any thread appends; one thread at a time writes (`begin`, then `finish`). Frames leave in the order they
//! were appended, control frames before data frames that still wait. Nothing here looks inside a body.

use std::collections::VecDeque;

use callboard_core::{Flags, HEADER_BYTES, Header, Kind, Slot, append_message, limits, push_parts};

use crate::parcel::Rights;

/// Keeps a merged items frame small enough to be one chunk, and the writer's batches cache friendly.
const OPEN_FRAME_BYTES: usize = 32 * 1024;
/// A buffer that a burst made larger than this is given back to the allocator.
const KEPT_BUFFER_BYTES: usize = 1024 * 1024;

/// Bytes in order, and the descriptors that go with some of them.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) bytes: Vec<u8>,
    /// What goes with some frames, in their order.
    pub(crate) rights: VecDeque<Carried>,
    /// How much of `bytes` has been written.
    pub(crate) at: usize,
}

/// Descriptors that go with a frame.
#[derive(Debug)]
pub(crate) struct Carried {
    /// Position of the byte that the next of them go with: the frame's first, then one more for each write.
    pub(crate) at: usize,
    pub(crate) rights: Rights,
    /// How many have been written.
    pub(crate) written: usize,
}

impl Lane {
    fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn reset(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BUFFER_BYTES);
        self.rights.clear();
        self.at = 0;
    }
}

/// How one round of writing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    All,
    /// The socket is full; a writable event resumes.
    Full,
    /// The other side takes no more bytes. What it sent can still be read.
    Broken,
}

/// What the writer does after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Look for more to write.
    Again,
    /// Ask to be told when the socket has room.
    AwaitRoom,
    Nothing,
}

/// The items frame at the end of the data lane that further items may join.
#[derive(Debug)]
struct Open {
    at: usize,
    header: Header,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    control: Lane,
    data: Lane,
    writing: Lane,
    open: Option<Open>,
    /// How often the data lane has been taken.
    batch: u64,
    busy: bool,
    blocked: bool,
    broken: bool,
}

impl Outbox {
    /// Appends a message, in chunks if it is large.
    pub(crate) fn message(&mut self, header: Header, body: &[u8], rights: impl Into<Rights>) {
        if self.broken {
            return;
        }
        self.close_open();
        append(&mut self.data, header, body, rights.into());
    }

    /// Appends one item for `slot` with the descriptors that belong to it, as a message of its own.
    pub(crate) fn parcel(&mut self, slot: Slot, flags: Flags, word: u64, item: &[u8], rights: Rights) {
        let header = Header { length: 0, kind: Kind::Items, flags, descriptors: 0, slot, word };
        let mut body = Vec::with_capacity(item.len() + 5);
        push_parts(&mut body, [&[], item]);
        self.message(header, &body, rights);
    }

    /// Appends a message that overtakes the data still waiting.
    pub(crate) fn control(&mut self, header: Header, body: &[u8]) {
        if self.broken {
            return;
        }
        append(&mut self.control, header, body, Rights::default());
    }

    /// Appends one item for `slot`, to the last frame where that is of the same kind.
    ///
    /// `word` counts for a new frame only: items that join a frame continue its numbering.
    pub(crate) fn item(&mut self, slot: Slot, flags: Flags, word: u64, item: &[u8]) {
        self.item_of(slot, flags, word, [&[], item]);
    }

    /// Appends an item that is in two parts.
    pub(crate) fn item_of(&mut self, slot: Slot, flags: Flags, word: u64, parts: [&[u8]; 2]) {
        if self.broken {
            return;
        }
        let need = parts[0].len() + parts[1].len() + 5;
        if need > limits::MAX_FRAME_BODY_BYTES {
            let header = Header { length: 0, kind: Kind::Items, flags, descriptors: 0, slot, word };
            let mut body = Vec::with_capacity(need);
            push_parts(&mut body, parts);
            return self.message(header, &body, Vec::new());
        }
        let joins = self.open.as_ref().is_some_and(|open| {
            let h = &open.header;
            let fits = self.data.bytes.len() - open.at + need <= OPEN_FRAME_BYTES;
            h.slot == slot && h.flags == flags && fits
        });
        if !joins {
            self.close_open();
            let header = Header { length: 0, kind: Kind::Items, flags, descriptors: 0, slot, word };
            self.open = Some(Open { at: self.data.bytes.len(), header });
            self.data.bytes.extend_from_slice(&header.encode());
        }
        push_parts(&mut self.data.bytes, parts);
    }

    /// Whether the last frame is one of items for `slot`, which further ones join.
    pub(crate) fn ends_with(&self, slot: Slot, flags: Flags) -> bool {
        self.open.as_ref().is_some_and(|open| open.header.slot == slot && open.header.flags == flags)
    }

    /// The number of the bytes that are appended now: they are taken together.
    pub(crate) fn batch(&self) -> u64 {
        self.batch
    }

    /// Whether the socket is full, and it is to be told when there is room.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// How many bytes wait, roughly: those that a writer has in hand just now are left out.
    pub(crate) fn unsent_bytes(&self) -> usize {
        let waiting = |lane: &Lane| lane.bytes.len() - lane.at.min(lane.bytes.len());
        waiting(&self.control) + waiting(&self.data) + waiting(&self.writing)
    }

    /// Whether everything that was appended is with the kernel, or never will be.
    pub(crate) fn is_written(&self) -> bool {
        self.broken || !self.busy && !self.holds_something() && self.writing.is_done()
    }

    /// Gives the frame that items may still join its length, and joins nothing more to it.
    fn close_open(&mut self) {
        if let Some(Open { at, .. }) = self.open.take() {
            let length = (self.data.bytes.len() - at - HEADER_BYTES) as u32;
            self.data.bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        }
    }

    /// Whether there are bytes that no flush has taken yet.
    pub(crate) fn holds_something(&self) -> bool {
        !self.data.bytes.is_empty() || !self.control.bytes.is_empty()
    }

    /// Takes what is to be written next; none if there is nothing or another thread is writing.
    pub(crate) fn begin(&mut self) -> Option<Lane> {
        if self.busy || self.blocked || self.broken {
            return None;
        }
        if self.writing.is_done() {
            self.writing.reset();
            self.close_open();
            let lane = if self.control.bytes.is_empty() {
                self.batch += 1;
                &mut self.data
            } else {
                &mut self.control
            };
            if lane.bytes.is_empty() {
                return None;
            }
            std::mem::swap(&mut self.writing, lane);
        }
        self.busy = true;
        Some(std::mem::take(&mut self.writing))
    }

    /// Gives back what [`begin`](Self::begin) took; what to do next.
    pub(crate) fn finish(&mut self, lane: Lane, wrote: Wrote) -> Next {
        self.busy = false;
        self.writing = lane;
        match wrote {
            Wrote::All => Next::Again,
            Wrote::Full => {
                self.blocked = true;
                Next::AwaitRoom
            }
            Wrote::Broken => {
                self.discard();
                Next::Nothing
            }
        }
    }

    /// The socket takes bytes again; whether that had been waited for.
    pub(crate) fn writable(&mut self) -> bool {
        std::mem::replace(&mut self.blocked, false)
    }

    /// Drops everything and accepts nothing more.
    pub(crate) fn discard(&mut self) {
        self.broken = true;
        self.open = None;
        self.control = Lane::default();
        self.data = Lane::default();
        self.writing = Lane::default();
    }
}

fn append(lane: &mut Lane, mut header: Header, body: &[u8], rights: Rights) {
    if !rights.is_empty() {
        header.descriptors = rights.len() as u16;
        lane.rights.push_back(Carried { at: lane.bytes.len(), rights, written: 0 });
    }
    append_message(&mut lane.bytes, header, body);
}

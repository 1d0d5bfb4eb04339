//! What an event loop watches.

use mio::Interest;

/// What a descriptor is ready for. One that has ended is ready for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// There is something to read, or an end to be seen.
    pub readable: bool,
    /// There is room to write, or an error to be seen.
    pub writable: bool,
    /// The other side will send nothing more after what is there. Such a source is readable and writable too.
    pub ended: bool,
}

/// What a source wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// Only that it can be read.
    Reading,
    /// Only that it can be written to.
    Writing,
    /// Both.
    ReadingAndWriting,
}

impl Wants {
    pub(crate) fn interest(self) -> Interest {
        match self {
            Wants::Reading => Interest::READABLE,
            Wants::Writing => Interest::WRITABLE,
            Wants::ReadingAndWriting => Interest::READABLE | Interest::WRITABLE,
        }
    }
}

/// Something with a descriptor that an event loop watches.
///
/// Events are edges: each comes once, and several threads may bring them at the same time. An event may still come
/// shortly after the source was removed.
pub trait Source: Send + Sync {
    /// The descriptor has become ready.
    fn ready(&self, readiness: Readiness);

    /// There is no loop thread any more: events come only while somebody else waits on the epoll.
    fn closed(&self) {}
}

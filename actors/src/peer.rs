//! Another node seen from here: its connection, what waits to be written to it, and who is to be told of its end.
//!
//! A peer is `Meeting` until its connection arrives, `Connected`, then `Ended` for good. Whichever thread is
//! there reads; frames are handled in order, one reader at a time.

mod hold;
mod meeting;
mod messages;
mod reading;
mod writing;

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use callboard_core::{Flags, Header, Kind, NodeId, Readiness, Slot, Source, Token, Wants};
use callboard_ipc::Connection;
use parking_lot::Mutex;

use crate::hook::Hooks;
use crate::outbox::{Next, Outbox};
use crate::parcel::Rights;
use crate::runtime::Runtime;

use self::hold::Hold;
pub(crate) use self::meeting::Met;
pub(crate) use self::messages::{encoded, header, packed};
pub(crate) use self::reading::Reading;
use self::writing::write_lane;

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peer({})", self.id)
    }
}

pub(crate) struct Peer {
    pub(crate) id: NodeId,
    runtime: Weak<Runtime>,
    connection: OnceLock<Connection>,
    token: OnceLock<Token>,
    /// Those who wait for the connection.
    meeting: Mutex<Hooks>,
    outbox: Mutex<Outbox>,
    /// Lock order: before every cell and outbox.
    reading: Mutex<Option<Reading>>,
    /// Readiness not yet looked at. Whoever raises it from zero reads; see `readable`.
    unread: AtomicU32,
    /// In the runtime's list of peers to flush.
    listed: AtomicBool,
    ended: AtomicBool,
    /// An event said that nothing more will come after what is there.
    end_announced: AtomicBool,
    /// Cells that hold state for this peer and must hear of its end.
    interest: Mutex<HashSet<Slot>>,
    /// Free and next never used counters of our side of the link page.
    counters: Mutex<(Vec<u32>, u32)>,
    /// If it hosts an actor that a supervisor keeps: the supervisor's node.
    pub(crate) keeper: OnceLock<NodeId>,
    hold: Hold,
}

impl Peer {
    pub(crate) fn new(id: NodeId, runtime: &Arc<Runtime>) -> Arc<Self> {
        Arc::new(Self {
            id,
            runtime: Arc::downgrade(runtime),
            connection: OnceLock::new(),
            token: OnceLock::new(),
            meeting: Mutex::default(),
            outbox: Mutex::default(),
            reading: Mutex::new(None),
            unread: AtomicU32::new(0),
            listed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            end_announced: AtomicBool::new(false),
            interest: Mutex::default(),
            counters: Mutex::default(),
            keeper: OnceLock::new(),
            hold: Hold::default(),
        })
    }

    /// Gives the peer its connection: what waited leaves, what has come is handled.
    pub(crate) fn connect(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        connection: Connection,
        reading: Reading,
    ) -> std::io::Result<()> {
        if self.connection.set(connection).is_err() {
            return Ok(()); // Met already: the second connection closes as it is dropped.
        }
        *self.reading.lock() = Some(reading);
        let connection = self.connection.get().expect("set just above");
        let source = Arc::clone(self) as Arc<dyn Source>;
        let token = runtime.reactor.register(connection.as_fd(), Wants::Reading, source)?;
        let _ = self.token.set(token);
        connection.link().call_ourselves(std::process::id(), &runtime.name);
        self.met();
        self.readable(runtime);
        // A write that met a full socket before the token was there could not ask to be told of room.
        self.outbox.lock().writable();
        self.flush(runtime);
        Ok(())
    }

    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.connection.get()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Marks the end; true for the first caller, who then does what follows from it.
    pub(crate) fn end(&self, runtime: &Runtime) -> bool {
        if self.ended.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.outbox.lock().discard();
        self.met();
        if let (Some(connection), Some(token)) = (self.connection.get(), self.token.get()) {
            runtime.reactor.deregister(connection.as_fd(), *token);
            connection.shutdown();
        }
        true
    }

    /// Waits until the connection has come; false if the peer has ended, or at the deadline.
    pub(crate) fn wait_connected(&self, runtime: &Arc<Runtime>, deadline: Option<Instant>) -> bool {
        self.connection.get().is_some()
            || runtime.wait_until(&Met(self), deadline) && self.connection.get().is_some()
    }

    /// Tells those who wait for the connection that it has come, or never will.
    fn met(&self) {
        self.meeting.lock().notify_all();
    }

    /// Remembers that the cell at `slot` must hear of this peer's end.
    pub(crate) fn interests(&self, slot: Slot) {
        self.interest.lock().insert(slot);
    }

    /// That cell is gone, or has nothing to do with this peer any more.
    pub(crate) fn forgets_interest(&self, slot: Slot) {
        self.interest.lock().remove(&slot);
    }

    pub(crate) fn take_interests(&self) -> HashSet<Slot> {
        std::mem::take(&mut self.interest.lock())
    }

    /// Reserves one of our counters in the link page; none if all are in use or there is no connection yet.
    pub(crate) fn reserve_counter(&self) -> Option<u32> {
        let link = self.connection.get()?.link();
        let mut counters = self.counters.lock();
        let index = counters.0.pop().unwrap_or_else(|| {
            counters.1 += 1;
            counters.1 - 1
        });
        let counter = link.counter(link.side(), index)?;
        counter.taken.store(0, Ordering::SeqCst);
        counter.finished.store(0, Ordering::SeqCst);
        counter.poke.store(0, Ordering::SeqCst);
        Some(index)
    }

    pub(crate) fn release_counter(&self, index: u32) {
        self.counters.lock().0.push(index);
    }

    // ---- writing -------------------------------------------------------------------------------

    /// Appends a message that leaves with the next flush.
    pub(crate) fn post(&self, runtime: &Runtime, header: Header, body: &[u8], rights: impl Into<Rights>) {
        self.outbox.lock().message(header, body, rights);
        self.list(runtime);
    }

    /// Appends a message without a reply, addressed to `slot`.
    pub(crate) fn cast(&self, runtime: &Runtime, slot: Slot, body: &[u8]) {
        self.post(runtime, header(Kind::Cast, slot, 0), body, Vec::new());
    }

    /// How many bytes wait to be written.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.outbox.lock().unsent_bytes()
    }

    /// Appends a message that overtakes waiting data.
    pub(crate) fn cast_control(&self, runtime: &Runtime, slot: Slot, body: &[u8]) {
        self.outbox.lock().control(header(Kind::Cast, slot, 0), body);
        self.list(runtime);
    }

    /// Appends one item for `slot`.
    pub(crate) fn item(&self, runtime: &Runtime, slot: Slot, flags: Flags, word: u64, item: &[u8]) {
        self.outbox.lock().item(slot, flags, word, item);
        self.list(runtime);
    }

    /// Appends one item for `slot` if `may` says so, which it is asked while the outbox is locked; then, whether the
    /// caller must flush.
    pub(crate) fn item_if(
        &self,
        runtime: &Runtime,
        slot: Slot,
        flags: Flags,
        word: u64,
        item: &[u8],
        may: impl FnOnce() -> bool,
    ) -> Option<bool> {
        let must_flush = {
            let mut outbox = self.outbox.lock();
            if !may() {
                return None;
            }
            outbox.item(slot, flags, word, item);
            self.must_flush(&outbox)
        };
        self.list(runtime);
        Some(must_flush)
    }

    /// As [`item_if`](Self::item_if), for an item with descriptors.
    #[expect(clippy::too_many_arguments, reason = "those of `item_if`, and what it carries")]
    pub(crate) fn parcel_if(
        &self,
        runtime: &Runtime,
        slot: Slot,
        flags: Flags,
        word: u64,
        item: &[u8],
        rights: Rights,
        may: impl FnOnce() -> bool,
    ) -> Option<bool> {
        let must_flush = {
            let mut outbox = self.outbox.lock();
            if !may() {
                return None;
            }
            outbox.parcel(slot, flags, word, item, rights);
            self.must_flush(&outbox)
        };
        self.list(runtime);
        Some(must_flush)
    }

    /// Does something that must not come between other messages. What it appends is to be [listed](Self::list).
    pub(crate) fn with_outbox<R>(&self, with: impl FnOnce(&mut Outbox) -> R) -> R {
        with(&mut self.outbox.lock())
    }

    /// Appends several items for `slot`; the first has the number `word`.
    pub(crate) fn items<'a>(
        &self,
        runtime: &Runtime,
        slot: Slot,
        flags: Flags,
        word: u64,
        items: impl Iterator<Item = &'a [u8]>,
    ) -> Appended {
        let appended = {
            let mut outbox = self.outbox.lock();
            let before = outbox.ends_with(slot, flags);
            for (number, item) in items.enumerate() {
                outbox.item(slot, flags, word + number as u64, item);
            }
            Appended { joined: before && outbox.ends_with(slot, flags), batch: outbox.batch() }
        };
        self.list(runtime);
        appended
    }

    /// Lets what was appended wait until the reader has come to the end of what it has.
    pub(crate) fn hold_back(&self) {
        let outbox = self.outbox.lock();
        if let (Some(connection), true) = (self.connection.get(), outbox.holds_something()) {
            connection.link().hold_back();
        }
    }

    /// Has the outbox written with the next flush.
    pub(crate) fn list(&self, runtime: &Runtime) {
        if !self.listed.load(Ordering::Relaxed) && !self.listed.swap(true, Ordering::AcqRel) {
            runtime.list_to_flush(self.id);
        }
    }

    /// Whether what was appended has to be written by the caller, since the reader on the other side waits.
    pub(crate) fn needs_flush(&self) -> bool {
        self.must_flush(&self.outbox.lock())
    }

    /// Writes at once if the reader on the other side waits; otherwise the bytes stay and leave with others.
    pub(crate) fn flush_by_need(&self, runtime: &Runtime) {
        if self.needs_flush() {
            self.flush(runtime);
        }
    }

    /// Asks the shared words, while the outbox is locked and holds something: whoever says "busy" for the reader must
    /// be sure that bytes follow, or the reader sleeps and nobody writes to it any more.
    fn must_flush(&self, outbox: &Outbox) -> bool {
        let connection = self.connection.get();
        outbox.holds_something() && connection.is_some_and(|connection| connection.link().must_flush())
    }

    /// Changes what the epoll tells of. Room to write is asked for only while it is missing: otherwise every read of the
    /// other side would be an event here.
    ///
    /// The outbox stays locked meanwhile, so that of two threads, one that found room and one that found none, the later
    /// one also has the last word here: a blocked outbox that nobody tells of room would be one for good.
    fn watch(&self, runtime: &Runtime, outbox: &Outbox) {
        let (Some(connection), Some(token)) = (self.connection.get(), self.token.get()) else { return };
        let wants = if outbox.is_blocked() { Wants::ReadingAndWriting } else { Wants::Reading };
        // Asked anew, the kernel tells at once if there is room by now. An error means that the peer has ended.
        let _ = runtime.reactor.rewatch(connection.as_fd(), *token, wants);
    }

    /// Writes what waits, as far as the socket takes it.
    pub(crate) fn flush(&self, runtime: &Runtime) {
        let Some(connection) = self.connection.get() else { return };
        // Cleared before the bytes are taken: an append that comes later lists the peer again.
        self.listed.store(false, Ordering::Release);
        loop {
            let begun = {
                let mut outbox = self.outbox.lock();
                connection.link().flushing();
                outbox.begin()
            };
            let Some(mut lane) = begun else { return };
            let wrote = write_lane(connection, &mut lane, |text| runtime.complain(text));
            let mut outbox = self.outbox.lock();
            match outbox.finish(lane, wrote) {
                Next::Again => {}
                Next::AwaitRoom => return self.watch(runtime, &outbox),
                Next::Nothing => return,
            }
        }
    }

    /// The socket takes bytes again; whether that had been waited for.
    fn has_room(&self, runtime: &Runtime) -> bool {
        let mut outbox = self.outbox.lock();
        let was_blocked = outbox.writable();
        if was_blocked {
            self.watch(runtime, &outbox);
        }
        was_blocked
    }
}

impl Source for Peer {
    fn ready(&self, readiness: Readiness) {
        let Some(runtime) = self.runtime.upgrade() else { return };
        let Some(this) = runtime.peer(self.id) else { return };
        if readiness.writable && self.has_room(&runtime) {
            self.flush(&runtime);
        }
        if readiness.ended {
            self.end_announced.store(true, Ordering::Release);
        }
        if readiness.readable {
            this.readable(&runtime);
        }
    }
}

/// Where items have been appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Behind items for the same slot, which are also still here.
    pub(crate) joined: bool,
    /// What has the same number will be taken for writing together.
    pub(crate) batch: u64,
}

//! A peer's bytes on their way in: read by whichever thread is there, handled in order, one reader at a time.

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use callboard_core::{Kind, Slot};
use callboard_ipc::{Connection, Received};

use super::{Peer, header};
use crate::arriving::Arriving;
use crate::router;
use crate::runtime::{Ending, Runtime};

/// After this many reads a caller leaves the rest to the loop thread, so that it gets back to its own work.
const READS_PER_TURN: usize = 16;

/// How many times a reader yields before it asks for what the peer holds back.
const GRACE: u32 = 4;

/// What a reader keeps between reads.
#[derive(Debug)]
pub(crate) struct Reading {
    arriving: Arriving<OwnedFd>,
    /// The peer has been told that this side reads and will look again.
    is_busy: bool,
    /// The last read left room in the buffer, and nothing that could have cut it short.
    is_emptied: bool,
    /// The last read found nothing.
    found_nothing: bool,
}

impl Reading {
    /// Of a connection of which so much has been read before.
    pub(crate) fn new(arriving: Arriving<OwnedFd>) -> Self {
        Self {
            arriving,
            // Its first bytes may have come another way, and the peer believes since that this side looks again.
            is_busy: true,
            is_emptied: false,
            found_nothing: false,
        }
    }

    fn receive(&mut self, connection: &Connection) -> std::io::Result<Received> {
        let Arriving { decoder, descriptors, .. } = &mut self.arriving;
        let had = descriptors.len();
        let spare = decoder.spare();
        let room = spare.len();
        let received = connection.receive(spare, descriptors)?;
        self.found_nothing = received == Received::Nothing;
        self.is_emptied = false;
        if let Received::Bytes(n) = received {
            // Descriptors end a read early, however much follows.
            self.is_emptied = n < room && descriptors.len() == had;
            decoder.filled(n);
            if !std::mem::replace(&mut self.is_busy, true) {
                connection.link().reader_busy();
            }
        }
        Ok(received)
    }
}

impl Peer {
    /// Reads and handles what has come, unless another thread does so already.
    ///
    /// The count is raised before the reader looks, and the reader leaves only if nobody has raised it since
    /// it last began to look: so an edge that another thread saw is never lost.
    pub(crate) fn readable(self: &Arc<Self>, runtime: &Arc<Runtime>) {
        if self.unread.fetch_add(1, Ordering::AcqRel) == 0 {
            self.read_turns(runtime);
        }
    }

    /// Reads what has come if nobody else is reading; for a caller that looks before it sleeps.
    pub(crate) fn look(self: &Arc<Self>, runtime: &Arc<Runtime>) {
        let idle = self.unread.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
        if idle.is_ok() {
            self.read_turns(runtime);
        }
    }

    fn read_turns(self: &Arc<Self>, runtime: &Arc<Runtime>) {
        loop {
            let seen = self.unread.load(Ordering::Acquire);
            let left = self.read_all(runtime);
            let done = self.unread.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Relaxed);
            if done.is_ok() {
                runtime.flush_listed();
                if left {
                    runtime.leave_to_loop(self.id);
                }
                return;
            }
        }
    }

    /// Reads until nothing is left; true if it stopped early.
    fn read_all(self: &Arc<Self>, runtime: &Arc<Runtime>) -> bool {
        let mut guard = self.reading.lock();
        let (Some(reading), Some(connection)) = (guard.as_mut(), self.connection.get()) else {
            return false;
        };
        if self.has_ended() {
            return false;
        }
        // What bootstrap read beyond its own message comes first.
        let mut outcome = self.handle_frames(runtime, reading);
        for _ in 0..READS_PER_TURN {
            if outcome.is_err() {
                break;
            }
            match reading.receive(connection) {
                Ok(Received::Bytes(_)) => outcome = self.handle_frames(runtime, reading),
                Ok(Received::Nothing) => {}
                Ok(Received::End) => outcome = Err(Ending::Closed),
                Err(error) => outcome = Err(Ending::Broken(error.to_string())),
            }
            // A read that left room has emptied the socket, and what comes later is a new event; but the
            // end of the stream may have been announced together with the bytes.
            let emptied = reading.is_emptied && !self.end_announced.load(Ordering::Acquire);
            if outcome.is_ok() && (emptied || reading.found_nothing) {
                let was_busy = std::mem::replace(&mut reading.is_busy, false);
                drop(guard);
                if was_busy {
                    self.reader_sleeps(runtime, connection);
                }
                return false;
            }
        }
        drop(guard);
        match outcome {
            Ok(()) => true,
            Err(ending) => {
                runtime.peer_ended(self, &ending);
                false
            }
        }
    }

    fn handle_frames(self: &Arc<Self>, runtime: &Arc<Runtime>, reading: &mut Reading) -> Result<(), Ending> {
        let handled = reading.arriving.handle(|header, body, rights| {
            match router::route(runtime, self, header, body, rights) {
                Ok(()) => ControlFlow::Continue(()),
                Err(violation) => ControlFlow::Break(violation),
            }
        });
        match handled {
            Ok(None) => Ok(()),
            Ok(Some(violation)) | Err(violation) => Err(self.refuse(runtime, violation)),
        }
    }

    /// Tells the peer why its connection is about to be closed.
    fn refuse(&self, runtime: &Runtime, reason: String) -> Ending {
        let header = header(Kind::Refuse, Slot::default(), 0);
        self.post(runtime, header, reason.as_bytes(), Vec::new());
        self.flush(runtime);
        Ending::Broken(reason)
    }

    /// Before nobody looks at this connection any more: fetch what the peer holds back for a busy reader.
    fn reader_sleeps(&self, runtime: &Runtime, connection: &Connection) {
        let link = connection.link();
        if !link.reader_waits() {
            return;
        }
        // A peer at work sees that this side waits when it appends the next frame, and writes: that costs nobody a message.
        for _ in 0..GRACE {
            std::thread::yield_now();
            if !link.peer_holds_back() {
                return;
            }
        }
        self.ask_for_the_rest(runtime);
    }

    /// For a thread that has come to the end of what came from this peer and is about to wait for more.
    pub(crate) fn fetch_what_is_held_back(&self, runtime: &Runtime) {
        if self.connection().is_some_and(|connection| connection.link().peer_holds_back()) {
            self.ask_for_the_rest(runtime);
        }
    }

    fn ask_for_the_rest(&self, runtime: &Runtime) {
        let bell = header(Kind::Doorbell, Slot::default(), 0);
        self.outbox.lock().control(bell, &[]);
        self.flush(runtime);
    }
}

//! The root's door: programs that nobody spawned join the job here.
//!
//! The root listens at abstract addresses (`jobs.rs`). A guest says hello with the id it has given itself; the
//! root answers with a hello and the page of their connection, and from then on the guest is a node like any other,
//! which nobody watches and nobody ends. Whoever says anything else, or nothing in time, is told why and shut out, and
//! costs the others nothing.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use callboard_core::{Header, Kind, NodeId, Readiness, Slot, Source, Token, Wants, append_message, decode};
use callboard_ipc::{Accepted, Connection, Link, Listener, Side, fd_pass};
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

use crate::cell::{Cell, Incoming, Violation};
use crate::hello::{HELLO_WORD, Hello, Looked, Opening};
use crate::jobs;
use crate::peer::{Peer, Reading, encoded, header};
use crate::runtime::Runtime;

/// How long a connection may take until it has said hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// How many may be about to. One more, and the eldest has to leave: a node says hello at once, so the eldest is none.
const MAX_STRANGERS: usize = 64;
/// The longest hello of a guest.
const MAX_HELLO_BYTES: usize = 4096;
/// When to try again, if a connection could not be accepted for want of descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What a guest says.
#[derive(Debug, Serialize, Deserialize)]
struct Join {
    node: NodeId,
}

/// What the root answers, with one descriptor: the page of the connection.
#[derive(Debug, Serialize, Deserialize)]
struct Welcome {
    root: NodeId,
}

/// The root's listener and those who have not yet said who they are.
pub(crate) struct Guests {
    this: Weak<Self>,
    runtime: Weak<Runtime>,
    slot: Slot,
    /// By its id, and by its name if it has one; none once the node ends.
    listeners: Mutex<Vec<Listener>>,
    /// The eldest first.
    strangers: Mutex<VecDeque<Arc<Stranger>>>,
}

impl Guests {
    /// Opens the job's door.
    pub(crate) fn listen(runtime: &Arc<Runtime>, name: Option<&str>) -> io::Result<Arc<Self>> {
        let id = runtime.root.to_string();
        let listeners: io::Result<Vec<_>> = [Some(id.as_str()), name]
            .into_iter()
            .flatten()
            .map(|job| Listener::bind(&jobs::address(job)))
            .collect();
        let listeners = listeners?;
        let guests = runtime.add_cell(|slot| {
            Arc::new_cyclic(|this| Self {
                this: Weak::clone(this),
                runtime: Arc::downgrade(runtime),
                slot,
                listeners: Mutex::new(listeners),
                strangers: Mutex::default(),
            })
        });
        let source = Arc::clone(&guests) as Arc<dyn Source>;
        for listener in &*guests.listeners.lock() {
            runtime.reactor.register(listener.as_fd(), Wants::Reading, Arc::clone(&source))?;
        }
        Ok(guests)
    }

    /// Shuts the door: from here on the job can't be found, whoever still holds parts of this node.
    pub(crate) fn close(&self) {
        self.listeners.lock().clear();
        let strangers = std::mem::take(&mut *self.strangers.lock());
        if let Some(runtime) = self.runtime.upgrade() {
            strangers.iter().for_each(|stranger| stranger.turn_away(&runtime, "the job has ended"));
        }
    }

    fn accept_all(&self, runtime: &Arc<Runtime>) {
        loop {
            // Whoever takes a connection off the kernel's line puts it into ours before the next is taken: a thread
            // that stops in between must not make its stranger the youngest.
            let line = self.listeners.lock();
            let mut all = line.iter().map(Listener::accept);
            let next = all.find(|next| !matches!(next, Ok(Accepted::Nobody)));
            drop(all);
            match next {
                Some(Ok(Accepted::Connection(socket))) => self.take_in(runtime, socket, line),
                Some(Ok(Accepted::Stranger(socket, why))) => refuse(&socket, &why.to_string()),
                None | Some(Ok(Accepted::Nobody)) => return,
                Some(Err(_)) => {
                    runtime.tick_at(Instant::now() + ACCEPT_AGAIN_AFTER, self.slot);
                    return;
                }
            }
        }
    }

    /// Lets `line` go as soon as the newcomer stands in ours.
    fn take_in(&self, runtime: &Arc<Runtime>, socket: OwnedFd, line: MutexGuard<'_, Vec<Listener>>) {
        let until = Instant::now() + HELLO_WITHIN;
        let stranger =
            Arc::new(Stranger { guests: Weak::clone(&self.this), until, at_door: Mutex::new(None) });
        // Held until it is registered: whoever brings its first event, or turns it away, finds all of it.
        let mut at_door = stranger.at_door.lock();
        let eldest = {
            let mut strangers = self.strangers.lock();
            strangers.push_back(Arc::clone(&stranger));
            if strangers.len() == 1 {
                runtime.tick_at(until, self.slot);
            }
            if strangers.len() > MAX_STRANGERS { strangers.pop_front() } else { None }
        };
        drop(line);
        let source = Arc::clone(&stranger) as Arc<dyn Source>;
        match runtime.reactor.register(socket.as_fd(), Wants::Reading, source) {
            Ok(token) => *at_door = Some(AtDoor { socket, token, opening: Opening::new(MAX_HELLO_BYTES) }),
            Err(error) => refuse(&socket, &format!("the connection can't be watched: {error}")),
        }
        drop(at_door);
        if let Some(eldest) = eldest {
            eldest.turn_away(runtime, "others came, and you had not said hello");
        }
    }

    fn forget(&self, stranger: &Stranger) {
        self.strangers.lock().retain(|other| !std::ptr::eq(Arc::as_ptr(other), stranger));
    }
}

impl Source for Guests {
    fn ready(&self, _: Readiness) {
        if let Some(runtime) = self.runtime.upgrade() {
            self.accept_all(&runtime);
        }
    }
}

impl Cell for Guests {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(&self, _: &Arc<Runtime>, _: &Arc<Peer>, _: Incoming<'_>) -> Result<(), Violation> {
        Err("a message to the listener, which takes none".to_owned())
    }

    fn tick(&self, runtime: &Arc<Runtime>) {
        let now = Instant::now();
        let late: Vec<_> = {
            let mut strangers = self.strangers.lock();
            let in_time = strangers.iter().position(|stranger| stranger.until > now);
            let count = in_time.unwrap_or(strangers.len());
            let late = strangers.drain(..count).collect();
            if let Some(next) = strangers.front() {
                runtime.tick_at(next.until, self.slot);
            }
            late
        };
        for stranger in late {
            stranger.turn_away(runtime, &format!("no hello within {HELLO_WITHIN:?}"));
        }
        self.accept_all(runtime);
    }
}

/// Somebody who has connected and not said hello.
struct Stranger {
    guests: Weak<Guests>,
    until: Instant,
    /// None once it has come in or gone.
    at_door: Mutex<Option<AtDoor>>,
}

struct AtDoor {
    socket: OwnedFd,
    token: Token,
    opening: Opening,
}

impl Stranger {
    fn turn_away(&self, runtime: &Runtime, reason: &str) {
        if let Some(AtDoor { socket, token, .. }) = self.at_door.lock().take() {
            runtime.reactor.deregister(socket.as_fd(), token);
            refuse(&socket, reason);
        }
    }
}

impl Source for Stranger {
    fn ready(&self, _: Readiness) {
        let Some(guests) = self.guests.upgrade() else { return };
        let Some(runtime) = guests.runtime.upgrade() else { return };
        let mut at_door = self.at_door.lock();
        let Some(here) = at_door.as_mut() else { return };
        let looked = here.opening.look(here.socket.as_fd());
        if matches!(looked, Ok(Looked::NotYet)) {
            return;
        }
        let Some(AtDoor { socket, token, opening }) = at_door.take() else { return };
        drop(at_door);
        runtime.reactor.deregister(socket.as_fd(), token);
        guests.forget(self);
        match looked {
            Ok(Looked::Hello(hello)) => welcome(&runtime, socket, &hello, opening.into_reading()),
            Ok(Looked::End | Looked::NotYet) => {}
            Err(reason) => refuse(&socket, &reason),
        }
    }
}

/// Lets a guest in, if its hello is sound.
fn welcome(runtime: &Arc<Runtime>, socket: OwnedFd, hello: &Hello, reading: Reading) {
    let node = match guest_of(runtime, hello) {
        Ok(node) => node,
        Err(reason) => return refuse(&socket, &reason),
    };
    let connection = Link::create(Side::First)
        .and_then(|(link, page)| Ok((Connection::new(socket, link)?, page)))
        .map_err(|error| runtime.complain(&format!("a guest can't be let in: {error}")));
    let Ok((connection, page)) = connection else { return runtime.control.leave(runtime, node) };
    let body = encoded(&Welcome { root: runtime.root });
    let peer = runtime.new_peer(node);
    peer.post(runtime, header(Kind::Hello, Slot::default(), HELLO_WORD), &body, vec![page]);
    runtime.connect(node, connection, reading);
    runtime.flush_listed();
}

fn guest_of(runtime: &Arc<Runtime>, hello: &Hello) -> Result<NodeId, String> {
    hello.check()?;
    if !hello.rights.is_empty() {
        return Err("the hello of a guest carries no descriptors".to_owned());
    }
    let Join { node } = decode(&hello.body).map_err(|error| format!("the hello can't be read: {error}"))?;
    if node == runtime.id || !runtime.control.join(node) {
        return Err(format!("there is a node {node} already"));
    }
    Ok(node)
}

/// What travels of these types.
#[cfg(any(test, fuzzing))]
pub(crate) const TRIPS: &[crate::fuzzing::Trip] = {
    use crate::fuzzing::trip;
    &[trip::<Join>, trip::<Welcome>]
};

/// Says why, as far as the socket takes it at once; the caller closes.
fn refuse(socket: &OwnedFd, reason: &str) {
    let mut frame = Vec::new();
    append_message(&mut frame, header(Kind::Refuse, Slot::default(), 0), reason.as_bytes());
    // Whoever does not read it does not want to know.
    let _ = fd_pass::send(socket.as_fd(), &frame, &[]);
}

/// A guest's way in: connects to `job` as `node`; the root's id and the connection to it.
pub(crate) fn enter(job: &str, node: NodeId) -> Result<(NodeId, Connection, Reading), JoinFailed> {
    let socket = callboard_ipc::connect(&jobs::address(job)).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => JoinFailed::NoJob,
        io::ErrorKind::PermissionDenied => JoinFailed::Forbidden(error.to_string()),
        _ => JoinFailed::System(error),
    })?;
    let mut frame = Vec::new();
    let join: Header = header(Kind::Hello, Slot::default(), HELLO_WORD);
    append_message(&mut frame, join, &encoded(&Join { node }));
    fd_pass::send(socket.as_fd(), &frame, &[]).map_err(JoinFailed::System)?;
    let mut opening = Opening::new(usize::MAX);
    let answer = opening.read(socket.as_fd(), HELLO_WITHIN).map_err(JoinFailed::Refused)?;
    let mut answer = answer.ok_or_else(|| JoinFailed::Refused("closed without a word".to_owned()))?;
    let Welcome { root } =
        decode(&answer.body).map_err(|error| JoinFailed::Refused(format!("an answer that is {error}")))?;
    let no_page = || JoinFailed::Refused("no page came with the answer".to_owned());
    let page = answer.rights.pop_front().ok_or_else(no_page)?;
    let link = Link::open(&page, Side::Second).map_err(JoinFailed::System)?;
    let connection = Connection::new(socket, link).map_err(JoinFailed::System)?;
    Ok((root, connection, opening.into_reading()))
}

/// Why a guest did not get in.
pub(crate) enum JoinFailed {
    NoJob,
    Forbidden(String),
    Refused(String),
    System(io::Error),
}

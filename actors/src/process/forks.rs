//! The second way to start processes: a server that forks them. Both its sides: how its node asks it, and what it does.
//!
//! A node starts its server, this program again, when the first process is wanted so. The server comes as far as the start of its node, and there waits for
//! [`Order`]s; it has one thread and is no node. What it forks is its node's own child, and from its first instruction on
//! begins as one that was started by itself. If the server ends, of whatever, the next order starts another.

use std::ffi::OsString;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use callboard_core::decode;
use callboard_ipc::{Bootstrap, Child, ChildSpec, Forked, Surroundings};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::description::{Stream, Streams};
use super::wire::Errand;
use crate::command::start::Fresh;
use crate::command::wire::{ANSWER_WITHIN, send};
use crate::hello::{Hello, Looked, Opening};
use crate::runtime::Runtime;
use crate::standing::Sought;

/// What the server's process is called, in errors.
const NAME: &str = "forkserver";

/// A node's server, if there is one.
#[derive(Default)]
pub(crate) struct Forks(Mutex<Option<Fresh>>);

/// What a process is to have that is forked. Its end of the socket, standard output and standard error come along, the life-line that the
/// server binds it to, and a gate: it touches nothing before a byte comes through, so that the same may be ordered once more if it is not known what
/// has become of it.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    env: Vec<(ByteBuf, ByteBuf)>,
    cwd: ByteBuf,
}

/// What the server answers.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    /// The process's number; its descriptor comes along.
    Forked { pid: u32 },
    /// There is none, and why.
    NotForked(String),
}

/// What an order came to.
enum Answer {
    Forked(Child),
    NotForked(String),
    /// The server is gone or does not answer, and why.
    NoServer(io::Error),
}

impl From<Surroundings> for Order {
    fn from(it: Surroundings) -> Self {
        let bytes = |text: OsString| ByteBuf::from(text.into_vec());
        let env = it.env.into_iter().map(|(key, value)| (bytes(key), bytes(value))).collect();
        Self { env, cwd: bytes(it.cwd.into_os_string()) }
    }
}

impl From<Order> for Surroundings {
    fn from(order: Order) -> Self {
        let text = |bytes: ByteBuf| OsString::from_vec(bytes.into_vec());
        let env = order.env.into_iter().map(|(key, value)| (text(key), text(value))).collect();
        Self { env, cwd: text(order.cwd).into() }
    }
}

impl Forks {
    /// Has a process forked as `spec` says, bound to the life-line whose reading end is `life`.
    ///
    /// # Errors
    ///
    /// What the system says, here or at the server; and that one server after another was killed or stood still.
    pub(crate) fn start(&self, runtime: &Arc<Runtime>, spec: ChildSpec, life: &OwnedFd) -> io::Result<Child> {
        callboard_ipc::can_fork().map_err(|error| {
            io::Error::new(io::ErrorKind::Unsupported, format!("this system can't fork as {NAME}: {error}"))
        })?;
        let (surroundings, handed) = callboard_ipc::surroundings(spec)?;
        let order = Order::from(surroundings);
        let mut server = self.0.lock();
        // One that was there before may have been killed since.
        let attempts = if server.is_some() { 2 } else { 1 };
        let mut gone = None;
        for _ in 0..attempts {
            let mut asked = match server.take() {
                Some(there) => there,
                None => fresh()?,
            };
            let (gate, mut opener) = io::pipe()?;
            let sought = Sought::process("the start of a process by", "server", Some(asked.guard.pid()));
            match runtime.wait_elsewhere(sought, || asked.fork(&order, &handed, life, gate)) {
                Answer::Forked(child) => {
                    callboard_ipc::lead_group(&child);
                    *server = Some(asked);
                    // If nobody is behind it the child has been killed, of which its descriptor tells.
                    let _ = opener.write_all(&[1]);
                    return Ok(child);
                }
                Answer::NotForked(why) => {
                    *server = Some(asked);
                    return Err(io::Error::other(format!("the {NAME} could not: {why}")));
                }
                Answer::NoServer(error) => {
                    gone = Some(error);
                    // Whatever it has begun.
                    callboard_ipc::end_server(asked.guard);
                }
            }
        }
        Err(gone.unwrap_or_else(|| io::ErrorKind::NotConnected.into()))
    }

    /// Ends the server; for a node that ends.
    pub(crate) fn end(&self) {
        if let Some(server) = self.0.lock().take() {
            callboard_ipc::end_server(server.guard);
        }
    }
}

/// Starts a server, and tells it what it is.
fn fresh() -> io::Result<Fresh> {
    let mut streams = Streams::open(Stream::Inherit, Stream::Inherit)?;
    let fresh = Fresh::start(NAME, &mut streams)?;
    if let Err(error) = send(fresh.socket.as_fd(), &Errand::Fork, &[]) {
        callboard_ipc::end_server(fresh.guard);
        return Err(error);
    }
    Ok(fresh)
}

impl Fresh {
    /// Has this server fork.
    fn fork(&mut self, order: &Order, handed: &[OwnedFd; 3], life: &OwnedFd, gate: PipeReader) -> Answer {
        let [socket, stdout, stderr] = handed;
        let rights = [socket, stdout, stderr, life].map(AsFd::as_fd);
        let rights = [rights[0], rights[1], rights[2], rights[3], gate.as_fd()];
        if let Err(error) = send(self.socket.as_fd(), order, &rights) {
            return Answer::NoServer(error);
        }
        drop(gate);
        let mut hello = match self.opening.read(self.socket.as_fd(), ANSWER_WITHIN) {
            Ok(Some(hello)) => hello,
            Ok(None) => {
                let text = format!(
                    "the {NAME} has ended; Node::start must be the first thing that main does, and a test binary \
                     needs callboard::test_door!()"
                );
                return Answer::NoServer(io::Error::other(text));
            }
            Err(why) => return Answer::NoServer(io::Error::other(format!("the {NAME}: {why}"))),
        };
        match (decode(&hello.body), hello.rights.pop_front()) {
            (Ok(Told::Forked { pid }), Some(descriptor)) => Answer::Forked(Child::watched(pid, descriptor)),
            (Ok(Told::NotForked(why)), _) => Answer::NotForked(why),
            _ => Answer::NoServer(io::Error::other(format!("the {NAME} told something that makes no sense"))),
        }
    }
}

/// The server's life, until its parent ends; returns in a process that was forked, with what that begins with.
///
/// # Errors
///
/// In the server, what is wrong with an order; in a new process, what it could not have.
pub(super) fn serve(bootstrap: Bootstrap, life: OwnedFd, mut opening: Opening) -> Result<Bootstrap, String> {
    let able = callboard_ipc::can_be_forked();
    let mut lines = vec![life.as_fd()];
    lines.extend(bootstrap.parent.as_ref().map(AsFd::as_fd));
    loop {
        let order = next_order(bootstrap.socket.as_fd(), &lines, &mut opening)?;
        let [socket, stdout, stderr, its_life, gate] = <[OwnedFd; 5]>::try_from(Vec::from(order.rights))
            .map_err(|rights| format!("{} descriptors came with an order, and five should", rights.len()))?;
        let forked = match &able {
            Ok(()) => callboard_ipc::fork_sibling(),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        let told = match forked {
            Ok(Forked::Child) => {
                drop((life, its_life));
                pass(gate);
                settle_in(&order.body, [stdout, stderr])?;
                return Ok(Bootstrap { socket, ..bootstrap });
            }
            Ok(Forked::Server(pid, descriptor)) => match callboard_ipc::bind_forked(&its_life, pid) {
                Ok(true) => send(bootstrap.socket.as_fd(), &Told::Forked { pid }, &[descriptor.as_fd()]),
                // The kernel will not end it, should it stand still.
                Ok(false) | Err(_) => {
                    let _ = Child::watched(pid, descriptor).kill();
                    callboard_ipc::exit_now(0)
                }
            },
            Err(error) => send(bootstrap.socket.as_fd(), &Told::NotForked(error.to_string()), &[]),
        };
        // The parent has gone, and with it this process and what it has just forked.
        told.map_err(|error| format!("the parent: {error}"))?;
    }
}

fn next_order(
    socket: BorrowedFd<'_>,
    lines: &[BorrowedFd<'_>],
    opening: &mut Opening,
) -> Result<Hello, String> {
    loop {
        match opening.look(socket)? {
            Looked::Hello(hello) => return Ok(hello),
            Looked::NotYet => {
                callboard_ipc::wait_for_request(socket, lines).map_err(|error| error.to_string())?;
            }
            Looked::End => callboard_ipc::exit_now(0),
        }
    }
}

/// Waits until the parent has heard of this process, which ends if it never does.
fn pass(gate: OwnedFd) {
    if PipeReader::from(gate).read_exact(&mut [0]).is_err() {
        callboard_ipc::exit_now(0);
    }
}

/// Becomes what was ordered.
fn settle_in(order: &[u8], streams: [OwnedFd; 2]) -> Result<(), String> {
    let order: Order = decode(order).map_err(|error| format!("the order can't be read: {error}"))?;
    callboard_ipc::settle_in(order.into(), streams).map_err(|error| error.to_string())
}

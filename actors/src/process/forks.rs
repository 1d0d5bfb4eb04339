//! The second way to start processes: a server that forks them. Both its sides: how its node asks it, and what it does.
//!
//! A node starts its server, this program again, when the first process is wanted so. The server comes as far as the start of its node, and there waits for
//! [`Order`]s; it has one thread and is no node. What it forks is its node's own child, and from its first instruction on
//! begins as one that was started by itself. If the server ends, of whatever, the next order starts another.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::decode;
use callboard_ipc::{Bootstrap, Child, ChildSpec, Forked, Surroundings};
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::description::{Stream, Streams};
use super::method::StartMethod;
use super::wire::Errand;
use crate::command::start::Fresh;
use crate::command::wire::{bytes, send, text};
use crate::hello::{Hello, Looked, Opening};
use crate::runtime::Runtime;
use crate::standing::Sought;

/// What the server's process is called, in errors.
const NAME: &str = "forkserver";

/// A node's server, if there is one.
#[derive(Default)]
pub(crate) struct Forks(Mutex<Option<Fresh>>);

/// How long a server that was killed may take to end, when another is to take its place.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// What a process is to have that is forked: its environment. Its end of the socket, standard output, standard error and working directory come along, the
/// life-line that the server binds it to, and a gate: it touches nothing before a byte comes through, so that the same may be ordered once more if it is
/// not known what has become of it.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    env: Vec<ByteBuf>,
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
    NoServer(String),
}

impl Forks {
    /// Has a process forked as `spec` says, bound to the life-line whose reading end is `life`.
    ///
    /// # Errors
    ///
    /// What the system says, here or at the server; and that one server after another was killed or stood still.
    pub(crate) fn start(&self, runtime: &Arc<Runtime>, spec: ChildSpec, life: &OwnedFd) -> io::Result<Child> {
        StartMethod::ForkServer.check()?;
        let (surroundings, socket) = callboard_ipc::surroundings(spec)?;
        let Surroundings { env, cwd, stdout, stderr } = surroundings;
        let order = Order { env: env.into_iter().map(bytes).collect() };
        let handed = [&socket, &stdout, &stderr, &cwd, life].map(AsFd::as_fd);
        let mut server = self.turn(runtime);
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
            match runtime.wait_elsewhere(sought, || asked.fork(&order, handed, gate)) {
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
                Answer::NoServer(why) => {
                    gone = Some(io::Error::other(format!("the {NAME}: {why}")));
                    // Whatever it has begun.
                    callboard_ipc::end_server(&asked.guard, Instant::now() + ENDS_WITHIN);
                }
            }
        }
        Err(gone.unwrap_or_else(|| io::ErrorKind::NotConnected.into()))
    }

    /// The server for one who wants it, when all who came before have been served. It is kept while it is asked, and nothing that a wait does
    /// besides comes back here.
    fn turn(&self, runtime: &Arc<Runtime>) -> MutexGuard<'_, Option<Fresh>> {
        let sought = Sought::plain("the start of a process, after others by the same server");
        self.0.try_lock().unwrap_or_else(|| runtime.wait_elsewhere(sought, || self.0.lock()))
    }

    /// Ends the server, until the deadline; for a node that ends.
    pub(crate) fn end(&self, deadline: Instant) {
        // One that somebody waits for ends with that wait, or with this process: its life-line is there.
        let server = self.0.try_lock_until(deadline).and_then(|mut server| server.take());
        if let Some(server) = server {
            callboard_ipc::end_server(&server.guard, deadline);
        }
    }
}

/// Starts a server, and tells it what it is.
fn fresh() -> io::Result<Fresh> {
    let mut streams = Streams::open(Stream::Inherit, Stream::Inherit)?;
    let fresh = Fresh::start(NAME, &mut streams)?;
    if let Err(error) = send(fresh.socket.as_fd(), &Errand::Fork, &[]) {
        callboard_ipc::end_server(&fresh.guard, Instant::now() + ENDS_WITHIN);
        return Err(error);
    }
    Ok(fresh)
}

impl Fresh {
    /// Has this server fork.
    fn fork(&mut self, order: &Order, handed: [BorrowedFd<'_>; 5], gate: PipeReader) -> Answer {
        let rights: Vec<_> = handed.into_iter().chain([gate.as_fd()]).collect();
        match self.ask(order, &rights) {
            Ok((Told::Forked { pid }, Some(descriptor))) => Answer::Forked(Child::watched(pid, descriptor)),
            Ok((Told::NotForked(why), _)) => Answer::NotForked(why),
            Ok(_) => Answer::NoServer("it told something that makes no sense".to_owned()),
            Err(why) => Answer::NoServer(why),
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
    // What `main` has begun to write is this process's alone; and others are to see when its node closes its streams.
    callboard_ipc::flush_outputs();
    callboard_ipc::let_go_of_outputs().map_err(|error| format!("standard output and error: {error}"))?;
    let mut lines = vec![life.as_fd()];
    lines.extend(bootstrap.parent.as_ref().map(AsFd::as_fd));
    loop {
        let order = next_order(bootstrap.socket.as_fd(), &lines, &mut opening)?;
        let [socket, stdout, stderr, cwd, its_life, gate] = <[OwnedFd; 6]>::try_from(Vec::from(order.rights))
            .map_err(|rights| format!("{} descriptors came with an order, and six should", rights.len()))?;
        let forked = match &able {
            Ok(()) => callboard_ipc::fork_sibling(),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        let told = match forked {
            Ok(Forked::Child) => {
                drop((life, its_life));
                pass(gate);
                settle_in(&order.body, [cwd, stdout, stderr])?;
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
fn settle_in(order: &[u8], [cwd, stdout, stderr]: [OwnedFd; 3]) -> Result<(), String> {
    let Order { env } = decode(order).map_err(|error| format!("the order can't be read: {error}"))?;
    let it = Surroundings { env: env.into_iter().map(text).collect(), cwd, stdout, stderr };
    callboard_ipc::settle_in(it).map_err(|error| error.to_string())
}

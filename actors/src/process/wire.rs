//! What a parent and its child say to each other.
//!
//! The parent's first frame is an empty hello with the child's life-line, in its socket before the child is started. The
//! second is a hello that carries [`Boot`]: who the child is, what it shall run, and the descriptors it needs. The child answers with [`Report`]s to the slot that the hello named.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use callboard_core::{Header, Kind, NodeId, Slot, append_message};
use callboard_ipc::{Connection, LifeLine, Sent, image_id};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::child::ChildCell;
use super::entry::Call;
use super::setup::Setup;
use crate::arriving::Arriving;
use crate::command::wire::Order;
use crate::control::{CONTROL, Control};
use crate::hello::HELLO_WORD;
use crate::logs::LogOrder;
use crate::parcel::Parcel;
use crate::peer::{Reading, encoded, header, packed};
use crate::runtime::{Identity, Runtime};
use crate::scope::Departing;

/// All that a child needs to know to begin.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Boot {
    /// The build of the program: a child of another build refuses.
    pub(crate) image: ByteBuf,
    pub(crate) node: NodeId,
    pub(crate) parent: NodeId,
    pub(crate) root: NodeId,
    pub(crate) name: String,
    /// After the page of this connection come: socket and page of one to the root, if the parent is another.
    pub(crate) has_root: bool,
    /// Then comes standard input, if it was given one. What is left at the end belongs to the arguments.
    pub(crate) has_stdin: bool,
    /// What it sets for itself.
    pub(crate) setup: Setup,
    /// How it logs, if that was said; the socket for it, if there is one, comes after standard input.
    pub(crate) logs: Option<LogOrder>,
    pub(crate) call: Call,
}

impl Boot {
    /// Who it is, as a child of the process with that number.
    pub(crate) fn identity(&self, parent_pid: u32) -> Identity {
        Identity {
            id: self.node,
            root: self.root,
            parent: Some(self.parent),
            name: self.name.clone(),
            parent_pid: Some(parent_pid),
            sole: true,
        }
    }
}

/// What a child tells its parent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// It could not begin.
    FailedStart(String),
    /// The function returned; how many connections did not confirm what was sent.
    Returned { value: Parcel, unconfirmed: usize },
    /// The function panicked.
    Panicked(super::ChildPanic),
}

/// What a child gets of its parent beside the socket.
pub(crate) struct Given {
    pub(crate) page: OwnedFd,
    pub(crate) stdin: Option<OwnedFd>,
    /// What leaves with the arguments.
    pub(crate) departing: Departing,
    /// It hosts an actor that a supervisor of this node keeps.
    pub(crate) is_kept: bool,
    pub(crate) setup: Setup,
}

/// What a process of this program is started for; in the hello that its parent sends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Errand {
    Boot(Box<Boot>),
    /// It is no node, and guards another program.
    Guard(Box<Order>),
    /// It is no node, and forks others.
    Fork,
}

/// The first frame for a process that is to be started: its life-line comes along, with whatever else makes `rights` descriptors.
pub(crate) fn life_line_frame(rights: usize) -> Vec<u8> {
    let descriptors = u16::try_from(rights).unwrap_or(u16::MAX);
    let header = Header { descriptors, ..header(Kind::Hello, Slot::default(), HELLO_WORD) };
    let mut frame = Vec::new();
    append_message(&mut frame, header, &[]);
    frame
}

/// Puts a child's life-line into its socket. The child is still to be started.
pub(crate) fn send_life_line(connection: &Connection, life: &LifeLine) -> std::io::Result<()> {
    let rights = life.rights()?;
    let frame = life_line_frame(rights.len());
    let rights: Vec<_> = rights.iter().map(AsFd::as_fd).collect();
    match connection.send(&frame, &rights)? {
        Sent::Bytes(n) if n == frame.len() => Ok(()),
        // A fresh socket has room for more than one header.
        Sent::Bytes(_) | Sent::Full => Err(std::io::ErrorKind::StorageFull.into()),
    }
}

/// Sends the hello to a child that has just been started, and connects it to parent and root.
pub(crate) fn send_boot(
    runtime: &Arc<Runtime>,
    cell: &ChildCell,
    connection: Connection,
    given: Given,
    mut call: Call,
) -> std::io::Result<()> {
    let child = cell.node_id();
    let Given { page, stdin, departing, is_kept, setup } = given;
    let mut rights = vec![page];
    let is_root = runtime.id == runtime.root;
    if !is_root {
        let (ours, theirs) = Connection::introduce()?;
        let root = runtime.peer(runtime.root).ok_or(std::io::ErrorKind::NotConnected)?;
        let adopt = header(Kind::Cast, CONTROL, 0);
        root.post(runtime, adopt, &encoded(&Control::Adopt { child, is_kept }), vec![ours.socket, ours.page]);
        root.flush(runtime);
        rights.extend([theirs.socket, theirs.page]);
    }
    let has_stdin = stdin.is_some();
    rights.extend(stdin);
    let (logs, log_socket) = runtime.logs.order()?;
    rights.extend(log_socket);
    rights.extend(call.take_rights().into_owned()?);
    departing.depart();
    let boot = Boot {
        image: ByteBuf::from(image_id().as_bytes().to_vec()),
        node: child,
        parent: runtime.id,
        root: runtime.root,
        name: cell.name().to_owned(),
        has_root: !is_root,
        has_stdin,
        setup,
        logs,
        call,
    };
    let body = encoded(&Errand::Boot(Box::new(boot)));
    runtime.control.join(child);
    // All in place before the first byte moves: the child may end at any moment, and its cell must hear of it.
    let peer = runtime.new_peer(child);
    if is_kept {
        let _ = peer.keeper.set(runtime.id);
    }
    peer.interests(cell.slot());
    cell.speaks_to(&peer);
    peer.post(runtime, header(Kind::Hello, cell.slot(), HELLO_WORD), &body, rights);
    runtime.connect(child, connection, Reading::new(Arriving::default()));
    Ok(())
}

/// Asks a child to end of its own accord.
pub(crate) fn ask_to_stop(runtime: &Runtime, child: NodeId) {
    if let Some(peer) = runtime.peer(child) {
        runtime.control_now(&peer, &Control::Stop);
    }
}

/// Tells the parent how the call went.
pub(crate) fn report(runtime: &Runtime, parent: NodeId, slot: Slot, report: &Report) {
    let Some(peer) = runtime.peer(parent) else { return };
    let (body, rights) = packed(report);
    peer.post(runtime, header(Kind::Cast, slot, 0), &body, rights);
    peer.flush(runtime);
}

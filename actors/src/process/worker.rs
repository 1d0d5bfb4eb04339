//! Functions that run in processes of their own: the child's side.
//!
//! Reads the hello, becomes a node, runs the call, has everything it put confirmed, reports, ends.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::{Readiness, Slot, Source, Wants, decode};
use callboard_ipc::{Bootstrap, Connection, Handover, Link, Side, image_id};

use super::entry;
use super::forks;
use super::panics;
use super::setup;
use super::wire::{self, Boot, Errand, Report};
use crate::arriving::Arriving;
use crate::call::CallError;
use crate::command::guard::{self, Post};
use crate::control::{CONTROL, Control};
use crate::failure::Failure;
use crate::hello::{Hello, Opening};
use crate::node::Node;
use crate::peer::Reading;
use crate::runtime::print;

/// How long a child waits for its parent's hello; the parent sends it right after the start.
const HELLO_WITHIN: Duration = Duration::from_secs(60);
/// How long a child waits until its puts are confirmed, and again until its report is.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);
/// The exit code of a child whose function panicked, as of any Rust program.
const PANICKED: i32 = 101;
/// The exit code of a child that could not begin.
const FAILED_START: i32 = 102;

/// Runs the call that this process was started for, and ends the process.
pub(crate) fn run(bootstrap: Bootstrap) -> ! {
    let begun = begin(bootstrap);
    let code = match &begun {
        Ok(Begun { node, boot, slot, rights, .. }) => perform(node, boot, *slot, rights.take()),
        Err(reason) => {
            print(&format!("callboard: a child process could not begin: {reason}"));
            FAILED_START
        }
    };
    std::process::exit(code)
}

/// A child that is ready to run its call.
struct Begun {
    node: Node,
    boot: Boot,
    slot: Slot,
    /// What came with the arguments.
    rights: RefCell<VecDeque<OwnedFd>>,
    /// Kept to the last: the kernel ends this process when the parent's end closes.
    _life: OwnedFd,
    /// And this process ends itself when the parent has ended.
    _parent: Option<OwnedFd>,
}

/// The parent's end, which a running child also sees where the life-line does not break: a process that was stopped before it
/// came to run a program has copies of all the parent's descriptors.
#[derive(Debug)]
struct ParentEnd;

impl Source for ParentEnd {
    fn ready(&self, _readiness: Readiness) {
        callboard_ipc::exit_now(0);
    }
}

fn begin(bootstrap: Bootstrap) -> Result<Begun, String> {
    let mut opening = Opening::new(usize::MAX);
    let mut hello = || match opening.read(bootstrap.socket.as_fd(), HELLO_WITHIN) {
        Ok(Some(hello)) => Ok(hello),
        // The parent has ended: so does its child, without a word.
        Ok(None) => callboard_ipc::exit_now(0),
        Err(error) => Err(format!("the parent: {error}")),
    };
    let mut first = hello()?.rights;
    let life = first.pop_front().ok_or("the life-line is missing")?;
    if callboard_ipc::has_parted(&life).map_err(|e| format!("the life-line: {e}"))? {
        callboard_ipc::exit_now(0);
    }
    let Hello { header, body, mut rights } = hello()?;
    // It came after this process had been bound, which until then was in its parent's group and would have ended with that.
    callboard_ipc::lead_own_group(&life);
    drop(first);
    let mut boot = match decode(&body).map_err(|error| format!("the hello can't be read: {error}"))? {
        Errand::Boot(boot) => *boot,
        Errand::Guard(order) => {
            let post = Post { socket: bootstrap.socket, parent: bootstrap.parent, life };
            guard::run(&post, *order, rights)
        }
        Errand::Fork => return begin(forks::serve(bootstrap, life, opening)?),
    };
    let reading = opening.into_reading();
    let mut next = || rights.pop_front().ok_or("a descriptor is missing in the hello".to_owned());
    let page = next()?;
    let link = Link::open(&page, Side::Second).map_err(|e| e.to_string())?;
    link.begin();
    // Without it an abort is told as one, and nothing else.
    let _ = callboard_ipc::note_refused_memory(&page);
    let to_parent = Connection::new(bootstrap.socket, link).map_err(|e| e.to_string())?;
    let to_root = if boot.has_root {
        let end = Handover { socket: next()?, page: next()? };
        Some(end.accept(Side::Second).map_err(|e| e.to_string())?)
    } else {
        None
    };
    if boot.has_stdin {
        callboard_ipc::set_stdin(next()?).map_err(|e| format!("standard input: {e}"))?;
    }
    let log_socket = match &boot.logs {
        Some(order) if order.has_socket => Some(next()?),
        _ => None,
    };
    // Before there is another thread.
    let placed = boot.setup.places().and_then(|steps| setup::apply(&steps));
    let node = Node::for_child(boot.identity(bootstrap.parent_pid)).map_err(|error| error.to_string())?;
    let runtime = node.runtime();
    runtime.connect(boot.parent, to_parent, reading);
    if let Some(connection) = to_root {
        runtime.connect(boot.root, connection, Reading::new(Arriving::default()));
    }
    if let Some(parent) = &bootstrap.parent {
        let watched = runtime.reactor.register(parent.as_fd(), Wants::Reading, Arc::new(ParentEnd));
        watched.map_err(|e| format!("the parent can't be watched: {e}"))?;
    }
    let refused = if boot.image == *image_id().as_bytes() {
        let logs = boot.logs.take().map_or(Ok(()), |order| runtime.logs.follow(runtime, order, log_socket));
        let logs = logs.map_err(|error| Failure::from(error).to_string());
        let limits = || setup::apply(&boot.setup.limits()).map_err(|refused| refused.to_string());
        placed.map_err(|refused| refused.to_string()).and(logs).and_then(|()| limits()).err()
    } else {
        Some("the program was replaced by another build while it ran".to_owned())
    };
    if let Some(reason) = refused {
        wire::report(runtime, boot.parent, header.slot, &Report::FailedStart(reason.clone()));
        confirm_with_parent(&node, &boot);
        return Err(reason);
    }
    let rights = RefCell::new(rights);
    Ok(Begun { node, boot, slot: header.slot, rights, _life: life, _parent: bootstrap.parent })
}

/// Runs the call and reports; the exit code.
fn perform(node: &Node, boot: &Boot, slot: Slot, rights: VecDeque<OwnedFd>) -> i32 {
    panics::note_those_of_this_thread();
    let outcome = panics::caught(|| entry::perform(node, &boot.call, Vec::from(rights).into()));
    let (mut report, code) = match outcome {
        Ok(Ok(value)) => (Report::Returned { value, unconfirmed: confirm_all(node) }, 0),
        Ok(Err(reason)) => (Report::FailedStart(reason), FAILED_START),
        Err(panic) => {
            confirm_all(node);
            (Report::Panicked(panic), PANICKED)
        }
    };
    let has_calls = node.runtime().makes_calls_at_its_end();
    // First those who would start them again.
    node.end_supervisors();
    node.runtime().end_family();
    // What was called then may have put something too.
    let missing = if has_calls { confirm_all(node) } else { 0 };
    if let Report::Returned { unconfirmed, .. } = &mut report {
        *unconfirmed = missing.max(*unconfirmed);
    }
    wire::report(node.runtime(), boot.parent, slot, &report);
    confirm_with_parent(node, boot);
    code
}

/// Waits until every peer has handled what was sent to it; how many did not within the limit.
fn confirm_all(node: &Node) -> usize {
    let runtime = node.runtime();
    let deadline = Instant::now() + CONFIRM_WITHIN;
    let mut missing = 0;
    for peer in runtime.peers() {
        let confirmed: Result<(), _> = runtime.call(&peer, CONTROL, &Control::Sync, Some(deadline));
        if matches!(confirmed, Err(CallError::TimedOut)) {
            missing += 1;
        }
    }
    missing
}

fn confirm_with_parent(node: &Node, boot: &Boot) {
    let runtime = node.runtime();
    if let Some(parent) = runtime.peer(boot.parent) {
        let deadline = Instant::now() + CONFIRM_WITHIN;
        // If it does not answer, it learns of this end by itself.
        let _: Result<(), _> = runtime.call(&parent, CONTROL, &Control::Sync, Some(deadline));
    }
}

//! The guard of a program: a process that starts it, waits for its end, tells that, and ends all that is left of its group.
//!
//! It is no node and has one thread. Why nobody outlives whom stands in `callboard_ipc`, where other programs are started.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use callboard_ipc::{Child, image_id};

use super::CommandError;
use super::wire::{self, Order, Told};

/// What a guard holds besides its order.
pub(crate) struct Post {
    pub(crate) socket: OwnedFd,
    /// Readable when the parent has ended.
    pub(crate) parent: Option<OwnedFd>,
    /// The kernel ends this process and its group when the parent's end closes.
    pub(crate) life: OwnedFd,
}

/// Carries the order out, and ends this process.
pub(crate) fn run(post: &Post, order: Order, rights: VecDeque<OwnedFd>) -> ! {
    let socket = post.socket.as_fd();
    let passes = callboard_ipc::guard_own_group(&post.life);
    // If what is told does not arrive, the parent has gone, and so is this process about to.
    let started = match &passes {
        Ok(_) => start(order, rights),
        Err(error) => Err(CommandError::Guard(format!("its life-line: {error}"))),
    };
    match started {
        Ok(program) => {
            let told = Told::Started { pid: program.pid() };
            let _ = wire::send(socket, &told, &[program.as_fd()]);
            // Others are to see when the program closes its own.
            let _ = callboard_ipc::let_go_of_outputs();
            let mut lines = vec![post.life.as_fd()];
            lines.extend(post.parent.as_ref().map(AsFd::as_fd));
            let told = callboard_ipc::guard_foreign(&program, &lines).map_or(Told::Vanished, Told::from);
            let _ = wire::send(socket, &told, &[]);
            callboard_ipc::end_group()
        }
        Err(error) => {
            let _ = wire::send(socket, &Told::NotStarted(error), &[]);
            callboard_ipc::exit_now(0)
        }
    }
}

fn start(order: Order, mut rights: VecDeque<OwnedFd>) -> Result<Child, CommandError> {
    if order.image != *image_id().as_bytes() {
        let text = "this program was replaced by another build while it ran";
        return Err(CommandError::Guard(text.to_owned()));
    }
    let program = order.program();
    let foreign = order
        .foreign(rights.pop_front())
        .map_err(|refused| CommandError::Refused { program: program.clone(), what: refused.to_string() })?;
    callboard_ipc::start_foreign(foreign).map_err(|error| wire::not_started(program, error))
}

//! The thread on which the methods of one object run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use callboard_ipc::image_id;

use super::mailbox::{Answer, Mailbox, Request, Waiting};
use crate::process::entry;
use crate::protocol::object::ObjectCell;
use crate::protocol::panic_text;
use crate::runtime::Runtime;

/// Serves `object` until it ends.
pub(super) fn serve<T>(
    mut object: T,
    waiting: &Waiting,
    runtime: &Weak<Runtime>,
    cell: &Weak<ObjectCell<Mailbox>>,
) {
    while let Some((asker, request)) = waiting.next() {
        // Held for the call alone: an object that nobody can reach any more ends.
        let (Some(runtime), Some(cell)) = (runtime.upgrade(), cell.upgrade()) else { return };
        let answer = run(&mut object, &runtime, request);
        cell.answer(&runtime, asker, answer);
    }
}

fn run<T>(object: &mut T, runtime: &Arc<Runtime>, request: Request) -> Answer {
    if request.image != *image_id().as_bytes() {
        return Answer::Refused("caller and object are programs of different builds".to_owned());
    }
    let run = || entry::perform_method(object, runtime, request.call);
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Answer::Returned(value),
        Ok(Err(why)) => Answer::Refused(why),
        Err(panic) => Answer::Panicked(panic_text(panic)),
    }
}

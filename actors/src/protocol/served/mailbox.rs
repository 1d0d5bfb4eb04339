//! The owner of a served object: the calls that wait for it. What they do to the object is its worker's affair.

#[cfg(any(test, fuzzing))]
mod fuzzing;
#[cfg(test)]
mod simulated;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::fault::fault;
use crate::parcel::Parcel;
use crate::process::entry::Call;
use crate::protocol::object::{Asker, Effects, Owner};

#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzing::fuzz;

/// How many calls may wait for an object.
pub(super) const MAX_CALLS: usize = 1024;

/// A call of a method.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Request {
    /// The build of the caller's program: its places in the code are of use in no other.
    pub(super) image: ByteBuf,
    pub(super) call: Call,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Returned(Parcel),
    Panicked(String),
    Refused(String),
    Full,
}

/// What travels of these types.
#[cfg(any(test, fuzzing))]
pub(crate) const TRIPS: &[crate::fuzzing::Trip] = {
    use crate::fuzzing::trip;
    &[trip::<Request>, trip::<Answer>]
};

/// Where calls wait until the worker takes them.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    state: Mutex<Line>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    calls: VecDeque<(Asker, Request)>,
    has_ended: bool,
}

impl Waiting {
    /// The next call, waited for; none once the object has ended.
    pub(super) fn next(&self) -> Option<(Asker, Request)> {
        let mut line = self.state.lock();
        loop {
            if line.has_ended {
                return None;
            }
            if let Some(next) = line.calls.pop_front() {
                return Some(next);
            }
            self.changed.wait(&mut line);
        }
    }

    fn add(&self, asker: Asker, request: Request) -> bool {
        let mut line = self.state.lock();
        let has_room = line.calls.len() < MAX_CALLS;
        if has_room {
            line.calls.push_back((asker, request));
            self.changed.notify_one();
        }
        has_room
    }

    fn end(&self) {
        self.state.lock().has_ended = true;
        self.changed.notify_all();
    }
}

/// What is to be done when the first call comes.
type Begin = Box<dyn FnOnce() -> std::io::Result<()> + Send>;

pub(crate) struct Mailbox {
    waiting: Arc<Waiting>,
    begin: Option<Begin>,
}

impl Mailbox {
    pub(super) fn new(waiting: Arc<Waiting>, begin: Begin) -> Self {
        Self { waiting, begin: Some(begin) }
    }
}

impl Owner for Mailbox {
    const KIND: &'static str = "object";

    type Ask = Request;
    type Reply = Answer;

    fn handle(&mut self, asker: Asker, request: Request, _: Instant, effects: &mut Effects<Answer>) {
        if let Some(begin) = self.begin.take()
            && let Err(error) = begin()
        {
            // The object went with the thread that could not be started.
            self.waiting.end();
            return effects.reply(asker, Answer::Refused(format!("no thread could be started: {error}")));
        }
        if self.waiting.state.lock().has_ended {
            return effects.reply(asker, Answer::Refused("the object has no thread".to_owned()));
        }
        if !self.waiting.add(asker, request) {
            effects.reply(asker, Answer::Full);
        }
    }

    fn forget(&mut self, asker: Asker, _: &mut Effects<Answer>) {
        fault!(CallOfTheDeadRun, return);
        self.waiting.state.lock().calls.retain(|(waiting, _)| *waiting != asker);
    }
}

/// With the object's slot goes its worker.
impl Drop for Mailbox {
    fn drop(&mut self) {
        self.waiting.end();
    }
}

//! An actor in a slot of its node: its mailbox, its state, and whose turn it is.
//!
//! Messages are added on whichever thread brings them. An actor with messages is scheduled once; one thread at a time runs it,
//! and holds its state meanwhile. Lock order: body before state. No user code runs with the state locked.
//! How its life ends is in `cell/ends.rs`.

mod ends;
mod frames;
mod make;
mod room;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use callboard_core::Address;
use parking_lot::Mutex;

use super::bonds::Bonds;
use super::exit::Exit;
use super::handle::Message;
use super::in_hand::Held;
use super::mailbox::{Mailbox, Next};
use super::news::News;
use super::wire::{Ending, Head};
use super::workers::Run;
use crate::hook::Hook;
use crate::parcel::Rights;
use crate::protocol::panic_text;
use crate::runtime::Runtime;
use crate::scratch::with_scratch;

pub(crate) use self::frames::refuse;
pub(super) use self::make::Plan;
use self::make::Special;
use self::room::{drop_all, take_dropped, tell_room};

/// How many messages an actor handles before another has its turn.
const TURN: usize = 64;

/// An actor's code and state, whatever its type.
pub(super) trait Body<M>: Send {
    /// Handles a message; some if that was its last.
    fn handle(&mut self, message: M) -> Option<Exit>;
    /// Hears of something; some if that was its last.
    fn news(&mut self, news: News) -> Option<Exit>;
    /// The next of the messages that it has taken back from its stash.
    fn unstashed(&mut self) -> Option<M>;
    fn has_unstashed(&self) -> bool;
    /// Its life is over.
    fn stopped(&mut self, exit: &Exit);
}

pub(super) struct State<M> {
    pub(super) mailbox: Mailbox<M>,
    /// It waits for a thread, or has one.
    is_scheduled: bool,
    /// It stands in the line of those that wait for a thread.
    is_queued: bool,
    /// Other nodes are to be told of its end, or it of theirs.
    is_known_elsewhere: bool,
    /// It has been asked to end.
    ending: Option<Ending>,
    /// It takes no more messages.
    is_closed: bool,
    pub(super) has_ended: bool,
    /// Its name is free, or its senders know; not both yet.
    is_half_told: bool,
    /// And everybody has been told.
    pub(super) is_announced: bool,
    /// It is told when those end to whom it is linked, and does not end with them.
    pub(super) traps_exits: bool,
    /// Its code waits in the middle of a message.
    is_waiting: bool,
    restarts: u32,
    handled: u64,
    pub(super) dropped: u64,
    /// In nanoseconds.
    busy: u64,
    /// What only some actors have.
    bonds: Option<Box<Bonds>>,
}

impl<M> State<M> {
    pub(super) fn bonds(&mut self) -> &mut Bonds {
        self.bonds.get_or_insert_default()
    }

    /// Whether it is to be put into the line, as there is something to do.
    pub(super) fn must_schedule(&mut self) -> bool {
        let is_idle = !std::mem::replace(&mut self.is_scheduled, true);
        is_idle && !std::mem::replace(&mut self.is_queued, true)
    }
}

pub(crate) struct ActorCell<M> {
    pub(super) address: Address,
    me: Weak<Self>,
    pub(super) state: Mutex<State<M>>,
    body: Mutex<Option<Box<dyn Body<M>>>>,
    /// What it is registered as.
    pub(super) name: Option<Box<str>>,
    /// None for most: there may be a million of them.
    special: Option<Box<Special<M>>>,
}

/// Why a message was not added, with it.
pub(super) enum NotAdded<M> {
    Full(M),
    Ended(M),
}

/// What a thread does next.
enum Turn<M> {
    Message(Next<M>),
    End(Exit),
    Nothing,
}

impl<M: Message> ActorCell<M> {
    /// Its life begins: messages that came before are handled now.
    pub(super) fn begin(&self, runtime: &Arc<Runtime>, body: Box<dyn Body<M>>) {
        let has_unstashed = body.has_unstashed();
        {
            let mut place = self.body.lock();
            *place = Some(body);
            if self.state.lock().has_ended {
                // It was given up meanwhile.
                return self.finish(runtime, &mut place, Exit::Killed, Duration::ZERO);
            }
        }
        if self.rest(Duration::ZERO, has_unstashed) {
            self.schedule(runtime);
        }
    }

    /// Adds a message of this node. If there is no room, `hook` is kept and notified when there may be.
    pub(super) fn push(
        &self,
        runtime: &Arc<Runtime>,
        message: M,
        deadline: Option<Instant>,
        hook: Option<&Hook>,
    ) -> Result<(), NotAdded<M>> {
        let (must_schedule, dropped) = {
            let mut state = self.state.lock();
            if state.is_closed {
                return Err(NotAdded::Ended(message));
            }
            state.mailbox.push(message, deadline, hook).map_err(NotAdded::Full)?;
            (state.must_schedule(), take_dropped(&mut state))
        };
        if must_schedule {
            self.schedule(runtime);
        }
        drop_all(runtime, dropped);
        Ok(())
    }

    pub(super) fn forget(&self, hook: &Hook) {
        self.state.lock().mailbox.forget(hook);
    }

    /// Whether half of this node's room is free, or none is needed any more.
    pub(super) fn has_much_room(&self) -> bool {
        let state = self.state.lock();
        state.is_closed || 2 * state.mailbox.moved <= state.mailbox.capacity.moved
    }

    /// Counts messages that were lost, as there was no room and it wants it so.
    pub(super) fn count_dropped(&self, messages: u64) {
        let mut state = self.state.lock();
        state.dropped = state.dropped.saturating_add(messages);
    }

    pub(super) fn end(&self, runtime: &Arc<Runtime>, ending: Ending) {
        let must_schedule = {
            let mut state = self.state.lock();
            state.ending = state.ending.max(Some(ending));
            // One that is kept may live again, and what is sent meanwhile is handled then.
            state.is_closed |= self.keeper().is_none();
            state.must_schedule()
        };
        if must_schedule {
            self.schedule(runtime);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().has_ended
    }

    /// Ends its life on this thread, if it has not ended; false if its code runs just now.
    pub(super) fn kill_now(&self, runtime: &Arc<Runtime>) -> bool {
        let Some(mut body) = self.body.try_lock() else { return false };
        if body.is_some() {
            self.state.lock().is_scheduled = true;
            self.finish(runtime, &mut body, Exit::Killed, Duration::ZERO);
        }
        true
    }

    /// Adds news, behind the messages that have come.
    pub(super) fn tell(&self, runtime: &Arc<Runtime>, news: News) {
        let must_schedule = {
            let mut state = self.state.lock();
            if state.has_ended {
                return;
            }
            state.mailbox.tell(news);
            state.must_schedule()
        };
        if must_schedule {
            self.schedule(runtime);
        }
    }

    fn schedule(&self, runtime: &Arc<Runtime>) {
        if let Some(own) = self.own_thread() {
            own.wake();
        } else if let Some(me) = self.me.upgrade() {
            runtime.workers.schedule(runtime, me);
        }
    }

    /// After its turn: whether it is to be scheduled again, as there is more.
    fn rest(&self, worked: Duration, has_unstashed: bool) -> bool {
        let mut state = self.state.lock();
        state.busy += worked.as_nanos() as u64;
        state.is_scheduled = has_unstashed || !state.mailbox.is_empty() || state.ending.is_some();
        state.is_scheduled && !std::mem::replace(&mut state.is_queued, true)
    }

    /// Puts it into the line again from the thread that has just run it.
    fn schedule_again(&self, runtime: &Arc<Runtime>) {
        if let Some(own) = self.own_thread() {
            own.wake();
        } else if let Some(me) = self.me.upgrade() {
            runtime.workers.schedule_again(runtime, me);
        }
    }

    fn next(&self, runtime: &Arc<Runtime>, body: &mut dyn Body<M>, into: &mut Vec<u8>) -> Turn<M> {
        let has_unstashed = body.has_unstashed();
        let (next, hooks, room) = {
            let mut state = self.state.lock();
            match state.ending {
                Some(Ending::Kill) => return Turn::End(Exit::Killed),
                Some(Ending::Exit) => return Turn::End(state.bonds().why.take().unwrap_or(Exit::Killed)),
                Some(Ending::Shutdown) => return Turn::End(Exit::Shutdown),
                Some(Ending::Stop) => return Turn::End(Exit::Normal),
                Some(Ending::Drain) if state.mailbox.is_empty() && !has_unstashed => {
                    return Turn::End(Exit::Normal);
                }
                Some(Ending::Drain) | None => {}
            }
            if let Some(message) = body.unstashed() {
                return Turn::Message(Next::Moved { message, deadline: None });
            }
            let Some(popped) = state.mailbox.pop(into) else { return Turn::Nothing };
            match &popped.0 {
                Next::News(News::Exited { from: None, .. }) => state.bonds().exits_waiting -= 1,
                Next::News(_) => {}
                Next::Moved { .. } | Next::Encoded { .. } | Next::Again(_) => state.handled += 1,
            }
            popped
        };
        hooks.iter().for_each(|hook| hook.notify());
        if let Some(room) = room {
            tell_room(runtime, &room);
        }
        Turn::Message(next)
    }

    /// Handles one message; some if it was the last.
    fn handle(
        &self,
        runtime: &Arc<Runtime>,
        body: &mut dyn Body<M>,
        next: Next<M>,
        bytes: &[u8],
    ) -> Option<Exit> {
        let message = match next {
            Next::Moved { deadline: Some(at), .. } if at <= Instant::now() => return None,
            Next::Moved { message, .. } => message,
            Next::Encoded { head, rights } => self.decode(runtime, &head, rights, bytes)?,
            Next::Again(held) => {
                let bytes = held.bytes.unwrap_or_default();
                self.decode(runtime, &Head::default(), Rights::default(), &bytes)?
            }
            Next::News(news) => return body.news(news),
        };
        body.handle(message)
    }

    /// Some of its messages; how it ended, if it did.
    fn turn(&self, runtime: &Arc<Runtime>, body: &mut dyn Body<M>) -> Option<Exit> {
        with_scratch(|bytes| {
            for _ in 0..TURN {
                let mut held = None;
                let handled = match self.next(runtime, body, bytes) {
                    Turn::Nothing => return None,
                    Turn::End(exit) => return Some(exit),
                    Turn::Message(next) => {
                        if self.in_hand().is_some() {
                            let keep = || Held::keep(&next, bytes);
                            held = catch_unwind(AssertUnwindSafe(keep)).unwrap_or_else(|_| Held::not_kept());
                        }
                        // Its own code is caught there; this is for what messages do as they are dropped.
                        let handle = || self.handle(runtime, body, next, bytes);
                        catch_unwind(AssertUnwindSafe(handle))
                    }
                };
                let exit = handled.unwrap_or_else(|panic| Some(Exit::Panicked(panic_text(panic))));
                if held.is_some() && matches!(exit, Some(Exit::Failed(_) | Exit::Panicked(_))) {
                    self.state.lock().bonds().in_hand = held;
                }
                if exit.is_some() {
                    return exit;
                }
            }
            None
        })
    }
}

impl<M: Message> Run for ActorCell<M> {
    fn run(self: Arc<Self>, runtime: &Arc<Runtime>) {
        // Before its body is looked at: whoever gives it one later puts it into the line again.
        self.state.lock().is_queued = false;
        let mut body = self.body.lock();
        let begun = Instant::now();
        // None between two lives, and after the last: it stays scheduled then, so that nobody runs it.
        if let Some(running) = body.as_deref_mut() {
            match self.turn(runtime, running) {
                Some(exit) => self.finish(runtime, &mut body, exit, begun.elapsed()),
                None if self.rest(begun.elapsed(), running.has_unstashed()) => self.schedule_again(runtime),
                None => {}
            }
        }
        drop(body);
        // Whoever ended it meanwhile, or its node, found its state in use, and nobody will run it again.
        if (runtime.workers.has_ended() || self.state.lock().has_ended)
            && let Some(mut body) = self.body.try_lock()
        {
            self.finish(runtime, &mut body, Exit::Killed, Duration::ZERO);
        }
    }

    fn has_ended(&self) -> bool {
        self.state.lock().has_ended
    }
}

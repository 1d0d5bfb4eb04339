//! How an actor's life ends, and who is told: senders, callers, those who watch it, and those to whom it is linked.
//!
//! First nothing more comes in, then its name is free, then its end is announced. Lock order as in `cell.rs`; nobody is told
//! anything with the state locked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use callboard_core::{Address, NodeId};

use super::{ActorCell, Body};
use crate::actor::exit::Exit;
use crate::actor::handle::Message;
use crate::actor::in_hand::Held;
use crate::actor::news::News;
use crate::actor::reply;
use crate::actor::watch::{Watcher, once_names_are_free, tell_exited};
use crate::actor::wire::{Ending, Follows, Head, Over, ToSender};
use crate::names;
use crate::parcel::Rights;
use crate::peer::encoded;
use crate::runtime::Runtime;

/// How many requests to exit wait at an actor that traps them; more are dropped, and counted.
const MAX_EXITS_WAITING: u64 = 1024;
/// How many may watch one actor, or be linked to it; whoever comes then is told that it is not there.
const MAX_WATCHERS: usize = 1 << 20;

impl<M: Message> ActorCell<M> {
    /// Its life is over. One that is kept may get another; for any other nothing more comes in, its name is free, and whoever
    /// sent to it, or waits, is told.
    pub(super) fn finish(
        &self,
        runtime: &Arc<Runtime>,
        body: &mut Option<Box<dyn Body<M>>>,
        exit: Exit,
        worked: Duration,
    ) {
        let keeper = self.keeper().filter(|_| !runtime.workers.has_ended());
        let in_hand = {
            let mut state = self.state.lock();
            state.busy += worked.as_nanos() as u64;
            state.is_closed |= keeper.is_none();
            state.ending = None;
            state.traps_exits = false;
            state.bonds.as_mut().and_then(|bonds| {
                bonds.timers = Default::default();
                if let Some((_, tick)) = bonds.ticks_at.take() {
                    runtime.cancel_by_clock(tick);
                }
                bonds.in_hand.take()
            })
        };
        if let Some(held) = in_hand {
            self.settle(runtime, held, keeper.is_some());
        }
        if let Some(mut body) = body.take() {
            let ends = || {
                if !matches!(exit, Exit::Killed) {
                    body.stopped(&exit);
                }
                drop(body);
            };
            // What its state does as it is dropped changes nothing for others.
            let _ = catch_unwind(AssertUnwindSafe(ends));
        }
        if !keeper.is_some_and(|keeper| keeper.ended(runtime, exit.clone())) {
            self.close(runtime, exit);
        }
    }

    /// Another life is about to begin: what is left of the last one is not for it.
    pub(in crate::actor) fn begins_anew(&self) {
        let mut state = self.state.lock();
        (state.ending, state.traps_exits) = (None, false);
        state.mailbox.forget_news();
        if let Some(bonds) = &mut state.bonds {
            (bonds.timers, bonds.why, bonds.exits_waiting) = (Default::default(), None, 0);
        }
    }

    /// What becomes of the message that was in hand.
    fn settle(&self, runtime: &Arc<Runtime>, mut held: Held, is_kept: bool) {
        let Some(in_hand) = self.in_hand() else { return };
        held.times = held.times.saturating_add(1);
        if is_kept && held.bytes.is_some() && held.times <= in_hand.times() {
            return self.state.lock().mailbox.again(held);
        }
        let why = match (held.bytes, in_hand.dead_letters()) {
            (None, _) => "it holds what moves, and can't be kept",
            (Some(_), None) => "it was handled often enough",
            (Some(bytes), Some(to)) => {
                let message = self.decode(runtime, &Head::default(), Rights::default(), &bytes);
                if message.is_none_or(|message| to.try_cast(message).is_ok()) {
                    return;
                }
                "whoever was to get it takes nothing"
            }
        };
        let name = self.name.as_deref().unwrap_or("an actor");
        runtime.complain(&format!("{name} failed, and the message in hand is gone: {why}"));
    }

    /// It never began, or will not live again.
    pub(in crate::actor) fn close(&self, runtime: &Arc<Runtime>, exit: Exit) {
        let closed = {
            let mut state = self.state.lock();
            state.is_closed = true;
            if std::mem::replace(&mut state.has_ended, true) {
                return;
            }
            state.mailbox.close()
        };
        // Asked first, so that whoever is told below of the end, and asks the root by the same way, finds the name free.
        self.free_name(runtime, exit.clone());
        closed.replies.into_iter().for_each(|right| reply::fail(runtime, right));
        closed.again.into_iter().for_each(|held| self.settle(runtime, held, false));
        for (peer, slot) in &closed.senders {
            peer.cast(runtime, *slot, &encoded(&ToSender::Ended));
        }
        closed.hooks.iter().for_each(|hook| hook.notify());
        for message in closed.moved {
            // Rights to reply in it say so as they go.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(message)));
        }
        runtime.flush_listed_by_need();
        if let Some(own) = self.own_thread() {
            own.wake();
        }
        self.is_told(runtime, exit);
    }

    /// Announces the end once the name is free.
    fn free_name(&self, runtime: &Arc<Runtime>, exit: Exit) {
        let Some(name) = &self.name else { return self.is_told(runtime, exit) };
        let me = self.me.upgrade();
        let is_ending = runtime.workers.has_ended();
        let released = move |runtime: &Arc<Runtime>| {
            if let Some(me) = me {
                me.is_told(runtime, exit);
            }
        };
        if is_ending {
            // Nobody waits for the root's word any more. Those elsewhere hear of it by the end of the connection.
            names::release(runtime, name, self.address);
            released(runtime);
        } else {
            names::release_then(runtime, name, self.address, released);
        }
    }

    /// One of two things is done: its name is free, or its senders and callers know. After both its end is announced.
    fn is_told(&self, runtime: &Arc<Runtime>, exit: Exit) {
        let is_first = !std::mem::replace(&mut self.state.lock().is_half_told, true);
        if !is_first {
            self.announce(runtime, exit, false);
        }
    }

    /// Tells all who watch it, and all to whom it is linked. `restarts`: it lives on, from its start.
    pub(in crate::actor) fn announce(&self, runtime: &Arc<Runtime>, exit: Exit, restarts: bool) {
        let (watchers, links, is_known_elsewhere) = {
            let mut state = self.state.lock();
            state.is_announced = !restarts;
            let is_known_elsewhere = state.is_known_elsewhere;
            let bonds = state.bonds();
            bonds.last_exit = Some(exit.clone());
            (std::mem::take(&mut bonds.watchers), std::mem::take(&mut bonds.links), is_known_elsewhere)
        };
        if !restarts {
            runtime.remove_cell(self.address.slot);
            if is_known_elsewhere {
                runtime.peers().iter().for_each(|peer| peer.forgets_interest(self.address.slot));
            }
        }
        for address in links {
            tell_exited(runtime, self.address, address, &exit);
        }
        let follows = if restarts { Follows::LifeHere } else { self.follows() };
        let over = Over { exit, follows };
        let (here, there): (Vec<_>, Vec<_>) =
            watchers.into_iter().partition(|watcher| watcher.node().is_none());
        if !there.is_empty() {
            there.into_iter().for_each(|watcher| watcher.tell(runtime, &over));
            // Whoever is told here may end this process.
            runtime.flush_listed();
        }
        here.into_iter().for_each(|watcher| watcher.tell(runtime, &over));
        runtime.flush_listed_by_need();
    }

    /// It begins anew, with its messages, at the same address and under the same name.
    pub(in crate::actor) fn restarts(&self, runtime: &Arc<Runtime>, exit: Exit) {
        self.state.lock().restarts += 1;
        self.announce(runtime, exit, true);
    }

    // ---- those who watch it ----------------------------------------------------------------------

    /// Tells `watcher` of the end; at once if that has been announced.
    pub(in crate::actor) fn watch(&self, runtime: &Arc<Runtime>, watcher: Watcher) {
        {
            let mut state = self.state.lock();
            if !state.is_announced {
                let bonds = state.bonds();
                if bonds.watchers.len() < MAX_WATCHERS {
                    bonds.watchers.push(watcher);
                    return;
                }
            }
        }
        watcher.tell(runtime, &Over { exit: Exit::NotThere, follows: self.follows() });
    }

    /// What follows its end.
    fn follows(&self) -> Follows {
        if self.is_kept_elsewhere() { Follows::KeeperKnows } else { Follows::Nothing }
    }

    pub(in crate::actor) fn unwatch_here(&self, number: u64) {
        let removed = {
            let mut state = self.state.lock();
            let Some(bonds) = &mut state.bonds else { return };
            let at = bonds.watchers.iter().position(|watcher| watcher.is_here(number));
            at.map(|at| bonds.watchers.swap_remove(at))
        };
        drop(removed);
    }

    pub(super) fn unwatch_from(&self, node: NodeId, word: u64) {
        if let Some(bonds) = &mut self.state.lock().bonds {
            bonds.watchers.retain(|watcher| !watcher.is_there(node, word));
        }
    }

    // ---- those to whom it is linked --------------------------------------------------------------

    /// Another has linked itself to it; false if it has ended.
    pub(in crate::actor) fn linked(&self, other: Address) -> bool {
        let mut state = self.state.lock();
        if state.is_announced || state.bonds().links.len() >= MAX_WATCHERS {
            return false;
        }
        state.bonds().links.insert(other);
        true
    }

    pub(in crate::actor) fn unlinked(&self, other: Address) {
        if let Some(bonds) = &mut self.state.lock().bonds {
            bonds.links.remove(&other);
        }
    }

    /// One to which it is linked has ended; or, from nobody, it has been asked to exit.
    pub(in crate::actor) fn exited(&self, runtime: &Arc<Runtime>, from: Option<Address>, exit: Exit) {
        let must_schedule = {
            let mut state = self.state.lock();
            if state.has_ended || from.is_some_and(|from| !state.bonds().links.remove(&from)) {
                return;
            }
            if state.traps_exits {
                if from.is_none() {
                    if state.bonds().exits_waiting >= MAX_EXITS_WAITING {
                        state.dropped = state.dropped.saturating_add(1);
                        return;
                    }
                    state.bonds().exits_waiting += 1;
                }
                state.mailbox.tell(News::Exited { from, exit });
            } else if from.is_some() && exit.is_normal() {
                return;
            } else {
                let why = from.map_or(exit.clone(), |from| exit.of_linked(from));
                state.bonds().why.get_or_insert(why);
                state.ending = state.ending.max(Some(Ending::Exit));
                state.is_closed |= self.keeper().is_none();
            }
            state.must_schedule()
        };
        if must_schedule {
            self.schedule(runtime);
        }
    }

    /// A node has ended, and with it those there to whom it is linked.
    pub(super) fn linked_node_ended(&self, runtime: &Arc<Runtime>, node: NodeId) {
        let linked: Vec<Address> = {
            let state = self.state.lock();
            let links = state.bonds.iter().flat_map(|bonds| &bonds.links);
            links.filter(|address| address.node == node).copied().collect()
        };
        let Some(me) = self.me.upgrade().filter(|_| !linked.is_empty()) else { return };
        once_names_are_free(runtime, node, move |runtime| {
            linked.iter().for_each(|from| me.exited(runtime, Some(*from), Exit::Disconnected));
        });
    }

    // ---- timers ----------------------------------------------------------------------------------

    /// Has the loop look at its timers when the first is due.
    pub(in crate::actor) fn tick_when_due(&self, runtime: &Arc<Runtime>) {
        let mut state = self.state.lock();
        let bonds = state.bonds();
        let Some(next) = bonds.timers.next_at() else { return };
        if bonds.ticks_at.is_some_and(|(at, _)| at <= next) {
            return;
        }
        // The node's list of ticks is a lock that is taken last.
        let later = bonds.ticks_at.replace((next, runtime.tick_by_clock(next, self.address.slot)));
        if let Some((_, later)) = later {
            runtime.cancel_by_clock(later);
        }
    }

    pub(super) fn timers_due(&self, runtime: &Arc<Runtime>) {
        let must_schedule = {
            let mut state = self.state.lock();
            let bonds = state.bonds();
            let now = runtime.now();
            if bonds.ticks_at.is_some_and(|(at, _)| at <= now) {
                bonds.ticks_at = None;
            }
            let due = bonds.due(now);
            let is_new = !due.is_empty() && state.must_schedule();
            due.into_iter().for_each(|timer| state.mailbox.tell(News::Timer(timer)));
            is_new
        };
        if must_schedule {
            self.schedule(runtime);
        }
        self.tick_when_due(runtime);
    }
}

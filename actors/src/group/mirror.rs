//! A group as one handle and its clones see it: a copy of its members that follows the owner's.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use callboard_core::Address;
use parking_lot::Mutex;

use super::GroupChange;
use super::roll::{Change, Roll};
use super::wire::{Ask, Told};
use crate::actor::{Actor, ActorRef, CastError, Context, Down, Exit, Message, MonitorId};
use crate::failure::Failure;
use crate::hook::{Hook, Hooks, Poll};
use crate::standing::Sought;

/// How many changes wait for a watch; one more, and it is told that it has missed some.
const MAX_CHANGES: usize = 4096;

/// What is known of a group here.
pub(super) struct Shared<M> {
    pub(super) state: Mutex<Known<M>>,
    /// Its owner.
    of: Address,
}

pub(super) struct Known<M> {
    pub(super) roll: Roll<ActorRef<M>>,
    /// The owner has ended.
    pub(super) is_gone: bool,
    pub(super) turn: usize,
    watches: Vec<Weak<Changes<M>>>,
    hooks: Hooks,
}

/// Changes that wait for a watch.
pub(super) struct Changes<M> {
    state: Mutex<(VecDeque<GroupChange<M>>, Hooks)>,
    of: Address,
}

impl<M> Shared<M> {
    pub(super) fn new(of: Address) -> Self {
        let known = Known {
            roll: Roll::default(),
            is_gone: false,
            turn: 0,
            watches: Vec::new(),
            hooks: Hooks::default(),
        };
        Self { state: Mutex::new(known), of }
    }
}

impl<M: Message> Shared<M> {
    /// A watch that begins with those who are there.
    pub(super) fn watch(&self) -> Arc<Changes<M>> {
        let mut known = self.state.lock();
        let begin = known.roll.members.iter().map(|member| GroupChange::Joined(member.clone())).collect();
        let changes = Arc::new(Changes { state: Mutex::new((begin, Hooks::default())), of: self.of });
        known.watches.retain(|watch| watch.strong_count() > 0);
        known.watches.push(Arc::downgrade(&changes));
        changes
    }

    fn change(&self, with: impl FnOnce(&mut Known<M>) -> Vec<GroupChange<M>>) {
        let (hooks, watches, changes) = {
            let mut known = self.state.lock();
            let changes = with(&mut known);
            let watches: Vec<_> = known.watches.iter().filter_map(Weak::upgrade).collect();
            (known.hooks.take(), watches, changes)
        };
        for watch in watches {
            watch.add(&changes);
        }
        hooks.iter().for_each(|hook| hook.notify());
    }
}

impl<M> Changes<M> {
    pub(super) fn take(&self) -> Option<GroupChange<M>> {
        self.state.lock().0.pop_front()
    }

    fn add(&self, changes: &[GroupChange<M>]) {
        let hooks = {
            let mut state = self.state.lock();
            for change in changes {
                if state.0.len() >= MAX_CHANGES {
                    state.0.clear();
                    state.0.push_back(GroupChange::Missed);
                }
                state.0.push_back(change.clone());
            }
            state.1.take()
        };
        hooks.iter().for_each(|hook| hook.notify());
    }
}

impl<M: Send> Poll for Changes<M> {
    fn sought(&self) -> Sought {
        Sought::object("a change of", "group", self.of)
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.state.lock();
        let is_ready = !state.0.is_empty();
        if !is_ready {
            state.1.add(hook);
        }
        is_ready
    }

    fn forget(&self, hook: &Hook) {
        self.state.lock().1.remove(hook);
    }
}

impl<M> From<Change<ActorRef<M>>> for GroupChange<M> {
    fn from(change: Change<ActorRef<M>>) -> Self {
        match change {
            Change::Joined(member) => GroupChange::Joined(member),
            Change::Left(member) => GroupChange::Left(member),
        }
    }
}

/// That a version is known here, or that the owner has ended.
pub(super) struct Until<'a, M>(pub(super) &'a Shared<M>, pub(super) u64);

impl<M: Send> Poll for Until<'_, M> {
    fn sought(&self) -> Sought {
        Sought::object("the members of", "group", self.0.of)
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut known = self.0.state.lock();
        let is_ready = known.is_gone || known.roll.version.is_some_and(|version| version >= self.1);
        if !is_ready {
            known.hooks.add(hook);
        }
        is_ready
    }

    fn forget(&self, hook: &Hook) {
        self.0.state.lock().hooks.remove(hook);
    }
}

/// The actor that follows the owner, for the handle in `Args` and its clones.
pub(super) struct Mirror<M: Message> {
    owner: ActorRef<Ask<M>>,
    shared: Arc<Shared<M>>,
    /// After which the owner is asked again, if it had no room.
    pause: Duration,
}

/// When an owner that had no room is asked again, at first; each time in vain takes twice as long.
const AGAIN_AFTER: Duration = Duration::from_millis(5);
/// At the latest.
const AGAIN_WITHIN: Duration = Duration::from_secs(1);

impl<M: Message> Actor for Mirror<M> {
    type Message = Told<M>;
    type Args = (ActorRef<Ask<M>>, Arc<Shared<M>>);

    fn start(
        context: &mut Context<Told<M>>,
        (owner, shared): (ActorRef<Ask<M>>, Arc<Shared<M>>),
    ) -> Result<Self, Failure> {
        context.monitor(&owner);
        context.cast_after(Duration::ZERO, Told::Begin);
        Ok(Self { owner, shared, pause: AGAIN_AFTER })
    }

    fn handle(&mut self, context: &mut Context<Told<M>>, told: Told<M>) -> Result<(), Failure> {
        self.shared.change(|known| match told {
            Told::Begin => {
                let asks = Ask::Mirror(context.me().clone());
                if let Err(CastError::Full(_)) = self.owner.cast_now(asks) {
                    context.cast_after(self.pause, Told::Begin);
                    self.pause = (2 * self.pause).min(AGAIN_WITHIN);
                }
                // If it has ended, the monitor tells.
                Vec::new()
            }
            Told::News(news) => known.roll.hears(news).into_iter().map(GroupChange::from).collect(),
        });
        Ok(())
    }

    fn down(&mut self, context: &mut Context<Told<M>>, _: MonitorId, _: Down) -> Result<(), Failure> {
        self.gone();
        context.stop();
        Ok(())
    }

    fn stopped(&mut self, _: &mut Context<Told<M>>, _: &Exit) {
        self.gone();
    }
}

impl<M: Message> Mirror<M> {
    /// The owner has ended.
    fn gone(&self) {
        self.shared.change(|known| {
            known.is_gone = true;
            known.roll.members.drain(..).map(GroupChange::Left).collect()
        });
    }
}

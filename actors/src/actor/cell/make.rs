//! How an actor's cell is made, and what only some have.

use std::sync::{Arc, Weak};

use callboard_core::Address;
use parking_lot::Mutex;

use super::{ActorCell, State};
use crate::actor::handle::Message;
use crate::actor::in_hand::InHand;
use crate::actor::keeper::Keeper;
use crate::actor::mailbox::{Capacity, Mailbox};
use crate::actor::thread::OwnThread;
use crate::actor::when_full::WhenFull;
use crate::actor::workers::Run;
use crate::runtime::Runtime;

/// What an actor is made with.
pub(in crate::actor) struct Plan<M> {
    pub(in crate::actor) capacity: Capacity,
    pub(in crate::actor) name: Option<String>,
    pub(in crate::actor) when_full: WhenFull<M>,
    pub(in crate::actor) in_hand: Option<InHand<M>>,
    pub(in crate::actor) has_own_thread: bool,
    pub(in crate::actor) keeper: Option<Arc<dyn Keeper>>,
    pub(in crate::actor) is_kept_elsewhere: bool,
}

/// What only some actors are made with.
pub(super) struct Special<M> {
    when_full: WhenFull<M>,
    /// What becomes of the message in hand when it fails; none: it is gone.
    in_hand: Option<InHand<M>>,
    /// A thread that runs nothing else.
    own_thread: Option<Arc<OwnThread>>,
    /// Who decides what becomes of it when it ends.
    keeper: Option<Arc<dyn Keeper>>,
    /// A supervisor on another node keeps it, and decides whether it is started again.
    is_kept_elsewhere: bool,
}

impl<M: Message> ActorCell<M> {
    pub(in crate::actor) fn create(runtime: &Arc<Runtime>, plan: Plan<M>) -> Arc<Self> {
        let Plan { mut capacity, name, when_full, in_hand, has_own_thread, keeper, is_kept_elsewhere } = plan;
        capacity.drops_oldest = matches!(when_full, WhenFull::DropOldest);
        let is_kept = keeper.is_some() || is_kept_elsewhere;
        let is_plain =
            matches!(when_full, WhenFull::Wait) && in_hand.is_none() && !has_own_thread && !is_kept;
        let own_thread = has_own_thread.then(Arc::default);
        let special = Special { when_full, in_hand, own_thread, keeper, is_kept_elsewhere };
        let special = (!is_plain).then(|| Box::new(special));
        runtime.add_cell(|slot| {
            Arc::new_cyclic(|me| Self {
                address: Address { node: runtime.id, slot },
                me: Weak::clone(me),
                state: Mutex::new(State {
                    mailbox: Mailbox::new(capacity),
                    // Nobody runs it before it has begun.
                    is_scheduled: true,
                    is_queued: false,
                    is_known_elsewhere: false,
                    ending: None,
                    is_closed: false,
                    has_ended: false,
                    is_half_told: false,
                    is_announced: false,
                    traps_exits: false,
                    is_waiting: false,
                    restarts: 0,
                    handled: 0,
                    dropped: 0,
                    busy: 0,
                    bonds: None,
                }),
                body: Mutex::new(None),
                name: name.map(Box::from),
                special,
            })
        })
    }

    pub(in crate::actor) fn when_full(&self) -> &WhenFull<M> {
        self.special.as_ref().map_or(&WhenFull::Wait, |special| &special.when_full)
    }

    pub(in crate::actor) fn in_hand(&self) -> Option<&InHand<M>> {
        self.special.as_ref()?.in_hand.as_ref()
    }

    pub(super) fn own_thread(&self) -> Option<&Arc<OwnThread>> {
        self.special.as_ref()?.own_thread.as_ref()
    }

    pub(super) fn keeper(&self) -> Option<&Arc<dyn Keeper>> {
        self.special.as_ref()?.keeper.as_ref()
    }

    pub(super) fn is_kept_elsewhere(&self) -> bool {
        self.special.as_ref().is_some_and(|special| special.is_kept_elsewhere)
    }

    /// Starts the thread of one that has its own.
    ///
    /// # Errors
    ///
    /// What the system says when it has no room for a thread.
    pub(in crate::actor) fn start_thread(self: &Arc<Self>, runtime: &Arc<Runtime>) -> std::io::Result<()> {
        let Some(own) = self.own_thread() else { return Ok(()) };
        let name = self.name.as_deref().unwrap_or("actor");
        own.start(runtime, name, Arc::clone(self) as Arc<dyn Run>)
    }
}

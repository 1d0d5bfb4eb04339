//! Faults planted in the machines that own things, to prove that the [simulation](crate::simulation) finds them. Each is there in
//! tests only, and only while a test has [planted](plant) it; no other build has any of this.

/// Does `$fault` instead of what comes next, or before it, in a test that has planted it.
macro_rules! fault {
    ($name:ident, $fault:expr) => {
        #[cfg(test)]
        if crate::fault::is_planted(crate::fault::Fault::$name) {
            $fault;
        }
    };
}

pub(crate) use fault;

#[cfg(test)]
pub(crate) use self::planting::{Fault, is_planted, plant};

#[cfg(test)]
mod planting {
    use std::cell::Cell;

    /// What an owner does wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// A queue serves nobody after a death, so whoever waits for what that freed is not told.
        LostWakeUp,
        /// A queue keeps the credit of a producer that died.
        CreditNotReturned,
        /// A queue puts an item back twice when its lease ends by time.
        LeaseReturnedTwice,
        /// An event does not answer the first who waits.
        WaiterForgotten,
        /// A barrier does not break when one who waits there dies.
        DeathUnnoticed,
        /// A dict tells those who watch a key of no cast.
        ChangeUntold,
        /// A pipeline forgets what a dead worker had.
        ItemsOfTheDeadLost,
        /// A pool gives nobody what a dead worker had not begun.
        TaskOfTheDeadForgotten,
        /// The registry keeps the names of a node that has ended.
        NamesOfTheDeadKept,
        /// A region stays as long as a dead node had it mapped.
        HolderNotForgotten,
        /// An object in shared memory stays in the hand of a process that died.
        NotTakenBack,
        /// A served object runs the calls of those who are gone.
        CallOfTheDeadRun,
        /// A group keeps a member that has ended.
        DeadMemberKept,
        /// A group forgets that a mirror had no room for a change.
        MirrorLeftBehind,
        /// A supervisor does not answer who had a child stopped.
        CommandUnanswered,
    }

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    pub(crate) fn is_planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    /// Runs `with` on this thread with the fault in it.
    pub(crate) fn plant<R>(fault: Fault, with: impl FnOnce() -> R) -> R {
        struct Weed;
        impl Drop for Weed {
            fn drop(&mut self) {
                PLANTED.set(None);
            }
        }
        PLANTED.set(Some(fault));
        let _weed = Weed;
        with()
    }
}

//! A shape of an object in shared memory for tests of its owner: a lock, and the difficulties that an owner may have with it.

use std::cell::Cell;

use callboard_ipc::sync::{Block, Holder, Member, RobustLock};

use super::owner::Shape;

thread_local! {
    /// Somebody is inside, so nothing can be taken back.
    pub(super) static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

/// How many nodes may use it.
pub(super) const MOST_MEMBERS: usize = 6;

/// A lock of which a node that has ended keeps what it has, or does not.
pub(super) struct Probe<const IS_KEPT: bool>;

impl<const KEPT: bool> Shape for Probe<KEPT> {
    type Options = ();
    type Words = RobustLock;

    const IS_KEPT: bool = KEPT;
    const KIND: &'static str = "probe";

    fn bytes((): &()) -> Option<usize> {
        Some(RobustLock::BYTES)
    }

    fn most_members((): &()) -> usize {
        MOST_MEMBERS
    }

    fn open((): &(), block: Block) -> Option<RobustLock> {
        RobustLock::new(block)
    }

    fn recover(words: &RobustLock, dead: Member, _: Holder) -> bool {
        if !IS_BUSY.get() {
            words.recover(dead.number);
        }
        !IS_BUSY.get()
    }

    fn nudge(words: &RobustLock) {
        words.nudge();
    }

    fn holders(words: &RobustLock) -> Vec<u32> {
        words.holder().map(|holder| holder.member).into_iter().collect()
    }
}

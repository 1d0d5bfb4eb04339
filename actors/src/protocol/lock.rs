//! Locks: one thread of one process at a time, whoever dies.

mod handle;
mod reentrant;

pub use self::handle::{Lock, LockGuard, LockOptions};
pub use self::reentrant::{ReentrantGuard, ReentrantLock};

use callboard_ipc::sync::{Block, Holder, Member, RobustLock};

use crate::protocol::shared::Shape;

/// A lock is one word.
#[derive(Debug)]
pub(crate) enum LockShape {}

impl Shape for LockShape {
    const KIND: &'static str = "lock";
    type Options = LockOptions;
    type Words = RobustLock;

    fn bytes(_: &LockOptions) -> Option<usize> {
        Some(RobustLock::BYTES)
    }

    fn most_members(_: &LockOptions) -> usize {
        u32::MAX as usize
    }

    fn open(_: &LockOptions, block: Block) -> Option<RobustLock> {
        RobustLock::new(block)
    }

    fn recover(words: &RobustLock, dead: Member, _: Holder) -> bool {
        words.recover(dead.number);
        true
    }

    fn nudge(words: &RobustLock) {
        words.nudge();
    }

    fn holders(words: &RobustLock) -> Vec<u32> {
        words.holder().map(|holder| holder.member).into_iter().collect()
    }
}

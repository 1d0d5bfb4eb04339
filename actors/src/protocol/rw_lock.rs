//! Locks for one writer or many readers, whoever dies.

mod handle;

pub use self::handle::{ReadGuard, RwLock, RwLockOptions, WriteGuard};

use callboard_ipc::sync::{Block, Holder, Member, RobustRwLock};

use crate::protocol::shared::Shape;

#[derive(Debug)]
pub(crate) enum RwLockShape {}

impl Shape for RwLockShape {
    type Options = RwLockOptions;
    type Words = RobustRwLock;

    fn bytes(options: &RwLockOptions) -> Option<usize> {
        RobustRwLock::bytes(options.processes)
    }

    fn most_members(options: &RwLockOptions) -> usize {
        options.processes
    }

    fn open(_: &RwLockOptions, block: Block) -> Option<RobustRwLock> {
        RobustRwLock::new(block)
    }

    fn join(words: &RobustRwLock, member: Member) -> bool {
        words.join(member)
    }

    fn recover(words: &RobustRwLock, dead: Member, owner: Holder) -> bool {
        words.recover(dead, owner)
    }

    fn nudge(words: &RobustRwLock) {
        words.nudge();
    }
}

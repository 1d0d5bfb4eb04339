//! Locks for one writer or many readers, whoever dies.

mod handle;

pub use self::handle::{ReadGuard, RwLock, RwLockOptions, WriteGuard};

use callboard_ipc::sync::{Block, Holder, Member, RobustRwLock};

use crate::protocol::shared::Shape;

/// The numbers of those that are in it, writing or reading.
pub(crate) fn inside(words: &RobustRwLock) -> Vec<u32> {
    let writer = words.writer().map(|holder| holder.member);
    writer.into_iter().chain(words.readers().into_iter().map(|(member, _)| member)).collect()
}

#[derive(Debug)]
pub(crate) enum RwLockShape {}

impl Shape for RwLockShape {
    const KIND: &'static str = "lock";
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

    fn holders(words: &RobustRwLock) -> Vec<u32> {
        inside(words)
    }
}

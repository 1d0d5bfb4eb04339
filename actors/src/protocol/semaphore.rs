//! Semaphores: permits that come back whoever dies.

mod handle;

pub use self::handle::{Permit, ReleaseError, Semaphore, SemaphoreOptions};

use callboard_ipc::sync::{Block, Holder, Member, RobustSemaphore};

use crate::protocol::shared::Shape;

#[derive(Debug)]
pub(crate) enum SemaphoreShape {}

impl Shape for SemaphoreShape {
    type Options = SemaphoreOptions;
    type Words = RobustSemaphore;

    fn bytes(options: &SemaphoreOptions) -> Option<usize> {
        RobustSemaphore::bytes(options.processes)
    }

    fn most_members(options: &SemaphoreOptions) -> usize {
        options.processes
    }

    fn begin(options: &SemaphoreOptions, block: Block) -> Option<RobustSemaphore> {
        let words = RobustSemaphore::new(block)?;
        words.begin(options.permits, options.most);
        Some(words)
    }

    fn open(_: &SemaphoreOptions, block: Block) -> Option<RobustSemaphore> {
        RobustSemaphore::new(block)
    }

    fn join(words: &RobustSemaphore, member: Member) -> bool {
        words.join(member)
    }

    fn recover(words: &RobustSemaphore, dead: Member, owner: Holder) -> bool {
        words.recover(dead, owner)
    }

    /// Permits of a node that has ended come back at once: they are a number, and whoever had one is told nothing of it.
    fn is_in_use(_: &RobustSemaphore, _: Member) -> bool {
        false
    }

    fn nudge(words: &RobustSemaphore) {
        words.nudge();
    }
}

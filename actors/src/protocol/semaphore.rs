//! Semaphores: permits that come back whoever dies.

mod handle;

pub use self::handle::{Permit, ReleaseError, Semaphore, SemaphoreOptions};

use callboard_ipc::sync::{Block, Holder, Member, RobustSemaphore};

use crate::protocol::shared::Shape;

#[derive(Debug)]
pub(crate) enum SemaphoreShape {}

impl Shape for SemaphoreShape {
    const KIND: &'static str = "semaphore";
    type Options = SemaphoreOptions;
    type Words = RobustSemaphore;

    /// Permits are a number, and nobody is told whose they were: they come back with the end of the node.
    const IS_KEPT: bool = false;

    fn fault(options: &SemaphoreOptions) -> Option<String> {
        let (permits, processes) = (RobustSemaphore::MOST, RobustSemaphore::MOST_MEMBERS);
        let fits = options.permits <= permits && options.processes <= processes;
        let asked = format!("{} and {}", options.permits, options.processes);
        (!fits).then(|| {
            format!("a semaphore has at most {permits} permits and {processes} processes, not {asked}")
        })
    }

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

    fn recover(words: &RobustSemaphore, dead: Member, _: Holder) -> bool {
        words.recover(dead);
        true
    }

    fn nudge(words: &RobustSemaphore) {
        words.nudge();
    }

    fn holders(words: &RobustSemaphore) -> Vec<u32> {
        words.holders().into_iter().map(|(member, _)| member).collect()
    }
}

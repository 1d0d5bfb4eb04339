//! Conditions: a lock, and a wait for word from whoever holds it, whoever dies.

mod handle;

pub use self::handle::{Condition, ConditionGuard, ConditionOptions};

use callboard_ipc::sync::{Block, Holder, Member, RobustCondition};

use crate::protocol::shared::Shape;

/// A lock, and a line of those who wait.
#[derive(Debug)]
pub(crate) enum ConditionShape {}

impl Shape for ConditionShape {
    const KIND: &'static str = "condition";
    type Options = ConditionOptions;
    type Words = RobustCondition;

    fn bytes(options: &ConditionOptions) -> Option<usize> {
        RobustCondition::bytes(options.waiters)
    }

    fn most_members(_: &ConditionOptions) -> usize {
        u32::MAX as usize
    }

    fn open(options: &ConditionOptions, block: Block) -> Option<RobustCondition> {
        RobustCondition::new(block, options.waiters)
    }

    fn recover(words: &RobustCondition, dead: Member, _: Holder) -> bool {
        words.recover(dead.number);
        true
    }

    fn nudge(words: &RobustCondition) {
        words.nudge();
    }

    fn holders(words: &RobustCondition) -> Vec<u32> {
        words.lock().holder().map(|holder| holder.member).into_iter().collect()
    }
}

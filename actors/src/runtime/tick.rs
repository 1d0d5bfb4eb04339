//! The next tick of a cell that asks for one time after the other.

use std::time::Instant;

use callboard_core::{Slot, TimerKey};

use super::Runtime;

/// When a cell is to be ticked, if it is. Asked for an earlier time it takes the later one back: so it stands in its node's list once, however
/// often it is asked.
#[derive(Debug, Default)]
pub(crate) struct Tick(Option<(Instant, TimerKey)>);

impl Tick {
    /// Has the cell at `slot` ticked at `at` at the latest. May be called with the cell locked: the node's list is a lock that is taken last.
    pub(crate) fn by(&mut self, runtime: &Runtime, at: Instant, slot: Slot) {
        if self.0.is_some_and(|(armed, _)| armed <= at) {
            return;
        }
        self.has_come(runtime);
        self.0 = Some((at, runtime.tick_at(at, slot)));
    }

    /// A tick has come: from now on there is none, until one is asked for.
    pub(crate) fn has_come(&mut self, runtime: &Runtime) {
        // Another may have been asked for since that one was taken from the list.
        if let Some((_, armed)) = self.0.take() {
            runtime.cancel_tick(armed);
        }
    }
}

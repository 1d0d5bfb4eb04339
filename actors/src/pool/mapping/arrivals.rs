//! What has come back to a mapping, until whoever takes its values looks.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::hook::{Hook, Hooks, Poll};
use crate::pool::cell::{Call, Target};
use crate::pool::work::Outcomes;
use crate::standing::Sought;

/// What has come back, and was not looked at.
#[derive(Default)]
pub(super) struct Arrived {
    pub(super) batches: VecDeque<(u64, Outcomes)>,
    hooks: Hooks,
}

#[derive(Default)]
pub(super) struct Arrivals(pub(super) Mutex<Arrived>);

impl Target for Arrivals {
    fn settled(&self, first: u64, outcomes: Outcomes, _: &mut Vec<Call>) {
        let mut arrived = self.0.lock();
        arrived.batches.push_back((first, outcomes));
        arrived.hooks.notify_all();
    }
}

impl Poll for Arrivals {
    fn sought(&self) -> Sought {
        Sought::plain("values of a mapping")
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut arrived = self.0.lock();
        let any = !arrived.batches.is_empty();
        if !any {
            arrived.hooks.add(hook);
        }
        any
    }

    fn forget(&self, hook: &Hook) {
        self.0.lock().hooks.remove(hook);
    }
}

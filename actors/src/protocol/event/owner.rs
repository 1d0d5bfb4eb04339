//! The machine of an event.

use std::collections::BTreeSet;
use std::time::Instant;

use super::options::EventOptions;
use super::wire::{Ask, IsSet};
use crate::fault::fault;
use crate::protocol::object::{Asker, Effects, Owner};

#[derive(Debug, Default)]
pub(crate) struct EventOwner {
    is_set: bool,
    /// In the order in which they asked.
    waiting: BTreeSet<Asker>,
}

impl EventOwner {
    pub(crate) fn new(options: EventOptions) -> Self {
        Self { is_set: options.is_set, waiting: BTreeSet::new() }
    }
}

impl Owner for EventOwner {
    const KIND: &'static str = "event";

    type Ask = Ask;
    type Reply = IsSet;

    fn handle(&mut self, asker: Asker, ask: Ask, _: Instant, effects: &mut Effects<IsSet>) {
        match ask {
            Ask::Set => {
                self.is_set = true;
                fault!(WaiterForgotten, self.waiting.pop_first());
                for waiting in std::mem::take(&mut self.waiting) {
                    effects.reply(waiting, IsSet(true));
                }
            }
            Ask::Clear => self.is_set = false,
            Ask::Look => {}
            Ask::Wait if self.is_set => {}
            Ask::Wait => {
                self.waiting.insert(asker);
                return;
            }
        }
        effects.reply(asker, IsSet(self.is_set));
    }

    fn forget(&mut self, asker: Asker, _: &mut Effects<IsSet>) {
        self.waiting.remove(&asker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(owner: &mut EventOwner, asker: u64, ask: Ask) -> Vec<(u64, bool)> {
        let mut effects = Effects::default();
        owner.handle(Asker(asker), ask, Instant::now(), &mut effects);
        effects.replies.into_iter().map(|(Asker(asker), IsSet(is_set))| (asker, is_set)).collect()
    }

    #[test]
    fn a_set_answers_all_who_wait_and_a_clear_does_not_take_it_back() {
        let mut owner = EventOwner::new(EventOptions::new());
        assert_eq!(ask(&mut owner, 1, Ask::Wait), []);
        assert_eq!(ask(&mut owner, 2, Ask::Wait), []);
        assert_eq!(ask(&mut owner, 3, Ask::Look), [(3, false)]);
        assert_eq!(ask(&mut owner, 4, Ask::Set), [(1, true), (2, true), (4, true)]);
        assert_eq!(ask(&mut owner, 5, Ask::Wait), [(5, true)]);
        assert_eq!(ask(&mut owner, 6, Ask::Clear), [(6, false)]);
        assert_eq!(ask(&mut owner, 7, Ask::Wait), []);
        owner.forget(Asker(7), &mut Effects::default());
        assert_eq!(ask(&mut owner, 8, Ask::Set), [(8, true)]);
    }
}

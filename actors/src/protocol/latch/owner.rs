//! The machine of a latch.

use std::collections::BTreeSet;
use std::time::Instant;

use super::options::LatchOptions;
use super::wire::{Ask, Reply};
use crate::protocol::object::{Asker, Effects, Owner};

#[derive(Debug)]
pub(crate) struct LatchOwner {
    left: u64,
    /// In the order in which they asked.
    waiting: BTreeSet<Asker>,
}

impl LatchOwner {
    pub(crate) fn new(LatchOptions { count }: LatchOptions) -> Self {
        Self { left: count, waiting: BTreeSet::new() }
    }

    fn count_down(&mut self, by: u64, effects: &mut Effects<Reply>) -> Reply {
        let Some(left) = self.left.checked_sub(by) else { return Reply::TooFew(self.left) };
        self.left = left;
        if left == 0 {
            for waiting in std::mem::take(&mut self.waiting) {
                effects.reply(waiting, Reply::Left(0));
            }
        }
        Reply::Left(left)
    }
}

impl Owner for LatchOwner {
    const KIND: &'static str = "latch";

    type Ask = Ask;
    type Reply = Reply;

    fn handle(&mut self, asker: Asker, ask: Ask, _: Instant, effects: &mut Effects<Reply>) {
        let reply = match ask {
            Ask::CountDown(by) => self.count_down(by, effects),
            Ask::Wait if self.left > 0 => {
                self.waiting.insert(asker);
                return;
            }
            Ask::Wait | Ask::Look => Reply::Left(self.left),
        };
        effects.reply(asker, reply);
    }

    fn forget(&mut self, asker: Asker, _: &mut Effects<Reply>) {
        self.waiting.remove(&asker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(owner: &mut LatchOwner, asker: u64, ask: Ask) -> Vec<(u64, Reply)> {
        let mut effects = Effects::default();
        owner.handle(Asker(asker), ask, Instant::now(), &mut effects);
        effects.replies.into_iter().map(|(Asker(asker), reply)| (asker, reply)).collect()
    }

    #[test]
    fn the_last_count_answers_all_who_still_wait() {
        let mut owner = LatchOwner::new(LatchOptions::new(5));
        assert_eq!(ask(&mut owner, 1, Ask::Wait), []);
        assert_eq!(ask(&mut owner, 2, Ask::Wait), []);
        assert_eq!(ask(&mut owner, 3, Ask::CountDown(3)), [(3, Reply::Left(2))]);
        owner.forget(Asker(2), &mut Effects::default());
        assert_eq!(ask(&mut owner, 4, Ask::CountDown(3)), [(4, Reply::TooFew(2))]);
        assert_eq!(ask(&mut owner, 5, Ask::Look), [(5, Reply::Left(2))]);
        assert_eq!(ask(&mut owner, 6, Ask::CountDown(2)), [(1, Reply::Left(0)), (6, Reply::Left(0))]);
        assert_eq!(ask(&mut owner, 7, Ask::Wait), [(7, Reply::Left(0))]);
        assert_eq!(ask(&mut owner, 8, Ask::CountDown(1)), [(8, Reply::TooFew(0))]);
        assert_eq!(ask(&mut owner, 9, Ask::CountDown(0)), [(9, Reply::Left(0))]);
    }
}

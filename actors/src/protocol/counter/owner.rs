//! The machine of a counter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use callboard_core::{BodyError, ByteStrings, NodeId, decode};

use super::options::CounterOptions;
use super::wire::{Ask, Reply};
use crate::protocol::object::{AboutCasts, Asker, Effects, Owner, Refusals, Refused, TakesCasts};

#[derive(Debug, Default)]
pub(crate) struct CounterOwner {
    value: i64,
    /// Who waits for a value, the smallest first.
    waiting: BTreeSet<(i64, Asker)>,
    /// The same by who waits.
    by_asker: BTreeMap<Asker, i64>,
    refusals: Refusals,
}

impl CounterOwner {
    pub(crate) fn new(options: CounterOptions) -> Self {
        Self { value: options.value, ..Self::default() }
    }

    /// Tells those whose number is reached.
    fn tell(&mut self, effects: &mut Effects<Reply>) {
        while let Some((least, waiting)) = self.waiting.first().copied()
            && least <= self.value
        {
            self.waiting.pop_first();
            self.by_asker.remove(&waiting);
            effects.reply(waiting, Reply::Is(self.value));
        }
    }

    fn add(&mut self, sum: Option<i64>) -> Reply {
        let Some(sum) = sum else { return Reply::Overflow };
        self.value = sum;
        Reply::Is(sum)
    }

    fn answer(&mut self, ask: Ask) -> Reply {
        match ask {
            Ask::Add(by) => self.add(self.value.checked_add(by)),
            Ask::Sub(by) => self.add(self.value.checked_sub(by)),
            Ask::Get | Ask::WaitAtLeast(_) => Reply::Is(self.value),
            Ask::Set(value) => Reply::Is(std::mem::replace(&mut self.value, value)),
            Ask::CompareAndSwap { expected, new } => {
                let before = self.value;
                if before == expected {
                    self.value = new;
                }
                Reply::Is(before)
            }
            Ask::Casts(about) => Reply::Refused(self.refusals.hear(about)),
        }
    }
}

impl TakesCasts for CounterOwner {
    fn about(about: AboutCasts) -> Ask {
        Ask::Casts(about)
    }

    fn refused(reply: Reply) -> Option<Refused> {
        if let Reply::Refused(refused) = reply { Some(refused) } else { None }
    }
}

impl Owner for CounterOwner {
    const KIND: &'static str = "counter";

    type Ask = Ask;
    type Reply = Reply;

    fn handle(&mut self, asker: Asker, ask: Ask, _: Instant, effects: &mut Effects<Reply>) {
        if let Ask::WaitAtLeast(least) = ask
            && self.value < least
        {
            self.waiting.insert((least, asker));
            self.by_asker.insert(asker, least);
            return;
        }
        let reply = self.answer(ask);
        self.tell(effects);
        effects.reply(asker, reply);
    }

    /// A cast is a number to add.
    fn casts(
        &mut self,
        by: NodeId,
        casts: ByteStrings<'_>,
        _: Instant,
        effects: &mut Effects<Reply>,
    ) -> Result<(), BodyError> {
        for number in casts {
            match self.value.checked_add(decode(number?)?) {
                Some(sum) => self.value = sum,
                None => self.refusals.add(by),
            }
            self.tell(effects);
        }
        Ok(())
    }

    fn forget(&mut self, asker: Asker, _: &mut Effects<Reply>) {
        if let Some(least) = self.by_asker.remove(&asker) {
            self.waiting.remove(&(least, asker));
        }
    }
}

#[cfg(test)]
mod tests {
    use callboard_core::NodeId;
    use proptest::prelude::*;

    use super::*;

    fn ask(owner: &mut CounterOwner, asker: u64, ask: Ask) -> Vec<(u64, Reply)> {
        let mut effects = Effects::default();
        owner.handle(Asker(asker), ask, Instant::now(), &mut effects);
        effects.replies.into_iter().map(|(Asker(asker), reply)| (asker, reply)).collect()
    }

    #[test]
    fn a_wait_is_answered_when_the_value_is_reached_and_not_taken_back() {
        let mut owner = CounterOwner::new(CounterOptions::new().value(1));
        assert_eq!(ask(&mut owner, 1, Ask::WaitAtLeast(5)), []);
        assert_eq!(ask(&mut owner, 2, Ask::WaitAtLeast(3)), []);
        assert_eq!(ask(&mut owner, 3, Ask::WaitAtLeast(4)), []);
        assert_eq!(ask(&mut owner, 4, Ask::WaitAtLeast(1)), [(4, Reply::Is(1))]);
        owner.forget(Asker(3), &mut Effects::default());
        assert_eq!(ask(&mut owner, 5, Ask::Add(3)), [(2, Reply::Is(4)), (5, Reply::Is(4))]);
        assert_eq!(ask(&mut owner, 6, Ask::Set(9)), [(1, Reply::Is(9)), (6, Reply::Is(4))]);
        assert!(owner.waiting.is_empty() && owner.by_asker.is_empty());
    }

    #[test]
    fn an_overflow_changes_nothing_and_that_of_a_cast_is_counted() {
        let of = NodeId::new(1).unwrap();
        let mut owner = CounterOwner::new(CounterOptions::new().value(-1));
        assert_eq!(ask(&mut owner, 1, Ask::Sub(i64::MIN)), [(1, Reply::Is(i64::MAX))]);
        assert_eq!(ask(&mut owner, 1, Ask::Add(1)), [(1, Reply::Overflow)]);
        let mut casts = Vec::new();
        for by in [1_i64, -1] {
            callboard_core::push_encoded(&mut casts, &by).unwrap();
        }
        let mut effects = Effects::default();
        owner.casts(of, ByteStrings::new(&casts), Instant::now(), &mut effects).unwrap();
        assert!(owner.casts(of, ByteStrings::new(&[0xc4, 1, 0xc0]), Instant::now(), &mut effects).is_err());
        let refused = owner.refusals.of(of);
        assert_eq!((refused.news(), owner.value), (1, i64::MAX - 1));
        ask(&mut owner, 1, Ask::Casts(AboutCasts::Told { of, total: refused.total }));
        assert_eq!(
            ask(&mut owner, 1, Ask::Casts(AboutCasts::Tell(of))),
            [(1, Reply::Refused(owner.refusals.of(of)))]
        );
        assert_eq!(owner.refusals.of(of).news(), 0);
    }

    proptest! {
        /// > Under any steps a counter's machine counts as an `i64` does.
        #[test]
        fn it_counts_as_an_i64_does(steps in prop::collection::vec((0..4_u8, any::<i64>(), -3..3_i64), 0..50)) {
            let (mut owner, mut model) = (CounterOwner::new(CounterOptions::new()), 0_i64);
            for (kind, large, small) in steps {
                let (question, after) = match kind {
                    0 => (Ask::Add(large), model.checked_add(large)),
                    1 => (Ask::Sub(large), model.checked_sub(large)),
                    2 => (Ask::Add(small), model.checked_add(small)),
                    _ => {
                        let done = model == small;
                        let reply = ask(&mut owner, 1, Ask::CompareAndSwap { expected: small, new: large });
                        prop_assert_eq!(reply, [(1, Reply::Is(model))]);
                        model = if done { large } else { model };
                        continue;
                    }
                };
                prop_assert_eq!(ask(&mut owner, 1, question), [(1, after.map_or(Reply::Overflow, Reply::Is))]);
                model = after.unwrap_or(model);
            }
            prop_assert_eq!(owner.value, model);
        }
    }
}

//! Queues of all kinds: users put, get and lease; who waits gets.

use std::time::Duration;

use callboard::{
    GetError, LeaseError, LifoQueue, PriorityQueue, PutError, Queue, QueueError, QueueOptions, TryGetError,
};
use callboard_tests::PATIENCE;

use crate::notes::{Account, What, check_bag};
use crate::subject::{Ended, Subject, Turn, or_ended};

/// How long a user waits for an item: the waiting processes get most of them.
const SHORT: Duration = Duration::from_micros(200);

macro_rules! queue {
    ($of:ty, $n:ident => $item:expr, $pattern:pat => $number:expr) => {
        impl Subject for $of {
            fn options() -> QueueOptions {
                // Small, so that puts wait for room; and no item is ever given up.
                QueueOptions::new().capacity(16).max_attempts(1_000_000)
            }

            fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
                let put = |put: Result<(), PutError<_>>| or_ended!(put, PutError::Disconnected(_));
                let number = |$pattern| $number;
                match turn.random.below(8) {
                    0..3 => turn.give(|$n| put(self.put($item))),
                    3..5 => turn.confirm(|$n| put(self.put_confirmed($item))),
                    5 => turn.take(|| match self.try_get() {
                        Err(TryGetError::Empty) => Ok(None),
                        got => or_ended!(got, TryGetError::Disconnected).map(|item| Some(number(item))),
                    }),
                    6 => turn.take(|| match self.get_timeout(SHORT) {
                        Err(GetError::TimedOut) => Ok(None),
                        got => or_ended!(got, GetError::Disconnected).map(|item| Some(number(item))),
                    }),
                    _ => turn.take(|| match self.lease_timeout(SHORT) {
                        Err(GetError::TimedOut) => Ok(None),
                        lease => {
                            let lease = or_ended!(lease, GetError::Disconnected)?;
                            let &$pattern = lease.item();
                            let number = $number;
                            or_ended!(lease.ack_confirmed(), LeaseError::Disconnected)?;
                            Ok(Some(number))
                        }
                    }),
                }
            }

            fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
                let number = |$pattern| $number;
                turn.note(What::Takes, 0);
                match self.get() {
                    Err(GetError::Closed) => Ok(false),
                    got => {
                        turn.note(What::Took, number(or_ended!(got, GetError::Disconnected)?));
                        Ok(true)
                    }
                }
            }

            fn look(&self, _: &Turn) -> Result<(), Ended> {
                or_ended!(self.len().map(drop), QueueError::Disconnected)
            }

            fn release(&self) {
                self.close().unwrap();
            }

            fn check(&self, accounts: &[Account]) {
                let number = |$pattern| $number;
                let mut left = Vec::new();
                loop {
                    match self.get_timeout(PATIENCE) {
                        Ok(item) => left.push(number(item)),
                        Err(GetError::Closed) => break,
                        Err(other) => panic!("{other}"),
                    }
                }
                check_bag(accounts, left);
                assert_eq!(self.len(), Ok(0));
                assert_eq!(self.join_timeout(PATIENCE), Ok(true), "an item is neither settled nor there");
                assert_eq!(self.dead_letters().unwrap().1, 0);
            }
        }
    };
}

queue!(Queue<u64>, n => n, n => n);
queue!(LifoQueue<u64>, n => n, n => n);
queue!(PriorityQueue<u64>, n => ((n % 5) as i64, n), (_, n) => n);

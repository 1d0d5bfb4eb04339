//! What all cases ask of a shared type: to take numbers in, and to give them out in the order that it promises.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use callboard::{
    Counter, CounterError, CounterOptions, Dict, DictError, DictOptions, DictWatchError, Event, EventOptions,
    GetError, LifoQueue, List, ListError, ListOptions, Member, Object, ObjectError, PriorityQueue, Queue,
    QueueError, QueueOptions, Region, RegionError, RegionOptions, Register, RegisterError, RegisterOptions,
    Serve, Served, ServedError, Set, SetOptions, WaitAny,
};
use callboard_tests::PATIENCE;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The owner has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended;

/// A shared type as all cases know it.
pub(crate) trait Sample:
    Object + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    fn options() -> Self::Options;

    /// Puts a number in; it is there for everybody when this returns, or is on its way in order.
    fn give(&self, n: u64);

    /// What is in it after `count` numbers have been given; taken out, where that is what the type is for.
    fn numbers(&self, count: usize) -> Vec<u64>;

    /// What [`numbers`](Self::numbers) gives when these were given one after another.
    fn expected(given: &[u64]) -> Vec<u64>;

    /// Asks its owner something.
    fn ask(&self) -> Result<(), Ended>;
}

/// One that has a verb that waits.
pub(crate) trait Waits: Sample {
    /// Waits up to `timeout` until something is given; whether it was.
    fn wait(&self, timeout: Duration) -> Result<bool, Ended>;

    /// Adds to a set what waits until something is given.
    fn add_to(&self, any: &mut WaitAny) -> Member;
}

/// An answer, or that the owner has ended; anything else is not what a case expects.
macro_rules! or_ended {
    ($answer:expr, $ended:pat) => {
        match $answer {
            Ok(answer) => Ok(answer),
            Err($ended) => Err(crate::sample::Ended),
            Err(other) => panic!("{other}"),
        }
    };
}

pub(crate) use or_ended;

macro_rules! queue {
    ($of:ty, $n:ident => $item:expr, $pattern:pat => $number:expr, $given:ident => $expected:expr) => {
        impl Sample for $of {
            fn options() -> QueueOptions {
                QueueOptions::new()
            }

            fn give(&self, $n: u64) {
                self.put_confirmed($item).unwrap();
            }

            fn numbers(&self, count: usize) -> Vec<u64> {
                let number = |$pattern| $number;
                (0..count).map(|_| number(self.get_timeout(PATIENCE).unwrap())).collect()
            }

            fn expected(given: &[u64]) -> Vec<u64> {
                let $given = given.iter().copied();
                $expected.collect()
            }

            fn ask(&self) -> Result<(), Ended> {
                or_ended!(self.len().map(drop), QueueError::Disconnected)
            }
        }

        impl Waits for $of {
            fn wait(&self, timeout: Duration) -> Result<bool, Ended> {
                match self.get_timeout(timeout) {
                    Err(GetError::TimedOut) => Ok(false),
                    got => or_ended!(got.map(|_| true), GetError::Disconnected),
                }
            }

            fn add_to(&self, any: &mut WaitAny) -> Member {
                any.add(self)
            }
        }
    };
}

queue!(Queue<u64>, n => n, n => n, given => given);
queue!(LifoQueue<u64>, n => n, n => n, given => given.rev());
// The largest number has the lowest priority, so that the order is not the one of a queue of another kind.
queue!(PriorityQueue<u64>, n => (-(n as i64), n), (_, n) => n, given => given.collect::<BTreeSet<u64>>().into_iter().rev());

impl Sample for Event {
    fn options() -> EventOptions {
        EventOptions::new()
    }

    fn give(&self, _: u64) {
        self.set().unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        vec![u64::from(self.is_set().unwrap())]
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        vec![u64::from(!given.is_empty())]
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.is_set().map(drop), ObjectError::Disconnected)
    }
}

impl Waits for Event {
    fn wait(&self, timeout: Duration) -> Result<bool, Ended> {
        or_ended!(self.wait_timeout(timeout), ObjectError::Disconnected)
    }

    fn add_to(&self, any: &mut WaitAny) -> Member {
        any.add(self)
    }
}

impl Sample for Counter {
    fn options() -> CounterOptions {
        CounterOptions::new()
    }

    fn give(&self, n: u64) {
        self.add(n as i64).unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        vec![self.get().unwrap() as u64]
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        vec![given.iter().sum()]
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.get().map(drop), CounterError::Disconnected)
    }
}

impl Waits for Counter {
    fn wait(&self, timeout: Duration) -> Result<bool, Ended> {
        or_ended!(self.wait_at_least_timeout(1, timeout), CounterError::Disconnected).map(|n| n.is_some())
    }

    fn add_to(&self, any: &mut WaitAny) -> Member {
        any.add(&self.at_least(1))
    }
}

impl Sample for Register<u64> {
    fn options() -> RegisterOptions<u64> {
        RegisterOptions::empty()
    }

    fn give(&self, n: u64) {
        self.set(n).unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        self.get().unwrap().into_iter().collect()
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        given.last().copied().into_iter().collect()
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.get().map(drop), RegisterError::Disconnected)
    }
}

impl Waits for Register<u64> {
    fn wait(&self, timeout: Duration) -> Result<bool, Ended> {
        or_ended!(self.wait_timeout(timeout), RegisterError::Disconnected).map(|value| value.is_some())
    }

    fn add_to(&self, any: &mut WaitAny) -> Member {
        any.add(self)
    }
}

impl Sample for List<u64> {
    fn options() -> ListOptions<u64> {
        ListOptions::new()
    }

    fn give(&self, n: u64) {
        self.push(n).unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        self.snapshot().unwrap()
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        given.to_vec()
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.len().map(drop), ListError::Disconnected)
    }
}

impl Waits for List<u64> {
    fn wait(&self, timeout: Duration) -> Result<bool, Ended> {
        let mut watch = or_ended!(self.watch(), ListError::Disconnected)?;
        if or_ended!(self.len(), ListError::Disconnected)? > 0 {
            return Ok(true);
        }
        or_ended!(watch.next_timeout(timeout), ListError::Disconnected).map(|change| change.is_some())
    }

    fn add_to(&self, any: &mut WaitAny) -> Member {
        any.add(&self.watch().unwrap())
    }
}

impl Sample for Dict<u64, u64> {
    fn options() -> DictOptions<u64, u64> {
        DictOptions::new()
    }

    fn give(&self, n: u64) {
        self.insert(n, n + 1).unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        let entries = self.snapshot().unwrap();
        entries.into_iter().inspect(|(key, value)| assert_eq!(*value, key + 1)).map(|(key, _)| key).collect()
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        given.to_vec()
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.len().map(drop), DictError::Disconnected)
    }
}

impl Waits for Dict<u64, u64> {
    fn wait(&self, timeout: Duration) -> Result<bool, Ended> {
        let mut watch = or_ended!(self.watch_all(), DictError::Disconnected)?;
        if or_ended!(self.len(), DictError::Disconnected)? > 0 {
            return Ok(true);
        }
        or_ended!(watch.next_timeout(timeout), DictWatchError::Disconnected).map(|change| change.is_some())
    }

    fn add_to(&self, any: &mut WaitAny) -> Member {
        any.add(&self.watch_all().unwrap())
    }
}

impl Sample for Set<u64> {
    fn options() -> SetOptions {
        SetOptions::new()
    }

    fn give(&self, n: u64) {
        self.insert(n).unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        self.snapshot().unwrap()
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        given.to_vec()
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.len().map(drop), DictError::Disconnected)
    }
}

impl Waits for Set<u64> {
    fn wait(&self, timeout: Duration) -> Result<bool, Ended> {
        let mut watch = or_ended!(self.watch(), DictError::Disconnected)?;
        if or_ended!(self.len(), DictError::Disconnected)? > 0 {
            return Ok(true);
        }
        or_ended!(watch.next_timeout(timeout), DictWatchError::Disconnected).map(|change| change.is_some())
    }

    fn add_to(&self, any: &mut WaitAny) -> Member {
        any.add(&self.watch().unwrap())
    }
}

/// How many numbers it has, then the numbers.
impl Sample for Region {
    fn options() -> RegionOptions {
        RegionOptions::new(64 * size_of::<u64>())
    }

    fn give(&self, n: u64) {
        let mapping = self.map().unwrap();
        let words = mapping.view::<u64>().unwrap();
        let count = words.get(0).unwrap() + 1;
        words.set(count as usize, n).unwrap();
        words.set(0, count).unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        let mapping = self.map_read_only().unwrap();
        let words = mapping.view::<u64>().unwrap();
        words.part(1, words.get(0).unwrap() as usize).unwrap().copy_to_vec()
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        given.to_vec()
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.holders().map(drop), RegionError::Gone)
    }
}

impl Sample for Served<Vec<u64>> {
    fn options() -> Serve<Vec<u64>> {
        Serve::new(Vec::new())
    }

    fn give(&self, n: u64) {
        self.call(Vec::push, n).unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        self.call(|numbers, ()| numbers.clone(), ()).unwrap()
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        given.to_vec()
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.call(|numbers, ()| numbers.len(), ()).map(drop), ServedError::Disconnected)
    }
}

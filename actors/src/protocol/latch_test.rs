//! A protocol made by the five steps of ARCHITECTURE.md and nothing else: a latch that is counted down and opens at zero. It
//! is here to show that they suffice, and is no part of the crate.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::object::{Asker, Asking, Effects, Handle, ObjectError, Owner, Typed, shared_object};
use crate::wait_any::{Pollable, Sealed, WaitAny, Waitable};
use crate::{Node, Queue, QueueOptions};

// ---- step 1, `wire`: what is asked and what is answered ------------------------------------------

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Ask {
    /// Answered with what is left.
    CountDown,
    /// Answered once it is open.
    Wait,
}

/// What is left until it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Left(u64);

// ---- step 2, `owner`: a pure machine, tested as such ---------------------------------------------

#[derive(Debug)]
struct LatchOwner {
    left: u64,
    waiting: BTreeSet<Asker>,
}

impl LatchOwner {
    fn new(LatchOptions { count }: LatchOptions) -> Self {
        Self { left: count, waiting: BTreeSet::new() }
    }
}

impl Owner for LatchOwner {
    type Ask = Ask;
    type Reply = Left;

    fn handle(&mut self, asker: Asker, ask: Ask, _: Instant, effects: &mut Effects<Left>) {
        match ask {
            Ask::CountDown => self.left = self.left.saturating_sub(1),
            Ask::Wait if self.left == 0 => {}
            Ask::Wait => {
                self.waiting.insert(asker);
                return;
            }
        }
        if self.left == 0 {
            std::mem::take(&mut self.waiting).into_iter().for_each(|waiting| effects.reply(waiting, Left(0)));
        }
        effects.reply(asker, Left(self.left));
    }

    fn forget(&mut self, asker: Asker, _: &mut Effects<Left>) {
        self.waiting.remove(&asker);
    }
}

// ---- step 3, `options` and `handle`: what users hold ---------------------------------------------

struct LatchOptions {
    count: u64,
}

struct Latch {
    handle: Handle<LatchOwner>,
}

shared_object!(Latch, LatchOptions);

impl Typed for Latch {
    type Owner = LatchOwner;

    fn of(handle: Handle<LatchOwner>) -> Self {
        Self { handle }
    }

    fn handle(&self) -> &Handle<LatchOwner> {
        &self.handle
    }

    fn type_name() -> String {
        "Latch".to_owned()
    }
}

impl Latch {
    fn count_down(&self) -> Result<u64, ObjectError> {
        self.handle.ask(Ask::CountDown).map(|Left(left)| left)
    }

    fn wait(&self) -> Result<(), ObjectError> {
        self.handle.ask_until(Ask::Wait, None)?;
        Ok(())
    }

    fn wait_timeout(&self, timeout: Duration) -> Result<bool, ObjectError> {
        Ok(self.handle.ask_within(Ask::Wait, timeout)?.is_some())
    }
}

impl Sealed for Latch {
    fn pollable(&self) -> Pollable {
        Asking::pollable(&self.handle, || Ask::Wait)
    }
}

impl Waitable for Latch {}

// ---- step 5, tests (step 4, exports, is not for a test) ------------------------------------------

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_last_count_answers_all_who_still_wait() {
    let mut owner = LatchOwner::new(LatchOptions { count: 2 });
    let mut ask = |asker, ask| {
        let mut effects = Effects::default();
        owner.handle(Asker(asker), ask, Instant::now(), &mut effects);
        if asker == 2 {
            owner.forget(Asker(2), &mut effects);
        }
        effects.replies.into_iter().map(|(Asker(asker), Left(left))| (asker, left)).collect::<Vec<_>>()
    };
    assert_eq!(ask(1, Ask::Wait), []);
    assert_eq!(ask(2, Ask::Wait), []);
    assert_eq!(ask(3, Ask::CountDown), [(3, 1)]);
    assert_eq!(ask(4, Ask::CountDown), [(1, 0), (4, 0)]);
    assert_eq!(ask(5, Ask::Wait), [(5, 0)]);
    assert_eq!(ask(6, Ask::CountDown), [(6, 0)]);
}

#[test]
fn a_latch_opens_on_every_node() {
    let home = Node::start().unwrap();
    let other = home.start_beside("other").unwrap();
    let latch: Latch = home.create("/latch", LatchOptions { count: 2 }).unwrap();
    let there: Latch = other.open("/latch").unwrap();
    assert!(other.open::<Queue<u64>>("/latch").is_err());
    assert_eq!(there.wait_timeout(Duration::from_millis(5)), Ok(false));
    let mut any = WaitAny::new(&other);
    let member = any.add(&there);
    assert_eq!(any.try_wait(), None);
    let waits = std::thread::spawn({
        let there = there.clone();
        move || there.wait()
    });
    assert_eq!((there.count_down(), latch.count_down()), (Ok(1), Ok(0)));
    assert_eq!(waits.join().unwrap(), Ok(()));
    assert_eq!(any.wait_timeout(PATIENCE), Some(member));
    assert_eq!((latch.wait(), latch.count_down()), (Ok(()), Ok(0)));
}

#[test]
fn a_latch_travels_and_its_end_is_told_to_who_waits() {
    let home = Node::start().unwrap();
    let other = home.start_beside("other").unwrap();
    let sent: Queue<Latch> = home.create("/latches", QueueOptions::new()).unwrap();
    let theirs: Queue<Latch> = other.open("/latches").unwrap();
    theirs.put(other.anonymous(LatchOptions { count: 1 })).unwrap_or_else(|error| panic!("{error}"));
    let latch = sent.get_timeout(PATIENCE).unwrap();
    assert_eq!(latch.wait_timeout(Duration::ZERO), Ok(false));
    let waits = std::thread::spawn({
        let latch = latch.clone();
        move || latch.wait()
    });
    drop((theirs, other));
    assert_eq!(waits.join().unwrap(), Err(ObjectError::Disconnected));
    assert_eq!(latch.count_down(), Err(ObjectError::Disconnected));
}

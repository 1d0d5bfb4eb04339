//! Cases of locks, semaphores and conditions, and the experiments in which one is killed with them.

use std::time::{Duration, Instant};

use callboard::{
    Condition, ConditionOptions, Counter, CounterOptions, Event, EventOptions, Lock, LockError, LockOptions,
    Manager, Node, Queue, QueueOptions, ReentrantLock, ReleaseError, RwLock, RwLockOptions, Semaphore,
    SemaphoreOptions,
};
use callboard_tests::{PATIENCE, eventually};

use crate::place::Place;
use crate::sample::{Ended, Sample, or_ended};

const SHORT: Duration = Duration::from_millis(20);

/// What a lock can be given is to be taken and given back. Its owner is asked who has it.
macro_rules! sample {
    ($of:ty, $options:expr, $take:ident, $try:ident, $who:ident) => {
        impl Sample for $of {
            fn options() -> Self::Options {
                $options
            }

            fn give(&self, _: u64) {
                drop(self.$take().unwrap());
            }

            fn numbers(&self, _: usize) -> Vec<u64> {
                vec![u64::from(self.$try().unwrap().is_some())]
            }

            fn expected(_: &[u64]) -> Vec<u64> {
                vec![1]
            }

            fn ask(&self) -> Result<(), Ended> {
                let _guard = or_ended!(self.$take(), LockError::Disconnected)?;
                or_ended!(self.$who().map(drop), LockError::Disconnected)
            }
        }
    };
}

sample!(Lock, LockOptions::new(), lock, try_lock, holder);
sample!(ReentrantLock, LockOptions::new(), lock, try_lock, holder);
sample!(RwLock, RwLockOptions::new(), write, try_read, writer);
sample!(Condition, ConditionOptions::new(), lock, try_lock, holder);

/// A semaphore is given permits.
impl Sample for Semaphore {
    fn options() -> SemaphoreOptions {
        SemaphoreOptions::new(1)
    }

    fn give(&self, _: u64) {
        self.release(1).unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        vec![self.available().unwrap().into()]
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        vec![1 + given.len() as u64]
    }

    fn ask(&self) -> Result<(), Ended> {
        let _permit = or_ended!(self.acquire(), LockError::Disconnected)?;
        or_ended!(self.holders().map(drop), LockError::Disconnected)
    }
}

fn a_lock_is_had_by_one_and_given_back_once(place: Place) {
    fn tries(_: &Node, lock: Lock) -> bool {
        lock.lock_timeout(SHORT).unwrap().is_some()
    }
    let home = Node::start().unwrap();
    let lock: Lock = home.anonymous(LockOptions::new());
    let guard = lock.lock().unwrap();
    assert_eq!(lock.try_lock().map(drop), Err(LockError::HeldByCaller));
    assert!(!place.run(&home, tries, lock.clone()));
    drop(guard);
    assert_eq!(lock.force_unlock(), Ok(false), "it is given back already");
    assert!(place.run(&home, tries, lock.clone()));
}

in_every_place!(a_lock_is_had_by_one_and_given_back_once);

fn a_lock_taken_three_times_is_free_after_three_times(place: Place) {
    fn tries(_: &Node, lock: ReentrantLock) -> bool {
        lock.try_lock().unwrap().is_some()
    }
    let home = Node::start().unwrap();
    let lock: ReentrantLock = home.anonymous(LockOptions::new());
    let mut guards: Vec<_> = (0..3).map(|_| lock.lock().unwrap()).collect();
    while guards.pop().is_some() {
        let is_free = guards.is_empty();
        assert_eq!(place.run(&home, tries, lock.clone()), is_free);
    }
}

in_every_place!(a_lock_taken_three_times_is_free_after_three_times);

fn a_semaphore_counts_and_a_bounded_one_refuses_more(place: Place) {
    fn counts(_: &Node, (semaphore, bounded): (Semaphore, Semaphore)) {
        let one = semaphore.acquire().unwrap();
        assert_eq!(semaphore.available(), Ok(1));
        let two = semaphore.acquire().unwrap();
        assert_eq!(semaphore.available(), Ok(0));
        assert!(semaphore.try_acquire().unwrap().is_none());
        drop(one);
        assert_eq!(semaphore.available(), Ok(1));
        drop(two);
        assert_eq!(semaphore.available(), Ok(2));
        for permits in [3, 4] {
            semaphore.release(1).unwrap();
            assert_eq!(semaphore.available(), Ok(permits));
        }
        assert_eq!(bounded.release(1), Err(ReleaseError::TooMany { most: 2 }));
    }
    let home = Node::start().unwrap();
    let semaphore: Semaphore = home.anonymous(SemaphoreOptions::new(2));
    let bounded: Semaphore = home.anonymous(SemaphoreOptions::bounded(2));
    place.run(&home, counts, (semaphore.clone(), bounded.clone()));
    assert_eq!((semaphore.available(), bounded.available()), (Ok(4), Ok(2)));
}

in_every_place!(a_semaphore_counts_and_a_bounded_one_refuses_more);

fn a_semaphore_without_permits_keeps_timeouts(place: Place) {
    fn waits(_: &Node, semaphore: Semaphore) {
        for timeout in [Duration::ZERO, Duration::from_nanos(1), SHORT] {
            let begun = Instant::now();
            assert!(semaphore.acquire_timeout(timeout).unwrap().is_none());
            assert!(begun.elapsed() >= timeout);
        }
        assert!(semaphore.try_acquire().unwrap().is_none());
    }
    let home = Node::start().unwrap();
    let semaphore: Semaphore = home.anonymous(SemaphoreOptions::new(0));
    place.run(&home, waits, semaphore);
}

in_every_place!(a_semaphore_without_permits_keeps_timeouts);

/// A condition, and how many have been woken.
type Woken = (Condition, Counter);

fn woken(home: &Node) -> Woken {
    (home.anonymous(ConditionOptions::new()), home.anonymous(CounterOptions::new()))
}

/// Waits once, up to `timeout`; whether it was notified.
fn waits(_: &Node, ((condition, woken), timeout): (Woken, Duration)) -> bool {
    let mut guard = condition.lock().unwrap();
    let notified = guard.wait_timeout(timeout).unwrap();
    woken.add(1).unwrap();
    notified
}

fn notify((condition, _): &Woken, most: usize) -> usize {
    condition.lock_timeout(PATIENCE).unwrap().unwrap().notify(most).unwrap()
}

fn a_condition_wakes_as_many_as_it_is_told_to(place: Place) {
    let home = Node::start().unwrap();
    let shared = woken(&home);
    // Here and there mixed, as they come.
    let mut parts = Vec::new();
    for number in 0..6 {
        let place = if number % 2 == 0 { place } else { Place::Thread };
        parts.push(place.start(&home, waits, (shared.clone(), PATIENCE)));
        eventually("it waits", || shared.0.waiters() == Ok(number + 1));
    }
    assert_eq!(shared.1.get(), Ok(0));
    let mut before = 0;
    for (most, all) in [(1, 1), (2, 3), (4, 6), (3, 6)] {
        assert_eq!(notify(&shared, most), all - before);
        before = all;
        eventually("they are woken", || shared.1.get() == Ok(all as i64));
        assert_eq!(shared.0.waiters(), Ok(6 - all));
    }
    parts.into_iter().for_each(|part| assert!(part.join()));
}

in_every_place!(a_condition_wakes_as_many_as_it_is_told_to);

fn a_condition_wakes_all_after_others_gave_up(place: Place) {
    let home = Node::start().unwrap();
    let shared = woken(&home);
    let start = |timeout| -> Vec<_> {
        (0..3)
            .flat_map(|_| [place, Place::Thread])
            .map(|place| place.start(&home, waits, (shared.clone(), timeout)))
            .collect()
    };
    start(SHORT).into_iter().for_each(|part| assert!(!part.join()));
    assert_eq!((shared.1.get(), notify(&shared, usize::MAX)), (Ok(6), 0));
    let parts = start(PATIENCE);
    eventually("all wait", || shared.0.waiters() == Ok(6));
    assert_eq!(shared.0.lock().unwrap().notify_all(), Ok(6));
    parts.into_iter().for_each(|part| assert!(part.join()));
    assert_eq!(shared.1.get(), Ok(12));
}

in_every_place!(a_condition_wakes_all_after_others_gave_up);

fn a_condition_is_waited_for_until_something_is_so(place: Place) {
    fn answers(_: &Node, (condition, state): Woken) {
        state.set(0).unwrap();
        condition.lock().unwrap().notify_one().unwrap();
        let mut guard = condition.lock().unwrap();
        assert_eq!(guard.wait_while_timeout(PATIENCE, || state.get() != Ok(4)), Ok(true));
    }
    let home = Node::start().unwrap();
    let (condition, state) = woken(&home);
    state.set(-1).unwrap();
    let mut guard = condition.lock().unwrap();
    let begun = Instant::now();
    assert_eq!(guard.wait_while_timeout(SHORT, || state.get() != Ok(0)), Ok(false));
    assert!(begun.elapsed() >= SHORT);
    let part = place.start(&home, answers, (condition.clone(), state.clone()));
    guard.wait_while(|| state.get() != Ok(0)).unwrap();
    drop(guard);
    for number in 1..=4 {
        let mut guard = condition.lock().unwrap();
        state.set(number).unwrap();
        guard.notify_one().unwrap();
    }
    part.join();
}

in_every_place!(a_condition_is_waited_for_until_something_is_so);

fn holds(_: &Node, (lock, told): (Lock, Queue<u64>)) {
    let _guard = lock.lock().unwrap();
    told.put_confirmed(1).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_lock_of_a_killed_child_is_had_by_the_next_who_is_told() {
    let home = Node::start().unwrap();
    let manager = Manager::start(&home, "/manager").unwrap();
    for lock in
        [home.anonymous(LockOptions::new()), manager.host().anonymous::<Lock>(LockOptions::new()).unwrap()]
    {
        let told: Queue<u64> = home.anonymous(QueueOptions::new());
        let child = home.spawn("holds", holds, (lock.clone(), told.clone())).unwrap();
        told.get().unwrap();
        assert!(lock.try_lock().unwrap().is_none());
        child.kill().unwrap();
        assert!(lock.lock_timeout(PATIENCE).unwrap().unwrap().was_abandoned());
    }
    manager.shutdown(PATIENCE).unwrap();
}

#[test]
fn a_killed_waiter_holds_up_neither_a_notification_nor_a_set() {
    fn waits(_: &Node, (condition, event, ready): (Condition, Event, Event)) {
        std::thread::scope(|scope| {
            scope.spawn(|| event.wait());
            let mut guard = condition.lock().unwrap();
            ready.set().unwrap();
            guard.wait().unwrap();
        });
    }
    let home = Node::start().unwrap();
    let condition: Condition = home.anonymous(ConditionOptions::new());
    let event = || -> Event { home.anonymous(EventOptions::new()) };
    let (event, ready) = (event(), event());
    let child = home.spawn("waits", waits, (condition.clone(), event.clone(), ready.clone())).unwrap();
    ready.wait().unwrap();
    eventually("it waits", || condition.waiters() == Ok(1));
    child.kill().unwrap();
    let begun = Instant::now();
    condition.lock_timeout(PATIENCE).unwrap().unwrap().notify_all().unwrap();
    event.set().unwrap();
    assert_eq!(event.is_set(), Ok(true));
    assert!(begun.elapsed() < PATIENCE);
    assert!(child.join().is_err());
    eventually("nobody waits", || condition.waiters() == Ok(0));
}

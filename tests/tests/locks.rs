//! Locks, semaphores and locks for readers between threads and processes: who gets them, and what a death does.

#[path = "locks/rw_locks.rs"]
mod rw_locks;
#[path = "locks/semaphores.rs"]
mod semaphores;

use std::time::{Duration, Instant};

use callboard::{
    Counter, CounterOptions, Lock, LockError, LockOptions, NameError, Node, Process, Queue, QueueOptions,
    ReentrantLock, ReleaseError, RwLock, RwLockOptions, Semaphore, SemaphoreOptions,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

callboard::test_door!();

const SOON: Duration = Duration::from_millis(5);
const WITHIN: Duration = Duration::from_secs(20);

fn lock(node: &Node) -> Lock {
    node.anonymous(LockOptions::new())
}

/// Says that it has come so far, and stays so until it is killed.
fn stay(told: &Queue<u32>) {
    told.put_confirmed(std::process::id()).unwrap();
    loop {
        std::thread::park();
    }
}

fn holds(_: &Node, (lock, told): (Lock, Queue<u32>)) {
    let _guard = lock.lock().unwrap();
    stay(&told);
}

fn own(node: &Node, name: String) {
    let _lock: Lock = node.create(&name, LockOptions::new()).unwrap();
    let _semaphore: Semaphore = node.create(&format!("{name}/semaphore"), SemaphoreOptions::new(1)).unwrap();
    let _rw: RwLock = node.create(&format!("{name}/rw"), RwLockOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

fn kill(child: &Process<()>) {
    child.kill().unwrap();
}

/// > A lock is held by one thread of one process at a time.
#[test]
fn a_lock_is_held_by_one_at_a_time_among_processes() {
    const TIMES: u64 = 2_000;
    fn counts(_: &Node, (lock, counter): (Lock, Counter)) {
        for _ in 0..TIMES {
            let _guard = lock.lock().unwrap();
            // Two steps, between which another would be seen.
            let before = counter.get().unwrap();
            counter.set(before + 1).unwrap();
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let remote: Lock = node.open_timeout("/theirs", PATIENCE).unwrap();
    for lock in [lock(&node), remote] {
        let counter: Counter = node.anonymous(CounterOptions::new());
        let children: Vec<_> =
            (0..3).map(|_| node.spawn("counts", counts, (lock.clone(), counter.clone())).unwrap()).collect();
        for _ in 0..TIMES {
            let guard = lock.lock().unwrap();
            let before = counter.get().unwrap();
            counter.set(before + 1).unwrap();
            drop(guard);
        }
        for child in children {
            child.join().unwrap();
        }
        assert_eq!(counter.get().unwrap() as u64, 4 * TIMES);
    }
}

#[test]
fn a_thread_that_takes_a_lock_twice_is_told_and_others_time_out() {
    let node = Node::start().unwrap();
    let lock = lock(&node);
    let guard = lock.lock().unwrap();
    assert_eq!(lock.lock().unwrap_err(), LockError::HeldByCaller);
    assert_eq!(lock.try_lock().unwrap_err(), LockError::HeldByCaller);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(lock.try_lock().unwrap().is_none());
            let begun = Instant::now();
            assert!(lock.lock_timeout(SOON).unwrap().is_none());
            assert!(begun.elapsed() >= SOON);
        });
    });
    let holder = lock.holder().unwrap().unwrap();
    assert_eq!((holder.node, holder.pid), (node.id(), std::process::id()));
    drop(guard);
    assert_eq!(lock.holder().unwrap(), None);
    std::mem::forget(lock.lock().unwrap());
    assert_eq!(lock.force_unlock(), Ok(true));
    assert_eq!(lock.force_unlock(), Ok(false));
    assert!(lock.lock_timeout(Duration::MAX).unwrap().is_some());
}

/// > A reentrant lock is free when as many guards are gone as were taken.
#[test]
fn a_reentrant_lock_is_free_when_all_its_guards_are_gone() {
    fn tries(_: &Node, lock: ReentrantLock) -> bool {
        lock.lock_timeout(SOON).unwrap().is_some()
    }
    let node = Node::start().unwrap();
    let lock: ReentrantLock = node.create("/again", LockOptions::new()).unwrap();
    let taken = || node.spawn("tries", tries, lock.clone()).unwrap().join().unwrap();
    let one = lock.lock().unwrap();
    let two = lock.try_lock().unwrap().unwrap();
    let three = lock.lock_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(three.depth(), 3);
    assert!(!taken());
    drop((one, three));
    assert!(!taken());
    assert_eq!(two.depth(), 1);
    assert_eq!(lock.holder().unwrap().map(|holder| holder.pid), Some(std::process::id()));
    drop(two);
    assert!(taken());
    let wrong = node.open::<Lock>("/again").unwrap_err();
    assert!(matches!(wrong, NameError::WrongType { .. }), "{wrong}");
}

/// > When a process dies with a lock, the next one gets it and is told.
#[test]
fn the_next_holder_of_a_lock_is_told_that_the_last_one_was_killed() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let remote: Lock = node.open_timeout("/theirs", PATIENCE).unwrap();
    let mut random = Random::new();
    for lock in [lock(&node), remote] {
        for _ in 0..rounds(5) {
            let told: Queue<u32> = node.anonymous(QueueOptions::new());
            let child = node.spawn("holds", holds, (lock.clone(), told.clone())).unwrap();
            let pid = told.get().unwrap();
            assert_eq!(lock.holder().unwrap().map(|holder| holder.pid), Some(pid));
            std::thread::scope(|scope| {
                let waits =
                    scope.spawn(|| lock.lock_timeout(WITHIN).unwrap().map(|guard| guard.was_abandoned()));
                pause(random.time(Duration::from_millis(2)));
                if random.below(2) == 0 {
                    send_signal(pid, 19);
                    eventually("it is stopped", || stop_state(pid) == Some('T'));
                }
                let begun = Instant::now();
                kill(&child);
                assert_eq!(waits.join().unwrap(), Some(true), "within {:?}", begun.elapsed());
            });
            assert!(child.join().is_err());
            assert!(!lock.lock().unwrap().was_abandoned(), "only the next one is told");
        }
    }
}

/// > Whoever waits for a lock and is killed is waited for by nobody.
#[test]
fn one_that_is_killed_while_it_waits_keeps_nobody_from_the_lock() {
    fn wants(_: &Node, (lock, told): (Lock, Queue<u32>)) {
        told.put_confirmed(std::process::id()).unwrap();
        loop {
            drop(lock.lock().unwrap());
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let lock = lock(&node);
    let mut random = Random::new();
    for _ in 0..rounds(5) {
        let told: Queue<u32> = node.anonymous(QueueOptions::new());
        let children: Vec<_> =
            (0..3).map(|_| node.spawn("wants", wants, (lock.clone(), told.clone())).unwrap()).collect();
        let guard = lock.lock_timeout(WITHIN).unwrap().unwrap();
        let pids: Vec<u32> = children.iter().map(|_| told.get().unwrap()).collect();
        pause(random.time(Duration::from_millis(2)));
        // Killed while they wait, or just as they are chosen.
        if random.below(2) == 0 {
            drop(guard);
        } else {
            send_signal(pids[0], 9);
            drop(guard);
        }
        for child in &children[..2] {
            kill(child);
        }
        assert!(lock.lock_timeout(WITHIN).unwrap().is_some());
        kill(&children[2]);
        assert!(lock.lock_timeout(WITHIN).unwrap().is_some());
        for child in children {
            assert!(child.join().is_err());
        }
    }
}

/// > When the owner of a lock has ended, all who wait and all who come are told.
#[test]
fn all_who_wait_are_told_when_the_owner_of_a_lock_is_killed() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    for round in 0..rounds(3) {
        let name = format!("/owned/{round}");
        let owner = node.spawn("owner", own, name.clone()).unwrap();
        let lock: Lock = node.open_timeout(&name, PATIENCE).unwrap();
        let rw: RwLock = node.open_timeout(&format!("{name}/rw"), PATIENCE).unwrap();
        let semaphore: Semaphore = node.open_timeout(&format!("{name}/semaphore"), PATIENCE).unwrap();
        let guard = lock.lock().unwrap();
        let permit = semaphore.acquire().unwrap();
        let written = rw.write().unwrap();
        std::thread::scope(|scope| {
            let ends = [
                scope.spawn(|| lock.lock().map(drop)),
                scope.spawn(|| lock.lock_timeout(PATIENCE).map(drop)),
                scope.spawn(|| semaphore.acquire().map(drop)),
                scope.spawn(|| semaphore.acquire_timeout(PATIENCE).map(drop)),
                scope.spawn(|| rw.read().map(drop)),
                scope.spawn(|| rw.write().map(drop)),
            ];
            pause(Duration::from_millis(round % 5));
            kill(&owner);
            for end in ends {
                assert_eq!(end.join().unwrap(), Err(LockError::Disconnected));
            }
        });
        drop((guard, permit, written));
        assert_eq!(lock.try_lock().unwrap_err(), LockError::Disconnected);
        assert_eq!(semaphore.release(1), Err(ReleaseError::Lock(LockError::Disconnected)));
        assert_eq!(rw.try_read().unwrap_err(), LockError::Disconnected);
        assert!(owner.join().is_err());
    }
}

/// > A stopped holder costs others at most their own timeouts.
#[test]
fn a_stopped_holder_or_owner_costs_others_at_most_their_timeouts() {
    let node = Node::start().unwrap();
    let theirs = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let lock: Lock = node.open_timeout("/theirs", PATIENCE).unwrap();
    let told: Queue<u32> = node.anonymous(QueueOptions::new());
    let child = node.spawn("holds", holds, (lock.clone(), told.clone())).unwrap();
    send_signal(told.get().unwrap(), 19);
    assert!(lock.lock_timeout(SOON).unwrap().is_none());
    kill(&child);
    assert!(lock.lock_timeout(WITHIN).unwrap().unwrap().was_abandoned());
    // The owner is needed only once somebody dies, and when somebody comes for the first time.
    send_signal(theirs.pid(), 19);
    eventually("it is stopped", || stop_state(theirs.pid()) == Some('T'));
    drop(lock.lock().unwrap());
    let new: Semaphore = node.open("/theirs/semaphore").unwrap();
    assert_eq!(new.acquire_timeout(SOON).unwrap_err(), LockError::Unresponsive);
    send_signal(theirs.pid(), 18);
    assert!(new.acquire_timeout(WITHIN).unwrap().is_some());
}

#[test]
fn a_lock_travels_in_values_and_lies_by_thousands_in_little_memory() {
    fn takes_all(_: &Node, locks: Queue<Lock>) -> usize {
        let locks: Vec<Lock> = locks.iter().collect();
        let guards: Vec<_> = locks.iter().map(|lock| lock.lock().unwrap()).collect();
        guards.len()
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let queue: Queue<Lock> = node.anonymous(QueueOptions::new());
    let child = node.spawn("takes all", takes_all, queue.clone()).unwrap();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    for _ in 0..2_000 {
        queue.put(lock(&node)).unwrap();
    }
    queue.close().unwrap();
    assert_eq!(child.join().unwrap(), 2_000);
    // Other tests of this file have theirs beside it.
    assert!(descriptors() < before + 1_000);
}

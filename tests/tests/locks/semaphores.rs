//! Semaphores: permits that come back.

use super::*;

/// > Permits of the dead come back, and none is doubled.
#[test]
fn permits_of_a_killed_process_come_back_and_none_is_doubled() {
    fn takes(_: &Node, (semaphore, told, count): (Semaphore, Queue<u32>, u32)) {
        let _permit = semaphore.acquire_many(count).unwrap();
        semaphore.release(1).unwrap();
        stay(&told);
    }
    fn storms(_: &Node, (semaphore, told): (Semaphore, Queue<u32>)) {
        told.put_confirmed(std::process::id()).unwrap();
        loop {
            drop(semaphore.acquire_timeout(SOON).unwrap());
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let mut random = Random::new();
    let semaphore: Semaphore = node.anonymous(SemaphoreOptions::new(3));
    let mut permits = 3;
    for _ in 0..rounds(5) {
        let told: Queue<u32> = node.anonymous(QueueOptions::new());
        let child = node.spawn("takes", takes, (semaphore.clone(), told.clone(), 3)).unwrap();
        let pid = told.get().unwrap();
        permits += 1;
        let holds: Vec<_> =
            semaphore.holders().unwrap().iter().map(|(who, count)| (who.pid, *count)).collect();
        assert_eq!((holds, semaphore.available()), (vec![(pid, 3)], Ok(permits - 3)));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                semaphore.acquire_many_timeout(permits, WITHIN).unwrap().map(|permit| permit.count())
            });
            kill(&child);
            assert_eq!(waits.join().unwrap(), Some(permits));
        });
        assert!(child.join().is_err());
        // Killed at any instant of taking and giving back.
        let children: Vec<_> = (0..3)
            .map(|_| node.spawn("storms", storms, (semaphore.clone(), told.clone())).unwrap())
            .collect();
        children.iter().for_each(|_| assert!(told.get().is_ok()));
        pause(random.time(Duration::from_millis(3)));
        for child in children {
            kill(&child);
            assert!(child.join().is_err());
        }
        eventually("all permits are back", || semaphore.available() == Ok(permits));
        assert_eq!(semaphore.holders(), Ok(vec![]));
    }
}

/// > A bounded semaphore never has more permits than it began with.
#[test]
fn permits_are_bounded_used_up_and_added() {
    let node = Node::start().unwrap();
    let bounded: Semaphore = node.anonymous(SemaphoreOptions::bounded(2));
    assert_eq!(bounded.release(1), Err(ReleaseError::TooMany { most: 2 }));
    let permit = bounded.acquire().unwrap();
    assert_eq!(bounded.release(1), Err(ReleaseError::TooMany { most: 2 }));
    permit.use_up();
    assert_eq!(bounded.available(), Ok(1));
    assert_eq!(bounded.release(1), Ok(()));
    assert!(bounded.try_acquire_many(3).unwrap().is_none());
    assert!(bounded.acquire_many_timeout(3, SOON).unwrap().is_none());
    assert_eq!(bounded.acquire_many(0).unwrap().count(), 0);
    let none: Semaphore = node.anonymous(SemaphoreOptions::new(0));
    assert!(none.try_acquire().unwrap().is_none());
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| none.acquire_timeout(WITHIN).unwrap().is_some());
        none.release(1).unwrap();
        assert!(waits.join().unwrap());
    });
}

/// > A try that finds no permit changes nothing.
#[test]
fn a_try_that_finds_no_permit_gives_back_none_of_those_that_are_held() {
    let node = Node::start().unwrap();
    let semaphore: Semaphore = node.anonymous(SemaphoreOptions::new(2));
    let all = semaphore.acquire_many(2).unwrap();
    for _ in 0..2 {
        assert!(semaphore.try_acquire().unwrap().is_none());
        assert!(semaphore.try_acquire_many(2).unwrap().is_none());
        assert!(semaphore.acquire_timeout(Duration::ZERO).unwrap().is_none());
        assert!(semaphore.acquire_timeout(SOON).unwrap().is_none());
    }
    assert_eq!(semaphore.available(), Ok(0));
    drop(all);
    assert_eq!(semaphore.available(), Ok(2));
}

#[test]
fn more_processes_than_a_semaphore_is_made_for_are_refused_until_one_has_gone() {
    fn uses(_: &Node, semaphore: Semaphore) -> Result<(), String> {
        semaphore.acquire().map(drop).map_err(|error| error.to_string())
    }
    let node = Node::start().unwrap();
    let semaphore: Semaphore = node.anonymous(SemaphoreOptions::new(1).processes(1));
    node.spawn("uses", uses, semaphore.clone()).unwrap().join().unwrap().unwrap();
    eventually("its place is free", || semaphore.available().is_ok());
    let refused = node.spawn("uses", uses, semaphore.clone()).unwrap().join().unwrap().unwrap_err();
    assert!(refused.contains("used by 1 processes"), "{refused}");
}

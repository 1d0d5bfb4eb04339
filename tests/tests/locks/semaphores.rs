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

/// > A process that is stopped keeps what permits it holds, and keeps nobody from taking, adding and giving back others.
#[test]
fn a_process_that_is_stopped_at_whatever_instruction_keeps_nobody_from_permits() {
    fn storms(_: &Node, (semaphore, told): (Semaphore, Queue<u32>)) {
        told.put_confirmed(std::process::id()).unwrap();
        loop {
            drop(semaphore.acquire().unwrap());
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let mut random = Random::new();
    // One for each of those that may be stopped with it in hand, and one more.
    let semaphore: Semaphore = node.anonymous(SemaphoreOptions::bounded(3));
    let told: Queue<u32> = node.anonymous(QueueOptions::new());
    let children: Vec<_> =
        (0..2).map(|_| node.spawn("storms", storms, (semaphore.clone(), told.clone())).unwrap()).collect();
    children.iter().for_each(|_| assert!(told.get().is_ok()));
    for _ in 0..rounds(20) {
        pause(random.time(Duration::from_millis(1)));
        children.iter().for_each(|child| send_signal(child.pid(), 19));
        for child in &children {
            eventually("it is stopped", || stop_state(child.pid()) == Some('T'));
        }
        // At whatever instruction they stand, this one does all it can do.
        let held: u32 = semaphore.holders().unwrap().iter().map(|(_, count)| count).sum();
        assert_eq!(semaphore.available(), Ok(3 - held));
        let permit = semaphore.acquire().unwrap();
        assert_eq!(semaphore.available(), Ok(2 - held));
        permit.use_up();
        assert_eq!(semaphore.release(1), Ok(()));
        assert_eq!(semaphore.release(1), Err(ReleaseError::TooMany { most: 3 }));
        let rest = semaphore.try_acquire_many(3 - held).unwrap();
        assert_eq!(rest.map(|permit| permit.count()), Some(3 - held));
        assert!(semaphore.acquire_many_timeout(4 - held, SOON).unwrap().is_none());
        children.iter().for_each(|child| send_signal(child.pid(), 18));
    }
    for child in children {
        kill(&child);
        assert!(child.join().is_err());
    }
    eventually("all permits are back", || semaphore.available() == Ok(3));
}

/// > More permits or processes than a semaphore can have are an error that says how many it can.
#[test]
fn more_permits_or_processes_than_a_semaphore_can_have_are_refused() {
    let (permits, processes) = (SemaphoreOptions::MOST_PERMITS, SemaphoreOptions::MOST_PROCESSES);
    let node = Node::start().unwrap();
    let wrong = [
        SemaphoreOptions::new(permits + 1),
        SemaphoreOptions::bounded(u32::MAX),
        SemaphoreOptions::new(1).processes(processes + 1),
    ];
    for options in wrong {
        let Err(LockError::System(reason)) = Semaphore::anonymous(&node, options) else {
            panic!("it was made")
        };
        assert!(reason.contains("1048575 permits and 2046 processes"), "{reason}");
        assert!(node.create::<Semaphore>("/wrong", options).is_err());
    }
    let options = SemaphoreOptions::new(permits).processes(processes);
    let semaphore = Semaphore::anonymous(&node, options).unwrap();
    let all = semaphore.acquire_many(permits).unwrap();
    assert_eq!(semaphore.release(1), Err(ReleaseError::TooMany { most: permits }));
    drop(all);
    assert_eq!(semaphore.available(), Ok(permits));
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

//! Latches between threads and processes, and when somebody is killed.

use std::time::{Duration, Instant};

use callboard::testing::job;
use callboard::{Latch, LatchError, LatchOptions, Node, ObjectError, Queue, QueueOptions, WaitAny, wait_any};
use callboard_tests::{PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

callboard::test_door!();

const SHORT: Duration = Duration::from_millis(30);

fn own(node: &Node, (name, count): (String, u64)) {
    let _latch: Latch = node.create(&name, LatchOptions::new(count)).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// Says that it is about to wait, and waits.
fn waits(_: &Node, (latch, told): (Latch, Queue<u64>)) -> bool {
    told.put_confirmed(1).unwrap();
    latch.wait().unwrap();
    latch.try_wait().unwrap()
}

/// > A latch opens for everybody when it is counted down to zero, by any number at a time, and stays open.
#[test]
fn a_latch_opens_for_everybody_and_stays_open() {
    let job = job();
    let _owner = job.spawn("owner", own, ("/theirs".to_owned(), 10)).unwrap();
    let remote: Latch = job.open_timeout("/theirs", PATIENCE).unwrap();
    for latch in [job.anonymous::<Latch>(LatchOptions::new(10)), remote] {
        let told: Queue<u64> = job.anonymous(QueueOptions::new());
        let child = job.spawn("waits", waits, (latch.clone(), told.clone())).unwrap();
        let thread = std::thread::spawn({
            let latch = latch.clone();
            move || latch.wait_timeout(PATIENCE)
        });
        assert_eq!(told.get(), Ok(1));
        let mut any = WaitAny::new(&job);
        let member = any.add(&latch);
        assert_eq!(any.try_wait(), None);
        assert_eq!(
            (latch.count_down_by(0), latch.count_down(), latch.count_down_by(8)),
            (Ok(10), Ok(9), Ok(1))
        );
        assert_eq!(
            (latch.left(), latch.try_wait(), latch.wait_timeout(Duration::ZERO)),
            (Ok(1), Ok(false), Ok(false))
        );
        assert_eq!(any.try_wait(), None);
        job.spawn("counts", |_, latch: Latch| assert_eq!(latch.count_down(), Ok(0)), latch.clone())
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
        assert!(child.join().unwrap());
        assert_eq!(thread.join().unwrap(), Ok(true));
        assert_eq!((latch.wait(), latch.wait_timeout(SHORT), latch.left()), (Ok(()), Ok(true), Ok(0)));
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
    }
    let open: Latch = job.anonymous(LatchOptions::new(0));
    assert_eq!((open.wait(), open.try_wait()), (Ok(()), Ok(true)));
}

/// > A latch is not counted down below zero: that is an error which says what is left, and changes nothing.
#[test]
fn a_latch_is_not_counted_down_below_zero() {
    let job = job();
    let latch: Latch = job.anonymous(LatchOptions::new(3));
    assert_eq!(latch.count_down_by(4), Err(LatchError::BelowZero { left: 3 }));
    assert_eq!(latch.count_down_by(u64::MAX), Err(LatchError::BelowZero { left: 3 }));
    assert_eq!(latch.count_down_by(3), Ok(0));
    assert_eq!(latch.count_down(), Err(LatchError::BelowZero { left: 0 }));
    assert_eq!((latch.count_down_by(0), latch.try_wait()), (Ok(0), Ok(true)));
}

/// > What several processes count down is exact: of as many as it takes the last one opens the latch, and no other.
#[test]
fn what_several_processes_count_down_is_exact() {
    const EACH: u64 = 500;
    fn counts(_: &Node, latch: Latch) -> u64 {
        (0..EACH).filter(|_| latch.count_down().unwrap() == 0).count() as u64
    }
    let job = job();
    let latch: Latch = job.anonymous(LatchOptions::new(4 * EACH));
    let children: Vec<_> = (0..3).map(|_| job.spawn("counts", counts, latch.clone()).unwrap()).collect();
    let own = counts(&job, latch.clone());
    assert_eq!(own + children.iter().map(|child| child.join().unwrap()).sum::<u64>(), 1);
    assert_eq!(latch.try_wait(), Ok(true));
}

/// > A wait for a latch keeps its timeout, also with the owner stopped.
#[test]
fn a_wait_keeps_its_timeout_also_with_the_owner_stopped() {
    let job = job();
    let owner = job.spawn("owner", own, ("/theirs".to_owned(), 1)).unwrap();
    let latch: Latch = job.open_timeout("/theirs", PATIENCE).unwrap();
    let begun = Instant::now();
    assert_eq!(latch.wait_timeout(SHORT), Ok(false));
    send_signal(owner.pid(), 19);
    eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
    assert_eq!(latch.wait_timeout(SHORT), Ok(false));
    assert_eq!(wait_any(&[&latch], Some(SHORT)), None);
    assert!(begun.elapsed() >= 3 * SHORT);
    send_signal(owner.pid(), 18);
    assert_eq!(latch.count_down(), Ok(0));
    assert_eq!(wait_any(&[&latch], Some(PATIENCE)), Some(0));
}

/// > The death of a latch's owner reaches everyone who waits; that of one who waits nobody, and what a process has counted stays counted.
#[test]
fn whoever_is_killed_nobody_waits_for_the_dead() {
    fn counts_and_stays(node: &Node, (latch, told): (Latch, Queue<u64>)) {
        latch.count_down().unwrap();
        told.put_confirmed(2).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let job = job();
    let mut random = Random::new();
    for round in 0..rounds(30) {
        let name = format!("/owned/{round}");
        let owner = job.process("owner").stderr_null().spawn(own, (name.clone(), 2)).unwrap();
        let latch: Latch = job.open_timeout(&name, PATIENCE).unwrap();
        let told: Queue<u64> = job.anonymous(QueueOptions::new());
        let waiter =
            || job.process("waits").stderr_null().spawn(waits, (latch.clone(), told.clone())).unwrap();
        let waiters = [waiter(), waiter()];
        let counter = job.process("counts").stderr_null();
        let counter = counter.spawn(counts_and_stays, (latch.clone(), told.clone())).unwrap();
        (0..3).for_each(|_| drop(told.get().unwrap().to_string()));
        pause(random.time(Duration::from_micros(300)));
        let victim = random.below(3);
        let pid = [owner.pid(), waiters[0].pid(), counter.pid()][victim as usize];
        if random.below(2) == 0 {
            send_signal(pid, 19);
        }
        send_signal(pid, 9);
        if victim == 0 {
            assert_eq!(latch.wait(), Err(ObjectError::Disconnected));
            assert_eq!(latch.count_down(), Err(LatchError::Disconnected));
            assert_eq!(wait_any(&[&latch], Some(PATIENCE)), Some(0));
            assert!(waiters.iter().all(|waiter| waiter.join().is_err()), "their waits fail, and they panic");
            continue;
        }
        assert_eq!(latch.count_down(), Ok(0));
        assert_eq!(waiters[0].join().is_ok(), victim != 1);
        assert!(waiters[1].join().unwrap());
        owner.kill().unwrap();
    }
}

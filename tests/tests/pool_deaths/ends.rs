//! Tasks that end their worker, in every way there is.

use std::time::Duration;

use callboard::pool::{PoolOptions, TaskError};
use callboard::testing::job;
use callboard::{Failure, JoinError, OutOfMemory};
use callboard_tests::{PATIENCE, kill_self, rounds};

use crate::scene::{Gate, goes_on, pool_of, square};

fn exits(code: i32) -> u64 {
    std::process::exit(code)
}

fn aborts(_: ()) -> u64 {
    std::process::abort()
}

fn is_killed(_: ()) -> u64 {
    kill_self()
}

/// Takes memory until there is none; it has little.
fn runs_out_of_memory(limit_bytes: u64) -> u64 {
    let limit = rustix::process::Rlimit { current: Some(limit_bytes), maximum: Some(limit_bytes) };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).unwrap();
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        // Asked for and not touched: a control group would end it before it is refused.
        all.push(std::hint::black_box(Vec::with_capacity(64 << 20)));
    }
}

fn overflows(depth: u64) -> u64 {
    let block = std::hint::black_box([depth; 512]);
    if depth == u64::MAX { 0 } else { overflows(depth + 1) + block[(depth % 512) as usize] }
}

fn panics(text: String) -> u64 {
    panic!("{text}")
}

/// > A task that ends its worker fails with how that ended: exit code, signal, abort, memory that ran out; no other fails.
#[test]
fn a_task_that_ends_its_worker_is_told_how_and_fails_alone() {
    let job = job();
    // A backtrace of the refused allocation would be printed before the abort, and hide what it was.
    let pool = job.pool(PoolOptions::new().workers(2).env("RUST_BACKTRACE", "0")).unwrap();
    for _ in 0..rounds(3) {
        let before: Vec<_> = (0..50).map(|n| pool.submit(square, n).unwrap()).collect();
        let exited = pool.submit(exits, 3).unwrap();
        let succeeded = pool.submit(exits, 0).unwrap();
        let aborted = pool.submit(aborts, ()).unwrap();
        let killed = pool.submit(is_killed, ()).unwrap();
        let without_memory = pool.submit(runs_out_of_memory, 1 << 30).unwrap();
        let without_stack = pool.submit(overflows, 0).unwrap();
        let after: Vec<_> = (0..50).map(|n| pool.submit(square, n).unwrap()).collect();
        let died = |result: Result<u64, TaskError>| match result {
            Err(TaskError::Died { pid: Some(_), why, had_returned: false }) => why,
            other => panic!("{other:?}"),
        };
        let signal = |why: JoinError| match why {
            JoinError::Signalled { signal, .. } => signal,
            other => panic!("{other:?}"),
        };
        assert_eq!(died(exited.result()), JoinError::Exited(3));
        assert_eq!(died(succeeded.result()), JoinError::Exited(0));
        assert_eq!(signal(died(aborted.result())), 6);
        assert_eq!(signal(died(killed.result())), 9);
        let ended = died(without_memory.result());
        assert!(matches!(ended, JoinError::OutOfMemory { how: OutOfMemory::Refused, .. }), "{ended:?}");
        // An overflow of the stack is an abort by the standard library, or a fault where that does not look.
        assert!([6, 11].contains(&signal(died(without_stack.result()))));
        for (n, task) in before.into_iter().chain(after).enumerate() {
            assert_eq!(task.result().unwrap(), square(n as u64 % 50));
        }
    }
    goes_on(&pool);
    assert!(pool.shutdown(PATIENCE));
}

/// > A task that panics leaves its worker alive; the error has message and place.
#[test]
fn a_task_that_panics_leaves_its_worker_alive() {
    let job = job();
    let gate = Gate::new(&job);
    let pool = pool_of(&job, crate::scene::WORKERS);
    let mut pids = gate.gather(&pool);
    let tasks: Vec<_> = (0..100).map(|n| pool.submit(panics, format!("number {n}")).unwrap()).collect();
    for (n, task) in tasks.into_iter().enumerate() {
        match task.result() {
            Err(TaskError::Panicked(panic)) => {
                assert_eq!(panic.message, format!("number {n}"));
                assert!(panic.place.contains("ends.rs:"), "{panic:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    let mut after = gate.gather(&pool);
    pids.sort_unstable();
    after.sort_unstable();
    assert_eq!(pids, after);
    assert!(pool.shutdown(PATIENCE));
}

/// > Workers that end in their initializer, in whatever way, end the pool with that as its reason, and not in a loop.
#[test]
fn workers_that_end_in_their_initializer_end_the_pool_with_the_reason() {
    fn ends(_: &mut callboard::pool::Worker, how: u64) -> Result<(), Failure> {
        match how {
            0 => std::process::exit(3),
            1 => std::process::abort(),
            2 => kill_self(),
            3 => panic!("no licence"),
            _ => Err(Failure::new("no licence")),
        }
    }
    for (how, reason) in ["code 3", "SIGABRT", "SIGKILL", "no licence", "no licence"].iter().enumerate() {
        let job = job();
        let options = PoolOptions::new().workers(2).initializer(ends, how as u64);
        let pool = job.pool(options).unwrap();
        let begun = std::time::Instant::now();
        match pool.apply(square, 3) {
            Err(
                callboard::pool::RunError::Task(TaskError::Broken(why))
                | callboard::pool::RunError::Submit(callboard::pool::SubmitError::Broken(why)),
            ) => assert!(why.contains(reason), "{why}"),
            other => panic!("{how}: {other:?}"),
        }
        assert!(begun.elapsed() < PATIENCE);
        let started = pool.stats().workers.len();
        assert!((5..20).contains(&started), "{started} were started");
        assert!(pool.shutdown(Duration::from_secs(30)));
    }
}

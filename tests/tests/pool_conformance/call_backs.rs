//! What call-backs of tasks are tested for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use callboard::pipeline::Workers;
use callboard::pool::{Pool, PoolOptions, Retries, TaskError};
use callboard::testing::{eventually, job};
use callboard::{Backoff, Node};
use callboard_tests::PATIENCE;

use crate::futures::in_each_state;
use crate::gate::{pool_of, square};

/// > A call-back is called once, whether the task is done before or after it is given, with a value, an error, or the cancellation.
fn a_call_back_is_called_once_in_each_state(mode: Workers) {
    let job = job();
    let (pool, gate, tasks) = in_each_state(&job, mode);
    let (told, heard) = channel();
    for (n, task) in tasks.into_iter().enumerate() {
        let told = told.clone();
        task.on_done(move |value| told.send((n, value)).unwrap());
    }
    gate.set().unwrap();
    assert!(pool.shutdown(PATIENCE));
    drop(told);
    let mut outcomes: Vec<_> = heard.into_iter().collect();
    outcomes.sort_unstable_by_key(|(n, _)| *n);
    let numbers: Vec<usize> = outcomes.iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    let mut values = outcomes.into_iter().map(|(_, value)| value);
    assert_eq!([values.next(), values.next()], [Some(Ok(7)), Some(Ok(8))]);
    assert_eq!([values.next(), values.next()], [Some(Err(TaskError::Cancelled)), Some(Ok(2))]);
    assert!(matches!(values.next(), Some(Err(TaskError::Panicked(_)))));
}

/// > A call-back may use the pool.
fn a_call_back_may_use_the_pool(mode: Workers) {
    static COUNTS: AtomicU64 = AtomicU64::new(0);
    /// Fails at every first time.
    fn second_time(n: u64) -> u64 {
        n + COUNTS.fetch_add(1, Ordering::Relaxed) % 2
    }
    let job = job();
    let pool = Arc::new(pool_of(&job, mode, 1));
    let (told, heard) = channel();
    for wait in [0, 20] {
        let its = Arc::clone(&pool);
        let again = Retries::up_to(9).backoff(Backoff::new(Duration::from_millis(wait + 1), PATIENCE));
        let retries = if wait == 0 { Retries::up_to(9) } else { again };
        let task = pool.task(second_time, 0).retries(retries).retry_if(|n| *n == 0).submit().unwrap();
        let told = told.clone();
        task.on_done(move |value| {
            assert_eq!(value, Ok(1));
            let next = its.submit(square, 6).unwrap();
            let told_next = told.clone();
            next.on_done(move |value| told_next.send(value).unwrap());
            told.send(Ok(its.stats().waiting as u64)).unwrap();
        });
        // Of an inline pool somebody must wait for something.
        assert_eq!(pool.submit(square, 2).unwrap().result(), Ok(4));
        let (mut calls, begun) = (Vec::new(), Instant::now());
        while calls.len() < 2 && begun.elapsed() < PATIENCE {
            let _ = pool.join_timeout(Duration::from_millis(30));
            calls.extend(heard.try_iter());
        }
        assert!(calls.contains(&Ok(36)), "{calls:?}");
    }
    // The last call-back may have it still.
    eventually("it is the test's alone", || Arc::strong_count(&pool) == 1);
    assert!(Arc::into_inner(pool).unwrap().shutdown(PATIENCE));
}

/// A pool that its tasks find. It stays as long as its process, which is for this alone.
static POOL: OnceLock<Pool> = OnceLock::new();
static CALLED: AtomicU64 = AtomicU64::new(0);

fn outer(n: u64) -> u64 {
    let pool = POOL.get().unwrap();
    pool.submit(square, n).unwrap().on_done(|value| {
        CALLED.store(value.unwrap() + pool.stats().waiting as u64, Ordering::Relaxed);
    });
    n
}

fn asks_an_inline_pool(node: &Node, n: u64) -> u64 {
    let pool = POOL.get_or_init(|| node.pool(PoolOptions::new().inline()).unwrap());
    assert_eq!(pool.apply(outer, n).unwrap(), n);
    CALLED.load(Ordering::Relaxed)
}

/// > A task of an inline pool may hand in others, and give them call-backs that use the pool.
#[test]
fn a_task_of_an_inline_pool_may_use_that_pool() {
    let job = job();
    let child = job.spawn("asks", asks_an_inline_pool, 5).unwrap();
    assert_eq!(child.join_timeout(PATIENCE), Ok(25));
}

in_every_way! { a_call_back_may_use_the_pool }
in_processes_and_threads! { a_call_back_is_called_once_in_each_state }

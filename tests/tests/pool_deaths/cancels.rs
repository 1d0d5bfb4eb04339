//! Tasks cancelled and killed at random while others run: each is settled once, and innocents have their values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use callboard::pipeline::Workers;
use callboard::pool::{Pool, PoolOptions, Task, TaskError};
use callboard::testing::job;
use callboard_tests::{PATIENCE, Random, pause, rounds};

use crate::scene::{WORKERS, square};

/// Takes so many milliseconds, and returns that.
fn takes(millis: u64) -> u64 {
    let until = std::time::Instant::now() + Duration::from_millis(millis);
    while std::time::Instant::now() < until {
        pause(until.saturating_duration_since(std::time::Instant::now()));
    }
    millis
}

/// Hands in a task that nobody cancels, and counts what comes of it.
fn innocent(pool: &Pool, n: u64) -> Arc<AtomicU32> {
    let count = Arc::new(AtomicU32::new(0));
    let its = Arc::clone(&count);
    pool.submit(square, n).unwrap().on_done(move |value| {
        // A wrong one would never be the single right one.
        its.fetch_add(if value == Ok(square(n)) { 1 } else { 1000 }, Ordering::Relaxed);
    });
    count
}

/// Cancels or kills a task from two threads at a time; what came of it agrees with what they were told.
fn end(task: Task<u64>, millis: u64, random: &mut Random) {
    let (first, second) = (random.below(3), random.below(3));
    let ask = |how: u64| match how {
        0 => task.cancel(),
        1 => task.kill(),
        _ => task.is_done() && task.cancel(),
    };
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| ask(first));
        let other = ask(second);
        (one.join().unwrap(), other)
    });
    match task.result() {
        Ok(value) => assert!(value == millis && !one && !other, "{value} of {millis}, {one}, {other}"),
        Err(error) => assert_eq!(error, TaskError::Cancelled),
    }
}

fn cancels_at_random(mode: Workers, rounds: u64) {
    let mut random = Random::new();
    let job = job();
    let pool = job.pool(PoolOptions::new().mode(mode).workers(WORKERS)).unwrap();
    for _ in 0..rounds {
        let mut counts = Vec::new();
        let mut guilty = Vec::new();
        for n in 0..200 {
            if random.below(8) == 0 {
                let millis = *random.pick(&[0, 0, 1, 3]);
                guilty.push((pool.submit(takes, millis).unwrap(), millis));
            } else {
                counts.push(innocent(&pool, n));
            }
        }
        while !guilty.is_empty() {
            let (task, millis) = guilty.swap_remove(random.below(guilty.len() as u64) as usize);
            pause(random.time(Duration::from_micros(300)));
            end(task, millis, &mut random);
        }
        callboard_tests::eventually("all innocents are settled", || {
            counts.iter().all(|count| count.load(Ordering::Relaxed) > 0)
        });
        let settled: Vec<u32> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert!(settled.iter().all(|count| *count == 1), "{settled:?}");
    }
    assert!(pool.shutdown(PATIENCE));
}

/// > Tasks that are cancelled and killed at random, by several at a time, are each settled once; no other task suffers.
#[test]
fn tasks_cancelled_and_killed_at_random_are_settled_once_in_processes() {
    cancels_at_random(Workers::Processes, rounds(8));
}

/// > So it is with threads, which are given up instead.
#[test]
fn tasks_cancelled_and_killed_at_random_are_settled_once_in_threads() {
    cancels_at_random(Workers::Threads, rounds(8));
}

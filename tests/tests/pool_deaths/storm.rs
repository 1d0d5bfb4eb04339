//! A pool whose workers are killed all along: every task has its right value, once, and nothing is left.
//!
//! `STORM_SECONDS=60 cargo test -p callboard-tests --test pool_deaths storm` goes on for a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callboard::pool::{Pool, PoolOptions, Retries};
use callboard::testing::{job, kill};
use callboard_tests::{PATIENCE, Random, pause};

const WORKERS: usize = 8;
const KILL_EVERY: Duration = Duration::from_millis(20);
/// How many tasks there are in a round: in each way to hand them in.
const MAPPED: u64 = 1500;
const SUBMITTED: u64 = 500;

/// Light, but for one in fifty, which takes a millisecond.
fn mixed(n: u64) -> u64 {
    if n.is_multiple_of(50) {
        let until = Instant::now() + Duration::from_millis(1);
        while Instant::now() < until {
            std::hint::black_box(n);
        }
    }
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Kills one worker after the other, each when a task has been done since the one before: where a start takes long nobody would come to work otherwise.
/// How many.
fn kills(pool: &Pool, is_over: &AtomicBool, done: &AtomicU64) -> u64 {
    let mut random = Random::new();
    let mut killed = 0;
    let mut done_before = u64::MAX;
    let mut next = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        next += KILL_EVERY;
        while Instant::now() < next {
            pause(next.saturating_duration_since(Instant::now()));
        }
        let (pids, done) = (pool.pids(), done.load(Ordering::Relaxed));
        if !pids.is_empty() && done != done_before {
            kill(*random.pick(&pids));
            killed += 1;
            done_before = done;
        }
    }
    killed
}

/// Hands in tasks in every way; each comes back with its value, once, and is counted.
fn round(pool: &Pool, first: u64, done: &Arc<AtomicU64>) {
    let counts: Arc<Vec<AtomicU64>> = Arc::new((0..SUBMITTED).map(|_| AtomicU64::new(0)).collect());
    for at in 0..SUBMITTED {
        let (counts, done, n) = (Arc::clone(&counts), Arc::clone(done), first + at);
        pool.submit(mixed, n).unwrap().on_done(move |value| {
            done.fetch_add(1, Ordering::Relaxed);
            let is_right = value.as_ref().is_ok_and(|value| *value == mixed(n));
            if !is_right {
                eprintln!("{n}: {value:?}");
            }
            counts[at as usize].fetch_add(if is_right { 1 } else { 1000 }, Ordering::Relaxed);
        });
    }
    let mut seen = vec![false; MAPPED as usize];
    for (at, value) in pool.each(mixed, first..first + MAPPED).unordered() {
        done.fetch_add(1, Ordering::Relaxed);
        assert_eq!(value.unwrap(), mixed(first + at));
        assert!(!std::mem::replace(&mut seen[at as usize], true), "{at} came twice");
    }
    assert!(seen.into_iter().all(|seen| seen));
    let last: Vec<_> = (0..WORKERS as u64).map(|n| pool.submit(mixed, n).unwrap()).collect();
    for (n, task) in last.into_iter().enumerate() {
        assert_eq!(task.result(), Ok(mixed(n as u64)));
        done.fetch_add(1, Ordering::Relaxed);
    }
    callboard_tests::eventually("all are settled", || {
        counts.iter().all(|count| count.load(Ordering::Relaxed) > 0)
    });
    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
}

/// > A pool of eight whose workers are killed every 20 ms, with retries: all values right, none twice, nothing hangs, nothing is left.
#[test]
fn a_pool_in_a_storm_of_kills_gives_every_value_once() {
    let seconds = std::env::var("STORM_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(3);
    let job = job();
    let pool = job.pool(PoolOptions::new().workers(WORKERS).retries(Retries::up_to(1000))).unwrap();
    let (is_over, done) = (AtomicBool::new(false), Arc::default());
    let (mut tasks, mut longest, begun) = (0, Duration::ZERO, Instant::now());
    let killed = std::thread::scope(|scope| {
        let killer = scope.spawn(|| kills(&pool, &is_over, &done));
        // Whatever fails here, the killer ends.
        let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while begun.elapsed() < Duration::from_secs(seconds) {
                let round_begun = Instant::now();
                round(&pool, tasks, &done);
                tasks += SUBMITTED + MAPPED + WORKERS as u64;
                longest = longest.max(round_begun.elapsed());
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        let killed = killer.join().unwrap();
        rounds.map(|()| killed).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let elapsed = begun.elapsed();
    eprintln!("{tasks} tasks and {killed} kills in {elapsed:.1?}; the longest round took {longest:.1?}");
    assert!(killed > 0 && tasks > 0);
    assert!(pool.shutdown(PATIENCE));
}

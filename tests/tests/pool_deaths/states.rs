//! Workers killed wherever they are in their lives, one of them and all at once, stopped before or not.

use std::time::Duration;

use callboard::Failure;
use callboard::pool::{PoolOptions, Task, TaskError, Worker};
use callboard::testing::{is_stopped, job, kill, stop};
use callboard_tests::{PATIENCE, Random, eventually, is_running, kill_self, pause, rounds};
use serde_bytes::ByteBuf;

use crate::scene::{Gate, Held, KILLS, WORKERS, goes_on, is_killed, pool_of, square, waits_at_gate};

/// > Workers killed while they start are replaced, and no task fails of it.
#[test]
fn workers_killed_while_they_start_are_replaced() {
    for kill in KILLS {
        let job = job();
        let pool = pool_of(&job, WORKERS);
        eventually("all have processes", || pool.pids().len() >= kill.count);
        let victims = kill.some_of(&pool.pids());
        let tasks: Vec<_> = (0..100).map(|n| pool.submit(square, n).unwrap()).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            match task.result() {
                Ok(value) => assert_eq!(value, square(n as u64), "{kill:?}"),
                // It was there already, and has had this task.
                Err(error) => assert!(is_killed(&error, &victims), "{kill:?}: {error}"),
            }
        }
        goes_on(&pool);
        assert!(pool.shutdown(PATIENCE));
    }
}

/// > Workers killed while their initializer runs are replaced, and no task fails of it.
#[test]
fn workers_killed_in_their_initializer_are_replaced() {
    fn begins(worker: &mut Worker, held: Held) -> Result<(), Failure> {
        waits_at_gate(held);
        worker.set_state(7_u64);
        Ok(())
    }
    for kill in KILLS {
        let job = job();
        let gate = Gate::new(&job);
        let pool = job.pool(PoolOptions::new().workers(WORKERS).initializer(begins, gate.args())).unwrap();
        let tasks: Vec<_> = (0..100).map(|n| pool.submit(square, n).unwrap()).collect();
        let pids = gate.wait_for(WORKERS);
        kill.some_of(&pids);
        if kill.count == WORKERS {
            // Another tries for all.
            gate.wait_for(1);
        }
        gate.open.set().unwrap();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.result().unwrap(), square(n as u64), "{kill:?}");
        }
        let state = pool.submit_to_worker(|worker, ()| worker.state::<u64>().copied(), ()).unwrap();
        assert_eq!(state.result(), Ok(Some(7)), "{kill:?}");
        assert!(pool.shutdown(PATIENCE));
    }
}

/// > Workers killed while they idle are replaced; what was handed in before that is noticed is done.
#[test]
fn idle_workers_that_are_killed_cost_no_task() {
    for kill in KILLS {
        let job = job();
        let gate = Gate::new(&job);
        let pool = pool_of(&job, WORKERS);
        for _ in 0..rounds(5) {
            let pids = gate.gather(&pool);
            kill.some_of(&pids);
            goes_on(&pool);
        }
        assert!(pool.shutdown(PATIENCE));
    }
}

/// > A task whose worker is killed while it runs fails with the signal and the process; all others have their values.
#[test]
fn workers_killed_while_they_run_a_task_fail_that_task_alone() {
    for kill in KILLS {
        let job = job();
        let gate = Gate::new(&job);
        let pool = pool_of(&job, WORKERS);
        let running = gate.one_a_worker(&pool);
        let waiting: Vec<_> = (0..100).map(|n| pool.submit(square, n).unwrap()).collect();
        let pids: Vec<u32> = running.iter().map(|(pid, _)| *pid).collect();
        let victims = kill.some_of(&pids);
        eventually("they are told", || running[..kill.count].iter().all(|(_, task)| task.is_done()));
        assert!(!running[kill.count..].iter().any(|(_, task)| task.is_done()), "{kill:?}");
        gate.open.set().unwrap();
        for (pid, task) in running {
            match task.result() {
                Err(error @ TaskError::Died { had_returned: false, pid: Some(of), .. }) => {
                    assert!(of == pid && is_killed(&error, &victims), "{kill:?}: {error}");
                }
                other => assert!(other == Ok(pid) && !victims.contains(&pid), "{kill:?}: {other:?}"),
            }
        }
        for (n, task) in waiting.into_iter().enumerate() {
            assert_eq!(task.result().unwrap(), square(n as u64), "{kill:?}");
        }
        goes_on(&pool);
        assert!(pool.shutdown(PATIENCE));
    }
}

/// > Of light tasks that travel together only those fail that end their worker: the values of those before outlive it, and those
/// > behind are done by others.
#[test]
fn values_that_a_killed_worker_had_not_told_outlive_it() {
    fn deadly(n: u64) -> u64 {
        if n % 3_001 == 3_000 {
            kill_self();
        }
        n * n
    }
    for chunk in [1, 64, 4096] {
        let job = job();
        let pool = pool_of(&job, 2);
        for by_itself in [false, true] {
            let outcomes = if by_itself {
                let tasks: Vec<_> = (0..20_000).map(|n| pool.submit(deadly, n).unwrap()).collect();
                tasks.into_iter().map(Task::result).collect()
            } else {
                pool.each(deadly, 0..20_000).chunk(chunk).outcomes().unwrap()
            };
            for (n, outcome) in outcomes.into_iter().enumerate() {
                let n = n as u64;
                match outcome {
                    Ok(value) => assert!(value == n * n && n % 3_001 != 3_000, "{n} in chunks of {chunk}"),
                    Err(TaskError::Died { had_returned, .. }) => {
                        assert!(n % 3_001 == 3_000 && !had_returned, "{n} in chunks of {chunk}");
                    }
                    Err(other) => panic!("{n} in chunks of {chunk}: {other}"),
                }
            }
        }
        assert!(pool.shutdown(PATIENCE));
    }
}

/// > Of a worker killed while it sends a large value the whole value comes, or an error.
#[test]
fn workers_killed_in_a_large_value_leave_a_whole_one_or_an_error() {
    const BYTES: usize = 16 << 20;
    fn large(held: Held) -> ByteBuf {
        let bytes = vec![7; BYTES];
        waits_at_gate(held);
        ByteBuf::from(bytes)
    }
    let mut random = Random::new();
    let (mut whole, mut lost) = (0, 0);
    for round in 0..rounds(5) {
        for kill in KILLS {
            let job = job();
            let gate = Gate::new(&job);
            let pool = pool_of(&job, WORKERS);
            let tasks: Vec<Task<ByteBuf>> =
                (0..WORKERS).map(|_| pool.submit(large, gate.args()).unwrap()).collect();
            let pids = gate.wait_for(WORKERS);
            gate.open.set().unwrap();
            pause(random.time(Duration::from_millis(if round % 2 == 0 { 8 } else { 40 })));
            let victims = kill.some_of(&pids);
            let mut failed = 0;
            for task in tasks {
                match task.result() {
                    Ok(bytes) => assert!(bytes.len() == BYTES && bytes.iter().all(|byte| *byte == 7)),
                    Err(error) => {
                        assert!(is_killed(&error, &victims), "{kill:?}: {error}");
                        failed += 1;
                    }
                }
            }
            assert!(failed <= kill.count, "{kill:?}: {failed} failed");
            lost += failed;
            whole += WORKERS - failed;
            goes_on(&pool);
        }
    }
    eprintln!("{whole} whole values, {lost} errors");
}

/// > What a worker holds and has not begun when it is killed is done by others.
#[test]
fn tasks_that_a_killed_worker_held_and_had_not_begun_are_done() {
    const LIGHT: u64 = 20 * WORKERS as u64;
    for kill in KILLS {
        let job = job();
        let gate = Gate::new(&job);
        let pool = pool_of(&job, WORKERS);
        eventually("light tasks are handed out ahead", || {
            // What tasks cost is known by now.
            goes_on(&pool);
            let running = gate.one_a_worker(&pool);
            let light: Vec<_> = (0..LIGHT).map(|n| pool.submit(square, n).unwrap()).collect();
            let is_ahead = pool.stats().waiting < LIGHT as usize;
            if is_ahead {
                let pids: Vec<u32> = running.iter().map(|(pid, _)| *pid).collect();
                kill.some_of(&pids);
            }
            gate.open.set().unwrap();
            let failed = running.into_iter().filter_map(|(_, task)| task.result().err()).count();
            assert!(failed <= if is_ahead { kill.count } else { 0 }, "{kill:?}: {failed}");
            for (n, task) in light.into_iter().enumerate() {
                assert_eq!(task.result().unwrap(), square(n as u64), "{kill:?}");
            }
            is_ahead
        });
        assert!(pool.shutdown(PATIENCE));
    }
}

/// > Whenever workers are killed, of the light tasks they hold each has its value, or an error that names them.
#[test]
fn light_tasks_have_their_values_or_an_error_whenever_workers_are_killed() {
    const TASKS: u64 = 2000;
    let mut random = Random::new();
    let job = job();
    let gate = Gate::new(&job);
    let pool = pool_of(&job, WORKERS);
    for _ in 0..rounds(10) {
        for kill in KILLS {
            let pids = gate.gather(&pool);
            let mut victims = Vec::new();
            let tasks: Vec<Task<u64>> = std::thread::scope(|scope| {
                let delay = random.time(Duration::from_millis(6));
                let killer = scope.spawn(move || {
                    pause(delay);
                    kill.some_of(&pids)
                });
                let tasks = (0..TASKS).map(|n| pool.submit(square, n).unwrap()).collect();
                victims = killer.join().unwrap();
                tasks
            });
            for (n, task) in tasks.into_iter().enumerate() {
                match task.result() {
                    Ok(value) => assert_eq!(value, square(n as u64), "{kill:?}"),
                    Err(error) => assert!(is_killed(&error, &victims), "{kill:?}: {error}"),
                }
            }
        }
    }
    assert!(pool.shutdown(PATIENCE));
}

/// > A stopped worker costs its task no more than the time limit, and one that had not begun is done by another worker.
#[test]
fn a_stopped_worker_is_replaced_after_the_time_limit() {
    let job = job();
    let gate = Gate::new(&job);
    let pool = pool_of(&job, 1);
    let limit = Duration::from_millis(200);
    let running = pool.task(waits_at_gate, gate.args()).time_limit(limit).submit().unwrap();
    let pid = gate.wait_for(1)[0];
    stop(pid);
    assert_eq!(running.result(), Err(TaskError::TimedOut(limit)));
    eventually("it is gone", || !is_running(pid));
    gate.open.set().unwrap();
    let next = pool.submit(waits_at_gate, gate.args()).unwrap().result().unwrap();
    assert_ne!(next, pid);
    stop(next);
    let not_begun = pool.task(square, 9).time_limit(limit).submit().unwrap();
    assert_eq!(not_begun.result(), Ok(81));
    eventually("it is gone", || !is_running(next));
    goes_on(&pool);
}

/// > A stopped worker keeps no pool from ending.
#[test]
fn a_pool_whose_workers_are_stopped_ends_all_the_same() {
    let job = job();
    let gate = Gate::new(&job);
    let pool = pool_of(&job, WORKERS);
    let running = gate.one_a_worker(&pool);
    running.iter().for_each(|(pid, _)| stop(*pid));
    let pids: Vec<u32> = running.iter().map(|(pid, _)| *pid).collect();
    drop(pool);
    for (_, task) in running {
        assert_eq!(task.result(), Err(TaskError::Cancelled));
    }
    eventually("they are gone", || !pids.iter().any(|pid| is_running(*pid)));
    let pool = pool_of(&job, WORKERS);
    let pids = gate.gather(&pool);
    stop(pids[0]);
    eventually("it is stopped", || is_stopped(pids[0]));
    kill(pids[1]);
    assert!(!pool.shutdown(Duration::from_millis(50)), "it does not end by itself");
    eventually("they are gone", || !pids.iter().any(|pid| is_running(*pid)));
}

//! What the ends of executors are tested for.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use callboard::pipeline::Workers;
use callboard::pool::{PoolOptions, SubmitError, TaskError};
use callboard::testing::{eventually, is_running, job};
use callboard::{Node, Queue, QueueOptions};
use callboard_tests::{PATIENCE, none_runs};

use crate::gate::{at_gate, gate, pool_of, running, square, squares};

/// > A closed pool takes no more, in any way, and says so; closing it again changes nothing.
fn a_closed_pool_takes_no_more(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 2);
    let before = pool.submit(square, 3).unwrap();
    std::thread::scope(|scope| {
        (0..3).for_each(|_| drop(scope.spawn(|| pool.close())));
    });
    assert!(matches!(pool.submit(square, 1), Err(SubmitError::Closed)));
    assert!(matches!(pool.task(square, 1).try_submit(), Err(SubmitError::Closed)));
    assert!(pool.map(square, 0..3).is_err());
    assert!(pool.each(square, 0..3).ordered().next().unwrap().is_err());
    assert!(pool.each(square, 0..3).outcomes().is_err());
    assert_eq!(before.result(), Ok(9));
    assert!(pool.join_timeout(PATIENCE) && pool.join_timeout(PATIENCE));
    assert!(pool.shutdown(PATIENCE));
}

/// > A shutdown has everything done that was handed in, and its workers are gone then.
fn a_shutdown_has_everything_done(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    for workers in [1, 5] {
        let pool = pool_of(&job, mode, workers);
        gate.clear().unwrap();
        let tasks: Vec<_> = (0..50).map(|n| at_gate(&pool, &gate, n)).collect();
        gate.set().unwrap();
        let pids = pool.pids();
        assert!(pool.shutdown(PATIENCE));
        assert!(!pids.into_iter().any(is_running));
        for (n, task) in tasks.into_iter().enumerate() {
            assert!(task.is_done());
            assert_eq!(task.result(), Ok(n as u64));
        }
    }
    // One that has nothing to do, or has just begun, ends too.
    for _ in 0..10 {
        assert!(pool_of(&job, mode, 3).shutdown(PATIENCE));
    }
}

/// > A shutdown keeps its timeout; what was not done by then is cancelled.
fn a_shutdown_keeps_its_timeout(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 2);
    let tasks: Vec<_> = (0..10).map(|n| at_gate(&pool, &gate, n)).collect();
    let (begun, timeout) = (Instant::now(), Duration::from_millis(50));
    // Threads can't be killed, but are given up.
    assert!(!pool.shutdown(timeout));
    assert!(begun.elapsed() >= timeout && begun.elapsed() < PATIENCE);
    for task in tasks {
        assert_eq!(task.result(), Err(TaskError::Cancelled));
    }
    gate.set().unwrap();
}

/// > Of fifty tasks those that have not begun are cancelled, the others come to their end, and the shutdown waits for them alone.
fn those_that_wait_are_cancelled_and_the_others_done(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 2);
    let first = [running(&pool, &gate, 100), running(&pool, &gate, 101)];
    let tasks: Vec<_> = (0..48).map(|n| at_gate(&pool, &gate, n)).collect();
    pool.close();
    let cancelled = tasks.iter().filter(|task| task.cancel()).count();
    assert_eq!(cancelled, 48);
    assert!(!first.iter().any(|task| task.cancel()));
    gate.set().unwrap();
    assert!(pool.shutdown(PATIENCE));
    assert_eq!(first.map(|task| task.result().unwrap()), [100, 101]);
    assert!(tasks.into_iter().all(|task| task.result() == Err(TaskError::Cancelled)));
}

/// > A pool dropped in the middle of a map or of its start leaves nothing.
fn a_pool_dropped_in_the_middle_leaves_nothing(mode: Workers) {
    let job = job();
    for taken in [0, 1, 10, 50] {
        let pool = pool_of(&job, mode, 3);
        let values: Vec<u64> = pool.each(square, 0..).ordered().take(taken).map(Result::unwrap).collect();
        assert_eq!(values, squares(0..taken as u64));
        drop(pool);
    }
    for _ in 0..10 {
        drop(pool_of(&job, mode, 3));
    }
}

/// > A node that ends while its pool has work settles all tasks, and the pool says that it takes no more.
fn a_node_that_ends_settles_all_tasks_of_its_pools(mode: Workers) {
    let check = callboard::testing::LeakCheck::new();
    {
        let elsewhere = Node::start().unwrap();
        let gate = gate(&elsewhere);
        let node = Node::start().unwrap();
        let own: Queue<u64> = node.anonymous(QueueOptions::new());
        let pool = pool_of(&node, mode, 2);
        fn waits(queue: Queue<u64>) -> u64 {
            queue.get().unwrap_or(0)
        }
        let tasks: Vec<_> = (0..10).map(|_| pool.submit(waits, own.clone()).unwrap()).collect();
        drop(own);
        drop(node);
        for task in tasks {
            let outcome = task.result();
            assert!(outcome.is_err() || outcome == Ok(0), "{outcome:?}");
        }
        assert!(pool.submit(square, 1).is_err());
        drop(pool);
        gate.set().unwrap();
    }
    check.check();
}

/// A program that ends while it has a pool, in one of several ways. Inert in a run of tests.
#[test]
fn a_program_that_ends_with_a_pool() {
    let Ok(how) = std::env::var("CALLBOARD_TEST_ENDS") else { return };
    fn notes((path, n): (String, u64)) -> u64 {
        std::fs::write(format!("{path}/{n}"), std::process::id().to_string()).unwrap();
        n
    }
    let path = std::env::var("CALLBOARD_TEST_PATH").unwrap();
    let node = Node::start().unwrap();
    let pool = node.pool(PoolOptions::new().workers(2)).unwrap();
    let tasks: Vec<_> = (0..100).map(|n| pool.submit(notes, (path.clone(), n)).unwrap()).collect();
    match how.as_str() {
        "shutdown" => assert!(pool.shutdown(PATIENCE)),
        "close" => {
            pool.close();
            pool.join().unwrap();
        }
        "drop" => drop(pool),
        "forget" => std::mem::forget(pool),
        _ => std::process::exit(7),
    }
    drop(tasks);
}

/// > A program that shuts its pool down has all its work done when it ends; one that does not ends all the same. No worker is left.
#[test]
fn a_program_with_a_pool_ends_however_it_leaves_it() {
    for how in ["shutdown", "close", "drop", "forget", "exit"] {
        let folder = tempfile::tempdir().unwrap();
        let mut program = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "shutdowns::a_program_that_ends_with_a_pool", "--nocapture"])
            .env("CALLBOARD_TEST_ENDS", how)
            .env("CALLBOARD_TEST_PATH", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut status = None;
        eventually("it ends", || {
            status = program.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(if how == "exit" { 7 } else { 0 }), "{how}");
        let files: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() == 100 || !["shutdown", "close"].contains(&how), "{how}: {}", files.len());
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        let pids: Vec<u32> = files.into_iter().filter_map(|path| text(path).parse().ok()).collect();
        none_runs("no worker is left", &pids);
    }
}

in_every_way! { a_closed_pool_takes_no_more, a_pool_dropped_in_the_middle_leaves_nothing }
in_processes_and_threads! {
    a_shutdown_has_everything_done,
    a_shutdown_keeps_its_timeout,
    those_that_wait_are_cancelled_and_the_others_done,
    a_node_that_ends_settles_all_tasks_of_its_pools,
}

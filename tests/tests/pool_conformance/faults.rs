//! Faults that were seen in CPython's pools and executors, each as the promise that it is not so here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc::channel};

use callboard::JoinError;
use callboard::pipeline::Workers;
use callboard::pool::{TaskError, TaskState};
use callboard::testing::{job, kill};
use callboard_tests::{PATIENCE, eventually, is_running};

use crate::gate::{at_gate, even, gate, pool_of, process, running, square, squares};

/// > With one worker killed a long task of another and all that wait have their values.
#[test]
fn a_killed_worker_costs_no_innocent_task_its_value() {
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, Workers::Processes, 2);
    let doomed_pid = pool.apply(process, ()).unwrap();
    let first = running(&pool, &gate, 1);
    let second = running(&pool, &gate, 2);
    let waiting: Vec<_> = (0..5).map(|n| pool.submit(square, n).unwrap()).collect();
    kill(doomed_pid);
    eventually("one is told", || first.is_done() || second.is_done());
    assert!(!(first.is_done() && second.is_done()));
    gate.set().unwrap();
    let outcomes = [first.result(), second.result()];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    for outcome in outcomes {
        let Err(error) = outcome else { continue };
        assert!(
            matches!(error, TaskError::Died { pid: Some(pid), why: JoinError::Signalled { signal: 9, .. }, .. } if pid == doomed_pid)
        );
    }
    for (n, task) in waiting.into_iter().enumerate() {
        assert_eq!(task.result(), Ok(square(n as u64)));
    }
    assert!(pool.shutdown(PATIENCE));
}

/// > Of four tasks for one worker only the one that runs can't be cancelled, also if the worker was given the others ahead.
fn what_a_worker_was_given_ahead_is_cancelled(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 1);
    let mut is_ahead = false;
    eventually("a worker is given tasks ahead", || {
        gate.clear().unwrap();
        // What tasks cost is known by now.
        (0..200).for_each(|n| assert_eq!(pool.apply(square, n).unwrap(), square(n)));
        let first = running(&pool, &gate, 1);
        let others: Vec<_> = (0..3).map(|n| pool.submit(square, n).unwrap()).collect();
        is_ahead |= pool.stats().waiting == 0;
        assert!(others.iter().all(|task| task.state() == TaskState::Pending));
        assert!(!first.cancel());
        assert!(others.iter().all(|task| task.cancel()));
        gate.set().unwrap();
        assert_eq!(first.result(), Ok(1));
        for task in others {
            assert_eq!(task.result(), Err(TaskError::Cancelled));
        }
        is_ahead
    });
    assert!(pool.shutdown(PATIENCE));
}

/// > Of inputs without an end no more are read than the workers need, also if values are taken slowly.
fn inputs_are_read_no_further_than_needed(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 1);
    let read = AtomicU64::new(0);
    let inputs = std::iter::from_fn(|| Some(read.fetch_add(1, Ordering::Relaxed)));
    let mut values = pool.each(process_and, inputs).ordered();
    assert_eq!(values.next().unwrap().unwrap(), 0);
    assert!(read.load(Ordering::Relaxed) <= 16, "{read:?} were read for the first value");
    // Nobody reads while nobody takes: inputs are read by whoever takes values.
    let before = read.load(Ordering::Relaxed);
    pool.map(square, 0..1000).unwrap();
    assert_eq!(read.load(Ordering::Relaxed), before);
    drop(values);
    let mut few = pool.each(square, 0..).ahead(5).ordered();
    (0..100).for_each(|n| assert_eq!(few.next().unwrap().unwrap(), square(n)));
    drop(few);
    assert!(pool.shutdown(PATIENCE));
}

fn process_and(n: u64) -> u64 {
    let _ = process(());
    n
}

/// > With all idle workers killed the pool does what is handed in next, and it ends.
#[test]
fn a_pool_whose_idle_workers_are_all_killed_works_and_ends() {
    let job = job();
    for is_dropped in [false, true] {
        let pool = pool_of(&job, Workers::Processes, 2);
        for _ in 0..5 {
            assert_eq!(pool.map(square, 0..100).unwrap(), squares(0..100));
            let pids = pool.pids();
            pids.iter().for_each(|pid| kill(*pid));
            eventually("they are gone", || !pids.iter().any(|pid| is_running(*pid)));
            let task = pool.submit(square, 7).unwrap();
            assert_eq!(task.result(), Ok(49));
        }
        pool.pids().into_iter().for_each(kill);
        if is_dropped {
            drop(pool);
        } else {
            assert!(pool.shutdown(PATIENCE));
        }
    }
}

/// > A task that ends its process with an exit code is told so, and the pool can be closed and joined then.
#[test]
fn an_exit_in_a_task_is_told_and_a_close_and_join_end() {
    fn exits(code: i32) -> u64 {
        std::process::exit(code)
    }
    let job = job();
    for code in [0, 1, 77] {
        let pool = pool_of(&job, Workers::Processes, 2);
        let task = pool.submit(exits, code).unwrap();
        pool.close();
        assert!(pool.join_timeout(PATIENCE));
        let told =
            matches!(task.result(), Err(TaskError::Died { why: JoinError::Exited(of), .. }) if of == code);
        assert!(told);
    }
}

/// > A call-back that panics keeps no other from being called, nor any task from its value.
fn a_call_back_that_panics_harms_nobody(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 2);
    let (told, heard) = channel();
    for n in 0..50 {
        let told = told.clone();
        pool.submit(even, n).unwrap().on_done(move |value| {
            told.send((n, value.is_ok())).unwrap();
            assert!(!n.is_multiple_of(10), "this call-back always panics");
        });
    }
    assert_eq!(pool.apply(square, 3).unwrap(), 9);
    let mut all: Vec<(u64, bool)> = (0..50).map(|_| heard.recv_timeout(PATIENCE).unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, (0..50).map(|n| (n, n % 2 == 0)).collect::<Vec<_>>());
    assert!(pool.shutdown(PATIENCE));
    assert!(heard.try_recv().is_err(), "each is called once");
}

/// > After a pool was dropped each of its tasks has an outcome, whether one asks later or waits already.
fn tasks_of_a_dropped_pool_have_an_outcome(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 2);
    let done = pool.submit(square, 2).unwrap();
    eventually("it is done", || done.is_done());
    let first = running(&pool, &gate, 1);
    let others: Vec<_> = (0..20).map(|n| at_gate(&pool, &gate, n)).collect();
    let calls = Arc::new(AtomicU64::new(0));
    for n in 0..5 {
        let calls = Arc::clone(&calls);
        at_gate(&pool, &gate, n).on_done(move |value| {
            assert_eq!(value, Err(TaskError::Cancelled));
            calls.fetch_add(1, Ordering::Relaxed);
        });
    }
    let waiter = std::thread::spawn(move || first.result());
    drop(pool);
    assert_eq!(waiter.join().unwrap(), Err(TaskError::Cancelled));
    assert_eq!(done.result(), Ok(4));
    for task in others {
        assert_eq!(task.result(), Err(TaskError::Cancelled));
    }
    eventually("all call-backs came", || calls.load(Ordering::Relaxed) == 5);
    // Threads can't be killed: their tasks come to their end.
    gate.set().unwrap();
}

in_every_way! { inputs_are_read_no_further_than_needed, a_call_back_that_panics_harms_nobody }
in_processes_and_threads! { what_a_worker_was_given_ahead_is_cancelled, tasks_of_a_dropped_pool_have_an_outcome }

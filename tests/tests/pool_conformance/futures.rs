//! What futures, `wait` and `as_completed` are tested for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use callboard::pipeline::Workers;
use callboard::pool::{Pool, Task, TaskError, TaskState, Until, as_completed, wait};
use callboard::testing::{eventually, job};
use callboard::{Event, Node};
use callboard_tests::PATIENCE;

use crate::gate::{at_gate, even, gate, pool_of, running};

/// Tasks in each state that there is: one that runs, one that waits, a cancelled one, one with a value and one that failed.
pub(crate) fn in_each_state(node: &Node, mode: Workers) -> (Pool, Event, [Task<u64>; 5]) {
    let gate = gate(node);
    let pool = pool_of(node, mode, 1);
    let done = pool.submit(even, 2).unwrap();
    let failed = pool.submit(even, 3).unwrap();
    eventually("they are done", || done.is_done() && failed.is_done());
    let runs = running(&pool, &gate, 7);
    let waits = at_gate(&pool, &gate, 8);
    let cancelled = at_gate(&pool, &gate, 9);
    assert!(cancelled.cancel());
    (pool, gate, [runs, waits, cancelled, done, failed])
}

/// > Where a task stands is told in each state, and only one that has not begun can be cancelled, as often as one likes.
fn the_state_of_a_task_and_what_a_cancel_does_in_each(mode: Workers) {
    let job = job();
    let (pool, gate, tasks) = in_each_state(&job, mode);
    let states: Vec<TaskState> = tasks.iter().map(Task::state).collect();
    let [done, pending, running] = [TaskState::Done, TaskState::Pending, TaskState::Running];
    assert_eq!(states, [running, pending, done, done, done]);
    let is_done: Vec<bool> = tasks.iter().map(Task::is_done).collect();
    assert_eq!(is_done, [false, false, true, true, true]);
    for _ in 0..2 {
        let cancels: Vec<bool> = tasks.iter().map(Task::cancel).collect();
        assert_eq!(cancels, [false, true, true, false, false]);
    }
    let kills: Vec<bool> = tasks[1..].iter().map(Task::kill).collect();
    assert_eq!(kills, [true, true, false, false], "a task that is done is not killed");
    gate.set().unwrap();
    let [runs, waits, cancelled, done, failed] = tasks.map(Task::result);
    assert_eq!((runs, waits, cancelled), (Ok(7), Err(TaskError::Cancelled), Err(TaskError::Cancelled)));
    assert_eq!(done, Ok(2));
    assert!(matches!(failed, Err(TaskError::Panicked(_))));
    assert!(pool.shutdown(PATIENCE));
}

/// > Who waits for a task is woken by its value, by its failure, and when it is cancelled.
fn who_waits_for_a_task_is_woken_whatever_comes_of_it(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 1);
    let first = running(&pool, &gate, 1);
    let second = Arc::new(at_gate(&pool, &gate, 2));
    let third = pool.submit(even, 3).unwrap();
    std::thread::scope(|scope| {
        let waits_first = scope.spawn(|| first.result());
        let its = Arc::clone(&second);
        let waits_second =
            scope.spawn(move || wait(std::slice::from_ref(&*its), Until::AllDone, Some(PATIENCE)));
        let waits_third = scope.spawn(|| third.result());
        assert!(second.cancel());
        assert_eq!(waits_second.join().unwrap(), (vec![0], vec![]));
        gate.set().unwrap();
        assert_eq!(waits_first.join().unwrap(), Ok(1));
        assert!(waits_third.join().unwrap().is_err());
    });
    assert!(pool.shutdown(PATIENCE));
}

/// > A wait for several tasks ends with the first, the first failure, or all, also if these were done before.
fn a_wait_ends_with_what_it_waits_for(mode: Workers) {
    let job = job();
    let (pool, gate, tasks) = in_each_state(&job, mode);
    // Two that are not done, a cancelled one, one with a value, one that failed.
    assert_eq!(wait(&tasks[..4], Until::FirstDone, None), (vec![2, 3], vec![0, 1]));
    assert_eq!(wait(&tasks, Until::FirstFailed, None), (vec![2, 3, 4], vec![0, 1]));
    assert_eq!(wait(&tasks[2..], Until::AllDone, None), (vec![0, 1, 2], vec![]));
    for millis in [0, 20] {
        let (timeout, begun) = (Duration::from_millis(millis), Instant::now());
        for until in [Until::FirstDone, Until::FirstFailed, Until::AllDone] {
            assert_eq!(wait(&tasks[..2], until, Some(timeout)), (vec![], vec![0, 1]), "{until:?}");
        }
        assert_eq!(wait(&tasks, Until::AllDone, Some(timeout)), (vec![2, 3, 4], vec![0, 1]));
        assert!(begun.elapsed() >= timeout * 4);
    }
    assert_eq!(wait::<u64>(&[], Until::AllDone, None), (vec![], vec![]));
    assert_eq!(wait::<u64>(&[], Until::FirstDone, None), (vec![], vec![]));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| wait(&tasks[..2], Until::FirstFailed, Some(PATIENCE)));
        gate.set().unwrap();
        assert_eq!(waits.join().unwrap(), (vec![0, 1], vec![]), "none failed, so all are done");
    });
    assert_eq!(wait(&tasks, Until::AllDone, None), (vec![0, 1, 2, 3, 4], vec![]));
    assert!(pool.shutdown(PATIENCE));
}

/// > A wait for the first failure ends with it while others run.
fn a_wait_for_the_first_failure_ends_while_others_run(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 2);
    let tasks = [running(&pool, &gate, 1), pool.submit(even, 2).unwrap(), pool.submit(even, 3).unwrap()];
    let (done, left) = wait(&tasks, Until::FirstFailed, Some(PATIENCE));
    assert!(done.contains(&2) && left.contains(&0));
    gate.set().unwrap();
    assert!(pool.shutdown(PATIENCE));
}

/// > A hundred tasks that end while several threads begin to wait for them let nobody wait on.
fn a_hundred_tasks_that_end_while_one_begins_to_wait(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 2);
    for _ in 0..10 {
        let gate = gate(&job);
        let tasks: Vec<_> = (0..100).map(|n| at_gate(&pool, &gate, n)).collect();
        std::thread::scope(|scope| {
            let waiters: Vec<_> =
                (0..4).map(|_| scope.spawn(|| wait(&tasks, Until::AllDone, Some(PATIENCE)))).collect();
            gate.set().unwrap();
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap().0.len(), 100);
            }
        });
    }
    assert!(pool.shutdown(PATIENCE));
}

/// > Tasks come as they are done, those first that were, each once; a timeout takes none away.
fn tasks_come_as_they_are_done(mode: Workers) {
    let job = job();
    let (pool, gate, tasks) = in_each_state(&job, mode);
    let mut all = as_completed(tasks);
    let mut first: Vec<usize> = (0..3).map(|_| all.next_timeout(PATIENCE).unwrap().0).collect();
    first.sort_unstable();
    assert_eq!(first, [2, 3, 4]);
    for millis in [0, 100] {
        assert!(all.next_timeout(Duration::from_millis(millis)).is_none());
    }
    assert_eq!((all.len(), all.is_empty()), (2, false));
    gate.set().unwrap();
    let mut rest: Vec<(usize, u64)> = all.by_ref().map(|(at, value)| (at, value.unwrap())).collect();
    rest.sort_unstable();
    assert_eq!(rest, [(0, 7), (1, 8)]);
    assert!(all.is_empty() && all.next().is_none());
    assert!(as_completed(Vec::<Task<u64>>::new()).next().is_none());
    assert!(pool.shutdown(PATIENCE));
}

/// Counts how often a future's executor is woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// > A task is a future: it wakes whoever polled it last, once, and is ready then.
fn a_task_is_a_future(mode: Workers) {
    let job = job();
    let (pool, gate, [runs, waits, cancelled, mut done, failed]) = in_each_state(&job, mode);
    let [early, wakes] = [Arc::new(Wakes::default()), Arc::new(Wakes::default())];
    let [early_waker, waker] = [Waker::from(Arc::clone(&early)), Waker::from(Arc::clone(&wakes))];
    let mut context = Context::from_waker(&waker);
    let mut tasks = [runs, waits];
    for task in &mut tasks {
        assert!(Pin::new(&mut *task).poll(&mut Context::from_waker(&early_waker)).is_pending());
        assert!(Pin::new(task).poll(&mut context).is_pending());
    }
    assert_eq!(Pin::new(&mut done).poll(&mut context), Poll::Ready(Ok(2)));
    for (mut task, is_cancelled) in [(cancelled, true), (failed, false)] {
        let Poll::Ready(Err(error)) = Pin::new(&mut task).poll(&mut context) else { panic!("it is done") };
        assert_eq!(error == TaskError::Cancelled, is_cancelled);
    }
    gate.set().unwrap();
    eventually("it is woken", || wakes.0.load(Ordering::Relaxed) == 2);
    for (n, mut task) in tasks.into_iter().enumerate() {
        assert_eq!(Pin::new(&mut task).poll(&mut context), Poll::Ready(Ok(7 + n as u64)));
    }
    assert_eq!(early.0.load(Ordering::Relaxed), 0);
    assert!(pool.shutdown(PATIENCE));
}

in_processes_and_threads! {
    the_state_of_a_task_and_what_a_cancel_does_in_each,
    who_waits_for_a_task_is_woken_whatever_comes_of_it,
    a_wait_ends_with_what_it_waits_for,
    a_wait_for_the_first_failure_ends_while_others_run,
    a_hundred_tasks_that_end_while_one_begins_to_wait,
    tasks_come_as_they_are_done,
    a_task_is_a_future,
}

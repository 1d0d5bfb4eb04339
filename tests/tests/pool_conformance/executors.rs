//! What executors and the lives of their workers are tested for.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use callboard::pipeline::Workers;
use callboard::pool::{PoolOptions, RunError, SubmitError, TaskError, TaskState, Worker};
use callboard::testing::{eventually, job};
use callboard::{Counter, CounterOptions, Failure};
use callboard_tests::PATIENCE;

use crate::gate::{at_gate, gate, pool_of, process, running, square, squares};

/// The number of the worker that it runs on.
fn number(worker: &mut Worker, _: ()) -> u64 {
    worker.number()
}

/// > An initializer runs once in each worker before its first task, and all of these see what it has made.
fn an_initializer_has_run_in_every_worker(mode: Workers) {
    fn begins(worker: &mut Worker, (counter, word): (Counter, String)) -> Result<(), Failure> {
        counter.add(1)?;
        worker.set_state(word);
        Ok(())
    }
    fn sees(worker: &mut Worker, _: ()) -> Option<String> {
        worker.state::<String>().cloned()
    }
    let job = job();
    let counter: Counter = job.anonymous(CounterOptions::new());
    let args = (counter.clone(), "ready".to_owned());
    let pool = job.pool(PoolOptions::new().mode(mode).workers(3).initializer(begins, args)).unwrap();
    let words = pool.each_on_worker(sees, vec![(); 100]).collect().unwrap();
    assert!(words.into_iter().all(|word| word.as_deref() == Some("ready")));
    let count = if mode == Workers::Inline { 1 } else { 3 };
    eventually("all have begun", || counter.get() == Ok(count));
    assert_eq!(pool.map(square, 0..100).unwrap(), squares(0..100));
    assert_eq!(counter.get(), Ok(count));
    assert!(pool.shutdown(PATIENCE));
}

/// > An initializer that always fails ends the pool: tasks that wait and those handed in later are told why.
fn an_initializer_that_always_fails_ends_the_pool(mode: Workers) {
    fn fails(_: &mut Worker, _: ()) -> Result<(), Failure> {
        Err(Failure::new("no licence"))
    }
    let job = job();
    let pool = job.pool(PoolOptions::new().mode(mode).workers(2).initializer(fails, ())).unwrap();
    let mut told = 0;
    for n in 0..20 {
        match pool.apply(square, n) {
            Err(RunError::Task(TaskError::Broken(why)) | RunError::Submit(SubmitError::Broken(why))) => {
                assert!(why.contains("no licence"), "{why}");
                told += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, 20);
    assert!(pool.map(square, 0..10).is_err());
    assert!(pool.shutdown(PATIENCE));
}

/// > A pool starts as many workers as it may have when that many tasks wait, and no more.
fn a_pool_starts_workers_up_to_its_greatest_number(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let pool = job.pool(PoolOptions::new().mode(mode).workers_between(0, 4)).unwrap();
    let tasks: Vec<_> = (0..15).map(|n| at_gate(&pool, &gate, n)).collect();
    let run = || tasks.iter().filter(|task| task.state() == TaskState::Running).count();
    eventually("four run", || run() == 4);
    assert_eq!(pool.stats().workers.iter().filter(|worker| worker.is_alive).count(), 4);
    gate.set().unwrap();
    assert!(tasks.into_iter().enumerate().all(|(n, task)| task.result() == Ok(n as u64)));
    assert_eq!(pool.max_workers(), 4);
    assert!(pool.shutdown(PATIENCE));
}

/// > A worker that idles has the next task: no other is started for it.
fn a_worker_that_idles_has_the_next_task(mode: Workers) {
    let job = job();
    let pool = job.pool(PoolOptions::new().mode(mode).workers_between(0, 8)).unwrap();
    let numbers: HashSet<u64> =
        (0..20).map(|_| pool.submit_to_worker(number, ()).unwrap().result().unwrap()).collect();
    assert_eq!(numbers.len(), 1, "{numbers:?}");
    let gate = gate(&job);
    // With two at once there is a second.
    let tasks = [running(&pool, &gate, 1), running(&pool, &gate, 2)];
    gate.set().unwrap();
    assert_eq!(tasks.map(|task| task.result().unwrap()), [1, 2]);
    for _ in 0..20 {
        pool.apply(square, 3).unwrap();
    }
    let started = pool.stats().workers.len();
    assert_eq!(started, 2, "{}", pool.stats());
    assert!(pool.shutdown(PATIENCE));
}

/// > Workers beyond the least number end when they have been idle for as long as they may, and come again.
fn workers_beyond_the_least_number_end_when_they_idle(mode: Workers) {
    let job = job();
    let options = PoolOptions::new().mode(mode).workers_between(1, 4).idle_timeout(Duration::from_millis(50));
    let pool = job.pool(options).unwrap();
    for _ in 0..2 {
        let gate = gate(&job);
        let tasks: Vec<_> = (0..4).map(|n| running(&pool, &gate, n)).collect();
        gate.set().unwrap();
        assert!(tasks.into_iter().enumerate().all(|(n, task)| task.result() == Ok(n as u64)));
        let alive = || pool.stats().workers.iter().filter(|worker| worker.is_alive).count();
        eventually("one is left", || alive() == 1);
    }
    assert!(pool.shutdown(PATIENCE));
}

/// > With a number of tasks for each worker's life all tasks are done, none by a worker beyond its number.
fn workers_are_replaced_after_their_number_of_tasks(mode: Workers) {
    let job = job();
    for (workers, most) in [(1, 1), (3, 1), (3, 10)] {
        let options = PoolOptions::new().mode(mode).workers(workers).tasks_per_worker(most);
        let pool = job.pool(options).unwrap();
        let mut counts: HashMap<u64, u64> = HashMap::new();
        let tasks: Vec<_> = (0..100).map(|_| pool.submit_to_worker(number, ()).unwrap()).collect();
        for task in tasks {
            *counts.entry(task.result().unwrap()).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count <= most), "{counts:?}");
        assert!(counts.len() as u64 >= 100 / most);
        assert_eq!(pool.map(square, 0..100).unwrap(), squares(0..100));
        assert!(pool.shutdown(PATIENCE));
    }
}

/// > Workers of one task each do all tasks of a pool that was closed while they waited.
fn a_pool_of_short_lived_workers_is_closed_with_tasks_that_wait(mode: Workers) {
    let job = job();
    for round in 0..5 {
        let pool = job.pool(PoolOptions::new().mode(mode).workers(3).tasks_per_worker(1)).unwrap();
        let tasks: Vec<_> = (0..6 + round).map(|n| pool.submit(square, n).unwrap()).collect();
        pool.close();
        assert!(pool.join_timeout(PATIENCE));
        for (n, task) in tasks.into_iter().enumerate() {
            assert!(task.is_done());
            assert_eq!(task.result(), Ok(square(n as u64)));
        }
    }
}

/// > A wait for the next value has a timeout, and what is left is not done when the values are dropped.
fn values_that_do_not_come_in_time_are_left(mode: Workers) {
    fn waits((gate, n): (callboard::Event, u64)) -> u64 {
        if n > 1 {
            gate.wait().unwrap();
        }
        n
    }
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 1);
    let inputs = (0..1000).map(|n| (gate.clone(), n));
    let mut values = pool.each(waits, inputs).chunk(1).ordered();
    assert_eq!(values.next_timeout(PATIENCE).unwrap().unwrap(), 0);
    assert_eq!(values.next_timeout(PATIENCE).unwrap().unwrap(), 1);
    assert!(values.next_timeout(Duration::from_millis(20)).is_none() && !values.is_over());
    drop(values);
    gate.set().unwrap();
    assert_eq!(pool.apply(square, 4).unwrap(), 16);
    let done = pool.stats().tasks();
    assert!(done < 20, "{done} tasks were done");
    assert!(pool.shutdown(PATIENCE));
}

/// > Threads of a pool have its name and their number.
#[test]
fn threads_have_the_name_of_their_pool() {
    fn name(_: ()) -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }
    let job = job();
    let pool = job.pool(PoolOptions::new().threads().workers(2).name("scales")).unwrap();
    for name in pool.map(name, vec![(); 20]).unwrap() {
        assert!(["scales-1", "scales-2"].contains(&name.as_deref().unwrap()), "{name:?}");
    }
    let pool = pool_of(&job, Workers::Threads, 1);
    assert_eq!(pool.apply(name, ()).unwrap().as_deref(), Some("worker-1"));
}

/// > Without a number of workers a pool has as many as this process may use processors.
#[test]
fn a_pool_has_as_many_workers_as_there_are_processors() {
    let job = job();
    let pool = job.pool(PoolOptions::new()).unwrap();
    assert_eq!(pool.max_workers(), std::thread::available_parallelism().unwrap().get());
    assert_eq!(pool.map(square, 0..20).unwrap(), squares(0..20));
    let nested = |worker: &mut Worker, ()| {
        let pool = worker.node().unwrap().pool(PoolOptions::new()).unwrap();
        assert_ne!(pool.apply(process, ()).unwrap(), std::process::id());
        pool.max_workers()
    };
    // The pools of all workers together have no more than there are processors, or one each.
    for mode in [Workers::Processes, Workers::Threads] {
        let all = job.pool(PoolOptions::new().mode(mode)).unwrap();
        let share = all.submit_to_worker(nested, ()).unwrap().result().unwrap();
        assert_eq!(share, 1, "{mode:?}");
    }
}

in_every_way! { an_initializer_has_run_in_every_worker, an_initializer_that_always_fails_ends_the_pool }
in_processes_and_threads! {
    a_pool_starts_workers_up_to_its_greatest_number,
    a_worker_that_idles_has_the_next_task,
    workers_beyond_the_least_number_end_when_they_idle,
    workers_are_replaced_after_their_number_of_tasks,
    a_pool_of_short_lived_workers_is_closed_with_tasks_that_wait,
    values_that_do_not_come_in_time_are_left,
}

//! What `multiprocessing.Pool` is tested for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use callboard::Node;
use callboard::pipeline::Workers;
use callboard::pool::{PoolOptions, RunError, TaskError};
use callboard::testing::{eventually, job};
use callboard_tests::PATIENCE;
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};

use crate::gate::{at_gate, even, gate, pool_of, running, square, squares};

/// > A task waits for its value up to a timeout, as often as one likes, and the task goes on.
fn a_result_with_a_timeout_leaves_the_task_alone(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 1);
    let mut task = at_gate(&pool, &gate, 5);
    for millis in [0, 1, 30] {
        let (timeout, begun) = (Duration::from_millis(millis), Instant::now());
        assert_eq!(task.result_timeout(timeout), Ok(None));
        assert!(begun.elapsed() >= timeout && begun.elapsed() < PATIENCE);
    }
    gate.set().unwrap();
    assert_eq!(task.result_timeout(PATIENCE), Ok(Some(5)));
    assert!(pool.shutdown(PATIENCE));
}

/// > Values come in the order of the inputs or as they come, in chunks of any size, and then no more.
fn values_come_in_order_or_as_they_come_and_end(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 3);
    for chunk in [1, 3, 100, 1000] {
        let mut ordered = pool.each(square, 0..100).chunk(chunk).ordered();
        for n in 0..100 {
            assert_eq!(ordered.next_timeout(PATIENCE).unwrap().unwrap(), square(n));
        }
        assert!(ordered.next().is_none() && ordered.next_timeout(PATIENCE).is_none() && ordered.is_over());
        let mut unordered = pool.each(square, 0..100).chunk(chunk).unordered();
        let mut seen = Vec::new();
        for (at, value) in unordered.by_ref() {
            assert_eq!(value.unwrap(), square(at));
            seen.push(at);
        }
        assert!(unordered.is_over());
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..100));
    }
    assert!(pool.shutdown(PATIENCE));
}

/// > Of a source of inputs that panics whoever takes the values has the panic, and the pool goes on.
fn a_source_that_panics_reaches_whoever_takes_the_values(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 2);
    let source = || (0..10_u64).inspect(|n| assert!(*n != 6, "the source has no sixth"));
    let collected = catch_unwind(AssertUnwindSafe(|| pool.map(square, source()).is_ok()));
    assert!(collected.is_err());
    let ordered =
        AssertUnwindSafe(|| pool.each(square, source()).ahead(1).ordered().map(Result::unwrap).count());
    assert!(catch_unwind(ordered).is_err());
    let unordered = AssertUnwindSafe(|| pool.each(square, source()).chunk(4).unordered().count());
    assert!(catch_unwind(unordered).is_err());
    // What was taken before is good.
    let mut few = pool.each(square, source()).ahead(1).ordered();
    assert!((0..6).all(|n| few.next().unwrap().unwrap() == square(n)));
    drop(few);
    assert_eq!(pool.map(square, 0..100).unwrap(), squares(0..100));
    assert!(pool.shutdown(PATIENCE));
}

/// > No inputs give no values, in every way to map, and at once.
fn no_inputs_give_no_values(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 2);
    assert_eq!(pool.map(square, []).unwrap(), [0; 0]);
    assert_eq!(pool.each(square, []).chunk(7).collect().unwrap(), [0; 0]);
    assert!(pool.each(square, []).outcomes().unwrap().is_empty());
    assert!(pool.each(square, []).ordered().next().is_none());
    assert!(pool.each(square, []).unordered().next().is_none());
    assert_eq!(pool.map(|(a, b): (u64, u64)| a + b, []).unwrap(), [0; 0]);
    assert!(pool.shutdown(PATIENCE));
}

/// > A pool with ten thousand tasks that wait is aborted at once, and each of them is told.
fn an_abort_with_ten_thousand_waiting_tasks_is_prompt(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 4);
    let tasks: Vec<_> = (0..10_000).map(|n| at_gate(&pool, &gate, n)).collect();
    let begun = Instant::now();
    pool.abort();
    for task in tasks {
        assert_eq!(task.result(), Err(TaskError::Cancelled));
    }
    drop(pool);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    gate.set().unwrap();
}

/// > All outcomes are collected if asked, failed ones too; or the first that fails ends it, and the pool can be joined.
fn all_outcomes_or_the_first_failure_as_asked(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 2);
    let outcomes = pool.each(even, 0..40).outcomes().unwrap();
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.as_ref().ok(), (n % 2 == 0).then_some(&(n as u64)));
    }
    assert!(matches!(pool.map(even, 0..40), Err(RunError::Task(TaskError::Panicked(_)))));
    let late = pool.map(even, [0, 2, 4, 6, 7]);
    assert!(late.unwrap_err().to_string().contains("7 is odd"));
    pool.close();
    assert!(pool.join_timeout(PATIENCE));
}

/// > A failure comes at its place in the order, after all values before it, and those behind it come too.
fn a_failure_comes_at_its_place_in_the_order(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 2);
    for chunk in [1, 3] {
        let mut values = pool.each(even, [0, 2, 5, 6, 8]).chunk(chunk).ordered();
        assert_eq!(values.next().unwrap().unwrap(), 0);
        assert_eq!(values.next().unwrap().unwrap(), 2);
        assert!(values.next().unwrap().unwrap_err().to_string().contains("5 is odd"));
        assert_eq!(values.next().unwrap().unwrap(), 6);
        assert_eq!(values.next().unwrap().unwrap(), 8);
        assert!(values.next().is_none());
    }
    assert!(pool.shutdown(PATIENCE));
}

/// > Call-backs have the value or the error.
fn call_backs_have_the_value_or_the_error(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 2);
    let (told, heard) = channel();
    let good = told.clone();
    pool.submit(even, 4).unwrap().on_done(move |value| good.send(value).unwrap());
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Ok(4));
    pool.submit(even, 5).unwrap().on_done(move |value| told.send(value).unwrap());
    let error = heard.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(&error, TaskError::Panicked(panic) if panic.message == "5 is odd"), "{error}");
    assert!(pool.shutdown(PATIENCE));
}

/// How many of these there are.
static LIVE: AtomicI64 = AtomicI64::new(0);

#[derive(Serialize)]
struct Counted(u64);

impl Counted {
    fn new(n: u64) -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Counted(n)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Counted::new)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// > Neither pool nor worker keeps a task's arguments or its value.
#[test]
fn arguments_and_values_are_dropped_with_their_task() {
    let job = job();
    for mode in [Workers::Threads, Workers::Inline] {
        let pool = pool_of(&job, mode, 2);
        let task = pool.submit(|counted: Counted| Counted::new(counted.0 + 1), Counted::new(1)).unwrap();
        let value = task.result().unwrap();
        assert_eq!(value.0, 2);
        drop(value);
        eventually("nothing is kept", || LIVE.load(Ordering::Relaxed) == 0);
        let values = pool.map(|counted: Counted| counted, (0..100).map(Counted::new)).unwrap();
        eventually("only the values are there", || LIVE.load(Ordering::Relaxed) == values.len() as i64);
        drop(values);
        let task = pool.submit(|_: Counted| -> u64 { panic!("with it in hand") }, Counted::new(1)).unwrap();
        assert!(task.result().is_err());
        eventually("nothing is kept", || LIVE.load(Ordering::Relaxed) == 0);
    }
}

/// Can't be encoded.
#[derive(Debug, Deserialize)]
struct Refuses;

impl Serialize for Refuses {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("it stays here"))
    }
}

/// > Values that can't be encoded, however many, cost no worker.
fn values_that_can_not_be_encoded_cost_no_worker(mode: Workers) {
    let job = job();
    let pool = pool_of(&job, mode, 2);
    assert_eq!(pool.map(square, 0..20).unwrap(), squares(0..20));
    eventually("all have processes", || mode != Workers::Processes || pool.pids().len() == 2);
    let before = pool.pids();
    for _ in 0..20 {
        match pool.submit(|()| Refuses, ()).unwrap().result() {
            Err(TaskError::Value(why)) => assert!(why.contains("it stays here"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pool.map(square, 0..50).unwrap(), squares(0..50));
    assert_eq!(pool.pids(), before);
    assert!(pool.shutdown(PATIENCE));
}

/// For how many more threads the control group of this process, or of its container, has room; none if it does not say.
fn room_for_threads() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let left = |folder: &str| {
        Some(read(&format!("{folder}/pids.max"))?.saturating_sub(read(&format!("{folder}/pids.current"))?))
    };
    ["/sys/fs/cgroup", "/sys/fs/cgroup/pids"].into_iter().find_map(left)
}

/// > A pool of two hundred workers works.
fn a_pool_of_two_hundred_workers_works(mode: Workers) {
    // A worker has some threads, and other tests have theirs.
    if let Some(room) = room_for_threads().filter(|room| *room < 1_000) {
        eprintln!("not tried: there is room for {room} threads");
        return;
    }
    let job = job();
    let gate = gate(&job);
    let pool = pool_of(&job, mode, 200);
    let all: Vec<_> = (0..200).map(|n| at_gate(&pool, &gate, n)).collect();
    eventually("all run at once", || {
        all.iter().all(|task| task.state() == callboard::pool::TaskState::Running)
    });
    gate.set().unwrap();
    assert!(all.into_iter().enumerate().all(|(n, task)| task.result() == Ok(n as u64)));
    assert!(pool.shutdown(PATIENCE));
}

/// > Where the system gives no more processes or descriptors a pool works with the workers it got, or says what is wrong.
#[test]
fn a_pool_that_gets_no_more_workers_works_or_says_why_and_leaves_nothing() {
    fn open() -> u64 {
        std::fs::read_dir("/proc/self/fd").unwrap().count() as u64
    }
    fn starts_with_few_descriptors(node: &Node, more: u64) -> Result<bool, String> {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let (before, limit) = (open(), getrlimit(Resource::Nofile));
        setrlimit(Resource::Nofile, Rlimit { current: Some(before + more), maximum: limit.maximum }).unwrap();
        let pool = node.pool(PoolOptions::new().workers(5)).map_err(|error| error.to_string())?;
        let worked = match pool.apply(square, 5) {
            Ok(value) => value == 25,
            Err(RunError::Task(TaskError::Broken(_)) | RunError::Submit(_)) => false,
            Err(other) => return Err(other.to_string()),
        };
        drop(pool);
        setrlimit(Resource::Nofile, limit).unwrap();
        eventually("its descriptors are closed", || open() <= before);
        // And then another pool has what it needs.
        let pool = node.pool(PoolOptions::new().workers(5)).map_err(|error| error.to_string())?;
        assert_eq!(pool.map(square, 0..50).unwrap(), squares(0..50));
        Ok(worked)
    }
    let job = job();
    let mut worked = Vec::new();
    for more in [0, 2, 6, 12, 20, 100] {
        let child = job.process("few").stderr_null().spawn(starts_with_few_descriptors, more).unwrap();
        worked.push(child.join().unwrap().unwrap());
    }
    assert!(!worked[0] && worked[5], "{worked:?}");
}

/// > A pool ends with its scope, and its tasks that still run are cancelled.
fn the_end_of_a_scope_ends_its_pool(mode: Workers) {
    let job = job();
    let gate = gate(&job);
    let task = {
        let pool = pool_of(&job, mode, 1);
        assert_eq!(pool.map(square, 0..10).unwrap(), squares(0..10));
        running(&pool, &gate, 1)
    };
    assert_eq!(task.result(), Err(TaskError::Cancelled));
    gate.set().unwrap();
}

in_every_way! {
    values_come_in_order_or_as_they_come_and_end,
    a_source_that_panics_reaches_whoever_takes_the_values,
    no_inputs_give_no_values,
    all_outcomes_or_the_first_failure_as_asked,
    a_failure_comes_at_its_place_in_the_order,
    call_backs_have_the_value_or_the_error,
    values_that_can_not_be_encoded_cost_no_worker,
}
in_processes_and_threads! {
    a_result_with_a_timeout_leaves_the_task_alone,
    an_abort_with_ten_thousand_waiting_tasks_is_prompt,
    a_pool_of_two_hundred_workers_works,
    the_end_of_a_scope_ends_its_pool,
}

//! Pools: every way to run functions on workers gives the same values, however the workers run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callboard::pipeline::Workers;
use callboard::pool::{
    Pool, PoolError, PoolOptions, PoolStats, Retries, RunError, SubmitError, TaskError, TaskState, Until,
    Worker, as_completed, wait,
};
use callboard::{Event, EventOptions, Failure, JoinError, Node};
use callboard_tests::{PATIENCE, eventually, pause};

callboard::test_door!();

const MODES: [Workers; 3] = [Workers::Processes, Workers::Threads, Workers::Inline];

fn square(n: u64) -> u64 {
    n * n
}

fn slow(millis: u64) -> u64 {
    pause(Duration::from_millis(millis));
    millis
}

/// Returns `value` once the gate is open.
fn waits((open, value): (Event, u64)) -> u64 {
    open.wait().unwrap();
    value
}

fn dies(_: ()) -> u64 {
    callboard_tests::kill_self()
}

fn fails(n: u64) -> u64 {
    assert!(n.is_multiple_of(2), "{n} is odd");
    n
}

fn each_mode(test: impl Fn(&Node, Workers)) {
    let node = Node::start().unwrap();
    for mode in MODES {
        test(&node, mode);
    }
}

fn pool_of(node: &Node, mode: Workers, workers: usize) -> Pool {
    node.pool(PoolOptions::new().mode(mode).workers(workers)).unwrap()
}

#[test]
fn a_submitted_task_gives_its_value_in_every_mode() {
    each_mode(|node, mode| {
        let pool = pool_of(node, mode, 2);
        let tasks: Vec<_> = (0..100).map(|n| pool.submit(square, n).unwrap()).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.result().unwrap(), square(n as u64), "{mode:?}");
        }
        assert_eq!(pool.apply(square, 12).unwrap(), 144, "{mode:?}");
        assert!(pool.shutdown(PATIENCE), "{mode:?}");
    });
}

#[test]
fn every_way_to_map_gives_the_same_values_in_every_mode() {
    each_mode(|node, mode| {
        let pool = pool_of(node, mode, 3);
        let squares: Vec<u64> = (0..1000).map(square).collect();
        assert_eq!(pool.map(square, 0..1000).unwrap(), squares, "{mode:?}");
        for chunk in [1, 7, 2000] {
            assert_eq!(
                pool.each(square, 0..1000).chunk(chunk).collect().unwrap(),
                squares,
                "{mode:?} {chunk}"
            );
        }
        let ordered: Vec<u64> = pool.each(square, 0..1000).ordered().map(Result::unwrap).collect();
        assert_eq!(ordered, squares, "{mode:?}");
        let mut unordered: Vec<(u64, u64)> =
            pool.each(square, 0..1000).unordered().map(|(at, value)| (at, value.unwrap())).collect();
        unordered.sort_unstable();
        assert_eq!(unordered.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), squares, "{mode:?}");
        assert_eq!(pool.map(square, std::iter::empty()).unwrap(), Vec::<u64>::new(), "{mode:?}");
        let sums = pool.map(|(a, b): (u64, u64)| a + b, [(1, 2), (3, 4), (5, 6)]).unwrap();
        assert_eq!(sums, [3, 7, 11], "{mode:?}");
    });
}

#[test]
fn a_panic_fails_its_own_task_with_message_and_place() {
    each_mode(|node, mode| {
        let pool = pool_of(node, mode, 2);
        let outcomes = pool.each(fails, 0..10).outcomes().unwrap();
        for (n, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(value) => assert!(value == n as u64 && n % 2 == 0, "{mode:?}"),
                Err(TaskError::Panicked(panic)) => {
                    assert_eq!(panic.message, format!("{n} is odd"), "{mode:?}");
                    assert!(panic.place.contains("pools.rs:"), "{mode:?}: {panic:?}");
                }
                Err(other) => panic!("{mode:?}: {other}"),
            }
        }
        assert!(matches!(pool.map(fails, 0..10), Err(RunError::Task(TaskError::Panicked(_)))), "{mode:?}");
        // The workers go on.
        assert_eq!(pool.apply(square, 5).unwrap(), 25, "{mode:?}");
    });
}

#[test]
fn a_killed_worker_fails_its_own_task_alone_and_the_pool_goes_on() {
    let node = Node::start().unwrap();
    let pool = pool_of(&node, Workers::Processes, 2);
    for _ in 0..20 {
        let innocent: Vec<_> = (0..50).map(|n| pool.submit(square, n).unwrap()).collect();
        let deadly = pool.submit(dies, ()).unwrap();
        let more: Vec<_> = (0..50).map(|n| pool.submit(square, n).unwrap()).collect();
        match deadly.result() {
            Err(TaskError::Died {
                why: JoinError::Signalled { signal: 9, .. }, had_returned: false, ..
            }) => {}
            other => panic!("{other:?}"),
        }
        for (n, task) in innocent.into_iter().chain(more).enumerate() {
            assert_eq!(task.result().unwrap(), square(n as u64 % 50));
        }
    }
}

#[test]
fn a_task_is_tried_again_as_often_as_its_terms_say() {
    let node = Node::start().unwrap();
    let pool = pool_of(&node, Workers::Processes, 2);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fn third_time(path: String) -> usize {
        let tries = std::fs::read_to_string(&path).unwrap_or_default().len() + 1;
        std::fs::write(&path, "x".repeat(tries)).unwrap();
        if tries < 3 {
            callboard_tests::kill_self();
        }
        tries
    }
    let twice = pool.task(third_time, path("a")).retries(Retries::up_to(2)).submit().unwrap();
    assert_eq!(twice.result().unwrap(), 3);
    let once = pool.task(third_time, path("b")).retries(Retries::up_to(1)).submit().unwrap();
    assert!(matches!(once.result(), Err(TaskError::Died { .. })));
    let never = pool.task(third_time, path("c")).retries(Retries::up_to(2).on_death(false)).submit().unwrap();
    assert!(matches!(never.result(), Err(TaskError::Died { .. })));
    assert_eq!(std::fs::read_to_string(path("c")).unwrap().len(), 1);
    fn grows(path: String) -> usize {
        let tries = std::fs::read_to_string(&path).unwrap_or_default().len() + 1;
        std::fs::write(&path, "x".repeat(tries)).unwrap();
        tries
    }
    let unsatisfied =
        pool.task(grows, path("d")).retries(Retries::up_to(9)).retry_if(|n| *n < 5).submit().unwrap();
    assert_eq!(unsatisfied.result().unwrap(), 5);
    let last = pool.task(grows, path("e")).retries(Retries::up_to(2)).retry_if(|n| *n < 5).submit().unwrap();
    assert_eq!(last.result().unwrap(), 3, "the last value counts");
}

#[test]
fn a_time_limit_ends_the_worker_of_that_task_only() {
    let node = Node::start().unwrap();
    for mode in [Workers::Processes, Workers::Threads] {
        let pool = pool_of(&node, mode, 2);
        let limit = Duration::from_millis(150);
        let endless = pool.task(slow, 5_000).time_limit(limit).submit().unwrap();
        let good: Vec<_> = (0..20).map(|n| pool.submit(slow, n).unwrap()).collect();
        assert_eq!(endless.result(), Err(TaskError::TimedOut(limit)), "{mode:?}");
        for (n, task) in good.into_iter().enumerate() {
            assert_eq!(task.result().unwrap(), n as u64, "{mode:?}");
        }
        let in_time = pool.each(slow, 0..20).time_limit(PATIENCE).collect().unwrap();
        assert_eq!(in_time, (0..20).collect::<Vec<_>>());
    }
}

#[test]
fn a_task_that_waits_is_cancelled_and_one_that_runs_only_when_it_is_killed() {
    let node = Node::start().unwrap();
    for mode in [Workers::Processes, Workers::Threads] {
        let pool = pool_of(&node, mode, 1);
        let open: Event = node.anonymous(EventOptions::new());
        let first = pool.submit(waits, (open.clone(), 400)).unwrap();
        eventually("it runs", || first.state() == TaskState::Running);
        let second = pool.submit(square, 2).unwrap();
        let third = pool.submit(square, 3).unwrap();
        assert!(!first.cancel(), "{mode:?}");
        assert!(second.cancel(), "{mode:?}");
        assert_eq!(second.result(), Err(TaskError::Cancelled), "{mode:?}");
        open.set().unwrap();
        assert_eq!(first.result().unwrap(), 400, "{mode:?}");
        assert_eq!(third.result().unwrap(), 9, "{mode:?}");
        let endless = pool.submit(slow, 60_000).unwrap();
        eventually("it runs", || endless.state() == TaskState::Running);
        let next = pool.submit(square, 4).unwrap();
        assert!(endless.kill(), "{mode:?}");
        assert_eq!(endless.result(), Err(TaskError::Cancelled), "{mode:?}");
        assert_eq!(next.result().unwrap(), 16, "{mode:?}");
    }
}

#[test]
fn an_initializer_runs_once_a_worker_and_one_that_fails_breaks_the_pool() {
    let node = Node::start().unwrap();
    for mode in [Workers::Processes, Workers::Threads, Workers::Inline] {
        fn begin(worker: &mut Worker, from: u64) -> Result<(), Failure> {
            worker.set_state(from);
            Ok(())
        }
        fn next(worker: &mut Worker, _: ()) -> u64 {
            let state: &mut u64 = worker.state().unwrap();
            *state += 1;
            *state
        }
        let options = PoolOptions::new().mode(mode).workers(1).initializer(begin, 100);
        let pool = node.pool(options).unwrap();
        for n in 101..110 {
            assert_eq!(pool.submit_to_worker(next, ()).unwrap().result().unwrap(), n, "{mode:?}");
        }
        fn refuses(_: &mut Worker, _: ()) -> Result<(), Failure> {
            Err(Failure::new("no licence"))
        }
        let pool = node.pool(PoolOptions::new().mode(mode).workers(2).initializer(refuses, ())).unwrap();
        match pool.submit(square, 1).map(|task| task.result()) {
            Ok(Err(TaskError::Broken(why))) | Err(SubmitError::Broken(why)) => {
                assert!(why.contains("no licence"), "{why}");
            }
            other => panic!("{mode:?}: {other:?}"),
        }
        assert!(matches!(pool.submit(square, 1), Err(SubmitError::Broken(_))), "{mode:?}");
    }
}

#[test]
fn a_dropped_pool_settles_all_its_tasks_and_a_closed_one_does_them() {
    let node = Node::start().unwrap();
    for mode in [Workers::Processes, Workers::Threads] {
        let pool = pool_of(&node, mode, 2);
        let tasks: Vec<_> = (0..50).map(|_| pool.submit(slow, 2_000).unwrap()).collect();
        let begun = Instant::now();
        drop(pool);
        for task in tasks {
            assert_eq!(task.result(), Err(TaskError::Cancelled), "{mode:?}");
        }
        assert!(begun.elapsed() < PATIENCE, "{mode:?}");
        let pool = pool_of(&node, mode, 2);
        let tasks: Vec<_> = (0..50).map(|n| pool.submit(square, n).unwrap()).collect();
        pool.close();
        assert!(matches!(pool.submit(square, 1), Err(SubmitError::Closed)), "{mode:?}");
        pool.join().unwrap();
        assert!(tasks.iter().all(|task| task.is_done()), "{mode:?}");
        assert_eq!(pool.pids(), Vec::<u32>::new(), "{mode:?}");
    }
}

#[test]
fn workers_are_replaced_after_so_many_tasks_exactly() {
    let node = Node::start().unwrap();
    let pool = node.pool(PoolOptions::new().workers(1).tasks_per_worker(3)).unwrap();
    let pids: Vec<u32> = (0..9).map(|_| pool.apply(|()| std::process::id(), ()).unwrap()).collect();
    for three in pids.chunks(3) {
        assert!(three.iter().all(|pid| *pid == three[0]), "{pids:?}");
    }
    let different: std::collections::HashSet<_> = pids.iter().collect();
    assert_eq!(different.len(), 3, "{pids:?}");
}

#[test]
fn call_backs_come_in_the_order_of_completion_and_may_panic() {
    let node = Node::start().unwrap();
    let pool = pool_of(&node, Workers::Processes, 2);
    let count = Arc::new(AtomicUsize::new(0));
    for n in 0..20 {
        let count = Arc::clone(&count);
        pool.submit(square, n).unwrap().on_done(move |value| {
            assert_eq!(value.unwrap(), n * n);
            count.fetch_add(1, Ordering::Relaxed);
            assert!(n != 7, "harms nobody");
        });
    }
    assert!(pool.shutdown(PATIENCE));
    assert_eq!(count.load(Ordering::Relaxed), 20);
}

#[test]
fn waiting_for_several_tasks_ends_with_the_first_the_first_failure_or_all() {
    each_mode(|node, mode| {
        let pool = pool_of(node, mode, 3);
        let open: Event = node.anonymous(EventOptions::new());
        // Where this thread is the worker nobody could open it later; there they run in the order in which they were handed in.
        let shut = || match mode {
            Workers::Inline => open.set().unwrap(),
            _ => open.clear().unwrap(),
        };
        shut();
        let tasks = vec![pool.submit(slow, 1).unwrap(), pool.submit(waits, (open.clone(), 2)).unwrap()];
        let (done, _) = wait(&tasks, Until::FirstDone, None);
        assert!(done.contains(&0), "{mode:?}");
        open.set().unwrap();
        let (done, left) = wait(&tasks, Until::AllDone, None);
        assert_eq!((done.len(), left.len()), (2, 0), "{mode:?}");
        shut();
        let tasks = vec![pool.submit(fails, 1).unwrap(), pool.submit(waits, (open.clone(), 2)).unwrap()];
        let (done, _) = wait(&tasks, Until::FirstFailed, None);
        assert!(done.contains(&0), "{mode:?}");
        open.set().unwrap();
        let mut values: Vec<u64> =
            as_completed((0..20).map(|n| pool.submit(square, n).unwrap())).map(|(_, v)| v.unwrap()).collect();
        values.sort_unstable();
        assert_eq!(values, (0..20).map(square).collect::<Vec<_>>(), "{mode:?}");
    });
}

#[test]
fn an_endless_input_is_read_no_further_than_the_workers_need() {
    each_mode(|node, mode| {
        let pool = pool_of(node, mode, 2);
        let mut read = 0_u64;
        let inputs = std::iter::from_fn(|| {
            read += 1;
            Some(read)
        });
        let first: Vec<u64> = pool.each(slow, inputs).ordered().take(5).map(Result::unwrap).collect();
        assert_eq!(first, [1, 2, 3, 4, 5], "{mode:?}");
        assert!(read < 64, "{mode:?}: {read} read");
    });
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let node = Node::start().unwrap();
    let refused = |options| matches!(node.pool(options), Err(PoolError::Options(_)));
    assert!(refused(PoolOptions::new().workers(0)));
    assert!(refused(PoolOptions::new().workers_between(3, 2)));
    assert!(refused(PoolOptions::new().tasks_per_worker(0)));
    assert!(refused(PoolOptions::new().time_limit(Duration::ZERO)));
    assert!(refused(PoolOptions::new().capacity(0, 1)));
}

#[test]
fn the_slowest_tasks_are_known_with_their_arguments_in_every_mode() {
    /// What the pool tells of its tasks when these are done.
    fn done(pool: &Pool) -> PoolStats {
        pool.map(square, 0..1000).unwrap();
        // In any order, one by one and in a chunk with light ones.
        for millis in [150, 250, 50, 200, 100] {
            pool.apply(slow, millis).unwrap();
        }
        let mut chunk = [0; 40];
        chunk[20] = 300;
        pool.each(slow, chunk).chunk(40).collect().unwrap();
        // And in the middle of many that are submitted by themselves.
        let millis = |n| if n == 2000 { 350 } else { 0 };
        let tasks: Vec<_> = (0..3000).map(|n| pool.submit(slow, millis(n)).unwrap()).collect();
        tasks.into_iter().for_each(|task| assert!(task.result().is_ok()));
        pool.stats()
    }
    each_mode(|node, mode| {
        let args = |stats: &PoolStats| stats.slowest.iter().map(|slow| slow.args.clone()).collect::<Vec<_>>();
        let expected = ["350", "300", "250", "200", "150"];
        let mut stats = done(&pool_of(node, mode, 2));
        // Where the machine stands still for 50 ms others are the slowest; but not time and again.
        for _ in 0..3 {
            if args(&stats) != expected {
                eprintln!("{mode:?}: {stats}");
                stats = done(&pool_of(node, mode, 2));
            }
        }
        let slowest = &stats.slowest;
        assert_eq!(args(&stats), expected, "{mode:?}");
        // Those that came with others are known to 12 ms.
        let least = |slow: &callboard::pool::SlowTask| slow.args.parse::<u64>().unwrap() - 12;
        assert!(slowest.iter().all(|slow| slow.took >= Duration::from_millis(least(slow))), "{slowest:?}");
        assert!(stats.to_string().contains("| 300 "), "{stats}");
    });
}

#[test]
fn the_time_between_tasks_is_not_time_spent_in_one_in_every_mode() {
    const PAUSE: Duration = Duration::from_millis(500);
    each_mode(|node, mode| {
        let pool = pool_of(node, mode, 1);
        pool.apply(square, 2).unwrap();
        pause(PAUSE);
        pool.apply(square, 3).unwrap();
        let stats = pool.stats();
        assert!(stats.slowest[0].took < PAUSE && stats.workers[0].working < PAUSE, "{mode:?}: {stats}");
    });
}

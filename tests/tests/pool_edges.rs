//! Pools at their edges: kinds of failure, places of panics, cancellations in the moment of a kill, waits within waits, memory.

use std::panic::{catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use callboard::pipeline::Workers;
use callboard::pool::{
    FailureKind, JoinedWithin, Pool, PoolOptions, Retries, Task, TaskError, Until, as_completed, wait,
};
use callboard::testing::job;
use callboard::{Backoff, ChildPanic, Node};
use callboard_tests::{PATIENCE, eventually};

callboard::test_door!();

/// Fails in the ways that `plan` says, one after the other, then returns how often it was tried; the file counts.
fn fails_by_plan((path, plan): (String, String)) -> usize {
    let tries = std::fs::read_to_string(&path).unwrap_or_default().len();
    std::fs::write(&path, "x".repeat(tries + 1)).unwrap();
    match plan.chars().nth(tries) {
        Some('d') => callboard_tests::kill_self(),
        Some('p') => panic!("as planned"),
        Some('u') => 0,
        _ => tries + 1,
    }
}

/// > Each kind of failure is tried again as often, and after such waits, as it is given for itself; the others share a number and a back-off.
#[test]
fn kinds_of_failure_have_tries_and_waits_of_their_own() {
    let node = job();
    let pool = node.pool(PoolOptions::new().workers(1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |plan: &str, retries: Retries| {
        let path = folder.path().join(plan).to_str().unwrap().to_owned();
        let task = pool.task(fails_by_plan, (path, plan.to_owned())).retries(retries).retry_if(|n| *n == 0);
        task.submit().unwrap().result()
    };
    let short = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let year = Duration::from_secs(365 * 24 * 3600);
    // Whoever waited by the back-off of the others would wait for a year.
    let retries = Retries::up_to(1)
        .backoff(Backoff::new(year, year))
        .on(FailureKind::Unsatisfied, 4)
        .backoff_on(FailureKind::Unsatisfied, short)
        .on(FailureKind::Panic, 2)
        .backoff_on(FailureKind::Panic, short)
        .backoff_on(FailureKind::Death, short);
    assert_eq!(run("upuudpu.", retries), Ok(8));
    assert!(matches!(run("pupp", retries), Err(TaskError::Panicked(_))), "a third panic is too many");
    assert!(matches!(run("udd", retries), Err(TaskError::Died { .. })), "so is a second death");
    assert_eq!(run("uuuuu", retries), Ok(0), "the last value counts");
    let begun = Instant::now();
    let slow = Backoff::new(Duration::from_millis(200), Duration::from_millis(200)).jitter(0.0);
    assert_eq!(run("dp", Retries::up_to(2).backoff_on(FailureKind::Panic, slow)), Ok(3));
    assert!(begun.elapsed() >= Duration::from_millis(199), "it waits after a panic");
}

fn panics(text: String) -> u64 {
    panic!("{text}")
}

/// What it throws has run no hook, but something before has.
fn throws_again(text: String) -> u64 {
    let _ = catch_unwind(|| panic!("caught"));
    resume_unwind(Box::new(text))
}

fn panic_of(pool: &Pool, f: fn(String) -> u64, text: &str) -> ChildPanic {
    match pool.submit(f, text.to_owned()).unwrap().result() {
        Err(TaskError::Panicked(panic)) => panic,
        other => panic!("{other:?}"),
    }
}

/// In a process of its own, whose hook is nobody else's.
fn panics_with_hooks(node: &Node, _: ()) {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let seen = || SEEN.load(Ordering::SeqCst);
    let print = take_hook();
    set_hook(Box::new(move |info| {
        SEEN.fetch_add(1, Ordering::SeqCst);
        print(info);
    }));
    let pools = [Workers::Threads, Workers::Inline]
        .map(|mode| node.pool(PoolOptions::new().mode(mode).workers(1)).unwrap());
    for pool in &pools {
        let before = seen();
        let panic = panic_of(pool, panics, "one");
        assert!(panic.message == "one" && panic.place.contains("pool_edges.rs:"), "{panic:?}");
        assert_eq!(seen() - before, 1, "the hook that was there is called too");
        let panic = panic_of(pool, throws_again, "two");
        assert!(panic.message == "two" && panic.place.is_empty(), "{panic:?}");
        assert_eq!(panic.to_string(), "panicked: two");
    }
    set_hook(Box::new(|_| ()));
    for pool in &pools {
        let panic = panic_of(pool, panics, "three");
        // The main thread's place was known by the hook that was replaced as well.
        assert!(panic.message == "three" && panic.place.is_empty(), "{panic:?}");
    }
}

/// > In threads and inline a panic is told with its place too, and the hook that was there before is called; with a hook that is set later there is no place.
#[test]
fn the_place_of_a_panic_is_known_in_threads_and_inline() {
    job().spawn("hooks", panics_with_hooks, ()).unwrap().join().unwrap();
}

/// Runs `test` with a pool that tasks find too. It stays as long as its process, which is for this alone.
fn with_pool_of(node: &Node, options: PoolOptions) -> &'static Pool {
    POOL.set(node.pool(options).unwrap()).unwrap();
    POOL.get().unwrap()
}

static POOL: OnceLock<Pool> = OnceLock::new();

fn pool() -> &'static Pool {
    POOL.get().unwrap()
}

fn in_one_process(is_inline: bool, workers: usize) -> PoolOptions {
    let mode = if is_inline { Workers::Inline } else { Workers::Threads };
    PoolOptions::new().mode(mode).workers(workers)
}

fn fibonacci(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let first = pool().submit(fibonacci, n - 1).unwrap();
    let second = pool().submit(fibonacci, n - 2).unwrap();
    first.result().unwrap() + second.result().unwrap()
}

fn sum_of_map(n: u64) -> u64 {
    pool().map(fibonacci, 0..n).unwrap().into_iter().sum()
}

fn waits_in_every_way(n: u64) -> u64 {
    let submit = || (0..n).map(|n| pool().submit(fibonacci, n).unwrap()).collect::<Vec<_>>();
    let tasks = submit();
    let (done, _) = wait(&tasks, Until::FirstDone, None);
    assert!(!done.is_empty());
    let (done, left) = wait(&tasks, Until::AllDone, None);
    assert_eq!((done.len(), left.len()), (n as usize, 0));
    as_completed(submit()).map(|(_, value)| value.unwrap()).sum()
}

fn again_after_a_while(n: u64) -> u64 {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    fn second_time(_: ()) -> bool {
        TRIES.fetch_add(1, Ordering::SeqCst) > 0
    }
    TRIES.store(0, Ordering::SeqCst);
    let wait = Backoff::new(Duration::from_millis(20), Duration::from_millis(20));
    let retries = Retries::up_to(2).backoff(wait);
    let task = pool().task(second_time, ()).retries(retries).retry_if(|done| !done).submit().unwrap();
    assert!(task.result().unwrap());
    n
}

/// One after the other hands in a task that all wait for in turn.
fn waits_within(node: &Node, is_inline: bool) {
    let pool = with_pool_of(node, in_one_process(is_inline, 2).capacity(4, 1 << 20));
    assert_eq!(pool.apply(fibonacci, 10).unwrap(), 55);
    assert_eq!(pool.apply(sum_of_map, 10).unwrap(), 88);
    let values = pool.map(sum_of_map, [3, 4, 5, 6, 7]).unwrap();
    assert_eq!(values, [2, 4, 7, 12, 20]);
    assert_eq!(pool.apply(again_after_a_while, 3).unwrap(), 3);
    // From several threads at once.
    let all = std::thread::scope(|scope| {
        let asked = [5, 6, 7].map(|n| scope.spawn(move || POOL.get().unwrap().apply(fibonacci, n).unwrap()));
        asked.map(|asked| asked.join().unwrap())
    });
    assert_eq!(all, [5, 8, 13]);
}

/// As many at once as are made need room.
fn waits_for_several(node: &Node, is_inline: bool) {
    let pool = with_pool_of(node, in_one_process(is_inline, 2));
    assert_eq!(pool.apply(waits_in_every_way, 8).unwrap(), 33);
}

/// > A task that waits for others of its own pool has them done: in threads and inline by its own thread, if they have not begun.
#[test]
fn tasks_that_wait_for_tasks_of_their_own_pool_do_not_hang() {
    for is_inline in [true, false] {
        let job = job();
        job.spawn("within", waits_within, is_inline).unwrap().join().unwrap();
        job.spawn("several", waits_for_several, is_inline).unwrap().join().unwrap();
    }
}

static OUTER: Mutex<Option<Task<()>>> = Mutex::new(None);
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

static RUNS: AtomicUsize = AtomicUsize::new(0);
static HANDED_IN: AtomicUsize = AtomicUsize::new(0);

fn waits_until_handed_in(count: usize) {
    RUNS.store(count, Ordering::SeqCst);
    eventually("the task is handed in", || HANDED_IN.load(Ordering::SeqCst) >= count);
}

fn hand_in(task: Task<()>) {
    *OUTER.lock().unwrap() = Some(task);
    HANDED_IN.fetch_add(1, Ordering::SeqCst);
}

fn asks_for_outer(_: ()) {
    eventually("the task is handed in", || OUTER.lock().unwrap().is_some());
    let outer = OUTER.lock().unwrap().take().unwrap();
    let (done, left) = wait(std::slice::from_ref(&outer), Until::AllDone, None);
    assert_eq!((done.len(), left.len()), (0, 1));
    let error = if TOLD.lock().unwrap().is_empty() {
        outer.result().unwrap_err()
    } else {
        as_completed([outer]).next().unwrap().1.unwrap_err()
    };
    TOLD.lock().unwrap().push(error.to_string());
}

fn asks_within(_: ()) {
    pool().submit(asks_for_outer, ()).unwrap().result().unwrap();
}

fn asks_for_itself(node: &Node, is_inline: bool) {
    let pool = with_pool_of(node, in_one_process(is_inline, 1));
    for (told, f) in [asks_for_outer, asks_within].into_iter().enumerate() {
        std::thread::scope(|scope| {
            // Inline one would not get it before it has been done, unless another is at work.
            let first = scope.spawn(move || pool.apply(waits_until_handed_in, told + 1).unwrap());
            eventually("the first runs", || RUNS.load(Ordering::SeqCst) == told + 1);
            hand_in(pool.submit(f, ()).unwrap());
            first.join().unwrap();
            pool.apply(|()| (), ()).unwrap();
        });
        eventually("it has told", || TOLD.lock().unwrap().len() == told + 1);
    }
    let told = TOLD.lock().unwrap();
    assert!(told.iter().all(|error| error == "it is waited for by what runs within it"), "{told:?}");
}

/// > A task that waits for itself, or for one that it runs within on the same thread, has an error.
#[test]
fn a_task_that_waits_for_itself_has_an_error() {
    for is_inline in [true, false] {
        job().spawn("itself", asks_for_itself, is_inline).unwrap().join().unwrap();
    }
}

/// > A thread that waits for a task of an inline pool does it itself, also while another thread is at work.
#[test]
fn threads_that_wait_for_an_inline_pool_do_not_wait_for_each_other() {
    let node = job();
    let pool = node.pool(PoolOptions::new().inline()).unwrap();
    RUNS.store(0, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| pool.apply(waits_until_handed_in, 1).unwrap());
        eventually("the first runs", || RUNS.load(Ordering::SeqCst) == 1);
        let second = pool.submit(|()| (), ()).unwrap();
        assert_eq!(pool.map(|n: u64| n * n, 0..100).unwrap()[99], 99 * 99);
        // Which is what the first waits for.
        hand_in(second);
        first.join().unwrap();
    });
    OUTER.lock().unwrap().take();
    assert!(pool.shutdown(PATIENCE));
}

static MAY_END: AtomicUsize = AtomicUsize::new(0);

fn waits_until_it_may_end(_: ()) {
    RUNS.store(1, Ordering::SeqCst);
    eventually("it may end", || MAY_END.load(Ordering::SeqCst) > 0);
}

/// > Values of a mapping are waited for no longer than asked, also while others leave it no room to hand its inputs in; none is lost.
#[test]
fn a_wait_for_the_next_value_ends_in_time_when_others_fill_the_pool() {
    let node = job();
    let pool = node.pool(PoolOptions::new().threads().workers(1).capacity(1, 1 << 20)).unwrap();
    RUNS.store(0, Ordering::SeqCst);
    pool.submit(waits_until_it_may_end, ()).unwrap().on_done(Result::unwrap);
    eventually("it runs", || RUNS.load(Ordering::SeqCst) == 1);
    // There is room until the first input has been read.
    let mut others = Vec::new();
    let inputs = (0..5_u64).inspect(|_| others.extend(pool.task(|()| (), ()).try_submit()));
    let mut values = pool.each(|n: u64| n * n, inputs).chunk(1).ordered();
    for _ in 0..3 {
        let begun = Instant::now();
        assert!(values.next_timeout(Duration::from_millis(50)).is_none());
        assert!(!values.is_over() && begun.elapsed() >= Duration::from_millis(50));
    }
    MAY_END.store(1, Ordering::SeqCst);
    assert_eq!(values.by_ref().map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 4, 9, 16]);
    assert!(values.is_over());
    drop(values);
    assert!(!others.is_empty());
    others.into_iter().for_each(|other| other.result().unwrap());
}

fn joins(_: ()) -> (Option<JoinedWithin>, bool) {
    pool().close();
    (pool().join().err(), pool().join_timeout(PATIENCE))
}

fn joins_within(node: &Node, is_inline: bool) {
    let pool = with_pool_of(node, in_one_process(is_inline, 1));
    let begun = Instant::now();
    assert_eq!(pool.apply(joins, ()).unwrap(), (Some(JoinedWithin), false));
    assert!(begun.elapsed() < PATIENCE, "it waits for nothing");
    pool.join().unwrap();
}

/// > A task that waits for the end of its own pool has an error; a call-back that does, and a task that drops the pool, come to their end.
#[test]
fn whoever_ends_a_pool_from_within_does_not_hang() {
    for is_inline in [true, false] {
        let job = job();
        job.spawn("within", joins_within, is_inline).unwrap().join().unwrap();
    }
    job().spawn("drops", drops_within, ()).unwrap().join().unwrap();
    for mode in [Workers::Processes, Workers::Threads, Workers::Inline] {
        let job = job();
        let pool = Arc::new(job.pool(PoolOptions::new().mode(mode).workers(1)).unwrap());
        let (told, called) = channel();
        let inner = Arc::clone(&pool);
        let task = pool.submit(|n: u64| n + 1, 1).unwrap();
        task.on_done(move |value| {
            inner.close();
            told.send((value, inner.join())).unwrap();
        });
        pool.join_timeout(PATIENCE);
        assert_eq!(called.recv_timeout(PATIENCE).unwrap(), (Ok(2), Ok(())), "{mode:?}");
    }
}

static SHARED: Mutex<Option<Arc<Pool>>> = Mutex::new(None);

/// The last that holds it.
fn drops(_: ()) {
    eventually("nobody else has it", || {
        SHARED.lock().unwrap().as_ref().is_some_and(|pool| Arc::strong_count(pool) == 1)
    });
    drop(SHARED.lock().unwrap().take());
}

fn drops_within(node: &Node, (): ()) {
    let pool = Arc::new(node.pool(in_one_process(false, 2)).unwrap());
    *SHARED.lock().unwrap() = Some(Arc::clone(&pool));
    let task = pool.submit(drops, ()).unwrap();
    drop(pool);
    assert_eq!(task.result(), Err(TaskError::Cancelled));
    assert!(SHARED.lock().unwrap().is_none());
}

/// Workers in one process answer each other's questions, on whichever thread these come up.
#[test]
fn threads_that_do_light_tasks_do_not_wait_for_each_other() {
    let node = job();
    for _ in 0..10 {
        let pool = node.pool(PoolOptions::new().threads().workers(4)).unwrap();
        let values = pool.map(|n: u64| n + 1, 0..100_000).unwrap();
        assert_eq!(values.len(), 100_000);
    }
}

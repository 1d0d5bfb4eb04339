//! The test kit that users have, `callboard::testing`: what it must find, say and do where it says.

#[path = "testing_kit/probes.rs"]
mod probes;

use std::cell::RefCell;
use std::fs::File;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, Once};
use std::time::Duration;

use callboard::testing::{
    LeakCheck, LeakKind, PATIENCE, Random, Steps, eventually, eventually_within, is_running, is_stopped, job,
    kill, pause, process_state, reached, resume, stop,
};
use callboard::{JoinError, List, ListOptions, Node, Queue, QueueOptions};

callboard::test_door!();

/// These tests look at what the process holds, or arm it: they take turns.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// The text and the place of the panic with which `f` ends, as `text at file:line:column`.
fn fails<R>(f: impl FnOnce() -> R) -> String {
    thread_local! {
        static LAST: RefCell<String> = const { RefCell::new(String::new()) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            LAST.set(format!("{} at {place}", info.payload_as_str().unwrap_or_default()));
            before(info);
        }));
    });
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err(), "it was to panic");
    LAST.take()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// > What a test leaves behind is found and named: a child, a thread, a descriptor, a socket, shared memory.
#[test]
fn what_a_test_leaves_behind_is_found_and_named() {
    let _alone = alone();
    let nothing_else = LeakCheck::beside_other_tests();
    let leaks = LeakCheck::exact().patience(Duration::ZERO);
    let found = |kind: LeakKind, text: &str| {
        // A thread has its name a moment after it has begun.
        eventually(&format!("{text:?} among {:?}", leaks.left()), || {
            leaks.left().iter().any(|leak| leak.kind == kind && leak.to_string().contains(text))
        });
    };

    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = child.id();
    found(LeakKind::Child, &format!("process {pid} (sleep)"));
    stop(pid);
    eventually("it is stopped", || is_stopped(pid));
    found(LeakKind::Child, &format!("process {pid} (sleep, stopped)"));
    resume(pid);
    eventually("it goes on", || !is_stopped(pid) && is_running(pid));
    kill(pid);
    eventually("it is dead", || process_state(pid) == Some('Z'));
    found(LeakKind::Child, &format!("process {pid} (sleep, dead and not reaped)"));
    child.wait().unwrap();

    let file = File::open("/dev/null").unwrap();
    found(LeakKind::Descriptor, "/dev/null");
    drop(file);
    let name = format!("callboard-tests/{}", std::process::id());
    let socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    found(LeakKind::Descriptor, &format!("@{name}"));
    drop(socket);

    let thread = std::thread::Builder::new().name("left behind".to_owned());
    let go = std::sync::Arc::new(AtomicBool::new(false));
    let goes = std::sync::Arc::clone(&go);
    let thread = thread.spawn(move || eventually("it may end", || goes.load(SeqCst))).unwrap();
    found(LeakKind::Thread, "(left behind)");
    go.store(true, SeqCst);
    thread.join().unwrap();

    let region = callboard_ipc::Region::create(4096).unwrap();
    found(LeakKind::SharedMemory, "memfd:callboard");
    drop(region);

    let node = Node::start().unwrap();
    found(LeakKind::Thread, "(callboard)");
    found(LeakKind::Descriptor, &format!("@callboard/{}", node.job()));
    drop(node);
    nothing_else.check();
}

/// > A leak fails a test that has not failed yet, and hides no other failure.
#[test]
fn a_leak_fails_a_test_that_has_not_failed_yet() {
    let _alone = alone();
    let mut left = None;
    let text = fails(|| {
        let _leaks = LeakCheck::exact().patience(ms(5));
        left = Some(File::open("/dev/null").unwrap());
    });
    assert!(text.starts_with("after 5ms there is left") && text.contains("\n  descriptor "), "{text}");
    assert!(text.contains("(/dev/null)"), "{text}");
    let text = fails(|| {
        let _leaks = LeakCheck::exact().patience(ms(5));
        left = Some(File::open("/dev/zero").unwrap());
        panic!("the test's own");
    });
    assert!(text.starts_with("the test's own at "), "{text}");
    drop(left);
}

/// > Of a job that a test starts nothing is left when it is dropped, and what is left is named; jobs of several threads come one after another.
#[test]
fn of_a_job_nothing_is_left_and_jobs_come_one_after_another() {
    let _alone = alone();
    let (may_begin, has_begun) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            eventually("the first job has begun", || may_begin.load(SeqCst));
            let job = job();
            has_begun.store(true, SeqCst);
            job.end();
        });
        let job = job();
        may_begin.store(true, SeqCst);
        let waits = |node: &Node, (): ()| node.wait_stopping(PATIENCE);
        let pid = job.process("left").stderr_null().spawn(waits, ()).unwrap().pid();
        pause(ms(50));
        assert!(!has_begun.load(SeqCst) && is_running(pid));
        job.end();
        assert_eq!(process_state(pid), None);
        other.join().unwrap();
    });
    assert!(has_begun.load(SeqCst));

    let mut left = None;
    let text = fails(|| {
        let job = job().patience(ms(5));
        left = Some(File::open("/dev/null").unwrap());
        job.end();
    });
    assert!(text.contains("(/dev/null)") && text.contains("testing_kit.rs"), "{text}");
}

/// > A wait for a condition that does not come fails with what was waited for, at the place where the test waits.
#[test]
fn a_wait_for_what_does_not_come_fails_with_its_text() {
    let _alone = alone();
    let mut asked = 0;
    let line = line!() + 1;
    let text = fails(|| eventually_within(ms(20), "the moon is full", || asked > (asked += 1, i32::MAX).1));
    assert!(text.starts_with("not within 20ms: the moon is full at "), "{text}");
    assert!(text.contains(&format!("testing_kit.rs:{line}:")), "{text}");
    assert!(asked > 1, "it was asked {asked} times");
    fails(|| eventually_within(Duration::ZERO, "never", || false));
    eventually_within(Duration::ZERO, "what is so already", || true);
}

/// Writes down each step before it comes to it, and after.
fn walks(_: &Node, (log, rounds): (List<String>, u64)) -> u64 {
    for round in 0..rounds {
        for step in ["left", "right"] {
            log.push(format!("to {step} {round}")).unwrap();
            reached(step);
            log.push(format!("past {step} {round}")).unwrap();
        }
    }
    rounds
}

/// > A process dies, stops or panics at the step for which it was armed, at that time, and nowhere else; its children are armed as it is.
#[test]
fn a_process_dies_stops_or_panics_where_it_was_armed() {
    let _alone = alone();
    let job = job();
    let log: List<String> = job.anonymous(ListOptions::new());
    let last = || log.snapshot().unwrap().pop().unwrap();
    let walk = |steps: &Steps| {
        log.clear().unwrap();
        steps.arm(job.process("walks").stderr_null()).spawn(walks, (log.clone(), 3)).unwrap()
    };
    for (step, times) in [("left", 1), ("right", 1), ("left", 3), ("right", 3)] {
        let dies = walk(&Steps::new().die_at(step, times).die_at("nowhere", 1));
        assert!(matches!(dies.join(), Err(JoinError::Signalled { signal: 9, .. })));
        assert_eq!(last(), format!("to {step} {}", times - 1));
    }

    let panics = walk(&Steps::new().panic_at("right", 2)).join();
    let Err(JoinError::Panicked(panic)) = panics else { panic!("{panics:?}") };
    assert!(panic.message.contains("\"right\"") && last() == "to right 1", "{panic:?}");

    let stops = walk(&Steps::new().stop_at("left", 2).stop_at("right", 2));
    for step in ["left", "right"] {
        eventually("it stops", || is_stopped(stops.pid()) && last() == format!("to {step} 1"));
        resume(stops.pid());
    }
    assert_eq!(stops.join().unwrap(), 3);

    // Never so often, and not at all.
    assert_eq!(walk(&Steps::new().die_at("left", 4)).join().unwrap(), 3);
    assert_eq!(walk(&Steps::new()).join().unwrap(), 3);
    fails(|| Steps::new().die_at("left", 0));
    fails(|| Steps::new().die_at("two\nlines", 1));

    let parent = |node: &Node, log| node.spawn("inner", walks, (log, 3)).unwrap().join().is_err();
    log.clear().unwrap();
    let armed = Steps::new().die_at("right", 1).arm(job.process("outer").stderr_null());
    assert!(armed.spawn(parent, log.clone()).unwrap().join().unwrap());
    assert_eq!(last(), "to right 0");
}

/// > What is armed in the test's own process is armed until its guard is dropped.
#[test]
fn what_is_armed_here_is_armed_until_its_guard_is_dropped() {
    let _alone = alone();
    reached("here");
    let first = Steps::new().panic_at("here", 2).here();
    let second = Steps::new().panic_at("here", 3).panic_at("there", 1).here();
    reached("here");
    let text = fails(|| reached("here"));
    assert!(text.contains("\"here\"") && text.contains("steps.rs"), "{text}");
    fails(|| reached("here"));
    reached("here");
    drop(second);
    reached("there");
    let again = Steps::new().panic_at("here", 1).here();
    drop(first);
    fails(|| reached("here"));
    reached("here");
    drop(again);
}

/// Some numbers of chance, and the seed.
fn numbers(_: &Node, out: Queue<u64>) -> u64 {
    let mut random = Random::new();
    (0..100).for_each(|_| out.put(random.below(1000)).unwrap());
    random.seed()
}

/// > The same seed makes the same choices; the seed of each run is printed, and `CALLBOARD_SEED` begins another run with it.
#[test]
fn a_printed_seed_makes_the_same_choices_again() {
    let _alone = alone();
    let job = job();
    let out: Queue<u64> = job.anonymous(QueueOptions::new());
    let run = |seed: Option<u64>| {
        let mut printed = tempfile::tempfile().unwrap();
        let process = job.process("chance").stderr(printed.try_clone().unwrap());
        let process = match seed {
            Some(seed) => process.env("CALLBOARD_SEED", seed.to_string()),
            None => process.env_remove("CALLBOARD_SEED"),
        };
        let used = process.spawn(numbers, out.clone()).unwrap().join().unwrap();
        let mut text = String::new();
        std::io::Seek::rewind(&mut printed).unwrap();
        std::io::Read::read_to_string(&mut printed, &mut text).unwrap();
        assert!(text.lines().any(|line| line == format!("CALLBOARD_SEED={used}")), "{text}");
        (used, out.get_many(100).unwrap())
    };
    let (seed, first) = run(None);
    let (same, again) = run(Some(seed));
    assert_eq!((same, &again), (seed, &first));
    assert_eq!(run(Some(0)).0, 0);
    assert_ne!(run(Some(seed ^ 1)).1, first);

    let mut random = Random::from_seed(seed);
    assert!(first.into_iter().eq((0..100).map(|_| random.below(1000))));
    assert!((0..1000).all(|_| random.time(ms(3)) < ms(3) && random.below(7) < 7 && random.below(0) == 0));
    let all: std::collections::BTreeSet<u64> = (0..1000).map(|_| *random.pick(&[1, 2, 3])).collect();
    assert_eq!(all.len(), 3);
}

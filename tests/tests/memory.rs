//! Processes that run out of memory are told apart from those that end otherwise.

use callboard::pool::{PoolOptions, TaskError};
use callboard::testing::job;
use callboard::{Exit, JoinError, Node, OutOfMemory};
use callboard_tests::{PATIENCE, eventually, send_signal};
use rustix::process::{Resource, Rlimit, setrlimit};

callboard::test_door!();

const SIGABRT: i32 = 6;

/// Leaves this process little memory, by its own doing.
fn limit_memory() {
    let limit = Rlimit { current: Some(1 << 30), maximum: Some(1 << 30) };
    setrlimit(Resource::As, limit).unwrap();
}

/// Takes memory until it is refused. With a backtrace the standard library would do much between that and the abort.
fn runs_out(_: u64) -> u64 {
    limit_memory();
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        // Asked for and not touched: a control group would end it before it is refused.
        all.push(std::hint::black_box(Vec::with_capacity(64 << 20)));
    }
}

/// Is refused memory and knows what to do.
fn is_refused() {
    limit_memory();
    Vec::<u8>::new().try_reserve_exact(2 << 30).unwrap_err();
}

fn was_refused(ended: &Result<u64, JoinError>) -> bool {
    matches!(ended, Err(JoinError::OutOfMemory { how: OutOfMemory::Refused, .. }))
}

fn aborted(ended: &Result<u64, JoinError>) -> bool {
    matches!(ended, Err(JoinError::Signalled { signal: SIGABRT, .. }))
}

/// > Where `RUST_BACKTRACE` asks for no backtrace, a process that aborts since memory was refused to it is told so, from whichever thread, and whether it could
/// > write or not.
#[test]
fn a_process_that_is_refused_memory_is_told_so() {
    let job = job();
    let process = |name| job.process(name).env("RUST_BACKTRACE", "0");
    let ended = process("main").spawn(|_, n| runs_out(n), 0).unwrap().join();
    assert!(was_refused(&ended), "{ended:?}");
    let thread = |_: &Node, n| std::thread::spawn(move || runs_out(n)).join().unwrap();
    let ended = process("thread").spawn(thread, 0).unwrap().join();
    assert!(was_refused(&ended), "{ended:?}");
    let ended = process("mute").stderr_null().spawn(|_, n| runs_out(n), 0).unwrap().join();
    assert!(was_refused(&ended), "{ended:?}");
    let text = ended.unwrap_err();
    assert_eq!(
        text.to_string(),
        "the process ran out of memory: it was ended by signal 6 (SIGABRT) when memory had been refused to it"
    );
    assert_eq!(Exit::from(text), Exit::OutOfMemory(OutOfMemory::Refused));
}

/// > So is a task whose worker was refused memory; the pool goes on.
#[test]
fn a_task_whose_worker_is_refused_memory_is_told_so() {
    let job = job();
    let pool = job.pool(PoolOptions::new().workers(1).env("RUST_BACKTRACE", "0")).unwrap();
    for _ in 0..3 {
        match pool.submit(runs_out, 0).unwrap().result() {
            Err(TaskError::Died { why, pid: Some(_), had_returned: false }) => {
                assert!(was_refused(&Err(why.clone())), "{why:?}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(pool.apply(|n: u64| n * n, 5).unwrap(), 25);
    }
    assert!(pool.shutdown(PATIENCE));
}

/// > An abort for another reason, and one that somebody sends, are told as what they are, also of a process that was refused memory before.
#[test]
fn other_aborts_are_not_taken_for_a_lack_of_memory() {
    let job = job();
    let ended = job.spawn("aborts", |_, _: u64| -> u64 { std::process::abort() }, 0).unwrap().join();
    assert!(aborted(&ended), "{ended:?}");
    let goes_on = |_: &Node, _: u64| -> u64 {
        is_refused();
        // Another error after that.
        std::fs::metadata("/no such file").unwrap_err();
        std::process::abort()
    };
    let ended = job.spawn("goes on", goes_on, 0).unwrap().join();
    assert!(aborted(&ended), "{ended:?}");
    // No other error comes in between.
    let waits = |_: &Node, path: String| -> u64 {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        is_refused();
        file.set_len(1).unwrap();
        loop {
            std::hint::spin_loop();
        }
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let child = job.spawn("is sent one", waits, file.path().to_str().unwrap().to_owned()).unwrap();
    eventually("it was refused", || file.as_file().metadata().unwrap().len() == 1);
    send_signal(child.pid(), SIGABRT);
    let ended = child.join();
    assert!(aborted(&ended), "{ended:?}");
}

//! Processes that are stopped while they come to be, and whose parents are killed just then.

use std::time::{Duration, Instant};

use callboard::{JoinError, Node, Process};
use callboard_tests::{
    PATIENCE, Random, is_running, marked, none_left, none_runs, pause, rounds, send_signal,
};

callboard::test_door!();

const MARK: &str = "CALLBOARD_TEST_BIRTH";

/// Starts one process after the other, and has a few of them at a time.
fn starts_processes(node: &Node, (): ()) {
    let mut kept: Vec<Process<()>> = Vec::new();
    println!("begins");
    loop {
        kept.push(node.spawn("stays", |node, ()| while !node.wait_stopping(PATIENCE) {}, ()).unwrap());
        if kept.len() > 3 {
            kept.remove(0).kill().unwrap();
        }
    }
}

/// The children of all threads of a process, the youngest of each last.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let of = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children"));
    let texts: Vec<String> = threads.flatten().filter_map(|thread| of(thread).ok()).collect();
    texts.iter().flat_map(|text| text.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect()
}

/// > What a child is just starting ends with it, also when it is stopped at whatever moment from its birth on.
#[test]
fn what_a_killed_child_was_starting_is_not_left_stopped() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(100) {
        let mark = format!("{}-{round}", std::process::id());
        let parent = node.process("parent").env(MARK, &mark).stdout_captured().stderr_null();
        let parent = parent.spawn(starts_processes, ()).unwrap();
        parent.stdout().unwrap().read_line().unwrap();
        pause(random.time(Duration::from_millis(3)));
        let known = children(parent.pid());
        let until = Instant::now() + PATIENCE;
        let youngest = loop {
            let born = children(parent.pid()).into_iter().find(|pid| !known.contains(pid));
            if born.is_some() || Instant::now() > until {
                break born;
            }
        };
        let youngest = youngest.unwrap_or_else(|| panic!("nobody was started within {PATIENCE:?}"));
        for _ in 0..random.below(3_000) {
            std::hint::spin_loop();
        }
        send_signal(youngest, 19);
        send_signal(parent.pid(), 9);
        let joined = parent.join();
        assert!(matches!(joined, Err(JoinError::Signalled { signal: 9, .. })), "{joined:?}");
        none_left("none is left", || marked(MARK, &mark));
    }
}

/// > A child that a signal ends takes along what it has started by other means in its process group, whoever sent the signal.
#[test]
fn whoever_kills_a_child_kills_its_group() {
    fn starts_program(node: &Node, (): ()) {
        let mut program = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        println!("{}", program.id());
        while !node.wait_stopping(PATIENCE) {}
        program.wait().unwrap();
    }
    let node = Node::start().unwrap();
    for signal in [9, 15] {
        let child = node.process("child").stdout_captured().stderr_null().spawn(starts_program, ()).unwrap();
        let program: u32 = child.stdout().unwrap().read_line().unwrap().unwrap().parse().unwrap();
        assert!(is_running(program));
        send_signal(child.pid(), signal);
        assert!(child.join().is_err());
        none_runs("the program has ended", &[program]);
    }
}

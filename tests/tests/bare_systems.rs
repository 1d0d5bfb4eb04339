//! Systems that lack something: all goes on, or it is said what is missing. The program is `src/bin/bare_system.rs`.

use std::process::{Command, Output};

use callboard::testing::job;
use callboard::{Lack, Node, Process, Spawn};
use callboard_tests::{PATIENCE, env_sets_signals, is_running};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

callboard::test_door!();

const PROGRAM: &str = env!("CARGO_BIN_EXE_bare_system");
const WORKS: &str = "works: 9900 328350";

/// What a command printed, in lines.
fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[track_caller]
fn works(output: &Output) -> Vec<String> {
    let lines = lines(output);
    assert_eq!(lines.last().map(String::as_str), Some(WORKS), "{output:?}");
    lines
}

/// Runs the program with a file system of that kind for its `/proc`, in name spaces of its own; none where this user may not have them.
fn apart(name_spaces: &str, kind: &str) -> Option<Output> {
    let mount = format!("mount -t {kind} none /proc");
    let unshare =
        |script: &str| Command::new("unshare").args([name_spaces, "sh", "-c", script, PROGRAM]).output();
    if !unshare(&mount).is_ok_and(|tried| tried.status.success()) {
        eprintln!("not tried: this user may not have name spaces of its own");
        return None;
    }
    Some(unshare(&format!("{mount} && exec \"$0\"")).unwrap())
}

#[test]
fn an_ordinary_system_lacks_nothing_that_is_needed() {
    assert!(callboard::check().iter().all(|lack| !lack.is_fatal()), "{:?}", callboard::check());
    works(&Command::new(PROGRAM).output().unwrap());
}

/// What is told of a program that was started there.
#[track_caller]
fn told_of_programs(lines: &[String]) -> &str {
    lines.iter().find_map(|line| line.strip_prefix("programs: ")).unwrap()
}

/// > Without `/proc` everything but other programs works, and `check` says what can't be told; a program that is asked for is an error that names `/proc`.
#[test]
fn without_proc_everything_works_and_it_is_said() {
    let Some(output) = apart("-Urm", "tmpfs") else { return };
    let lines = works(&output);
    assert!(lines[0].starts_with("lacks: no /proc: "), "{lines:?}");
    assert!(told_of_programs(&lines).contains("other programs need /proc"), "{lines:?}");
}

/// > As process 1 of a container everything works, and `check` says what becomes of orphans.
#[test]
fn as_the_first_process_of_a_container_everything_works() {
    let Some(output) = apart("-Urmpf", "proc") else { return };
    let lines = works(&output);
    assert!(lines.iter().any(|line| line.starts_with("lacks: this is process 1: ")), "{lines:?}");
}

/// > With 64 descriptors everything works, and `check` says that they are few.
#[test]
fn with_64_descriptors_everything_works_and_it_is_said() {
    let output = Command::new("sh").args(["-c", "ulimit -n 64 && exec \"$0\"", PROGRAM]).output().unwrap();
    let lines = works(&output);
    assert!(
        lines.iter().any(|line| line.starts_with("lacks: few descriptors: a process may open 64")),
        "{lines:?}"
    );
}

/// > One whose parent ignored SIGCHLD is told by `check`, its children are watched all the same, and other programs, which inherit that, too.
#[test]
fn with_sigchld_ignored_it_is_said() {
    if !env_sets_signals() {
        eprintln!("not tried: env of this system sets no signals");
        return;
    }
    let output = Command::new("env").args(["--ignore-signal=CHLD", PROGRAM]).output().unwrap();
    let lines = works(&output);
    assert!(lines[0].starts_with("lacks: SIGCHLD is ignored: "), "{output:?}");
    let ignored = told_of_programs(&lines).trim_start_matches("SigIgn:").trim();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() >> 16 & 1, 1, "{output:?}");
}

/// > Where no child can be watched, as under a valgrind without `pidfd_open`, `check` says so, and a spawn is an error that points there.
#[test]
fn under_valgrind_it_is_said_what_is_lacking() {
    let valgrind = Command::new("valgrind").args(["--quiet", "--tool=none", PROGRAM]).output();
    let Ok(output) = valgrind else {
        eprintln!("not tried: there is no valgrind here");
        return;
    };
    let lines = lines(&output);
    let Some(lack) = lines.iter().find_map(|line| line.strip_prefix("lacks: no pidfd_open")) else {
        eprintln!("not tried: this valgrind has pidfd_open");
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    // It has ended with that, and not begun to wait for children that can't come.
    assert!(!output.status.success() && errors.contains(lack), "{output:?}");
    assert!(!lines.iter().any(|line| line == WORKS), "{output:?}");
    let spawn = lines.iter().find_map(|line| line.strip_prefix("spawn: ")).unwrap();
    assert!(spawn.contains("callboard::check()") && spawn.contains("cannot watch child"), "{spawn}");
}

fn waits(node: &Node, (): ()) {
    node.wait_stopping(PATIENCE);
}

/// Starts children until there is no room for another; how many there were, and why there were not more.
fn fills(node: &Node, limit: u64) -> (usize, String) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum }).unwrap();
    let lacks = callboard::check();
    let is_told =
        lacks.iter().any(|lack| matches!(lack, Lack::Descriptors { limit: told, .. } if *told == limit));
    assert!(is_told, "{lacks:?}");
    let mut children: Vec<Process<()>> = Vec::new();
    let why = loop {
        match node.process("one more").stderr_null().spawn(waits, ()) {
            Ok(child) => children.push(child),
            Err(error) => break chain(&error),
        }
    };
    assert!(children.iter().all(|child| is_running(child.pid())), "those that are there go on");
    let count = children.len();
    for child in children {
        child.kill().unwrap();
        child.join().unwrap_err();
    }
    // And then there is room again.
    node.process("again").spawn(waits, ()).unwrap().terminate(PATIENCE);
    (count, why)
}

/// An error and its causes in a line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// > Where descriptors run out the spawn has an error that says so, and children that are there go on.
#[test]
fn children_are_started_until_descriptors_run_out() {
    let job = job();
    let fill: Spawn<'_> = job.process("fills");
    let (count, why) = fill.spawn(fills, 40).unwrap().join().unwrap();
    assert!((3..40).contains(&count), "{count}");
    assert!(why.contains("Too many open files"), "{why}");
}

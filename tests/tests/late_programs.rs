//! Programs whose children never come to `Node::start`, or too late: each spawn starts one process, and no more. The program is
//! `src/bin/late_program.rs`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Child, Command, Stdio};

use callboard_tests::{eventually_shown, marked, none_left};

const PROGRAM: &str = env!("CARGO_BIN_EXE_late_program");
const MARK: &str = "CALLBOARD_TEST_MARK";
/// What the program spawns in all, and how many it has at once.
const SPAWNS: usize = 24;
const AT_ONCE: usize = 8;

/// Killed, and with it all that it has spawned, if the test fails.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(mut file: &File) -> String {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// Runs the program to its end, and counts its processes while it runs and after; what it wrote to each stream.
#[track_caller]
fn runs_and_ends(mode: &str) -> (String, String) {
    let mark = format!("{mode} {}", std::process::id());
    // Files, whose end needs nobody's end.
    let (out, err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut command = Command::new(PROGRAM);
    command.arg(mode).env(MARK, &mark).stdin(Stdio::null());
    command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let mut program = Ends(command.spawn().unwrap());
    let mut most = 0;
    let said = || format!("{}{}", text(&out), text(&err));
    eventually_shown("the program ends", said, || {
        most = most.max(marked(MARK, &mark).len());
        assert!(most <= 1 + AT_ONCE, "there are {most} processes at once");
        program.0.try_wait().unwrap().is_some()
    });
    none_left("none of its processes is left", || marked(MARK, &mark));
    assert!(most > 0, "the count sees nothing");
    (text(&out), text(&err))
}

/// Each spawn started one process, and was told that its function did not run.
#[track_caller]
fn is_told(out: &str, code: i32) {
    assert_eq!(out.lines().filter(|line| line.starts_with("begun ")).count(), 1 + SPAWNS, "{out}");
    let joins: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("join: ")).collect();
    let why =
        format!("it ended with exit code {code} before it came to Node::start, which must be the first");
    assert!(joins.len() == SPAWNS && joins.iter().all(|join| join.contains(&why)), "{out}");
    assert_eq!(out.lines().last(), Some("over"));
}

/// > A program whose children leave `main` before `Node::start`, or come there with threads, has one process for each spawn and no more, whose join says why;
/// > none is left.
#[test]
fn children_that_leave_main_before_the_start_are_one_for_each_spawn() {
    let (out, _) = runs_and_ends("leaves");
    is_told(&out, 0);
}

/// > A program whose children leave `main` before `Node::start`, or come there with threads, has one process for each spawn and no more, whose join says why;
/// > none is left.
#[test]
fn children_that_have_threads_before_the_start_are_one_for_each_spawn() {
    let (out, err) = runs_and_ends("threads-first");
    is_told(&out, 1);
    // Each says itself what was wrong.
    let is_named = |line: &&str| line.contains("TooLate") && line.contains("late_program.rs:");
    assert_eq!(err.lines().filter(is_named).count(), SPAWNS, "{err}");
}

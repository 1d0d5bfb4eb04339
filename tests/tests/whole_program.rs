//! The exit status of a whole program that runs a supervisor, and what is left of it: `src/bin/whole_program.rs`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use callboard_tests::{eventually, eventually_shown, none_left, send_signal};
use tempfile::NamedTempFile;

const NAMES: [&str; 5] = ["first", "second", "third", "fourth", "last"];

/// The program while it runs.
struct Program {
    child: Child,
    /// What it writes; its path is also an argument, by which its processes are found.
    output: NamedTempFile,
}

impl Program {
    fn run(what: &str) -> Self {
        let output = NamedTempFile::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_whole_program"));
        command.arg(what).arg(output.path()).stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.stdout(output.reopen().unwrap()).spawn().unwrap();
        Self { child, output }
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.output.path()).unwrap().lines().map(str::to_owned).collect()
    }

    /// All that has been written but for starts.
    fn ends(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.ends_with(" ends")).collect()
    }

    fn all_have_started(&self) {
        eventually("all children have started", || {
            let lines = self.lines();
            NAMES.iter().all(|name| lines.iter().any(|line| line.starts_with(&format!("{name} starts in "))))
        });
        // It, one for each of three children, and what else it needs.
        assert!(self.processes().len() >= 4, "{:?}", self.processes());
    }

    /// Its processes, itself included: those that were given its arguments.
    fn processes(&self) -> Vec<u32> {
        let mark = self.output.path().to_str().unwrap();
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let is_ours = |pid: &u32| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&arguments).contains(mark)
        };
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_ours).collect()
    }

    fn signal(&self, signal: i32) {
        send_signal(self.child.id(), signal);
    }

    /// Waits for its end, after which nothing is left of it.
    fn ends_with(mut self) -> (ExitStatus, Vec<String>) {
        let mut status = None;
        let said = || fs::read_to_string(self.output.path()).unwrap();
        eventually_shown("it ends", said, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        none_left("none of its processes is left", || self.processes());
        (status.unwrap(), self.lines())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that fails leaves nothing either.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// > A program that runs a supervisor ends on SIGTERM and Ctrl-C with status 0, its children one by one, the last first.
#[test]
fn a_program_ends_in_order_with_status_0_on_a_signal() {
    for signal in [15, 2] {
        let program = Program::run("nothing");
        program.all_have_started();
        program.signal(signal);
        let (status, lines) = program.ends_with();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "signal {signal}: {lines:?}");
        let expected = ["last ends", "fourth ends", "third ends", "second ends", "first ends"];
        assert_eq!(lines[NAMES.len()..], expected, "signal {signal}");
    }
}

/// > A second signal, while a child refuses to end, ends the whole program at once, by that signal.
#[test]
fn a_second_signal_ends_a_program_at_once() {
    for (first, second) in [(15, 15), (2, 2), (15, 2), (2, 15)] {
        let program = Program::run("refuses");
        program.all_have_started();
        program.signal(first);
        eventually("the one that refuses is asked", || program.ends() == ["last ends"]);
        assert!(program.processes().len() >= 4, "all of them still run");
        program.signal(second);
        let (status, lines) = program.ends_with();
        assert_eq!((status.code(), status.signal()), (None, Some(second)), "after {first}: {lines:?}");
        assert_eq!(lines.len(), NAMES.len() + 1, "nobody else was asked: {lines:?}");
    }
}

/// > A program whose supervisor gives up ends with a status that is not 0, its children gone in order.
#[test]
fn a_program_whose_supervisor_gives_up_fails() {
    let program = Program::run("gives-up");
    let (status, lines) = program.ends_with();
    assert_eq!((status.code(), status.signal()), (Some(1), None), "{lines:?}");
    let starts = lines.iter().filter(|line| line.starts_with("last starts")).count();
    let ends: Vec<&String> = lines.iter().filter(|line| line.ends_with(" ends")).collect();
    assert_eq!((starts, ends.len()), (3, 4), "{lines:?}");
    assert_eq!(ends, ["fourth ends", "third ends", "second ends", "first ends"]);
}

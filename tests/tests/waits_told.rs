//! What a program writes about its waits: on SIGQUIT, and when one lasts long. The program is `src/bin/waits_program.rs`.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use callboard::testing::{resume, stop};
use callboard::{Event, EventOptions, Node};
use callboard_tests::{eventually, eventually_shown, send_signal, stop_state, with_default_signals};
use tempfile::NamedTempFile;

const QUIT: i32 = 3;

/// The program while it runs.
struct Program {
    child: Child,
    said: NamedTempFile,
    told: NamedTempFile,
}

/// All that has been written to those, for whoever looks for what went wrong.
fn words(files: [&NamedTempFile; 2]) -> String {
    files.map(|file| fs::read_to_string(file.path()).unwrap()).concat()
}

impl Program {
    fn run(mode: &str, env: &[(&str, &str)]) -> Self {
        let (said, told) = (NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap());
        let mut command = with_default_signals(env!("CARGO_BIN_EXE_waits_program"));
        command.arg(mode).stdin(Stdio::piped()).stdout(said.reopen().unwrap()).stderr(told.reopen().unwrap());
        command.env_remove("CALLBOARD_WARN_WAIT").env_remove("CALLBOARD_WAITS_ON_QUIT");
        let child = command.envs(env.iter().copied()).spawn().unwrap();
        Self { child, said, told }
    }

    /// Waits until it says that it is ready; the process that it names.
    fn is_ready(&self) -> u32 {
        let mut pid = None;
        eventually_shown(
            "it is ready",
            || words([&self.said, &self.told]),
            || {
                let said = fs::read_to_string(self.said.path()).unwrap();
                pid = said.lines().find_map(|line| line.strip_prefix("ready ")?.parse().ok());
                pid.is_some()
            },
        );
        pid.unwrap()
    }

    fn said(&self, line: &str) -> bool {
        fs::read_to_string(self.said.path()).unwrap().lines().any(|said| said == line)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The whole lines that have been written about waits.
    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.told.path()).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(str::to_owned).collect()
    }

    /// Asks it to tell until a line has all that is wanted: it may not have come to wait when it was asked first.
    fn tells(&self, wanted: &[&str]) {
        let all = || words([&self.said, &self.told]);
        eventually_shown(&format!("a line with {wanted:?}"), all, || {
            let before = self.lines().len();
            send_signal(self.pid(), QUIT);
            eventually_shown("it tells", all, || self.lines().len() > before);
            self.lines().iter().any(|line| wanted.iter().all(|word| line.contains(word)))
        });
    }

    /// Has it go on, and waits for its end.
    fn goes_on(mut self) -> (ExitStatus, Vec<String>) {
        // It may have ended already.
        let _ = self.child.stdin.take().unwrap().write_all(b"\n");
        let mut status = None;
        let all = || words([&self.said, &self.told]);
        eventually_shown("it ends", all, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let has_gone_on = self.said("went on") || self.said("heard 1");
        assert!(status.unwrap().code() != Some(0) || has_gone_on, "{}", all());
        (status.unwrap(), self.lines())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// > After `Node::print_waits_on_quit`, SIGQUIT at the root has every process of the job write a line for each of its waits, and the program goes on.
#[test]
fn each_process_of_a_job_tells_what_it_waits_for_and_goes_on() {
    let program = Program::run("job", &[]);
    let middle = program.is_ready();
    let (root, root_is) = (program.pid(), format!("callboard: root (pid {}): ", program.pid()));
    // A process that only just comes to wait may be busy, and a lock's holder not known yet: then it is asked again.
    let own = format!("root (pid {root}, this process) owns it and runs");
    program.tells(&[&root_is, "thread main has waited ", "an item from queue /lines", &own]);
    program.tells(&[
        &format!("callboard: middle (pid {middle}): thread main"),
        "for the end of process below: below (pid ",
    ]);
    let held = format!(": root (pid {root}) owns it and runs; root (pid {root}) holds it and runs");
    program.tells(&["callboard: below (pid ", "for lock /lock", &held]);
    let (status, lines) = program.goes_on();
    assert_eq!(status.code(), Some(0), "{lines:?}");
}

/// > Of a process that is stopped, or does not come to tell, the root says so; what is below it tells all the same.
#[test]
fn of_a_stopped_process_the_root_says_so_and_what_is_below_it_tells() {
    let program = Program::run("job-as-told", &[("CALLBOARD_WAITS_ON_QUIT", "1")]);
    let middle = program.is_ready();
    stop(middle);
    eventually("it is stopped", || stop_state(middle) == Some('T'));
    program
        .tells(&[&format!("callboard: middle (pid {middle}) is stopped and does not say what it waits for")]);
    program.tells(&["callboard: below (pid ", "for lock /lock"]);
    resume(middle);
    let (status, lines) = program.goes_on();
    assert_eq!(status.code(), Some(0), "{lines:?}");
}

/// > When nothing is waited for, one line of each process says so.
#[test]
fn a_program_that_waits_for_nothing_says_so_in_one_line() {
    let program = Program::run("idle", &[]);
    program.is_ready();
    for asked in 1..=3 {
        send_signal(program.pid(), QUIT);
        eventually("it tells", || program.lines().len() >= asked);
    }
    let expected = format!("callboard: root (pid {}): nothing is waited for", program.pid());
    assert_eq!(program.lines(), vec![expected; 3]);
    let (status, lines) = program.goes_on();
    assert_eq!((status.code(), lines.len()), (Some(0), 3), "{lines:?}");
}

/// > Without that call, or when its node has ended, SIGQUIT does what it does by default.
#[test]
fn a_program_that_did_not_ask_for_it_ends_on_sigquit() {
    for (mode, env) in [("job-as-told", "0"), ("job-as-told", "nonsense"), ("ended", "0")] {
        let program = Program::run(mode, &[("CALLBOARD_WAITS_ON_QUIT", env)]);
        program.is_ready();
        send_signal(program.pid(), QUIT);
        let (status, lines) = program.goes_on();
        assert_eq!((status.code(), status.signal()), (None, Some(QUIT)), "{mode} {lines:?}");
        let complaint =
            "callboard: root: CALLBOARD_WAITS_ON_QUIT is ignored: \"nonsense\" is neither 1 nor 0";
        // Who is below may say that the root has ended.
        assert_eq!(lines.iter().any(|line| line == complaint), env == "nonsense", "{lines:?}");
    }
}

/// > A handler for SIGQUIT that the program had set before is left alone, and the call says so.
#[test]
fn a_handler_that_was_there_before_is_left_alone() {
    let program = Program::run("own-handler", &[("CALLBOARD_WAITS_ON_QUIT", "1")]);
    program.is_ready();
    send_signal(program.pid(), QUIT);
    let (status, lines) = program.goes_on();
    assert_eq!((status.code(), lines), (Some(0), Vec::new()));
}

/// > A handler for SIGQUIT that is set later with `signal-hook` runs beside ours.
#[test]
fn a_handler_that_is_set_later_runs_too() {
    let program = Program::run("later-handler", &[]);
    program.is_ready();
    send_signal(program.pid(), QUIT);
    let all = || words([&program.said, &program.told]);
    eventually_shown("its own handler runs", all, || program.said("heard 1"));
    program.tells(&["an item from queue /lines"]);
    let (status, lines) = program.goes_on();
    assert_eq!(status.code(), Some(0), "{lines:?}");
}

/// > A node that starts after another of its process has ended can answer SIGQUIT too.
#[test]
fn a_second_node_of_a_process_answers_too() {
    let program = Program::run("second-node", &[]);
    program.is_ready();
    program.tells(&["an item from queue /lines"]);
    let (status, lines) = program.goes_on();
    assert_eq!(status.code(), Some(0), "{lines:?}");
}

/// > With `Node::warn_after`, or `CALLBOARD_WARN_WAIT` in the environment, a wait that lasts longer is told in one line, and again at each doubling; shorter ones are not.
#[test]
fn a_long_wait_is_told_of_at_each_doubling_and_a_short_one_never() {
    let program = Program::run("warns", &[("CALLBOARD_WARN_WAIT", "0.05")]);
    program.is_ready();
    let is_long = |line: &String| line.contains("for an item from queue /lines");
    let all = || words([&program.said, &program.told]);
    eventually_shown("four lines", all, || program.lines().iter().filter(|line| is_long(line)).count() >= 4);
    let (status, lines) = program.goes_on();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    let lasted = |line: &String| {
        let (_, rest) = line.split_once("has waited ").unwrap();
        rest.split_once(" s for").unwrap().0.parse::<f64>().unwrap()
    };
    // Where the machine stood still in a short one that was a long one.
    let is_right = |line: &String| is_long(line) || (line.contains("/event") && lasted(line) >= 0.15);
    assert!(lines.iter().all(is_right), "{lines:?}");
    let lasted: Vec<f64> = lines.iter().filter(|line| is_long(line)).map(lasted).collect();
    for (at, seconds) in lasted.iter().enumerate() {
        // Never too early; a line that comes late is one all the same.
        let least = 0.2 * 2_f64.powi(i32::try_from(at).unwrap());
        assert!(*seconds + 0.06 >= least, "{lasted:?}");
    }
}

/// > With `Node::warn_after`, or `CALLBOARD_WARN_WAIT` in the environment, a wait that lasts longer is told in one line, and again at each doubling; shorter ones are not.
#[test]
fn the_environment_has_each_process_warn() {
    let program = Program::run("job-as-told", &[("CALLBOARD_WARN_WAIT", "0.3")]);
    program.is_ready();
    for wanted in ["queue /lines", "the end of process below", "for lock /lock"] {
        let all = || words([&program.said, &program.told]);
        eventually_shown(wanted, all, || program.lines().iter().any(|line| line.contains(wanted)));
    }
    let (status, lines) = program.goes_on();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    let program = Program::run("job-as-told", &[("CALLBOARD_WARN_WAIT", "-1")]);
    program.is_ready();
    let (status, lines) = program.goes_on();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    let complaint = "CALLBOARD_WARN_WAIT is ignored: \"-1\" is no number of seconds above zero";
    assert_eq!(lines.iter().filter(|line| line.contains(complaint)).count(), 3, "one of each: {lines:?}");
}

/// How often the threads that look after waits have slept, in this process.
fn sleeps() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let tellers = tasks.filter(|task| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "callboard-waits")
    });
    let counts = tellers.filter_map(|task| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok())
    });
    counts.sum()
}

/// Waits that end soon do not keep the thread busy that looks after them.
#[test]
fn short_waits_do_not_keep_the_thread_busy_that_looks_after_them() {
    let node = Node::start().unwrap();
    node.warn_after(Some(Duration::from_secs(600))).unwrap();
    let event: Event = node.anonymous(EventOptions::new());
    eventually("it sleeps", || sleeps() > 0);
    let before = sleeps();
    for _ in 0..200 {
        assert!(!event.wait_timeout(Duration::from_millis(1)).unwrap());
    }
    let slept = sleeps() - before;
    assert!(slept < 10, "it was woken {slept} times");
}

//! Which signals this library touches, and what a program, its children and other programs do at them. The program is
//! `src/bin/signals_program.rs`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use callboard_tests::{env_sets_signals, eventually_shown, send_signal, with_default_signals};
use tempfile::NamedTempFile;

const PROGRAM: &str = env!("CARGO_BIN_EXE_signals_program");

/// What the program says that begins so: `--ignore-signal=HUP`, and else with all signals as by default; none where `env` can't do that.
fn says(mode: &str, begins: &[&str]) -> Option<String> {
    if !env_sets_signals() {
        eprintln!("not tried: env of this system sets no signals");
        return None;
    }
    let mut program = Command::new("env");
    program.arg("--default-signal").args(begins).args([PROGRAM, mode]);
    let output = program.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    Some(said)
}

/// The program while it runs, as a command starts it.
struct Runs {
    child: Child,
    said: NamedTempFile,
}

impl Runs {
    fn start(mut command: Command) -> Self {
        let said = NamedTempFile::new().unwrap();
        let out = said.reopen().unwrap();
        command.stdin(Stdio::null()).stderr(out.try_clone().unwrap()).stdout(out);
        Self { child: command.spawn().unwrap(), said }
    }

    /// Waits until it has said that line.
    #[track_caller]
    fn says(&self, line: &str) {
        let said = || fs::read_to_string(self.said.path()).unwrap();
        eventually_shown(&format!("{line:?} is said"), said, || said().lines().any(|said| said == line));
    }
}

/// It is killed with what it has started, if it should still be there.
impl Drop for Runs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bit of a signal in the masks that the system shows.
fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// > A node changes nothing about any signal of its process unless it is asked to, whatever it is used for.
#[test]
fn a_node_touches_no_signal_unless_it_is_asked() {
    for begins in [&[][..], &["--ignore-signal=HUP,INT,QUIT,TERM"]] {
        let Some(said) = says("untouched", begins) else { return };
        assert_eq!(said, "same\n", "{begins:?}");
    }
}

/// > A child that is started by `Spawn` begins with no handler but those of the standard library and one for SIGABRT, and in a process group of its own; what its parent ignores it ignores, and what the thread that spawned it blocks it blocks.
#[test]
fn a_child_ignores_and_blocks_what_its_parent_does_and_handles_nothing() {
    for (begins, blocked, ignored) in
        [("--block-signal=USR2", bit(12), 0), ("--ignore-signal=HUP", 0, bit(1))]
    {
        let Some(said) = says("children", &[begins]) else { return };
        // SIGPIPE is ignored by the standard library; SIGUSR1 is handled here as in the parent, by the program's own line.
        let handled = bit(6) | bit(7) | bit(11) | bit(10);
        let expected = format!("child {blocked:x} {:x} {handled:x} true", ignored | bit(13));
        assert_eq!(said.lines().next(), Some(&*expected), "{said}");
    }
}

/// > So does another program, with no handler at all, and with SIGPIPE as by default.
#[test]
fn a_program_ignores_and_blocks_what_its_parent_does_and_handles_nothing() {
    for (begins, blocked, ignored) in
        [("--block-signal=USR2", bit(12), 0), ("--ignore-signal=HUP", 0, bit(1))]
    {
        let Some(said) = says("children", &[begins]) else { return };
        assert_eq!(said.lines().nth(1), Some(&*format!("program {blocked:x} {ignored:x} 0")), "{said}");
    }
}

/// > Handlers for SIGINT and SIGTERM that the program sets with `signal-hook`, before `Node::stop_on_signals` or after, run beside ours; when the node has ended, the signals end the program again.
#[test]
fn handlers_that_were_set_before_and_after_run_beside_ours() {
    for signal in [2, 15] {
        let mut command = with_default_signals(PROGRAM);
        command.arg("handlers");
        let mut program = Runs::start(command);
        program.says("ready");
        send_signal(program.child.id(), signal);
        program.says("all three");
        program.says("node ended");
        send_signal(program.child.id(), signal);
        assert_eq!(program.child.wait().unwrap().signal(), Some(signal));
    }
}

/// The only child of that process, once it has one.
fn child_of(parent: u32) -> Option<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        (fields.split(' ').nth(1) == Some(&*parent.to_string())).then_some(pid)
    });
    processes.into_iter().next()
}

/// > As process 1 of a container, to which the kernel gives no signal without a handler, a program whose node has ended exits by SIGTERM and SIGINT with 128 and the signal's number.
#[test]
fn as_the_first_process_of_a_container_a_signal_ends_the_program() {
    let apart = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-Urmpf", "--kill-child", "sh", "-c", script, PROGRAM]);
        unshare
    };
    if !apart("mount -t proc none /proc").status().is_ok_and(|tried| tried.success()) {
        eprintln!("not tried: this user may not have name spaces of its own");
        return;
    }
    for signal in [2, 15] {
        let mut program = Runs::start(apart("mount -t proc none /proc && exec \"$0\" handlers"));
        program.says("ready");
        let first = child_of(program.child.id()).unwrap();
        send_signal(first, signal);
        program.says("node ended");
        send_signal(first, signal);
        assert_eq!(program.child.wait().unwrap().code(), Some(128 + signal));
    }
}

/// > SIGCHLD is the program's own: its handler runs, and ends are told all the same; if it is ignored, so that the kernel forgets how children ended, what a child told itself is told, be it a value, a panic or a failed start, and any other end as unknown.
#[test]
fn the_signal_of_ended_children_is_the_programs_own() {
    let Some(said) = says("child-handler", &[]) else { return };
    assert!(said.starts_with("returned 3, killed: ") && said.contains("SIGKILL"), "{said}");
    let Some(said) = says("children-ignored", &["--ignore-signal=CHLD"]) else { return };
    assert!(said.starts_with("returned 3, killed: ") && !said.contains("SIGKILL"), "{said}");
    assert!(said.contains("as it was told"), "{said}");
}

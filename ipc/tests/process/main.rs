//! Children of a test binary, as the crate above starts them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod roles;
mod support;

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use callboard_ipc::{ChildSpec, Exit, SpawnError, StdStream, image_id, locate, start};

use support::{Kid, eventually, socket_pair};

callboard_ipc::door!(roles::play);

/// Set in a copy of this binary that a test runs: what that copy is to check.
const COPY: &str = "CALLBOARD_TEST_COPY";

fn killed_by(signal: i32) -> impl Fn(Exit) -> bool {
    move |exit| matches!(exit, Exit::Signal { signal: found, .. } if found == signal)
}

#[test]
fn a_child_talks_over_the_socket_it_was_given() {
    let mut kid = Kid::start("echo");
    for byte in [1, 2, 255] {
        kid.write(&[byte]);
        assert_eq!(kid.read_exact(), [byte]);
    }
}

#[test]
fn a_child_sees_the_end_of_stream_when_the_parents_end_is_closed() {
    let mut kid = Kid::start("echo");
    drop(kid.socket.take());
    assert_eq!(kid.wait(), Exit::Code(3));
}

#[test]
fn the_parent_sees_the_end_of_stream_when_the_child_is_killed() {
    let mut kid = Kid::start("echo");
    kid.child.kill().unwrap();
    assert_eq!(kid.read_all(), "");
    assert!(killed_by(9)(kid.wait()));
}

#[test]
fn parent_and_child_agree_about_the_build() {
    let mut kid = Kid::start("image");
    let mut id = Vec::new();
    kid.socket.as_mut().unwrap().read_to_end(&mut id).unwrap();
    assert_eq!(id, image_id().as_bytes());
}

fn twice(number: u64) -> u64 {
    2 * number + 1
}

#[test]
fn a_function_located_in_the_parent_is_called_in_the_child() {
    let function: fn(u64) -> u64 = twice;
    let mut kid = Kid::start("call");
    kid.write(&locate(function as *const ()).unwrap().get().to_ne_bytes());
    assert_eq!(u64::from_ne_bytes(kid.read_exact()), 41);
}

#[test]
fn a_child_starts_clean() {
    let mut kid = Kid::start("state");
    let text = kid.read_all();
    // Those that whoever runs the tests left open, the socket, and the parent.
    let descriptors = support::inheritable_descriptors() + 2;
    let expected = format!(
        "parent {}\nthreads 1\nleads its group true\nsocket closes on exec true\ninput /dev/null\n\
         announced false\ntaken twice false\ndescriptors {descriptors}\nbroken pipe BrokenPipe\n",
        std::process::id()
    );
    assert_eq!(text, expected);
    assert_eq!(kid.wait(), Exit::Code(0));
}

#[test]
fn threads_panics_and_thread_locals_work_behind_the_door() {
    let mut kid = Kid::start("runtime");
    let expected = "caught true\nother thread true\njoined panic true\nname None\nlocal 3\n\
                    arguments true\nbacktrace true\n";
    assert_eq!(kid.read_all(), expected);
    assert_eq!(kid.wait(), Exit::Code(0));
}

#[test]
fn the_exit_code_is_the_one_the_child_gave() {
    for code in [0, 1, 7, 255] {
        let mut kid = Kid::start("exit");
        assert_eq!(kid.child.try_reap().unwrap(), None);
        kid.write(&[code]);
        assert_eq!(kid.wait(), Exit::Code(i32::from(code)));
    }
}

#[test]
fn an_aborting_child_is_reported_by_its_signal() {
    assert!(killed_by(6)(Kid::start_quiet("abort").wait()));
}

#[test]
fn a_child_that_runs_out_of_stack_is_ended_by_a_signal() {
    assert!(killed_by(11)(Kid::start_quiet("overflow").wait()));
}

#[test]
fn a_panic_behind_the_door_ends_the_child_and_never_reaches_main() {
    assert_eq!(Kid::start_quiet("panic").wait(), Exit::Code(callboard_ipc::DOOR_FAILED_CODE));
}

#[test]
fn a_stopped_child_can_be_killed() {
    let mut kid = Kid::start("echo");
    kid.child.signal(libc::SIGSTOP).unwrap();
    let stat = format!("/proc/{}/stat", kid.child.pid());
    eventually(|| std::fs::read_to_string(&stat).unwrap().contains(") T "));
    assert_eq!(kid.child.try_reap().unwrap(), None);
    kid.child.kill().unwrap();
    assert!(killed_by(9)(kid.wait()));
}

#[test]
fn signals_to_a_child_that_has_ended_are_no_error_and_its_end_is_told_once() {
    let mut kid = Kid::start("exit");
    kid.write(&[5]);
    support::wait_readable(&kid.child);
    kid.child.kill().unwrap();
    assert_eq!(kid.wait(), Exit::Code(5));
    kid.child.kill().unwrap();
    kid.child.signal(libc::SIGTERM).unwrap();
    assert_eq!(kid.child.try_reap().unwrap(), Some(Exit::Unknown));
    assert_eq!(kid.child.signal(-1).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn only_the_child_that_a_token_was_made_for_uses_it() {
    let text = Kid::start("grandchildren").read_all();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(lines[0], "left over: main ran true, code Some(0), ");
    assert!(lines[1].starts_with("right socket: main ran false, code Some(101), callboard: "), "{text}");
    assert!(lines[1].contains("was spawned by process"), "{text}");
    assert!(lines[2].starts_with("right parent: main ran false, code Some(101), callboard: "), "{text}");
    assert!(lines[2].contains("not the standard input"), "{text}");
    assert_eq!(lines[3], "garbage: main ran true, code Some(0), ");
}

#[test]
fn arguments_environment_directory_and_output_are_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let (mut output, theirs) = std::io::pipe().unwrap();
    let mut kid = Kid::start_with("settings", |spec| {
        spec.args = Some(vec!["zero".into(), "one two".into(), "".into()]);
        spec.env.push(("GIVEN".into(), Some("first".into())));
        spec.env.push(("GIVEN".into(), Some("second".into())));
        spec.env.push(("PATH".into(), None));
        spec.cwd = Some(dir.clone());
        spec.stdout = StdStream::Fd(theirs.into());
    });
    let expected = format!(
        "arguments [\"zero\", \"one two\", \"\"]\ndirectory {}\nGIVEN Some(\"second\")\nPATH None\n",
        dir.display()
    );
    assert_eq!(kid.read_all(), expected);
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(text, "to standard output\n");
}

#[test]
fn by_default_a_child_has_its_parents_arguments_environment_and_directory() {
    let mut kid = Kid::start_with("settings", |spec| spec.stdout = StdStream::Null);
    let text = kid.read_all();
    let arguments = std::env::args().collect::<Vec<_>>();
    assert!(text.contains(&format!("arguments {arguments:?}\n")), "{text}");
    assert!(text.contains(&format!("PATH {:?}\n", std::env::var("PATH").ok())), "{text}");
    let here = std::env::current_dir().unwrap();
    assert!(text.contains(&format!("directory {}\n", here.display())), "{text}");
}

#[test]
fn a_child_can_start_from_an_empty_environment() {
    let mut kid = Kid::start_with("settings", |spec| {
        spec.clear_env = true;
        spec.stdout = StdStream::Null;
    });
    assert!(kid.read_all().contains("PATH None\n"));
}

#[test]
fn a_program_that_is_not_there_is_named_in_the_error() {
    let mut kid = Kid::start_with("missing program", |spec| {
        let key = callboard_ipc::EXECUTABLE_VARIABLE;
        spec.env.push((key.into(), Some("/no/such/program".into())));
    });
    assert_eq!(kid.read_all(), "/no/such/program NotFound");
}

#[test]
fn a_working_directory_that_is_not_there_is_named_in_the_error() {
    let (_ours, theirs) = socket_pair();
    let mut spec = ChildSpec::new("lost", theirs);
    spec.cwd = Some("/no/such/directory".into());
    let error = start(spec).unwrap_err();
    let SpawnError::Prepare { name, source } = error else { panic!("{error}") };
    assert_eq!(name, "lost");
    assert!(source.to_string().contains("/no/such/directory"), "{source}");
}

#[test]
fn a_descriptor_that_is_no_socket_is_refused() {
    let null = std::fs::File::open("/dev/null").unwrap();
    let spec = ChildSpec::new("deaf", null.as_fd().try_clone_to_owned().unwrap());
    assert!(matches!(start(spec), Err(SpawnError::Prepare { .. })));
}

#[test]
fn two_hundred_children_leave_no_descriptor_behind() {
    assert_eq!(Kid::start("many").wait(), Exit::Code(0));
}

/// Runs one test of `program`, which is this binary, as the copy `mode`.
fn run_copy(command: &mut Command, test: &str, mode: &str) {
    command.args(["--exact", test, "--nocapture"]).env(COPY, mode);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

#[test]
fn children_start_after_the_binary_was_replaced() {
    let name = "children_start_after_the_binary_was_replaced";
    if std::env::var(COPY).is_ok_and(|mode| mode == name) {
        let path = std::env::current_exe().unwrap();
        std::fs::remove_file(&path).unwrap();
        a_child_talks_over_the_socket_it_was_given();
        std::fs::write(&path, "another program").unwrap();
        a_child_talks_over_the_socket_it_was_given();
        return parent_and_child_agree_about_the_build();
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy of this test");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    run_copy(&mut Command::new(&copy), name, name);
}

#[cfg(all(target_arch = "x86_64", target_env = "gnu", not(target_feature = "crt-static")))]
#[test]
fn children_start_when_the_dynamic_loader_was_called_by_hand() {
    let name = "children_start_when_the_dynamic_loader_was_called_by_hand";
    if std::env::var(COPY).is_ok_and(|mode| mode == name) {
        assert_ne!(callboard_ipc::executable().unwrap(), Path::new("/proc/self/exe"));
        a_child_talks_over_the_socket_it_was_given();
        return parent_and_child_agree_about_the_build();
    }
    let mut loader = Command::new("/lib64/ld-linux-x86-64.so.2");
    run_copy(loader.arg(std::env::current_exe().unwrap()), name, name);
}

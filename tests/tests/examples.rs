//! Every example runs by itself, ends, and prints what it is expected to.
//!
//! What that is stands in `examples/expected/NAME.txt`: its lines must come in this order, and others may stand between
//! them, because processes print when they like. A `*` in such a line stands for any text. What a fork server does is not expected of a system that
//! can have none.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use callboard::StartMethod;
use callboard_tests::{PATIENCE, pause};

/// Makes a test of each example, with the arguments it is run with, and a list of them all.
macro_rules! examples {
    ($($name:ident $args:expr;)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                prints_what_is_expected(stringify!($name), &$args);
            }
        )*
    };
}

examples! {
    actor_messages [];
    actors_by_name [];
    array_sum ["--megabytes", "20"];
    barrier_lockstep [];
    supervised_tree [];
    commands [];
    commands_pipeline [];
    dict_counter [];
    dict_of_lists [];
    dict_results [];
    event_start [];
    handles_travel [];
    join_by_name [];
    lock_countdown [];
    locks_and_permits [];
    lockstep_group [];
    pipe_shout [];
    pipeline_words [];
    pool_basics [];
    pool_chunks [];
    pool_failures [];
    pool_numbers [];
    pool_or_threads [];
    pool_progress [];
    pool_results [];
    process_tree [];
    processes_fail [];
    processes_join [];
    processes_logs [];
    processes_many [];
    processes_names [];
    processes_started [];
    processes_sums [];
    queue_bounded [];
    queue_by_is_empty [];
    queue_consumers [];
    queue_leases [];
    queue_order [];
    queue_tasks [];
    queue_worker_group [];
    region_named [];
    served_counter [];
    values_shared [];
    wait_any [];
    waits_named [];
    word_count ["--top", "3", "LICENSE-APACHE"];
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn cargo(verb: &str) -> Command {
    // Of the whole workspace, as the tests are built: with a package named, features differ and all is built anew.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args([verb, "--quiet"]);
    cargo
}

/// Builds all examples once, so that the time it takes is nobody's deadline.
fn build() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let built = cargo("build").arg("--examples").output().unwrap();
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "the examples do not build:\n{errors}");
    });
}

/// Runs an example to its end; whether it succeeded, and what it printed to each stream.
fn run(name: &str, args: &[&str]) -> (bool, String, String) {
    build();
    // Files rather than pipes: what a stray child keeps open must not hold up the test.
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut command = cargo("run");
    command.args(["--example", name, "--"]).args(args).stdin(Stdio::null());
    command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let mut example = command.spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut status = example.try_wait().unwrap();
    while status.is_none() && Instant::now() < deadline {
        pause(Duration::from_millis(5));
        status = example.try_wait().unwrap();
    }
    if status.is_none() {
        // Cargo has become the example, so this reaches the example.
        example.kill().unwrap();
        example.wait().unwrap();
    }
    let text = |file: &mut fs::File| {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let end = status.map_or(format!("killed after {PATIENCE:?}"), |status| status.to_string());
    (status.is_some_and(|status| status.success()), text(&mut out), format!("{}{end}\n", text(&mut err)))
}

/// Whether `line` is `pattern`, in which each `*` stands for any text.
fn matches(pattern: &str, line: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == line,
        Some((before, after)) => line.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(after, &rest[at..]))
        }),
    }
}

/// The first expected line that does not come after those before it.
fn missing<'a>(expected: &'a str, output: &str) -> Option<&'a str> {
    let mut lines = output.lines();
    expected.lines().find(|pattern| !lines.any(|line| matches(pattern, line)))
}

#[track_caller]
fn prints_what_is_expected(name: &str, args: &[&str]) {
    let path = root().join("examples/expected").join(format!("{name}.txt"));
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!expected.trim().is_empty(), "{} expects nothing", path.display());
    let (succeeded, output, errors) = run(name, args);
    let can_fork = StartMethod::available().contains(&StartMethod::ForkServer);
    let expected = expected.lines().filter(|line| can_fork || !line.contains("forkserver"));
    let expected: String = expected.flat_map(|line| [line, "\n"]).collect();
    let all = format!("---- its output\n{output}---- its errors and end\n{errors}----");
    assert!(succeeded, "example {name} failed\n{all}");
    if let Some(line) = missing(&expected, &output) {
        let place = path.display();
        panic!("example {name} lacks a line of {place}, or has it too early:\n    {line}\n{all}");
    }
}

#[test]
fn a_progress_bar_is_plain_lines_where_there_is_no_terminal() {
    let (succeeded, _, errors) = run("pool_progress", &[]);
    let lines: Vec<&str> = errors.lines().filter(|line| line.starts_with("squares: ")).collect();
    assert!(succeeded && (2..=10).contains(&lines.len()), "{errors}");
    assert_eq!(lines.last(), Some(&"squares: 200 of 200 (100 %), 4 failed"), "{errors}");
    assert!(!errors.contains(['\r', '\x1b']), "{errors:?}");
}

/// The names of the files in a folder, without `extension`.
fn names_in(folder: &str, extension: &str) -> BTreeSet<String> {
    let paths = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let (right, wrong): (Vec<_>, Vec<_>) =
        paths.partition(|path| path.extension().is_some_and(|found| found == extension));
    assert!(wrong.is_empty(), "in {folder}, but not .{extension}: {wrong:?}");
    right.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_example_has_a_test_and_an_expected_output_and_no_others_are_left() {
    let examples = names_in("examples/examples", "rs");
    let tested: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(examples, names_in("examples/expected", "txt"), "examples, and files in examples/expected");
    assert_eq!(examples, tested, "examples, and those listed in tests/tests/examples.rs");
}

#[test]
fn every_example_begins_with_its_own_command() {
    for name in NAMES {
        let text = fs::read_to_string(root().join(format!("examples/examples/{name}.rs"))).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let command = format!("// cargo run --release -p callboard-examples --example {name}");
        let rest = first.strip_prefix(&command);
        let right = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" -- "));
        assert!(right, "{name} begins with {first:?}, not with {command:?}");
    }
}

#[test]
fn a_missing_line_is_found_and_a_star_stands_for_any_text() {
    let output = "one\ntwo in 5 ms\nthree\n";
    assert_eq!(missing("one\nthree\n", output), None);
    assert_eq!(missing("two in * ms\n*\n", output), None);
    assert_eq!(missing("three\none\n", output), Some("one"), "the order counts");
    assert_eq!(missing("two\n", output), Some("two"), "the whole line counts");
    assert_eq!(missing("one\none\n", output), Some("one"), "a line is used once");
}

//! Another program than the job's joins it by name. That program is `src/bin/guest_program.rs`.

use std::process::{Child, Command, Stdio};

use callboard::{Dict, DictOptions, Event, NameError, Node, Queue, QueueOptions, TryGetError};
use callboard_tests::{PATIENCE, Reading, eventually};
use tempfile::NamedTempFile;

const PROGRAM: &str = env!("CARGO_BIN_EXE_guest_program");

/// A guest, killed if the test fails, and what it says of errors.
struct Guest(Child, NamedTempFile);

impl Guest {
    fn start(job: &str, source: &str, what: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        let errors = NamedTempFile::new().unwrap();
        command.args([job, source, what]).stdin(Stdio::null()).stdout(Stdio::null());
        Guest(command.stderr(errors.reopen().unwrap()).spawn().unwrap(), errors)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A job of that name, whose objects guests find.
fn founds(name: &str) -> (Node, Queue<Reading>, Dict<String, u64>) {
    let node = Node::start_named(name).unwrap();
    let readings = node.create("/readings", QueueOptions::new()).unwrap();
    let counts = node.create("/counts", DictOptions::new()).unwrap();
    (node, readings, counts)
}

#[track_caller]
fn takes(readings: &Queue<Reading>, source: &str, count: u64) {
    for number in 0..count {
        let expected = Reading { source: source.to_owned(), number };
        assert_eq!(readings.get_timeout(PATIENCE).unwrap(), expected);
    }
}

/// > Another program joins a job by its name and uses objects of the standard library's types, or of a library's that both use; killed in the middle, all that it
/// > counted as put is there, and the job and the next such program go on.
#[test]
fn another_program_joins_by_name_is_killed_and_all_go_on() {
    let name = format!("guest-programs-{}", std::process::id());
    let (node, readings, counts) = founds(&name);
    let killed = Guest::start(&name, "killed", "endless");
    takes(&readings, "killed", 500);
    drop(killed);
    eventually("its end is known", || {
        matches!(node.open::<Event>("/here/killed"), Err(NameError::NotFound { .. }))
    });
    let mut taken = 500;
    loop {
        match readings.try_get() {
            Ok(Reading { source, number }) => assert_eq!((&*source, number), ("killed", taken), "in order"),
            Err(TryGetError::Empty) => break,
            Err(error) => panic!("{error}"),
        }
        taken += 1;
    }
    let counted = counts.get("killed").unwrap().unwrap();
    assert!((counted..=counted + 1).contains(&taken), "{taken} were there, {counted} were counted");

    let mut next = Guest::start(&name, "next", "100");
    takes(&readings, "next", 100);
    let ended = next.0.wait().unwrap();
    assert!(ended.success(), "{ended}: {}", std::fs::read_to_string(next.1.path()).unwrap());
    assert_eq!(counts.get("next").unwrap(), Some(100));
    assert_eq!(readings.len().unwrap(), 0);
}

/// > A type of another program that is only called alike is another type.
#[test]
fn a_type_of_its_own_is_another_type() {
    let name = format!("guest-types-{}", std::process::id());
    let (_node, ..) = founds(&name);
    let said = Command::new(PROGRAM).args([&name, "stranger", "stranger"]).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(
        text.contains("guest_program::own::Reading") && text.contains("callboard_tests::Reading"),
        "{said:?}"
    );
}

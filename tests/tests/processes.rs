//! Functions in processes: values, reasons, stop, kill, nesting, and what is left behind.

use std::io::Read;
use std::time::Duration;

use callboard::{Failure, JoinError, Node, SpawnError};
use callboard_tests::{LeakCheck, PATIENCE, eventually, is_running, send_signal, stop_state};
use serde_bytes::ByteBuf;

callboard::test_door!();

fn add(_: &Node, (a, b): (u64, u64)) -> u64 {
    a + b
}

/// Runs until it is asked to stop.
fn wait_to_stop(node: &Node, (): ()) -> bool {
    node.wait_stopping(PATIENCE)
}

/// Does not care about being asked.
fn hang(_: &Node, (): ()) {
    loop {
        std::thread::park();
    }
}

/// > A join gives the value that the function returned, also a second time.
#[test]
fn a_child_returns_what_its_function_returned() {
    let node = Node::start().unwrap();
    let child = node.spawn("adder", add, (2, 3)).unwrap();
    assert_eq!(child.join(), Ok(5));
    assert_eq!(child.join(), Ok(5), "a value can be asked for again");
    assert_eq!(child.name(), "adder");
    assert!(!child.is_alive());
}

/// > Arguments and values beyond 256 MiB are refused.
#[test]
fn arguments_and_values_that_are_too_large_are_refused() {
    const TOO_MANY: usize = 256 << 20;
    let node = Node::start().unwrap();
    let takes = |_: &Node, _: ByteBuf| ();
    let error = node.spawn("takes", takes, ByteBuf::from(vec![0; TOO_MANY])).unwrap_err();
    assert!(matches!(error, SpawnError::TooLarge { bytes } if bytes > TOO_MANY), "{error}");
    let gives = |_: &Node, (): ()| ByteBuf::from(vec![0; TOO_MANY]);
    let child = node.process("gives").stderr_null().spawn(gives, ()).unwrap();
    let Err(JoinError::Panicked(panic)) = child.join() else { panic!("it came") };
    assert!(panic.message.contains("can be sent"), "{panic}");
}

/// > Arguments and values of many megabytes arrive whole.
#[test]
fn arguments_and_values_of_many_megabytes_arrive_whole() {
    let node = Node::start().unwrap();
    let reversed = |_: &Node, mut text: String| {
        text = text.chars().rev().collect();
        text
    };
    let long: String = ('a'..='z').cycle().take(20_000_000).collect();
    let expected: String = long.chars().rev().collect();
    let child = node.spawn("reverser", reversed, long).unwrap();
    assert!(child.join().unwrap() == expected);
}

/// > An error comes back with its causes, as a `Failure`.
#[test]
fn an_error_comes_back_with_its_causes() {
    fn reads(_: &Node, path: String) -> Result<String, Failure> {
        Ok(std::fs::read_to_string(path)?)
    }
    fn caller(node: &Node, path: &str) -> Result<String, Box<dyn std::error::Error>> {
        Ok(node.spawn("reads", reads, path.to_owned())?.join()??)
    }
    let node = Node::start().unwrap();
    assert!(caller(&node, "/proc/self/comm").is_ok());
    let error = caller(&node, "/nowhere").unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    let outer = callboard::SpawnError::Start(std::io::Error::other("the cause"));
    let chain: Vec<_> = Failure::from(outer).chain().map(str::to_owned).collect();
    assert_eq!(chain.last().map(String::as_str), Some("the cause"));
}

/// > A panic comes back with message, place and backtrace.
#[test]
fn a_panic_comes_back_with_message_place_and_backtrace() {
    let node = Node::start().unwrap();
    let child = node.spawn("panics", |_, n: u32| -> u32 { panic!("no {n}") }, 7).unwrap();
    let Err(JoinError::Panicked(panic)) = child.join() else { panic!("not reported as a panic") };
    assert_eq!(panic.message, "no 7");
    assert!(panic.place.contains("processes.rs:"), "{}", panic.place);
    assert!(panic.backtrace.contains("processes"), "{}", panic.backtrace);
}

/// > Exit codes, signals and aborts are told apart.
#[test]
fn an_exit_code_a_signal_and_an_abort_are_told_apart() {
    let node = Node::start().unwrap();
    let exits = node.spawn("exits", |_, code: i32| -> () { std::process::exit(code) }, 3).unwrap();
    let aborts = node.spawn("aborts", |_, ()| -> () { std::process::abort() }, ()).unwrap();
    let killed = node.spawn("killed", hang, ()).unwrap();
    killed.kill().unwrap();
    assert_eq!(exits.join(), Err(JoinError::Exited(3)));
    assert!(matches!(aborts.join(), Err(JoinError::Signalled { name: "SIGABRT", .. })));
    assert!(matches!(killed.join(), Err(JoinError::Signalled { signal: 9, .. })));
}

#[test]
fn a_join_with_a_timeout_leaves_the_child_alone() {
    let node = Node::start().unwrap();
    let child = node.spawn("hangs", hang, ()).unwrap();
    assert_eq!(child.join_timeout(Duration::from_millis(20)), Err(JoinError::TimedOut));
    assert_eq!(child.join_timeout(Duration::ZERO), Err(JoinError::TimedOut));
    assert!(child.is_alive());
}

/// > A join with a timeout keeps it, also while the child is stopped, and changes nothing.
#[test]
fn a_join_with_a_timeout_returns_while_the_child_is_stopped() {
    let node = Node::start().unwrap();
    let child = node.spawn("hangs", hang, ()).unwrap();
    send_signal(child.pid(), 19);
    eventually("the child is stopped", || stop_state(child.pid()) == Some('T'));
    assert_eq!(child.join_timeout(Duration::from_millis(50)), Err(JoinError::TimedOut));
    child.kill().unwrap();
    assert!(matches!(child.join(), Err(JoinError::Signalled { signal: 9, .. })));
}

/// > `terminate` asks, and kills after the grace.
#[test]
fn a_child_asked_to_terminate_ends_by_itself_and_a_deaf_one_is_killed_after_its_grace() {
    let node = Node::start().unwrap();
    let hears = node.spawn("hears", wait_to_stop, ()).unwrap();
    let deaf = node.spawn("deaf", hang, ()).unwrap();
    hears.terminate(PATIENCE);
    deaf.terminate(Duration::from_millis(50));
    assert_eq!(hears.join(), Ok(true));
    assert!(matches!(deaf.join(), Err(JoinError::Signalled { signal: 9, .. })));
}

/// > A child has the name, environment, directory and streams that it was given.
#[test]
fn a_child_sees_its_name_environment_directory_and_streams() {
    let node = Node::start().unwrap();
    let (mut reads, writes) = std::io::pipe().unwrap();
    let (input, mut feed) = std::io::pipe().unwrap();
    let looks = |node: &Node, key: String| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        println!("printed {line}");
        (node.name().to_owned(), std::env::var(key).ok(), std::env::current_dir().unwrap())
    };
    let dir = std::env::temp_dir().canonicalize().unwrap();
    let spawn = node.process("looker").env("CALLBOARD_TEST", "seen").cwd(&dir);
    let child = spawn.stdin(input).stdout(writes).spawn(looks, "CALLBOARD_TEST".to_owned()).unwrap();
    std::io::Write::write_all(&mut feed, b"a line\n").unwrap();
    assert_eq!(child.join().unwrap(), ("looker".to_owned(), Some("seen".to_owned()), dir));
    let mut text = String::new();
    reads.read_to_string(&mut text).unwrap();
    assert!(text.contains("printed a line"), "{text}");
}

/// Spawns a tree below itself, tells its process ids through a file descriptor's worth of text, and hangs.
#[expect(clippy::zombie_processes, reason = "it ends with the tree")]
fn tree(node: &Node, (depth, path): (u32, String)) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    // One write, or two processes' digits get mixed up.
    file.write_all(format!("{}\n", std::process::id()).as_bytes()).unwrap();
    if depth == 3 {
        // Started by other means.
        let sleeper = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        file.write_all(format!("{}\n", sleeper.id()).as_bytes()).unwrap();
    }
    let below = depth.checked_sub(1);
    let _children: Vec<_> = below
        .into_iter()
        .flat_map(|depth| [depth, depth])
        .map(|depth| node.spawn("branch", tree, (depth, path.clone())).unwrap())
        .collect();
    hang(node, ());
}

fn pids_in(file: &std::path::Path) -> Vec<u32> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// > `kill` ends the whole subtree, stopped processes too, and what a child has started by other means in its process
/// > group.
#[test]
fn killing_a_child_ends_its_whole_subtree_also_stopped_ones() {
    let node = Node::start().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let top = node.spawn("trunk", tree, (3, path)).unwrap();
    eventually("all of the tree runs", || pids_in(file.path()).len() == 16);
    let pids = pids_in(file.path());
    send_signal(pids[5], 19);
    top.kill().unwrap();
    assert!(top.join().is_err());
    eventually("no process of the tree is left", || !pids.iter().any(|pid| is_running(*pid)));
}

/// > Dropping the root ends and reaps all children.
#[test]
fn dropping_the_root_ends_and_reaps_all_children() {
    let node = Node::start().unwrap();
    let child = node.spawn("hangs", hang, ()).unwrap();
    let pid = child.pid();
    drop(child);
    drop(node);
    assert_eq!(stop_state(pid), None, "it is there, if only to be reaped");
}

/// > Rounds of spawns, kills and joins leave none either.
#[test]
fn many_rounds_of_start_spawn_kill_and_join_leave_nothing() {
    let round = |n: u64| {
        let node = Node::start().unwrap();
        let adds = node.spawn("adder", add, (n, 1)).unwrap();
        let hangs = node.spawn("hangs", hang, ()).unwrap();
        hangs.kill().unwrap();
        assert_eq!(adds.join(), Ok(n + 1));
        assert!(hangs.join().is_err());
    };
    round(0);
    let leaks = LeakCheck::new();
    (0..20).for_each(round);
    leaks.check();
}

/// > Arguments that don't decode are refused before the function runs.
#[test]
fn a_closure_that_can_not_be_decoded_as_what_was_sent_is_refused_before_it_runs() {
    /// Encodes as a number and decodes only text.
    struct Liar;
    impl serde::Serialize for Liar {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u32(1)
        }
    }
    impl<'de> serde::Deserialize<'de> for Liar {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <String as serde::Deserialize>::deserialize(deserializer).map(|_| Liar)
        }
    }
    let node = Node::start().unwrap();
    let child = node.spawn("liar", |_, _: Liar| (), Liar).unwrap();
    let Err(JoinError::FailedStart(reason)) = child.join() else { panic!("it ran") };
    assert!(reason.contains("arguments can't be read"), "{reason}");
}

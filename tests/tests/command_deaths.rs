//! Other programs as children, and who is killed: nobody is left whom nobody has.

use std::time::Duration;

use callboard::{Command, CommandError, JoinError, Node};
use callboard_tests::{
    LeakCheck, PATIENCE, Random, copies_of_descriptors, eventually, is_running, kill_self, marked, none_left,
    pause, rounds, send_signal, stop_state,
};

callboard::test_door!();

const MARK: &str = "CALLBOARD_TEST_MARK";

/// A field of `/proc/PID/stat`, counted from one as its manual does.
fn stat(pid: u32, field: usize) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split(' ').nth(field - 3)?.parse().ok()
}

fn parent_of(pid: u32) -> u32 {
    stat(pid, 4).unwrap()
}

/// A shell with others below it: in its group, in the middle of a line, and deaf to what can be ignored.
const BRANCHES: &str =
    "trap '' TERM HUP INT; sleep 1000 & (sleep 1000 | sleep 1000) & echo begun; sleep 1000";

/// Starts one program after the other, and leaves some.
fn starts_programs(node: &Node, (): ()) {
    let mut kept: Vec<Command> = Vec::new();
    loop {
        let command =
            node.command("sh").args(["-c", BRANCHES]).stdout_captured().stdin_piped().spawn().unwrap();
        if let Some(mut out) = command.stdout() {
            out.read_line().unwrap();
        }
        kept.push(command);
        if kept.len() > 3 {
            kept.remove(0).kill().unwrap();
        }
        println!("one more");
    }
}

/// > With its node killed, at any instant, no program lives on, nor what it started in its group; stopped ones neither.
#[test]
fn with_its_node_killed_no_program_lives_on() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(200) {
        let mark = format!("{}-{round}", std::process::id());
        let parent = node.process("parent").env(MARK, &mark).stdout_captured().stderr_null();
        let parent = parent.spawn(starts_programs, ()).unwrap();
        let mut out = parent.stdout().unwrap();
        if round % 4 > 0 {
            out.read_line().unwrap();
        }
        pause(Duration::from_micros(random.below(8_000)));
        if round % 4 == 3 {
            // Any of them: programs, what they started, guards that have begun.
            let all: Vec<_> =
                marked(MARK, &mark).into_iter().filter_map(|pid| Some((pid, stat(pid, 5)?))).collect();
            let in_group = |group| all.iter().filter(|(_, of)| *of == group).count();
            let others: Vec<u32> = all
                .iter()
                .filter(|(pid, group)| *pid != parent.pid() && in_group(*group) > 1)
                .map(|(pid, _)| *pid)
                .collect();
            for _ in 0..2 {
                if !others.is_empty() {
                    send_signal(others[random.below(others.len() as u64) as usize], 19);
                }
            }
        }
        send_signal(parent.pid(), 9);
        let joined = parent.join();
        assert!(matches!(joined, Err(JoinError::Signalled { signal: 9, .. })), "{joined:?}");
        none_left("none is left", || marked(MARK, &mark));
    }
}

/// > When a function returns, and when a node is dropped, its programs end, stopped ones too.
#[test]
fn when_its_node_ends_in_order_its_programs_end() {
    fn leaves(node: &Node, mark: String) {
        let start =
            || node.command("sh").args(["-c", BRANCHES]).env(MARK, &mark).stdout_captured().spawn().unwrap();
        let (stopped, runs) = (start(), start());
        [&stopped, &runs].iter().for_each(|it| _ = it.stdout().unwrap().read_line().unwrap());
        send_signal(stopped.pid(), 19);
        eventually("it is stopped", || stop_state(stopped.pid()) == Some('T'));
        eventually("all are there", || marked(MARK, &mark).len() >= 8);
    }
    let leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let mark = format!("{}-returns", std::process::id());
    node.spawn("leaves", leaves, mark.clone()).unwrap().join().unwrap();
    none_left("none is left of those of the function", || marked(MARK, &mark));
    let mark = format!("{}-dropped", std::process::id());
    leaves(&node, mark.clone());
    let waits = node.command("sleep").arg("1000").env(MARK, &mark).spawn().unwrap();
    std::thread::scope(|scope| {
        let told = scope.spawn(|| waits.wait());
        drop(node);
        assert!(matches!(told.join().unwrap(), Err(JoinError::Signalled { signal: 9, .. })));
    });
    none_left("none is left of those of the node", || marked(MARK, &mark));
    drop(waits);
    leaks.check();
}

/// > If the guard of a program is killed the program is, and what it started in its group; a guard that is stopped holds no kill up.
#[test]
fn a_guard_that_is_killed_or_stopped_leaves_nobody() {
    let node = Node::start().unwrap();
    for round in 0..rounds(20) {
        let mark = format!("{}-guard-{round}", std::process::id());
        let command =
            node.command("sh").args(["-c", BRANCHES]).env(MARK, &mark).stdout_captured().spawn().unwrap();
        command.stdout().unwrap().read_line().unwrap();
        let guard = parent_of(command.pid());
        assert!(guard != std::process::id() && parent_of(guard) == std::process::id());
        assert_eq!(stat(command.pid(), 5), Some(guard), "it leads the group");
        let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap();
        assert_eq!(children.trim(), command.pid().to_string(), "it has collected all others");
        if round % 2 == 0 {
            send_signal(guard, 9);
        } else {
            send_signal(guard, 19);
            eventually("it is stopped", || stop_state(guard) == Some('T'));
            command.kill().unwrap();
        }
        assert!(matches!(command.wait(), Err(JoinError::Signalled { signal: 9, .. })));
        none_left("none is left", || marked(MARK, &mark));
        assert!(!is_running(guard));
    }
}

/// > Where descriptors run out at any point of a program's start, that is an error and nothing is left of it.
#[test]
fn a_start_that_descriptors_end_leaves_nobody() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// How many starts failed, and how many ran.
    fn starts(node: &Node, mark: String) -> (usize, usize) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(96), maximum }).unwrap();
        let start = || {
            let command = node.command("sh").args(["-c", BRANCHES]).env(MARK, &mark).stdin_piped();
            command.stdout_captured().stderr_forwarded().spawn()
        };
        // What a first one takes for good.
        let first = start().unwrap();
        first.kill().unwrap();
        first.wait().unwrap_err();
        drop(first);
        /// All descriptors but so many.
        fn hold(room: usize) -> Vec<std::fs::File> {
            let mut held: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
            held.truncate(held.len().saturating_sub(room));
            held
        }
        let has_run = |started: Result<Command, CommandError>| {
            let has_run = started.is_ok();
            if let Ok(command) = started {
                command.kill().unwrap();
                command.wait().unwrap_err();
            }
            none_left("none is left", || marked(MARK, &mark));
            eventually("nor is any known", || node.active_children().is_empty());
            has_run
        };
        let (mut failed, mut ran) = (0, 0);
        for room in 0..32 {
            let held = hold(room);
            let started = start();
            drop(held);
            *(if has_run(started) { &mut ran } else { &mut failed }) += 1;
        }
        // And while it is under way.
        let mut random = Random::new();
        for round in 0..rounds(200) {
            let after = Duration::from_micros(random.below(4_000));
            let holds = std::thread::spawn(move || {
                pause(after);
                hold(round as usize % 8)
            });
            let started = start();
            drop(holds.join().unwrap());
            has_run(started);
        }
        (failed, ran)
    }
    let node = Node::start().unwrap();
    let mark = format!("{}-descriptors", std::process::id());
    let parent = node.process("parent").stderr_null();
    let (failed, ran) = parent.spawn(starts, mark).unwrap().join().unwrap();
    assert!(failed > 5 && ran > 5, "{failed} failed, {ran} ran");
}

/// > Nor does a program live on because somebody has copies of its node's descriptors.
#[test]
fn copies_of_a_nodes_descriptors_keep_no_program_alive() {
    fn starts(node: &Node, (): ()) {
        let _sleeps = node.command("sh").args(["-c", BRANCHES]).spawn().unwrap();
        println!("it runs");
        node.wait_stopping(PATIENCE);
        kill_self();
    }
    let node = Node::start().unwrap();
    let mark = format!("{}-copies", std::process::id());
    let parent = node.process("parent").env(MARK, &mark).stdout_captured().stderr_null();
    let parent = parent.spawn(starts, ()).unwrap();
    let mut out = parent.stdout().unwrap();
    while out.read_line().unwrap().unwrap() != "it runs" {}
    let copies = copies_of_descriptors(parent.pid());
    send_signal(parent.pid(), 9);
    none_left("none is left", || marked(MARK, &mark));
    let few = copies.as_ref().is_some_and(|copies| copies.len() < 6);
    assert!(!few, "not all descriptors could be copied: {copies:?}");
    // They keep its connection open, whose end a join waits for.
    drop(copies);
    parent.join().unwrap_err();
}

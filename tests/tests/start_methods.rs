//! How processes are started: anew, or forked by a server, with the same outcome; and that nobody depends on the server.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use callboard::pool::PoolOptions;
use callboard::testing::{Job, job};
use callboard::{Failure, JoinError, Limit, Node, StartMethod, StartMethodError};
use callboard_tests::{
    PATIENCE, Random, eventually, is_running, kill_self, none_runs, pause, rounds, send_signal, stop_state,
};

callboard::test_door!();

/// A job that forks, if this system can. Only one test has one at a time: each looks at all children of this process.
fn forking() -> Option<Job> {
    let node = job();
    match node.set_start_method(StartMethod::ForkServer) {
        Ok(()) => Some(node),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(StartMethod::available(), [StartMethod::Spawn]);
            None
        }
    }
}

/// The live children of this process that are no node's functions: its servers.
fn servers(node: &Node) -> Vec<u32> {
    let known: BTreeSet<u32> = node.active_children().iter().map(|child| child.pid).collect();
    children_of(std::process::id()).into_iter().filter(|pid| !known.contains(pid)).collect()
}

fn children_of(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// Waits until it is ended.
fn hang(node: &Node, (): ()) {
    while !node.wait_stopping(PATIENCE) {}
}

/// > Methods are known by name, and why `fork` is none is told.
#[test]
fn methods_are_known_by_name() {
    for method in StartMethod::ALL {
        assert_eq!(method.to_string().parse(), Ok(method));
    }
    assert_eq!("fork".parse::<StartMethod>(), Err(StartMethodError::Fork));
    let error = "thread".parse::<StartMethod>().unwrap_err();
    assert!(error.to_string().contains("expected \"spawn\" or \"forkserver\""), "{error}");
    let node = job();
    assert_eq!(node.start_method(), StartMethod::Spawn);
    assert_eq!(StartMethod::available()[0], StartMethod::Spawn);
}

/// What a process sees of itself.
fn looks(node: &Node, key: String) -> (Vec<String>, u32, bool, bool) {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    println!("printed {line}");
    eprintln!("said {line}");
    let seen = [
        node.name().to_owned(),
        std::env::var(key).unwrap_or_default(),
        std::env::current_dir().unwrap().display().to_string(),
        format!("{:?}", std::env::args().collect::<Vec<_>>()),
        format!("{:?}", std::env::vars().filter(|(key, _)| key != "_").collect::<BTreeSet<_>>()),
        format!("{}", std::fs::read_dir("/proc/self/fd").unwrap().count()),
        format!("{:?}", rustix::process::getrlimit(rustix::process::Resource::Nofile).current),
        std::fs::read_to_string("/proc/self/comm").unwrap(),
    ];
    let pid = rustix::process::getpid();
    let leads = rustix::process::getpgid(None).is_ok_and(|group| group == pid);
    let threads =
        (0..4).map(|n| std::thread::spawn(move || n)).map(|thread| thread.join().unwrap()).sum::<u32>();
    let parent = rustix::process::getppid()
        .is_some_and(|it| Some(it.as_raw_pid().cast_unsigned()) == node.parent_pid());
    (seen.to_vec(), pid.as_raw_pid().cast_unsigned(), leads && parent, threads == 6)
}

/// > A forked process has what one has that was started anew: name, environment, directory, arguments, streams, limits, a group of its own, and this parent.
#[test]
fn a_forked_process_has_what_one_has_that_was_started_anew() {
    let Some(node) = forking() else { return };
    let dir = std::env::temp_dir().canonicalize().unwrap();
    let mut all = Vec::new();
    for method in StartMethod::ALL {
        let (mut reads, writes) = std::io::pipe().unwrap();
        let (input, mut feed) = std::io::pipe().unwrap();
        feed.write_all(b"a line\n").unwrap();
        let it = node.process("looker").start_method(method).env("SEEN", "this").env_remove("HOME").cwd(&dir);
        let it = it.limit(Limit::OpenFiles, 99).stdin(input).stdout(writes).stderr_captured();
        let child = it.spawn(looks, "SEEN".to_owned()).unwrap();
        let mut errors = child.stderr().unwrap();
        let said = errors.read_line().unwrap();
        let (seen, pid, is_ours, has_threads) = child.join().unwrap();
        assert_eq!(said.as_deref(), Some("said a line"));
        assert_eq!((pid, is_ours, has_threads), (child.pid(), true, true), "{method}");
        let mut printed = String::new();
        reads.read_to_string(&mut printed).unwrap();
        assert!(printed.contains("printed a line"), "{method}: {printed}");
        all.push(seen);
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0][..3], ["looker".to_owned(), "this".to_owned(), dir.display().to_string()]);
}

/// > It has the environment and the directory that this process has when it is started, not when the server was.
#[test]
fn a_forked_process_has_the_directory_of_now() {
    let Some(node) = forking() else { return };
    let here = |_: &Node, (): ()| std::env::current_dir().unwrap();
    let before = node.spawn("before", here, ()).unwrap().join().unwrap();
    assert_eq!(before, std::env::current_dir().unwrap());
    let gone = node.process("gone").cwd("/no/such/folder").spawn(here, ()).unwrap_err();
    assert!(format!("{gone:?}").contains("/no/such/folder"), "{gone:?}");
    assert_eq!(node.process("root").cwd("/").spawn(here, ()).unwrap().join().unwrap().to_str(), Some("/"));
}

/// What its environment holds under an unusual name, and in all.
fn odd(_: &Node, key: String) -> (Option<String>, usize) {
    (std::env::var(key).ok(), std::env::vars_os().count())
}

/// A variable may have a name that no shell would take; what can't be one is refused, however the process is to be started.
#[test]
fn unusual_variables_are_handed_on_and_impossible_ones_refused() {
    let Some(node) = forking() else { return };
    for method in StartMethod::ALL {
        let with = |key: &str, value: &str| node.process("odd").start_method(method).env(key, value);
        let has = |key: &str| with(key, "y").spawn(odd, key.to_owned()).unwrap().join().unwrap();
        assert_eq!(has("=X").0.as_deref(), Some("y"), "{method}");
        assert_eq!(has("a b").0.as_deref(), Some("y"), "{method}");
        for (key, value) in [("A\0B", "y"), ("A", "x\0y")] {
            let error = with(key, value).spawn(odd, "A".to_owned()).map(drop).unwrap_err();
            assert!(format!("{error:?}").contains("nul byte"), "{method}: {error:?}");
        }
    }
}

/// Starts others, each way, from a folder that is there no more: how many came to be.
fn from_nowhere(node: &Node, (): ()) -> usize {
    let folder = std::env::temp_dir().join(format!("nowhere-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::env::set_current_dir(&folder).unwrap();
    std::fs::remove_dir(&folder).unwrap();
    let starts = StartMethod::available().into_iter().map(|method| {
        let child =
            node.process("child").start_method(method).spawn(|_, ()| std::env::current_dir().is_err(), ());
        child.unwrap().join().unwrap()
    });
    starts.filter(|is_nowhere| *is_nowhere).count()
}

/// A working directory that has been removed is handed on as it is, however a process is started.
#[test]
fn a_directory_that_was_removed_is_handed_on() {
    let Some(node) = forking() else { return };
    let child = node.process("parent").start_method(StartMethod::Spawn).spawn(from_nowhere, ()).unwrap();
    assert_eq!(child.join(), Ok(2));
}

/// What `main` wrote before its node is written once by each process that ran `main`, and the server has none of the streams.
#[test]
fn what_main_wrote_is_written_once_by_each_that_ran_it() {
    // Its turn too: the others look at all children of this process.
    let Some(_turn) = forking() else { return };
    let ran = Command::new(env!("CARGO_BIN_EXE_forks_program")).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{said} {}", String::from_utf8_lossy(&ran.stderr));
    // By the program itself, and by the server.
    assert_eq!(said.matches("main ").count(), 2, "{said}");
    assert!(said.contains("first\n") && said.contains("second\n"), "{said}");
    assert!(said.contains("server /dev/null /dev/null\n"), "{said}");
}

/// > However a forked process ends, its parent is told as of others: error, panic, exit code, abort, signal.
#[test]
fn however_a_forked_process_ends_its_parent_is_told() {
    let Some(node) = forking() else { return };
    assert_eq!(node.spawn("adds", |_, (a, b): (u64, u64)| a + b, (2, 3)).unwrap().join(), Ok(5));
    let fails = node.spawn("fails", |_, ()| Err::<(), _>(Failure::new("no luck")), ()).unwrap();
    assert_eq!(fails.join().unwrap().unwrap_err().to_string(), "no luck");
    let panics = node.spawn("panics", |_, n: u32| -> () { panic!("number {n}") }, 7).unwrap();
    let Err(JoinError::Panicked(panic)) = panics.join() else { panic!("it ended otherwise") };
    assert_eq!(panic.message, "number 7");
    assert!(panic.place.contains("start_methods.rs"), "{}", panic.place);
    let exits = node.spawn("exits", |_, code: i32| -> () { std::process::exit(code) }, 3).unwrap();
    assert_eq!(exits.join(), Err(JoinError::Exited(3)));
    // The C library raises it by the number that it has of the thread.
    let aborts =
        node.process("aborts").limit(Limit::CoreBytes, 0).spawn(|_, ()| -> () { std::process::abort() }, ());
    assert!(matches!(aborts.unwrap().join(), Err(JoinError::Signalled { name: "SIGABRT", .. })));
    let kills_itself = node.spawn("kills itself", |_, ()| -> () { kill_self() }, ()).unwrap();
    assert!(matches!(kills_itself.join(), Err(JoinError::Signalled { signal: 9, .. })));
    let hangs = node.spawn("hangs", hang, ()).unwrap();
    assert_eq!(hangs.join_timeout(Duration::from_millis(10)), Err(JoinError::TimedOut));
    hangs.terminate(PATIENCE);
    assert_eq!(hangs.join(), Ok(()));
    let deaf = node
        .spawn(
            "deaf",
            |_, ()| loop {
                std::thread::park();
            },
            (),
        )
        .unwrap();
    send_signal(deaf.pid(), 19);
    eventually("it is stopped", || stop_state(deaf.pid()) == Some('T'));
    deaf.kill().unwrap();
    assert!(matches!(deaf.join(), Err::<(), _>(JoinError::Signalled { signal: 9, .. })));
}

/// A forked process that forks others, so many levels deep; how many there were.
fn tree(node: &Node, depth: u32) -> u32 {
    node.set_start_method(StartMethod::ForkServer).unwrap();
    let below = |name: &str| node.spawn(name, tree, depth - 1).unwrap();
    match depth {
        0 => 1,
        _ => 1 + [below("left"), below("right")].map(|child| child.join().unwrap()).iter().sum::<u32>(),
    }
}

/// > Forked processes fork others, and workers of pools are forked.
#[test]
fn forked_processes_fork_others_and_work_for_pools() {
    let Some(node) = forking() else { return };
    assert_eq!(node.spawn("top", tree, 3).unwrap().join(), Ok(15));
    let pool = node.pool(PoolOptions::new().workers(2)).unwrap();
    let squares = pool.map(|n: u64| n * n, 0..1000).unwrap();
    assert!(squares.into_iter().eq((0..1000).map(|n| n * n)));
}

/// > Forked processes live on when the server is killed, and others are forked by another; one that is stopped is waited for.
#[test]
fn nobody_depends_on_the_server() {
    let Some(node) = forking() else { return };
    let lives = node.spawn("lives", hang, ()).unwrap();
    let server = servers(&node);
    assert_eq!(server.len(), 1, "one server");
    send_signal(server[0], 9);
    eventually("it has ended", || !is_running(server[0]));
    let adds = |_: &Node, n: u64| n + 1;
    assert_eq!(node.spawn("adds", adds, 1).unwrap().join(), Ok(2));
    assert!(lives.is_alive());
    let other = servers(&node);
    assert!(other.len() == 1 && other != server, "{other:?} in place of {server:?}");
    send_signal(other[0], 19);
    eventually("it is stopped", || stop_state(other[0]) == Some('T'));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| node.spawn("adds", adds, 2).unwrap().join());
        pause(Duration::from_millis(50));
        assert!(!waits.is_finished(), "a server that stands still forks nobody");
        send_signal(other[0], 18);
        assert_eq!(waits.join().unwrap(), Ok(3));
    });
    lives.terminate(PATIENCE);
    assert_eq!(lives.join(), Ok(()));
}

/// Of several that wait for a server that stands still each is known to wait.
#[test]
fn whoever_waits_for_the_server_is_seen() {
    let Some(node) = forking() else { return };
    let adds = |_: &Node, n: u64| n + 1;
    assert_eq!(node.spawn("adds", adds, 1).unwrap().join(), Ok(2));
    let server = servers(&node)[0];
    send_signal(server, 19);
    eventually("it is stopped", || stop_state(server) == Some('T'));
    std::thread::scope(|scope| {
        let node = &*node;
        let starts: Vec<_> =
            (0..3).map(|n| (n, scope.spawn(move || node.spawn("adds", adds, n).unwrap().join()))).collect();
        let seen =
            || node.waits().iter().filter(|wait| wait.what.contains("start of a process")).count() == 3;
        let until = Instant::now() + PATIENCE;
        while !seen() && Instant::now() < until {}
        let all_are_seen = seen();
        // Or nobody would come to an end here.
        send_signal(server, 18);
        assert!(all_are_seen, "{:?}", node.waits());
        for (n, start) in starts {
            assert_eq!(start.join().unwrap(), Ok(n + 1));
        }
    });
}

/// > Killed at any instant the server leaves nobody, and each start either comes to pass or is an error.
#[test]
fn a_server_killed_at_any_instant_leaves_nobody() {
    let Some(node) = forking() else { return };
    let (is_over, kills) = (AtomicBool::new(false), AtomicU32::new(0));
    let (mut refused, mut wrong) = (0, Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::from_seed(rounds(7));
            while !is_over.load(Relaxed) {
                for server in servers(&node) {
                    // Children that are just being started are hit as well.
                    send_signal(server, 9);
                    kills.fetch_add(1, Relaxed);
                }
                pause(random.time(Duration::from_millis(8)));
            }
        });
        for n in 0..rounds(300) {
            match node.process("adds").spawn(|_, n: u64| n + 1, n) {
                Ok(child) => match child.join() {
                    Ok(sum) if sum == n + 1 => {}
                    Err(JoinError::Signalled { signal: 9, .. }) => {}
                    other => wrong.push(other),
                },
                Err(_) => refused += 1,
            }
        }
        is_over.store(true, Relaxed);
    });
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(kills.load(Relaxed) > 20, "it was hardly disturbed");
    assert!(refused < rounds(300), "all were refused");
    assert_eq!(node.spawn("adds", |_, n: u64| n + 1, 1).unwrap().join(), Ok(2));
}

/// A node with a server and a forked child, which tells their numbers and hangs.
fn parent(node: &Node, (): ()) {
    node.set_start_method(StartMethod::ForkServer).unwrap();
    let _child = node.spawn("child", hang, ()).unwrap();
    hang(node, ());
}

/// > With its node killed neither the server nor what it has forked lives on, stopped ones neither.
#[test]
fn with_its_node_killed_neither_server_nor_forked_live_on() {
    let Some(node) = forking() else { return };
    for round in 0..rounds(10) {
        let child = node.process("parent").stderr_null().spawn(parent, ()).unwrap();
        let mut below = Vec::new();
        eventually("both are there", || {
            below = children_of(child.pid());
            below.len() == 2
        });
        if round % 3 > 0 {
            send_signal(below[round as usize % 2], 19);
        }
        send_signal(child.pid(), 9);
        assert!(child.join().is_err());
        none_runs("nobody is left", &below);
    }
}

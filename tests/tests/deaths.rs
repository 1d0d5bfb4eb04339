//! Who dies when, seen from the others: joins that are exact, last words, owners and roots that are killed.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use callboard::{
    Event, EventOptions, GetError, JoinError, JoinJobError, NameError, Node, PutError, Queue, QueueError,
    QueueOptions, TryGetError, WaitAny,
};
use callboard_tests::{
    PATIENCE, Random, copies_of_descriptors, eventually, kill_self, none_runs, pause, rounds, send_signal,
    stop_state,
};

callboard::test_door!();

/// Creates a queue under the name given and waits to be ended.
fn own(node: &Node, (name, capacity): (String, u64)) {
    let _queue: Queue<u64> = node.create(&name, QueueOptions::new().capacity(capacity)).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

fn put_range(node: &Node, (name, count): (String, u64)) {
    let queue: Queue<u64> = node.open(&name).unwrap();
    queue.put_many(0..count).unwrap();
}

/// > The same when the queue is a third process's.
#[test]
fn after_a_join_the_queue_of_a_third_process_is_exact() {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, ("/q".to_owned(), 1 << 20)).unwrap();
    let queue: Queue<u64> = node.open_timeout("/q", PATIENCE).unwrap();
    for count in std::iter::repeat_n([5, 100_000], rounds(50) as usize).flatten() {
        node.spawn("puts", put_range, ("/q".to_owned(), count)).unwrap().join().unwrap();
        assert_eq!(queue.len(), Ok(count as usize));
        for n in 0..count.min(100) {
            assert_eq!(queue.try_get(), Ok(n));
        }
        for n in 100..count {
            assert_eq!(queue.get(), Ok(n));
        }
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
        assert!(queue.is_empty().unwrap());
    }
}

/// > A join of a queue keeps its deadline with the owner stopped.
#[test]
fn a_join_of_a_queue_keeps_its_deadline_with_the_owner_stopped() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own, ("/q".to_owned(), 100)).unwrap();
    let queue: Queue<u64> = node.open_timeout("/q", PATIENCE).unwrap();
    queue.put_confirmed(1).unwrap();
    send_signal(owner.pid(), 19);
    eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
    let begun = Instant::now();
    let joined = queue.join_timeout(Duration::from_millis(200));
    assert!(matches!(joined, Ok(false) | Err(QueueError::Unresponsive)), "{joined:?}");
    assert!(begun.elapsed() >= Duration::from_millis(200) && begun.elapsed() < PATIENCE);
    send_signal(owner.pid(), 18);
    queue.get().unwrap();
    assert_eq!(queue.join_timeout(PATIENCE), Ok(true));
}

/// > A node's last frames are handled before its end is told, and then its names are free.
#[test]
fn last_words_are_heard_before_the_end_is_told_and_then_the_names_are_free() {
    /// Puts while it is written to, reads nothing of that, and dies.
    fn speaks(node: &Node, (name, heard): (String, u64)) {
        let ears: Queue<u64> = node.create(&name, QueueOptions::new()).unwrap();
        let mouth: Queue<u64> = node.open("/mouth").unwrap();
        ears.get().unwrap();
        for n in 0..heard {
            mouth.put_confirmed(n).unwrap();
        }
        kill_self();
    }
    /// In a third node: creates that name anew.
    fn takes_over(node: &Node, name: String) -> bool {
        node.create::<Queue<u64>>(&name, QueueOptions::new()).is_ok()
    }
    let node = Node::start().unwrap();
    let mouth: Queue<u64> = node.create("/mouth", QueueOptions::new()).unwrap();
    for round in 0..rounds(100) {
        let name = format!("/ears/{round}");
        let count = round % 20;
        let child = node.process("speaks").stderr_null().spawn(speaks, (name.clone(), count)).unwrap();
        let ears: Queue<u64> = node.open_timeout(&name, PATIENCE).unwrap();
        // Written to all along, also while it dies.
        let flood = std::thread::spawn(move || while ears.put(1).is_ok() {});
        assert!(matches!(child.join(), Err(JoinError::Signalled { signal: 9, .. })));
        assert_eq!(mouth.len(), Ok(count as usize), "round {round}");
        assert!((0..count).all(|n| mouth.try_get() == Ok(n)));
        flood.join().unwrap();
        assert!(matches!(node.open::<Queue<u64>>(&name), Err(NameError::NotFound { .. })));
        if round % 10 == 0 {
            assert!(node.spawn("third", takes_over, name).unwrap().join().unwrap());
        }
    }
}

/// > At the join of a child its names are free everywhere, whoever its parent is.
#[test]
fn after_the_join_of_a_child_its_names_are_free_also_where_the_parent_is_not_the_root() {
    fn creates(node: &Node, name: String) {
        let _queue: Queue<u64> = node.create(&name, QueueOptions::new()).unwrap();
    }
    fn middle(node: &Node, rounds: u64) {
        for round in 0..rounds {
            let name = format!("/name/{}", round % 3);
            node.spawn("creates", creates, name.clone()).unwrap().join().unwrap();
            assert!(matches!(node.open::<Queue<u64>>(&name), Err(NameError::NotFound(_))), "round {round}");
        }
    }
    let node = Node::start().unwrap();
    node.spawn("middle", middle, rounds(100)).unwrap().join().unwrap();
}

/// > A killed owner is told to all who wait for it, also if it was stopped before.
#[test]
fn everyone_who_waits_at_a_killed_owner_is_told_at_once() {
    fn waits(node: &Node, (name, how): (String, u64)) -> u128 {
        let queue: Queue<u64> = node.open(&name).unwrap();
        let ready: Queue<u64> = node.open("/ready").unwrap();
        ready.put_confirmed(1).unwrap();
        let told = match how {
            0 => matches!(queue.get(), Err(GetError::Disconnected)),
            1 => matches!(queue.put(1), Err(PutError::Disconnected(1))),
            2 => matches!(queue.lease(), Err(GetError::Disconnected)),
            _ => matches!(queue.join(), Err(QueueError::Disconnected)),
        };
        assert!(told, "another error");
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
    }
    let node = Node::start().unwrap();
    let ready: Queue<u64> = node.create("/ready", QueueOptions::new()).unwrap();
    for stop_first in [false, true] {
        let full = node.spawn("full", own, ("/full".to_owned(), 1)).unwrap();
        let empty = node.spawn("empty", own, ("/empty".to_owned(), 1)).unwrap();
        let queue: Queue<u64> = node.open_timeout("/full", PATIENCE).unwrap();
        let _: Queue<u64> = node.open_timeout("/empty", PATIENCE).unwrap();
        queue.put_confirmed(0).unwrap();
        let waiters: Vec<_> = (0..8)
            .map(|n| {
                let name = if n % 2 == 0 { "/empty" } else { "/full" };
                node.spawn("waits", waits, (name.to_owned(), n % 4)).unwrap()
            })
            .collect();
        for _ in &waiters {
            ready.get().unwrap();
        }
        pause(Duration::from_millis(50));
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        for owner in [&full, &empty] {
            if stop_first {
                send_signal(owner.pid(), 19);
                eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
            }
            assert!(waiters.iter().all(|waiter| waiter.is_alive()) || owner.pid() == empty.pid());
        }
        let killed = now();
        send_signal(full.pid(), 9);
        send_signal(empty.pid(), 9);
        let late = waiters.iter().map(|waiter| waiter.join().unwrap().saturating_sub(killed)).max().unwrap();
        assert!(late < Duration::from_secs(10).as_nanos(), "after {late} ns");
        assert!(full.join().is_err() && empty.join().is_err());
    }
}

/// Producer and number.
type Pairs = Queue<(u64, u64)>;

/// > A producer that is stopped or idle starves nobody, even where there is room for one item.
#[test]
fn one_slot_and_many_hands_one_of_them_stopped_and_one_idle() {
    fn puts(_: &Node, (queue, producer, count): (Pairs, u64, u64)) {
        for n in 0..count {
            queue.put((producer, n)).unwrap();
        }
    }
    fn idles(node: &Node, queue: Pairs) {
        queue.len().unwrap();
        node.wait_stopping(PATIENCE);
    }
    fn gets(_: &Node, (queue, came, who): (Pairs, Queue<(u64, u64, u64)>, u64)) {
        for (producer, n) in &queue {
            came.put((who, producer, n)).unwrap();
        }
    }
    const COUNT: u64 = 200;
    let node = Node::start().unwrap();
    let queue: Pairs = node.anonymous(QueueOptions::new().capacity(1));
    let came: Queue<(u64, u64, u64)> = node.anonymous(QueueOptions::new());
    let gets: Vec<_> =
        (0..2).map(|who| node.spawn("gets", gets, (queue.clone(), came.clone(), who)).unwrap()).collect();
    let idle = node.spawn("idles", idles, queue.clone()).unwrap();
    let stopped = node.spawn("stopped", puts, (queue.clone(), 99, u64::MAX)).unwrap();
    while came.get().unwrap().1 != 99 {}
    let producers: Vec<_> =
        (0..6).map(|p| node.spawn("puts", puts, (queue.clone(), p, COUNT)).unwrap()).collect();
    send_signal(stopped.pid(), 19);
    for producer in &producers {
        loop {
            assert!(queue.len().unwrap() <= 1, "it holds more than its capacity");
            match producer.join_timeout(Duration::from_millis(1)) {
                Err(JoinError::TimedOut) => {}
                joined => break joined.unwrap(),
            }
        }
    }
    send_signal(stopped.pid(), 9);
    assert!(stopped.join().is_err());
    idle.terminate(PATIENCE);
    idle.join().unwrap();
    queue.close().unwrap();
    for get in gets {
        get.join().unwrap();
    }
    came.close().unwrap();
    let mut per_producer = vec![Vec::new(); 100];
    let mut last = std::collections::BTreeMap::new();
    for (who, producer, n) in &came {
        per_producer[producer as usize].push(n);
        let before = last.insert((who, producer), n);
        assert!(before < Some(n), "consumer {who} got {n} of producer {producer} after {before:?}");
    }
    for (producer, mut numbers) in per_producer.into_iter().take(6).enumerate() {
        // Each consumer had them in order; what the two pass on may change places.
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..COUNT), "of producer {producer}");
    }
}

/// A program that runs on its own: a root with a child, a grandchild, and a queue that all use. Inert in a run of tests.
#[test]
fn a_root_of_its_own() {
    fn middle(node: &Node, (path, queue): (PathBuf, Queue<u64>)) {
        let leaf = node.spawn("leaf", leaf, (path.clone(), queue.clone())).unwrap();
        note(&path);
        while queue.get().is_ok() {}
        let _ = leaf.join();
    }
    fn leaf(_: &Node, (path, queue): (PathBuf, Queue<u64>)) {
        note(&path);
        while queue.put(1).is_ok() {}
    }
    fn note(path: &PathBuf) {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, format!("{}\n", std::process::id()).as_bytes()).unwrap();
    }
    let Some(path) = std::env::var_os("CALLBOARD_TEST_ROOT") else { return };
    let node = Node::start().unwrap();
    std::fs::write(&path, format!("job {}\n", node.job())).unwrap();
    if std::env::var_os("CALLBOARD_TEST_STOPS").is_some() {
        // Stopped before they have begun, as far as that can be.
        for _ in 0..2 {
            let child =
                node.spawn("stopped", leaf, (PathBuf::new(), node.anonymous(QueueOptions::new()))).unwrap();
            send_signal(child.pid(), 19);
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, format!("{}\n", child.pid()).as_bytes()).unwrap();
        }
        node.wait_stopping(PATIENCE);
    }
    let queue: Queue<u64> = node.anonymous(QueueOptions::new().capacity(100));
    let child = node.spawn("middle", middle, (PathBuf::from(path), queue)).unwrap();
    let _ = child.join();
}

/// How that program is started.
#[derive(Clone, Copy, PartialEq)]
enum As {
    Itself,
    CommandOfAShell,
    /// And its children are stopped as soon as they are there.
    ParentOfStopped,
}

/// Starts that program and waits until its descendants are there; its job, and their pids.
fn start_root(how: As, file: &std::path::Path) -> (std::process::Child, String, Vec<u32>) {
    let program = std::env::current_exe().unwrap();
    let args = ["--exact", "a_root_of_its_own", "--nocapture"];
    let mut command = if how == As::CommandOfAShell {
        let mut sh = Command::new("sh");
        sh.arg("-c").arg("exec \"$@\"").arg("sh").arg(program).args(args);
        sh
    } else {
        let mut direct = Command::new(program);
        direct.args(args);
        direct
    };
    if how == As::ParentOfStopped {
        command.env("CALLBOARD_TEST_STOPS", "1");
    }
    command.env("CALLBOARD_TEST_ROOT", file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let root = command.spawn().unwrap();
    let mut pids = Vec::new();
    let mut job = String::new();
    eventually("its descendants run", || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        pids = text.lines().filter_map(|pid| pid.parse().ok()).collect();
        job = text.lines().find_map(|line| line.strip_prefix("job ")).unwrap_or_default().to_owned();
        pids.len() == 2
    });
    (root, job, pids)
}

/// > With its parent killed no process lives on, stopped ones neither; the job's socket is gone.
#[test]
fn a_killed_root_leaves_nobody_stopped_ones_neither() {
    let mut random = Random::new();
    for round in 0..rounds(20) {
        let folder = tempfile::tempdir().unwrap();
        let how = [As::Itself, As::CommandOfAShell, As::ParentOfStopped][(round % 3) as usize];
        let (mut root, job, descendants) = start_root(how, &folder.path().join("pids"));
        pause(random.time(Duration::from_millis(5)));
        if round % 4 > 1 {
            send_signal(*random.pick(&descendants), 19);
        }
        send_signal(root.id(), 9);
        root.wait().unwrap();
        let begun = Instant::now();
        none_runs("nobody is left", &descendants);
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert!(matches!(Node::join(&job), Err(JoinJobError::NoJob(_))), "its socket is there");
    }
}

/// > Nor does one live on because somebody has copies of the parent's descriptors.
#[test]
fn copies_of_a_killed_roots_descriptors_keep_nobody_alive() {
    let folder = tempfile::tempdir().unwrap();
    let (mut root, _, descendants) = start_root(As::Itself, &folder.path().join("pids"));
    let copies = copies_of_descriptors(root.id());
    send_signal(root.id(), 9);
    root.wait().unwrap();
    none_runs("nobody is left", &descendants);
    let few = copies.as_ref().is_some_and(|copies| copies.len() < 6);
    assert!(!few, "not all descriptors could be copied: {copies:?}");
}

/// > A node that has nothing to do makes no wake-up, nor do its waiting threads.
#[test]
fn a_node_and_its_children_that_have_nothing_to_do_do_not_wake_up() {
    fn switches(pid: u32) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let counts = tasks.map(|task| {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or_default()
        });
        counts.sum()
    }
    fn gets(_: &Node, queue: Queue<u64>) {
        let _ = queue.get();
    }
    fn watches(node: &Node, (queue, event): (Queue<u64>, Event)) -> bool {
        let mut any = WaitAny::new(node);
        let _ = (any.add(&queue), any.add(node));
        let set = any.add(&event);
        any.wait() == Some(set)
    }
    let node = Node::start().unwrap();
    let queue: Queue<u64> = node.anonymous(QueueOptions::new());
    let child = node.spawn("gets", gets, queue.clone()).unwrap();
    let owner = node.spawn("owner", own, ("/q".to_owned(), 1)).unwrap();
    let full: Queue<u64> = node.open_timeout("/q", PATIENCE).unwrap();
    full.put_confirmed(1).unwrap();
    let putter = std::thread::spawn(move || full.put(2).is_ok());
    let event: Event = node.anonymous(EventOptions::new());
    let watcher = node.spawn("watches", watches, (queue.clone(), event.clone())).unwrap();
    let waiter = node.spawn("waits", |_: &Node, event: Event| event.wait().is_ok(), event.clone()).unwrap();
    // It takes a while until everybody has sat down; then nothing may wake up any process.
    let wakes_within = |time| {
        let pids = [child.pid(), owner.pid(), watcher.pid(), waiter.pid()];
        let before = pids.map(switches);
        pause(time);
        before != pids.map(switches)
    };
    eventually("a second without a wake-up", || !wakes_within(Duration::from_secs(1)));
    assert!(!wakes_within(Duration::from_secs(4)), "something wakes up now and then");
    owner.kill().unwrap();
    assert!(!putter.join().unwrap());
    event.set().unwrap();
    assert!(watcher.join().unwrap() && waiter.join().unwrap());
}

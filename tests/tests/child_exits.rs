//! Calls for children that have ended: which ones, when, and what a call may do.

use std::collections::HashMap;
use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callboard::pool::PoolOptions;
use callboard::testing::{is_stopped, resume, stop};
use callboard::{Actor, ChildExit, Context, Failure, JoinError, Manager, Node, Process, Queue, QueueOptions};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, kill_self, pause, rounds};

callboard::test_door!();

/// What is told of the children of that node from now on.
fn told_by(node: &Node) -> Receiver<ChildExit> {
    let (tells, told) = channel();
    node.on_child_exit(move |exit| _ = tells.send(exit.clone())).unwrap();
    told
}

/// The next so many, by name, in whatever order.
fn next(told: &Receiver<ChildExit>, count: usize) -> HashMap<String, ChildExit> {
    let exits: HashMap<_, _> = (0..count)
        .map(|_| told.recv_timeout(PATIENCE).unwrap())
        .map(|exit| (exit.name.clone(), exit))
        .collect();
    assert_eq!(exits.len(), count, "each is told once: {exits:?}");
    exits
}

fn returns(_: &Node, number: u64) -> u64 {
    number
}

fn panics(_: &Node, (): ()) {
    panic!("as it was told");
}

fn exits(_: &Node, code: i32) {
    std::process::exit(code);
}

fn dies(_: &Node, (): ()) {
    kill_self();
}

fn stays(node: &Node, (): ()) {
    while !node.wait_stopping(PATIENCE) {}
}

struct Nothing;

impl Actor for Nothing {
    type Message = ();
    type Args = ();
    fn start(_: &mut Context<()>, (): ()) -> Result<Self, Failure> {
        Ok(Nothing)
    }
    fn handle(&mut self, _: &mut Context<()>, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

/// > `Node::on_child_exit` tells of each process of the node that has ended, once, with name, process id and reason, whatever it was started for.
#[test]
fn each_child_is_told_of_once_with_its_reason() {
    let node = Node::start().unwrap();
    let told = told_by(&node);
    let mut pids = HashMap::new();
    let children =
        [node.spawn("panics", panics, ()), node.spawn("dies", dies, ()), node.spawn("exits", exits, 7)];
    let children: Vec<Process<()>> = children.into_iter().map(Result::unwrap).collect();
    let returns = node.spawn("returns", returns, 3).unwrap();
    pids.extend(children.iter().map(|child| (child.name().to_owned(), child.pid())));
    pids.insert("returns".to_owned(), returns.pid());
    let program =
        |name: &str, script: &str| node.command("sh").args(["-c", script]).name(name).spawn().unwrap();
    let programs = [program("good", "exit 0"), program("bad", "exit 3"), program("killed", "kill -9 $$")];
    pids.extend(programs.iter().map(|program| (program.name().to_owned(), program.pid())));
    let exits = next(&told, 7);
    for (name, exit) in &exits {
        assert_eq!(exit.pid, pids[name], "{exit:?}");
        assert_eq!(exit.is_command, ["good", "bad", "killed"].contains(&&**name));
        assert!(exit.node().is_some_and(|its| its.id() == node.id()));
    }
    let reason = |name: &str| exits[name].reason.clone();
    assert_eq!((reason("returns"), reason("good")), (None, None));
    assert!(
        matches!(reason("panics"), Some(JoinError::Panicked(panic)) if panic.message.contains("as it was told"))
    );
    assert!(matches!(reason("dies"), Some(JoinError::Signalled { signal: 9, .. })));
    assert!(matches!(reason("killed"), Some(JoinError::Signalled { signal: 9, .. })));
    assert_eq!((reason("exits"), reason("bad")), (Some(JoinError::Exited(7)), Some(JoinError::Exited(3))));
    assert_eq!(returns.join(), Ok(3), "whoever joins has the value all the same");
    // Those that were started on behalf of others.
    let pool = node.pool(PoolOptions::new().name("pool").workers(1)).unwrap();
    pool.submit(|n: u64| n, 1).unwrap().result().unwrap();
    assert!(pool.shutdown(PATIENCE));
    let actor = node.actor::<Nothing>(()).name("/apart").own_process().start().unwrap();
    actor.stop();
    Manager::start(&node, "manager").unwrap().shutdown(PATIENCE).unwrap();
    let exits = next(&told, 3);
    assert!(["pool-1", "/apart", "manager"].iter().all(|name| exits.contains_key(*name)), "{exits:?}");
    assert!(told.try_recv().is_err());
}

/// > In such a call the child's `join` returns at once, and others may be joined and spawned; one that panics harms nobody.
#[test]
fn a_call_may_join_and_spawn_and_panic() {
    let node = Node::start().unwrap();
    let (tells, told) = channel();
    let running: Arc<Mutex<Vec<Process<u64>>>> = Arc::default();
    let starts = Arc::clone(&running);
    node.on_child_exit(|_| panic!("each time")).unwrap();
    node.on_child_exit(move |exit| {
        let ended = loop {
            // It may have ended before its starter had put it there.
            let mut running = starts.lock().unwrap();
            if let Some(at) = running.iter().position(|child| child.pid() == exit.pid) {
                break running.remove(at);
            }
        };
        let number = ended.join_timeout(Duration::ZERO).unwrap();
        if number < 3 {
            let node = exit.node().unwrap();
            // Another one, which is waited for within the call.
            let other = node.spawn("other", returns, 100).unwrap();
            let other_pid = other.pid();
            assert_eq!(other.join(), Ok(100));
            starts.lock().unwrap().push(other);
            starts.lock().unwrap().push(node.spawn("again", returns, number + 1).unwrap());
            tells.send((number, other_pid)).unwrap();
        } else {
            tells.send((number, 0)).unwrap();
        }
    })
    .unwrap();
    let mut held = running.lock().unwrap();
    held.push(node.spawn("first", returns, 1).unwrap());
    drop(held);
    let mut numbers: Vec<u64> = (0..5).map(|_| told.recv_timeout(PATIENCE).unwrap().0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 100, 100]);
}

/// > A node that ends calls for the children that it kills too, and waits for its calls, 5 s at most; a call may end the node itself.
#[test]
fn a_node_that_ends_tells_of_those_it_kills_and_waits_for_its_calls() {
    let leaks = LeakCheck::beside_other_tests();
    for _ in 0..rounds(3) {
        let node = Node::start().unwrap();
        let told = told_by(&node);
        let children: Vec<_> = (0..3).map(|at| node.spawn(&format!("{at}"), stays, ()).unwrap()).collect();
        let program = node.command("sleep").arg("600").spawn().unwrap();
        let pids: Vec<u32> = children.iter().map(Process::pid).chain([program.pid()]).collect();
        drop(node);
        // By now all have been told.
        let mut ended: Vec<u32> = told.try_iter().map(|exit| exit.pid).collect();
        ended.sort_unstable();
        let mut expected = pids;
        expected.sort_unstable();
        assert_eq!(ended, expected);
    }
    leaks.check();
}

fn exits_when_told(node: &Node, code: i32) {
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).unwrap();
    match code {
        0 => panic!("as {} was told", node.name()),
        _ => std::process::exit(code),
    }
}

/// Of a child that ends by itself while its node ends it is told how it did, as of any other.
#[test]
fn of_children_that_end_with_their_node_it_is_told_how_they_did() {
    let mut random = Random::new();
    for _ in 0..rounds(10) {
        let node = Node::start().unwrap();
        let told = told_by(&node);
        let (hears, tells) = std::io::pipe().unwrap();
        let children = (0..6).map(|at| {
            let child = node.process(&at.to_string()).stderr_null().stdin(hears.try_clone().unwrap());
            child.spawn(exits_when_told, at % 3).unwrap()
        });
        let _children: Vec<_> = children.collect();
        drop(hears);
        drop(tells);
        // Some end by themselves, some are killed before they do.
        pause(random.time(Duration::from_millis(3)));
        drop(node);
        for (at, exit) in next(&told, 6) {
            let code = at.parse::<i32>().unwrap() % 3;
            let is_right = match exit.reason {
                Some(JoinError::Signalled { signal: 9, .. }) => true,
                Some(JoinError::Panicked(_)) => code == 0,
                Some(JoinError::Exited(told)) => code > 0 && told == code,
                _ => false,
            };
            assert!(is_right, "{at}: {:?}", exit.reason);
        }
    }
}

/// > A node that ends calls for the children that it kills too, and waits for its calls, 5 s at most; a call may end the node itself.
#[test]
fn a_call_that_never_ends_holds_up_no_node_and_one_may_drop_the_last() {
    let node = Node::start().unwrap();
    node.on_child_exit(|_| {
        loop {
            pause(PATIENCE);
        }
    })
    .unwrap();
    node.spawn("returns", returns, 1).unwrap().join().unwrap();
    let begun = Instant::now();
    drop(node);
    assert!(begun.elapsed() >= Duration::from_secs(5), "it was waited for");
    // The last handle goes in a call.
    let node = Node::start().unwrap();
    let last = Arc::new(Mutex::new(Some(node.clone())));
    let (tells, told) = channel();
    let drops = Arc::clone(&last);
    node.on_child_exit(move |exit| {
        eventually("it is the last", || drops.lock().unwrap().is_some());
        drop(drops.lock().unwrap().take());
        tells.send(exit.node().is_some()).unwrap();
    })
    .unwrap();
    let child = node.spawn("returns", returns, 1).unwrap();
    drop(node);
    drop(child);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(false));
}

/// > In a child too the calls that are left are made before its own end is told.
#[test]
fn a_child_makes_its_calls_before_its_end_is_told() {
    fn parent(node: &Node, told: Queue<String>) {
        node.on_child_exit(move |exit| {
            told.put_confirmed(format!("{} {:?}", exit.name, exit.reason)).unwrap();
        })
        .unwrap();
        node.spawn("left", stays, ()).map(drop).unwrap();
        node.spawn("done", returns, 1).unwrap().join().unwrap();
    }
    let node = Node::start().unwrap();
    let told: Queue<String> = node.anonymous(QueueOptions::new());
    node.spawn("parent", parent, told.clone()).unwrap().join().unwrap();
    assert_eq!(told.try_get(), Ok("done None".to_owned()));
    assert!(told.try_get().unwrap().starts_with("left Some(Signalled { signal: 9"));
    assert!(told.try_get().is_err());
}

/// > `Node::on_child_exit` tells of each process of the node that has ended, once, with name, process id and reason, whatever it was started for.
#[test]
fn of_many_children_that_are_killed_at_random_each_is_told_once() {
    let node = Node::start().unwrap();
    let (first, second) = (told_by(&node), told_by(&node));
    let mut random = Random::new();
    let mut children = Vec::new();
    let count = rounds(20);
    for at in 0..count {
        children.push(node.spawn(&format!("{at}"), stays, ()).unwrap());
        if at % 2 == 0 {
            pause(random.time(Duration::from_millis(2)));
            children[(at / 2) as usize].kill().unwrap();
        }
    }
    children.iter().for_each(|child| child.kill().unwrap());
    let count = usize::try_from(count).unwrap();
    for told in [first, second] {
        let exits = next(&told, count);
        assert!(
            exits.values().all(|exit| matches!(exit.reason, Some(JoinError::Signalled { signal: 9, .. })))
        );
        assert!(told.try_recv().is_err());
    }
}

/// Nobody reads its standard error, its calls panic, and each is made all the same.
fn deaf(node: &Node, told: Queue<String>) {
    node.on_child_exit(move |exit| {
        told.put_confirmed(exit.name.clone()).unwrap();
        panic!("each time");
    })
    .unwrap();
    for name in ["first", "second", "third"] {
        node.spawn(name, returns, 1).unwrap().join().unwrap();
    }
}

/// Calls go on where nobody reads standard error any more.
#[test]
fn calls_go_on_where_nobody_reads_standard_error() {
    let node = Node::start().unwrap();
    let told: Queue<String> = node.anonymous(QueueOptions::new());
    let (_, nobody_reads) = std::io::pipe().unwrap();
    node.process("deaf").stderr(nobody_reads).spawn(deaf, told.clone()).unwrap().join().unwrap();
    let names: Vec<_> = std::iter::from_fn(|| told.try_get().ok()).collect();
    assert_eq!(names, ["first", "second", "third"]);
}

/// What stands for the place where late puts go: the process that has the queue, and how many were put.
type Late = (Queue<Vec<u8>>, Queue<usize>, u32);

/// How many items there are before the end.
const EARLY: usize = 200;

/// Puts a lot at its end, into a queue of a process that is not its parent and stands still at that moment.
fn puts_late(node: &Node, (queue, counts, keeper): Late) {
    let item = || vec![0_u8; 8_000];
    (0..EARLY).for_each(|_| queue.put_confirmed(item()).unwrap());
    node.on_child_exit(move |_| {
        stop(keeper);
        eventually("it stands still", || is_stopped(keeper));
        let within = Duration::from_millis(50);
        let count = (0..5_000).take_while(|_| queue.put_timeout(item(), within).is_ok()).count();
        counts.put_confirmed(count).unwrap();
    })
    .unwrap();
    node.spawn("left", stays, ()).map(drop).unwrap();
}

fn keeps(node: &Node, (): ()) {
    let _queue: Queue<Vec<u8>> = node.create("/late", QueueOptions::new().capacity(10_000)).unwrap();
    stays(node, ());
}

/// What such calls put at a child's end is there when it has been joined, as what its function put.
#[test]
fn what_calls_put_at_the_end_is_there_after_the_join() {
    let node = Node::start().unwrap();
    let keeper = node.spawn("keeper", keeps, ()).unwrap();
    let queue: Queue<Vec<u8>> = node.open_timeout("/late", PATIENCE).unwrap();
    let counts: Queue<usize> = node.anonymous(QueueOptions::new());
    let late = node.spawn("late", puts_late, (queue.clone(), counts.clone(), keeper.pid())).unwrap();
    let count = counts.get().unwrap();
    assert!(count * 8_000 > 500_000, "{count} are more than a socket holds");
    assert_eq!(
        late.join_timeout(Duration::from_millis(50)),
        Err(JoinError::TimedOut),
        "it waits for the keeper"
    );
    resume(keeper.pid());
    assert_eq!(late.join(), Ok(()));
    let is_there = queue.len().unwrap();
    assert!(is_there >= EARLY + count, "{is_there} of {EARLY} and {count}");
}

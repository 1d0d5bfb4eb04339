//! What a process is told before it is started: limits, processors, niceness; who is there.

use std::io::Write;

use callboard::pool::PoolOptions;
use callboard::{
    ActiveChild, ChildSpec, Failure, JoinError, Limit, Node, OutOfMemory, Queue, QueueOptions, SupervisorSpec,
};
use callboard_tests::{PATIENCE, eventually};
use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};

callboard::test_door!();

const LIMITS: [(Limit, u64); 5] = [
    (Limit::AddressSpaceBytes, 64 << 30),
    (Limit::CpuSeconds, 1000),
    (Limit::OpenFiles, 321),
    (Limit::CoreBytes, 0),
    (Limit::FileBytes, 1 << 20),
];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    limits: Vec<Option<u64>>,
    /// Of each thread.
    processors: Vec<String>,
    nice: Vec<i64>,
}

/// What this process has, read from the system.
fn look() -> Found {
    let kinds = [Resource::As, Resource::Cpu, Resource::Nofile, Resource::Core, Resource::Fsize];
    let limits = kinds.into_iter().map(|kind| getrlimit(kind).current).collect();
    let threads: Vec<_> =
        std::fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path()).collect();
    // Threads of other tests may have ended meanwhile.
    let read = |file: &'static str| {
        threads.iter().filter_map(move |thread| std::fs::read_to_string(thread.join(file)).ok())
    };
    let line = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap().trim().to_owned()
    };
    let nice = |text: String| {
        let (_, fields) = text.rsplit_once(") ").unwrap();
        fields.split(' ').nth(16).unwrap().parse().unwrap()
    };
    Found { limits, processors: read("status").map(line).collect(), nice: read("stat").map(nice).collect() }
}

fn is_as_told(found: &Found) {
    let expected: Vec<_> = LIMITS.iter().map(|(_, most)| Some(*most)).collect();
    let first = callboard::processors()[0].to_string();
    assert_eq!(found.limits, expected);
    assert!(found.processors.len() > 1 && found.processors.iter().all(|list| *list == first), "{found:?}");
    assert!(found.nice.iter().all(|nice| *nice == 19), "{found:?}");
}

/// > A child has the limits, the processors and the niceness that it was given, in all its threads, before its function runs.
#[test]
fn a_child_has_the_limits_processors_and_niceness_that_it_was_given() {
    fn looks(_: &Node, (): ()) -> (Found, usize) {
        (look(), callboard::processor_count())
    }
    let node = Node::start().unwrap();
    let first = callboard::processors()[0];
    let told = LIMITS.iter().fold(node.process("told"), |told, (limit, most)| told.limit(*limit, *most));
    let (found, count) = told.processors([first]).nice(19).spawn(looks, ()).unwrap().join().unwrap();
    is_as_told(&found);
    assert_eq!(count, 1, "it counts the processors that it may use");
    // The parent and other children are as before.
    let (plain, _) = node.spawn("plain", looks, ()).unwrap().join().unwrap();
    assert_eq!((plain.limits, &plain.nice[0]), (look().limits, &look().nice[0]));
}

/// > Workers of pools and processes that supervisors keep have them too.
#[test]
fn workers_of_pools_and_kept_processes_have_them_too() {
    fn puts(node: &Node, (): ()) -> Result<(), Failure> {
        let queue: Queue<Found> = node.open("/found")?;
        queue.put_confirmed(look())?;
        node.wait_stopping(PATIENCE);
        Ok(())
    }
    let node = Node::start().unwrap();
    let first = callboard::processors()[0];
    let options = PoolOptions::new().workers(1).processors([vec![first]]).process(|mut worker| {
        for (limit, most) in LIMITS {
            worker = worker.limit(limit, most);
        }
        worker.nice(19)
    });
    let pool = node.pool(options).unwrap();
    is_as_told(&pool.submit(|()| look(), ()).unwrap().result().unwrap());
    assert!(pool.shutdown(PATIENCE), "the pool did not end");
    let refused = node.pool(PoolOptions::new().threads().process(|it| it.nice(1))).unwrap_err();
    assert!(refused.to_string().contains("no processes"), "{refused}");
    let refused = node.pool(PoolOptions::new().workers(1).process(|it| it.nice(40))).unwrap();
    let error = refused.submit(|()| (), ()).unwrap().result().unwrap_err();
    assert!(error.to_string().contains("niceness 40"), "{error}");

    let queue: Queue<Found> = node.create("/found", QueueOptions::new()).unwrap();
    let kept = ChildSpec::process_with(
        "kept",
        move |it| {
            LIMITS.iter().fold(it, |it, (limit, most)| it.limit(*limit, *most)).nice(19).processors([first])
        },
        puts,
        (),
    );
    let supervisor = node.supervise(&SupervisorSpec::new().child(kept)).unwrap();
    is_as_told(&queue.get_timeout(PATIENCE).unwrap());
    supervisor.stop();
    supervisor.wait();
    let captured = ChildSpec::process_with("captured", |it| it.stdout_captured(), puts, ());
    let refused = node.supervise(&SupervisorSpec::new().child(captured).quiet()).unwrap_err();
    assert!(format!("{refused:?}").contains("can't be captured"), "{refused:?}");
}

/// > What a child can't have is named in its exit reason, and its function does not run.
#[test]
fn what_a_child_can_not_have_is_named_and_its_function_does_not_run() {
    fn runs(node: &Node, (): ()) {
        let queue: Queue<u8> = node.open("/ran").unwrap();
        queue.put_confirmed(1).unwrap();
    }
    let node = Node::start().unwrap();
    let ran: Queue<u8> = node.create("/ran", QueueOptions::new()).unwrap();
    let asks = || node.process("asks").stderr_null();
    let none: [usize; 0] = [];
    for (asked, named) in [
        (asks().limit(Limit::OpenFiles, 1 << 40), "a limit of 1099511627776 open files can't be had: "),
        (asks().nice(40), "niceness 40 can't be had: "),
        (asks().processors([1023]), "processors [1023] can't be had: "),
        (asks().processors([1 << 20]), "there is no processor 1048576"),
        (asks().processors(none), "processors [] can't be had: "),
    ] {
        let joined = asked.spawn(runs, ()).unwrap().join();
        assert!(matches!(&joined, Err(JoinError::FailedStart(why)) if why.contains(named)), "{joined:?}");
    }
    assert!(ran.is_empty().unwrap());
}

/// > A child that takes more than its limit ends with a reason that says so: SIGXCPU, SIGXFSZ, and, where `RUST_BACKTRACE` asks for no backtrace, out of
/// > memory.
#[test]
fn a_child_beyond_its_limit_ends_with_the_reason() {
    fn computes(_: &Node, (): ()) {
        let mut n: u64 = 0;
        loop {
            n = std::hint::black_box(n.wrapping_add(1));
        }
    }
    fn writes(_: &Node, (): ()) {
        let mut file = tempfile::tempfile().unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
    fn takes(_: &Node, (): ()) -> usize {
        let bytes = std::hint::black_box(vec![1_u8; 2 << 30]);
        bytes.len()
    }
    let node = Node::start().unwrap();
    let signal = |joined: Result<(), JoinError>| match joined {
        Err(JoinError::Signalled { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    let computes = node.process("computes").limit(Limit::CpuSeconds, 1).stderr_null().spawn(computes, ());
    let core = node.process("writes").limit(Limit::CoreBytes, 0).limit(Limit::FileBytes, 1 << 16);
    assert_eq!(signal(core.spawn(writes, ()).unwrap().join()), "SIGXFSZ");
    assert_eq!(signal(computes.unwrap().join()), "SIGXCPU");
    let limited = node.process("takes").limit(Limit::AddressSpaceBytes, 1 << 30).env_remove("RUST_BACKTRACE");
    let joined = limited.stderr_null().spawn(takes, ()).unwrap().join();
    assert!(matches!(joined, Err(JoinError::OutOfMemory { how: OutOfMemory::Refused, .. })), "{joined:?}");
}

/// > The living children are told by name and process id, and a child knows its parent's.
#[test]
fn living_children_and_the_parent_are_told() {
    fn waits(node: &Node, (): ()) -> Option<u32> {
        node.wait_stopping(PATIENCE);
        node.parent_pid()
    }
    let node = Node::start().unwrap();
    assert_eq!((node.active_children(), node.parent_pid()), (vec![], None));
    let children: Vec<_> = ["b", "a"].iter().map(|name| node.spawn(name, waits, ()).unwrap()).collect();
    let told: Vec<(String, u32)> =
        node.active_children().into_iter().map(|ActiveChild { name, pid, .. }| (name, pid)).collect();
    let [b, a] = [&children[0], &children[1]].map(callboard::Process::pid);
    assert_eq!(told, [("a".to_owned(), a), ("b".to_owned(), b)]);
    children[0].kill().unwrap();
    eventually("the killed one is gone", || node.active_children().len() == 1);
    children[1].terminate(PATIENCE);
    assert_eq!(children[1].join(), Ok(Some(std::process::id())));
    assert_eq!(node.active_children(), []);
}

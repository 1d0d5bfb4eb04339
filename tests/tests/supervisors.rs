//! Supervisors of actors, processes and supervisors: who is started again, in which order, and how all end.

#[path = "supervisors/down.rs"]
mod down;
#[path = "supervisors/ends.rs"]
mod ends;
#[path = "supervisors/in_hand.rs"]
mod in_hand;
#[path = "supervisors/races.rs"]
mod races;
#[path = "supervisors/stages.rs"]
mod stages;
#[path = "supervisors/tree.rs"]
mod tree;
#[path = "supervisors/watcher.rs"]
mod watcher;
#[path = "supervisors/worker.rs"]
mod worker;

use std::time::Duration;

use callboard::{
    ActorRef, AutoShutdown, Backoff, ChildSpec, ChildState, Event, EventOptions, Exit, Failure, NameError,
    Node, Queue, QueueOptions, Restart, StartActorError, Strategy, Supervisor, SupervisorEnd,
    SupervisorError, SupervisorSpec,
};
use callboard_tests::{LeakCheck, PATIENCE, eventually, is_running, rounds, send_signal};

use self::worker::{Work, apart, find, here, job, lines, pid, process};

callboard::test_door!();

fn quiet() -> SupervisorSpec {
    SupervisorSpec::new().quiet().max_restarts(1000, Duration::from_secs(60))
}

fn state(supervisor: &Supervisor, name: &str) -> Option<ChildState> {
    supervisor.children().into_iter().find(|child| child.name == name).map(|child| child.state)
}

/// > Who else is started again follows the strategy, the last started stopped first, also when processes are killed.
#[test]
fn who_else_is_started_again_follows_the_strategy() {
    let check = LeakCheck::new();
    {
        let strategies = [
            (Strategy::OneForOne, ["b"].as_slice()),
            (Strategy::OneForAll, ["a", "b", "c", "d"].as_slice()),
            (Strategy::RestForOne, ["b", "c", "d"].as_slice()),
        ];
        for (strategy, again) in strategies {
            let (node, log) = job();
            let spec = quiet().strategy(strategy).child(here("a")).child(apart("b"));
            let supervisor = node.supervise(&spec.child(apart("c")).child(here("d"))).unwrap();
            assert_eq!(lines(&log), ["a starts", "b starts", "c starts", "d starts"]);
            let names = ["a", "b", "c", "d"];
            for _ in 0..3 {
                log.clear().unwrap();
                let before = names.map(|name| pid(&node, name));
                let beside = find(&node, "c").monitor();
                send_signal(before[1].unwrap(), 9);
                eventually("they are started again", || {
                    let lines = lines(&log);
                    again.iter().all(|name| lines.contains(&format!("{name} starts")))
                });
                let told = again.contains(&"c").then(|| beside.wait_timeout(PATIENCE).unwrap());
                assert!(told.is_none_or(|down| down.restarts && down.exit == Exit::Shutdown));
                eventually("all answer", || names.iter().all(|name| pid(&node, name).is_some()));
                let lines = lines(&log);
                let ends = names.iter().rev().filter(|name| **name != "b" && again.contains(name));
                let starts = again.iter().map(|name| format!("{name} starts"));
                let expected: Vec<String> = ends.map(|name| format!("{name} ends")).chain(starts).collect();
                assert_eq!(lines, expected, "{strategy:?}");
                assert!(before.into_iter().flatten().any(|pid| !is_running(pid)));
            }
            log.clear().unwrap();
            supervisor.stop();
            supervisor.wait_timeout(PATIENCE).unwrap();
            assert_eq!(lines(&log), ["d ends", "c ends", "b ends", "a ends"]);
        }
    }
    check.check();
}

/// > References and mailboxes survive a restart on a living node: what was sent meanwhile is handled by the next life.
#[test]
fn references_and_mailboxes_survive_a_restart() {
    let (node, log) = job();
    let supervisor = node.supervise(&quiet().child(here("lives"))).unwrap();
    let worker = find(&node, "lives");
    fn calls(_: &Node, worker: ActorRef<Work>) -> u64 {
        (0..300).map(|n| worker.call_timeout(|reply| Work::Add(n, reply), PATIENCE).unwrap() - n).sum()
    }
    let other = node.spawn("calls", calls, worker.clone()).unwrap();
    for round in 0..50 {
        let (begun, go): (Event, Event) =
            (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
        worker.cast(Work::Block(begun.clone(), go.clone())).unwrap();
        begun.wait_timeout(PATIENCE).unwrap();
        worker.cast(if round % 2 == 0 { Work::Panic } else { Work::Fail }).unwrap();
        worker.cast(Work::Note(round)).unwrap();
        go.set().unwrap();
        assert_eq!(worker.call_timeout(|reply| Work::Add(round, reply), PATIENCE), Ok(round + 1));
    }
    assert_eq!(other.join().unwrap(), 300);
    let notes: Vec<String> = lines(&log).into_iter().filter(|line| line.contains("notes")).collect();
    assert_eq!(notes, (0..50).map(|n| format!("lives notes {n}")).collect::<Vec<_>>());
    let stats = worker.stats(PATIENCE).unwrap();
    assert_eq!(stats.restarts, 50);
    assert!(matches!(stats.last_exit, Some(Exit::Failed(_))));
    let monitor = worker.monitor();
    supervisor.stop();
    let down = monitor.wait_timeout(PATIENCE).unwrap();
    assert_eq!((down.exit, down.restarts), (Exit::Shutdown, false));
    assert!(worker.cast(Work::Note(1)).is_err());
}

/// > The name of an actor in its own process is kept between its lives: nobody else gets it, and a lookup finds the next.
#[test]
fn the_name_of_an_actor_in_its_own_process_is_kept_between_its_lives() {
    let check = LeakCheck::new();
    {
        let (node, _log) = job();
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(50)).jitter(0.0);
        let supervisor = node.supervise(&quiet().child(apart("kept").backoff(backoff))).unwrap();
        let takes = || node.actor::<worker::Worker>("taker".to_owned()).name("/kept").start();
        for _ in 0..rounds(10) {
            let before = find(&node, "kept");
            let monitor = before.monitor();
            send_signal(before.call_timeout(Work::Pid, PATIENCE).unwrap(), 9);
            monitor.wait_timeout(PATIENCE).unwrap();
            assert!(matches!(takes(), Err(StartActorError::Name(NameError::Taken { .. }))));
            let next = find(&node, "kept");
            assert!(next != before && next.call_timeout(Work::Pid, PATIENCE).is_ok());
            eventually("it runs", || state(&supervisor, "kept") == Some(ChildState::Running));
        }
        supervisor.terminate("kept").unwrap();
        let taker = takes().unwrap();
        assert!(matches!(supervisor.restart("kept"), Err(SupervisorError::StartFailed { .. })));
        let ended = taker.monitor();
        taker.stop();
        ended.wait_timeout(PATIENCE).unwrap();
        supervisor.restart("kept").unwrap();
        supervisor.stop();
        assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
        takes().unwrap();
    }
    check.check();
}

/// > Too many restarts end a supervisor, and that is counted by its own supervisor; back-off delays a restart.
#[test]
fn too_many_restarts_end_a_supervisor() {
    let check = LeakCheck::new();
    {
        let (node, log) = job();
        let minute = Duration::from_secs(60);
        let few = SupervisorSpec::new().quiet().max_restarts(2, minute);
        let below = few.clone().child(apart("child")).child(process("beside"));
        let top =
            node.supervise(&few.child(ChildSpec::supervisor("below", below)).child(here("top"))).unwrap();
        // 2 restarts below and one end, three times; less if it is killed before it is known to have started.
        eventually("it ends", || {
            pid(&node, "child").iter().for_each(|pid| send_signal(*pid, 9));
            top.end().is_some()
        });
        let starts = lines(&log).iter().filter(|line| *line == "child starts").count();
        assert!((3..=9).contains(&starts), "{starts}");
        assert_eq!(top.wait_timeout(PATIENCE), Some(SupervisorEnd::TooManyRestarts));
        assert_eq!(lines(&log).iter().filter(|line| *line == "top starts").count(), 1);
        assert_eq!(lines(&log).last().unwrap(), "top ends");

        log.clear().unwrap();
        let backoff = Backoff::new(Duration::from_millis(60), minute).jitter(0.0);
        let slow = node.supervise(&quiet().child(here("slow").backoff(backoff))).unwrap();
        for expected in [60, 120] {
            let begun = std::time::Instant::now();
            let starts = lines(&log).len();
            find(&node, "slow").cast(Work::Panic).unwrap();
            eventually("it comes again", || {
                lines(&log).iter().filter(|line| line.ends_with("starts")).count() > starts.div_ceil(2)
            });
            assert!(begun.elapsed() >= Duration::from_millis(expected));
        }
        slow.stop();
        assert_eq!(slow.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
    }
    check.check();
}

/// > Children are added, stopped, started again and deleted by name; what can't be done is an error that says why.
#[test]
fn children_are_added_stopped_and_deleted_by_name() {
    let check = LeakCheck::new();
    {
        let (node, _log) = job();
        let supervisor = node.supervise(&quiet().child(here("a"))).unwrap();
        let in_state = |name: &str, state| Err(SupervisorError::InState { name: name.to_owned(), state });
        for child in [here("b"), apart("b"), process("b")] {
            supervisor.add(&child).unwrap();
            eventually("it answers", || pid(&node, "b").is_some());
            assert_eq!(supervisor.add(&child), Err(SupervisorError::NameTaken("b".to_owned())));
            assert_eq!(supervisor.delete("b"), in_state("b", ChildState::Running));
            assert_eq!(supervisor.restart("b"), in_state("b", ChildState::Running));
            supervisor.terminate("b").unwrap();
            assert_eq!(state(&supervisor, "b"), Some(ChildState::Down));
            assert!(node.open::<ActorRef<Work>>("/b").is_err());
            supervisor.restart("b").unwrap();
            eventually("it answers again", || pid(&node, "b").is_some());
            supervisor.terminate("b").unwrap();
            supervisor.delete("b").unwrap();
            assert_eq!(supervisor.terminate("b"), Err(SupervisorError::NotFound("b".to_owned())));
            assert_eq!(state(&supervisor, "b"), None);
        }
        // Its name is taken by another.
        let taken = supervisor
            .add(&ChildSpec::actor("c", |node| node.actor::<worker::Worker>("c".to_owned()).name("/a")));
        assert!(matches!(taken, Err(SupervisorError::StartFailed { why: Exit::Failed(_), .. })), "{taken:?}");
        assert_eq!(state(&supervisor, "c"), None);
        let refused = node.supervise(&quiet().child(here("d")).child(here("a")));
        assert!(matches!(refused, Err(SupervisorError::StartFailed { name, .. }) if name == "a"));
        assert!(node.open::<ActorRef<Work>>("/d").is_err(), "what had started is stopped again");
        let twice = node.supervise(&quiet().child(here("d")).child(here("d")));
        assert_eq!(twice.unwrap_err(), SupervisorError::NameTaken("d".to_owned()));
        assert!(matches!(
            node.supervise(&quiet().child(here("d").significant())),
            Err(SupervisorError::BadSpec(_))
        ));
        supervisor.kill();
        assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Killed));
        assert_eq!(supervisor.add(&here("e")), Err(SupervisorError::Ending));
        assert!(node.open::<ActorRef<Work>>("/a").is_err());
    }
    check.check();
}

/// > A supervisor whose significant children have ended by themselves ends too.
#[test]
fn a_supervisor_ends_with_its_significant_children() {
    let check = LeakCheck::new();
    {
        fn quick(_: &Node, fails: bool) -> Result<(), Failure> {
            if fails { Err(Failure::new("this time")) } else { Ok(()) }
        }
        let (node, _log) = job();
        for (when, count) in [(AutoShutdown::AnySignificant, 1), (AutoShutdown::AllSignificant, 3)] {
            let mut spec = quiet().auto_shutdown(when).child(apart("stays"));
            for n in 0..count {
                let task = ChildSpec::process(format!("task {n}"), quick, n == 1);
                spec = spec.child(task.restart(Restart::Temporary).significant());
            }
            let supervisor = node.supervise(&spec).unwrap();
            assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Significant));
            assert!(supervisor.run().is_ok() && pid(&node, "stays").is_none());
        }
    }
    check.check();
}

/// > The tree of a job names its processes, supervisors and actors with their figures, also those that are stuck or stopped.
#[test]
fn the_tree_of_a_job_names_all_that_runs() {
    let check = LeakCheck::new();
    {
        let (node, _log) = job();
        let below = quiet().strategy(Strategy::RestForOne).child(apart("b")).child(process("c"));
        let spec = quiet().name("top").child(here("a")).child(ChildSpec::supervisor("below", below));
        let supervisor = node.supervise(&spec).unwrap();
        let alone = node.actor::<worker::Worker>("alone".to_owned()).start().unwrap();
        eventually("all answer", || ["a", "b", "c"].iter().all(|name| pid(&node, name).is_some()));
        let (begun, go): (Event, Event) =
            (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
        alone.cast(Work::Block(begun.clone(), go.clone())).unwrap();
        begun.wait_timeout(PATIENCE).unwrap();
        (0..3).for_each(|n| alone.cast(Work::Note(n)).unwrap());
        find(&node, "a").cast(Work::Panic).unwrap();
        let pids = ["b", "c"].map(|name| pid(&node, name).unwrap());
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        eventually("the tree is whole", || {
            let text = node.tree(PATIENCE).to_string();
            let lines = lines(&text);
            let has = |start: String, with: &str| {
                lines.iter().any(|line| line.starts_with(&start) && line.contains(with))
            };
            has(format!("root (pid {})", std::process::id()), "")
                && has("  supervisor top: one for one, 1000 restarts in 60s".to_owned(), "")
                && has(
                    "    actor a /a (running): 0 waiting".to_owned(),
                    "1 restarts, before that it panicked",
                )
                && has("    supervisor below (running): rest for one".to_owned(), "")
                && has(format!("      process /b (pid {}, running)", pids[0]), "")
                && has("        actor /b: 0 waiting".to_owned(), "handled")
                && has(format!("      process c (pid {}, running)", pids[1]), "")
                && has("        actor /c: 0 waiting".to_owned(), "handled")
                && has("  actor ".to_owned(), "3 waiting since")
        });
        go.set().unwrap();
        send_signal(pids[1], 19);
        let stopped = format!("process c (pid {}, running): does not answer", pids[1]);
        eventually("it is stopped", || node.tree(Duration::from_millis(50)).to_string().contains(&stopped));
        send_signal(pids[1], 18);
        supervisor.stop();
        supervisor.wait_timeout(PATIENCE).unwrap();
        assert!(!node.tree(PATIENCE).to_string().contains("process"));
    }
    check.check();
}

/// Starts a program, and has it until it is told to end.
fn has_a_program(node: &Node, (told, go): (Queue<u32>, Event)) -> Result<(), Failure> {
    let program = node.command("sleep").arg("1000").name("inner").spawn()?;
    told.put(program.pid())?;
    go.wait_timeout(PATIENCE)?;
    Ok(())
}

/// > The tree names other programs below the node that started them, stopped ones as such, and none that has ended.
#[test]
fn the_tree_names_other_programs_below_whoever_started_them() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let told: Queue<u32> = node.anonymous(QueueOptions::new());
        let go: Event = node.anonymous(EventOptions::new());
        let child = node.spawn("child", has_a_program, (told.clone(), go.clone())).unwrap();
        let inner = told.get_timeout(PATIENCE).unwrap();
        let outer = ["b", "a"].map(|name| node.command("sleep").arg("1000").name(name).spawn().unwrap());
        let [b, a] = outer.each_ref().map(callboard::Command::pid);
        let me = std::process::id();
        let (head, process) = (format!("root (pid {me})"), format!("  process child (pid {})", child.pid()));
        let below = format!("    program inner (pid {inner})");
        let beside = [format!("  program a (pid {a})"), format!("  program b (pid {b})")];
        let lines = || node.tree(PATIENCE).to_string().lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(), [head.clone(), process.clone(), below, beside[0].clone(), beside[1].clone()]);
        for pid in [inner, a] {
            send_signal(pid, 19);
        }
        let stopped = [
            head,
            process,
            format!("    program inner (pid {inner}): is stopped"),
            format!("  program a (pid {a}): is stopped"),
            beside[1].clone(),
        ];
        eventually("two are stopped", || lines() == stopped);
        send_signal(a, 18);
        eventually("one goes on", || lines()[3..] == beside);
        outer[0].kill().unwrap();
        let _ = outer[0].wait_timeout(PATIENCE);
        assert_eq!(lines()[3..], beside[..1]);
        go.set().unwrap();
        child.join_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(lines()[1..], beside[..1], "the inner one has ended with its node");
    }
    check.check();
}

//! How supervisors stop their children, in time, and how a whole job ends.

use std::time::{Duration, Instant};

use callboard::{
    ChildSpec, Event, EventOptions, Exit, Failure, JoinError, Node, Shutdown, SupervisorEnd, SupervisorSpec,
};
use callboard_tests::{LeakCheck, PATIENCE, eventually, is_running, send_signal};

use crate::quiet;
use crate::worker::{Work, apart, find, here, job, lines, pid, process};

/// A process that does not listen.
fn deaf(node: &Node, name: String) -> Result<(), Failure> {
    let _here: Event = node.create(&name, EventOptions::new())?;
    loop {
        std::thread::park();
    }
}

/// > A child that does not end in time is killed, whether it does not listen, is stopped, or its code is stuck.
#[test]
fn a_child_that_does_not_end_in_time_is_killed() {
    let check = LeakCheck::new();
    {
        let (node, log) = job();
        let soon = Shutdown::Within(Duration::from_millis(50));
        let spec = quiet()
            .child(here("first"))
            .child(ChildSpec::process("deaf", deaf, "/deaf".to_owned()).shutdown(soon))
            .child(apart("stopped").shutdown(soon))
            .child(process("killed").shutdown(Shutdown::Kill))
            .child(here("stuck").shutdown(soon));
        let supervisor = node.supervise(&spec).unwrap();
        node.open_timeout::<Event>("/deaf", PATIENCE).unwrap();
        let stopped = pid(&node, "stopped").unwrap();
        eventually("it answers", || pid(&node, "killed").is_some());
        send_signal(stopped, 19);
        let (begun, go): (Event, Event) =
            (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
        let stuck = find(&node, "stuck");
        stuck.cast(Work::Block(begun.clone(), go.clone())).unwrap();
        begun.wait_timeout(PATIENCE).unwrap();
        let monitor = stuck.monitor();
        let asked = Instant::now();
        supervisor.stop();
        assert_eq!(monitor.wait_timeout(PATIENCE).unwrap().exit, Exit::Killed);
        assert!(asked.elapsed() >= Duration::from_millis(50));
        assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
        assert!(asked.elapsed() >= Duration::from_millis(150));
        assert!(!is_running(stopped));
        assert_eq!(lines(&log).last().unwrap(), "first ends");
        // Its code goes on, for nobody.
        go.set().unwrap();
    }
    check.check();
}

/// > A child that is stuck when its group starts again is given up, and the next has its name.
#[test]
fn a_child_that_is_stuck_is_given_up_when_its_group_starts_again() {
    let (node, log) = job();
    let soon = Shutdown::Within(Duration::from_millis(20));
    let spec = quiet().strategy(callboard::Strategy::OneForAll);
    let supervisor = node.supervise(&spec.child(here("stuck").shutdown(soon)).child(here("fails"))).unwrap();
    let (begun, go): (Event, Event) =
        (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
    let stuck = find(&node, "stuck");
    stuck.cast(Work::Block(begun.clone(), go.clone())).unwrap();
    begun.wait_timeout(PATIENCE).unwrap();
    find(&node, "fails").cast(Work::Panic).unwrap();
    eventually("both start again", || {
        lines(&log).iter().filter(|line| line.ends_with("starts")).count() == 4
    });
    eventually("it answers", || pid(&node, "stuck").is_some());
    assert!(find(&node, "stuck") != stuck && stuck.has_ended());
    go.set().unwrap();
    supervisor.stop();
    assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
    eventually("both have ended", || lines(&log).last().is_some_and(|line| line == "stuck ends"));
}

/// A job of its own: a supervisor with children, until it is asked to end.
fn whole_job(node: &Node, ready: Event) -> Result<(), Failure> {
    node.stop_on_signals()?;
    let soon = Shutdown::Within(Duration::from_millis(100));
    let spec = SupervisorSpec::new()
        .quiet()
        .child(here("a"))
        .child(process("b"))
        .child(apart("c"))
        .child(ChildSpec::process("deaf", deaf, "/deaf".to_owned()).shutdown(soon));
    let supervisor = node.supervise(&spec)?;
    node.open_timeout::<Event>("/deaf", PATIENCE)?;
    node.open_timeout::<callboard::ActorRef<Work>>("/b", PATIENCE)?;
    ready.set()?;
    Ok(supervisor.run()?)
}

/// > A job ends in order when it is asked to, by a signal or in code; a second signal ends it at once; nothing is left.
#[test]
fn a_job_ends_in_order_when_it_is_asked_to() {
    let check = LeakCheck::new();
    {
        let (node, log) = job();
        for way in ["signal", "code", "twice", "kill"] {
            log.clear().unwrap();
            let ready: Event = node.anonymous(EventOptions::new());
            let child = node.process("job").stderr_null().spawn(whole_job, ready.clone()).unwrap();
            ready.wait_timeout(PATIENCE).unwrap();
            let pids: Vec<u32> = ["a", "b", "c"].iter().filter_map(|name| pid(&node, name)).collect();
            assert_eq!(pids.len(), 3);
            log.clear().unwrap();
            match way {
                "signal" => send_signal(child.pid(), 15),
                "code" => child.terminate(PATIENCE),
                "kill" => send_signal(child.pid(), 9),
                _ => {
                    send_signal(child.pid(), 15);
                    // Once the first has been taken.
                    eventually("it is about to end, or has ended", || {
                        send_signal(child.pid(), 15);
                        !child.is_alive() || !lines(&log).is_empty()
                    });
                }
            }
            let ended = child.join_timeout(PATIENCE);
            match way {
                "signal" | "code" => {
                    assert_eq!(ended.unwrap(), Ok(()));
                    assert_eq!(lines(&log), ["c ends", "b ends", "a ends"]);
                }
                "kill" => assert!(matches!(ended, Err(JoinError::Signalled { signal: 9, .. }))),
                _ => drop(ended),
            }
            eventually("nothing is left", || pids.iter().all(|pid| !is_running(*pid)));
            eventually("names are free", || ["a", "b", "c"].iter().all(|name| pid(&node, name).is_none()));
        }
    }
    check.check();
}

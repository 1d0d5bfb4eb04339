//! The kinds of children that supervisors have and the ways in which each can end, for tests of all of them.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use callboard::testing::Job;
use callboard::{
    ActorRef, ChildSpec, ChildState, Event, EventOptions, Failure, List, ListOptions, Node, Restart,
    Shutdown, Supervisor, SupervisorSpec,
};
use callboard_tests::{PATIENCE, is_running, pause, send_signal};

use crate::worker::{Work, apart, find, here, pid, process};

pub(crate) const KINDS: [Kind; 3] = [Kind::Here, Kind::Apart, Kind::Process];
pub(crate) const RESTARTS: [Restart; 3] = [Restart::Permanent, Restart::Transient, Restart::Temporary];

/// What a child is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// An actor on the supervisor's node.
    Here,
    /// One in its own process.
    Apart,
    /// A process.
    Process,
}

impl Kind {
    /// A child that has the time it needs to end.
    pub(crate) fn child(self, name: &'static str) -> ChildSpec {
        let child = match self {
            Kind::Here => here(name),
            Kind::Apart => apart(name),
            Kind::Process => process(name),
        };
        child.shutdown(Shutdown::Within(PATIENCE))
    }

    pub(crate) fn has_process(self) -> bool {
        self != Kind::Here
    }

    /// All its ends, the one in order first.
    pub(crate) fn ends(self) -> &'static [End] {
        match self {
            Kind::Here => &[End::Normal, End::Error, End::Panic, End::Kill, End::KillInCode, End::Exit],
            _ => &[
                End::Normal,
                End::Error,
                End::Panic,
                End::Sigkill,
                End::StopThenSigkill,
                End::Code(3),
                End::Code(0),
            ],
        }
    }

    /// Its failures, of which there is always another.
    pub(crate) fn failure(self, number: usize) -> End {
        let failures = &self.ends()[1..];
        failures[number % failures.len()]
    }
}

/// How a child ends by itself. None but the first is in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Normal,
    Error,
    Panic,
    /// Somebody has the actor exit.
    Exit,
    /// Somebody kills the actor.
    Kill,
    /// The same while its code runs.
    KillInCode,
    Sigkill,
    StopThenSigkill,
    /// It ends its process with that code.
    Code(i32),
}

impl End {
    /// Has the worker of that name end so.
    pub(crate) fn of(self, node: &Node, name: &str) {
        let worker = find(node, name);
        let cast = |work| worker.cast(work).unwrap();
        match self {
            End::Normal => cast(Work::Stop),
            End::Error => cast(Work::Fail),
            End::Panic => cast(Work::Panic),
            End::Code(code) => cast(Work::Exit(code)),
            End::Exit => worker.exit(Failure::new("as somebody wanted")),
            End::Kill => worker.kill(),
            End::KillInCode => {
                let go = block(node, &worker);
                worker.kill();
                go.set().unwrap();
            }
            End::Sigkill | End::StopThenSigkill => {
                let pid = worker.call_timeout(Work::Pid, PATIENCE).unwrap();
                if self == End::StopThenSigkill {
                    send_signal(pid, 19);
                }
                send_signal(pid, 9);
            }
        }
    }
}

/// Has its code wait until that event is set.
pub(crate) fn block(node: &Node, worker: &ActorRef<Work>) -> Event {
    let (begun, go): (Event, Event) =
        (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
    worker.cast(Work::Block(begun.clone(), go.clone())).unwrap();
    assert!(begun.wait_timeout(PATIENCE).is_ok());
    go
}

/// One case of many. It says which when it fails, wherever that is.
pub(crate) struct Cell(pub(crate) String);

impl Drop for Cell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("that was: {}", self.0);
        }
    }
}

impl Cell {
    /// Waits until what is found is what is expected.
    #[track_caller]
    pub(crate) fn becomes<T: PartialEq + Debug>(&self, what: &str, expected: &T, find: impl Fn() -> T) {
        let begun = Instant::now();
        loop {
            let found = find();
            if found == *expected {
                return;
            }
            let cell = &self.0;
            assert!(begun.elapsed() < PATIENCE, "{cell}: {what}: {found:?}, not {expected:?}");
            pause(Duration::from_millis(1));
        }
    }

    /// Waits until nothing is left of those: no name, no process.
    #[track_caller]
    pub(crate) fn nobody_is_left(&self, node: &Node, names: &[&str], pids: &[u32]) {
        self.becomes("names that are left", &Vec::new(), || {
            let is_there = |name: &&&str| node.open::<ActorRef<Work>>(&format!("/{name}")).is_ok();
            names.iter().filter(is_there).collect()
        });
        self.becomes("processes that are left", &Vec::new(), || {
            let mine = std::process::id();
            pids.iter().filter(|pid| **pid != mine && is_running(**pid)).collect::<Vec<_>>()
        });
    }

    /// Waits until all of them answer; the processes they are in.
    #[track_caller]
    pub(crate) fn all_answer(&self, node: &Node, names: &[&str]) -> Vec<u32> {
        self.becomes("who does not answer", &Vec::new(), || {
            names.iter().filter(|name| pid(node, name).is_none()).collect::<Vec<_>>()
        });
        names.iter().filter_map(|name| pid(node, name)).collect()
    }
}

/// A job of which nothing is left, and its log. Tests with one run one after another.
pub(crate) fn job() -> (Job, List<String>) {
    let job = callboard::testing::job();
    let log = job.create("/log", ListOptions::new()).unwrap();
    (job, log)
}

pub(crate) fn quiet() -> SupervisorSpec {
    SupervisorSpec::new().quiet().max_restarts(1000, Duration::from_secs(3600))
}

pub(crate) fn state(supervisor: &Supervisor, name: &str) -> Option<ChildState> {
    known(supervisor).into_iter().find(|(known, _)| known == name).map(|(_, state)| state)
}

/// The children that a supervisor knows, in order.
pub(crate) fn known(supervisor: &Supervisor) -> Vec<(String, ChildState)> {
    supervisor.children().into_iter().map(|child| (child.name, child.state)).collect()
}

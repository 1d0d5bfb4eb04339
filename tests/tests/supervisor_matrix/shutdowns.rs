//! How each kind of child is stopped: killed at once, asked and then killed, or waited for as long as it takes.

use std::time::{Duration, Instant};

use callboard::{
    ActorRef, ChildSpec, ChildState, Event, Exit, List, Node, Shutdown, Strategy, Supervisor, SupervisorEnd,
    SupervisorError,
};
use callboard_tests::{PATIENCE, pause, send_signal};

use crate::kinds::{Cell, Kind, block, job, quiet, state};
use crate::worker::{Work, find, here, lines};

/// A time that is over soon, for children that do not end in it and for looks at whether somebody still waits.
const SOON: Duration = Duration::from_millis(60);

/// The child that is stopped: one of a kind, or a supervisor with one of that kind that is given the time it takes.
#[derive(Clone, Copy, Debug)]
enum Child {
    Is(Kind),
    Above(Kind),
}

impl Child {
    const ALL: [Child; 6] = [
        Child::Is(Kind::Here),
        Child::Is(Kind::Apart),
        Child::Is(Kind::Process),
        Child::Above(Kind::Here),
        Child::Above(Kind::Apart),
        Child::Above(Kind::Process),
    ];

    fn spec(self, shutdown: Shutdown) -> ChildSpec {
        let child = match self {
            Child::Is(kind) => kind.child("child"),
            Child::Above(kind) => {
                let below = quiet().child(kind.child("child").shutdown(Shutdown::Unlimited));
                ChildSpec::supervisor("child", below)
            }
        };
        child.shutdown(shutdown)
    }

    fn kind(self) -> Kind {
        match self {
            Child::Is(kind) | Child::Above(kind) => kind,
        }
    }
}

/// What has the child be stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Its supervisor is stopped.
    Stop,
    /// It is terminated by its name.
    Terminate,
    /// Its sibling fails, and all start again.
    Group,
}

const WAYS: [Way; 3] = [Way::Stop, Way::Terminate, Way::Group];

/// What the child does when it is to end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Listens,
    /// Its code waits for an event.
    IsStuck,
    /// Its process is stopped.
    IsStopped,
}

struct Case<'n> {
    node: &'n Node,
    cell: Cell,
    way: Way,
    supervisor: Supervisor,
    child: ActorRef<Work>,
    pids: Vec<u32>,
    /// What the stuck code waits for.
    go: Option<Event>,
}

impl<'n> Case<'n> {
    fn start(node: &'n Node, child: Child, shutdown: Shutdown, way: Way, manner: Manner) -> Self {
        let cell = Cell(format!("{child:?}, {shutdown:?}, by {way:?}, {manner:?}"));
        let spec = quiet().strategy(Strategy::OneForAll).child(here("first")).child(child.spec(shutdown));
        let supervisor = node.supervise(&spec.child(Kind::Apart.child("last"))).unwrap();
        let pids = cell.all_answer(node, &["first", "child", "last"]);
        cell.becomes("the child", &Some(ChildState::Running), || state(&supervisor, "child"));
        let child = find(node, "child");
        let go = (manner == Manner::IsStuck).then(|| block(node, &child));
        if manner == Manner::IsStopped {
            send_signal(pids[1], 19);
        }
        node.open::<List<String>>("/log").unwrap().clear().unwrap();
        Self { node, cell, way, supervisor, child, pids, go }
    }

    /// Has it stopped, and does not wait for long.
    fn begin(&self) {
        match self.way {
            Way::Stop => self.supervisor.stop(),
            Way::Terminate => {
                let told = self.supervisor.terminate_timeout("child", Duration::ZERO);
                assert!(matches!(told, Ok(()) | Err(SupervisorError::TimedOut)), "{}: {told:?}", self.cell.0);
            }
            Way::Group => find(self.node, "first").cast(Work::Panic).unwrap(),
        }
    }

    /// Waits until that is over; what the children wrote as they ended, without the first's.
    fn over(&self) -> Vec<String> {
        let log = self.node.open::<List<String>>("/log").unwrap();
        match self.way {
            Way::Stop => {
                let end = self.supervisor.wait_timeout(PATIENCE);
                assert_eq!(end, Some(SupervisorEnd::Asked), "{}", self.cell.0);
                self.cell.nobody_is_left(self.node, &["first", "child", "last"], &self.pids);
            }
            Way::Terminate => {
                assert_eq!(self.supervisor.terminate_timeout("child", PATIENCE), Ok(()), "{}", self.cell.0);
                self.cell.nobody_is_left(self.node, &["child"], &self.pids[1..2]);
            }
            Way::Group => {
                self.cell.becomes("who has started again", &3, || {
                    lines(&log).iter().filter(|line| line.ends_with("starts")).count()
                });
                self.cell.nobody_is_left(self.node, &[], &self.pids);
                self.cell.all_answer(self.node, &["first", "child", "last"]);
            }
        }
        let is_end = |line: &String| line.ends_with("ends") && !line.starts_with("first");
        lines(&log).into_iter().filter(is_end).collect()
    }

    /// What they write as they end.
    fn written(&self, ends_in_order: bool) -> Vec<&'static str> {
        let last = (self.way != Way::Terminate).then_some("last ends");
        last.into_iter().chain(ends_in_order.then_some("child ends")).collect()
    }

    fn finish(self) {
        if let Some(go) = &self.go {
            go.set().unwrap();
        }
        self.supervisor.stop();
        assert_eq!(self.supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked), "{}", self.cell.0);
        self.cell.nobody_is_left(self.node, &["first", "child", "last"], &self.pids);
    }
}

/// > A child that is to be killed is not asked, and has ended without its `stopped`, whatever it is and also below a supervisor.
#[test]
fn a_child_that_is_to_be_killed_is_not_asked() {
    let (node, _log) = job();
    for child in Child::ALL {
        for way in WAYS {
            for manner in [Manner::Listens, Manner::IsStuck, Manner::IsStopped] {
                if manner == Manner::IsStopped && !child.kind().has_process() {
                    continue;
                }
                let case = Case::start(&node, child, Shutdown::Kill, way, manner);
                case.begin();
                assert_eq!(case.over(), case.written(false), "{}", case.cell.0);
                case.finish();
            }
        }
    }
}

/// > A child with a time to end is asked, and killed only when it has not by then, whatever it is and also below a supervisor.
#[test]
fn a_child_with_a_time_to_end_is_asked_and_then_killed() {
    let (node, _log) = job();
    for child in Child::ALL {
        for way in WAYS {
            let case = Case::start(&node, child, Shutdown::Within(PATIENCE), way, Manner::Listens);
            case.begin();
            assert_eq!(case.over(), case.written(true), "{}", case.cell.0);
            case.finish();
            for manner in [Manner::IsStuck, Manner::IsStopped] {
                if manner == Manner::IsStopped && !child.kind().has_process() {
                    continue;
                }
                let case = Case::start(&node, child, Shutdown::Within(SOON), way, manner);
                let monitor = case.child.monitor();
                let begun = Instant::now();
                case.begin();
                let down = monitor.wait_timeout(PATIENCE);
                assert!(begun.elapsed() >= SOON, "{}: {down:?}", case.cell.0);
                let exit = down.map(|down| down.exit);
                let was_killed = matches!(exit, Some(Exit::Killed | Exit::Signalled(9) | Exit::Disconnected));
                assert!(was_killed, "{}: {exit:?}", case.cell.0);
                assert_eq!(case.over(), case.written(false), "{}", case.cell.0);
                case.finish();
            }
        }
    }
}

/// > A child that may take any time to end is waited for as long as it takes, whatever it is and also below a supervisor.
#[test]
fn a_child_that_may_take_any_time_is_waited_for() {
    let (node, _log) = job();
    for child in Child::ALL {
        for way in WAYS {
            for manner in [Manner::IsStuck, Manner::IsStopped] {
                if manner == Manner::IsStopped && !child.kind().has_process() {
                    continue;
                }
                let case = Case::start(&node, child, Shutdown::Unlimited, way, manner);
                let monitor = case.child.monitor();
                case.begin();
                let state_of =
                    |way| if way == Way::Group { ChildState::Restarting } else { ChildState::Stopping };
                let stopping = Some(state_of(way));
                case.cell.becomes("the child", &stopping, || state(&case.supervisor, "child"));
                pause(SOON);
                assert_eq!(state(&case.supervisor, "child"), stopping, "{}", case.cell.0);
                assert!(case.supervisor.end().is_none() && monitor.down().is_none(), "{}", case.cell.0);
                match &case.go {
                    Some(go) => go.set().unwrap(),
                    None => send_signal(case.pids[1], 18),
                }
                assert_eq!(case.over(), case.written(true), "{}", case.cell.0);
                case.finish();
            }
        }
    }
}

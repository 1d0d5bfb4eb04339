//! Each strategy, restart kind, kind of child and end with each other. What is expected is said here once more, from
//! the documentation of OTP's `supervisor`.

use callboard::{ChildState, List, Node, Restart, Strategy, Supervisor, SupervisorEnd};
use callboard_tests::PATIENCE;

use crate::kinds::{Cell, End, KINDS, Kind, RESTARTS, job, known, quiet};
use crate::worker::{find, lines};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Copy)]
struct Plan {
    kind: Kind,
    restart: Restart,
}

/// What becomes of a child when one of the four has ended.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Untouched,
    /// It starts again; if it had not ended it is stopped before.
    Again,
    /// It has ended, and its supervisor still knows it.
    Down,
    /// It has ended, or is stopped, and is forgotten.
    Forgotten,
}

/// One child of four ends.
struct Case {
    strategy: Strategy,
    plans: [Plan; 4],
    hit: usize,
    end: End,
}

impl Case {
    /// The rule.
    ///
    /// A permanent child is always started again, a transient one unless it ended in order, a temporary one never, also not when it
    /// is stopped because of a sibling. Only when one is started again does the strategy matter. A temporary child that has ended is
    /// forgotten, and with `SimpleOneForOne` each that is not started again.
    fn fates(&self) -> [Fate; 4] {
        let mut fates = [Fate::Untouched; 4];
        let restart = self.plans[self.hit].restart;
        let is_again = match restart {
            Restart::Permanent => true,
            Restart::Transient => self.end != End::Normal,
            _ => false,
        };
        if !is_again {
            let is_forgotten = restart == Restart::Temporary || self.strategy == Strategy::SimpleOneForOne;
            fates[self.hit] = if is_forgotten { Fate::Forgotten } else { Fate::Down };
            return fates;
        }
        let group = match self.strategy {
            Strategy::OneForAll => 0..4,
            Strategy::RestForOne => self.hit..4,
            _ => self.hit..self.hit + 1,
        };
        for number in group {
            let is_temporary = self.plans[number].restart == Restart::Temporary;
            fates[number] = if is_temporary { Fate::Forgotten } else { Fate::Again };
        }
        fates
    }

    fn names(&self, wanted: impl Fn(usize) -> bool) -> Vec<&'static str> {
        (0..4).filter(|number| wanted(*number)).map(|number| NAMES[number]).collect()
    }

    fn start(&self, node: &Node) -> Supervisor {
        let children = (0..4)
            .map(|number| self.plans[number].kind.child(NAMES[number]).restart(self.plans[number].restart));
        let spec = quiet().strategy(self.strategy);
        if self.strategy == Strategy::SimpleOneForOne {
            let supervisor = node.supervise(&spec).unwrap();
            children.for_each(|child| supervisor.add(&child).unwrap());
            return supervisor;
        }
        node.supervise(&children.fold(spec, |spec, child| spec.child(child))).unwrap()
    }

    /// What the children write down when the one has ended: those that are stopped, the last first, and then those that start, the
    /// first first. When a process writes that it starts is its own affair; so those come behind, by name.
    fn written(&self, fates: &[Fate; 4]) -> Vec<String> {
        let is_stopped =
            |number: &usize| *number != self.hit && matches!(fates[*number], Fate::Again | Fate::Forgotten);
        let is_again = |number: &usize| fates[*number] == Fate::Again;
        let is_process = |number: &usize| self.plans[*number].kind == Kind::Process;
        let starts = (0..4).filter(is_again).filter(|number| !is_process(number));
        let processes = (0..4).filter(is_again).filter(is_process);
        let ends = (0..4).rev().filter(is_stopped).map(|number| format!("{} ends", NAMES[number]));
        ends.chain(starts.chain(processes).map(|number| format!("{} starts", NAMES[number]))).collect()
    }

    /// What they have written, in that order as far as it is not one. What the one that ended writes at its end is left out.
    fn found(&self, log: &List<String>) -> Vec<String> {
        let ends = format!("{} ends", NAMES[self.hit]);
        let mut found: Vec<String> = lines(log).into_iter().filter(|line| *line != ends).collect();
        let processes = self.names(|number| self.plans[number].kind == Kind::Process);
        let place = |line: &String| {
            let starts = line.strip_suffix(" starts");
            starts
                .and_then(|name| processes.iter().position(|process| *process == name))
                .map(|place| place + 1)
        };
        // None may be before the last end.
        let from = found.iter().rposition(|line| line.ends_with(" ends")).map_or(0, |last| last + 1);
        found[from..].sort_by_key(place);
        found
    }

    fn run(&self, node: &Node, log: &List<String>, cell: &Cell) {
        let fates = self.fates();
        log.clear().unwrap();
        let supervisor = self.start(node);
        let mut pids = cell.all_answer(node, &NAMES);
        let before = NAMES.map(|name| find(node, name));
        log.clear().unwrap();

        let monitor = before[self.hit].monitor();
        self.end.of(node, NAMES[self.hit]);
        let down =
            monitor.wait_timeout(PATIENCE).unwrap_or_else(|| panic!("{}: its end is not told", cell.0));
        cell.becomes("what they write", &self.written(&fates), || self.found(log));
        let all = (0..4).filter(|number| fates[*number] != Fate::Forgotten);
        let state = |fate| if fate == Fate::Down { ChildState::Down } else { ChildState::Running };
        let expected = all.map(|number| (NAMES[number].to_owned(), state(fates[number]))).collect();
        cell.becomes("the children", &expected, || known(&supervisor));
        let living = self.names(|number| matches!(fates[number], Fate::Untouched | Fate::Again));
        let now = cell.all_answer(node, &living);

        let is_here = |number: usize| self.plans[number].kind == Kind::Here;
        // An actor that a process hosts is no child.
        let restarts = fates[self.hit] == Fate::Again && self.plans[self.hit].kind != Kind::Process;
        let tells = (restarts, restarts && is_here(self.hit));
        assert_eq!((down.restarts, down.in_place), tells, "{}: what its end says of another life", cell.0);
        for number in (0..4).filter(|number| living.contains(&NAMES[*number])) {
            // An actor here lives on at its address, and an actor elsewhere is another one.
            let is_same = fates[number] == Fate::Untouched || is_here(number);
            let name = NAMES[number];
            assert_eq!(find(node, name) == before[number], is_same, "{}: {name} at its address", cell.0);
            let place = living.iter().position(|living| *living == name);
            assert_eq!(place.map(|place| now[place]) == Some(pids[number]), is_same, "{}: {name}", cell.0);
        }
        pids.retain(|pid| !now.contains(pid));
        let gone = self.names(|number| !living.contains(&NAMES[number]));
        cell.nobody_is_left(node, &gone, &pids);

        // It has gone on, and ends as ever.
        assert_eq!(self.found(log), self.written(&fates), "{}: what they wrote", cell.0);
        log.clear().unwrap();
        supervisor.stop();
        assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked), "{}", cell.0);
        let (mut ends, mut expected) = (lines(log), living);
        expected.reverse();
        if self.strategy == Strategy::SimpleOneForOne {
            // All at once.
            ends.sort();
            expected.sort_unstable();
        }
        let expected: Vec<String> = expected.iter().map(|name| format!("{name} ends")).collect();
        assert_eq!(ends, expected, "{}: the end of all", cell.0);
        cell.nobody_is_left(node, &NAMES, &now);
    }
}

/// All cells of a strategy. The siblings' kinds and the place of the one that ends are others from cell to cell.
fn all_of(strategy: Strategy) {
    let (node, log) = job();
    let mut number = 0;
    for kind in KINDS {
        for restart in RESTARTS {
            for end in kind.ends() {
                let hit = 1 + number % 2;
                let mut plans = [0, 1, 2, 3].map(|place| Plan {
                    kind: KINDS[(number + place) % 3],
                    restart: RESTARTS[(number / 3 + place) % 3],
                });
                plans[hit] = Plan { kind, restart };
                let case = Case { strategy, plans, hit, end: *end };
                let siblings = plans.map(|plan| format!("{:?} {:?}", plan.restart, plan.kind)).join(", ");
                let name = NAMES[hit];
                let cell =
                    Cell(format!("{strategy:?}, {restart:?}, {kind:?}, {end:?} of {name} of {siblings}"));
                case.run(&node, &log, &cell);
                number += 1;
            }
        }
    }
    assert_eq!(number, 60);
}

/// > Who is started again when a child ends follows its restart kind, its end and the strategy, for actors here, actors in their
/// > own processes and processes: the last started is stopped first, and others are not touched.
#[test]
fn one_for_one() {
    all_of(Strategy::OneForOne);
}

/// > Who is started again when a child ends follows its restart kind, its end and the strategy, for actors here, actors in their
/// > own processes and processes: the last started is stopped first, and others are not touched.
#[test]
fn one_for_all() {
    all_of(Strategy::OneForAll);
}

/// > Who is started again when a child ends follows its restart kind, its end and the strategy, for actors here, actors in their
/// > own processes and processes: the last started is stopped first, and others are not touched.
#[test]
fn rest_for_one() {
    all_of(Strategy::RestForOne);
}

/// > Who is started again when a child ends follows its restart kind, its end and the strategy, for actors here, actors in their
/// > own processes and processes: the last started is stopped first, and others are not touched.
#[test]
fn simple_one_for_one() {
    all_of(Strategy::SimpleOneForOne);
}

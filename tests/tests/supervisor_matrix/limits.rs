//! How many restarts are too many, exactly, and what follows above.

use std::time::{Duration, Instant};

use callboard::{
    ActorRef, ChildSpec, ChildState, List, Node, Restart, Strategy, Supervisor, SupervisorEnd, SupervisorSpec,
};
use callboard_tests::{PATIENCE, eventually};

use crate::kinds::{Cell, KINDS, Kind, job, known, quiet};
use crate::worker::{Work, find, here, lines};

const HOUR: Duration = Duration::from_secs(3600);

fn starts(log: &List<String>, name: &str) -> usize {
    let starts = format!("{name} starts");
    lines(log).iter().filter(|line| **line == starts).count()
}

fn all_run(supervisor: &Supervisor) -> Vec<ChildState> {
    known(supervisor)
        .into_iter()
        .map(|(_, state)| state)
        .filter(|state| *state != ChildState::Running)
        .collect()
}

/// Fails so often, each time when all run again.
fn fails_within_bounds(
    node: &Node,
    log: &List<String>,
    supervisor: &Supervisor,
    kind: Kind,
    times: u32,
    cell: &Cell,
) {
    for number in 0..times as usize {
        kind.failure(number).of(node, "hit");
        cell.becomes("how often it has started", &(number + 2), || starts(log, "hit"));
        cell.all_answer(node, &["first", "hit", "last"]);
        cell.becomes("who does not run", &Vec::new(), || all_run(supervisor));
        assert_eq!(supervisor.end(), None, "{}", cell.0);
    }
}

/// > As many restarts as are allowed pass, and with one more the supervisor ends, its children gone in order, whatever they are.
#[test]
fn with_one_restart_too_many_a_supervisor_ends() {
    let (node, log) = job();
    for strategy in
        [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::SimpleOneForOne]
    {
        for kind in KINDS {
            for allowed in [0, 1, 4] {
                let cell = Cell(format!("{strategy:?}, {kind:?}, {allowed} restarts allowed"));
                log.clear().unwrap();
                let mut spec = SupervisorSpec::new().quiet().max_restarts(allowed, HOUR).strategy(strategy);
                let mut children = vec![here("first"), kind.child("hit"), Kind::Apart.child("last")];
                if strategy != Strategy::SimpleOneForOne {
                    spec = children.drain(..).fold(spec, SupervisorSpec::child);
                }
                let supervisor = node.supervise(&spec).unwrap();
                children.iter().for_each(|child| supervisor.add(child).unwrap());
                cell.all_answer(&node, &["first", "hit", "last"]);
                fails_within_bounds(&node, &log, &supervisor, kind, allowed, &cell);
                let pids = cell.all_answer(&node, &["first", "hit", "last"]);
                log.clear().unwrap();
                kind.failure(allowed as usize).of(&node, "hit");
                let end = supervisor.wait_timeout(PATIENCE);
                assert_eq!(end, Some(SupervisorEnd::TooManyRestarts), "{}", cell.0);
                let mut ends: Vec<String> =
                    lines(&log).into_iter().filter(|line| line != "hit ends").collect();
                if strategy == Strategy::SimpleOneForOne {
                    ends.sort_by(|a, b| b.cmp(a));
                }
                assert_eq!(ends, ["last ends", "first ends"], "{}", cell.0);
                cell.nobody_is_left(&node, &["first", "hit", "last"], &pids);
            }
        }
    }
}

/// > A restart longer ago than the time in which they count does not count, whatever the children are.
#[test]
fn a_restart_that_is_too_long_ago_does_not_count() {
    const WITHIN: Duration = Duration::from_millis(400);
    let (node, log) = job();
    let names = ["here", "apart", "process"];
    let start = |number: usize| {
        let spec = SupervisorSpec::new().quiet().max_restarts(1, WITHIN);
        node.supervise(&spec.child(KINDS[number].child(names[number]))).unwrap()
    };
    let supervisors = [start(0), start(1), start(2)];
    let cell = Cell("one restart allowed, of an actor here, one apart and a process".to_owned());
    cell.all_answer(&node, &names);
    for round in 0..4 {
        names.iter().zip(KINDS).for_each(|(name, kind)| kind.failure(round).of(&node, name));
        for (name, supervisor) in names.iter().zip(&supervisors) {
            cell.becomes("how often it has started", &(round + 2), || starts(&log, name));
            cell.becomes("who does not run", &Vec::new(), || all_run(supervisor));
            assert_eq!(supervisor.end(), None, "{name} in round {round}");
        }
        cell.all_answer(&node, &names);
        // All of them were counted before now.
        let seen = Instant::now();
        eventually("the time has passed", || seen.elapsed() > WITHIN);
    }
    for supervisor in &supervisors {
        supervisor.stop();
        assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
    }
}

const BESIDE: [&str; 3] = ["beside 0", "beside 1", "beside 2"];

/// A supervisor with that many below each other, of which the lowest has the child that fails. One restart is allowed to each.
fn nested(levels: usize, kind: Kind) -> SupervisorSpec {
    let spec = SupervisorSpec::new().quiet().max_restarts(1, HOUR).child(here(BESIDE[levels - 1]));
    match levels {
        1 => spec.child(kind.child("hit")),
        _ => spec.child(ChildSpec::supervisor(format!("below {levels}"), nested(levels - 1, kind))),
    }
}

/// What is written when the child has ended for the nth time: with one restart allowed, each life of a supervisor has two of those
/// below it. So each second time the lowest gives up, each fourth time the one above too, and so on.
fn written(levels: usize, failure: usize) -> Vec<String> {
    let given_up = failure.trailing_zeros() as usize;
    let ends = (0..given_up).map(|level| format!("{} ends", BESIDE[level]));
    if given_up == levels {
        return ends.collect();
    }
    let starts = (0..given_up).rev().map(|level| format!("{} starts", BESIDE[level]));
    ends.chain(starts).chain(["hit starts".to_owned()]).collect()
}

/// Whether all children run as far as their supervisors know.
fn tree_is_whole(node: &Node, levels: usize) -> bool {
    let tree = node.tree(PATIENCE).to_string();
    let running = |line: &&str| line.contains("running)") && (line.contains("hit") || line.contains("be"));
    tree.lines().filter(running).count() == 2 * levels
}

/// > A supervisor that gives up is started again whole by its own, which gives up in its turn, over two levels and over three.
#[test]
fn giving_up_goes_from_level_to_level() {
    let (node, log) = job();
    for levels in [2, 3] {
        for kind in KINDS {
            let cell = Cell(format!("{levels} levels, {kind:?}"));
            let top = node.supervise(&nested(levels, kind)).unwrap();
            let names: Vec<&str> = BESIDE[..levels].iter().copied().chain(["hit"]).collect();
            let mut pids = Vec::new();
            for failure in 1..=1 << levels {
                pids.extend(cell.all_answer(&node, &names));
                // One that is killed before it is known to have started ends its supervisor at once.
                cell.becomes("it is known that all run", &true, || tree_is_whole(&node, levels));
                log.clear().unwrap();
                kind.failure(failure).of(&node, "hit");
                let expected = written(levels, failure);
                cell.becomes("what they write", &expected, || {
                    lines(&log).into_iter().filter(|line| line != "hit ends").collect()
                });
                let is_last = failure == 1 << levels;
                let end = if is_last { top.wait_timeout(PATIENCE) } else { top.end() };
                let expected = is_last.then_some(SupervisorEnd::TooManyRestarts);
                assert_eq!(end, expected, "{} at failure {failure}", cell.0);
            }
            cell.nobody_is_left(&node, &names, &pids);
        }
    }
}

/// > A supervisor that gives up has ended in order: transient or temporary it is not started again, and the one above goes on.
#[test]
fn a_supervisor_that_gives_up_has_ended_in_order() {
    let (node, log) = job();
    for kind in KINDS {
        for restart in [Restart::Transient, Restart::Temporary] {
            let cell = Cell(format!("{restart:?}, {kind:?}"));
            log.clear().unwrap();
            let below = SupervisorSpec::new().quiet().max_restarts(0, HOUR).child(here("beside"));
            let below = ChildSpec::supervisor("below", below.child(kind.child("hit"))).restart(restart);
            let strategy = Strategy::OneForAll;
            let top = node.supervise(&quiet().strategy(strategy).child(here("top")).child(below)).unwrap();
            let pids = cell.all_answer(&node, &["top", "beside", "hit"]);
            let stays: ActorRef<Work> = find(&node, "top");
            log.clear().unwrap();
            kind.failure(0).of(&node, "hit");
            let mut expected = vec![("top".to_owned(), ChildState::Running)];
            if restart == Restart::Transient {
                expected.push(("below".to_owned(), ChildState::Down));
            }
            cell.becomes("the children", &expected, || known(&top));
            cell.nobody_is_left(&node, &["beside", "hit"], &pids);
            let written: Vec<String> = lines(&log).into_iter().filter(|line| line != "hit ends").collect();
            assert_eq!(written, ["beside ends"], "{}", cell.0);
            assert_eq!((top.end(), stays.stats(PATIENCE).unwrap().restarts), (None, 0), "{}", cell.0);
            top.stop();
            assert_eq!(top.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked), "{}", cell.0);
        }
    }
}

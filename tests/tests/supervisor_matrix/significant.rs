//! Which ends of significant children end their supervisor.

use callboard::{AutoShutdown, ChildState, List, Node, Restart, Supervisor, SupervisorEnd, SupervisorError};
use callboard_tests::PATIENCE;

use crate::kinds::{Cell, End, KINDS, Kind, job, known, quiet};
use crate::worker::{here, lines};

const NAMES: [&str; 4] = ["first", "one", "two", "last"];

fn ends_by_itself(restart: Restart, end: End) -> bool {
    restart == Restart::Temporary || end == End::Normal
}

/// Ends so and is not started again, but the supervisor goes on.
fn is_left_out(supervisor: &Supervisor, restart: Restart, name: &str, cell: &Cell) {
    let expected =
        NAMES.iter().filter(|child| restart != Restart::Temporary || **child != name).map(|child| {
            ((*child).to_owned(), if *child == name { ChildState::Down } else { ChildState::Running })
        });
    cell.becomes("the children", &expected.collect(), || known(supervisor));
    assert_eq!(supervisor.end(), None, "{}", cell.0);
}

/// Two significant children, of which the first ends so, or is terminated if no end is given.
struct Case {
    when: AutoShutdown,
    kind: Kind,
    restart: Restart,
    end: Option<End>,
}

impl Case {
    fn run(&self, node: &Node, log: &List<String>) {
        let Case { when, kind, restart, end } = *self;
        let how = end.map_or("terminated".to_owned(), |end| format!("{end:?}"));
        let cell = Cell(format!("{when:?}, {restart:?}, {kind:?}, {how}"));
        let child = |name| kind.child(name).restart(restart).significant();
        let spec = quiet().auto_shutdown(when).child(here("first")).child(child("one"));
        let supervisor = node.supervise(&spec.child(child("two")).child(Kind::Apart.child("last"))).unwrap();
        let mut pids = cell.all_answer(node, &NAMES);
        log.clear().unwrap();

        match end {
            None => supervisor.terminate("one").unwrap(),
            Some(end) => {
                end.of(node, "one");
                if !ends_by_itself(restart, end) {
                    let starts = "one starts".to_owned();
                    cell.becomes("that it starts again", &true, || lines(log).contains(&starts));
                    pids.extend(cell.all_answer(node, &NAMES));
                    let all = NAMES.map(|name| (name.to_owned(), ChildState::Running));
                    cell.becomes("the children", &all.to_vec(), || known(&supervisor));
                    assert_eq!(supervisor.end(), None, "{}", cell.0);
                    End::Normal.of(node, "one");
                }
            }
        }
        // Now the first of the two is gone for good. Only where that does not end the supervisor the second one's end does.
        if when == AutoShutdown::AllSignificant || end.is_none() {
            is_left_out(&supervisor, restart, "one", &cell);
            End::Normal.of(node, "two");
        }
        let ended = supervisor.wait_timeout(PATIENCE);
        assert_eq!(ended, Some(SupervisorEnd::Significant), "{}", cell.0);
        let mut written = lines(log);
        written.retain(|line| line == "last ends" || line == "first ends");
        assert_eq!(written, ["last ends", "first ends"], "{}", cell.0);
        cell.nobody_is_left(node, &NAMES, &pids);
    }
}

/// > Significant children end their supervisor when the first or the last of them has ended by itself, as asked, whatever they are;
/// > not when they are started again or were terminated.
#[test]
fn significant_children_end_their_supervisor() {
    let (node, log) = job();
    for when in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        for kind in KINDS {
            for restart in [Restart::Transient, Restart::Temporary] {
                for end in kind.ends().iter().copied().map(Some).chain([None]) {
                    Case { when, kind, restart, end }.run(&node, &log);
                }
            }
        }
    }
}

/// > A significant child that could never end its supervisor is refused: a permanent one, and any where that is not asked for.
#[test]
fn a_significant_child_that_could_not_end_its_supervisor_is_refused() {
    let (node, log) = job();
    for kind in KINDS {
        for (when, restart) in [
            (AutoShutdown::Never, Restart::Transient),
            (AutoShutdown::Never, Restart::Temporary),
            (AutoShutdown::Never, Restart::Permanent),
            (AutoShutdown::AnySignificant, Restart::Permanent),
            (AutoShutdown::AllSignificant, Restart::Permanent),
        ] {
            let cell = Cell(format!("{when:?}, {restart:?}, {kind:?}"));
            let child = kind.child("one").restart(restart).significant();
            let spec = quiet().auto_shutdown(when).child(here("first"));
            let begun = node.supervise(&spec.clone().child(child.clone()));
            assert!(matches!(begun, Err(SupervisorError::BadSpec(_))), "{}: {begun:?}", cell.0);
            let supervisor = node.supervise(&spec).unwrap();
            let added = supervisor.add(&child);
            assert!(matches!(added, Err(SupervisorError::BadSpec(_))), "{}: {added:?}", cell.0);
            supervisor.stop();
            assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked), "{}", cell.0);
        }
    }
    assert!(!lines(&log).contains(&"one starts".to_owned()));
    // Where none is significant, none of the ends ends it.
    let cell = Cell("Never, none significant".to_owned());
    let spec = KINDS
        .iter()
        .zip(NAMES)
        .fold(quiet(), |spec, (kind, name)| spec.child(kind.child(name).restart(Restart::Temporary)));
    let supervisor = node.supervise(&spec).unwrap();
    cell.all_answer(&node, &NAMES[..3]);
    NAMES[..3].iter().for_each(|name| End::Normal.of(&node, name));
    cell.becomes("the children", &Vec::new(), || known(&supervisor));
    assert_eq!(supervisor.end(), None);
    supervisor.stop();
    assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
}

//! A child whose program comes to `Node::start` too late: here the test harness has started threads, and there is no door.

use callboard::{JoinError, Node, StartError};

const CODE: i32 = 7;

/// > A child that never comes to `Node::start`, or only after it has started threads, is told apart from one whose
/// > function ended.
#[test]
fn a_child_that_starts_its_node_too_late_is_told_where() {
    fn nothing(_: &Node, (): ()) {}
    match Node::start() {
        Err(StartError::TooLate { place, threads }) => {
            assert!(place.contains("late.rs:") && threads > 1, "{place}, {threads} threads");
            std::process::exit(CODE);
        }
        started => {
            let node = started.unwrap();
            let child = node.spawn("late", nothing, ()).unwrap();
            let Err(JoinError::FailedStart(why)) = child.join() else { panic!("it has begun") };
            assert!(why.contains(&format!("exit code {CODE} ")) && why.contains("test_door!"), "{why}");
        }
    }
}

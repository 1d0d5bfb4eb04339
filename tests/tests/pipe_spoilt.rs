//! A process that runs out of descriptors while ends of pipes arrive. One test alone: it takes all there are.

use std::fs::File;

use callboard::{Node, PipeReceiver, RecvError, SendError};
use callboard_tests::{PATIENCE, eventually};

callboard::test_door!();

/// > Where descriptors are lost for want of room, no later message's are taken for them: the pipe can't be read any more, and
/// > its sender is told.
#[test]
fn descriptors_that_were_lost_are_not_taken_for_others() {
    let node = Node::start().unwrap();
    let (outer, receiver) = node.one_way_pipe::<(u64, PipeReceiver<u64>)>().unwrap();
    let (_first, first_end) = node.one_way_pipe().unwrap();
    let (_second, second_end) = node.one_way_pipe().unwrap();
    outer.send((1, first_end)).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    // Now or when the event loop comes to it.
    eventually("they are lost", || matches!(receiver.recv_timeout(PATIENCE), Err(RecvError::System(_))));
    drop(files);
    eventually("its sender is told", || {
        let (_, end) = node.one_way_pipe().unwrap();
        matches!(outer.send((2, end)), Err(SendError::Closed(_)))
    });
    assert!(matches!(outer.send((2, second_end)), Err(SendError::Closed(_))));
    for _ in 0..3 {
        assert!(matches!(receiver.recv(), Err(RecvError::System(_))));
    }
}

//! Who is taken for a worker.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use callboard_core::{Flags, Header, Kind, NodeId, Slot};

use super::{PoolCell, ToPool, WorkerId};
use crate::fuzzing::{encoded, node, runtime};
use crate::pool::PoolOptions;
use crate::pool::machine::{Death, Machine};
use crate::process::JoinError;
use crate::router;
use crate::runtime::Runtime;

/// A pool of one worker, which is to be started.
fn pool(runtime: &Arc<Runtime>) -> (Arc<PoolCell>, Receiver<WorkerId>) {
    let rules = PoolOptions::new().workers(1).rules(1).unwrap();
    let (starter, wanted) = channel();
    let cell = PoolCell::create(runtime, "worker".to_owned(), Machine::new(rules, 7), Some(starter));
    cell.run(runtime, |machine, effects| machine.hand_out(std::time::Instant::now(), effects));
    (cell, wanted)
}

/// That node says that it is that worker.
fn claims(runtime: &Arc<Runtime>, cell: &PoolCell, from: NodeId, worker: WorkerId) -> Result<(), String> {
    let ready = ToPool::Ready { worker, slot: Slot { index: 5, generation: 1 }, counter: 0 };
    let (body, slot) = (encoded(&ready), cell.address.slot);
    let length = body.len() as u32;
    let header = Header { length, kind: Kind::Cast, flags: Flags::NONE, descriptors: 0, slot, word: 0 };
    router::route(runtime, &runtime.new_peer(from), &header, &body, Vec::new())
}

fn is_there(cell: &PoolCell, worker: WorkerId) -> bool {
    cell.state.lock().machine.is_ready(worker)
}

/// > A worker that starts is the process that the pool has started as that worker: any other node that says it is that is cut off, and changes nothing.
#[test]
fn only_the_node_that_was_started_as_a_worker_is_that() {
    let runtime = runtime();
    let (cell, wanted) = pool(&runtime);
    let worker = wanted.try_recv().unwrap();
    let refused = |by: usize, worker| {
        let refused = claims(&runtime, &cell, node(by), worker).unwrap_err();
        assert!(refused.contains("was not started as worker"), "{refused}");
        assert!(!is_there(&cell, worker));
    };
    refused(2, worker);
    cell.expects(worker, node(1));
    refused(2, worker);
    refused(1, worker + 1);
    assert_eq!(claims(&runtime, &cell, node(1), worker), Ok(()));
    assert!(is_there(&cell, worker));
    assert!(claims(&runtime, &cell, node(1), worker).unwrap_err().contains("a second worker"));
    assert!(claims(&runtime, &cell, node(2), worker).is_err() && is_there(&cell, worker));
    // With its end the next one is another node.
    cell.ended(&runtime, worker, &Death::of(None, JoinError::Exited(0)));
    let next = wanted.try_recv().unwrap();
    cell.expects(next, node(3));
    refused(1, next);
    assert_eq!(claims(&runtime, &cell, node(3), next), Ok(()));
    assert!(is_there(&cell, next));
}

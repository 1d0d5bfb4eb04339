//! Pipelines of few items that take long.

use std::error::Error;
use std::time::Duration;

use callboard::pipeline::{Outputs, Pipeline, Stage, StageOptions, Workers};
use callboard::{Barrier, BarrierOptions, Node};
use callboard_tests::{PATIENCE, pause};
use serde::{Deserialize, Serialize};

callboard::test_door!();

/// Is through with an item when somebody else has one in hand too.
#[derive(Clone, Serialize, Deserialize)]
struct Together(Barrier);

impl Stage for Together {
    type In = u32;
    type Out = u32;

    fn item(&mut self, item: u32, out: &mut Outputs<u32>) -> Result<(), Box<dyn Error>> {
        pause(Duration::from_millis(10));
        self.0.wait_timeout(PATIENCE)?;
        out.put(&item);
        Ok(())
    }
}

/// > No worker has a second item that takes longer than 2 ms while another has none, if those before took as long.
#[test]
fn items_that_take_long_are_not_hoarded() {
    let node = Node::start().unwrap();
    for workers in [Workers::Processes, Workers::Threads] {
        for parties in [2, 3] {
            let barrier: Barrier = node.anonymous(BarrierOptions::new(parties).unwrap());
            let options = StageOptions::new("together").workers(parties);
            let mut results = Vec::new();
            Pipeline::source(0..parties as u32 * 2)
                .stage(options, Together(barrier))
                .run(&node, workers, |item| results.push(item))
                .unwrap();
            results.sort_unstable();
            assert_eq!(results, (0..parties as u32 * 2).collect::<Vec<_>>());
        }
    }
}

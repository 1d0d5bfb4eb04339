//! The hub and workers that ask for anything, settle anything and die at any point.

use std::collections::BTreeSet;

use super::{AfterDeath, Hub, Item, OnError, Place, Reached, Spec, World};
use crate::fuzzing::Draw;
use crate::pipeline::wire::ToHub;

const STAGES: usize = 3;
const WORKERS: usize = 2;

/// Who is there, as the cell would know it.
#[derive(Default)]
struct Workers {
    there: BTreeSet<Place>,
}

impl World for Workers {
    fn send<'a>(&mut self, to: Place, _: u64, items: impl Iterator<Item = &'a [u8]>) {
        assert!(self.there.contains(&to), "nobody is there to take them");
        assert!(items.count() > 0, "a delivery of nothing");
    }

    fn flush(&mut self, worker: Place) {
        assert!(self.there.contains(&worker), "nobody is there to give anything out");
    }

    fn finish(&mut self, worker: Place) {
        assert!(self.there.contains(&worker), "nobody is there to finish");
    }
}

/// Has a hub hear what the bytes say.
pub(crate) fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let mut hub = Hub::new((0..STAGES).map(|stage| spec(stage, &mut draw)).collect());
    let (mut workers, mut has_ended) = (Workers::default(), false);
    while !draw.is_over() {
        let at = Place { stage: draw.below(STAGES), index: draw.below(WORKERS) };
        match draw.below(12) {
            0 | 1 if !has_ended && hub.has_room() => {
                let key = draw.value().flatten();
                hub.push(Item::new(key, draw.some_bytes()), &mut workers);
            }
            2 if !has_ended => {
                has_ended = draw.below(8) == 0;
                if has_ended {
                    hub.end_source(&mut workers);
                }
            }
            3 => drop(hub.take(&mut workers)),
            4 | 5 if workers.there.insert(at) => hub.ready(at, &mut workers),
            6 if workers.there.contains(&at) => dies(&mut hub, at, &mut draw, &mut workers),
            _ if workers.there.contains(&at) => {
                let said = match draw.value() {
                    Some(ToHub::More { count }) => {
                        hub.more(at, count, &mut workers);
                        Ok(())
                    }
                    Some(ToHub::Step(step)) => hub.step(at, step, &mut workers),
                    Some(ToHub::Ready { .. }) | None => Ok(()),
                };
                hub.check();
                if said.is_err() {
                    // As the connection is closed.
                    dies(&mut hub, at, &mut draw, &mut workers);
                }
            }
            _ => {}
        }
        hub.check();
    }
}

fn dies(hub: &mut Hub, at: Place, draw: &mut Draw<'_>, workers: &mut Workers) {
    workers.there.remove(&at);
    let reached = [Reached::Working, Reached::FirstItem, Reached::Nothing][draw.below(3)];
    let after = hub.down(at, draw.value().flatten(), reached, "it was to", workers);
    assert!(after == AfterDeath::Nothing || hub.failure().is_none());
}

fn spec(stage: usize, draw: &mut Draw<'_>) -> Spec {
    Spec {
        name: stage.to_string(),
        workers: WORKERS,
        partitioned: draw.flag(),
        holds: draw.flag(),
        capacity_items: draw.below(4) + 1,
        capacity_bytes: draw.below(64) + 1,
        on_error: [OnError::Fail, OnError::Skip, OnError::Retry(2)][draw.below(3)],
        max_deaths: draw.below(3) as u32 + 1,
    }
}

impl Hub {
    /// The books of all edges agree with what is in them.
    fn check(&self) {
        for stage in &self.stages {
            let items = || stage.edges.iter().flat_map(|edge| &edge.items);
            assert_eq!(stage.edge_items, items().count());
            assert_eq!(stage.edge_bytes, items().map(|item| item.bytes.len()).sum::<usize>());
            for worker in &stage.workers {
                assert!(worker.is_there || worker.leased.is_empty(), "somebody who is not there has items");
            }
        }
        assert_eq!(self.sink_bytes, self.sink.iter().map(|item| item.len()).sum::<usize>());
    }
}

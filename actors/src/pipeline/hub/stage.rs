//! One stage in the hub: its input edge, its workers and what each of them has in hand.

use std::collections::VecDeque;

use super::terms::{Figures, Item, Place, Spec, World};

#[derive(Debug, Default)]
pub(super) struct Edge {
    pub(super) items: VecDeque<Item>,
}

#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) is_there: bool,
    /// How many more items it can take.
    pub(super) demand: u64,
    /// The number of the first item in `leased`.
    pub(super) first: u64,
    /// None for one that has failed and been dealt with.
    pub(super) leased: VecDeque<Option<Item>>,
    pub(super) is_flushing: bool,
    /// There was an item for it that it did not get, because what its stage puts out into is full.
    pub(super) was_withheld: bool,
}

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) spec: Spec,
    pub(super) edges: Vec<Edge>,
    pub(super) edge_items: usize,
    pub(super) edge_bytes: usize,
    pub(super) workers: Vec<Worker>,
    pub(super) input_ended: bool,
    pub(super) is_over: bool,
    pub(super) deaths_in_a_row: u32,
    pub(super) figures: Figures,
}

impl Stage {
    pub(super) fn new(spec: Spec) -> Self {
        let edges = if spec.partitioned { spec.workers } else { 1 };
        Self {
            edges: (0..edges).map(|_| Edge::default()).collect(),
            workers: (0..spec.workers).map(|_| Worker::default()).collect(),
            spec,
            edge_items: 0,
            edge_bytes: 0,
            input_ended: false,
            is_over: false,
            deaths_in_a_row: 0,
            figures: Figures::default(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.edge_items >= self.spec.capacity_items || self.edge_bytes >= self.spec.capacity_bytes
    }

    fn edge_of(&self, item: &Item) -> usize {
        if self.edges.len() == 1 {
            return 0;
        }
        let key = item.key.unwrap_or_else(|| crate::fnv::hash_of(&item.bytes));
        (key % self.edges.len() as u64) as usize
    }

    fn count_in(&mut self, item: &Item) {
        self.edge_items += 1;
        self.edge_bytes += item.bytes.len();
        self.figures.deepest = self.figures.deepest.max(self.edge_items);
    }

    pub(super) fn push(&mut self, item: Item) {
        self.count_in(&item);
        let edge = self.edge_of(&item);
        self.edges[edge].items.push_back(item);
    }

    pub(super) fn push_front(&mut self, item: Item) {
        self.count_in(&item);
        let edge = self.edge_of(&item);
        self.edges[edge].items.push_front(item);
    }

    fn pop(&mut self, worker: usize) -> Option<Item> {
        let edge = self.edge_for(worker);
        let item = self.edges[edge].items.pop_front()?;
        self.edge_items -= 1;
        self.edge_bytes -= item.bytes.len();
        Some(item)
    }

    fn edge_for(&self, worker: usize) -> usize {
        if self.spec.partitioned { worker } else { 0 }
    }

    /// Gives workers what waits for them, in equal shares; what some can't take of theirs goes to the others.
    pub(super) fn hand_out(&mut self, stage: usize, world: &mut impl World) {
        while self.edge_items > 0 {
            let share = self.share();
            let mut given = false;
            for index in 0..self.workers.len() {
                given |= self.give(Place { stage, index }, share, world);
            }
            if !given {
                return;
            }
        }
    }

    /// What each worker gets of the edge at most. A partition is nobody else's.
    fn share(&self) -> u64 {
        if self.spec.partitioned {
            return u64::MAX;
        }
        let waiting = self.workers.iter().filter(|worker| worker.is_there && worker.demand > 0).count();
        self.edge_items.div_ceil(waiting.max(1)) as u64
    }

    /// Gives one worker as much as it can take of its share; whether it got anything.
    fn give(&mut self, to: Place, share: u64, world: &mut impl World) -> bool {
        let count = self.workers[to.index].demand.min(share);
        if !self.workers[to.index].is_there || count == 0 {
            return false;
        }
        let before = self.workers[to.index].leased.len();
        for _ in 0..count {
            let Some(item) = self.pop(to.index) else { break };
            self.workers[to.index].leased.push_back(Some(item));
        }
        let worker = &mut self.workers[to.index];
        let given = worker.leased.len() - before;
        if given == 0 {
            return false;
        }
        worker.demand -= given as u64;
        worker.is_flushing = false;
        let sent = worker.leased.range(before..).flatten().map(|item| &*item.bytes);
        world.send(to, worker.first + before as u64, sent);
        true
    }

    /// Notes which workers would have been given something now, had their stage been allowed to put out more.
    pub(super) fn withhold(&mut self) {
        for index in 0..self.workers.len() {
            let has_input = !self.edges[self.edge_for(index)].items.is_empty();
            let worker = &mut self.workers[index];
            worker.was_withheld |= has_input && worker.demand > 0 && worker.leased.is_empty();
        }
    }

    /// Asks workers that hold something to settle it; whether there is one.
    pub(super) fn flush(&mut self, stage: usize, world: &mut impl World) -> bool {
        let mut holds = false;
        for (index, worker) in self.workers.iter_mut().enumerate() {
            if worker.leased.is_empty() {
                continue;
            }
            holds = true;
            if !std::mem::replace(&mut worker.is_flushing, true) {
                world.flush(Place { stage, index });
            }
        }
        holds
    }
}

//! How long messages are under way, who stands still, and what happens next. The messages themselves are the model's.

use std::time::{Duration, Instant};

use super::Schedule;

/// The road from node `node` to the owner.
pub(crate) fn to_owner(node: usize) -> usize {
    2 * node
}

/// The road from the owner to node `node`.
pub(crate) fn from_owner(node: usize) -> usize {
    2 * node + 1
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The first message on this road arrives.
    Arrival(usize),
    /// The time has come for which the owner asked.
    Timer,
}

#[derive(Clone, Copy, Debug, Default)]
struct Road {
    /// When its first message arrives; none as long as that has not been drawn.
    due: Option<Instant>,
    still_until: Option<Instant>,
}

/// The roads between an owner and some nodes.
#[derive(Debug)]
pub(crate) struct Roads {
    roads: Vec<Road>,
    /// How long the owner's clock stands still.
    still_until: Option<Instant>,
}

impl Roads {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { roads: vec![Road::default(); 2 * nodes], still_until: None }
    }

    /// Whether that node is stopped.
    pub(crate) fn is_still(&self, node: usize, now: Instant) -> bool {
        self.roads[from_owner(node)].still_until.is_some_and(|until| until > now)
    }

    /// Stops somebody for a while by chance: a node, or the owner's.
    pub(crate) fn stop_one(&mut self, schedule: &mut Schedule) {
        let until = schedule.now() + Duration::from_millis(schedule.within(1..400));
        let nodes = self.roads.len() / 2;
        let node = schedule.index(nodes + 1);
        if node == nodes {
            schedule.note(|| "the owner's node stops".to_owned());
            (0..nodes).for_each(|node| self.roads[to_owner(node)].still_until = Some(until));
            self.still_until = Some(until);
            return;
        }
        // What it had written arrives all the same; what it had not written waits with it.
        let has_written = schedule.one_in(2);
        schedule.note(|| format!("node {node} stops"));
        self.roads[from_owner(node)].still_until = Some(until);
        if !has_written {
            self.roads[to_owner(node)].still_until = Some(until);
        }
    }

    /// A node is dead, stopped or not: what it had sent is on its way, and the end of its connection behind it.
    pub(crate) fn is_cut(&mut self, node: usize) {
        self.roads[to_owner(node)].still_until = None;
        self.roads[from_owner(node)] = Road::default();
    }

    /// What happens next, if anything is under way: the clock goes on to that. `has_traffic` tells of a road whether there is a
    /// message on it, `timer` is the time for which the owner asked.
    pub(crate) fn next(
        &mut self,
        schedule: &mut Schedule,
        has_traffic: impl Fn(usize) -> bool,
        timer: Option<Instant>,
    ) -> Option<Next> {
        let now = schedule.now();
        let timer = timer.map(|at| self.still_until.map_or(at, |until| at.max(until)).max(now));
        let mut first = timer.map(|at| (at, Next::Timer));
        let mut equals = 1;
        for road in (0..self.roads.len()).filter(|road| has_traffic(*road)) {
            let at = self.due(road, schedule);
            if first.is_none_or(|(before, _)| at < before) {
                first = Some((at, Next::Arrival(road)));
                equals = 1;
            } else if first.is_some_and(|(before, _)| at == before) {
                // Which of those comes first that come at one time is a matter of chance.
                equals += 1;
                if schedule.one_in(equals) {
                    first = Some((at, Next::Arrival(road)));
                }
            }
        }
        let (at, next) = first?;
        schedule.go_on_to(at);
        if let Next::Arrival(road) = next {
            self.roads[road].due = None;
        }
        Some(next)
    }

    fn due(&mut self, road: usize, schedule: &mut Schedule) -> Instant {
        let now = schedule.now();
        let road = &mut self.roads[road];
        let due = *road.due.get_or_insert_with(|| now + schedule.delay());
        road.still_until.map_or(due, |until| due.max(until)).max(now)
    }
}

//! All children of a supervisor, and who of them is to be looked at next.
//!
//! Children are in the order of their numbers, which is that of their starts. Whatever changes a child goes through
//! [`Roster::change`], so that what is kept beside the children follows from them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Index;
use std::time::Instant;

use super::child::{Child, Life};
use super::effect::{ChildId, Which};

#[derive(Debug, Default)]
pub(super) struct Roster {
    children: BTreeMap<ChildId, Child>,
    names: HashMap<String, ChildId, foldhash::fast::RandomState>,
    last_id: u64,
    lines: Lines,
}

/// What follows from the children, so that nobody has to look through them.
#[derive(Debug, Default)]
struct Lines {
    /// Those that wait for nothing but their turn.
    ready: BTreeSet<ChildId>,
    /// Those whose back-off is not over.
    delayed: BTreeSet<ChildId>,
    /// When time does something to a child: the end of a back-off, or of the time to end.
    timers: BTreeSet<(Instant, ChildId)>,
    starting: usize,
    /// Those that must start before the supervisor has begun.
    awaited: usize,
    active_significant: usize,
}

impl Index<ChildId> for Roster {
    type Output = Child;

    fn index(&self, id: ChildId) -> &Child {
        &self.children[&id]
    }
}

impl Roster {
    /// Takes up a child whose name is not taken, after all others.
    pub(super) fn add(&mut self, child: Child) -> ChildId {
        self.last_id += 1;
        let id = ChildId(self.last_id);
        let former = self.names.insert(child.plan.name.clone(), id);
        debug_assert!(former.is_none(), "two children of one name");
        self.lines.enter(id, &child);
        self.children.insert(id, child);
        id
    }

    /// Forgets a child.
    pub(super) fn remove(&mut self, id: ChildId) {
        let child = self.children.remove(&id).expect("only known children are removed");
        debug_assert!(!child.life.is_there(), "it would be lost");
        self.lines.leave(id, &child);
        self.names.remove(&child.plan.name);
    }

    /// Changes a child that is known.
    pub(super) fn change<T>(&mut self, id: ChildId, change: impl FnOnce(&mut Child) -> T) -> T {
        let child = self.children.get_mut(&id).expect("only known children are changed");
        self.lines.leave(id, child);
        let result = change(child);
        self.lines.enter(id, child);
        result
    }

    pub(super) fn find(&self, which: Which<'_>) -> Option<ChildId> {
        match which {
            Which::Id(id) => self.children.contains_key(&id).then_some(id),
            Which::Name(name) => self.names.get(name).copied(),
        }
    }

    /// The child, if it is known, there, and this is its latest life.
    pub(super) fn living(&self, id: ChildId, attempt: u64) -> Option<&Child> {
        self.children.get(&id).filter(|child| child.attempt == attempt && child.life.is_there())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ChildId, &Child)> {
        self.children.iter().map(|(id, child)| (*id, child))
    }

    /// The numbers of those from this one on, in order.
    pub(super) fn from(&self, from: ChildId) -> Vec<ChildId> {
        self.children.range(from..).map(|(id, _)| *id).collect()
    }

    /// The last child that is there, not before `from`, and where it is in its life.
    pub(super) fn last_there(&self, from: ChildId) -> Option<(ChildId, Life)> {
        let mut backwards = self.children.range(from..).rev();
        backwards.find(|(_, child)| child.life.is_there()).map(|(id, child)| (*id, child.life))
    }

    pub(super) fn first(&self) -> Option<ChildId> {
        self.children.keys().next().copied()
    }

    pub(super) fn first_ready(&self) -> Option<ChildId> {
        self.lines.ready.first().copied()
    }

    pub(super) fn first_delayed(&self) -> Option<ChildId> {
        self.lines.delayed.first().copied()
    }

    pub(super) fn is_one_starting(&self) -> bool {
        self.lines.starting > 0
    }

    pub(super) fn is_one_awaited(&self) -> bool {
        self.lines.awaited > 0
    }

    pub(super) fn is_one_significant_active(&self) -> bool {
        self.lines.active_significant > 0
    }

    /// The next time at which something is due, and for whom.
    pub(super) fn next_timer(&self) -> Option<(Instant, ChildId)> {
        self.lines.timers.first().copied()
    }

    /// The numbers of all children, the last first.
    pub(super) fn backwards(&self) -> Vec<ChildId> {
        self.children.keys().rev().copied().collect()
    }
}

impl Lines {
    fn enter(&mut self, id: ChildId, child: &Child) {
        match child.life {
            Life::Waiting { until: None } => drop(self.ready.insert(id)),
            Life::Waiting { until: Some(_) } => drop(self.delayed.insert(id)),
            Life::Starting => self.starting += 1,
            Life::Down | Life::Running { .. } | Life::Stopping { .. } => {}
        }
        if let Some(due) = child.life.due() {
            self.timers.insert((due, id));
        }
        self.awaited += usize::from(child.is_awaited());
        self.active_significant += usize::from(child.is_active_significant());
    }

    fn leave(&mut self, id: ChildId, child: &Child) {
        match child.life {
            Life::Waiting { until: None } => drop(self.ready.remove(&id)),
            Life::Waiting { until: Some(_) } => drop(self.delayed.remove(&id)),
            Life::Starting => self.starting -= 1,
            Life::Down | Life::Running { .. } | Life::Stopping { .. } => {}
        }
        if let Some(due) = child.life.due() {
            self.timers.remove(&(due, id));
        }
        self.awaited -= usize::from(child.is_awaited());
        self.active_significant -= usize::from(child.is_active_significant());
    }
}

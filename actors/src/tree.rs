//! What runs below a node: its processes, supervisors, actors and other programs, as text.
//!
//! Each node tells its own part, on whichever thread reads the question, so that one whose actors are stuck answers too. Nothing is
//! counted for it that is not counted anyway.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use callboard_core::{NodeId, Slot};
use serde::{Deserialize, Serialize};

use crate::actor::ActorStats;
use crate::call::{CallError, answered};
use crate::control::{CONTROL, Control};
use crate::node::Node;
use crate::runtime::Runtime;

/// How many actors of a node are listed: those with the most to do.
const MAX_ACTORS: usize = 100;

/// What a node tells of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    name: String,
    pid: u32,
    supervisors: Vec<SupervisorPart>,
    actors: Vec<ActorPart>,
    /// That many more.
    more_actors: u64,
    children: Vec<ChildPart>,
    programs: Vec<ProgramPart>,
}

/// Another program, which tells nothing of itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct ProgramPart {
    name: String,
    pid: u32,
    /// As the kernel says.
    is_stopped: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ActorPart {
    pub(crate) slot: Slot,
    pub(crate) name: Option<String>,
    pub(crate) stats: ActorStats,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ChildPart {
    pub(crate) node: NodeId,
    pub(crate) name: String,
    pub(crate) pid: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SupervisorPart {
    pub(crate) name: String,
    /// Its strategy and its restarts, in words.
    pub(crate) terms: String,
    pub(crate) children: Vec<KidPart>,
}

/// A supervisor's child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KidPart {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) is: KidIs,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum KidIs {
    /// Not there just now.
    Nothing,
    Actor(Slot),
    Process(u32),
    Supervisor(SupervisorPart),
}

/// What a cell is, to be seen from outside.
pub(crate) enum Seen {
    Actor(ActorPart),
    /// One that has no supervisor on its node.
    Supervisor(SupervisorPart),
}

/// This node's own part.
pub(crate) fn part(runtime: &Runtime) -> Part {
    let (mut actors, mut supervisors) = (Vec::new(), Vec::new());
    for seen in runtime.seen() {
        match seen {
            Seen::Actor(actor) => actors.push(actor),
            Seen::Supervisor(supervisor) => supervisors.push(supervisor),
        }
    }
    actors.sort_by_key(|actor| {
        let stats = &actor.stats;
        std::cmp::Reverse((stats.waiting, actor.name.is_some(), stats.handled))
    });
    let more_actors = actors.len().saturating_sub(MAX_ACTORS) as u64;
    actors.truncate(MAX_ACTORS);
    actors.sort_by_key(|actor| (actor.name.is_none(), actor.name.clone(), actor.slot));
    let children = runtime.children();
    let children = children.iter().map(|child| ChildPart {
        node: child.node_id(),
        name: child.name().to_owned(),
        pid: child.pid(),
    });
    let children = children.collect();
    let programs = programs(runtime);
    let (name, pid) = (runtime.name.clone(), std::process::id());
    Part { name, pid, supervisors, actors, more_actors, children, programs }
}

fn programs(runtime: &Runtime) -> Vec<ProgramPart> {
    let commands = runtime.commands();
    let living = commands.iter().filter(|command| command.is_living());
    let mut programs: Vec<_> = living
        .map(|command| {
            let (name, pid) = (command.name().to_owned(), command.pid());
            ProgramPart { name, pid, is_stopped: callboard_ipc::is_stopped(pid) }
        })
        .collect();
    programs.sort();
    programs
}

/// What runs below a node at one moment, made by [`Node::tree`]. Printed, it is a line for each process, supervisor, actor and program.
#[derive(Clone, Debug)]
pub struct Tree {
    top: NodeId,
    parts: HashMap<NodeId, Result<Part, CallError>>,
}

impl Node {
    /// What runs on this node and below it: processes, supervisors and actors, with their figures, and other programs. Waits up to
    /// `timeout` for other processes, zero not at all; one that does not answer by then, being stopped or very busy, is named as such.
    ///
    /// A program stands below the node that [started it](Node::command), which tells of it: its name and process id, and whether it is
    /// stopped. Nothing is asked of the program itself, and what it has started is not told.
    ///
    /// Of the actors of each process a hundred are listed, those with the most to do.
    pub fn tree(&self, timeout: Duration) -> Tree {
        let runtime = self.runtime();
        let deadline = Instant::now().checked_add(timeout);
        let mut parts = HashMap::new();
        let mine = part(runtime);
        let mut level: VecDeque<NodeId> = mine.children.iter().map(|child| child.node).collect();
        parts.insert(runtime.id, Ok(mine));
        while !level.is_empty() {
            // One that is named twice, which no sound node does, is asked once.
            let asked: Vec<_> = level
                .drain(..)
                .filter(|node| !parts.contains_key(node))
                .map(|node| {
                    let peer = runtime.meet(node);
                    (node, peer.map(|peer| runtime.call_pending(&peer, CONTROL, &Control::Look)))
                })
                .collect();
            runtime.flush_listed();
            for (node, pending) in asked {
                let told = pending.map_or(Err(CallError::Disconnected), |pending| {
                    answered::<Part>(pending.wait(deadline)?, runtime)
                });
                if let Ok(part) = &told {
                    level.extend(part.children.iter().map(|child| child.node));
                }
                parts.insert(node, told);
            }
        }
        Tree { top: runtime.id, parts }
    }
}

/// Prints a tree, one line after the other.
struct Lines<'a, 'f> {
    tree: &'a Tree,
    /// Nodes that stand there already.
    printed: HashSet<NodeId>,
    f: &'a mut fmt::Formatter<'f>,
}

impl Lines<'_, '_> {
    fn line(&mut self, depth: usize, text: fmt::Arguments<'_>) -> fmt::Result {
        writeln!(self.f, "{:1$}{text}", "", 2 * depth)
    }

    /// All that is on a node.
    fn node(&mut self, depth: usize, part: &Part) -> fmt::Result {
        let mut shown = Shown::default();
        for supervisor in &part.supervisors {
            self.supervisor(depth, None, supervisor, part, &mut shown)?;
        }
        for actor in part.actors.iter().filter(|actor| !shown.actors.contains(&actor.slot)) {
            self.actor(depth, None, actor)?;
        }
        if part.more_actors > 0 {
            self.line(depth, format_args!("and {} actors more", part.more_actors))?;
        }
        for child in part.children.iter().filter(|child| !shown.pids.contains(&child.pid)) {
            self.process(depth, None, child)?;
        }
        for ProgramPart { name, pid, is_stopped } in &part.programs {
            let state = if *is_stopped { ": is stopped" } else { "" };
            self.line(depth, format_args!("program {name} (pid {pid}){state}"))?;
        }
        Ok(())
    }

    fn process(&mut self, depth: usize, state: Option<&str>, child: &ChildPart) -> fmt::Result {
        let ChildPart { node, name, pid } = child;
        if !self.printed.insert(*node) {
            return Ok(());
        }
        let state = state.map(|state| format!(", {state}")).unwrap_or_default();
        match self.tree.parts.get(node) {
            Some(Ok(part)) => {
                self.line(depth, format_args!("process {name} (pid {pid}{state})"))?;
                self.node(depth + 1, part)
            }
            Some(Err(CallError::TimedOut)) => {
                self.line(depth, format_args!("process {name} (pid {pid}{state}): does not answer"))
            }
            _ => self.line(depth, format_args!("process {name} (pid {pid}{state}): has ended")),
        }
    }

    fn actor(&mut self, depth: usize, kid: Option<&KidPart>, actor: &ActorPart) -> fmt::Result {
        let ActorPart { slot, name, stats } = actor;
        let called = kid.map(|kid| format!(" {}", kid.name)).unwrap_or_default();
        let state = kid.map(|kid| format!(" ({})", kid.state)).unwrap_or_default();
        match name {
            Some(name) => self.line(depth, format_args!("actor{called} {name}{state}: {stats}")),
            None => self.line(depth, format_args!("actor{called} {slot}{state}: {stats}")),
        }
    }

    fn supervisor(
        &mut self,
        depth: usize,
        kid: Option<&KidPart>,
        supervisor: &SupervisorPart,
        part: &Part,
        shown: &mut Shown,
    ) -> fmt::Result {
        let SupervisorPart { name, terms, children } = supervisor;
        let state = kid.map(|kid| format!(" ({})", kid.state)).unwrap_or_default();
        self.line(depth, format_args!("supervisor {name}{state}: {terms}"))?;
        for kid in children {
            match &kid.is {
                KidIs::Supervisor(below) => self.supervisor(depth + 1, Some(kid), below, part, shown)?,
                KidIs::Actor(slot) => {
                    shown.actors.push(*slot);
                    match part.actors.iter().find(|actor| actor.slot == *slot) {
                        Some(actor) => self.actor(depth + 1, Some(kid), actor)?,
                        None => self.line(depth + 1, format_args!("actor {} ({})", kid.name, kid.state))?,
                    }
                }
                KidIs::Process(pid) => {
                    shown.pids.push(*pid);
                    match part.children.iter().find(|child| child.pid == *pid) {
                        Some(child) => self.process(depth + 1, Some(&kid.state), child)?,
                        None => self.line(depth + 1, format_args!("process {} ({})", kid.name, kid.state))?,
                    }
                }
                KidIs::Nothing => self.line(depth + 1, format_args!("{} ({})", kid.name, kid.state))?,
            }
        }
        Ok(())
    }
}

/// What has been printed below a supervisor.
#[derive(Default)]
struct Shown {
    actors: Vec<Slot>,
    pids: Vec<u32>,
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Ok(part)) = self.parts.get(&self.top) else { return Ok(()) };
        let mut lines = Lines { tree: self, printed: HashSet::from([self.top]), f };
        lines.line(0, format_args!("{} (pid {})", part.name, part.pid))?;
        lines.node(1, part)
    }
}

//! Waits in words: what is waited for, and what those are doing on whom it depends.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::Address;
use callboard_ipc::{ProcessState, states_of};

use super::Noted;
use super::parties::{Known, names_of};
use super::sought::{Of, Sought};
use crate::runtime::Runtime;

/// How long the root is asked for names, and the owners of locks for who holds them; together.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// A wait of a thread of this process, as [`Node::waits`](crate::Node::waits) found it. Printed, it is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitInfo {
    /// What is waited for: `an item from queue /lines`, `the end of process parser`, `lock /printer`.
    pub what: String,
    /// For how long up to now.
    pub lasted: Duration,
    /// The name of the thread that waits.
    pub thread: String,
    /// On whom it depends, as far as that is known: the owner first, then those who hold what is waited for, 8 at most.
    pub parties: Vec<WaitParty>,
    /// Whether the thread has nothing to do until then, as it should be: a pool's worker that waits for a task. No wait of this kind is
    /// [warned of](crate::Node::warn_after).
    pub is_idle: bool,
    /// What could not be found out, and why; none as a rule.
    pub unknown: Option<String>,
}

/// A process on which a wait depends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitParty {
    /// What it has to do with it.
    pub role: WaitRole,
    /// The name of its node; empty if that is not known.
    pub name: String,
    /// Its process id; none if it is not known: the two nodes have not met yet, or nobody has used the other end of a pipe.
    pub pid: Option<u32>,
    /// What it was doing. [`ProcessState::Unknown`] if its process id is not known.
    pub state: ProcessState,
}

/// What a process has to do with what is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitRole {
    /// It is what is waited for: a process whose end is, or the other end of a pipe.
    Itself,
    /// The object or actor lives there.
    Owner,
    /// It holds the lock, or permits of the semaphore.
    Holder,
    /// It works on the task.
    Worker,
}

impl WaitInfo {
    /// The process in which the object or actor lives; of a process that is waited for, itself.
    pub fn owner(&self) -> Option<&WaitParty> {
        self.parties.iter().find(|party| matches!(party.role, WaitRole::Owner | WaitRole::Itself))
    }
}

impl fmt::Display for WaitInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, lasted, thread, parties, unknown, .. } = self;
        write!(f, "thread {thread} has waited {:.1} s for {what}", lasted.as_secs_f64())?;
        let parties = parties.iter().map(WaitParty::to_string).chain(unknown.clone());
        for (at, party) in parties.enumerate() {
            write!(f, "{}{party}", if at == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for WaitParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, name, pid, state } = self;
        let name = if name.is_empty() { "the process at the other end" } else { name };
        write!(f, "{name}")?;
        let Some(pid) = pid else {
            return write!(f, ", whose process is not known here{}", role.words(false));
        };
        write!(f, " (pid {pid}{}){} {state}", own(*pid), role.words(true))
    }
}

fn own(pid: u32) -> &'static str {
    if pid == std::process::id() { ", this process" } else { "" }
}

impl WaitRole {
    fn words(self, goes_on: bool) -> &'static str {
        match (self, goes_on) {
            (Self::Itself, _) => "",
            (Self::Owner, true) => " owns it and",
            (Self::Owner, false) => ", owns it",
            (Self::Holder, true) => " holds it and",
            (Self::Holder, false) => ", holds it",
            (Self::Worker, true) => " works on it and",
            (Self::Worker, false) => ", works on it",
        }
    }
}

/// Puts waits into words. Takes 0.1 s to see what processes do, and up to 0.5 s more if others have to be asked for names.
pub(super) fn in_words(runtime: &Arc<Runtime>, waits: Vec<(String, Noted)>) -> Vec<WaitInfo> {
    let by = Instant::now() + ANSWERS_WITHIN;
    let all = waits.iter().flat_map(|(_, noted)| noted.members.iter().chain([&noted.sought]));
    let addresses = all.filter_map(|sought| match sought.of {
        Of::Object(address) => Some(address),
        _ => None,
    });
    let mut words = Words { runtime, names: names_of(runtime, addresses, by), by, now: Instant::now() };
    let mut infos: Vec<WaitInfo> = waits.into_iter().map(|wait| words.info(wait)).collect();
    let mut pids: Vec<u32> =
        infos.iter().flat_map(|info| info.parties.iter().filter_map(|p| p.pid)).collect();
    pids.sort_unstable();
    pids.dedup();
    let states: HashMap<u32, ProcessState> = pids.iter().copied().zip(states_of(&pids)).collect();
    for party in infos.iter_mut().flat_map(|info| &mut info.parties) {
        party.state = party.pid.and_then(|pid| states.get(&pid)).copied().unwrap_or(ProcessState::Unknown);
    }
    infos
}

/// What is needed to put waits into words.
struct Words<'a> {
    runtime: &'a Arc<Runtime>,
    names: HashMap<Address, String>,
    by: Instant,
    now: Instant,
}

impl Words<'_> {
    fn info(&mut self, (thread, noted): (String, Noted)) -> WaitInfo {
        let Noted { since, sought, members, .. } = noted;
        let mut what = self.phrase(sought);
        let (mut known, mut unknown) = self.parties(sought);
        for (at, member) in members.iter().enumerate() {
            what.push_str(if at == 0 { ": " } else { ", " });
            what.push_str(&self.phrase(*member));
            let (more, missing) = self.parties(*member);
            known.extend(more);
            unknown = unknown.or(missing);
        }
        let mut parties: Vec<WaitParty> = Vec::new();
        for Known { role, name, pid } in known {
            let party = WaitParty { role, name, pid, state: ProcessState::Unknown };
            if !parties.contains(&party) && parties.len() < super::MAX_NAMED {
                parties.push(party);
            }
        }
        let lasted = self.now.saturating_duration_since(since);
        WaitInfo { what, lasted, thread, parties, is_idle: sought.is_idle, unknown }
    }

    fn phrase(&self, sought: Sought) -> String {
        let Sought { part, kind, of, .. } = sought;
        let which = match of {
            Of::Nothing => String::new(),
            Of::Object(address) => self.names.get(&address).cloned().unwrap_or_else(|| address.to_string()),
            Of::Here(slot, number) => {
                let cell = self.runtime.cell(slot);
                cell.and_then(|cell| cell.awaited(number)).map(|awaited| awaited.name).unwrap_or_default()
            }
            Of::Node(node) => self.runtime.who_is(node).0,
            Of::Process(_) => String::new(),
            Of::Descriptor(number) => number.to_string(),
            Of::Any(count) => return format!("{part} {count} {kind}"),
        };
        let words: Vec<&str> = [part, kind, &which].into_iter().filter(|word| !word.is_empty()).collect();
        words.join(" ")
    }

    /// On whom it depends, and what could not be found out of that.
    fn parties(&self, sought: Sought) -> (Vec<Known>, Option<String>) {
        let runtime = self.runtime;
        match sought.of {
            Of::Nothing | Of::Descriptor(_) | Of::Any(_) => (Vec::new(), None),
            Of::Object(address) => {
                let mut parties = vec![runtime.known(WaitRole::Owner, address.node)];
                let holders = runtime.face_at(address).map_or(Ok(Vec::new()), |face| face.holders(self.by));
                let unknown = holders.map(|holders| parties.extend(holders)).err();
                (parties, unknown)
            }
            Of::Here(slot, number) => {
                let awaited = runtime.cell(slot).and_then(|cell| cell.awaited(number));
                (awaited.map(|awaited| awaited.parties).unwrap_or_default(), None)
            }
            Of::Node(node) => (vec![runtime.known(WaitRole::Itself, node)], None),
            Of::Process(None) => (Vec::new(), Some("nobody has used the other end yet".to_owned())),
            Of::Process(pid) => (vec![Known { role: WaitRole::Itself, name: String::new(), pid }], None),
        }
    }
}

//! One node from the inside: who it is, whom it knows, what waits.
//!
//! Public handles, peers and cells all reach each other through here. It holds lists and locks, no
//! protocol. Lock order: a peer's reading, a cell, a face, an outbox, the lists of this file; of the
//! last, never two at once.

mod budget;
mod cells;
mod clock;
mod flush;
mod holds;
pub(crate) mod memory;
mod stop;
mod tick;

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use callboard_core::{Address, EventLoop, NodeId, Reactor, Slot, Slots, Source, Timers, Wants};
use callboard_ipc::Connection;
use parking_lot::{Mutex, RwLock};

use crate::actor::Workers;
use crate::call::{self, Calls};
use crate::cell::{Cell, Face};
use crate::control::{CONTROL, Control, ControlCell};
use crate::exits::Exits;
use crate::family::Family;
use crate::logs::Logs;
use crate::peer::{Peer, Reading};
use crate::protocol::region::{REGIONS, RegionsCell};
use crate::registry::{REGISTRY, RegistryCell};
use crate::standing::Standing;
use crate::wait::Seat;

use self::budget::Budget;
use self::clock::Virtual;
pub(crate) use self::holds::Holds;
use self::memory::Memory;
use self::stop::StopAsked;
pub(crate) use self::stop::StopOf;
pub(crate) use self::tick::Tick;

/// Who a node is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) id: NodeId,
    pub(crate) root: NodeId,
    /// None at the root.
    pub(crate) parent: Option<NodeId>,
    pub(crate) name: String,
    /// The process number of the parent's process, if it is another.
    pub(crate) parent_pid: Option<u32>,
    /// Whether this process is there for this node alone, and ends with the node's parent or root.
    pub(crate) sole: bool,
}

/// Writes a line to standard error for the node of that name, or what will be one.
pub(crate) fn complain(name: &str, text: &str) {
    print(&format!("callboard: {name}: {text}"));
}

/// Writes a line to standard error, in one piece.
pub(crate) fn print(line: &str) {
    // Whoever read it may have gone, which is no reason to panic.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// How a connection came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The other side closed it or died.
    Closed,
    /// It can't be used any more, for the reason given.
    Broken(String),
}

/// How many nodes that have ended a node remembers. The root hears of an end at about the same time, and forgets none.
const MAX_ENDED: usize = 1024;

pub(crate) struct Runtime {
    pub(crate) id: NodeId,
    pub(crate) root: NodeId,
    pub(crate) parent: Option<NodeId>,
    pub(crate) name: String,
    pub(crate) parent_pid: Option<u32>,
    sole: bool,
    pub(crate) reactor: Arc<Reactor>,
    /// The epoll that the loop thread waits on; callers wait on it too.
    pub(crate) poll: OwnedFd,
    pub(crate) seat: Arc<Seat>,
    pub(crate) calls: Calls,
    peers: RwLock<HashMap<NodeId, Arc<Peer>>>,
    /// Nodes that have ended, the latest: the root may not know yet, and would have them met again.
    ended: Mutex<VecDeque<NodeId>>,
    cells: RwLock<Slots<Arc<dyn Cell>>>,
    faces: Mutex<HashMap<Address, Weak<dyn Face>>>,
    pub(crate) control: Arc<ControlCell>,
    /// At the root only.
    registry: Option<Arc<RegistryCell>>,
    pub(crate) family: Family,
    pub(crate) exits: Exits,
    pub(crate) logs: Logs,
    to_flush: Mutex<Vec<NodeId>>,
    /// Whether that list may hold something.
    any_to_flush: AtomicBool,
    /// Peers with unread bytes that a caller left to the loop thread.
    backlog: Mutex<Vec<NodeId>>,
    timers: Mutex<Timers<Slot>>,
    /// If its actors go by a time of their own.
    clock: OnceLock<Virtual>,
    stop: Mutex<StopAsked>,
    pub(crate) workers: Arc<Workers>,
    ending: AtomicBool,
    ended_here: AtomicBool,
    budget: Budget,
    pub(crate) memory: Memory,
    pub(crate) holds: Arc<Holds>,
    pub(crate) standing: Arc<Standing>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Runtime({} {})", self.name, self.id)
    }
}

impl Runtime {
    pub(crate) fn new(who: Identity, event_loop: &EventLoop, poll: OwnedFd) -> std::io::Result<Arc<Self>> {
        let seat = Arc::new(Seat::new()?);
        let reactor = event_loop.reactor();
        let source = Arc::clone(&seat) as Arc<dyn Source>;
        reactor.register(seat.bell().as_fd(), Wants::Reading, source)?;
        let control = Arc::new(ControlCell::default());
        let mut cells: Slots<Arc<dyn Cell>> = Slots::default();
        let at = cells.insert(Arc::clone(&control) as Arc<dyn Cell>);
        debug_assert_eq!(at, CONTROL, "control is every node's first cell");
        let mut registry = None;
        if who.id == who.root {
            let kept = Arc::new(RegistryCell::default());
            let at = cells.insert(Arc::clone(&kept) as Arc<dyn Cell>);
            debug_assert_eq!(at, REGISTRY, "the registry is the root's second cell");
            registry = Some(kept);
            let at = cells.insert(Arc::new(RegionsCell) as Arc<dyn Cell>);
            debug_assert_eq!(at, REGIONS, "where regions are made is the root's third cell");
        }
        Ok(Arc::new(Self {
            id: who.id,
            root: who.root,
            parent: who.parent,
            name: who.name,
            parent_pid: who.parent_pid,
            sole: who.sole,
            poll,
            reactor,
            seat,
            calls: Calls::default(),
            peers: RwLock::default(),
            ended: Mutex::default(),
            cells: RwLock::new(cells),
            faces: Mutex::default(),
            control,
            registry,
            family: Family::default(),
            exits: Exits::default(),
            logs: Logs::default(),
            to_flush: Mutex::default(),
            any_to_flush: AtomicBool::new(false),
            backlog: Mutex::default(),
            timers: Mutex::new(Timers::default()),
            clock: OnceLock::new(),
            stop: Mutex::default(),
            workers: Arc::default(),
            ending: AtomicBool::new(false),
            ended_here: AtomicBool::new(false),
            budget: Budget::default(),
            memory: Memory::default(),
            holds: Arc::default(),
            standing: Arc::default(),
        }))
    }

    /// The loop thread's life.
    pub(crate) fn run(self: &Arc<Self>, mut event_loop: EventLoop) {
        while !self.ending.load(Ordering::Acquire) {
            let now = Instant::now();
            loop {
                let due = self.timers.lock().pop_due(now);
                let Some(slot) = due else { break };
                if let Some(cell) = self.cell(slot) {
                    cell.tick(self);
                }
            }
            let backlog = std::mem::take(&mut *self.backlog.lock());
            for peer in backlog.iter().filter_map(|id| self.peer(*id)) {
                peer.look(self);
            }
            self.flush_listed();
            let idle = self.backlog.lock().is_empty();
            let next = self.timers.lock().next_at();
            let timeout = match next {
                _ if !idle => Some(Duration::ZERO),
                Some(at) => Some(at.saturating_duration_since(Instant::now())),
                None => None,
            };
            match event_loop.turn(timeout) {
                Ok(0) => {}
                Ok(_) => self.seat.stand_back(),
                Err(error) => {
                    self.complain(&format!("the event loop failed: {error}"));
                    return;
                }
            }
        }
    }

    /// Makes the loop thread leave its loop.
    pub(crate) fn end_loop(&self) {
        self.ending.store(true, Ordering::Release);
        self.wake_loop();
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Whether this node has ended: what its threads have not got by now they will not get.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        // Set before those who wait are looked for, and looked at by them after they can be found: each list has a lock.
        self.ended_here.load(Ordering::Acquire)
    }

    pub(crate) fn wake_loop(&self) {
        if let Err(error) = self.reactor.wake() {
            self.complain(&format!("the event loop can't be woken: {error}"));
        }
    }

    /// Writes a line to standard error. For what nobody else can be told.
    pub(crate) fn complain(&self, text: &str) {
        complain(&self.name, text);
    }

    // ---- peers ---------------------------------------------------------------------------------

    pub(crate) fn peer(&self, id: NodeId) -> Option<Arc<Peer>> {
        self.peers.read().get(&id).cloned()
    }

    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.read().values().cloned().collect()
    }

    /// The peer `id`, met through the root if need be. None: it has ended, or is this node itself.
    pub(crate) fn meet(self: &Arc<Self>, id: NodeId) -> Option<Arc<Peer>> {
        if let Some(peer) = self.peer(id) {
            return Some(peer);
        }
        // The root knows every live node: whom it has not met has ended. Nobody meets themselves, nor anybody twice.
        let root = if id == self.id { None } else { self.peer(self.root) }?;
        if self.ended.lock().contains(&id) {
            return None;
        }
        let (peer, is_new) = self.peer_or_new(id);
        if is_new && self.ended.lock().contains(&id) {
            // Another thread met it and saw its end meanwhile.
            self.peers.write().remove(&id);
            return None;
        }
        if is_new {
            let wanted = Arc::clone(&peer);
            self.call_then(&root, CONTROL, &Control::Introduce { peer: id }, move |rt, answer| {
                let alive = answer.and_then(|answer| call::answered(answer, rt)).ok();
                if alive != Some(true) {
                    rt.peer_ended(&wanted, &Ending::Closed);
                }
            });
            root.flush(self);
        }
        Some(peer)
    }

    /// A peer that nobody knows yet, to be connected.
    pub(crate) fn new_peer(self: &Arc<Self>, id: NodeId) -> Arc<Peer> {
        self.peer_or_new(id).0
    }

    fn peer_or_new(self: &Arc<Self>, id: NodeId) -> (Arc<Peer>, bool) {
        let mut peers = self.peers.write();
        let mut is_new = false;
        let peer = peers.entry(id).or_insert_with(|| {
            is_new = true;
            Peer::new(id, self)
        });
        (Arc::clone(peer), is_new)
    }

    /// Connects to `id`, whether or not somebody here waits for it.
    pub(crate) fn connect(self: &Arc<Self>, id: NodeId, connection: Connection, reading: Reading) {
        let (peer, _) = self.peer_or_new(id);
        if let Err(error) = peer.connect(self, connection, reading) {
            let reason = format!("it can't be watched: {error}");
            self.peer_ended(&peer, &Ending::Broken(reason));
        }
        if self.has_ended() {
            self.peer_ended(&peer, &Ending::Closed);
        }
    }

    /// All that follows from the end of a peer, after its last frame: its cells here, its names, its calls.
    pub(crate) fn peer_ended(self: &Arc<Self>, peer: &Arc<Peer>, ending: &Ending) {
        if matches!(ending, Ending::Broken(_)) {
            // It lives on: whoever uses its shared memory here is cut off before it knows.
            self.fail_calls_to(peer.id);
        }
        if !peer.end(self) {
            return;
        }
        if self.sole && !self.is_ending() && (Some(peer.id) == self.parent || peer.id == self.root) {
            // No process outlives its job, nor its parent.
            callboard_ipc::exit_now(0);
        }
        if let Ending::Broken(reason) = ending {
            self.complain(&format!("connection to node {} closed: {reason}", peer.id));
        }
        // Of one that was never connected the root knows. Before it is nobody's peer any more, or it could be met in between.
        if peer.connection().is_some() {
            let mut ended = self.ended.lock();
            ended.push_back(peer.id);
            if ended.len() > MAX_ENDED {
                ended.pop_front();
            }
        }
        self.peers.write().remove(&peer.id);
        let interested = peer.take_interests();
        let interested: Vec<_> = interested.into_iter().filter_map(|slot| self.cell(slot)).collect();
        for cell in &interested {
            cell.peer_ended(self, peer.id);
        }
        if let Some(registry) = &self.registry {
            registry.peer_ended(self, peer.id);
        }
        self.control.leave(self, peer.id);
        // Whoever uses its shared memory here is cut off before its join is over.
        self.fail_calls_to(peer.id);
        for cell in interested {
            cell.peer_gone(self, peer.id);
        }
        // Those that began meanwhile.
        self.fail_calls_to(peer.id);
        peer.let_go();
        self.flush_listed();
    }

    /// Closes all connections of a node that has ended, and tells everybody who waits here.
    pub(crate) fn disconnect_all(self: &Arc<Self>) {
        self.ended_here.store(true, Ordering::Release);
        // Whoever uses shared memory here is cut off from its owners, and keeps what it has in hand.
        self.peers().iter().for_each(|peer| self.fail_calls_to(peer.id));
        for peer in self.peers() {
            self.peer_ended(&peer, &Ending::Closed);
        }
        self.control.fates.close(self);
        self.holds.close(self);
        // What is owned here, and nobody else can be asked for.
        self.all_cells().iter().for_each(|cell| cell.node_ended());
        self.fail_calls_to(self.id);
        self.reactor.close();
    }

    /// Ends all actors of a node that ends.
    pub(crate) fn end_actors(self: &Arc<Self>) {
        self.workers.end();
        self.all_cells().iter().for_each(|cell| cell.node_ends(self));
    }

    /// Ends all supervisors of a node that is about to end.
    pub(crate) fn end_supervisors(self: &Arc<Self>) {
        self.all_cells().iter().filter(|cell| cell.is_supervisor()).for_each(|cell| cell.node_ends(self));
    }

    pub(crate) fn registry(&self) -> Option<Arc<RegistryCell>> {
        self.registry.clone()
    }
}

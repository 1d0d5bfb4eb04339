//! The composition root: a node is made here, and what users ask of one starts here.

mod error;

use std::io;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard_core::{EventLoop, NodeId};
use callboard_ipc::{Connection, Side, poller};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};

pub use self::error::{JoinJobError, StartError};
use crate::arriving::Arriving;
use crate::guests::{self, Guests, JoinFailed};
use crate::jobs;
use crate::names::{self, NameError, Object};
use crate::peer::Reading;
use crate::process::{Process, Spawn, SpawnError, worker};
use crate::runtime::{Identity, Runtime};
use crate::standing;

/// This process as a member of a job: where it creates objects, opens them by name, and spawns processes.
///
/// Clones are the same node. When the last one is dropped the node ends, and its children that still run are killed,
/// with all that was spawned below them: join those that shall finish. (Python's `multiprocessing` joins them by
/// itself.) In a spawned child the node ends when the function returns: then its own children are killed, and its
/// other threads end with the process.
///
/// When a node has ended, the handles of its objects say so, in threads of this process too, and so do those of others' objects. Nothing waits
/// by them any more: whoever does, or begins to, gets `Disconnected`. Items that a queue had prefetched by then can still be
/// taken. Pipes go on as long as both ends are held. A guard of a lock, a value or an array that is still there keeps it,
/// until it is dropped; the node's end does not wait for that.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

/// A node as those know it who do not keep it.
#[derive(Clone, Default)]
pub(crate) struct WeakNode(Weak<Inner>);

impl WeakNode {
    pub(crate) fn upgrade(&self) -> Option<Node> {
        self.0.upgrade().map(Node)
    }
}

struct Inner {
    runtime: Arc<Runtime>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// At the root: its door.
    guests: Mutex<Option<Arc<Guests>>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({} {})", self.name(), self.id())
    }
}

impl Node {
    pub(crate) fn downgrade(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.0))
    }

    /// Starts the root node of a new job; in a spawned child, runs the call it was spawned for and never returns.
    ///
    /// Call it first in `main`: a child runs `main` up to here, with the parent's arguments, and enters its function
    /// here. Until then its standard input is the socket by which its call comes: a program that reads standard input
    /// before waits for ever, or takes the call away from itself.
    ///
    /// One start in a process is enough. A spawned function gets its node as `&Node`; a second start, also in such a
    /// function, founds another job with other names. Handles do not pass between jobs: one that was sent into another
    /// job says `Disconnected` there.
    ///
    /// # Errors
    ///
    /// [`StartError::System`]; in a spawned child [`StartError::TooLate`] if other threads were started before, and
    /// [`StartError::Bootstrap`].
    #[track_caller]
    pub fn start() -> Result<Self, StartError> {
        door(Location::caller())?;
        Self::root(None)
    }

    /// As [`start`](Self::start), and the job has a name of yours, by which other programs of this user [`join`](Self::join) it and find it among the
    /// [running ones](crate::jobs). The name is free again when this process has ended, however it did.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and [`StartError::JobName`].
    #[track_caller]
    pub fn start_named(name: &str) -> Result<Self, StartError> {
        door(Location::caller())?;
        let refused = |why: &str| StartError::JobName { name: name.to_owned(), why: why.to_owned() };
        if let Some(fault) = jobs::fault_of(name) {
            return Err(refused(fault));
        }
        Self::root(Some(name)).map_err(|error| match error {
            StartError::System(error) if error.kind() == io::ErrorKind::AddrInUse => {
                refused("another job of this user has it")
            }
            other => other,
        })
    }

    fn root(job: Option<&str>) -> Result<Self, StartError> {
        let id = new_id()?;
        let node = Self::new(Identity {
            id,
            root: id,
            parent: None,
            name: "root".to_owned(),
            parent_pid: None,
            sole: false,
        })?;
        *node.0.guests.lock() = Some(Guests::listen(node.runtime(), job)?);
        Ok(node)
    }

    /// Joins the running job `job`, by its [id](Node::job) or the name it was [started with](Self::start_named), as a node that nobody spawned; in a spawned child of
    /// this program, runs the call it was spawned for, as [`Node::start`] does.
    ///
    /// Both must belong to the same user. The guest opens objects by name, creates its own, and spawns; its end is an
    /// end like any other node's. When the job's root ends the guest lives on, and what it holds of the job says
    /// `Disconnected`.
    ///
    /// Both programs must name the types of what they share alike, with their paths: put a struct that both need into a
    /// library crate, or use types of the standard library. A `Queue<Task>` of two programs that each have a `Task` of
    /// their own is a [`NameError::WrongType`].
    ///
    /// # Errors
    ///
    /// [`JoinJobError`].
    #[track_caller]
    pub fn join(job: &str) -> Result<Self, JoinJobError> {
        door(Location::caller())?;
        let id = new_id().map_err(StartError::System)?;
        let (root, connection, reading) = guests::enter(job, id).map_err(|failed| match failed {
            JoinFailed::NoJob => JoinJobError::NoJob(job.to_owned()),
            JoinFailed::Forbidden(reason) => JoinJobError::Forbidden { job: job.to_owned(), reason },
            JoinFailed::Refused(reason) => JoinJobError::Refused { job: job.to_owned(), reason },
            JoinFailed::System(error) => StartError::System(error).into(),
        })?;
        let node = Self::new(Identity {
            id,
            root,
            parent: None,
            name: "guest".to_owned(),
            parent_pid: None,
            sole: false,
        })?;
        node.runtime().connect(root, connection, reading);
        Ok(node)
    }

    /// The id of the job, by which programs that nobody spawned [`join`](Self::join) it while its root runs.
    pub fn job(&self) -> String {
        self.0.runtime.root.to_string()
    }

    /// The node of a spawned child.
    pub(crate) fn for_child(who: Identity) -> Result<Self, StartError> {
        Self::new(who)
    }

    fn new(who: Identity) -> Result<Self, StartError> {
        let (poll, shared) = poller::open_poll()?;
        let event_loop = EventLoop::new(poll)?;
        let runtime = Runtime::new(who, &event_loop, shared)?;
        let runs = Arc::clone(&runtime);
        let thread =
            std::thread::Builder::new().name("callboard".to_owned()).spawn(move || runs.run(event_loop))?;
        standing::as_the_environment_says(&runtime);
        Ok(Self(Arc::new(Inner { runtime, thread: Mutex::new(Some(thread)), guests: Mutex::new(None) })))
    }

    /// Starts another node of this job in this very process, for tests that want several nodes and no process.
    ///
    /// # Errors
    ///
    /// [`StartError::System`].
    #[doc(hidden)]
    pub fn start_beside(&self, name: &str) -> Result<Self, StartError> {
        let ours = self.runtime();
        let id = new_id()?;
        let who = Identity {
            id,
            root: ours.root,
            parent: Some(ours.id),
            name: name.to_owned(),
            parent_pid: None,
            sole: false,
        };
        let node = Self::new(who)?;
        let root = if ours.id == ours.root {
            Arc::clone(ours)
        } else {
            return Err(io::Error::other("only beside the root").into());
        };
        let (first, second) = Connection::introduce()?;
        let fresh = || Reading::new(Arriving::default());
        root.control.join(id);
        root.connect(id, first.accept(Side::First)?, fresh());
        node.runtime().connect(root.id, second.accept(Side::Second)?, fresh());
        Ok(node)
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.0.runtime
    }

    /// This node's id, which no other node ever has.
    pub fn id(&self) -> NodeId {
        self.0.runtime.id
    }

    /// The name given at the spawn; `root` at the root.
    pub fn name(&self) -> &str {
        &self.0.runtime.name
    }

    /// Whether this node is the root of its job.
    pub fn is_root(&self) -> bool {
        self.0.runtime.id == self.0.runtime.root
    }

    // ---- processes -------------------------------------------------------------------------------

    /// Runs `f(node, args)` in a new process; see [`Spawn::spawn`].
    ///
    /// # Errors
    ///
    /// As [`Spawn::spawn`].
    pub fn spawn<A, R>(&self, name: &str, f: fn(&Node, A) -> R, args: A) -> Result<Process<R>, SpawnError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.process(name).spawn(f, args)
    }

    /// Describes a process to be spawned: its environment, working directory and standard streams.
    pub fn process(&self, name: &str) -> Spawn<'_> {
        Spawn::new(self, name)
    }

    /// Whether this process has been asked to end; see [`Process::terminate`].
    pub fn stopping(&self) -> bool {
        self.0.runtime.is_stop_asked()
    }

    /// Takes the first Ctrl-C or SIGTERM as a request to end, as [`stopping`](Self::stopping) tells; a pipeline then
    /// reads no more of its source and drains. A second one kills this process, and with it the job.
    ///
    /// Meant for `main` of the root: children are in process groups of their own, and a Ctrl-C does not reach them.
    /// A source that blocks in a read is not interrupted.
    ///
    /// # Errors
    ///
    /// What the system says when descriptors run out.
    pub fn stop_on_signals(&self) -> io::Result<()> {
        self.0.runtime.stop_on_signals()
    }

    /// Waits up to `timeout` until this process is asked to end; whether it was. A sleep that a
    /// [`Process::terminate`] cuts short.
    pub fn wait_stopping(&self, timeout: Duration) -> bool {
        self.0.runtime.wait_for_stop(Instant::now().checked_add(timeout))
    }

    /// No supervisor of this node starts anybody again.
    pub(crate) fn end_supervisors(&self) {
        self.0.runtime.end_supervisors();
    }

    // ---- objects ---------------------------------------------------------------------------------

    /// Creates an object without a name; hand it on as a value.
    ///
    /// It stays in memory until this node ends, also closed and with all its handles dropped: some 2 KB for an empty
    /// queue. So use a reply queue again rather than make one for each request.
    pub fn anonymous<O: Object>(&self, options: O::Options) -> O {
        O::build(self, options)
    }

    /// Creates an object under `name`, owned by this node.
    ///
    /// A name is 1 to 255 bytes of text without control characters; a slash at its head is only a habit. It stands for
    /// the object until this node ends: a closed queue keeps its name. A process that gives more than 1,048,576 names is cut off from the job.
    ///
    /// # Errors
    ///
    /// [`NameError::Taken`] if the name stands for something; [`NameError::BadName`]; [`NameError::Disconnected`] if
    /// the job's root has ended; [`NameError::Unresponsive`] if it does not answer within 60 s. After an error nothing
    /// is left of the object, and the name is not this node's, even if the root goes on later.
    pub fn create<O: Object>(&self, name: &str, options: O::Options) -> Result<O, NameError> {
        names::create(self, name, options)
    }

    /// Opens the object that `name` stands for, wherever it lives.
    ///
    /// # Errors
    ///
    /// [`NameError::NotFound`]; [`NameError::WrongType`] if it is of another type; [`NameError::BadName`];
    /// [`NameError::Disconnected`] if the job's root has ended; [`NameError::Unresponsive`] if it does not answer
    /// within 60 s.
    #[doc(alias = "lookup")]
    pub fn open<O: Object>(&self, name: &str) -> Result<O, NameError> {
        names::open(self, name, None)
    }

    /// Opens the object that `name` stands for, waiting up to `timeout` until there is one. Zero does as
    /// [`open`](Self::open). A process in which more than 65,536 threads wait for names at once is cut off from the job.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but [`NameError::NotFound`] only after `timeout`, and also if the job's root is stopped
    /// and has not answered by then.
    pub fn open_timeout<O: Object>(&self, name: &str, timeout: Duration) -> Result<O, NameError> {
        names::open(self, name, Some(timeout))
    }

    /// Opens the object that `name` stands for, or creates it here. Of several nodes that do this at once exactly
    /// one creates it. If it exists, it keeps the options it was created with, and `options` are ignored.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), with [`NameError::WrongType`] in the place of [`NameError::Taken`].
    pub fn get_or_create<O: Object>(&self, name: &str, options: O::Options) -> Result<O, NameError> {
        names::get_or_create(self, name, options)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let runtime = &self.runtime;
        if let Some(guests) = self.guests.lock().take() {
            guests.close();
        }
        runtime.standing.teller.end();
        runtime.end_actors();
        runtime.flush_listed();
        runtime.end_loop();
        runtime.end_family();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            runtime.complain("the loop thread had panicked");
        }
        runtime.disconnect_all();
    }
}

/// Where a spawned child goes its own way.
fn door(place: &Location<'_>) -> Result<(), StartError> {
    match callboard_ipc::take_bootstrap() {
        Ok(None) => {
            callboard_ipc::fence::register_if_alone();
            Ok(())
        }
        Ok(Some(bootstrap)) => worker::run(bootstrap),
        Err(callboard_ipc::BootstrapError::Threads { count }) => {
            Err(StartError::TooLate { place: place.to_string(), threads: count })
        }
        Err(error) => Err(error.into()),
    }
}

fn new_id() -> io::Result<NodeId> {
    NodeId::new(callboard_ipc::random_u64()).ok_or(io::Error::other("the kernel gave no randomness"))
}

//! Functions that run in processes of their own: the parent's side.
//!
//! `Spawn` starts this program again and sends it the call; [`Process`] is what the parent holds. What the child
//! does with the call is in `process/worker.rs`, what both say to each other in `process/wire.rs`.

pub(crate) mod child;
pub(crate) mod description;
pub(crate) mod entry;
pub(crate) mod forks;
pub(crate) mod forward;
mod lines;
mod method;
mod output;
pub(crate) mod panics;
mod reason;
pub(crate) mod routine;
pub(crate) mod run;
pub(crate) mod setup;
pub(crate) mod wire;
pub(crate) mod worker;

use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::NodeId;
use callboard_ipc::{ChildSpec, Connection, LifeLine, OutputPipe};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};

pub use self::method::{StartMethod, StartMethodError};
pub use self::output::Output;
pub(crate) use self::reason::ended;
pub use self::reason::{ChildPanic, JoinError, OutOfMemory, SpawnError};
pub use self::run::Run;
pub use self::setup::{Limit, processor_count, processors};

use self::child::ChildCell;
pub(crate) use self::description::Describe;
use self::description::{Description, Stream, Streams, Use, describes};
use self::forward::{Forward, Forwards, To};
use self::wire::Given;
use crate::failure::Failure;
use crate::hook::Poll;
use crate::node::Node;
use crate::runtime::Runtime;

/// A process to be started, with what it gets besides its arguments.
///
/// Made by [`Node::process`]. By default the child inherits the environment, the working directory, standard
/// output and standard error, limits and processors; its standard input is empty.
///
/// Processors, niceness and limits the child sets for itself, before the function runs. What can't be had is a
/// [`JoinError::FailedStart`] that names it.
#[derive(Debug)]
#[must_use = "nothing is started before `spawn`"]
pub struct Spawn<'a> {
    node: &'a Node,
    name: String,
    description: Description,
    stdin: Option<OwnedFd>,
    /// None stands for what its node is set to.
    method: Option<StartMethod>,
    /// The id of its node, if that is known already.
    id: Option<NodeId>,
    /// It hosts an actor that a supervisor keeps.
    is_kept: bool,
}

impl<'a> Spawn<'a> {
    pub(crate) fn new(node: &'a Node, name: &str) -> Self {
        let (name, description) = (name.to_owned(), Description::default());
        Self { node, name, description, stdin: None, method: None, id: None, is_kept: false }
    }

    describes!();

    /// Gives the child a standard input: a file, or the reading end of a pipe.
    pub fn stdin(mut self, from: impl Into<OwnedFd>) -> Self {
        self.stdin = Some(from.into());
        self
    }

    /// Described by `describe` for somebody who starts it on a user's behalf, and has no face for what it writes.
    ///
    /// # Errors
    ///
    /// That its output would be captured.
    pub(crate) fn described(self, describe: &Describe) -> Result<Self, Failure> {
        let it = match &describe.0 {
            Some(describe) => describe(self),
            None => self,
        };
        let streams = [&it.description.stdout, &it.description.stderr];
        if streams.iter().any(|stream| matches!(stream, Stream::Captured)) {
            return Err(Failure::new(
                "its output can't be captured: nobody could read it, but it can be forwarded",
            ));
        }
        Ok(it)
    }

    /// It hosts an actor that a supervisor of this node keeps, and its node has this id.
    pub(crate) fn kept_as(self, id: NodeId) -> Self {
        Self { is_kept: true, ..self.known_as(id) }
    }

    /// Its node has this [id](new_id).
    pub(crate) fn known_as(mut self, id: NodeId) -> Self {
        self.id = Some(id);
        self
    }

    /// Runs `f(node, args)` in a new process of this program and returns at once.
    ///
    /// `f` is a plain function or a closure that captures nothing; what it needs travels in `args`. It runs on the
    /// child's main thread with a node of its own. The child ends when `f` returns, when this process ends
    /// for whatever reason, or when it is [killed](Process::kill).
    ///
    /// Arguments and value are MessagePack, 256 KiB less than 256 MiB each at most; a larger value is a panic of the
    /// child. A `Vec<u8>` is encoded number by number, about a hundred times slower than bytes; see
    /// [`Queue::put`](crate::Queue::put).
    ///
    /// # Errors
    ///
    /// [`SpawnError`]: the arguments can't be encoded or are too large, `f` is not part of the main program, or the system can't
    /// start a process. What goes wrong later is told by [`Process::join`].
    ///
    /// Source: `Process(target=f, args=...)` of Python's `multiprocessing`.
    pub fn spawn<A, R>(self, f: fn(&Node, A) -> R, args: A) -> Result<Process<R>, SpawnError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let runtime = self.node.runtime();
        let (call, departing) = entry::prepare(f, &args)?;
        let is_kept = self.is_kept;
        let child = self.id.or_else(new_id).ok_or(SpawnError::NoRandomness)?;
        let (connection, end) = Connection::open().map_err(SpawnError::Start)?;
        let life = LifeLine::open().map_err(SpawnError::Start)?;
        wire::send_life_line(&connection, &life).map_err(SpawnError::Start)?;
        let Description { env, clear_env, cwd, stdout, stderr, setup } = self.description;
        let streams = Streams::open(stdout, stderr).map_err(SpawnError::Start)?;
        let mut spec = ChildSpec::new(&self.name, end.socket);
        (spec.env, spec.clear_env, spec.cwd) = (env, clear_env, cwd);
        (spec.stdout, spec.stderr) = (streams.stdout, streams.stderr);
        let process = match self.method.unwrap_or_else(|| self.node.start_method()) {
            StartMethod::Spawn => callboard_ipc::start(spec)?,
            StartMethod::ForkServer => {
                runtime.family.forks.start(runtime, spec, &life.given).map_err(SpawnError::Start)?
            }
        };
        let (life, outputs) =
            match join_outputs(streams.ours, &process).and_then(|o| Ok((life.bind(process.pid())?, o))) {
                Ok(ready) => ready,
                Err(error) => {
                    process.end();
                    return Err(SpawnError::Start(error));
                }
            };
        let forwards = outputs.iter().flatten().filter(|(_, usage)| *usage != Use::Capture).count();
        let cell = ChildCell::adopt(runtime, &self.name, child, process, (life, forwards))?;
        let captured = hand_out(runtime, outputs, |pipe, to| {
            let (of, its) = (Arc::downgrade(runtime), Arc::downgrade(&cell));
            let over = move || {
                if let (Some(runtime), Some(cell)) = (of.upgrade(), its.upgrade()) {
                    cell.forwarded(&runtime, 1);
                }
            };
            Forwards::add(runtime, Forward::new(pipe, to, cell.name(), cell.pid(), over))
        })
        .map_err(|error| cell.abandon(error))?;
        let given = Given { page: end.page, stdin: self.stdin, departing, is_kept, setup };
        wire::send_boot(runtime, &cell, connection, given, call).map_err(|error| cell.abandon(error))?;
        Ok(Process {
            runtime: Arc::clone(runtime),
            cell,
            captured: Mutex::new(captured),
            returns: PhantomData,
        })
    }
}

/// Each of the two streams, as far as its reader is here.
pub(crate) type Outputs = [Option<(OutputPipe, Use)>; 2];

/// Joins our ends of a process's streams with what tells of its end.
pub(crate) fn join_outputs(
    ours: [Option<(OwnedFd, Use)>; 2],
    process: &callboard_ipc::Child,
) -> io::Result<Outputs> {
    let one = |ours: Option<(OwnedFd, Use)>| {
        ours.map(|(pipe, usage)| io::Result::Ok((OutputPipe::new(pipe, process.descriptor()?), usage)))
            .transpose()
    };
    let [stdout, stderr] = ours;
    Ok([one(stdout)?, one(stderr)?])
}

/// Captured streams for the user, the others for `forward`, by which the thread gets them that passes them on.
pub(crate) fn hand_out(
    runtime: &Arc<Runtime>,
    outputs: Outputs,
    forward: impl Fn(OutputPipe, To) -> io::Result<()>,
) -> io::Result<[Option<Output>; 2]> {
    let mut captured = [None, None];
    for (at, output) in outputs.into_iter().enumerate() {
        match output {
            None => {}
            Some((pipe, Use::Capture)) => captured[at] = Some(Output::new(runtime, pipe)),
            Some((pipe, Use::Forward(to))) => forward(pipe, to)?,
        }
    }
    Ok(captured)
}

/// An id for the node of a process that is to be started; none if the kernel gave no random number.
pub(crate) fn new_id() -> Option<NodeId> {
    NodeId::new(callboard_ipc::random_u64())
}

/// A child process that runs a function, as its parent holds it.
///
/// Dropping it changes nothing for the child: it runs on until its function returns or its parent ends.
///
/// If the child ends in another way than by returning a value, and nobody asked it to, this process writes a line to
/// its own standard error, as `callboard: root: process parser (pid 4711): panicked at ...`. [`kill`](Self::kill)
/// and [`terminate`](Self::terminate) ask; a join does not. An error that the function returns, for instance a
/// [`Failure`](crate::Failure), is a value and makes no line.
#[derive(Debug)]
pub struct Process<R> {
    runtime: Arc<Runtime>,
    cell: Arc<ChildCell>,
    /// Standard output and error, if they were captured, until they are asked for.
    captured: Mutex<[Option<Output>; 2]>,
    returns: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Process<R> {
    /// Waits until the child has ended and returns what its function returned.
    ///
    /// When this returns, everything the child had put into queues is there. So do not join a child that still puts
    /// into a queue which only this thread empties: once the queue is full the child waits for room, and this thread
    /// for the child. Get first, then join. A process that the child forked without executing a program, and that left
    /// its process group, has copies of its connections: a join waits for the end of that too.
    ///
    /// # Errors
    ///
    /// [`JoinError`] says how the child ended instead, or that its puts could not all be confirmed.
    pub fn join(&self) -> Result<R, JoinError> {
        self.cell.wait(&self.runtime, None);
        self.value()
    }

    /// Waits up to `timeout` for the child's end. Zero means do not wait.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join); [`JoinError::TimedOut`] if the child still runs. It may be joined again.
    pub fn join_timeout(&self, timeout: Duration) -> Result<R, JoinError> {
        if !self.cell.wait(&self.runtime, Instant::now().checked_add(timeout)) {
            return Err(JoinError::TimedOut);
        }
        self.value()
    }

    /// What it returned, or how it ended. To be asked after its end, once.
    pub(crate) fn ended(&self) -> Result<R, JoinError> {
        self.value()
    }

    fn value(&self) -> Result<R, JoinError> {
        let value = self.cell.value()?;
        value.unpack(&self.runtime).map_err(|error| JoinError::BadValue(error.to_string()))
    }
}

impl<R> Process<R> {
    /// The process id. It stays this child's until the child has ended and is then free for others.
    pub fn pid(&self) -> u32 {
        self.cell.pid()
    }

    /// The name given at the spawn. Names of processes need not differ.
    pub fn name(&self) -> &str {
        self.cell.name()
    }

    /// The id of the child's node.
    pub fn node_id(&self) -> NodeId {
        self.cell.node_id()
    }

    /// What the child writes to its standard output, if that is [captured](Spawn::stdout_captured); once. While nobody has asked for it the
    /// process keeps it, and when it is dropped the pipe is closed.
    pub fn stdout(&self) -> Option<Output> {
        self.captured.lock()[0].take()
    }

    /// What the child writes to its standard error, if that is [captured](Spawn::stderr_captured); once.
    pub fn stderr(&self) -> Option<Output> {
        self.captured.lock()[1].take()
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// The child's end, as something to wait for.
    pub(crate) fn end(&self) -> Arc<dyn Poll> {
        Arc::clone(&self.cell) as Arc<dyn Poll>
    }

    /// Whether the child has not ended yet.
    pub fn is_alive(&self) -> bool {
        !self.cell.has_ended()
    }

    /// Ends the child now, with SIGKILL, and all that Callboard has spawned below it. Returns before they are gone;
    /// does nothing if the child has ended.
    ///
    /// Ordinary subprocesses of the child end as well, as long as they stay in its process group; those of its
    /// descendants, which are in groups of their own, do not.
    ///
    /// # Errors
    ///
    /// What the kernel says, for instance when the child has changed its user.
    pub fn kill(&self) -> io::Result<()> {
        self.cell.kill()
    }

    /// Asks the child to end, and leaves it the time it takes.
    pub(crate) fn ask_to_end(&self) {
        self.cell.terminate(&self.runtime, Duration::MAX);
    }

    /// Somebody else tells of its end.
    pub(crate) fn is_watched(&self) {
        self.cell.is_watched();
    }

    /// Has `what` run when the child has ended, on whichever thread hears of it; now if it has.
    pub(crate) fn on_end(&self, what: impl FnOnce() + Send + 'static) {
        self.cell.on_end(Box::new(what));
    }

    /// Asks the child to end, and kills it if it has not after `grace`. Returns at once.
    ///
    /// The child sees the request in [`Node::stopping`]. A grace of [`Duration::MAX`] never kills.
    pub fn terminate(&self, grace: Duration) {
        self.cell.terminate(&self.runtime, grace);
    }
}

//! A process that hosts objects for others.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::names::{NameError, Object};
use crate::node::Node;
use crate::parcel::Parcel;
use crate::process::entry::{self, Call};
use crate::process::{JoinError, Process, SpawnError};
use crate::protocol::pipe::PipeSender;
use crate::protocol::served::{Serve, Served, ServedError};

/// How long a manager sleeps between two looks at whether it is to end; it is woken for that.
const LONG: Duration = Duration::from_secs(3600);

/// Why a manager could not be started, or could not create an object.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// The manager's process could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The manager's process could not serve, for instance since its name is taken.
    #[error("the manager could not start: {0}")]
    Start(Failure),
    /// The name can't be given to the object.
    #[error("{0}")]
    Name(Failure),
    /// The manager has ended, or could not do it.
    #[error(transparent)]
    Host(#[from] ServedError),
    /// The system has no descriptors.
    #[error("the system has no room for a manager")]
    System(#[from] std::io::Error),
}

/// What runs in a manager's process.
#[derive(Debug)]
struct Factory {
    node: Node,
}

impl Factory {
    fn create<O: Object>(&mut self, (name, options): (Option<String>, O::Options)) -> Result<O, Failure> {
        match name {
            Some(name) => Ok(self.node.create(&name, options)?),
            None => Ok(self.node.anonymous(options)),
        }
    }
}

impl Factory {
    /// Runs a function of the program that its caller is too.
    fn run(&mut self, mut call: Call) -> Result<Parcel, String> {
        let rights = call.take_rights();
        entry::perform(&self.node, &call, rights)
    }
}

/// A manager as seen from any process of its job: creates objects that live in the manager's process, and so outlive whoever
/// had them created. A plain value, like any handle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Host {
    factory: Served<Factory>,
}

impl Host {
    /// The manager of this name.
    ///
    /// # Errors
    ///
    /// As [`Node::open`].
    pub fn open(node: &Node, name: &str) -> Result<Self, NameError> {
        Ok(Self { factory: node.open(name)? })
    }

    /// Creates an object under `name`: a queue, a dict, a [`Served`] object, or any other. Options with registered functions
    /// do not travel, see [`run`](Self::run).
    ///
    /// The name, and the object, last until the manager ends.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Name`], as with [`Node::create`]; [`ManagerError::Host`] if the manager has ended, or is a program of
    /// another build than this one.
    pub fn create<O>(&self, name: &str, options: O::Options) -> Result<O, ManagerError>
    where
        O: Object + Serialize + DeserializeOwned,
        O::Options: Serialize + DeserializeOwned,
    {
        let created = self.factory.call(Factory::create::<O>, (Some(name.to_owned()), options))?;
        created.map_err(ManagerError::Name)
    }

    /// Runs `f(node, args)` in the manager's process, on the node there, and returns what it returns: for objects whose
    /// options do not travel, as those with registered functions. Requests to a manager are served one after another, so it
    /// should be quick.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Host`], also if `f` panics.
    ///
    /// ```
    /// # callboard::test_door!();
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use callboard::{List, ListOptions, Manager, Node};
    ///
    /// let node = Node::start()?;
    /// let manager = Manager::start(&node, "/manager")?;
    /// let make = |node: &Node, capacity: u64| {
    ///     let options = ListOptions::new().capacity(capacity).function("add", |n: u64, by: u64| (n + by, ()));
    ///     node.create::<List<u64>>("/numbers", options).ok()
    /// };
    /// let numbers = manager.host().run(make, 100)?.ok_or("the name is taken")?;
    /// numbers.push(3)?;
    /// numbers.update::<u64, ()>(0, "add", 4)?;
    /// assert_eq!(numbers.get(0)?, Some(7));
    /// # Ok(())
    /// # }
    /// ```
    pub fn run<A, R>(&self, f: fn(&Node, A) -> R, args: A) -> Result<R, ManagerError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let (call, departing) = entry::prepare(f, &args)?;
        departing.depart();
        let value = self.factory.call(Factory::run, call)?.map_err(ServedError::Refused)?;
        value.unpack(self.factory.runtime()).map_err(|error| ServedError::BadValue(error.to_string()).into())
    }

    /// Creates an object without a name; hand it on as a value.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Host`].
    pub fn anonymous<O>(&self, options: O::Options) -> Result<O, ManagerError>
    where
        O: Object + Serialize + DeserializeOwned,
        O::Options: Serialize + DeserializeOwned,
    {
        self.factory.call(Factory::create::<O>, (None, options))?.map_err(ManagerError::Name)
    }
}

/// A process of its own that hosts objects for the others.
///
/// It is a child of the node that started it, and ends with it at the latest: start it in the root if its objects shall live
/// as long as the job. Dropping the `Manager` changes nothing. When its process ends, or is killed, everyone who uses its
/// objects is told `Disconnected`, and their names are free: a manager can be started anew under the same name, with
/// objects that begin anew.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Manager, Node, Queue, QueueOptions};
/// use std::time::Duration;
///
/// let node = Node::start()?;
/// let manager = Manager::start(&node, "/shared")?;
/// let lines: Queue<String> = manager.host().create("/lines", QueueOptions::new())?;
/// lines.put("hosted elsewhere".to_owned())?;
/// assert_eq!(lines.get()?, "hosted elsewhere");
/// manager.shutdown(Duration::from_secs(10))?;
/// # Ok(())
/// # }
/// ```
///
/// Source: `SyncManager` of Python's `multiprocessing`.
#[derive(Debug)]
pub struct Manager {
    process: Process<()>,
    host: Host,
}

impl Manager {
    /// Starts a manager under `name`, by which others [`open`](Host::open) it.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Spawn`]; [`ManagerError::Start`] if the name is taken or is none; [`ManagerError::System`].
    pub fn start(node: &Node, name: &str) -> Result<Self, ManagerError> {
        let (ready, begun) = node.one_way_pipe::<Result<Host, Failure>>()?;
        let process = node.spawn(name, serve, (name.to_owned(), ready))?;
        match begun.recv() {
            Ok(Ok(host)) => Ok(Self { process, host }),
            Ok(Err(failure)) => Err(ManagerError::Start(failure)),
            // It ended before it could say anything.
            Err(_) => Err(ManagerError::Start(match process.join() {
                Ok(()) => Failure::new("its process ended"),
                Err(error) => Failure::from(error),
            })),
        }
    }

    /// By which objects are created; clone it, and hand it on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its process.
    pub fn process(&self) -> &Process<()> {
        &self.process
    }

    /// Ends the manager in order, with all its objects, and kills it if that takes longer than `grace`. Returns when it is
    /// gone and its names are free.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if it had ended in another way.
    pub fn shutdown(self, grace: Duration) -> Result<(), JoinError> {
        self.process.terminate(grace);
        self.process.join()
    }
}

/// The life of a manager's process.
fn serve(node: &Node, (name, ready): (String, PipeSender<Result<Host, Failure>>)) {
    let factory = node.create(&name, Serve::new(Factory { node: node.clone() }));
    let begun = factory.map(|factory| Host { factory }).map_err(Failure::from);
    let has_begun = begun.is_ok();
    // Nobody to tell: then this process has no parent either.
    let told = ready.send(begun).is_ok();
    drop(ready);
    while has_begun && told && !node.wait_stopping(LONG) {}
}

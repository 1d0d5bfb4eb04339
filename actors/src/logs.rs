//! What the processes of a job log by `tracing`: gathered by one of them, or in a file for each.
//!
//! A node that is told to, and all that is spawned below it from then on, have a subscriber: a child finds in its first message how
//! its parent logs, and does the same before its function is called. Records go straight from the process that makes them to the
//! gathering one, by a socket that all of them share; no node in between has a part in it.

mod gatherer;
mod layer;
mod record;

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use callboard_ipc::{RecordSender, record_socket};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tracing_core::Dispatch;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

pub use self::record::LogRecord;

use self::gatherer::Gatherer;
use self::layer::{Destination, LogLayer};
use crate::node::Node;
use crate::runtime::{Runtime, print};

/// What is logged, and where it goes; for [`Node::start_logging`].
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{LogOptions, Node};
///
/// let node = Node::start()?;
/// // Lines of all processes on this one's standard error, and a file for each beside.
/// node.start_logging(LogOptions::new("info,parser=debug").files("logs"))?;
/// # Ok(())
/// # }
/// ```
pub struct LogOptions {
    filter: String,
    folder: Option<PathBuf>,
    each: Option<Each>,
}

/// What a gathered record is given to.
type Each = Box<dyn FnMut(&LogRecord) + Send>;

impl LogOptions {
    /// What passes `filter` is gathered, and written to this process's standard error, a line each, as [`LogRecord`] prints itself.
    ///
    /// The filter is a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or several such with targets, separated by commas:
    /// `info,parser=debug` is all up to `info`, and of the module `parser` and those in it all up to `debug`. What does not pass costs
    /// its process next to nothing. (The words are those of [`Targets`](tracing_subscriber::filter::Targets).)
    pub fn new(filter: impl Into<String>) -> Self {
        Self { filter: filter.into(), folder: None, each: None }
    }

    /// Has each gathered record given to `each`, in the place of a line on standard error.
    ///
    /// It is called on a thread for that, one record after the other, in the order in which they came: those of one process are in the order in
    /// which it made them. What it logs itself is not gathered. One that panics is told of on standard error, and called again for the
    /// next. While it takes long, the records of others wait in a socket's buffer, and then those who log; see [`Node::start_logging`].
    #[doc(alias = "QueueListener")]
    pub fn gather(mut self, each: impl FnMut(&LogRecord) + Send + 'static) -> Self {
        self.each = Some(Box::new(each));
        self
    }

    /// Has each process write its records to a file of its own in `folder`, which is made if it is not there: `name-4711.log`, after the
    /// process's name and id, with `_` for what a file's name can't have. Nothing is gathered unless [`gather`](Self::gather) says so too.
    ///
    /// A line is written at once, by one write at the file's end: a killed process's file has all that it logged.
    pub fn files(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }
}

impl fmt::Debug for LogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, folder, each } = self;
        let mut text = f.debug_struct("LogOptions");
        text.field("filter", filter).field("folder", folder).field("gather", &each.is_some()).finish()
    }
}

/// Why a node can't log so.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter can't be read.
    #[error("{filter:?} is no filter of records, such as `info` or `warn,parser=debug`: {why}")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
    /// The folder can't be made, or no file in it.
    #[error("no log can be written to {}", path.display())]
    File {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// This node has been told so before, and goes on as it was told.
    #[error("this node logs already")]
    Already,
    /// The system gave no descriptor or thread.
    #[error("the system has no room for gathering records")]
    System(#[from] io::Error),
}

/// How a node's children log: what it passes on to them.
#[derive(Clone, Debug)]
pub(crate) struct Logging {
    filter: String,
    folder: Option<PathBuf>,
    sender: Option<Arc<RecordSender>>,
}

/// The same as a child is told; the socket comes along, if there is one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogOrder {
    filter: String,
    folder: Option<ByteBuf>,
    pub(crate) has_socket: bool,
}

impl Logging {
    /// In words for a child, and the socket for it.
    fn order(&self) -> io::Result<(LogOrder, Option<OwnedFd>)> {
        let folder = self.folder.as_ref().map(|folder| ByteBuf::from(folder.as_os_str().as_bytes()));
        let socket = self.sender.as_ref().map(|sender| sender.as_fd().try_clone_to_owned()).transpose()?;
        Ok((LogOrder { filter: self.filter.clone(), folder, has_socket: socket.is_some() }, socket))
    }

    fn of(order: LogOrder, socket: Option<OwnedFd>) -> Self {
        let folder = order.folder.map(|path| PathBuf::from(std::ffi::OsString::from_vec(path.into_vec())));
        let sender = socket.map(|socket| Arc::new(RecordSender::from(socket)));
        Self { filter: order.filter, folder, sender }
    }

    /// Has this process log so, unless it has a subscriber already; whether it does. What is logged by `gatherer`'s thread is not sent.
    fn subscribe(&self, name: &str, gatherer: Option<&Gatherer>) -> Result<bool, LogError> {
        let targets = Targets::from_str(&self.filter)
            .map_err(|error| LogError::Filter { filter: self.filter.clone(), why: error.to_string() })?;
        if tracing_core::dispatcher::has_been_set() {
            return Ok(false);
        }
        let file = self.folder.as_ref().map(|folder| open_log(folder, name)).transpose()?;
        let socket = self.sender.as_ref().map(|sender| Destination::Gathered {
            sender: Arc::clone(sender),
            gatherer: gatherer.map(Gatherer::thread),
        });
        let layers: Vec<_> = file
            .map(Destination::File)
            .into_iter()
            .chain(socket)
            .map(|to| LogLayer::new(name, to).boxed())
            .collect();
        let subscriber = Registry::default().with(layers.with_filter(targets));
        Ok(tracing_core::dispatcher::set_global_default(Dispatch::new(subscriber)).is_ok())
    }
}

/// Opens the file in which this process logs.
fn open_log(folder: &Path, name: &str) -> Result<File, LogError> {
    let name: String = name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
    let path = folder.join(format!("{name}-{}.log", std::process::id()));
    let file = File::options().create(true).append(true).open(&path);
    file.map_err(|source| LogError::File { path, source })
}

/// A node's part in it.
#[derive(Default)]
pub(crate) struct Logs {
    /// As its parent told it, or its user.
    logging: Mutex<Option<Logging>>,
    gatherer: Mutex<Option<Gatherer>>,
}

impl Logs {
    /// As a child's parent wants it.
    ///
    /// # Errors
    ///
    /// Why this child can't begin.
    pub(crate) fn follow(
        &self,
        runtime: &Runtime,
        order: LogOrder,
        socket: Option<OwnedFd>,
    ) -> Result<(), LogError> {
        let logging = Logging::of(order, socket);
        if !logging.subscribe(&runtime.name, None)? {
            runtime.complain("what this process logs goes to the subscriber that it had before its node");
        }
        *self.logging.lock() = Some(logging);
        Ok(())
    }

    /// How a child is to log, and the socket for it.
    pub(crate) fn order(&self) -> io::Result<(Option<LogOrder>, Option<OwnedFd>)> {
        let logging = self.logging.lock().clone();
        let Some(logging) = logging else { return Ok((None, None)) };
        logging.order().map(|(order, socket)| (Some(order), socket))
    }

    /// Has `then` called when all records have been handled that are there now; false if this node gathers none, and nobody is called.
    pub(crate) fn after_those_there(&self, then: impl FnOnce() + Send + 'static) -> bool {
        self.gatherer.lock().as_ref().is_some_and(|gatherer| gatherer.mark(Box::new(then)))
    }

    /// Whether this node gathers records.
    pub(crate) fn are_gathered(&self) -> bool {
        self.gatherer.lock().is_some()
    }

    /// The node ends: handles what is there.
    pub(crate) fn end(&self, runtime: &Runtime) {
        let gatherer = self.gatherer.lock().take();
        if gatherer.is_some_and(|gatherer| !gatherer.finish()) {
            runtime.complain(
                "what is called for records takes longer than 5 s, and the node does not wait for it",
            );
        }
    }
}

impl Node {
    /// From now on this process, and each that is spawned below this node, logs by [`tracing`](https://docs.rs/tracing) as `options` say: children of children,
    /// workers of pools and pipelines, actors in processes of their own. Not those that were spawned before, nor guests, nor other
    /// programs.
    ///
    /// A record is sent by the call that makes it, and is then with the kernel: it is gathered though its process is killed in the next
    /// instant. What a child of this node has logged, or anybody before that child ended, has been handled before its
    /// [`join`](crate::Process::join) returns, or a second after its end, if what handles records takes so long. When the node ends all
    /// records are handled that are there; it waits up to 5 s for that.
    ///
    /// While this process is stopped, or what handles records takes long, those who log wait, as they would for a pipe that nobody
    /// reads; but for a second only. Then records are dropped until there is room again: the next one that is handled says how many
    /// its process has [lost](LogRecord::lost). A record has 24 KiB of text at most; what is longer is cut, and ends with `…`.
    ///
    /// A process has one subscriber for all its threads. One that has set another before, as a `main` may have
    /// before [`Node::start`], keeps that, and its own records go there; those of other processes are gathered. A child says so on standard error.
    /// In this process it stays after the node's end, and what is logged then goes nowhere, but for a file.
    ///
    /// A node below another that logs may be told otherwise, for what is spawned below it from then on. Its own process goes on as before.
    ///
    /// # Errors
    ///
    /// [`LogError`]; nothing has changed then. A child that can't open its file does not begin: its join says
    /// [`JoinError::FailedStart`](crate::JoinError::FailedStart).
    #[doc(alias = "log_to_stderr")]
    #[doc(alias = "get_logger")]
    pub fn start_logging(&self, options: LogOptions) -> Result<(), LogError> {
        let runtime = self.runtime();
        let LogOptions { filter, folder, each } = options;
        // Held over all of it: of two that begin at once one is the second.
        let mut gatherer = runtime.logs.gatherer.lock();
        if gatherer.is_some() {
            return Err(LogError::Already);
        }
        let folder = folder.map(made).transpose()?;
        let each = match each {
            None if folder.is_none() => {
                Some(Box::new(|record: &LogRecord| print(&record.to_string())) as Each)
            }
            each => each,
        };
        let (fresh, sender) = match each {
            Some(each) => {
                let (sender, receiver) = record_socket()?;
                (Some(Gatherer::start(&runtime.name, receiver, each)?), Some(Arc::new(sender)))
            }
            None => (None, None),
        };
        let logging = Logging { filter, folder, sender };
        logging.subscribe(&runtime.name, fresh.as_ref())?;
        *runtime.logs.logging.lock() = Some(logging);
        *gatherer = fresh;
        Ok(())
    }
}

/// The folder, made if it was not there, wherever processes have their working directory.
fn made(folder: PathBuf) -> Result<PathBuf, LogError> {
    let made = DirBuilder::new().recursive(true).create(&folder).and_then(|()| std::path::absolute(&folder));
    made.map_err(|source| LogError::File { path: folder, source })
}

//! How processes are started.

use std::fmt;
use std::io;
use std::str::FromStr;

use super::Spawn;
use crate::node::Node;

/// How a process is started that runs a function: anew, or as a copy of one that has been started early.
///
/// Whichever it is, the process has the environment, the working directory and the standard streams that this one has at that moment, but for what was
/// said of it, is a child of this process, and ends with it. It says nothing of [commands](Node::command), which are other programs.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Node, StartMethod};
///
/// let node = Node::start()?;
/// for method in StartMethod::available() {
///     let child = node.process("adder").start_method(method).spawn(|_, (a, b)| a + b, (2, 3))?;
///     println!("{method}: {}", child.join()?);
/// }
/// let refused = "fork".parse::<StartMethod>().unwrap_err();
/// assert!(refused.to_string().contains("one thread"));
/// # Ok(())
/// # }
/// ```
///
/// Source: `set_start_method` and `get_context` of Python's `multiprocessing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartMethod {
    /// The program is run again, up to [`Node::start`], and takes the function there.
    #[default]
    Spawn,
    /// The program is run again once, up to [`Node::start`]: this is the server, which is started with the first process that is wanted so. It is copied for
    /// each process, by a `fork` of a process with one thread. What `main` does before [`Node::start`] is done once and each process has its result: so
    /// have much of it if it takes long. Descriptors opened there are shared, with the place in their files. Limits, processors, niceness, the mask of rights for new files
    /// (`umask`) and which signals are ignored or blocked are those that this process, or the thread that wanted the first process, had when the server was started;
    /// handlers of signals are those that `main` sets before [`Node::start`]. Handlers that C code has for forks (`pthread_atfork`) are not run.
    ///
    /// Needs Linux 5.5, the C library of GNU, and a kernel that lets processes be checkpointed, as those of all distributions do; see [`available`](Self::available).
    ForkServer,
}

impl StartMethod {
    /// All of them, also those that this system can't.
    pub const ALL: [Self; 2] = [Self::Spawn, Self::ForkServer];

    /// Those that this system can.
    #[doc(alias = "get_all_start_methods")]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|method| method.check().is_ok()).collect()
    }

    /// # Errors
    ///
    /// What is missing.
    pub(crate) fn check(self) -> io::Result<()> {
        match self {
            Self::Spawn => Ok(()),
            Self::ForkServer => callboard_ipc::can_fork()
                .map_err(|error| io::Error::new(io::ErrorKind::Unsupported, format!("{self}: {error}"))),
        }
    }

    /// Its name, as in Python.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::ForkServer => "forkserver",
        }
    }
}

impl fmt::Display for StartMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a name is not that of a [`StartMethod`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartMethodError {
    /// `fork`, which is not offered.
    #[error(
        "\"fork\" is no start method here: a copy of a process with several threads has but one thread, and whatever locks the others \
         held are held in it for ever; take \"forkserver\" or \"spawn\""
    )]
    Fork,
    /// Nobody knows it.
    #[error("{0:?} is no start method: expected \"spawn\" or \"forkserver\"")]
    Unknown(String),
}

impl FromStr for StartMethod {
    type Err = StartMethodError;

    fn from_str(name: &str) -> Result<Self, StartMethodError> {
        match name {
            "fork" => Err(StartMethodError::Fork),
            _ => {
                let found = Self::ALL.into_iter().find(|method| method.name() == name);
                found.ok_or_else(|| StartMethodError::Unknown(name.to_owned()))
            }
        }
    }
}

impl Node {
    /// How this node starts processes, unless something else is said of one: [`StartMethod::Spawn`] at first, in children too.
    #[doc(alias = "get_start_method")]
    pub fn start_method(&self) -> StartMethod {
        *self.runtime().family.start_method.lock()
    }

    /// Has processes started so from now on, workers of pools and pipelines and what supervisors keep among them.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) if this system can't; nothing is changed then.
    pub fn set_start_method(&self, method: StartMethod) -> io::Result<()> {
        method.check()?;
        *self.runtime().family.start_method.lock() = method;
        Ok(())
    }
}

impl Spawn<'_> {
    /// Has it started in this way, whatever [`Node::start_method`] says.
    pub fn start_method(mut self, method: StartMethod) -> Self {
        self.method = Some(method);
        self
    }
}

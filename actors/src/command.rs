//! Other programs as children of a node.
//!
//! [`StartCommand`] describes one and starts its guard (`command/guard.rs`), which starts the program; [`Command`] is what the user holds,
//! `command/cell.rs` what the node knows, `command/wire.rs` what node and guard say to each other.

pub(crate) mod cell;
mod collect;
pub(crate) mod guard;
mod input;
mod start;
pub(crate) mod wire;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_ipc::InputPipe;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

pub use self::collect::{CommandOutput, CommandOutputError};
pub use self::input::CommandInput;

use self::cell::CommandCell;
use self::wire::Order;
use crate::hook::Poll;
use crate::node::Node;
use crate::process::description::{Description, describes};
use crate::process::{JoinError, Output};
use crate::runtime::Runtime;

/// Why a program was not started. Nothing is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such program.
    #[error("there is no program {program:?} in {searched}")]
    NotFound {
        /// What was asked for.
        program: String,
        /// Where it was looked for: the `PATH` that the command has, or a folder.
        searched: String,
    },
    /// A limit, processors or a niceness that it was to have.
    #[error("the program {program:?} was not run: {what}")]
    Refused {
        /// What was asked for.
        program: String,
        /// What could not be had, and why.
        what: String,
    },
    /// It can't be run: it is no program, or not for this user, its interpreter is missing, its arguments are too long.
    #[error("the program {program:?} can't be run: {reason}")]
    Exec {
        /// What was asked for.
        program: String,
        /// What the system said.
        reason: String,
    },
    /// The working directory can't be used.
    #[error("{0}")]
    Directory(String),
    /// The process that guards it could not be started, or ended before it had started the program.
    #[error("no process could be started to guard the program: {0}")]
    Guard(String),
}

/// Where a command's standard input comes from.
#[derive(Debug, Default)]
enum Stdin {
    #[default]
    Null,
    Inherit,
    Piped,
    Fd(OwnedFd),
}

/// Another program to be started. Made by [`Node::command`].
///
/// By default it inherits the environment, the working directory, standard output and standard error, limits and processors; its standard input
/// is empty. It has no other descriptor than these three, whatever is open here. Signals that this process ignores it ignores too, but for SIGPIPE.
///
/// Processors, niceness and limits it has before it begins; what can't be had is a [`CommandError::Refused`].
#[derive(Debug)]
#[must_use = "nothing is started before `spawn`"]
pub struct StartCommand<'a> {
    runtime: &'a Arc<Runtime>,
    program: OsString,
    args: Vec<OsString>,
    name: Option<String>,
    stdin: Stdin,
    description: Description,
}

impl Node {
    /// Describes a program to be started: any, found in `PATH`, or by its path if there is a slash in it.
    ///
    /// Its life is as that of a function's process: it ends when it ends by itself, is [killed](Command::kill), or this node ends, in whatever
    /// way. See [`Command`].
    ///
    /// ```
    /// # callboard::test_door!();
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = callboard::Node::start()?;
    /// let sort = node.command("sort").arg("-n").stdin_piped().stdout_captured().spawn()?;
    /// let mut input = sort.stdin().ok_or("it is piped")?;
    /// std::io::Write::write_all(&mut input, b"10\n9\n")?;
    /// drop(input);
    /// let lines: Vec<String> = sort.stdout().ok_or("it is captured")?.lines().collect::<Result<_, _>>()?;
    /// assert_eq!(lines, ["9", "10"]);
    /// sort.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "subprocess")]
    #[doc(alias = "Popen")]
    pub fn command(&self, program: impl AsRef<OsStr>) -> StartCommand<'_> {
        StartCommand::new(self.runtime(), program.as_ref())
    }
}

impl<'a> StartCommand<'a> {
    pub(crate) fn new(runtime: &'a Arc<Runtime>, program: &OsStr) -> Self {
        Self {
            runtime,
            program: program.to_owned(),
            args: Vec::new(),
            name: None,
            stdin: Stdin::default(),
            description: Description::default(),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// What it is called here; the last part of the program's path unless it is set. Names need not differ.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    describes!();

    /// Starts it from an empty environment, and what is set by [`env`](Self::env).
    pub fn env_clear(mut self) -> Self {
        self.description.clear_env = true;
        self
    }

    /// Gives it this process's standard input. A terminal it can't read: it is in a process group of its own, and the kernel stops those that
    /// read a terminal from the background.
    pub fn stdin_inherit(mut self) -> Self {
        self.stdin = Stdin::Inherit;
        self
    }

    /// Has its standard input for this process to write: see [`CommandInput`].
    pub fn stdin_piped(mut self) -> Self {
        self.stdin = Stdin::Piped;
        self
    }

    /// Gives it a standard input: a file, or the reading end of a pipe.
    pub fn stdin(mut self, from: impl Into<OwnedFd>) -> Self {
        self.stdin = Stdin::Fd(from.into());
        self
    }

    /// Starts the program. `Ok` means that the kernel runs it.
    ///
    /// Takes some three milliseconds, in which two processes are started, since a process of ours is started to guard it, and up to a minute if somebody stops that one.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn spawn(self) -> Result<Command, CommandError> {
        let guard = |error: io::Error| CommandError::Guard(error.to_string());
        let base = Path::new(&self.program).file_name().unwrap_or(&self.program);
        let name = self.name.unwrap_or_else(|| base.to_string_lossy().into_owned());
        let (stdin, ours) = match self.stdin {
            Stdin::Null => (None, None),
            Stdin::Inherit => (Some(io::stdin().as_fd().try_clone_to_owned().map_err(guard)?), None),
            Stdin::Fd(fd) => (Some(fd), None),
            Stdin::Piped => {
                let (theirs, ours) = io::pipe().map_err(guard)?;
                (Some(theirs.into()), Some(OwnedFd::from(ours)))
            }
        };
        let order = Order::new(&self.program, self.args, self.description.setup.clone(), stdin.is_some());
        let (cell, outputs) = CommandCell::start(self.runtime, &name, order, stdin, self.description)?;
        let runtime = self.runtime;
        let input = ours.map(|ours| {
            let pipe = InputPipe::new(ours, cell.descriptor()?)?;
            Ok(CommandInput::new(runtime, pipe))
        });
        let input = input.transpose().map_err(|error| {
            cell.abandon(runtime);
            guard(error)
        })?;
        let [stdout, stderr] = outputs;
        let streams = Mutex::new(Streams { input, stdout, stderr });
        Ok(Command { runtime: Arc::clone(runtime), cell, streams })
    }
}

/// Another program that runs as a child of this node.
///
/// # What ends with what
///
/// The program and all that it starts form a process group, as far as they stay in it: most do; shells that people type into put their jobs into
/// others, and daemons leave on purpose. The group ends with the program: what is left of it when that has ended, in whatever way, is killed. And
/// it ends with this process: if that is killed, at any instant, the kernel kills the group, stopped processes too. When the node ends in
/// order, its commands are killed like its other children; who wants them to finish [waits](Self::wait) for them.
///
/// What has left the group is nobody's. A program that runs as another user than this one, by a mark on its file, is ended with the node as far as this
/// user may end it.
///
/// A program is started by a process of this program that guards it, leads the group, and does nothing else. If somebody kills the guard the
/// group is killed; if somebody stops it the end of the program is told when it goes on. If somebody kills guard and node
/// at the same moment, as `killall` does, since they have one name, the program ends all the same, but what it has started may stay.
///
/// Dropping this changes nothing for the program, but that pipes to and from it which were not taken are closed.
///
/// Source: `subprocess.Popen` of Python.
#[derive(Debug)]
pub struct Command {
    runtime: Arc<Runtime>,
    cell: Arc<CommandCell>,
    streams: Mutex<Streams>,
}

/// What has not been asked for.
#[derive(Debug)]
struct Streams {
    input: Option<CommandInput>,
    stdout: Option<Output>,
    stderr: Option<Output>,
}

impl Command {
    /// The program's process id. It stays its own until it has ended and is then free for others.
    pub fn pid(&self) -> u32 {
        self.cell.pid()
    }

    /// What it is called here.
    pub fn name(&self) -> &str {
        self.cell.name()
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&self) -> bool {
        !self.cell.has_ended()
    }

    /// What is written here the program reads, if its input is [piped](StartCommand::stdin_piped); once. Dropped, it is the end of the program's
    /// input.
    pub fn stdin(&self) -> Option<CommandInput> {
        self.streams.lock().input.take()
    }

    /// What the program writes to its standard output, if that is [captured](StartCommand::stdout_captured); once.
    pub fn stdout(&self) -> Option<Output> {
        self.streams.lock().stdout.take()
    }

    /// What the program writes to its standard error, if that is [captured](StartCommand::stderr_captured); once.
    pub fn stderr(&self) -> Option<Output> {
        self.streams.lock().stderr.take()
    }

    /// Waits for the program's end. `Ok` means that it ended with exit code 0. May be called again.
    ///
    /// If its input is piped and nobody has taken that, it is closed first. A program whose captured output nobody reads waits, once a pipe is full: see
    /// [`Output`].
    ///
    /// # Errors
    ///
    /// [`JoinError::Exited`] with any other code, [`JoinError::Signalled`], [`JoinError::OutOfMemory`].
    #[doc(alias = "join")]
    pub fn wait(&self) -> Result<(), JoinError> {
        drop(self.stdin());
        self.runtime.wait_until(&*self.cell, None);
        self.cell.outcome()
    }

    /// Waits up to `timeout` for the program's end; zero means do not wait.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait); [`JoinError::TimedOut`] if it still runs. Its input stays open.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), JoinError> {
        self.runtime.wait_until(&*self.cell, Instant::now().checked_add(timeout));
        self.cell.outcome()
    }

    /// Ends the program now, with SIGKILL, and then what is left of its group. Returns before they are gone; does nothing if it has ended.
    ///
    /// # Errors
    ///
    /// What the system says, for instance that the program has changed its user.
    pub fn kill(&self) -> io::Result<()> {
        self.cell.kill(&self.runtime)
    }

    /// Sends it SIGTERM, and kills it as [`kill`](Self::kill) does if it has not ended after `grace`. Returns at once.
    ///
    /// A grace of [`Duration::MAX`] never kills. A stopped program sees the request when it goes on.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn terminate(&self, grace: Duration) -> io::Result<()> {
        self.cell.terminate(&self.runtime, grace)
    }

    /// Sends the program, and not what it has started, the signal of that number. Does nothing if it has ended.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is no such signal, else as [`kill`](Self::kill).
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        self.cell.signal(signal)
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// Its end, as something to wait for.
    pub(crate) fn end(&self) -> Arc<dyn Poll> {
        Arc::clone(&self.cell) as Arc<dyn Poll>
    }
}

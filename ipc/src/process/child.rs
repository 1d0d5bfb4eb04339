//! A child process: starting it, watching it, ending it.
//!
//! The child is this program again, with one socket as its standard input. It is watched and ended by its process
//! descriptor, never by its number, which the kernel may give to another process.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use thiserror::Error;

use super::executable::executable;
use crate::{bootstrap, life_line, oom};

/// What a child's output stream is connected to.
#[derive(Debug)]
pub enum StdStream {
    /// Where this process's own goes.
    Inherit,
    /// Nowhere.
    Null,
    /// This descriptor, which stays close-on-exec here.
    Fd(OwnedFd),
}

impl From<StdStream> for Stdio {
    fn from(stream: StdStream) -> Self {
        match stream {
            StdStream::Inherit => Stdio::inherit(),
            StdStream::Null => Stdio::null(),
            StdStream::Fd(fd) => Stdio::from(fd),
        }
    }
}

/// What to start.
#[derive(Debug)]
pub struct ChildSpec {
    /// What the child is called in errors.
    pub name: String,
    /// The child's arguments, the program's name first; none stands for this process's own.
    pub args: Option<Vec<OsString>>,
    /// Changes to the environment, in order: a value sets a variable, none removes it.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Whether the child starts from an empty environment or from this process's.
    pub clear_env: bool,
    /// The child's working directory; none stands for this process's.
    pub cwd: Option<PathBuf>,
    /// The child's standard output.
    pub stdout: StdStream,
    /// The child's standard error.
    pub stderr: StdStream,
    /// The child's end of the socket; closed in this process once the child has it.
    pub socket: OwnedFd,
}

impl ChildSpec {
    /// A child that differs from this process in nothing but its standard input.
    pub fn new(name: impl Into<String>, socket: OwnedFd) -> Self {
        Self {
            name: name.into(),
            args: None,
            env: Vec::new(),
            clear_env: false,
            cwd: None,
            stdout: StdStream::Inherit,
            stderr: StdStream::Inherit,
            socket,
        }
    }
}

/// Why a child was not started. None is left in any case.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// The descriptor to hand over is no socket, or the working directory or the program cannot be found.
    #[error("cannot prepare child {name:?}")]
    Prepare {
        /// The child's name.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel did not run the program: no more processes, no such file or directory, not permitted.
    #[error("cannot start child {name:?} from {}", path.display())]
    Exec {
        /// The child's name.
        name: String,
        /// The file that was to be run.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The child started but could not be watched, so it was killed.
    #[error("cannot watch child {name:?}")]
    Watch {
        /// The child's name.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Starts this program again in a process group of its own, with the socket as its standard input.
///
/// Returns when the program has been loaded; `Ok` does not mean that it ran a single instruction. In the
/// child, [`take_bootstrap`](crate::take_bootstrap) takes the socket. Descriptors that this process holds without close-on-exec,
/// which nothing here makes but other code may, reach the child as they reach any command.
///
/// # Errors
///
/// See [`SpawnError`].
pub fn start(spec: ChildSpec) -> Result<Child, SpawnError> {
    let name = spec.name.clone();
    let prepare = |source| SpawnError::Prepare { name: name.clone(), source };
    let path = executable().map_err(prepare)?;
    spec.cwd.as_deref().map_or(Ok(()), check_directory).map_err(prepare)?;
    // Before it can have been killed.
    let oom_kills = oom::kills();
    let token = bootstrap::token_for(spec.socket.as_fd()).map_err(prepare)?;
    let mut command = command(spec, &path);
    command.env(bootstrap::VARIABLE, token);
    let spawned = command.spawn();
    // The command holds the child's end of the socket. While it is open here, the child's death is not seen.
    drop(command);
    match spawned {
        Ok(child) => watch(child, oom_kills).map_err(|source| SpawnError::Watch { name, source }),
        Err(source) => Err(SpawnError::Exec { name, path, source }),
    }
}

/// The kernel would say "no such file or directory" of a missing directory and of a missing program alike.
pub(crate) fn check_directory(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
        Err(error) => Err(error),
    }
    .map_err(|error| io::Error::new(error.kind(), format!("working directory {}: {error}", path.display())))
}

/// Nothing here may need code between fork and exec: then the standard library uses `posix_spawn`, which
/// copies no page tables however large this process is.
fn command(spec: ChildSpec, path: &Path) -> Command {
    let mut command = Command::new(path);
    let args = spec.args.unwrap_or_else(|| std::env::args_os().collect());
    let mut args = args.into_iter();
    if let Some(program) = args.next() {
        command.arg0(program);
    }
    command.args(args);
    if spec.clear_env {
        command.env_clear();
    }
    for (key, value) in spec.env {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    if let Some(cwd) = spec.cwd {
        command.current_dir(cwd);
    }
    if !life_line::leads_own_group() {
        command.process_group(0);
    }
    command.stdin(spec.socket).stdout(spec.stdout).stderr(spec.stderr);
    command
}

/// Opens the process descriptor of a child just started.
///
/// Its number cannot have been given to another process yet: the child is ours and nobody has reaped it.
/// (Where SIGCHLD is ignored the kernel reaps by itself; a child that ended already is then an error.)
fn watch(mut child: std::process::Child, oom_kills: Option<u64>) -> io::Result<Child> {
    let pidfd = Pid::from_raw(child.id().cast_signed())
        .ok_or(Errno::SRCH)
        .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()));
    match pidfd {
        Ok(pidfd) => Ok(Child { pid: child.id(), pidfd, oom_kills }),
        Err(error) => {
            // Both can only say that the child has gone already.
            let _ = child.kill();
            let _ = child.wait();
            Err(error.into())
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned from `main` or called `exit` with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
        /// Whether the kernel wrote a core file.
        core_dumped: bool,
    },
    /// It has ended, but somebody else collected how: this process ignores SIGCHLD, waits for every child
    /// elsewhere, or has collected this one before.
    Unknown,
}

/// A child process that has not been collected yet.
///
/// As a descriptor it becomes readable when the process has ended. Dropping it neither ends nor collects the process: kill it
/// and call [`Child::try_reap`] until it answers, or a zombie stays as long as this process.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    pidfd: OwnedFd,
    /// How many processes the kernel had killed for lack of memory when this one was started.
    oom_kills: Option<u64>,
}

impl Child {
    /// A process that is known by its descriptor, and that another may collect: then [`try_reap`](Self::try_reap) says that it is unknown how
    /// it ended.
    pub fn watched(pid: u32, pidfd: OwnedFd) -> Self {
        Child { pid, pidfd, oom_kills: oom::kills() }
    }

    /// The process's descriptor, once more: readable when it has ended, also after it was reaped.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.pidfd.try_clone()
    }

    /// The process's number, for people to read; it may name another process once this one is collected.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Collects how the process ended; none while it still runs.
    ///
    /// # Errors
    ///
    /// What the kernel says; none is expected.
    pub fn try_reap(&self) -> io::Result<Option<Exit>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let peek =
            rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options | WaitIdOptions::NOWAIT);
        // What it has just started may still be in its group, unbound and stopped. The group's number is its own until it is collected.
        if let Ok(Some(status)) = peek
            && status.terminating_signal().is_some()
        {
            self.kill_group()?;
        }
        match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
            Ok(status) => Ok(status.map(exit)),
            Err(Errno::CHILD) => Ok(Some(Exit::Unknown)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the kernel has killed for lack of memory since this process was started: this one, if it was ended by SIGKILL and nobody
    /// has sent that, or another of its control group; where groups don't tell, of the whole machine. False if the kernel does not say.
    pub fn kernel_has_killed_since(&self) -> bool {
        oom::has_killed(self.oom_kills, oom::kills())
    }

    /// Ends the process at once, even if it is stopped. A process that has ended already is no error.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the process has become another user.
    pub fn kill(&self) -> io::Result<()> {
        self.send(Signal::KILL)
    }

    /// Ends the process at once and collects it; for one that nobody is to have.
    pub fn end(self) {
        // Both can only say that it has gone already.
        let _ = self.kill();
        while matches!(self.try_reap(), Ok(None)) {
            let _ = crate::wait_readable(self.pidfd.as_fd(), None);
        }
    }

    /// Ends it with all processes of its process group: what it started by other means and what has not left the group.
    ///
    /// Only for one that has not been reaped: afterwards the group's number may be somebody else's.
    ///
    /// # Errors
    ///
    /// As [`Child::kill`].
    pub fn kill_group(&self) -> io::Result<()> {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw) {
            // That there is no such group means that it has ended.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
        self.kill()
    }

    /// Sends signal number `signal`. A process that has ended already is no error.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is no such signal (real-time signals are not offered), else as
    /// [`Child::kill`].
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        let known = Signal::from_named_raw(signal);
        self.send(known.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("there is no signal {signal}"))
        })?)
    }

    fn send(&self, signal: Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

fn exit(status: WaitIdStatus) -> Exit {
    if let Some(code) = status.exit_status() {
        return Exit::Code(code);
    }
    match status.terminating_signal() {
        Some(signal) => Exit::Signal { signal, core_dumped: status.dumped() },
        // Only ended processes were asked for, and those ended by a code or a signal.
        None => Exit::Unknown,
    }
}

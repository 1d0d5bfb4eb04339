//! What is said of a process before it is started, be it a function of ours or another program.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use callboard_ipc::StdStream;

use super::Spawn;
use super::forward::To;
use super::setup::Setup;

/// Environment, directory, streams and setup.
#[derive(Debug, Default)]
pub(crate) struct Description {
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    pub(crate) clear_env: bool,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
    pub(crate) setup: Setup,
}

/// How processes are described that somebody starts on a user's behalf: workers of a pool, children of a supervisor.
#[derive(Clone, Default)]
pub(crate) struct Describe(pub(crate) Option<Arc<DescribeFn>>);

/// Adds to what is said of a process.
pub(crate) type DescribeFn = dyn for<'n> Fn(Spawn<'n>) -> Spawn<'n> + Send + Sync;

impl std::fmt::Debug for Describe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "described" } else { "plain" })
    }
}

/// Where an output stream goes.
#[derive(Debug, Default)]
pub(crate) enum Stream {
    #[default]
    Inherit,
    Null,
    Fd(OwnedFd),
    Captured,
    Forwarded,
    /// Of standard error: where standard output goes.
    WithStdout,
}

/// What its parent does with the other end of an output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Capture,
    Forward(To),
}

/// Both streams, made ready for a child that is to be started.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdout: StdStream,
    pub(crate) stderr: StdStream,
    /// Our ends of pipes, that of standard output first.
    pub(crate) ours: [Option<(OwnedFd, Use)>; 2],
}

impl Streams {
    /// # Errors
    ///
    /// What the system says when descriptors run out.
    pub(crate) fn open(stdout: Stream, stderr: Stream) -> io::Result<Self> {
        let (stdout, our_stdout) = one(stdout, To::Stdout)?;
        let (stderr, our_stderr) = match stderr {
            Stream::WithStdout => (again(&stdout)?, None),
            other => one(other, To::Stderr)?,
        };
        Ok(Self { stdout, stderr, ours: [our_stdout, our_stderr] })
    }
}

/// What the child gets, and what is ours of it.
type Ends = (StdStream, Option<(OwnedFd, Use)>);

fn one(stream: Stream, to: To) -> io::Result<Ends> {
    let usage = match stream {
        Stream::Inherit | Stream::WithStdout => return Ok((StdStream::Inherit, None)),
        Stream::Null => return Ok((StdStream::Null, None)),
        Stream::Fd(fd) => return Ok((StdStream::Fd(fd), None)),
        Stream::Captured => Use::Capture,
        Stream::Forwarded => Use::Forward(to),
    };
    let (theirs, ours) = callboard_ipc::output_pipe()?;
    Ok((StdStream::Fd(theirs), Some((ours, usage))))
}

fn again(stdout: &StdStream) -> io::Result<StdStream> {
    Ok(match stdout {
        StdStream::Inherit => StdStream::Fd(io::stdout().as_fd().try_clone_to_owned()?),
        StdStream::Null => StdStream::Null,
        StdStream::Fd(fd) => StdStream::Fd(fd.try_clone()?),
    })
}

/// The verbs that describe a process, for a type with a field `description`.
macro_rules! describes {
    () => {
        /// Sets a variable of its environment.
        pub fn env(mut self, key: impl AsRef<std::ffi::OsStr>, value: impl AsRef<std::ffi::OsStr>) -> Self {
            self.description.env.push((key.as_ref().to_owned(), Some(value.as_ref().to_owned())));
            self
        }

        /// Removes a variable from its environment.
        pub fn env_remove(mut self, key: impl AsRef<std::ffi::OsStr>) -> Self {
            self.description.env.push((key.as_ref().to_owned(), None));
            self
        }

        /// Sets its working directory.
        #[doc(alias = "current_dir")]
        pub fn cwd(mut self, path: impl AsRef<std::path::Path>) -> Self {
            self.description.cwd = Some(path.as_ref().to_owned());
            self
        }

        /// Sends its standard output to a file or pipe.
        pub fn stdout(mut self, to: impl Into<std::os::fd::OwnedFd>) -> Self {
            self.description.stdout = $crate::process::description::Stream::Fd(to.into());
            self
        }

        /// Discards its standard output.
        pub fn stdout_null(mut self) -> Self {
            self.description.stdout = $crate::process::description::Stream::Null;
            self
        }

        /// Has its standard output for this process to read: see [`Output`](crate::Output).
        #[doc(alias = "PIPE")]
        pub fn stdout_captured(mut self) -> Self {
            self.description.stdout = $crate::process::description::Stream::Captured;
            self
        }

        /// Passes its standard output on to that of this process, line by line, each with its name and process id: `[parser 4711] text`.
        ///
        /// A line is never mixed with another's, nor with what this process writes by `println`. What it has begun when it ends or is killed is
        /// a line too. All that it wrote is passed on before its end is told, or a second after its end, if whoever reads our output has not
        /// taken it by then. Lines of more than 1 MiB come in pieces.
        pub fn stdout_forwarded(mut self) -> Self {
            self.description.stdout = $crate::process::description::Stream::Forwarded;
            self
        }

        /// Sends its standard error to a file or pipe.
        pub fn stderr(mut self, to: impl Into<std::os::fd::OwnedFd>) -> Self {
            self.description.stderr = $crate::process::description::Stream::Fd(to.into());
            self
        }

        /// Discards its standard error. Not the line that this process writes if a [`Process`](crate::Process) ends unexpectedly.
        pub fn stderr_null(mut self) -> Self {
            self.description.stderr = $crate::process::description::Stream::Null;
            self
        }

        /// Has its standard error for this process to read: see [`Output`](crate::Output). If standard output is captured too, whoever reads
        /// one to its end before the other may wait for ever: see [`stderr_to_stdout`](Self::stderr_to_stdout).
        pub fn stderr_captured(mut self) -> Self {
            self.description.stderr = $crate::process::description::Stream::Captured;
            self
        }

        /// Passes its standard error on to that of this process, as [`stdout_forwarded`](Self::stdout_forwarded) does.
        pub fn stderr_forwarded(mut self) -> Self {
            self.description.stderr = $crate::process::description::Stream::Forwarded;
            self
        }

        /// Sends its standard error where its standard output goes.
        #[doc(alias = "STDOUT")]
        pub fn stderr_to_stdout(mut self) -> Self {
            self.description.stderr = $crate::process::description::Stream::WithStdout;
            self
        }

        /// Limits what it may take, and each process that it starts; [`u64::MAX`] is no limit. A limit can only be raised by the superuser.
        #[doc(alias = "rlimit")]
        #[doc(alias = "setrlimit")]
        pub fn limit(mut self, what: crate::Limit, most: u64) -> Self {
            self.description.setup.limits.push((what, most));
            self
        }

        /// Holds it to processors, by their numbers: all its threads, and what it starts.
        #[doc(alias = "affinity")]
        #[doc(alias = "cpu_set")]
        pub fn processors(mut self, numbers: impl IntoIterator<Item = usize>) -> Self {
            self.description.setup.processors = Some(numbers.into_iter().collect());
            self
        }

        /// How much it leaves to others: -20, least, to 19. Zero is usual; only the superuser may go below what this process has.
        pub fn nice(mut self, nice: i32) -> Self {
            self.description.setup.nice = Some(nice);
            self
        }
    };
}
pub(crate) use describes;

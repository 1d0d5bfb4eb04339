//! Programs that are run to their end: what they are given, and all that they write.
//!
//! Three threads at most: one writes the input, one reads each stream, so that no pipe that is full holds up another. Whichever of them can't go
//! on kills the program, with which the others end.

use std::io::{self, ErrorKind, Write};
use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use callboard_ipc::Got;

use super::{Command, CommandError, CommandInput, StartCommand, Stdin};
use crate::process::description::Stream;
use crate::process::{JoinError, Output};

/// The most that is gathered of each stream.
const MOST_BYTES: usize = 64 << 20;
/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

/// A program that has ended: how, and what it has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutput {
    /// As [`Command::wait`] tells it: `Ok` is exit code 0.
    pub end: Result<(), JoinError>,
    /// All of its standard output; empty if that went elsewhere.
    pub stdout: Vec<u8>,
    /// All of its standard error; empty if that went elsewhere.
    pub stderr: Vec<u8>,
}

/// Why there is no [`CommandOutput`]. The program has not run, or was killed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandOutputError {
    /// It was not started.
    #[error(transparent)]
    Start(#[from] CommandError),
    /// It had not ended when its time was over.
    #[error("the program {program:?} has not ended within {within:?}")]
    TimedOut {
        /// Its name.
        program: String,
        /// What it had been given.
        within: Duration,
    },
    /// It wrote too much.
    #[error("the program {program:?} has written more than {most} bytes, the most that is gathered")]
    TooMuch {
        /// Its name.
        program: String,
        /// The most there may be of each stream.
        most: usize,
    },
    /// The system has not enough of something.
    #[error("what the program {program:?} reads and writes could not be passed on")]
    System {
        /// Its name.
        program: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl StartCommand<'_> {
    /// Runs the program to its end with `input` as its standard input, and gathers what it writes to those of its streams for which nothing else was said.
    ///
    /// A program that does not read its input to the end is none the worse for it.
    ///
    /// ```
    /// # callboard::test_door!();
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = callboard::Node::start()?;
    /// let sorted = node.command("sort").arg("-n").output(b"10\n9\n")?;
    /// assert_eq!(sorted.end, Ok(()));
    /// assert_eq!(sorted.stdout, b"9\n10\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CommandOutputError`]; also if it writes more than 64 MiB to one of them.
    ///
    /// Source: `subprocess.run(input=..., capture_output=True)` of Python.
    #[doc(alias = "communicate")]
    pub fn output(self, input: &[u8]) -> Result<CommandOutput, CommandOutputError> {
        self.collect(input, None)
    }

    /// The same, and kills it if it has not ended `timeout` after its start. Zero leaves it no time.
    ///
    /// # Errors
    ///
    /// As [`output`](Self::output); [`CommandOutputError::TimedOut`], and what it had written is gone.
    pub fn output_timeout(
        self,
        input: &[u8],
        timeout: Duration,
    ) -> Result<CommandOutput, CommandOutputError> {
        self.collect(input, Some(timeout))
    }

    fn collect(
        mut self,
        input: &[u8],
        within: Option<Duration>,
    ) -> Result<CommandOutput, CommandOutputError> {
        self.stdin = Stdin::Piped;
        for stream in [&mut self.description.stdout, &mut self.description.stderr] {
            if matches!(stream, Stream::Inherit) {
                *stream = Stream::Captured;
            }
        }
        let command = self.spawn()?;
        // One that lies beyond all time never comes.
        let deadline = within.and_then(|within| Instant::now().checked_add(within));
        let gathered = gather(&command, input, deadline);
        if gathered.is_err() {
            // It may have ended meanwhile.
            let _ = command.kill();
            let _ = command.wait();
        }
        gathered.map_err(|stopped| stopped.told_of(command.name(), within))
    }
}

/// Why the gathering came to nothing.
enum Stopped {
    Late,
    TooMuch,
    System(io::Error),
}

impl Stopped {
    fn told_of(self, program: &str, within: Option<Duration>) -> CommandOutputError {
        let program = program.to_owned();
        match self {
            Self::Late => CommandOutputError::TimedOut { program, within: within.unwrap_or_default() },
            Self::TooMuch => CommandOutputError::TooMuch { program, most: MOST_BYTES },
            Self::System(error) => CommandOutputError::System { program, error },
        }
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

fn gather(command: &Command, input: &[u8], deadline: Option<Instant>) -> Result<CommandOutput, Stopped> {
    let (stdin, stdout, stderr) = (command.stdin(), command.stdout(), command.stderr());
    let stop = |why: Stopped| {
        // It may have ended meanwhile.
        let _ = command.kill();
        why
    };
    let (stdout, stderr) = thread::scope(|scope| {
        let thread = || thread::Builder::new().name("callboard".to_owned());
        let feeding = match stdin {
            Some(stdin) if !input.is_empty() => {
                let feed = move || feed(stdin, input, deadline).map_err(stop);
                Some(thread().spawn_scoped(scope, feed).map_err(|error| stop(error.into()))?)
            }
            _ => None,
        };
        let errors = match stderr {
            Some(stderr) => {
                let drain = move || drain(stderr, deadline).map_err(stop);
                Some(thread().spawn_scoped(scope, drain).map_err(|error| stop(error.into()))?)
            }
            None => None,
        };
        let stdout = stdout.map_or(Ok(Vec::new()), |stdout| drain(stdout, deadline).map_err(stop));
        let fed = feeding.map_or(Ok(()), joined);
        let stderr = errors.map_or(Ok(Vec::new()), joined);
        // Which of them was wrong first is not known.
        fed?;
        Ok::<_, Stopped>((stdout?, stderr?))
    })?;
    let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
    match command.wait_timeout(left) {
        Err(JoinError::TimedOut) => Err(Stopped::Late),
        end => Ok(CommandOutput { end, stdout, stderr }),
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Writes all of it, or as much as the program reads.
fn feed(mut stdin: CommandInput, mut input: &[u8], deadline: Option<Instant>) -> Result<(), Stopped> {
    while !input.is_empty() {
        let written = match deadline {
            Some(at) => stdin.write_timeout(input, at.saturating_duration_since(Instant::now())),
            None => stdin.write(input),
        };
        match written {
            Ok(n) => input = &input[n..],
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(Stopped::Late),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads to the end.
fn drain(mut output: Output, deadline: Option<Instant>) -> Result<Vec<u8>, Stopped> {
    let mut gathered = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match output.read_pipe(&mut buffer, deadline)? {
            Got::End => return Ok(gathered),
            Got::Bytes(n) if gathered.len() + n > MOST_BYTES => return Err(Stopped::TooMuch),
            Got::Bytes(n) => gathered.extend_from_slice(&buffer[..n]),
            Got::Nothing if deadline.is_some_and(|at| at <= Instant::now()) => return Err(Stopped::Late),
            Got::Nothing => {}
        }
    }
}

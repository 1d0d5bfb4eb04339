//! What a node and the guard of a program say to each other: an [`Order`], and then what has become of it.
//!
//! Each is a hello by its form, since a guard is no node: it has a socket and nothing else.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use callboard_core::{Header, Kind, Slot, append_message};
use callboard_ipc::{Exit, Foreign, ForeignError, fd_pass, image_id};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::CommandError;
use crate::hello::HELLO_WORD;
use crate::peer::{encoded, header};
use crate::process::setup::{Refused, Setup};

/// How long each side waits for the other, of which one has nothing else to do; it may be stopped.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What a guard is to start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The build of the program: a guard of another build refuses.
    pub(crate) image: ByteBuf,
    program: ByteBuf,
    args: Vec<ByteBuf>,
    pub(super) env: Vec<(ByteBuf, Option<ByteBuf>)>,
    pub(super) clear_env: bool,
    pub(super) cwd: Option<ByteBuf>,
    setup: Setup,
    has_stdin: bool,
}

/// Text of the system, as it travels.
pub(crate) fn bytes(text: impl Into<OsString>) -> ByteBuf {
    ByteBuf::from(text.into().into_vec())
}

pub(crate) fn text(bytes: ByteBuf) -> OsString {
    OsString::from_vec(bytes.into_vec())
}

impl Order {
    pub(super) fn new(program: &OsStr, args: Vec<OsString>, setup: Setup, has_stdin: bool) -> Self {
        Self {
            image: ByteBuf::from(image_id().as_bytes().to_vec()),
            program: ByteBuf::from(program.as_bytes().to_vec()),
            args: args.into_iter().map(bytes).collect(),
            env: Vec::new(),
            clear_env: false,
            cwd: None,
            setup,
            has_stdin,
        }
    }

    /// Where and with what it runs.
    pub(super) fn surround(
        &mut self,
        env: Vec<(OsString, Option<OsString>)>,
        clear_env: bool,
        cwd: Option<PathBuf>,
    ) {
        self.env = env.into_iter().map(|(key, value)| (bytes(key), value.map(bytes))).collect();
        (self.clear_env, self.cwd) = (clear_env, cwd.map(bytes));
    }

    pub(super) fn program(&self) -> String {
        String::from_utf8_lossy(&self.program).into_owned()
    }

    /// What is to be started, with the standard input that came along if there was one.
    pub(super) fn foreign(self, stdin: Option<OwnedFd>) -> Result<Foreign, Refused> {
        let mut steps = self.setup.places()?;
        steps.extend(self.setup.limits());
        Ok(Foreign {
            program: text(self.program),
            args: self.args.into_iter().map(text).collect(),
            env: self.env.into_iter().map(|(key, value)| (text(key), value.map(text))).collect(),
            clear_env: self.clear_env,
            cwd: self.cwd.map(|cwd| text(cwd).into()),
            stdin: stdin.filter(|_| self.has_stdin),
            steps,
        })
    }
}

/// What a guard tells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// The program runs; its descriptor comes along.
    Started { pid: u32 },
    /// It does not, and the guard ends.
    NotStarted(CommandError),
    /// It ended with this code.
    Exited(i32),
    /// This signal ended it.
    Signalled { signal: i32, core_dumped: bool },
    /// It has ended, and it is not known how.
    Vanished,
}

/// What travels of these types.
#[cfg(any(test, fuzzing))]
pub(crate) const TRIPS: &[crate::fuzzing::Trip] = {
    use crate::fuzzing::trip;
    &[trip::<Order>, trip::<Told>]
};

impl From<Exit> for Told {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Told::Exited(code),
            Exit::Signal { signal, core_dumped } => Told::Signalled { signal, core_dumped },
            Exit::Unknown => Told::Vanished,
        }
    }
}

impl Told {
    /// How the program ended; none if that is not what is told.
    pub(super) fn exit(&self) -> Option<Exit> {
        match *self {
            Told::Exited(code) => Some(Exit::Code(code)),
            Told::Signalled { signal, core_dumped } => Some(Exit::Signal { signal, core_dumped }),
            Told::Vanished => Some(Exit::Unknown),
            Told::Started { .. } | Told::NotStarted(_) => None,
        }
    }
}

/// A program's name, in what is told of why it was not started.
pub(super) fn not_started(program: String, error: ForeignError) -> CommandError {
    match error {
        ForeignError::NotFound { searched, .. } => CommandError::NotFound { program, searched },
        ForeignError::Refused { step, source } => {
            CommandError::Refused { program, what: Refused::new(step, source).to_string() }
        }
        ForeignError::Directory(error) => CommandError::Directory(error.to_string()),
        ForeignError::Exec { source, .. } => CommandError::Exec { program, reason: source.to_string() },
    }
}

/// Sends one message, and descriptors with it.
pub(crate) fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    rights: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let header =
        Header { descriptors: rights.len() as u16, ..header(Kind::Hello, Slot::default(), HELLO_WORD) };
    let mut frame = Vec::new();
    append_message(&mut frame, header, &encoded(message));
    fd_pass::send_whole(socket, &frame, rights, Instant::now() + ANSWER_WITHIN)
}

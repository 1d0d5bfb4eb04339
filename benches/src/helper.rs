//! Helper processes: this program again, in a role of a limit or a peer.
//!
//! A helper has its socket as standard input; the roles that pass things on have another as standard output.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, Stdio};

use crate::harness::Trouble;
use crate::limits::{exec, frames, hub, pingpong, stream, zygote};
#[cfg(feature = "iceoryx2")]
use crate::peers::iceoryx2;
use crate::peers::ipc_channel;
#[cfg(feature = "zeromq")]
use crate::peers::zeromq;
use crate::rows::actors::start;
use crate::rows::idle;

/// The first argument of a helper.
const MARK: &str = "__helper";

/// A helper process that runs.
#[derive(Debug)]
pub(crate) struct Helper {
    child: Child,
    role: String,
}

impl Helper {
    /// Starts a helper with a socket pair between it and this process.
    pub(crate) fn with_socket(role: &str, args: &[String]) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self::start(role, args, Stdio::from(OwnedFd::from(theirs)), Stdio::null())?, ours))
    }

    /// Starts a helper with these standard streams.
    pub(crate) fn start(role: &str, args: &[String], stdin: Stdio, stdout: Stdio) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .arg(MARK)
            .arg(role)
            .args(args)
            .stdin(stdin)
            .stdout(stdout)
            .spawn()?;
        Ok(Self { child, role: role.to_owned() })
    }

    /// The process itself, for roles that talk over its standard streams.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Result<(), Trouble> {
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(Trouble::Failed(format!("helper {}: {status}", self.role)))
    }
}

/// The socket that a helper has as standard input.
pub(crate) fn socket() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// The socket that a helper has as standard output.
pub(crate) fn second_socket() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Runs the role if this process is a helper.
pub(crate) fn run_if_helper() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    if args.next()? != MARK {
        return None;
    }
    let role = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    match run(&role, &args) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("callboard-bench: helper {role}: {error}");
            Some(ExitCode::FAILURE)
        }
    }
}

fn run(role: &str, args: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    match role {
        "hello" => Ok(exec::hello()?),
        "zygote" => Ok(zygote::copy_when_asked()?),
        "echo" => Ok(pingpong::echo(args)?),
        "write" => Ok(stream::write(args)?),
        "frames" => frames::write(args),
        "hub" => Ok(hub::forward()?),
        "ipc-send" => ipc_channel::send(args),
        "ipc-echo" => ipc_channel::echo(args),
        #[cfg(feature = "zeromq")]
        "zeromq-push" => Ok(zeromq::push(args)?),
        #[cfg(feature = "zeromq")]
        "zeromq-reply" => Ok(zeromq::reply(args)?),
        #[cfg(feature = "iceoryx2")]
        "iceoryx2-send" => Ok(iceoryx2::send(args)?),
        #[cfg(feature = "iceoryx2")]
        "iceoryx2-echo" => Ok(iceoryx2::echo(args)?),
        "actors" => start::run(args),
        "idle" => idle::stay_idle(),
        _ => Err("unknown role".into()),
    }
}

/// Argument `index` of a helper as a number.
pub(crate) fn number(args: &[String], index: usize) -> io::Result<u64> {
    let text = args.get(index).map_or("", String::as_str);
    text.parse().map_err(|_| io::Error::other(format!("argument {index} is {text:?}")))
}

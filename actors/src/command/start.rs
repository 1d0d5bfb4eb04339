//! Starting a program: its guard first, which then has its order.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use callboard_core::decode;
use callboard_ipc::{Child, ChildSpec, LifeLine, StdStream, fd_pass, socket_pair};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CommandError;
use super::cell::CommandCell;
use super::wire::{self, ANSWER_WITHIN, Order, Told};
use crate::failure::Failure;
use crate::hello::Opening;
use crate::process::description::{Description, Streams};
use crate::process::wire::{Errand, life_line_frame};
use crate::process::{Output, SpawnError, join_outputs};
use crate::runtime::Runtime;
use crate::standing::Sought;

/// A guard that has been started, and may be told what to do.
pub(crate) struct Fresh {
    pub(crate) guard: Child,
    pub(crate) life: OwnedFd,
    pub(crate) socket: OwnedFd,
    pub(crate) opening: Opening,
}

impl Fresh {
    pub(crate) fn start(name: &str, streams: &mut Streams) -> io::Result<Self> {
        let (socket, theirs) = socket_pair()?;
        let life = LifeLine::open()?;
        let rights = life.rights()?;
        let first = life_line_frame(rights.len());
        let rights: Vec<_> = rights.iter().map(AsFd::as_fd).collect();
        fd_pass::send_whole(socket.as_fd(), &first, &rights, Instant::now())?;
        let mut spec = ChildSpec::new(name, theirs);
        spec.stdout = std::mem::replace(&mut streams.stdout, StdStream::Null);
        spec.stderr = std::mem::replace(&mut streams.stderr, StdStream::Null);
        // Whoever reads it gets one text, so that has the causes too.
        let in_words = |error| io::Error::other(Failure::from(SpawnError::from(error)).to_string());
        let guard = callboard_ipc::start(spec).map_err(in_words)?;
        match life.bind(guard.pid()) {
            Ok(life) => Ok(Self { guard, life, socket, opening: Opening::new(usize::MAX) }),
            Err(error) => {
                guard.end();
                Err(error)
            }
        }
    }

    /// Sends `order`, with descriptors, and waits for what is told of it, with the descriptor that came along.
    ///
    /// # Errors
    ///
    /// What is wrong with the other process, as a sentence about it.
    pub(crate) fn ask<R: DeserializeOwned>(
        &mut self,
        order: &impl Serialize,
        rights: &[BorrowedFd<'_>],
    ) -> Result<(R, Option<OwnedFd>), String> {
        let sent = wire::send(self.socket.as_fd(), order, rights);
        let answer = self.opening.read(self.socket.as_fd(), ANSWER_WITHIN);
        match (sent, answer) {
            (_, Ok(Some(mut hello))) => {
                let told = decode(&hello.body).map_err(|error| error.to_string())?;
                Ok((told, hello.rights.pop_front()))
            }
            (Err(error), _) => Err(error.to_string()),
            (Ok(()), Ok(None)) => {
                Err("it has ended; Node::start must be the first thing that main does, and a test binary \
                                       needs callboard::test_door!()"
                    .to_owned())
            }
            (Ok(()), Err(why)) => Err(why),
        }
    }

    /// Gives the order and waits until the program runs.
    fn give(&mut self, order: &Errand, stdin: Option<&OwnedFd>) -> Result<Child, CommandError> {
        let rights: Vec<_> = stdin.into_iter().map(AsFd::as_fd).collect();
        match self.ask(order, &rights).map_err(CommandError::Guard)? {
            (Told::Started { pid }, Some(descriptor)) => Ok(Child::watched(pid, descriptor)),
            (Told::NotStarted(error), _) => Err(error),
            _ => Err(CommandError::Guard("it told something that makes no sense".to_owned())),
        }
    }
}

impl CommandCell {
    /// Starts a guard, and has it start the program; what is captured of that.
    pub(super) fn start(
        runtime: &Arc<Runtime>,
        name: &str,
        mut order: Order,
        stdin: Option<OwnedFd>,
        description: Description,
    ) -> Result<(Arc<Self>, [Option<Output>; 2]), CommandError> {
        let Description { env, clear_env, cwd, stdout, stderr, .. } = description;
        order.surround(env, clear_env, cwd);
        let failed = |error: io::Error| CommandError::Guard(error.to_string());
        let mut streams = Streams::open(stdout, stderr).map_err(failed)?;
        let errand = Errand::Guard(Box::new(order));
        let mut fresh = Fresh::start(name, &mut streams).map_err(failed)?;
        let program = match runtime
            .wait_elsewhere(Sought::plain("the start of a program"), || fresh.give(&errand, stdin.as_ref()))
        {
            Ok(program) => program,
            Err(error) => {
                // Whatever it has begun.
                let _ = fresh.guard.kill_group();
                fresh.guard.end();
                return Err(error);
            }
        };
        drop(stdin);
        let outputs = match join_outputs(streams.ours, &program) {
            Ok(outputs) => outputs,
            Err(error) => {
                let _ = fresh.guard.kill_group();
                fresh.guard.end();
                return Err(failed(error));
            }
        };
        let cell = Self::adopt(runtime, name, fresh, program, &outputs).map_err(failed)?;
        let captured = cell.hand_out(runtime, outputs).map_err(|error| {
            cell.abandon(runtime);
            failed(error)
        })?;
        Ok((cell, captured))
    }
}

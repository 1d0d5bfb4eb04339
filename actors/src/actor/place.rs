//! An actor in a process of its own: a child that hosts it and nothing else, and ends with it.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Actor;
use super::error::StartActorError;
use super::exit::Exit;
use super::handle::{ActorRef, Message};
use super::in_hand::InHand;
use super::start::{ProcessStarted, StartActor};
use super::when_full::WhenFull;
use super::wire::Ending;
use crate::failure::Failure;
use crate::names::NameError;
use crate::node::Node;
use crate::process::{JoinError, Process};
use crate::protocol::pipe::PipeSender;
use crate::wait_any::WaitAny;

/// What the process is given.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "A: Serialize", deserialize = "A: DeserializeOwned, M: Message"))]
struct Given<A, M: Message> {
    args: A,
    name: Option<String>,
    /// To the name, if a supervisor keeps it.
    key: u64,
    /// None unless it was set.
    capacity: Option<u64>,
    capacity_bytes: u64,
    when_full: WhenFull<M>,
    in_hand: Option<InHand<M>>,
    stash_capacity: u64,
    has_own_thread: bool,
    started: PipeSender<Result<ActorRef<M>, NotStarted>>,
}

/// Why it did not start there.
#[derive(Serialize, Deserialize)]
enum NotStarted {
    Failed(Failure),
    Panicked(String),
    Name(NameError),
}

impl From<NotStarted> for StartActorError {
    fn from(error: NotStarted) -> Self {
        match error {
            NotStarted::Failed(failure) => StartActorError::Failed(failure),
            NotStarted::Panicked(text) => StartActorError::Panicked(text),
            NotStarted::Name(error) => StartActorError::Name(error),
        }
    }
}

/// Starts an actor in a process of its own, and waits until it has started there. `spawned` is told of the process before.
///
/// # Errors
///
/// Then the process has ended.
pub(super) fn start<A: Actor>(
    plan: StartActor<'_, A>,
    spawned: &dyn Fn(&Arc<Process<Exit>>),
) -> ProcessStarted<A>
where
    A::Args: Serialize + DeserializeOwned,
{
    let StartActor {
        node,
        args,
        name,
        key,
        capacity,
        when_full,
        in_hand,
        stash_capacity,
        has_own_thread,
        ..
    } = plan;
    let (started, is_started) = node.one_way_pipe().map_err(crate::SpawnError::Start)?;
    let process_name = name.clone().unwrap_or_else(|| std::any::type_name::<A>().to_owned());
    let given = Given {
        args,
        name,
        key,
        capacity: (capacity.moved == capacity.messages).then_some(capacity.messages),
        capacity_bytes: capacity.bytes,
        when_full,
        in_hand,
        stash_capacity: stash_capacity as u64,
        has_own_thread,
        started,
    };
    let process = Arc::new(node.spawn(&process_name, hosts::<A>, given)?);
    spawned(&process);
    let told = is_started.recv();
    if let Ok(Ok(actor)) = told {
        return Ok((actor, process));
    }
    match (told, process.join()) {
        (Ok(Err(error)), _) => Err(error.into()),
        // It ended without a word.
        (_, Err(error)) => Err(StartActorError::Process(error)),
        (_, Ok(_)) => Err(StartActorError::Process(JoinError::Vanished)),
    }
}

/// The process's function: until the actor has ended, or the process is asked to. How the actor ended.
fn hosts<A: Actor>(node: &Node, given: Given<A::Args, A::Message>) -> Exit
where
    A::Args: Serialize + DeserializeOwned,
{
    let Given {
        args,
        name,
        key,
        capacity,
        capacity_bytes,
        when_full,
        in_hand,
        stash_capacity,
        has_own_thread,
        started,
    } = given;
    let mut plan = node.actor::<A>(args).capacity_bytes(capacity_bytes);
    if let Some(messages) = capacity {
        plan = plan.capacity(messages);
    }
    plan = plan.when_full(when_full).stash_capacity(stash_capacity as usize);
    (plan.name, plan.key, plan.in_hand, plan.has_own_thread) = (name, key, in_hand, has_own_thread);
    let (actor, told) = match plan.start() {
        Ok(actor) => (Some(actor.clone()), Ok(actor)),
        Err(StartActorError::Failed(failure)) => (None, Err(NotStarted::Failed(failure))),
        Err(StartActorError::Panicked(text)) => (None, Err(NotStarted::Panicked(text))),
        Err(StartActorError::Name(error)) => (None, Err(NotStarted::Name(error))),
        Err(error) => (None, Err(NotStarted::Failed(Failure::from(error)))),
    };
    // Whoever was to know it may have ended.
    let _ = started.send(told);
    drop(started);
    let Some(actor) = actor else { return Exit::NotThere };
    let monitor = actor.monitor();
    let mut any = WaitAny::new(node);
    any.add(&monitor);
    let stop = any.add(node);
    loop {
        if let Some(down) = monitor.down() {
            return down.exit;
        }
        if any.wait() == Some(stop) {
            actor.end(Ending::Shutdown);
            any.remove(stop);
        }
    }
}

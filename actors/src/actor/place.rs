//! An actor in a process of its own: a child that hosts it and nothing else, and ends with it.

use std::sync::Arc;

use callboard_core::Address;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Actor;
use super::error::StartActorError;
use super::exit::Exit;
use super::handle::{ActorRef, Message};
use super::in_hand::InHand;
use super::start::{KeptAs, ProcessStarted, StartActor};
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
    kept: Option<KeptAs>,
    /// None unless it was set.
    capacity: Option<u64>,
    capacity_bytes: u64,
    when_full: WhenFull<M>,
    in_hand: Option<InHand<M>>,
    stash_capacity: u64,
    has_own_thread: bool,
    started: PipeSender<Told<M>>,
}

/// What whoever starts it hears from there.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "M: Message", deserialize = "M: Message"))]
enum Told<M> {
    /// It has an address, and nobody else knows it yet.
    Made(Address),
    Started(ActorRef<M>),
    Not(NotStarted),
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
        kept,
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
        kept,
        capacity: (capacity.moved == capacity.messages).then_some(capacity.messages),
        capacity_bytes: capacity.bytes,
        when_full,
        in_hand,
        stash_capacity: stash_capacity as u64,
        has_own_thread,
        started,
    };
    let mut plan = node.process(&process_name);
    if let Some(kept) = kept {
        plan = plan.kept_as(kept.node);
    }
    let process = Arc::new(plan.spawn(hosts::<A>, given)?);
    spawned(&process);
    let mut told = is_started.recv();
    if let Ok(Told::Made(address)) = told {
        node.runtime().control.fates.is_at(node.runtime(), address);
        told = is_started.recv();
    }
    if let Ok(Told::Started(actor)) = told {
        return Ok((actor, process));
    }
    match (told, process.join()) {
        (Ok(Told::Not(error)), _) => Err(error.into()),
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
        kept,
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
    (plan.name, plan.kept, plan.in_hand, plan.has_own_thread) = (name, kept, in_hand, has_own_thread);
    let mut monitor = None;
    let made = |actor: &ActorRef<A::Message>| {
        // Before it begins: it may end at once.
        monitor = Some(actor.monitor());
        // Whoever was to know it may have ended.
        let _ = started.send(Told::Made(actor.address()));
    };
    let (actor, told) = match plan.start_here(made) {
        Ok(actor) => (Some(actor.clone()), Told::Started(actor)),
        Err(StartActorError::Failed(failure)) => (None, Told::Not(NotStarted::Failed(failure))),
        Err(StartActorError::Panicked(text)) => (None, Told::Not(NotStarted::Panicked(text))),
        Err(StartActorError::Name(error)) => (None, Told::Not(NotStarted::Name(error))),
        Err(error) => (None, Told::Not(NotStarted::Failed(Failure::from(error)))),
    };
    let _ = started.send(told);
    drop(started);
    let (Some(actor), Some(monitor)) = (actor, monitor) else { return Exit::NotThere };
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

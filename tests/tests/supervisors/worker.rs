//! What these tests supervise: an actor, and a process, that write down when they start and end.

use callboard::{
    Actor, ActorRef, ChildSpec, Context, Event, Exit, Failure, List, ListOptions, Node, ReplyTo, StartActor,
};
use callboard_tests::PATIENCE;
use serde::{Deserialize, Serialize};

pub(crate) struct Worker {
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    Pid(ReplyTo<u32>),
    Add(u64, ReplyTo<u64>),
    Note(u64),
    Block(Event, Event),
    Panic,
    Fail,
    Stop,
    Exit(i32),
}

fn log(node: Option<Node>, line: String) {
    if let Some(log) = node.and_then(|node| node.open::<List<String>>("/log").ok()) {
        let _ = log.push(line);
    }
}

impl Actor for Worker {
    type Message = Work;
    type Args = String;

    fn start(context: &mut Context<Work>, name: String) -> Result<Self, Failure> {
        log(context.node(), format!("{name} starts"));
        Ok(Worker { name })
    }

    fn handle(&mut self, context: &mut Context<Work>, work: Work) -> Result<(), Failure> {
        match work {
            Work::Pid(reply) => reply.send(std::process::id())?,
            Work::Add(number, reply) => reply.send(number + 1)?,
            Work::Note(number) => log(context.node(), format!("{} notes {number}", self.name)),
            Work::Block(begun, go) => {
                begun.set()?;
                go.wait()?;
            }
            Work::Panic => panic!("as it was told"),
            Work::Fail => return Err(Failure::new("as it was told")),
            Work::Stop => context.stop(),
            Work::Exit(code) => std::process::exit(code),
        }
        Ok(())
    }

    fn stopped(&mut self, context: &mut Context<Work>, _: &Exit) {
        log(context.node(), format!("{} ends", self.name));
    }
}

/// A job with a log.
pub(crate) fn job() -> (Node, List<String>) {
    let node = Node::start().unwrap();
    let log = node.create("/log", ListOptions::new()).unwrap();
    (node, log)
}

pub(crate) fn lines(log: &List<String>) -> Vec<String> {
    log.snapshot().unwrap()
}

fn plan<'n>(node: &'n Node, name: &str) -> StartActor<'n, Worker> {
    node.actor::<Worker>(name.to_owned()).name(format!("/{name}"))
}

/// An actor of that name on the supervisor's node.
pub(crate) fn here(name: &'static str) -> ChildSpec {
    ChildSpec::actor(name, move |node| plan(node, name))
}

/// One in a process of its own.
pub(crate) fn apart(name: &'static str) -> ChildSpec {
    ChildSpec::actor(name, move |node| plan(node, name).own_process())
}

/// A process that hosts one.
pub(crate) fn process(name: &'static str) -> ChildSpec {
    ChildSpec::process(name, hosts, name.to_owned())
}

fn hosts(node: &Node, name: String) -> Result<(), Failure> {
    let actor = plan(node, &name).start()?;
    let monitor = actor.monitor();
    while !node.wait_stopping(std::time::Duration::from_millis(5)) {
        if let Some(down) = monitor.down() {
            return match down.exit {
                exit if exit.is_normal() => Ok(()),
                Exit::Panicked(message) => panic!("{message}"),
                exit => Err(Failure::from(exit)),
            };
        }
    }
    actor.stop();
    monitor.wait_timeout(PATIENCE);
    Ok(())
}

pub(crate) fn find(node: &Node, name: &str) -> ActorRef<Work> {
    node.open_timeout(&format!("/{name}"), PATIENCE).unwrap()
}

/// The process in which the worker of that name lives now; none while there is none.
pub(crate) fn pid(node: &Node, name: &str) -> Option<u32> {
    let worker: ActorRef<Work> = node.open(&format!("/{name}")).ok()?;
    worker.call_timeout(Work::Pid, PATIENCE).ok()
}

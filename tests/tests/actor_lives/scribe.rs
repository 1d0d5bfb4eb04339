//! An actor that writes down what happens to it.

use std::time::Duration;

use callboard::{
    Actor, ActorRef, Address, Context, Down, Event, Exit, Failure, MonitorId, Node, Process, ReplyTo, TimerId,
};
use callboard_tests::PATIENCE;
use serde::{Deserialize, Serialize};

#[derive(Default)]
pub(crate) struct Scribe {
    seen: Vec<String>,
    timers: Vec<TimerId>,
    monitors: Vec<MonitorId>,
    is_stashing: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Do {
    Note(u64),
    Block(Event, Event),
    Monitor(ActorRef<Tell>),
    Demonitor,
    Link(ActorRef<Tell>),
    Unlink(ActorRef<Tell>),
    Trap,
    After(Duration, u64),
    Every(Duration, u64),
    CancelAll,
    Stash(bool),
    Cast(ActorRef<Tell>, u64, u64),
    Exit(ActorRef<Tell>),
    Fail,
    Panic,
    Stop,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Tell {
    Do(Do),
    Seen(ReplyTo<Vec<String>>),
    Pid(ReplyTo<u32>),
    /// Makes another one beside it.
    Make(ReplyTo<ActorRef<Tell>>),
}

impl Scribe {
    fn does(&mut self, context: &mut Context<Tell>, what: Do) -> Result<(), Failure> {
        if self.is_stashing && !matches!(what, Do::Stash(_)) {
            if context.stash(Tell::Do(what)).is_err() {
                self.seen.push("stash full".to_owned());
            }
            return Ok(());
        }
        match what {
            Do::Note(number) => self.seen.push(number.to_string()),
            Do::Block(begun, go) => {
                begun.set()?;
                go.wait()?;
            }
            Do::Monitor(other) => self.monitors.push(context.monitor(&other)),
            Do::Demonitor => {
                let ended = self.monitors.drain(..).filter(|monitor| context.demonitor(*monitor)).count();
                self.seen.push(format!("ended {ended} monitors"));
            }
            Do::Link(other) => context.link(&other),
            Do::Unlink(other) => context.unlink(&other),
            Do::Trap => context.trap_exits(true),
            Do::After(delay, number) => {
                self.timers.push(context.cast_after(delay, Tell::Do(Do::Note(number))));
            }
            Do::Every(interval, number) => {
                self.timers.push(context.cast_every(interval, move || Tell::Do(Do::Note(number))));
            }
            Do::CancelAll => {
                let cancelled = self.timers.drain(..).filter(|timer| context.cancel(*timer)).count();
                self.seen.push(format!("cancelled {cancelled}"));
            }
            Do::Stash(stashes) => {
                self.is_stashing = stashes;
                if !stashes {
                    context.unstash();
                }
            }
            Do::Cast(other, from, count) => {
                (from..from + count).for_each(|n| drop(other.cast(Tell::Do(Do::Note(n)))));
            }
            Do::Exit(other) => other.exit(Failure::new("as asked")),
            Do::Fail => return Err(Failure::new("as it was told")),
            Do::Panic => panic!("as it was told"),
            Do::Stop => context.stop(),
        }
        Ok(())
    }
}

impl Actor for Scribe {
    type Message = Tell;
    type Args = ();

    fn start(_: &mut Context<Tell>, (): ()) -> Result<Self, Failure> {
        Ok(Scribe::default())
    }

    fn handle(&mut self, context: &mut Context<Tell>, message: Tell) -> Result<(), Failure> {
        match message {
            Tell::Do(what) => self.does(context, what),
            Tell::Seen(reply) => Ok(reply.send(self.seen.clone())?),
            Tell::Pid(reply) => Ok(reply.send(std::process::id())?),
            Tell::Make(reply) => match context.node() {
                Some(node) => Ok(reply.send(node.actor::<Scribe>(()).start()?)?),
                None => Ok(()),
            },
        }
    }

    fn down(&mut self, context: &mut Context<Tell>, _: MonitorId, down: Down) -> Result<(), Failure> {
        // Whoever hears of an end finds the name free.
        if let Some(node) = context.node() {
            let taken = node.open::<ActorRef<Tell>>("/named").is_ok();
            self.seen.push(format!("down{} {}", if taken { " before its name" } else { "" }, down.exit));
        }
        Ok(())
    }

    fn exited(&mut self, _: &mut Context<Tell>, from: Option<Address>, exit: Exit) -> Result<(), Failure> {
        self.seen.push(format!("exited {}{exit}", if from.is_some() { "" } else { "by nobody: " }));
        Ok(())
    }
}

/// Keeps an actor of that name until it is told to end.
fn keeps(node: &Node, name: String) {
    let _scribe = node.actor::<Scribe>(()).name(name).start().unwrap();
    node.wait_stopping(PATIENCE * 10);
}

pub(crate) fn elsewhere(node: &Node, name: &str) -> (Process<()>, ActorRef<Tell>) {
    let child = node.process("keeps").stderr_null().spawn(keeps, name.to_owned()).unwrap();
    (child, node.open_timeout(name, PATIENCE).unwrap())
}

pub(crate) fn seen(scribe: &ActorRef<Tell>) -> Vec<String> {
    scribe.call_timeout(Tell::Seen, PATIENCE).unwrap()
}

pub(crate) fn tell(scribe: &ActorRef<Tell>, what: Do) {
    scribe.cast(Tell::Do(what)).unwrap();
}

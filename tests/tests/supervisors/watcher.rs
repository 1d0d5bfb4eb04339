//! What these tests watch supervised actors with: an actor that writes down what it is told, and what is supervised.

use callboard::{
    Actor, ActorRef, ChildSpec, Context, Down, Event, EventOptions, Exit, Failure, MonitorId, Node, Process,
    ReplyTo, Restart, SupervisorEnd,
};
use callboard_tests::{PATIENCE, send_signal};
use serde::{Deserialize, Serialize};

use crate::quiet;
use crate::worker::{Work, Worker, apart, find};

/// Watches others, and writes down what it is told.
#[derive(Default)]
pub(crate) struct Watcher {
    seen: Vec<Saw>,
    takes: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Saw {
    Number(u64),
    /// How it ended, whether it is started again, and whether its name could be taken then, if that was tried.
    Down(Exit, bool, Option<bool>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Watch {
    /// And whether to try its name when it has ended.
    Worker(ActorRef<Work>, bool),
    Talker(ActorRef<Talk>),
    Number(u64),
    Seen(ReplyTo<Vec<Saw>>),
}

impl Actor for Watcher {
    type Message = Watch;
    type Args = ();

    fn start(_: &mut Context<Watch>, (): ()) -> Result<Self, Failure> {
        Ok(Watcher::default())
    }

    fn handle(&mut self, context: &mut Context<Watch>, message: Watch) -> Result<(), Failure> {
        match message {
            Watch::Worker(worker, takes) => {
                self.takes = takes;
                context.monitor(&worker);
                // It comes after the watch.
                worker.call_timeout(Work::Pid, PATIENCE)?;
            }
            Watch::Talker(talker) => _ = context.monitor(&talker),
            Watch::Number(number) => self.seen.push(Saw::Number(number)),
            Watch::Seen(reply) => reply.send(self.seen.clone())?,
        }
        Ok(())
    }

    fn down(&mut self, context: &mut Context<Watch>, _: MonitorId, down: Down) -> Result<(), Failure> {
        let is_free = context.node().filter(|_| self.takes).map(|node| takes(&node));
        assert!(!down.in_place);
        self.seen.push(Saw::Down(down.exit, down.restarts, is_free));
        Ok(())
    }
}

/// Whether the name of the one that these tests watch can be had; it is given back.
pub(crate) fn takes(node: &Node) -> bool {
    let Ok(taker) = node.actor::<Worker>("taker".to_owned()).name("/kept").start() else { return false };
    let monitor = taker.monitor();
    taker.stop();
    monitor.wait_timeout(PATIENCE).is_some()
}

pub(crate) fn seen(watcher: &ActorRef<Watch>) -> Vec<Saw> {
    watcher.call_timeout(Watch::Seen, PATIENCE).unwrap()
}

pub(crate) fn is_told(watcher: &ActorRef<Watch>) -> bool {
    seen(watcher).iter().any(|saw| matches!(saw, Saw::Down(..)))
}

/// Keeps a watcher in a process of its own until it is told to end.
pub(crate) fn watches(node: &Node, (): ()) {
    let _watcher = node.actor::<Watcher>(()).name("/watcher").start().unwrap();
    node.wait_stopping(PATIENCE * 10);
}

pub(crate) fn third(node: &Node) -> (Process<()>, ActorRef<Watch>) {
    let process = node.spawn("watches", watches, ()).unwrap();
    (process, node.open_timeout("/watcher", PATIENCE).unwrap())
}

/// What a supervisor in a process of its own keeps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Child {
    Worker(u8),
    Talker,
}

impl Child {
    fn spec(self) -> ChildSpec {
        match self {
            Child::Worker(restart) => {
                let kinds = [Restart::Permanent, Restart::Transient, Restart::Temporary];
                apart("kept").restart(kinds[usize::from(restart)])
            }
            Child::Talker => ChildSpec::actor("kept", |node| {
                node.actor::<Talker>(()).name("/kept").capacity(1 << 20).own_process()
            }),
        }
    }
}

pub(crate) fn supervises(node: &Node, child: Child) -> Result<(), Failure> {
    let supervisor = node.supervise(&quiet().child(child.spec()))?;
    let _begun: Event = node.create("/begun", EventOptions::new())?;
    Ok(supervisor.run()?)
}

/// Has a supervisor keep that child while `with` runs: on this node, or in a process.
pub(crate) fn kept(
    node: &Node,
    child: Child,
    is_there: bool,
    with: impl FnOnce(Option<&Process<Result<(), Failure>>>),
) {
    if is_there {
        let process = node.process("supervises").stderr_null().spawn(supervises, child).unwrap();
        node.open_timeout::<Event>("/begun", PATIENCE).unwrap();
        with(Some(&process));
        process.terminate(PATIENCE);
        let _ = process.join();
    } else {
        let supervisor = node.supervise(&quiet().child(child.spec())).unwrap();
        with(None);
        supervisor.stop();
        assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
    }
}

/// Sends numbers until it ends.
pub(crate) struct Talker;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Talk {
    To(ActorRef<Watch>),
    Pid(ReplyTo<u32>),
}

impl Actor for Talker {
    type Message = Talk;
    type Args = ();

    fn start(_: &mut Context<Talk>, (): ()) -> Result<Self, Failure> {
        Ok(Talker)
    }

    fn handle(&mut self, _: &mut Context<Talk>, message: Talk) -> Result<(), Failure> {
        match message {
            Talk::Pid(reply) => Ok(reply.send(std::process::id())?),
            Talk::To(watcher) => {
                for number in 0..1000 {
                    watcher.cast(Watch::Number(number))?;
                }
                Err(Failure::new("it has said all"))
            }
        }
    }
}

/// How a worker in its own process ends by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Normal,
    Error,
    Panic,
    Sigkill,
    StopThenSigkill,
    Code,
}

impl End {
    pub(crate) const ALL: [End; 6] =
        [End::Normal, End::Error, End::Panic, End::Sigkill, End::StopThenSigkill, End::Code];

    /// Has the worker of that name end so.
    pub(crate) fn of(self, node: &Node, name: &str) {
        let worker = find(node, name);
        let cast = |work| worker.cast(work).unwrap();
        match self {
            End::Normal => cast(Work::Stop),
            End::Error => cast(Work::Fail),
            End::Panic => cast(Work::Panic),
            End::Code => cast(Work::Exit(3)),
            End::Sigkill | End::StopThenSigkill => {
                let pid = worker.call_timeout(Work::Pid, PATIENCE).unwrap();
                if self == End::StopThenSigkill {
                    send_signal(pid, 19);
                }
                send_signal(pid, 9);
            }
        }
    }

    /// Whether that is what is told of it.
    pub(crate) fn is_so(self, exit: &Exit) -> bool {
        match self {
            End::Normal => *exit == Exit::Normal,
            End::Error => matches!(exit, Exit::Failed(_)),
            End::Panic => matches!(exit, Exit::Panicked(_)),
            End::Sigkill | End::StopThenSigkill => *exit == Exit::Signalled(9),
            End::Code => *exit == Exit::Exited(3),
        }
    }
}

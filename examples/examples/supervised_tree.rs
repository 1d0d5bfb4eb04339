// cargo run --release -p callboard-examples --example supervised_tree
//! A supervisor and three workers, one of which crashes every few messages: once with each strategy. Then it crashes too often,
//! and the supervisor gives up.

use std::error::Error;
use std::time::Duration;

use callboard::{
    Actor, ActorRef, ChildSpec, Context, Exit, Failure, List, ListOptions, Node, ReplyTo, Strategy,
    SupervisorSpec,
};
use serde::{Deserialize, Serialize};

/// Counts, and crashes at every third number if it is that kind of worker.
struct Worker {
    name: String,
    seen: u64,
}

#[derive(Serialize, Deserialize)]
enum Work {
    Number(u64),
    Seen(ReplyTo<u64>),
}

impl Actor for Worker {
    type Message = Work;
    type Args = String;

    fn start(context: &mut Context<Work>, name: String) -> Result<Self, Failure> {
        note(context, format!("{name} starts"))?;
        Ok(Worker { name, seen: 0 })
    }

    fn handle(&mut self, _: &mut Context<Work>, work: Work) -> Result<(), Failure> {
        match work {
            Work::Number(number) if self.name == "shaky" && number % 3 == 0 => {
                return Err(Failure::new(format!("{number} is too much")));
            }
            Work::Number(_) => self.seen += 1,
            Work::Seen(reply) => reply.send(self.seen)?,
        }
        Ok(())
    }

    fn stopped(&mut self, context: &mut Context<Work>, exit: &Exit) {
        let _ = note(context, format!("{} ends: {exit}", self.name));
    }
}

/// What happened, in the order in which it did, wherever the workers live.
fn note(context: &Context<Work>, line: String) -> Result<(), Failure> {
    if let Some(node) = context.node() {
        node.open::<List<String>>("/notes")?.push(line)?;
    }
    Ok(())
}

fn worker(name: &'static str) -> ChildSpec {
    ChildSpec::actor(name, move |node| node.actor::<Worker>(name.to_owned()).name(format!("/{name}")))
}

/// As a supervisor sees it, a process of its own is one more child.
fn apart(name: &'static str) -> ChildSpec {
    ChildSpec::actor(name, move |node| {
        node.actor::<Worker>(name.to_owned()).name(format!("/{name}")).own_process()
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let notes: List<String> = node.create("/notes", ListOptions::new())?;
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        println!("{strategy:?}");
        let spec = SupervisorSpec::new().strategy(strategy).quiet().child(worker("first"));
        let supervisor = node.supervise(&spec.child(worker("shaky")).child(apart("last")))?;
        notes.clear()?;
        let shaky: ActorRef<Work> = node.open("/shaky")?;
        for number in 1..=5 {
            // The reference stays good: what comes after the crash is for its next life.
            shaky.cast(Work::Number(number))?;
        }
        println!("  shaky has seen {} since its crash", shaky.call(Work::Seen)?);
        while supervisor.children().iter().any(|child| child.state.to_string() != "running") {
            std::thread::yield_now();
        }
        notes.snapshot()?.iter().for_each(|line| println!("  {line}"));
        supervisor.stop();
        supervisor.wait();
        notes.clear()?;
    }
    println!("Too many crashes");
    let spec = SupervisorSpec::new().max_restarts(2, Duration::from_secs(60)).quiet().child(worker("first"));
    let supervisor = node.supervise(&spec.child(worker("shaky")))?;
    let shaky: ActorRef<Work> = node.open("/shaky")?;
    for crash in 1..=3 {
        shaky.cast(Work::Number(3 * crash))?;
    }
    println!("  {}", supervisor.wait());
    notes.snapshot()?.iter().for_each(|line| println!("  {line}"));
    Ok(())
}

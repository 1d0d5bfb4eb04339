//! Every kind of wait that there is, seen at once.

use std::error::Error;
use std::io::{Read, Write};

use callboard::pipeline::{Outputs, Pipeline, Stage, StageOptions, Workers};
use callboard::pool::PoolOptions;
use callboard::{
    Actor, ActorRef, Array, ArrayOptions, Barrier, BarrierOptions, ChildSpec, Condition, ConditionOptions,
    Context, Counter, CounterOptions, Dict, DictOptions, Event, EventOptions, Failure, Group, GroupOptions,
    Latch, LatchOptions, List, ListOptions, Lock, LockOptions, Node, PipeEnd, ProcessState, Queue,
    QueueOptions, ReentrantLock, Register, RegisterOptions, ReplyTo, RwLock, RwLockOptions, Semaphore,
    SemaphoreOptions, Serve, Served, SupervisorSpec, Value, ValueOptions, WaitAny, WaitInfo, WaitRole,
};
use callboard_tests::{PATIENCE, pause};
use serde::{Deserialize, Serialize};

use super::{begin, seen};

/// Handles nothing: the first message is never done.
struct Stuck;

#[derive(Serialize, Deserialize)]
struct Ask(ReplyTo<()>);

impl Actor for Stuck {
    type Message = Ask;
    type Args = ();
    fn start(_: &mut Context<Ask>, (): ()) -> Result<Self, Failure> {
        Ok(Stuck)
    }
    fn handle(&mut self, _: &mut Context<Ask>, _: Ask) -> Result<(), Failure> {
        never()
    }
}

fn never() -> ! {
    loop {
        pause(PATIENCE);
    }
}

#[derive(Serialize, Deserialize)]
struct Thing;

impl Thing {
    fn stuck(&mut self, (): ()) {
        never()
    }
}

/// Has one of each, holds what can be held, and lets nobody have anything.
fn owner(node: &Node, ready: Event) {
    let full: Queue<u8> = node.create("/full", QueueOptions::new().capacity(1)).unwrap();
    full.put(1).unwrap();
    let _items: Queue<u8> = node.create("/items", QueueOptions::new()).unwrap();
    let _event: Event = node.create("/event", EventOptions::new()).unwrap();
    let _latch: Latch = node.create("/latch", LatchOptions::new(1)).unwrap();
    let _barrier: Barrier = node.create("/barrier", BarrierOptions::new(2).unwrap()).unwrap();
    let _counter: Counter = node.create("/counter", CounterOptions::new()).unwrap();
    let _register: Register<u8> = node.create("/register", RegisterOptions::empty()).unwrap();
    let _dict: Dict<u8, u8> = node.create("/dict", DictOptions::new()).unwrap();
    let _list: List<u8> = node.create("/list", ListOptions::new()).unwrap();
    let _served: Served<Thing> = node.create("/served", Serve::new(Thing)).unwrap();
    let _group: Group<Ask> = node.create("/group", GroupOptions::new()).unwrap();
    let _actor = node.actor::<Stuck>(()).name("/actor").capacity(1).start().unwrap();
    let lock: Lock = node.create("/lock", LockOptions::new()).unwrap();
    let reentrant: ReentrantLock = node.create("/reentrant", LockOptions::new()).unwrap();
    let rw_lock: RwLock = node.create("/rw-lock", RwLockOptions::new()).unwrap();
    let _semaphore: Semaphore = node.create("/semaphore", SemaphoreOptions::new(0)).unwrap();
    let value: Value<u64> = node.create("/value", ValueOptions::new(0)).unwrap();
    let array: Array<u64> = node.create("/array", ArrayOptions::new(4)).unwrap();
    let _condition: Condition = node.create("/condition", ConditionOptions::new()).unwrap();
    let _held = (lock.lock().unwrap(), reentrant.lock().unwrap(), rw_lock.write().unwrap());
    let _held_too = (value.lock().unwrap(), array.write(..).unwrap());
    ready.set().unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// Uses its end of a pipe, and is not heard of again.
fn silent(node: &Node, end: PipeEnd<u8, u8>) {
    end.send(1).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

#[derive(Clone, Serialize, Deserialize)]
struct StuckStage;

impl Stage for StuckStage {
    type In = u8;
    type Out = u8;
    fn item(&mut self, _: u8, _: &mut Outputs<u8>) -> Result<(), Box<dyn Error>> {
        never()
    }
}

fn all_are(wait: &WaitInfo, roles: &[WaitRole], pid: u32) -> bool {
    let is =
        |(party, role): (&callboard::WaitParty, &WaitRole)| party.role == *role && party.pid == Some(pid);
    wait.parties.len() == roles.len() && wait.parties.iter().zip(roles).all(is)
}

/// > Every wait of this crate that sleeps is seen, by what it is for: takes, room, calls, locks, ends, tasks, sets, pipelines, supervisors.
#[test]
fn every_kind_of_wait_on_an_object_is_seen() {
    let node = Node::start().unwrap();
    let ready: Event = node.anonymous(EventOptions::new());
    let child = node.spawn("owner", owner, ready.clone()).unwrap();
    ready.wait().unwrap();
    let pid = child.pid();
    let (items, full): (Queue<u8>, Queue<u8>) = (node.open("/items").unwrap(), node.open("/full").unwrap());
    let joins = full.clone();
    begin(move || items.get());
    begin(move || full.put(2));
    begin(move || joins.join());
    let event: Event = node.open("/event").unwrap();
    begin(move || event.wait());
    let latch: Latch = node.open("/latch").unwrap();
    begin(move || latch.wait());
    let barrier: Barrier = node.open("/barrier").unwrap();
    begin(move || barrier.wait());
    let counter: Counter = node.open("/counter").unwrap();
    begin(move || counter.wait_at_least(1));
    let register: Register<u8> = node.open("/register").unwrap();
    begin(move || register.wait());
    let dict: Dict<u8, u8> = node.open("/dict").unwrap();
    begin(move || dict.watch_all().unwrap().next());
    let list: List<u8> = node.open("/list").unwrap();
    begin(move || list.watch().unwrap().next());
    let served: Served<Thing> = node.open("/served").unwrap();
    begin(move || served.call(Thing::stuck, ()));
    let group: Group<Ask> = node.open("/group").unwrap();
    begin(move || group.watch().unwrap().next_timeout(PATIENCE));
    let actor: ActorRef<Ask> = node.open("/actor").unwrap();
    let (asked, watched, filled) = (actor.clone(), actor.clone(), actor);
    begin(move || asked.call(Ask));
    // While there is room for it in the mailbox.
    seen(&node, "an answer of actor /actor", |wait| all_are(wait, &[WaitRole::Owner], pid));
    begin(move || watched.monitor().wait());
    begin(move || while filled.begin_call(Ask).map(std::mem::forget).is_ok() {});
    let owned = [
        "an item from queue /items",
        "room in queue /full",
        "the last acknowledgement of queue /full",
        "event /event",
        "latch /latch",
        "barrier /barrier",
        "counter /counter",
        "register /register",
        "a change of dict /dict",
        "list /list",
        "object /served",
        "a change of group /group",
        "the end of actor /actor",
        "room in the mailbox of actor /actor",
    ];
    for what in owned {
        seen(&node, what, |wait| all_are(wait, &[WaitRole::Owner], pid));
    }
    waits_in_memory_are_seen(&node, pid);
    child.kill().unwrap();
}

/// The same for what lies in shared memory, which that process has made and holds.
fn waits_in_memory_are_seen(node: &Node, pid: u32) {
    let lock: Lock = node.open("/lock").unwrap();
    begin(move || drop(lock.lock()));
    let reentrant: ReentrantLock = node.open("/reentrant").unwrap();
    begin(move || drop(reentrant.lock()));
    let rw_lock: RwLock = node.open("/rw-lock").unwrap();
    begin(move || drop(rw_lock.read()));
    let value: Value<u64> = node.open("/value").unwrap();
    begin(move || drop(value.lock()));
    let array: Array<u64> = node.open("/array").unwrap();
    begin(move || drop(array.read(..)));
    for what in ["lock /lock", "lock /reentrant", "lock /rw-lock", "value /value", "array /array"] {
        seen(node, what, |wait| all_are(wait, &[WaitRole::Owner, WaitRole::Holder], pid));
    }
    let semaphore: Semaphore = node.open("/semaphore").unwrap();
    begin(move || drop(semaphore.acquire()));
    let condition: Condition = node.open("/condition").unwrap();
    begin(move || condition.lock().unwrap().wait());
    for what in ["semaphore /semaphore", "condition /condition"] {
        seen(node, what, |wait| all_are(wait, &[WaitRole::Owner], pid));
    }
}

/// > Every wait of this crate that sleeps is seen, by what it is for: takes, room, calls, locks, ends, tasks, sets, pipelines, supervisors.
#[test]
fn every_kind_of_wait_for_others_is_seen() {
    let node = Node::start().unwrap();
    let itself = |pid: u32| move |wait: &WaitInfo| all_are(wait, &[WaitRole::Itself], pid);
    // Pipes.
    let (ours, theirs) = node.pipe::<u8, u8>().unwrap();
    let child = node.spawn("silent", silent, theirs).unwrap();
    let pid = child.pid();
    assert_eq!(ours.recv().unwrap(), 1);
    let ours = std::sync::Arc::new(ours);
    let sends = std::sync::Arc::clone(&ours);
    begin(move || ours.recv());
    begin(move || while sends.send_bytes(&[0; 1000]).is_ok() {});
    seen(&node, "a message from pipe", itself(pid));
    seen(&node, "room in pipe", itself(pid));
    // Processes, and those whose programs are others.
    begin(move || child.join());
    seen(&node, "the end of process silent", itself(pid));
    let program = node.command("sleep").arg("600").stdin_piped().stdout_captured().spawn().unwrap();
    let (mut input, mut output) = (program.stdin().unwrap(), program.stdout().unwrap());
    begin(move || while input.write_all(&[0; 1000]).is_ok() {});
    begin(move || output.read(&mut [0]));
    let sleeps = program.pid();
    begin(move || program.wait());
    seen(&node, "the end of program sleep", itself(sleeps));
    seen(&node, "room in the input of a program", |_| true);
    seen(&node, "output of a process", |_| true);
    // Sets.
    let queue: Queue<u8> = node.create("/any", QueueOptions::new()).unwrap();
    let mut any = WaitAny::new(&node);
    any.add(&queue);
    any.add(&node);
    begin(move || any.wait());
    let what = "any of 2 things: an item from queue /any, a request to end";
    seen(&node, what, |wait| all_are(wait, &[WaitRole::Owner], std::process::id()) && !wait.is_idle);
    let stops = node.clone();
    begin(move || stops.wait_stopping(PATIENCE));
    seen(&node, "a request to end", |wait| wait.is_idle && wait.parties.is_empty());
    let names = node.clone();
    begin(move || names.open_timeout::<Queue<u8>>("/nothing", PATIENCE));
    seen(&node, "the registry of names at node root", |_| true);
    // Supervisors.
    let spec =
        SupervisorSpec::new().name("top").child(ChildSpec::actor("stuck", |node| node.actor::<Stuck>(())));
    let supervisor = node.supervise(&spec).unwrap();
    begin(move || supervisor.wait());
    seen(&node, "the end of supervisor top", |_| true);
}

/// > Of a task that is waited for, and of a pipeline, those who work on it are named.
#[test]
fn of_tasks_and_pipelines_those_who_work_on_them_are_named() {
    fn stuck(_: u8) -> u8 {
        never()
    }
    let node = Node::start().unwrap();
    let pool = node.pool(PoolOptions::new().name("one").workers(1).capacity(2, 1000)).unwrap();
    let first = pool.submit(stuck, 1).unwrap();
    let works = |name: &'static str| {
        move |wait: &WaitInfo| {
            wait.parties.iter().any(|party| {
                let is_it = party.role == WaitRole::Worker && party.name == name;
                is_it && party.state == ProcessState::Runs && party.pid != Some(std::process::id())
            })
        }
    };
    begin(move || first.result());
    seen(&node, "task 0 of pool one-*", works("one-1"));
    let second = pool.submit(stuck, 2).unwrap();
    begin(move || second.result());
    seen(&node, "task 1 of pool one-*, which waits for a worker", |wait| wait.parties.is_empty());
    let pool = std::sync::Arc::new(pool);
    let more = std::sync::Arc::clone(&pool);
    begin(move || while more.submit(stuck, 3).map(drop).is_ok() {});
    seen(&node, "room in pool one-*", works("one-1"));
    let joins = std::sync::Arc::clone(&pool);
    begin(move || {
        joins.close();
        joins.join_timeout(PATIENCE)
    });
    seen(&node, "the end of pool one-*", works("one-1"));
    let maps = node.pool(PoolOptions::new().name("maps").workers(1)).unwrap();
    begin(move || maps.map(stuck, 0..3));
    seen(&node, "values of a mapping of pool maps-*", works("maps-1"));
    let runs = node.clone();
    begin(move || {
        let pipeline = Pipeline::source(0_u8..3).stage(StageOptions::new("parse"), StuckStage);
        pipeline.run(&runs, Workers::Processes, |_: u8| ()).map(drop)
    });
    seen(&node, "a step of pipeline of parse", works("parse-1"));
}

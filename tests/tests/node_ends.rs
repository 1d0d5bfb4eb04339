//! Threads that outlive their node, with handles in hand: whatever they wait for, or begin to wait for, comes to an end.

use std::io::Write;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use callboard::{
    Actor, ActorRef, Array, ArrayOptions, Barrier, BarrierOptions, Condition, ConditionOptions, Context,
    Counter, CounterOptions, Dict, DictError, DictOptions, Event, EventOptions, Failure, Interest, Latch,
    LatchOptions, List, ListOptions, Lock, LockOptions, Node, ObjectError, PutError, Queue, QueueError,
    QueueOptions, ReentrantLock, Register, RegisterOptions, ReplyTo, RwLock, RwLockOptions, Semaphore,
    SemaphoreOptions, Serve, Served, TryGetError, Value, ValueOptions, WaitAny,
};
use callboard_tests::{PATIENCE, Random, eventually, pause, rounds};
use serde::{Deserialize, Serialize};

callboard::test_door!();

/// Keeps the right to reply, and so never replies.
struct Keeps(Vec<ReplyTo<()>>);

#[derive(Debug, Serialize, Deserialize)]
struct Ask(ReplyTo<()>);

impl Actor for Keeps {
    type Message = Ask;
    type Args = ();
    fn start(_: &mut Context<Ask>, (): ()) -> Result<Self, Failure> {
        Ok(Keeps(Vec::new()))
    }
    fn handle(&mut self, _: &mut Context<Ask>, Ask(reply): Ask) -> Result<(), Failure> {
        self.0.push(reply);
        Ok(())
    }
}

/// Handles nothing: its first message is done when the event is set.
struct Waits(Event);

impl Actor for Waits {
    type Message = Ask;
    type Args = Event;
    fn start(_: &mut Context<Ask>, end: Event) -> Result<Self, Failure> {
        Ok(Waits(end))
    }
    fn handle(&mut self, _: &mut Context<Ask>, _: Ask) -> Result<(), Failure> {
        let _ = self.0.wait();
        Ok(())
    }
}

/// Something that would be waited for without end, and says what came of it.
type Wait = Box<dyn FnOnce() -> String + Send>;

/// What a wait is called, and how it is made ready: objects are made at the first node and used at the second, which may be the same.
type Case = (&'static str, fn(&Node, &Node) -> Wait);

fn said<T: std::fmt::Debug>(what: impl FnOnce() -> T + Send + 'static) -> Wait {
    Box::new(move || format!("{:?}", what()))
}

macro_rules! object {
    ($owner:ident, $user:ident, $of:ty, $options:expr) => {{
        let name = format!("/{}", Random::new().below(u64::MAX));
        let made: $of = $owner.create(&name, $options).unwrap();
        let used: $of = $user.open(&name).unwrap();
        (made, used)
    }};
}

fn full(owner: &Node, user: &Node) -> Queue<u8> {
    let (_, queue) = object!(owner, user, Queue<u8>, QueueOptions::new().capacity(1));
    queue.put_confirmed(1).unwrap();
    queue
}

const CASES: &[Case] = &[
    ("an item", |owner, user| {
        let (_, queue) = object!(owner, user, Queue<u8>, QueueOptions::new());
        said(move || queue.get())
    }),
    ("items", |owner, user| {
        let (_, queue) = object!(owner, user, Queue<u8>, QueueOptions::new());
        said(move || queue.get_many(2))
    }),
    ("a lease", |owner, user| {
        let (_, queue) = object!(owner, user, Queue<u8>, QueueOptions::new());
        said(move || queue.lease().map(drop))
    }),
    ("room", |owner, user| {
        let queue = full(owner, user);
        said(move || queue.put(2))
    }),
    ("the last acknowledgement", |owner, user| {
        let queue = full(owner, user);
        said(move || queue.join())
    }),
    ("an event", |owner, user| {
        let (_, event) = object!(owner, user, Event, EventOptions::new());
        said(move || event.wait())
    }),
    ("a latch", |owner, user| {
        let (_, latch) = object!(owner, user, Latch, LatchOptions::new(1));
        said(move || latch.wait())
    }),
    ("a barrier", |owner, user| {
        let (_, barrier) = object!(owner, user, Barrier, BarrierOptions::new(2).unwrap());
        said(move || barrier.wait())
    }),
    ("a counter", |owner, user| {
        let (_, counter) = object!(owner, user, Counter, CounterOptions::new());
        said(move || counter.wait_at_least(1))
    }),
    ("a register", |owner, user| {
        let (_, register) = object!(owner, user, Register<u8>, RegisterOptions::empty());
        said(move || register.wait())
    }),
    ("a change of a dict", |owner, user| {
        let (_, dict) = object!(owner, user, Dict<u8, u8>, DictOptions::new());
        said(move || dict.watch_all().map(|mut watch| watch.next().map(drop)))
    }),
    ("a change of a list", |owner, user| {
        let (_, list) = object!(owner, user, List<u8>, ListOptions::new());
        said(move || list.watch().map(|mut watch| watch.next().map(drop)))
    }),
    ("an answer", |owner, user| {
        let name = format!("/{}", Random::new().below(u64::MAX));
        let _made = owner.actor::<Keeps>(()).name(&name).start().unwrap();
        let actor: ActorRef<Ask> = user.open(&name).unwrap();
        said(move || actor.call(Ask))
    }),
    ("the end of an actor", |owner, user| {
        let name = format!("/{}", Random::new().below(u64::MAX));
        let _made = owner.actor::<Keeps>(()).name(&name).start().unwrap();
        let actor: ActorRef<Ask> = user.open(&name).unwrap();
        said(move || actor.monitor().wait())
    }),
    ("room in a mailbox", |owner, user| {
        let name = format!("/{}", Random::new().below(u64::MAX));
        let end: Event = owner.anonymous(EventOptions::new());
        let _made = owner.actor::<Waits>(end).name(&name).capacity(1).start().unwrap();
        let actor: ActorRef<Ask> = user.open(&name).unwrap();
        said(move || {
            while actor.begin_call(Ask).map(std::mem::forget).is_ok() {}
            actor.call(Ask)
        })
    }),
    ("a lock", |owner, user| {
        let (made, lock) = object!(owner, user, Lock, LockOptions::new());
        std::mem::forget(made.lock().unwrap());
        said(move || (lock.lock().map(drop), made).0)
    }),
    ("a reentrant lock", |owner, user| {
        let (made, lock) = object!(owner, user, ReentrantLock, LockOptions::new());
        std::mem::forget(made.lock().unwrap());
        said(move || (lock.lock().map(drop), made).0)
    }),
    ("a lock to write", |owner, user| {
        let (made, lock) = object!(owner, user, RwLock, RwLockOptions::new());
        std::mem::forget(made.read().unwrap());
        said(move || (lock.write().map(drop), made).0)
    }),
    ("a lock to read", |owner, user| {
        let (made, lock) = object!(owner, user, RwLock, RwLockOptions::new());
        std::mem::forget(made.write().unwrap());
        said(move || (lock.read().map(drop), made).0)
    }),
    ("a permit", |owner, user| {
        let (_, permits) = object!(owner, user, Semaphore, SemaphoreOptions::new(0));
        said(move || permits.acquire().map(drop))
    }),
    ("a value", |owner, user| {
        let (made, value) = object!(owner, user, Value<u64>, ValueOptions::new(0));
        std::mem::forget(made.lock().unwrap());
        said(move || (value.update(|n| n + 1), made).0)
    }),
    ("an array", |owner, user| {
        let (made, array) = object!(owner, user, Array<u64>, ArrayOptions::new(4));
        std::mem::forget(made.write(..).unwrap());
        said(move || (array.read(..).map(drop), made).0)
    }),
    ("a condition", |owner, user| {
        let (_, condition) = object!(owner, user, Condition, ConditionOptions::new());
        said(move || condition.lock().and_then(|mut held| held.wait()))
    }),
    ("a function of an object", |owner, user| {
        let end: Event = owner.anonymous(EventOptions::new());
        let (_, served) = object!(owner, user, Served<Event>, Serve::new(end));
        said(move || served.call(|end: &mut Event, (): ()| end.wait().is_ok(), ()))
    }),
    ("any of two", |owner, user| {
        let (_, queue) = object!(owner, user, Queue<u8>, QueueOptions::new());
        let (_, event) = object!(owner, user, Event, EventOptions::new());
        let mut any = WaitAny::new(user);
        any.add(&queue);
        any.add(&event);
        said(move || (any.wait(), queue.get()).1)
    }),
    ("the end of a program", |_, user| {
        let program = user.command("sleep").arg("600").spawn().unwrap();
        said(move || program.wait())
    }),
];

/// What is said of an end. An object of another node may be found there for a moment longer than that node's connection.
const ENDS: [&str; 6] = ["Disconnected", "Closed", "Gone", "Killed", "NotThere", "Signalled"];

/// Runs each case; `end` begins the wait and ends the node of those who wait, in one order or the other.
fn each_ends(elsewhere: bool, rounds: u64, end: fn(&mut Random, Node, Wait) -> Receiver<String>) {
    let mut random = Random::new();
    for (name, case) in CASES {
        for _ in 0..rounds {
            let owner = Node::start().unwrap();
            let user = if elsewhere { owner.start_beside("beside").unwrap() } else { owner.clone() };
            let wait = case(&owner, &user);
            // Until the wait is over, if it is another.
            let owner = elsewhere.then_some(owner);
            let told = end(&mut random, user, wait).recv_timeout(PATIENCE);
            let told = told.unwrap_or_else(|_| panic!("who waited for {name} was never told"));
            assert!(ENDS.iter().any(|end| told.contains(end)), "{name}: {told}");
            drop(owner);
        }
    }
}

fn begin(wait: Wait) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || tell.send(wait()));
    told
}

/// > When a node has ended, whoever waits for an object, an actor or a process by a handle of that node is told, and whoever begins to: nothing waits for ever.
#[test]
fn who_waits_here_when_the_node_ends_is_told() {
    each_ends(false, 1, sleeps_then_ends);
}

/// > When a node has ended, whoever waits for an object, an actor or a process by a handle of that node is told, and whoever begins to: nothing waits for ever.
#[test]
fn who_waits_for_others_when_the_node_ends_is_told() {
    each_ends(true, 1, sleeps_then_ends);
}

fn sleeps_then_ends(_: &mut Random, node: Node, wait: Wait) -> Receiver<String> {
    let told = begin(wait);
    eventually("it waits", || !node.waits().is_empty());
    drop(node);
    told
}

/// > When a node has ended, whoever waits for an object, an actor or a process by a handle of that node is told, and whoever begins to: nothing waits for ever.
#[test]
fn who_begins_to_wait_when_the_node_has_ended_is_told() {
    fn ends_first(_: &mut Random, node: Node, wait: Wait) -> Receiver<String> {
        drop(node);
        begin(wait)
    }
    each_ends(false, 1, ends_first);
    each_ends(true, 1, ends_first);
}

/// > When a node has ended, whoever waits for an object, an actor or a process by a handle of that node is told, and whoever begins to: nothing waits for ever.
#[test]
fn who_begins_to_wait_while_the_node_ends_is_told() {
    fn at_once(random: &mut Random, node: Node, wait: Wait) -> Receiver<String> {
        let told = begin(wait);
        pause(Duration::from_micros(random.below(300)));
        drop(node);
        told
    }
    each_ends(false, rounds(20), at_once);
    each_ends(true, rounds(20), at_once);
}

/// > An object has ended with its node for that node's own threads too: what they put, set or ask for then comes back as an error.
#[test]
fn what_is_asked_of_an_object_of_a_node_that_has_ended_fails() {
    let node = Node::start().unwrap();
    let queue: Queue<u8> = node.anonymous(QueueOptions::new());
    let dict: Dict<u8, u8> = node.anonymous(DictOptions::new());
    let event: Event = node.anonymous(EventOptions::new());
    queue.put(1).unwrap();
    dict.insert(1, 1).unwrap();
    drop(node);
    assert!(matches!(queue.put(2), Err(PutError::Disconnected(2))));
    assert!(matches!(queue.try_put(3), Err(PutError::Disconnected(3))));
    assert_eq!(queue.len(), Err(QueueError::Disconnected));
    assert_eq!(queue.try_get(), Err(TryGetError::Disconnected));
    assert_eq!(dict.get(&1), Err(DictError::Disconnected));
    assert_eq!(dict.insert(2, 2), Err(DictError::Disconnected));
    assert_eq!(event.set(), Err(ObjectError::Disconnected));
    assert_eq!(event.is_set(), Err(ObjectError::Disconnected));
}

/// > Pipes and descriptors go on when the node has ended, and whoever waits for them is told of what comes.
#[test]
fn who_waits_for_pipes_when_the_node_has_ended_gets_what_comes() {
    for begins_before in [true, false] {
        let node = Node::start().unwrap();
        let pipes: Vec<_> = (0..4).map(|_| node.pipe::<u64, u64>().unwrap()).collect();
        let (ours, theirs): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut any = WaitAny::new(&node);
        any.add_fd(&reader, Interest::Readable).unwrap();
        let keeps = begins_before.then(|| node.clone());
        drop(node);
        std::thread::scope(|scope| {
            // One of them sits in the epoll, and the others beside it.
            let waits = theirs.iter().map(|end| scope.spawn(|| end.recv().unwrap()));
            let waits: Vec<_> = waits.collect();
            let member = scope.spawn(|| any.wait());
            if let Some(node) = keeps {
                eventually("they wait", || node.waits().len() == 5);
            } else {
                pause(Duration::from_millis(20));
            }
            // Whoever sits there is gone with the first that comes.
            for (number, (end, wait)) in ours.iter().zip(waits).enumerate() {
                end.send(number as u64).unwrap();
                assert_eq!(wait.join().unwrap(), number as u64);
            }
            writer.write_all(&[1]).unwrap();
            assert!(member.join().unwrap().is_some());
        });
    }
}

/// > A thread that waits for a pipe when its node has ended sleeps: it is not woken for a loop that is no more.
#[test]
fn who_waits_for_a_pipe_when_the_node_has_ended_sleeps() {
    let time = || {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(spent.tv_sec.cast_unsigned(), spent.tv_nsec.try_into().unwrap())
    };
    let (mut waited, begun) = (Duration::ZERO, time());
    for round in 0..rounds(40) {
        let node = Node::start().unwrap();
        let (ours, _theirs) = node.pipe::<u64, u64>().unwrap();
        // The loop is at work, or has just been, in some of them.
        pause(Duration::from_micros(round % 8 * 20));
        drop(node);
        assert!(ours.recv_timeout(Duration::from_millis(20)).is_err());
        waited += Duration::from_millis(20);
    }
    let worked = time() - begun;
    assert!(worked < waited / 2, "of {waited:?} it worked {worked:?}");
}

//! Actors of this project in another process.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use callboard::{Actor, ActorRef, Asked, Context, Failure, Manager, Node, Reply, ReplyTo, Serve, Served};
use serde::{Deserialize, Serialize};

use crate::clock::stamp;
use crate::harness::{Bench, Measured, Outcome, Trouble, check};
use crate::item::sum_of;
use crate::rows::latency::Latencies;

/// Messages or calls before the clock starts.
const WARM_UP: u64 = 100;
/// How long the process may take to end.
const SOON: Duration = Duration::from_secs(10);
/// Where the actor is found.
const NAME: &str = "/actors/sink";

/// Adds up, and remembers when the last number came.
struct Sink {
    left: u64,
    sum: u64,
    ended_at: u64,
}

#[derive(Debug, Serialize, Deserialize)]
enum Say {
    Add(u64),
    Echo(u64, ReplyTo<u64>),
    /// The sum, and when the last number came.
    Sum(ReplyTo<(u64, u64)>),
}

impl Actor for Sink {
    type Message = Say;
    type Args = u64;

    fn start(_: &mut Context<Say>, left: u64) -> Result<Self, Failure> {
        Ok(Self { left, sum: 0, ended_at: 0 })
    }

    fn handle(&mut self, _: &mut Context<Say>, message: Say) -> Result<(), Failure> {
        match message {
            Say::Add(number) => {
                self.sum += number;
                self.left -= 1;
                if self.left == 0 {
                    self.ended_at = stamp();
                }
            }
            Say::Echo(number, reply) => reply.send(number)?,
            Say::Sum(reply) => reply.send((self.sum, self.ended_at))?,
        }
        Ok(())
    }
}

/// How many messages its mailbox has room for, unless that is what a round is about.
const CAPACITY: u64 = 1024;

/// An actor in a process of its own, that expects so many numbers.
fn hosted(node: &Node, count: u64, capacity: u64) -> Result<(Manager, ActorRef<Say>), Trouble> {
    fn begin(node: &Node, (count, capacity): (u64, u64)) -> bool {
        node.actor::<Sink>(count).capacity(capacity).name(NAME).start().is_ok()
    }
    let manager = Manager::start(node, "/actors")?;
    check("whether the actor has started", &manager.host().run(begin, (count, capacity))?, &true)?;
    let sink = node.open(NAME)?;
    Ok((manager, sink))
}

/// Numbers to an actor.
pub(super) fn cast(bench: &Bench, count: u64, capacity: u64) -> Outcome {
    let (manager, sink) = hosted(&bench.node, WARM_UP + count, capacity)?;
    for _ in 0..WARM_UP {
        sink.cast(Say::Add(0))?;
    }
    sink.call(Say::Sum)?;
    let start = stamp();
    for number in 0..count {
        sink.cast(Say::Add(number))?;
    }
    let (sum, end) = sink.call(Say::Sum)?;
    check("sum of what was handled", &sum, &sum_of(count))?;
    manager.shutdown(SOON)?;
    Ok(Measured::between(count, start, end))
}

/// One number after the other there and back, each after a pause.
pub(super) fn call(bench: &Bench, count: u64, pause: Duration) -> Outcome {
    let (manager, sink) = hosted(&bench.node, 0, CAPACITY)?;
    let measured = timed(count, pause, |number| Ok(sink.call(|reply| Say::Echo(number, reply))?))?;
    manager.shutdown(SOON)?;
    Ok(measured)
}

/// The same, and each time the actor is looked up.
pub(super) fn open_and_call(bench: &Bench, count: u64) -> Outcome {
    let (manager, _sink) = hosted(&bench.node, 0, CAPACITY)?;
    let measured = timed(count, Duration::ZERO, |number| {
        let sink: ActorRef<Say> = bench.node.open(NAME)?;
        Ok(sink.call(|reply| Say::Echo(number, reply))?)
    })?;
    manager.shutdown(SOON)?;
    Ok(measured)
}

fn timed(count: u64, pause: Duration, mut ask: impl FnMut(u64) -> Result<u64, Trouble>) -> Outcome {
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        let start = Instant::now();
        sum += ask(number)?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    check("sum of the answers", &sum, &sum_of(WARM_UP + count))?;
    Ok(latencies.measured())
}

/// Numbers there and back, so many at a time.
pub(super) fn call_many(bench: &Bench, count: u64, in_flight: usize) -> Outcome {
    let (manager, sink) = hosted(&bench.node, 0, CAPACITY)?;
    let measured = many(
        count,
        in_flight,
        |number| Ok(sink.begin_call(|reply| Say::Echo(number, reply))?),
        |asked: Asked<u64>| Ok(asked.wait()?),
    )?;
    manager.shutdown(SOON)?;
    Ok(measured)
}

/// The same with an object that answers in the order of the calls.
pub(super) fn served_many(bench: &Bench, count: u64, in_flight: usize) -> Outcome {
    fn serve(node: &Node, (): ()) -> Served<u64> {
        node.anonymous(Serve::new(0))
    }
    let manager = Manager::start(&bench.node, "/actors")?;
    let served = manager.host().run(serve, ())?;
    let measured = many(
        count,
        in_flight,
        |number| Ok(served.begin_call(|_, number: u64| number, number)?),
        |reply: Reply<u64>| Ok(reply.wait()?),
    )?;
    manager.shutdown(SOON)?;
    Ok(measured)
}

fn many<A>(
    count: u64,
    in_flight: usize,
    begin: impl Fn(u64) -> Result<A, Trouble>,
    wait: impl Fn(A) -> Result<u64, Trouble>,
) -> Outcome {
    let mut under_way = VecDeque::with_capacity(in_flight);
    let mut sum = 0;
    for number in 0..WARM_UP {
        sum += wait(begin(number)?)?;
    }
    let start = stamp();
    for number in WARM_UP..WARM_UP + count {
        if under_way.len() == in_flight
            && let Some(first) = under_way.pop_front()
        {
            sum += wait(first)?;
        }
        under_way.push_back(begin(number)?);
    }
    for last in under_way {
        sum += wait(last)?;
    }
    let end = stamp();
    check("sum of the answers", &sum, &sum_of(WARM_UP + count))?;
    Ok(Measured::between(count, start, end))
}

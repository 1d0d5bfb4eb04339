//! Actors of this project in one process.

use std::time::Instant;

use callboard::{Actor, ActorRef, Context, Failure, Node, ReplyTo};
use serde::{Deserialize, Serialize};

use super::start::Started;
use super::tally::{Tally, after};
use crate::clock::stamp;
use crate::harness::{Bench, Outcome, Trouble, check};
use crate::item::sum_of;
use crate::rows::latency::Latencies;

/// Calls before the clock starts.
const WARM_UP: u64 = 100;

/// One that adds up, echoes, or passes on.
struct One {
    tally: Tally,
    next: Option<ActorRef<Say>>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Say {
    Add(u64),
    Echo(u64, ReplyTo<u64>),
    /// Goes so many steps further.
    Token(u64),
    Next(ActorRef<Say>),
}

impl Actor for One {
    type Message = Say;
    type Args = Tally;

    fn start(_: &mut Context<Say>, tally: Tally) -> Result<Self, Failure> {
        Ok(Self { tally, next: None })
    }

    fn handle(&mut self, _: &mut Context<Say>, message: Say) -> Result<(), Failure> {
        match message {
            Say::Add(number) => self.tally.add(number),
            Say::Echo(number, reply) => reply.send(number)?,
            Say::Token(0) => self.tally.add(0),
            Say::Token(left) => match &self.next {
                Some(next) => next.cast(Say::Token(left - 1))?,
                None => return Err(Failure::new("no next")),
            },
            Say::Next(next) => self.next = Some(next),
        }
        Ok(())
    }
}

/// Stops them as the round ends.
struct Stops(Vec<ActorRef<Say>>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.iter().for_each(ActorRef::stop);
    }
}

fn one(node: &Node, tally: Tally) -> Result<ActorRef<Say>, Trouble> {
    Ok(node.actor::<One>(tally).start()?)
}

/// Numbers from one thread to one actor.
pub(super) fn cast(bench: &Bench, count: u64) -> Outcome {
    let (finish, end) = after(1);
    let actor = one(&bench.node, finish.tally(count))?;
    let _stops = Stops(vec![actor.clone()]);
    let start = stamp();
    for number in 0..count {
        actor.cast(Say::Add(number))?;
    }
    end.measured(count, start, sum_of(count))
}

/// One number after the other there and back.
pub(super) fn call(bench: &Bench, count: u64) -> Outcome {
    let (finish, _end) = after(1);
    let actor = one(&bench.node, finish.tally(1))?;
    let _stops = Stops(vec![actor.clone()]);
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        let start = Instant::now();
        sum += actor.call(|reply| Say::Echo(number, reply))?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    check("sum of the answers", &sum, &sum_of(WARM_UP + count))?;
    Ok(latencies.measured())
}

/// So many hops of one message around a ring.
pub(super) fn ring(bench: &Bench, members: u64, hops: u64) -> Outcome {
    let (finish, end) = after(1);
    let ring: Result<Vec<_>, Trouble> = (0..members).map(|_| one(&bench.node, finish.tally(1))).collect();
    let ring = Stops(ring?);
    for (member, next) in ring.0.iter().zip(ring.0.iter().cycle().skip(1)) {
        member.cast(Say::Next(next.clone()))?;
    }
    let start = stamp();
    ring.0[0].cast(Say::Token(hops))?;
    end.measured(hops, start, 0)
}

/// Numbers to so many actors, to each in its turn, so many times.
pub(super) fn fan_out(bench: &Bench, members: u64, times: u64) -> Outcome {
    let (finish, end) = after(members);
    let actors: Result<Vec<_>, Trouble> =
        (0..members).map(|_| one(&bench.node, finish.tally(times))).collect();
    let actors = Stops(actors?);
    let start = stamp();
    for number in 0..times {
        for actor in &actors.0 {
            actor.cast(Say::Add(number))?;
        }
    }
    end.measured(members * times, start, members * sum_of(times))
}

/// Starts so many.
pub(super) fn start(count: u64) -> Outcome {
    let node = Node::start()?;
    let (finish, end) = after(count);
    let mut started = Started::begin()?;
    let mut actors = Vec::with_capacity(count as usize);
    for _ in 0..count {
        actors.push(one(&node, finish.tally(1))?);
    }
    started.all_there()?;
    for actor in &actors {
        actor.cast(Say::Add(1))?;
    }
    started.all_handled(&end, count)
}

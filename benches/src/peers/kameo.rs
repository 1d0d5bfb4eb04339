//! Actors of kameo, on as many threads as there are cores. Their mailboxes are as they are by default, and bounded.

use std::convert::Infallible;
use std::time::Instant;

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn};
use kameo::message::{Context, Message};
use tokio::runtime::Runtime;

use crate::clock::stamp;
use crate::harness::{Outcome, Trouble, check};
use crate::item::sum_of;
use crate::rows::actors::start::Started;
use crate::rows::actors::tally::{Tally, after};
use crate::rows::latency::Latencies;

/// Calls before the clock starts.
const WARM_UP: u64 = 100;

struct One {
    tally: Tally,
    next: Option<ActorRef<One>>,
}

impl Actor for One {
    type Args = Tally;
    type Error = Infallible;

    async fn on_start(tally: Tally, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self { tally, next: None })
    }
}

struct Add(u64);

impl Message<Add> for One {
    type Reply = ();

    async fn handle(&mut self, Add(number): Add, _: &mut Context<Self, ()>) {
        self.tally.add(number);
    }
}

struct Echo(u64);

impl Message<Echo> for One {
    type Reply = u64;

    async fn handle(&mut self, Echo(number): Echo, _: &mut Context<Self, u64>) -> u64 {
        number
    }
}

struct Token(u64);

impl Message<Token> for One {
    type Reply = ();

    async fn handle(&mut self, Token(left): Token, _: &mut Context<Self, ()>) {
        match &self.next {
            // Not sent, the token never comes to its end, and the round fails.
            Some(next) if left > 0 => _ = next.tell(Token(left - 1)).await,
            _ => self.tally.add(0),
        }
    }
}

struct Next(ActorRef<One>);

impl Message<Next> for One {
    type Reply = ();

    async fn handle(&mut self, Next(next): Next, _: &mut Context<Self, ()>) {
        self.next = Some(next);
    }
}

/// Numbers from one task to one actor.
pub(crate) fn cast(count: u64) -> Outcome {
    fan_out(1, count)
}

/// Numbers to so many actors, to each in its turn.
pub(crate) fn fan_out(members: u64, times: u64) -> Outcome {
    let runtime = Runtime::new()?;
    let (finish, end) = after(members);
    let send = async move {
        let actors: Vec<_> = (0..members).map(|_| One::spawn(finish.tally(times))).collect();
        let start = stamp();
        for number in 0..times {
            for actor in &actors {
                actor.tell(Add(number)).await.map_err(Trouble::failed)?;
            }
        }
        // They end with the last reference.
        Ok::<_, Trouble>((start, actors))
    };
    let (start, _actors) = runtime.block_on(runtime.spawn(send))??;
    end.measured(members * times, start, members * sum_of(times))
}

/// One number after the other there and back, from a thread that runs no actors.
pub(crate) fn call(count: u64) -> Outcome {
    Runtime::new()?.block_on(ask(count))
}

/// The same from a task on the threads of the actors, which as a rule is on that of the actor.
pub(crate) fn call_within(count: u64) -> Outcome {
    let runtime = Runtime::new()?;
    runtime.block_on(runtime.spawn(ask(count)))?
}

async fn ask(count: u64) -> Outcome {
    let (finish, _end) = after(1);
    let actor = One::spawn(finish.tally(1));
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        let start = Instant::now();
        sum += actor.ask(Echo(number)).await.map_err(Trouble::failed)?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    check("sum of the answers", &sum, &sum_of(WARM_UP + count))?;
    Ok(latencies.measured())
}

/// So many hops of one message around a ring.
pub(crate) fn ring(members: u64, hops: u64) -> Outcome {
    let runtime = Runtime::new()?;
    let (finish, end) = after(1);
    let send = async move {
        let ring: Vec<_> = (0..members).map(|_| One::spawn(finish.tally(1))).collect();
        for (member, next) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            member.ask(Next(next.clone())).await.map_err(Trouble::failed)?;
        }
        let start = stamp();
        ring[0].tell(Token(hops)).await.map_err(Trouble::failed)?;
        Ok::<_, Trouble>((start, ring))
    };
    let (start, _ring) = runtime.block_on(runtime.spawn(send))??;
    end.measured(hops, start, 0)
}

/// Starts so many.
pub(crate) fn start(count: u64) -> Outcome {
    let runtime = Runtime::new()?;
    let (finish, end) = after(count);
    let send = async move {
        let mut started = Started::begin()?;
        let mut actors = Vec::with_capacity(count as usize);
        for _ in 0..count {
            actors.push(One::spawn(finish.tally(1)));
        }
        for actor in &actors {
            actor.wait_for_startup().await;
        }
        started.all_there()?;
        for actor in &actors {
            actor.tell(Add(1)).await.map_err(Trouble::failed)?;
        }
        Ok::<_, Trouble>((started, actors))
    };
    let (started, _actors) = runtime.block_on(runtime.spawn(send))??;
    started.all_handled(&end, count)
}

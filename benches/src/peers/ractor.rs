//! Actors of ractor, on as many threads as there are cores. Their mailboxes have no bound.

use std::time::Instant;

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::runtime::Runtime;

use crate::clock::stamp;
use crate::harness::{Outcome, Trouble, check};
use crate::item::sum_of;
use crate::rows::actors::start::Started;
use crate::rows::actors::tally::{Tally, after};
use crate::rows::latency::Latencies;

/// Calls before the clock starts.
const WARM_UP: u64 = 100;

struct One;

struct State {
    tally: Tally,
    next: Option<ActorRef<Say>>,
}

enum Say {
    Add(u64),
    Echo(u64, RpcReplyPort<u64>),
    Token(u64),
    Next(ActorRef<Say>),
}

impl Actor for One {
    type Msg = Say;
    type State = State;
    type Arguments = Tally;

    async fn pre_start(&self, _: ActorRef<Say>, tally: Tally) -> Result<State, ActorProcessingErr> {
        Ok(State { tally, next: None })
    }

    async fn handle(
        &self,
        _: ActorRef<Say>,
        message: Say,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Say::Add(number) => state.tally.add(number),
            Say::Echo(number, reply) => reply.send(number)?,
            Say::Token(left) => match &state.next {
                Some(next) if left > 0 => next.cast(Say::Token(left - 1))?,
                _ => state.tally.add(0),
            },
            Say::Next(next) => state.next = Some(next),
        }
        Ok(())
    }
}

async fn some(count: u64, tally: impl Fn() -> Tally) -> Result<Vec<ActorRef<Say>>, Trouble> {
    let mut actors = Vec::with_capacity(count as usize);
    for _ in 0..count {
        actors.push(Actor::spawn(None, One, tally()).await?.0);
    }
    Ok(actors)
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
        let actors = some(members, || finish.tally(times)).await?;
        let start = stamp();
        for number in 0..times {
            for actor in &actors {
                actor.cast(Say::Add(number)).map_err(Trouble::failed)?;
            }
        }
        Ok::<_, Trouble>(start)
    };
    let start = runtime.block_on(runtime.spawn(send))??;
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
    let actor = Actor::spawn(None, One, finish.tally(1)).await?.0;
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        let start = Instant::now();
        match actor.call(|reply| Say::Echo(number, reply), None).await.map_err(Trouble::failed)? {
            CallResult::Success(answer) => sum += answer,
            other => return Err(Trouble::failed(format!("{other:?}"))),
        }
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
        let ring = some(members, || finish.tally(1)).await?;
        for (member, next) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            member.cast(Say::Next(next.clone())).map_err(Trouble::failed)?;
        }
        let start = stamp();
        ring[0].cast(Say::Token(hops)).map_err(Trouble::failed)?;
        Ok::<_, Trouble>(start)
    };
    let start = runtime.block_on(runtime.spawn(send))??;
    end.measured(hops, start, 0)
}

/// Starts so many.
pub(crate) fn start(count: u64) -> Outcome {
    let runtime = Runtime::new()?;
    let (finish, end) = after(count);
    let send = async move {
        let mut started = Started::begin()?;
        let actors = some(count, || finish.tally(1)).await?;
        started.all_there()?;
        for actor in &actors {
            actor.cast(Say::Add(1)).map_err(Trouble::failed)?;
        }
        Ok::<_, Trouble>((started, actors))
    };
    let (started, _actors) = runtime.block_on(runtime.spawn(send))??;
    started.all_handled(&end, count)
}

//! Actors of actix, all on one thread, and sent to from another, or by each other. `do_send` knows no bound.

use std::time::Instant;

use actix::{Actor, Addr, Arbiter, Context, Handler, Message, System};

use crate::clock::stamp;
use crate::harness::{Measured, Outcome, Trouble, check};
use crate::item::sum_of;
use crate::rows::actors::start::Started;
use crate::rows::actors::tally::{Tally, after};
use crate::rows::latency::Latencies;

/// Calls before the clock starts.
const WARM_UP: u64 = 100;

struct One {
    tally: Tally,
    next: Option<Addr<One>>,
}

impl Actor for One {
    type Context = Context<Self>;
}

struct Add(u64);

impl Message for Add {
    type Result = ();
}

impl Handler<Add> for One {
    type Result = ();

    fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) {
        self.tally.add(number);
    }
}

struct Echo(u64);

impl Message for Echo {
    type Result = u64;
}

impl Handler<Echo> for One {
    type Result = u64;

    fn handle(&mut self, Echo(number): Echo, _: &mut Context<Self>) -> u64 {
        number
    }
}

struct Token(u64);

impl Message for Token {
    type Result = ();
}

impl Handler<Token> for One {
    type Result = ();

    fn handle(&mut self, Token(left): Token, _: &mut Context<Self>) {
        match &self.next {
            Some(next) if left > 0 => next.do_send(Token(left - 1)),
            _ => self.tally.add(0),
        }
    }
}

struct Next(Addr<One>);

impl Message for Next {
    type Result = ();
}

impl Handler<Next> for One {
    type Result = ();

    fn handle(&mut self, Next(next): Next, _: &mut Context<Self>) {
        self.next = Some(next);
    }
}

/// Runs `with` beside a thread for actors.
fn beside<R>(with: impl FnOnce(&Arbiter) -> Result<R, Trouble>) -> Result<R, Trouble> {
    let system = System::new();
    let arbiter = Arbiter::new();
    let result = system.block_on(async { with(&arbiter) });
    arbiter.stop();
    arbiter.join().map_err(|_| Trouble::failed("a panic"))?;
    result
}

fn one(arbiter: &Arbiter, tally: Tally) -> Addr<One> {
    One::start_in_arbiter(&arbiter.handle(), |_| One { tally, next: None })
}

/// Numbers from one thread to one actor.
pub(crate) fn cast(count: u64) -> Outcome {
    fan_out(1, count)
}

/// Numbers to so many actors, to each in its turn.
pub(crate) fn fan_out(members: u64, times: u64) -> Outcome {
    beside(|arbiter| {
        let (finish, end) = after(members);
        let actors: Vec<_> = (0..members).map(|_| one(arbiter, finish.tally(times))).collect();
        let start = stamp();
        for number in 0..times {
            for actor in &actors {
                actor.do_send(Add(number));
            }
        }
        end.measured(members * times, start, members * sum_of(times))
    })
}

/// One number after the other there and back.
pub(crate) fn call(count: u64) -> Outcome {
    let system = System::new();
    let arbiter = Arbiter::new();
    let (finish, _end) = after(1);
    let actor = one(&arbiter, finish.tally(1));
    let measured: Result<Measured, Trouble> = system.block_on(async {
        let mut latencies = Latencies::new(count, 1);
        let mut sum = 0;
        for number in 0..WARM_UP + count {
            let start = Instant::now();
            sum += actor.send(Echo(number)).await?;
            if number >= WARM_UP {
                latencies.add(start.elapsed());
            }
        }
        check("sum of the answers", &sum, &sum_of(WARM_UP + count))?;
        Ok(latencies.measured())
    });
    arbiter.stop();
    arbiter.join().map_err(|_| Trouble::failed("a panic"))?;
    measured
}

/// So many hops of one message around a ring.
pub(crate) fn ring(members: u64, hops: u64) -> Outcome {
    beside(|arbiter| {
        let (finish, end) = after(1);
        let ring: Vec<_> = (0..members).map(|_| one(arbiter, finish.tally(1))).collect();
        for (member, next) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            member.do_send(Next(next.clone()));
        }
        let start = stamp();
        ring[0].do_send(Token(hops));
        end.measured(hops, start, 0)
    })
}

/// Starts so many.
pub(crate) fn start(count: u64) -> Outcome {
    beside(|arbiter| {
        let (finish, end) = after(count);
        let mut started = Started::begin()?;
        let actors: Vec<_> = (0..count).map(|_| one(arbiter, finish.tally(1))).collect();
        // They are started in order: when the last one has handled a message all are there.
        let (last, there) = after(1);
        one(arbiter, last.tally(1)).do_send(Add(0));
        there.measured(1, 0, 0)?;
        started.all_there()?;
        for actor in &actors {
            actor.do_send(Add(1));
        }
        started.all_handled(&end, count)
    })
}

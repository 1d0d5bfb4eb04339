//! The rows of actors: in one process, beside other libraries of actors, and between two.

pub(crate) mod start;
pub(crate) mod tally;

mod local;
mod remote;

use super::{NO_PAUSE, PAUSE};
use crate::harness::{Row, Unit, base, limit, ours, peer};
use crate::limits::pingpong::{Way, round_trips};
use crate::limits::{frames, threads};
use crate::peers::{actix, erlang, kameo, ractor};

/// How many are in the ring.
const RING: u64 = 10_000;
/// How many get what one sends.
const FAN: u64 = 1_000;
/// How many calls are in flight.
const IN_FLIGHT: usize = 64;

pub(super) fn all() -> Vec<Row> {
    vec![
        local_cast(),
        local_call(),
        local_ring(),
        local_fan(),
        local_start(),
        local_million(),
        remote_cast(),
        remote_call(),
        remote_call_idle(),
        call_many(),
    ]
}

fn local_cast() -> Row {
    Row {
        name: "actor-local-cast",
        about: "a number from a thread to an actor of the same process",
        unit: Unit::Rate,
        contestants: vec![
            ours("cast", |b| local::cast(b, b.size(5_000_000, 20_000))),
            limit("crossbeam, two threads", |b| threads::one_way(b.size(10_000_000, 20_000))),
            peer("kameo", |b| kameo::cast(b.size(1_000_000, 5_000))),
            peer("ractor", |b| ractor::cast(b.size(1_000_000, 5_000))),
            peer("actix", |b| actix::cast(b.size(1_000_000, 5_000))),
            peer("Erlang", |b| erlang::alone(&["cast", b.pick("2000000", "5000")])),
        ],
    }
}

fn local_call() -> Row {
    Row {
        name: "actor-local-call",
        about: "a number to an actor of the same process on another thread, and back",
        unit: Unit::Time,
        contestants: vec![
            ours("call", |b| local::call(b, b.size(200_000, 500))),
            limit("crossbeam, two threads", |b| threads::round_trips(b.size(200_000, 500))),
            peer("kameo", |b| kameo::call(b.size(100_000, 500))),
            peer("ractor", |b| ractor::call(b.size(100_000, 500))),
            peer("kameo, maybe same thread", |b| kameo::call_within(b.size(100_000, 500))),
            peer("ractor, maybe same thread", |b| ractor::call_within(b.size(100_000, 500))),
            peer("actix", |b| actix::call(b.size(50_000, 500))),
            peer("Erlang", |b| erlang::alone(&["call", b.pick("100000", "500")])),
        ],
    }
}

fn local_ring() -> Row {
    Row {
        name: "actor-local-ring",
        about: "a number from one to the next of 10,000 actors in a ring",
        unit: Unit::Time,
        contestants: vec![
            ours("cast", |b| local::ring(b, RING, b.size(2_000_000, 20_000))),
            peer("kameo", |b| kameo::ring(RING, b.size(500_000, 20_000))),
            peer("ractor", |b| ractor::ring(RING, b.size(500_000, 20_000))),
            peer("actix", |b| actix::ring(RING, b.size(500_000, 20_000))),
            peer("Erlang", |b| erlang::alone(&["ring", "10000", b.pick("2000000", "20000")])),
        ],
    }
}

fn local_fan() -> Row {
    Row {
        name: "actor-local-fan",
        about: "a number from a thread to one of 1,000 actors, which take turns",
        unit: Unit::Rate,
        contestants: vec![
            ours("cast", |b| local::fan_out(b, FAN, b.size(2_000, 5))),
            peer("kameo", |b| kameo::fan_out(FAN, b.size(500, 5))),
            peer("ractor", |b| ractor::fan_out(FAN, b.size(500, 5))),
            peer("actix", |b| actix::fan_out(FAN, b.size(500, 5))),
            peer("Erlang", |b| erlang::alone(&["fan", "1000", b.pick("1000", "5")])),
        ],
    }
}

fn local_start() -> Row {
    Row {
        name: "actor-local-start",
        about: "one of 100,000 actors started, in a process of their own",
        unit: Unit::Time,
        contestants: vec![
            ours("start", |b| start::measure("ours", b.size(100_000, 1_000))),
            peer("kameo", |b| start::measure("kameo", b.size(100_000, 1_000))),
            peer("ractor", |b| start::measure("ractor", b.size(100_000, 1_000))),
            peer("actix", |b| start::measure("actix", b.size(100_000, 1_000))),
            peer("Erlang", |b| erlang::alone(&["start", b.pick("100000", "1000")])),
        ],
    }
}

fn local_million() -> Row {
    Row {
        name: "actor-local-million",
        about: "one of a million actors started, which must take less than a gibibyte",
        unit: Unit::Time,
        contestants: vec![ours("start", |b| start::within_a_gibibyte(b.size(1_000_000, 20_000)))],
    }
}

fn remote_cast() -> Row {
    Row {
        name: "actor-remote-cast",
        about: "a number to an actor of another process, found by name",
        unit: Unit::Rate,
        contestants: vec![
            ours("cast", |b| remote::cast(b, b.size(5_000_000, 20_000), 1024)),
            ours("mailbox of 16,384", |b| remote::cast(b, b.size(5_000_000, 20_000), 16_384)),
            limit("prototype of a queue", |b| frames::one_way::<u64>(b.size(20_000_000, 20_000))),
            peer("Erlang", |b| erlang::run(&["oneway", b.pick("200000", "500"), "u64"])),
        ],
    }
}

fn remote_call() -> Row {
    Row {
        name: "actor-remote-call",
        about: "a number to an actor of another process, and back",
        unit: Unit::Time,
        contestants: vec![
            ours("call", |b| remote::call(b, b.size(100_000, 500), NO_PAUSE)),
            ours("open by name, call", |b| remote::open_and_call(b, b.size(50_000, 500))),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(50_000, 500), NO_PAUSE, 1)),
            limit("epoll", |b| round_trips(Way::Epoll, b.size(50_000, 500), NO_PAUSE, 1)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(50_000, 500), NO_PAUSE, 1)),
            peer("Erlang gen_server", |b| erlang::run(&["call", b.pick("20000", "500")])),
        ],
    }
}

fn remote_call_idle() -> Row {
    Row {
        name: "actor-remote-idle",
        about: "the same after a millisecond of silence",
        unit: Unit::Time,
        contestants: vec![
            ours("call", |b| remote::call(b, b.size(500, 20), PAUSE)),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(500, 20), PAUSE, 1)),
            limit("epoll", |b| round_trips(Way::Epoll, b.size(500, 20), PAUSE, 1)),
        ],
    }
}

fn call_many() -> Row {
    Row {
        name: "call-many",
        about: "a call of an actor in another process, 64 in flight",
        unit: Unit::Rate,
        contestants: vec![
            ours("begin_call", |b| remote::call_many(b, b.size(1_000_000, 2_000), IN_FLIGHT)),
            base("one at a time", |b| remote::call(b, b.size(100_000, 500), NO_PAUSE)),
            base("Served::begin_call", |b| remote::served_many(b, b.size(300_000, 2_000), IN_FLIGHT)),
            peer("Erlang gen_server", |b| erlang::run(&["many", b.pick("100000", "500"), "64"])),
        ],
    }
}

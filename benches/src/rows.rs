//! The registry: every row with its contestants.

pub(crate) mod actors;
mod dict;
mod event;
pub(crate) mod idle;
pub(crate) mod latency;
mod memory;
mod pipe;
mod pipeline;
pub(crate) mod pools;
mod protocols;
mod queue;
mod shared;
mod spawn;
pub(crate) mod text;
mod wordcount;

use std::time::Duration;

use callboard::{QueueOptions, StartMethod};

use crate::harness::{Row, Unit, base, limit, ours, peer};
use crate::item::{BLOCK_BYTES, Block, Sample};
use crate::limits::pingpong::{Way, round_trips};
use crate::limits::{exec, frames, hub, stream, zygote};
use crate::peers::{erlang, iceoryx2, ipc_channel, procspawn, python, zeromq};

const NO_PAUSE: Duration = Duration::ZERO;
/// Long enough that whoever waits has gone to sleep.
const PAUSE: Duration = Duration::from_millis(1);

/// All rows, in the order in which they run.
pub(crate) fn all() -> Vec<Row> {
    let mut rows = vec![
        queue_u64(),
        queue_hub(),
        queue_hub_2x2(),
        queue_struct(),
        queue_1k(),
        queue_lease(),
        queue_bounded(),
        queue_bounded_1(),
        queue_latency(),
        queue_latency_idle(),
        call(),
        call_idle(),
        spawn(),
        idle(),
        wordcount::row(),
    ];
    rows.push(pipeline::row());
    rows.extend(protocols::all());
    rows.extend(memory::all());
    rows.extend(actors::all());
    rows.extend(pools::all());
    rows.extend(shared::all());
    rows
}

fn queue_u64() -> Row {
    Row {
        name: "queue-u64",
        about: "a number from one process to another",
        unit: Unit::Rate,
        contestants: vec![
            ours("owner gets", |b| {
                queue::owner_takes::<u64>(b, b.size(10_000_000, 20_000), QueueOptions::new())
            }),
            ours("owner puts", |b| {
                queue::owner_puts::<u64>(b, b.size(10_000_000, 20_000), QueueOptions::new())
            }),
            limit("prototype", |b| frames::one_way::<u64>(b.size(20_000_000, 20_000))),
            limit("raw, 512 a write", |b| stream::one_way(b.size(40_000_000, 20_000), 512)),
            limit("raw, 1 a write", |b| stream::one_way(b.size(500_000, 2_000), 1)),
            peer("ipc-channel", |b| ipc_channel::one_way::<u64>(b.size(300_000, 2_000))),
            peer("iceoryx2, polling", |b| iceoryx2::one_way::<u64>(b.size(1_000_000, 2_000))),
            peer("ZeroMQ", |b| zeromq::one_way::<u64>(b.size(1_000_000, 2_000))),
            peer("Erlang", |b| erlang::run(&["oneway", b.pick("200000", "500"), "u64"])),
            peer("Python Queue", |b| python::run("queues.py", &["oneway", b.pick("100000", "500"), "0"])),
        ],
    }
}

fn queue_hub() -> Row {
    Row {
        name: "queue-hub",
        about: "a number from one process to another by way of a third",
        unit: Unit::Rate,
        contestants: vec![
            ours("1 puts, 1 gets", |b| queue::hub::<u64>(b, b.size(5_000_000, 20_000))),
            limit("hub prototype", |b| hub::one_way::<u64>(b.size(10_000_000, 20_000))),
            peer("Python Queue", |b| python::run("queues.py", &["oneway", b.pick("100000", "500"), "0"])),
        ],
    }
}

fn queue_hub_2x2() -> Row {
    Row {
        name: "queue-hub-2x2",
        about: "a number from two processes to two others by way of a fifth",
        unit: Unit::Rate,
        contestants: vec![
            ours("2 put, 2 get", |b| queue::hub_two_by_two::<u64>(b, b.size(5_000_000, 20_000))),
            limit("hub prototype, 1 and 1", |b| hub::one_way::<u64>(b.size(10_000_000, 20_000))),
        ],
    }
}

fn queue_struct() -> Row {
    Row {
        name: "queue-struct",
        about: "a struct of three fields from one process to another",
        unit: Unit::Rate,
        contestants: vec![
            ours("owner gets", |b| {
                queue::owner_takes::<Sample>(b, b.size(3_000_000, 10_000), QueueOptions::new())
            }),
            ours("owner puts", |b| {
                queue::owner_puts::<Sample>(b, b.size(3_000_000, 10_000), QueueOptions::new())
            }),
            limit("prototype", |b| frames::one_way::<Sample>(b.size(5_000_000, 10_000))),
            peer("ipc-channel", |b| ipc_channel::one_way::<Sample>(b.size(300_000, 2_000))),
            peer("ZeroMQ", |b| zeromq::one_way::<Sample>(b.size(1_000_000, 2_000))),
            peer("Erlang", |b| erlang::run(&["oneway", b.pick("200000", "500"), "struct"])),
            peer("Python Queue", |b| {
                python::run("queues.py", &["oneway", b.pick("100000", "500"), "0", "struct"])
            }),
        ],
    }
}

fn queue_1k() -> Row {
    Row {
        name: "queue-1k",
        about: "a kibibyte from one process to another",
        unit: Unit::Rate,
        contestants: vec![
            ours("owner gets", |b| {
                queue::owner_takes::<Block>(b, b.size(1_000_000, 2_000), QueueOptions::new())
            }),
            ours("owner puts", |b| {
                queue::owner_puts::<Block>(b, b.size(1_000_000, 2_000), QueueOptions::new())
            }),
            limit("prototype", |b| frames::one_way::<Block>(b.size(1_500_000, 2_000))),
            peer("ipc-channel", |b| ipc_channel::one_way::<Block>(b.size(300_000, 2_000))),
            peer("iceoryx2, polling", |b| iceoryx2::one_way::<[u8; BLOCK_BYTES]>(b.size(500_000, 2_000))),
            peer("ZeroMQ", |b| zeromq::one_way::<Block>(b.size(500_000, 2_000))),
            peer("Erlang", |b| erlang::run(&["oneway", b.pick("100000", "500"), "1k"])),
            peer("Python Queue", |b| {
                python::run("queues.py", &["oneway", b.pick("100000", "500"), "0", "1k"])
            }),
        ],
    }
}

fn queue_lease() -> Row {
    Row {
        name: "queue-lease",
        about: "a number from one process to another, leased and acknowledged",
        unit: Unit::Rate,
        contestants: vec![
            ours("owner leases", |b| queue::owner_leases(b, b.size(5_000_000, 20_000))),
            ours("owner puts", |b| queue::owner_puts_leased(b, b.size(5_000_000, 20_000))),
            // What the same queue does without leases.
            base("without lease", |b| {
                queue::owner_takes::<u64>(b, b.size(5_000_000, 20_000), QueueOptions::new())
            }),
        ],
    }
}

fn queue_bounded() -> Row {
    Row {
        name: "queue-bounded",
        about: "a number from one process to another, at most 1,024 on the way",
        unit: Unit::Rate,
        contestants: vec![
            ours("owner gets", |b| {
                queue::owner_takes::<u64>(b, b.size(2_000_000, 20_000), QueueOptions::new().capacity(1024))
            }),
            ours("owner puts", |b| {
                queue::owner_puts::<u64>(b, b.size(2_000_000, 20_000), QueueOptions::new().capacity(1024))
            }),
            // What the same queue does with room for a million.
            base("unbounded", |b| {
                queue::owner_takes::<u64>(b, b.size(5_000_000, 20_000), QueueOptions::new())
            }),
            peer("Python Queue", |b| python::run("queues.py", &["oneway", b.pick("100000", "500"), "1024"])),
        ],
    }
}

fn queue_bounded_1() -> Row {
    Row {
        name: "queue-bounded-1",
        about: "a number from one process to another, at most one on the way",
        unit: Unit::Time,
        contestants: vec![
            ours("owner gets", |b| {
                queue::owner_takes::<u64>(b, b.size(50_000, 500), QueueOptions::new().capacity(1))
            }),
            ours("owner puts", |b| {
                queue::owner_puts::<u64>(b, b.size(50_000, 500), QueueOptions::new().capacity(1))
            }),
            limit("blocking round trip", |b| round_trips(Way::Blocking, b.size(50_000, 500), NO_PAUSE, 1)),
            peer("Python Queue", |b| python::run("queues.py", &["oneway", b.pick("20000", "500"), "1"])),
        ],
    }
}

fn queue_latency() -> Row {
    Row {
        name: "queue-latency",
        about: "a number from put to get, half a round trip over two queues",
        unit: Unit::Time,
        contestants: vec![
            ours("two queues", |b| queue::round_trips(b, b.size(50_000, 500), NO_PAUSE)),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(50_000, 500), NO_PAUSE, 2)),
            limit("epoll", |b| round_trips(Way::Epoll, b.size(50_000, 500), NO_PAUSE, 2)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(50_000, 500), NO_PAUSE, 2)),
            peer("ipc-channel", |b| ipc_channel::round_trips(b.size(50_000, 500), 2)),
            peer("iceoryx2, polling", |b| iceoryx2::round_trips(b.size(50_000, 500), 2)),
            peer("ZeroMQ REQ", |b| zeromq::round_trips(b.size(20_000, 500), 2)),
            peer("Erlang message", |b| erlang::run(&["roundtrip", b.pick("20000", "500"), "2"])),
            peer("Python Queue", |b| python::run("queues.py", &["roundtrip", b.pick("10000", "500"), "2"])),
        ],
    }
}

fn queue_latency_idle() -> Row {
    Row {
        name: "queue-latency-idle",
        about: "the same after a millisecond of silence",
        unit: Unit::Time,
        contestants: vec![
            ours("two queues", |b| queue::round_trips(b, b.size(500, 20), PAUSE)),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(500, 20), PAUSE, 2)),
            limit("epoll", |b| round_trips(Way::Epoll, b.size(500, 20), PAUSE, 2)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(500, 20), PAUSE, 2)),
        ],
    }
}

fn call() -> Row {
    Row {
        name: "call",
        about: "the length of a queue in another process",
        unit: Unit::Time,
        contestants: vec![
            ours("Queue::len", |b| queue::calls(b, b.size(100_000, 500), NO_PAUSE)),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(50_000, 500), NO_PAUSE, 1)),
            limit("epoll", |b| round_trips(Way::Epoll, b.size(50_000, 500), NO_PAUSE, 1)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(50_000, 500), NO_PAUSE, 1)),
            peer("ipc-channel", |b| ipc_channel::round_trips(b.size(50_000, 500), 1)),
            peer("iceoryx2, polling", |b| iceoryx2::round_trips(b.size(50_000, 500), 1)),
            peer("ZeroMQ REQ", |b| zeromq::round_trips(b.size(20_000, 500), 1)),
            peer("Erlang message", |b| erlang::run(&["roundtrip", b.pick("20000", "500"), "1"])),
            peer("Erlang gen_server", |b| erlang::run(&["call", b.pick("20000", "500")])),
            peer("Python Pipe", |b| python::run("queues.py", &["pipe", b.pick("20000", "500")])),
            peer("Python Queue", |b| python::run("queues.py", &["roundtrip", b.pick("10000", "500"), "1"])),
        ],
    }
}

fn call_idle() -> Row {
    Row {
        name: "call-idle",
        about: "the same after a millisecond of silence",
        unit: Unit::Time,
        contestants: vec![
            ours("Queue::len", |b| queue::calls(b, b.size(500, 20), PAUSE)),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(500, 20), PAUSE, 1)),
            limit("epoll", |b| round_trips(Way::Epoll, b.size(500, 20), PAUSE, 1)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(500, 20), PAUSE, 1)),
        ],
    }
}

fn spawn() -> Row {
    Row {
        name: "spawn",
        about: "a process started, called and joined",
        unit: Unit::Time,
        contestants: vec![
            ours("one at a time", |b| spawn::one_at_a_time(b, b.size(300, 5), StartMethod::Spawn)),
            ours("50 at once", |b| spawn::fifty_at_once(b, b.size(300, 5), StartMethod::Spawn)),
            ours("forkserver", |b| spawn::one_at_a_time(b, b.size(300, 5), StartMethod::ForkServer)),
            ours("forkserver, 50 at once", |b| {
                spawn::fifty_at_once(b, b.size(300, 5), StartMethod::ForkServer)
            }),
            limit("exec to hello", |b| exec::to_hello(b.size(300, 5))),
            limit("fork to hello", |b| zygote::to_hello(b.size(300, 5))),
            peer("procspawn", |b| procspawn::one_at_a_time(b.size(300, 5))),
            peer("Python fork", |b| python::run("spawns.py", &["fork", b.pick("200", "5")])),
            peer("Python forkserver", |b| python::run("spawns.py", &["forkserver", b.pick("50", "2")])),
            peer("Python spawn", |b| python::run("spawns.py", &["spawn", b.pick("10", "2")])),
        ],
    }
}

fn idle() -> Row {
    Row {
        name: "idle",
        about: "a second of nothing to do",
        unit: Unit::Cost,
        contestants: vec![
            ours("a node", |_| idle::measure(0)),
            ours("a node with a child", |_| idle::measure(1)),
            ours("with ten children", |_| idle::measure(10)),
            ours("with a thousand", |b| idle::measure(b.size(1000, 10))),
        ],
    }
}

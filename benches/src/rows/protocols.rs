//! The rows of the protocols beside the queue.

use super::{NO_PAUSE, PAUSE, dict, event, pipe};
use crate::harness::{Measured, Row, Unit, base, limit, ours, peer};
use crate::item::{BLOCK_BYTES, Block};
use crate::limits::pingpong::{Way, round_trips};
use crate::limits::{frames, stream};
use crate::peers::{erlang, iceoryx2, ipc_channel, python, zeromq};

/// Words of a mebibyte.
const LARGE_WORDS: u64 = 131_072;

pub(super) fn all() -> Vec<Row> {
    vec![
        pipe(),
        pipe_idle(),
        pipe_u64(),
        pipe_1k(),
        pipe_1m(),
        event(),
        wait_any(),
        dict(),
        dict_cast(),
        dict_4(),
        dict_many(),
        list(),
        list_cast(),
    ]
}

fn pipe() -> Row {
    Row {
        name: "pipe",
        about: "a number there and back over a pipe",
        unit: Unit::Time,
        contestants: vec![
            ours("pipe", |b| pipe::round_trips(b, b.size(200_000, 500), NO_PAUSE)),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(50_000, 500), NO_PAUSE, 1)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(50_000, 500), NO_PAUSE, 1)),
            peer("ipc-channel", |b| ipc_channel::round_trips(b.size(50_000, 500), 1)),
            peer("iceoryx2, polling", |b| iceoryx2::round_trips(b.size(50_000, 500), 1)),
            peer("ZeroMQ REQ", |b| zeromq::round_trips(b.size(20_000, 500), 1)),
            peer("Erlang message", |b| erlang::run(&["roundtrip", b.pick("20000", "500"), "1"])),
            peer("Python Pipe", |b| python::run("queues.py", &["pipe", b.pick("20000", "500")])),
        ],
    }
}

fn pipe_idle() -> Row {
    Row {
        name: "pipe-idle",
        about: "the same after a millisecond of silence",
        unit: Unit::Time,
        contestants: vec![
            ours("pipe", |b| pipe::round_trips(b, b.size(500, 20), PAUSE)),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(500, 20), PAUSE, 1)),
            limit("epoll", |b| round_trips(Way::Epoll, b.size(500, 20), PAUSE, 1)),
        ],
    }
}

fn pipe_u64() -> Row {
    Row {
        name: "pipe-u64",
        about: "a number from one process to another over a pipe",
        unit: Unit::Rate,
        contestants: vec![
            ours("pipe", |b| pipe::one_way::<u64>(b, b.size(10_000_000, 20_000))),
            // Nothing leaves before 64 KiB are there, where a pipe's message has left when `send` returns.
            limit("prototype, 64 KiB a write", |b| frames::one_way::<u64>(b.size(20_000_000, 20_000))),
            peer("ipc-channel", |b| ipc_channel::one_way::<u64>(b.size(300_000, 2_000))),
            peer("iceoryx2, polling", |b| iceoryx2::one_way::<u64>(b.size(1_000_000, 2_000))),
            peer("ZeroMQ", |b| zeromq::one_way::<u64>(b.size(1_000_000, 2_000))),
            peer("Erlang", |b| erlang::run(&["oneway", b.pick("200000", "500"), "u64"])),
            peer("Python Pipe", |b| python::run("queues.py", &["pipeway", b.pick("100000", "500"), "int"])),
        ],
    }
}

fn pipe_1k() -> Row {
    Row {
        name: "pipe-1k",
        about: "a kibibyte from one process to another over a pipe",
        unit: Unit::Rate,
        contestants: vec![
            ours("pipe", |b| pipe::one_way::<Block>(b, b.size(1_000_000, 2_000))),
            limit("prototype, 64 KiB a write", |b| frames::one_way::<Block>(b.size(1_500_000, 2_000))),
            peer("ipc-channel", |b| ipc_channel::one_way::<Block>(b.size(300_000, 2_000))),
            peer("iceoryx2, polling", |b| iceoryx2::one_way::<[u8; BLOCK_BYTES]>(b.size(500_000, 2_000))),
            peer("ZeroMQ", |b| zeromq::one_way::<Block>(b.size(500_000, 2_000))),
            peer("Erlang", |b| erlang::run(&["oneway", b.pick("100000", "500"), "1k"])),
            peer("Python Pipe", |b| python::run("queues.py", &["pipeway", b.pick("100000", "500"), "1k"])),
        ],
    }
}

fn pipe_1m() -> Row {
    Row {
        name: "pipe-1m",
        about: "a mebibyte from one process to another over a pipe",
        unit: Unit::Rate,
        contestants: vec![
            ours("pipe", |b| pipe::large(b, b.size(2_000, 10))),
            limit("raw, a write each", |b| {
                let count = b.size(2_000, 10);
                let measured = stream::one_way(count * LARGE_WORDS, LARGE_WORDS)?;
                Ok(Measured { operations: count, ..measured })
            }),
            peer("Python Pipe", |b| python::run("queues.py", &["pipeway", b.pick("1000", "10"), "1m"])),
        ],
    }
}

fn event() -> Row {
    Row {
        name: "event",
        about: "an event set in one process until another one has seen it, half a round trip over two events",
        unit: Unit::Time,
        contestants: vec![
            ours("two events", |b| event::round_trips(b, b.size(50_000, 200))),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(50_000, 500), NO_PAUSE, 2)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(50_000, 500), NO_PAUSE, 2)),
            peer("Python Event", |b| python::run("queues.py", &["event", b.pick("10000", "200")])),
        ],
    }
}

fn wait_any() -> Row {
    Row {
        name: "wait-any",
        about: "a number to another process and back by one of many queues that are waited for",
        unit: Unit::Time,
        contestants: vec![
            ours("of 1,000", |b| event::of_many(b, b.size(50_000, 200), 1000)),
            base("of 10", |b| event::of_many(b, b.size(50_000, 200), 10)),
        ],
    }
}

fn dict() -> Row {
    Row {
        name: "dict",
        about: "a number of a dict in another process, got or set one at a time",
        unit: Unit::Time,
        contestants: vec![
            ours("get", |b| dict::get(b, b.size(100_000, 500))),
            ours("insert", |b| dict::set(b, b.size(100_000, 500))),
            ours("add", |b| dict::add(b, b.size(100_000, 500))),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(50_000, 500), NO_PAUSE, 1)),
            limit("epoll", |b| round_trips(Way::Epoll, b.size(50_000, 500), NO_PAUSE, 1)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(50_000, 500), NO_PAUSE, 1)),
            peer("Python get", |b| python::run("managers.py", &["dict", b.pick("20000", "500"), "get"])),
            peer("Python set", |b| python::run("managers.py", &["dict", b.pick("20000", "500"), "set"])),
        ],
    }
}

fn dict_cast() -> Row {
    Row {
        name: "dict-cast",
        about: "a number into a dict in another process, at the end all are waited for",
        unit: Unit::Rate,
        contestants: vec![
            ours("cast_insert", |b| dict::cast(b, b.size(5_000_000, 20_000))),
            ours("cast_add", |b| dict::cast_add(b, b.size(5_000_000, 20_000))),
            // The same dict with each waited for.
            base("insert", |b| dict::called(b, b.size(100_000, 1_000))),
            limit("prototype", |b| frames::one_way::<u64>(b.size(20_000_000, 20_000))),
        ],
    }
}

fn dict_4() -> Row {
    Row {
        name: "dict-4",
        about: "a number of a dict in a process of its own, got by four other processes at once",
        unit: Unit::Rate,
        contestants: vec![
            ours("4 clients", |b| dict::clients(b, 4, b.size(400_000, 2_000))),
            base("2 clients", |b| dict::clients(b, 2, b.size(200_000, 1_000))),
            base("1 client", |b| dict::clients(b, 1, b.size(100_000, 500))),
            peer("Python, 4", |b| python::run("managers.py", &["clients", b.pick("40000", "800"), "4"])),
            peer("Python, 2", |b| python::run("managers.py", &["clients", b.pick("40000", "800"), "2"])),
        ],
    }
}

fn dict_many() -> Row {
    Row {
        name: "dict-many",
        about: "a key of a dict in another process, a thousand at once",
        unit: Unit::Time,
        contestants: vec![
            ours("get_many", |b| dict::get_many(b, b.size(5_000, 10))),
            ours("insert_many", |b| dict::insert_many(b, b.size(5_000, 10))),
            ours("snapshot", |b| dict::snapshot(b, b.size(5_000, 10))),
            // The same dict, one key at a time.
            base("get", |b| dict::get(b, b.size(100_000, 500))),
            peer("Python update", |b| python::run("managers.py", &["many", b.pick("1000", "10"), "update"])),
            peer("Python copy", |b| python::run("managers.py", &["many", b.pick("1000", "10"), "copy"])),
        ],
    }
}

fn list() -> Row {
    Row {
        name: "list",
        about: "a number of a list in another process, appended or got one at a time",
        unit: Unit::Time,
        contestants: vec![
            ours("push", |b| dict::push(b, b.size(100_000, 500))),
            ours("get", |b| dict::element(b, b.size(100_000, 500))),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(50_000, 500), NO_PAUSE, 1)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(50_000, 500), NO_PAUSE, 1)),
            peer("Python append", |b| {
                python::run("managers.py", &["list", b.pick("20000", "500"), "append"])
            }),
            peer("Python get", |b| python::run("managers.py", &["list", b.pick("20000", "500"), "get"])),
        ],
    }
}

fn list_cast() -> Row {
    Row {
        name: "list-cast",
        about: "a number appended to a list in another process, at the end all are waited for",
        unit: Unit::Rate,
        contestants: vec![
            ours("cast_push", |b| dict::cast_push(b, b.size(1_000_000, 20_000))),
            limit("prototype", |b| frames::one_way::<u64>(b.size(20_000_000, 20_000))),
        ],
    }
}

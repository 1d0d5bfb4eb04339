//! ZeroMQ over a Unix socket: one way, and there and back. Items are encoded as in the prototype of a queue.

use std::process::Stdio;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use zmq::{Context, Message, Socket, SocketType};

use crate::clock::stamp;
use crate::harness::{Measured, Outcome, Trouble, check};
use crate::helper::{Helper, number};
use crate::item::{Block, Item, Sample, sum_of};
use crate::rows::latency::Latencies;

/// Round trips before the clock starts.
const WARM_UP: u64 = 100;
/// How many messages may wait on either side: so many that the sender seldom has to wait.
const HIGH_WATER_MARK: i32 = 100_000;
/// How long a side waits for the other before the round fails.
const PATIENCE_MS: i32 = 10_000;

/// One end, with room for a message each way.
struct Line {
    socket: Socket,
    got: Message,
    buffer: Vec<u8>,
}

impl Line {
    /// The end that is there first, at a socket file in this folder.
    fn bind(kind: SocketType, folder: &TempDir) -> Result<(Self, String), Trouble> {
        let line = Self::new(kind)?;
        let endpoint = format!("ipc://{}/line", folder.path().display());
        line.socket.bind(&endpoint)?;
        Ok((line, endpoint))
    }

    /// The helper's end, at the endpoint that is its first argument.
    fn connect(kind: SocketType, args: &[String]) -> Result<Self, Trouble> {
        let line = Self::new(kind)?;
        line.socket.connect(args.first().map_or("", String::as_str))?;
        Ok(line)
    }

    fn new(kind: SocketType) -> Result<Self, Trouble> {
        let socket = Context::new().socket(kind)?;
        socket.set_sndhwm(HIGH_WATER_MARK)?;
        socket.set_rcvhwm(HIGH_WATER_MARK)?;
        socket.set_sndtimeo(PATIENCE_MS)?;
        socket.set_rcvtimeo(PATIENCE_MS)?;
        socket.set_linger(PATIENCE_MS)?;
        // A first message waits for the connection instead of being stored.
        socket.set_immediate(true)?;
        Ok(Self { socket, got: Message::new(), buffer: Vec::new() })
    }

    fn send<T: Serialize>(&mut self, item: &T) -> Result<(), Trouble> {
        self.buffer.clear();
        item.serialize(&mut rmp_serde::Serializer::new(&mut self.buffer))?;
        Ok(self.socket.send(&self.buffer[..], 0)?)
    }

    fn receive<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        self.socket.recv(&mut self.got, 0)?;
        Ok(rmp_serde::from_slice(&self.got)?)
    }
}

/// Sends `count` items from another process to this one.
pub(crate) fn one_way<T: Item>(count: u64) -> Outcome {
    let folder = tempfile::tempdir()?;
    let (mut line, endpoint) = Line::bind(zmq::PULL, &folder)?;
    let kind = std::any::type_name::<T>().to_owned();
    let helper = start("zeromq-push", &[endpoint, count.to_string(), kind])?;
    let () = line.receive()?;
    let start = line.receive()?;
    let mut sum = 0;
    for _ in 0..count {
        sum += line.receive::<T>()?.number();
    }
    let end = stamp();
    helper.finish()?;
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured::between(count, start, end))
}

/// `count` round trips; with two `ways` an operation is one way.
pub(crate) fn round_trips(count: u64, ways: u64) -> Outcome {
    let folder = tempfile::tempdir()?;
    let (mut line, endpoint) = Line::bind(zmq::REQ, &folder)?;
    let helper = start("zeromq-reply", &[endpoint])?;
    let mut latencies = Latencies::new(count, ways);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        let start = Instant::now();
        line.send(&number)?;
        sum += line.receive::<u64>()?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    // Said in band, so that the other side's wait is a plain receive.
    line.send(&u64::MAX)?;
    helper.finish()?;
    check("sum of the answers", &sum, &sum_of(WARM_UP + count))?;
    Ok(latencies.measured())
}

fn start(role: &str, args: &[String]) -> std::io::Result<Helper> {
    Helper::start(role, args, Stdio::null(), Stdio::null())
}

/// The helper that sends.
pub(crate) fn push(args: &[String]) -> Result<(), Trouble> {
    let kind = args.get(2).map_or("", String::as_str);
    if kind == std::any::type_name::<Sample>() {
        push_items::<Sample>(args)
    } else if kind == std::any::type_name::<Block>() {
        push_items::<Block>(args)
    } else {
        push_items::<u64>(args)
    }
}

/// An empty message, which waits until the line stands, the time of the start, then the items.
fn push_items<T: Item>(args: &[String]) -> Result<(), Trouble> {
    let mut line = Line::connect(zmq::PUSH, args)?;
    line.send(&())?;
    line.send(&stamp())?;
    for index in 0..number(args, 1)? {
        line.send(&T::nth(index))?;
    }
    Ok(())
}

/// The helper that answers.
pub(crate) fn reply(args: &[String]) -> Result<(), Trouble> {
    let mut line = Line::connect(zmq::REP, args)?;
    loop {
        let question: u64 = line.receive()?;
        if question == u64::MAX {
            return Ok(());
        }
        line.send(&question)?;
    }
}

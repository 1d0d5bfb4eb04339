//! The iceoryx2 crate: one way, and there and back, through shared memory. Both sides poll.
//!
//! A sender waits while the receiver's buffer is full, so nothing is lost.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use iceoryx2::config::Config;
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::port::backpressure_strategy::BackpressureStrategy;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{FileName, Path, SemanticString, SignalHandlingMode, ZeroCopySend};
use iceoryx2::service::ipc::Service;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use tempfile::TempDir;

use crate::clock::stamp;
use crate::harness::{Measured, Outcome, Trouble, check};
use crate::helper::{self, Helper, number};
use crate::item::{BLOCK_BYTES, sum_of};
use crate::rows::latency::Latencies;

/// Round trips before the clock starts.
const WARM_UP: u64 = 100;
/// How long a side only polls; then it lets others run in between, without whom nothing may come.
const SPIN: Duration = Duration::from_micros(50);
/// Where the system shows shared memory as files.
const SHARED_MEMORY: &str = "/dev/shm";
/// How many items may wait.
const CAPACITY: usize = 1024;
/// How long a side waits for the other before the round fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can lie in shared memory as it is.
pub(crate) trait Payload: ZeroCopySend + Debug + 'static {
    fn nth(number: u64) -> Self;
    fn number(&self) -> u64;
}

impl Payload for u64 {
    fn nth(number: u64) -> Self {
        number
    }

    fn number(&self) -> u64 {
        *self
    }
}

impl Payload for [u8; BLOCK_BYTES] {
    fn nth(number: u64) -> Self {
        let mut bytes = [7; BLOCK_BYTES];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    fn number(&self) -> u64 {
        // A damaged item counts as a number that no sum survives.
        match self.first_chunk() {
            Some(number) if self.ends_with(&[7]) => u64::from_le_bytes(*number),
            _ => u64::MAX / 3,
        }
    }
}

/// A folder for the files of both nodes.
struct Place(TempDir);

impl Place {
    fn new() -> std::io::Result<Self> {
        Ok(Self(tempfile::Builder::new().prefix("callboard-bench-").tempdir()?))
    }

    fn folder(&self) -> String {
        self.0.path().display().to_string()
    }
}

impl Drop for Place {
    /// Removes the one piece of shared memory that outlives all nodes.
    fn drop(&mut self) {
        let ours = self.0.path().file_name().unwrap_or_default();
        for entry in std::fs::read_dir(SHARED_MEMORY).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(ours.as_encoded_bytes()) {
                // It may be gone by now, which is as good.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

type Line<T> = PortFactory<Service, T, ()>;
type Sender<T> = Publisher<Service, T, ()>;
type Receiver<T> = Subscriber<Service, T, ()>;

/// This process's node. Its files lie in `folder`, and the names of its shared memory begin like the folder's own.
fn node(folder: &str) -> Result<Node<Service>, Trouble> {
    let prefix = folder.rsplit('/').next().unwrap_or_default();
    let mut config = Config::default();
    config.global.set_root_path(&Path::new(folder.as_bytes())?);
    config.global.prefix = FileName::new(prefix.as_bytes())?;
    let builder = NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled);
    Ok(builder.create()?)
}

/// What both ends of a line begin with, whoever comes first.
fn line<T: Payload>(node: &Node<Service>, name: &str) -> Result<Line<T>, Trouble> {
    let line = node
        .service_builder(&name.try_into()?)
        .publish_subscribe::<T>()
        .enable_safe_overflow(false)
        .subscriber_max_buffer_size(CAPACITY)
        .max_publishers(1)
        .max_subscribers(1)
        .open_or_create()?;
    Ok(line)
}

fn sender<T: Payload>(node: &Node<Service>, name: &str) -> Result<Sender<T>, Trouble> {
    let line = line(node, name)?;
    let builder = line.publisher_builder().backpressure_strategy(BackpressureStrategy::RetryUntilDelivered);
    Ok(builder.create()?)
}

fn receiver<T: Payload>(node: &Node<Service>, name: &str) -> Result<Receiver<T>, Trouble> {
    Ok(line(node, name)?.subscriber_builder().create()?)
}

fn put<T: Payload>(sender: &Sender<T>, number: u64) -> Result<(), Trouble> {
    match sender.loan_uninit()?.write_payload(T::nth(number)).send()? {
        1 => Ok(()),
        receivers => Err(Trouble::Failed(format!("item {number} went to {receivers} receivers"))),
    }
}

/// The number of the next item, which is read where it lies.
fn get<T: Payload>(receiver: &Receiver<T>) -> Result<u64, Trouble> {
    // The clock is asked only if there is something to wait for.
    if let Some(item) = receiver.receive()? {
        return Ok(item.number());
    }
    let start = Instant::now();
    loop {
        if let Some(item) = receiver.receive()? {
            return Ok(item.number());
        }
        match start.elapsed() {
            waited if waited < SPIN => std::hint::spin_loop(),
            waited if waited < PATIENCE => std::thread::yield_now(),
            _ => return Err(Trouble::failed("nothing has come")),
        }
    }
}

/// Sends `count` items from another process to this one.
pub(crate) fn one_way<T: Payload>(count: u64) -> Outcome {
    let place = Place::new()?;
    let node = node(&place.folder())?;
    let receiver: Receiver<T> = receiver(&node, "items")?;
    let kind = std::any::type_name::<T>().to_owned();
    let (helper, mut socket) =
        Helper::with_socket("iceoryx2-send", &[place.folder(), count.to_string(), kind])?;
    // A sender does not wait for a receiver that has not seen it yet, so it is told when that has happened.
    get(&receiver)?;
    socket.write_all(b"!")?;
    let start = get(&receiver)?;
    let mut sum = 0;
    for _ in 0..count {
        sum += get(&receiver)?;
    }
    let end = stamp();
    // The other side's memory goes with its sender, so it stays until all has been read.
    drop(socket);
    helper.finish()?;
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured::between(count, start, end))
}

/// `count` round trips; with two `ways` an operation is one way.
pub(crate) fn round_trips(count: u64, ways: u64) -> Outcome {
    let place = Place::new()?;
    let node = node(&place.folder())?;
    let there: Sender<u64> = sender(&node, "there")?;
    let back: Receiver<u64> = receiver(&node, "back")?;
    let (helper, mut socket) = Helper::with_socket("iceoryx2-echo", &[place.folder()])?;
    socket.read_exact(&mut [0])?;
    let mut latencies = Latencies::new(count, ways);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        let start = Instant::now();
        put(&there, number)?;
        sum += get(&back)?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    put(&there, u64::MAX)?;
    helper.finish()?;
    check("sum of the answers", &sum, &sum_of(WARM_UP + count))?;
    Ok(latencies.measured())
}

/// The helper that sends: something to be seen by, the time of its start, then the items.
pub(crate) fn send(args: &[String]) -> Result<(), Trouble> {
    let kind = args.get(2).map_or("", String::as_str);
    if kind == std::any::type_name::<u64>() {
        send_items::<u64>(args)
    } else {
        send_items::<[u8; BLOCK_BYTES]>(args)
    }
}

fn send_items<T: Payload>(args: &[String]) -> Result<(), Trouble> {
    let node = node(args.first().map_or("", String::as_str))?;
    let sender: Sender<T> = sender(&node, "items")?;
    let count = number(args, 1)?;
    let mut socket = helper::socket()?;
    put(&sender, 0)?;
    socket.read_exact(&mut [0])?;
    put(&sender, stamp())?;
    for index in 0..count {
        put(&sender, index)?;
    }
    // The end of the socket says that all of it has been read.
    Ok(socket.read_to_end(&mut Vec::new()).map(drop)?)
}

/// The helper that answers.
pub(crate) fn echo(args: &[String]) -> Result<(), Trouble> {
    let node = node(args.first().map_or("", String::as_str))?;
    let there: Receiver<u64> = receiver(&node, "there")?;
    let back: Sender<u64> = sender(&node, "back")?;
    helper::socket()?.write_all(b"!")?;
    loop {
        match get(&there)? {
            u64::MAX => return Ok(()),
            question => put(&back, question)?,
        }
    }
}

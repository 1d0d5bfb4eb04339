//! The ipc-channel crate: one way, and there and back. Its channels have no capacity.

use std::error::Error;
use std::process::Stdio;
use std::time::Instant;

use ipc_channel::ipc::{IpcOneShotServer, IpcReceiver, IpcSender, channel};

use crate::clock::stamp;
use crate::harness::{Measured, Outcome, check};
use crate::helper::{Helper, number};
use crate::item::{Block, Item, Sample, sum_of};
use crate::rows::latency::Latencies;

/// Round trips before the clock starts.
const WARM_UP: u64 = 100;

/// Sends `count` items from another process to this one.
pub(crate) fn one_way<T: Item>(count: u64) -> Outcome {
    let (server, name) = IpcOneShotServer::<T>::new()?;
    let kind = std::any::type_name::<T>().to_owned();
    let helper = start("ipc-send", &[name, count.to_string(), kind])?;
    // The connection comes with the first item, so the clock starts there.
    let (receiver, first) = server.accept()?;
    let start = stamp();
    let mut sum = first.number();
    for _ in 1..count {
        sum += receiver.recv()?.number();
    }
    let end = stamp();
    helper.finish()?;
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured::between(count - 1, start, end))
}

/// `count` round trips; with two `ways` an operation is one way.
pub(crate) fn round_trips(count: u64, ways: u64) -> Outcome {
    let (server, name) = IpcOneShotServer::<Ends>::new()?;
    let helper = start("ipc-echo", &[name])?;
    let (_boot, (there, back)) = server.accept()?;
    let mut latencies = Latencies::new(count, ways);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        let start = Instant::now();
        there.send(number)?;
        sum += back.recv()?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    // Said in band, so that the other side's wait is a plain receive.
    there.send(u64::MAX)?;
    helper.finish()?;
    check("sum of the answers", &sum, &sum_of(WARM_UP + count))?;
    Ok(latencies.measured())
}

/// The two ends that the asking side holds.
type Ends = (IpcSender<u64>, IpcReceiver<u64>);

fn start(role: &str, args: &[String]) -> std::io::Result<Helper> {
    Helper::start(role, args, Stdio::null(), Stdio::null())
}

/// The helper that sends.
pub(crate) fn send(args: &[String]) -> Result<(), Box<dyn Error>> {
    let kind = args.get(2).map_or("", String::as_str);
    if kind == std::any::type_name::<Sample>() {
        send_items::<Sample>(args)
    } else if kind == std::any::type_name::<Block>() {
        send_items::<Block>(args)
    } else {
        send_items::<u64>(args)
    }
}

fn send_items<T: Item>(args: &[String]) -> Result<(), Box<dyn Error>> {
    let sender = IpcSender::<T>::connect(args.first().cloned().unwrap_or_default())?;
    for index in 0..number(args, 1)? {
        sender.send(T::nth(index))?;
    }
    Ok(())
}

/// The helper that answers.
pub(crate) fn echo(args: &[String]) -> Result<(), Box<dyn Error>> {
    let boot = IpcSender::<Ends>::connect(args.first().cloned().unwrap_or_default())?;
    let (there, asked) = channel::<u64>()?;
    let (answer, back) = channel::<u64>()?;
    boot.send((there, back))?;
    while let Ok(question) = asked.recv() {
        if question == u64::MAX {
            break;
        }
        answer.send(question)?;
    }
    Ok(())
}

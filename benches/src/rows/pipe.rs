//! Pipes of this project: there and back, one way, and a mebibyte at a time.

use std::time::Instant;

use callboard::{Node, PipeEnd, PipeReceiver, PipeSender};

use super::latency::Latencies;
use crate::clock::stamp;
use crate::harness::{Bench, Measured, Outcome, Trouble, check};
use crate::item::{Item, sum_of};

/// Round trips before the clock starts.
const WARM_UP: u64 = 100;
/// Bytes of a large message.
const LARGE_BYTES: usize = 1 << 20;

/// What a child says if something went wrong.
type Said<R> = Result<R, String>;

fn echo(_: &Node, end: PipeEnd<u64, u64>) -> Said<()> {
    while let Ok(message) = end.recv() {
        end.send(message).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A number there and back; each after `pause`.
pub(super) fn round_trips(bench: &Bench, count: u64, pause: std::time::Duration) -> Outcome {
    let (end, theirs) = bench.node.pipe::<u64, u64>()?;
    let other = bench.node.spawn("echo", echo, theirs)?;
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        if !pause.is_zero() && number >= WARM_UP {
            std::thread::sleep(pause);
        }
        let start = Instant::now();
        end.send(number).map_err(Trouble::failed)?;
        sum += end.recv().map_err(Trouble::failed)?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    drop(end);
    other.join()?.map_err(Trouble::Failed)?;
    check("sum of the answers", &sum, &sum_of(WARM_UP + count))?;
    Ok(latencies.measured())
}

fn send_all<T: Item>(_: &Node, (sender, count): (PipeSender<T>, u64)) -> Said<u64> {
    let start = stamp();
    for number in 0..count {
        sender.send(T::nth(number)).map_err(|error| error.to_string())?;
    }
    Ok(start)
}

/// Another process sends, this one receives.
pub(super) fn one_way<T: Item>(bench: &Bench, count: u64) -> Outcome {
    let (theirs, receiver): (PipeSender<T>, PipeReceiver<T>) = bench.node.one_way_pipe()?;
    let sender = bench.node.spawn("sender", send_all::<T>, (theirs, count))?;
    let mut sum = 0;
    for _ in 0..count {
        sum += receiver.recv().map_err(Trouble::failed)?.number();
    }
    let end = stamp();
    let start = sender.join()?.map_err(Trouble::Failed)?;
    check("sum", &sum, &sum_of(count))?;
    check("what is left", &receiver.recv().is_err(), &true)?;
    Ok(Measured::between(count, start, end))
}

fn send_large(_: &Node, (sender, count): (PipeSender<()>, u64)) -> Said<u64> {
    let mut bytes = vec![7; LARGE_BYTES];
    let start = stamp();
    for number in 0..count {
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        sender.send_bytes(&bytes).map_err(|error| error.to_string())?;
    }
    Ok(start)
}

/// Another process sends mebibytes as bytes, this one receives them into the same buffer.
pub(super) fn large(bench: &Bench, count: u64) -> Outcome {
    let (theirs, receiver) = bench.node.one_way_pipe::<()>()?;
    let sender = bench.node.spawn("sender", send_large, (theirs, count))?;
    let mut buffer = vec![0; LARGE_BYTES];
    let mut sum = 0;
    for _ in 0..count {
        let len = receiver.recv_bytes_into(&mut buffer).map_err(Trouble::failed)?;
        check("length", &len, &LARGE_BYTES)?;
        sum += buffer.first_chunk().map_or(0, |number| u64::from_le_bytes(*number));
    }
    let end = stamp();
    let start = sender.join()?.map_err(Trouble::Failed)?;
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured::between(count, start, end))
}

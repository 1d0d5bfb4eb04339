//! The prototype of a queue between two processes: items encoded into frames, written in batches, decoded.
//!
//! No capacity, no credit, no owner, no order between getters, and nothing that survives a crash.

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde::Serialize;

use crate::clock::stamp;
use crate::harness::{Measured, Outcome, Trouble, check};
use crate::helper::{self, Helper, number};
use crate::item::{Block, Item, Sample, sum_of};

/// How much is written at a time.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;
/// The length before each body.
pub(crate) const HEADER_BYTES: usize = 4;

/// Sends `count` items from another process to this one.
pub(crate) fn one_way<T: Item>(count: u64) -> Outcome {
    let (helper, socket) = Helper::with_socket("frames", &arguments::<T>(count))?;
    let measured = receive::<T>(socket, count)?;
    helper.finish()?;
    Ok(measured)
}

/// The arguments of a helper that sends items.
pub(crate) fn arguments<T: Item>(count: u64) -> [String; 2] {
    [std::any::type_name::<T>().to_owned(), count.to_string()]
}

/// Takes `count` items off the socket.
pub(crate) fn receive<T: Item>(mut socket: UnixStream, count: u64) -> Outcome {
    let mut buffer = vec![0; 2 * BATCH_BYTES];
    let (mut held, mut got, mut sum) = (0, 0, 0);
    let mut start = None;
    while got < count {
        let more = socket.read(&mut buffer[held..])?;
        if more == 0 {
            return Err(Trouble::Failed(format!("only {got} of {count} items")));
        }
        held += more;
        let mut at = 0;
        while let Some(body) = frame(&buffer[at..held]) {
            at += HEADER_BYTES + body.len();
            if start.is_none() {
                start = Some(rmp_serde::from_slice(body)?);
                continue;
            }
            sum += rmp_serde::from_slice::<T>(body)?.number();
            got += 1;
        }
        buffer.copy_within(at..held, 0);
        held -= at;
    }
    let end = stamp();
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured::between(count, start.unwrap_or(end), end))
}

/// The body of the first frame, if it is all there.
pub(crate) fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.get(..u32::from_le_bytes(*length) as usize)
}

/// The helper's side: the time of its start as a first frame, then the items.
pub(crate) fn write(args: &[String]) -> Result<(), Box<dyn Error>> {
    let count = number(args, 1)?;
    let kind = args.first().map_or("", String::as_str);
    let is = |name: &str| kind == name;
    if is(std::any::type_name::<u64>()) {
        write_items::<u64>(count)
    } else if is(std::any::type_name::<Sample>()) {
        write_items::<Sample>(count)
    } else if is(std::any::type_name::<Block>()) {
        write_items::<Block>(count)
    } else {
        Err(format!("no items of type {kind}").into())
    }
}

fn write_items<T: Item>(count: u64) -> Result<(), Box<dyn Error>> {
    let mut socket = helper::socket()?;
    let mut outbox = Vec::with_capacity(2 * BATCH_BYTES);
    push(&stamp(), &mut outbox)?;
    for number in 0..count {
        push(&T::nth(number), &mut outbox)?;
        if outbox.len() >= BATCH_BYTES {
            socket.write_all(&outbox)?;
            outbox.clear();
        }
    }
    Ok(socket.write_all(&outbox)?)
}

fn push<T: Serialize>(item: &T, outbox: &mut Vec<u8>) -> Result<(), rmp_serde::encode::Error> {
    let header = outbox.len();
    outbox.extend_from_slice(&[0; HEADER_BYTES]);
    item.serialize(&mut rmp_serde::Serializer::new(&mut *outbox))?;
    let length = (outbox.len() - header - HEADER_BYTES) as u32;
    outbox[header..header + HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

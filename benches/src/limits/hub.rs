//! The prototype of a queue whose owner is a third process: it reads frames, finds their ends and writes them on.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use super::frames::{BATCH_BYTES, HEADER_BYTES, arguments, frame, receive};
use crate::harness::Outcome;
use crate::helper::{self, Helper};
use crate::item::Item;

/// Sends `count` items from one process through a second to this one.
pub(crate) fn one_way<T: Item>(count: u64) -> Outcome {
    let stdio = |socket: UnixStream| Stdio::from(OwnedFd::from(socket));
    let (from_producer, into_hub) = UnixStream::pair()?;
    let (out_of_hub, ours) = UnixStream::pair()?;
    let hub = Helper::start("hub", &[], stdio(into_hub), stdio(out_of_hub))?;
    let producer = Helper::start("frames", &arguments::<T>(count), stdio(from_producer), Stdio::null())?;
    let measured = receive::<T>(ours, count)?;
    producer.finish()?;
    hub.finish()?;
    Ok(measured)
}

/// The hub's side: looks at each frame's length, as an owner must, and at nothing else.
pub(crate) fn forward() -> io::Result<()> {
    let (mut from, mut to) = (helper::socket()?, helper::second_socket()?);
    let mut buffer = vec![0; 2 * BATCH_BYTES];
    let mut outbox = Vec::with_capacity(2 * BATCH_BYTES);
    let mut held = 0;
    loop {
        let more = from.read(&mut buffer[held..])?;
        if more == 0 {
            return Ok(());
        }
        held += more;
        let mut at = 0;
        while let Some(body) = frame(&buffer[at..held]) {
            let end = at + HEADER_BYTES + body.len();
            outbox.extend_from_slice(&buffer[at..end]);
            at = end;
        }
        to.write_all(&outbox)?;
        outbox.clear();
        buffer.copy_within(at..held, 0);
        held -= at;
    }
}

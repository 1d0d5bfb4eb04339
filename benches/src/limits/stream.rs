//! Eight bytes a message one way over a Unix stream, without any encoding.

use std::io::{self, Read, Write};

use crate::clock::stamp;
use crate::harness::{Measured, Outcome, check};
use crate::helper::{self, Helper, number};
use crate::item::sum_of;

/// Sends `count` messages, so many with each write.
pub(crate) fn one_way(count: u64, messages_per_write: u64) -> Outcome {
    let (helper, mut socket) =
        Helper::with_socket("write", &[count.to_string(), messages_per_write.to_string()])?;
    let mut word = [0; 8];
    socket.read_exact(&mut word)?;
    let start = u64::from_le_bytes(word);
    let (mut got, mut sum) = (0, 0);
    let mut buffer = vec![0; 64 * 1024];
    let mut held = 0;
    while got < count {
        let more = socket.read(&mut buffer[held..])?;
        if more == 0 {
            break;
        }
        held += more;
        let (words, rest) = buffer[..held].as_chunks::<8>();
        sum += words.iter().map(|word| u64::from_le_bytes(*word)).sum::<u64>();
        got += words.len() as u64;
        let left = rest.len();
        buffer.copy_within(held - left..held, 0);
        held = left;
    }
    let end = stamp();
    helper.finish()?;
    check("count", &got, &count)?;
    check("sum", &sum, &sum_of(count))?;
    Ok(Measured::between(count, start, end))
}

/// The helper's side: the time of its start, then the messages.
pub(crate) fn write(args: &[String]) -> io::Result<()> {
    let (count, per_write) = (number(args, 0)?, number(args, 1)?);
    let mut socket = helper::socket()?;
    socket.write_all(&stamp().to_le_bytes())?;
    let mut outbox = Vec::with_capacity(per_write as usize * 8);
    for message in 0..count {
        outbox.extend_from_slice(&message.to_le_bytes());
        if outbox.len() as u64 >= per_write * 8 {
            socket.write_all(&outbox)?;
            outbox.clear();
        }
    }
    socket.write_all(&outbox)
}

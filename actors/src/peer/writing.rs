//! A peer's bytes on their way out, as far as the socket takes them.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};

use callboard_ipc::{Connection, DESCRIPTORS_PER_WRITE, Sent};

use crate::outbox::{Lane, Wrote};

/// Writes a lane, each frame with descriptors starting a write of its own.
///
/// A write error only stops writing: what the other side sent is still to be read, and then its end. But if the other side
/// may well live, as when the kernel is out of memory or too many descriptors are under way, nothing would end: so the
/// connection is ended, and both sides learn of it.
pub(super) fn write_lane(connection: &Connection, lane: &mut Lane, complain: impl FnOnce(&str)) -> Wrote {
    while lane.at < lane.bytes.len() {
        let carries = lane.rights.front().is_some_and(|carried| carried.at == lane.at);
        let sent = if carries {
            send_rights(connection, lane)
        } else {
            let end = lane.rights.front().map_or(lane.bytes.len(), |carried| carried.at);
            connection.send(&lane.bytes[lane.at..end], &[])
        };
        match sent {
            Ok(Sent::Bytes(n)) => lane.at += n,
            Ok(Sent::Full) => return Wrote::Full,
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) {
                    complain(&format!("a connection is ended, as it can't be written to: {error}"));
                    connection.shutdown();
                }
                return Wrote::Broken;
            }
        }
    }
    Wrote::All
}

/// Sends the descriptors of the frame that begins here, with one byte of it for each write the kernel allows.
fn send_rights(connection: &Connection, lane: &mut Lane) -> std::io::Result<Sent> {
    let carried = lane.rights.front_mut().expect("the caller saw one");
    let left = &carried.rights.as_slice()[carried.written..];
    let next: Vec<BorrowedFd<'_>> =
        left.iter().take(DESCRIPTORS_PER_WRITE).map(|right| right.as_fd()).collect();
    let sent = connection.send(&lane.bytes[carried.at..=carried.at], &next)?;
    if let Sent::Bytes(_) = sent {
        let is_last = next.len() == left.len();
        carried.written += next.len();
        carried.at += 1;
        if is_last {
            lane.rights.pop_front();
        }
    }
    Ok(sent)
}

//! What nodes say to each other about messages to actors.
//!
//! Messages travel as items to the actor's slot, with the sender's slot as the word. One that holds rights to reply, or has a
//! deadline, has a head: so whoever drops it undecoded, or too late, knows whom to tell.

use std::time::{Duration, Instant};

use callboard_core::{Address, Flags, NodeId, Slot};
use serde::{Deserialize, Serialize};

use super::exit::Exit;

/// The mark of messages with heads.
pub(crate) const HEADED: Flags = Flags::TAGGED_AND_MARKED;

/// How many messages a node may send to an actor before it has heard of its room.
pub(super) const FIRST_MESSAGES: u64 = 1;

/// The most rights to reply in one message.
pub(super) const MAX_RIGHTS: usize = u8::MAX as usize;

/// A right to reply as it travels: whose call, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) caller: NodeId,
    pub(crate) word: u64,
    /// How often it has gone to another node.
    pub(crate) hops: u32,
}

/// What stands before a message: its deadline in nanoseconds of the system's monotonic clock, eight bytes, zero for none; how
/// many rights to reply are in it, one byte; for each the caller's node and the number of the call, eight bytes each, and how
/// often it has gone to another node, four bytes. All little endian.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) deadline: Option<u64>,
    pub(crate) replies: Vec<Right>,
}

impl Head {
    pub(super) fn is_empty(&self) -> bool {
        self.deadline.is_none() && self.replies.is_empty()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.deadline.unwrap_or(0).to_le_bytes());
        out.push(self.replies.len() as u8);
        for right in &self.replies {
            out.extend_from_slice(&right.caller.get().to_le_bytes());
            out.extend_from_slice(&right.word.to_le_bytes());
            out.extend_from_slice(&right.hops.to_le_bytes());
        }
    }

    /// The head of a message, and the rest of it. None if it is too short, or names no node.
    pub(crate) fn read(message: &[u8]) -> Option<(Head, &[u8])> {
        let (deadline, rest) = take_u64(message)?;
        let (&count, mut rest) = rest.split_first()?;
        let mut replies = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let (caller, after) = take_u64(rest)?;
            let (word, after) = take_u64(after)?;
            let (hops, after) = after.split_first_chunk()?;
            replies.push(Right { caller: NodeId::new(caller)?, word, hops: u32::from_le_bytes(*hops) });
            rest = after;
        }
        Some((Head { deadline: (deadline != 0).then_some(deadline), replies }, rest))
    }
}

fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

/// To an actor's cell, beside messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ToActor {
    End(Ending),
    /// Call: answered with [`Over`] when it has ended.
    Watch,
    /// The watch that came as that call is over.
    Unwatch {
        word: u64,
    },
    /// Call: the sender's actor is linked to it from now on.
    Link {
        from: Slot,
    },
    Unlink {
        from: Slot,
    },
    /// An actor that is linked to it has ended; or, from nobody, it is to exit.
    Exited {
        from: Option<Slot>,
        exit: Exit,
    },
    /// A sender had no room for so many messages, which are lost.
    Dropped {
        messages: u64,
    },
    /// A sender waits for room, told in this slot.
    WantsRoom {
        sender: Slot,
    },
    /// Call: answered with its figures.
    Stats,
}

/// How an actor ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Over {
    pub(super) exit: Exit,
    pub(super) follows: Follows,
}

/// What follows the end of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Follows {
    Nothing,
    /// It lives on at the same address, from its start.
    LifeHere,
    /// Its supervisor starts it again in another process.
    LifeElsewhere,
    /// Its supervisor's node says. From the actor's node only.
    KeeperKnows,
}

/// What a sender does when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum NoRoom {
    /// It waits.
    #[default]
    Wait,
    /// It is told.
    Fail,
    /// The message is lost.
    Drop,
    /// That actor gets it.
    Divert(Address),
}

/// How an actor is asked to end; to its cell, beside messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// After what waits now.
    Drain,
    /// After the message in hand.
    Stop,
    /// The same, as its supervisor wants it.
    Shutdown,
    /// The same, for a reason; never sent.
    Exit,
    /// The same, and nothing of its own code runs any more.
    Kill,
}

/// To a sender's slot.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToSender {
    Room {
        messages: u64,
        bytes: u64,
    },
    /// What to do without room, if it is not to wait. Comes after the first room.
    NoRoom(NoRoom),
    /// The actor has ended.
    Ended,
}

/// A deadline as it travels.
pub(super) fn on_the_clock(at: Instant) -> u64 {
    let left = at.saturating_duration_since(Instant::now());
    let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
    let nanos = callboard_ipc::monotonic_nanos().saturating_add(left);
    nanos.max(1)
}

/// Whether a deadline that came is over.
pub(super) fn is_over(deadline: u64) -> bool {
    deadline <= callboard_ipc::monotonic_nanos()
}

/// A wait of so long at most, as a deadline.
pub(super) fn deadline_in(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// What travels of these types.
#[cfg(any(test, fuzzing))]
pub(crate) const TRIPS: &[crate::fuzzing::Trip] = {
    use crate::fuzzing::trip;
    &[trip::<ToActor>, trip::<Over>, trip::<ToSender>]
};

/// Reads any bytes as a message with a head; what is written of it is what was read.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_head(bytes: &[u8]) {
    if let Some((head, rest)) = Head::read(bytes) {
        let mut written = Vec::new();
        head.write(&mut written);
        written.extend_from_slice(rest);
        assert_eq!(written, bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_head_comes_back_as_it_was_written_and_leaves_the_message(
            deadline in proptest::option::of(1_u64..),
            replies in proptest::collection::vec((1_u64.., any::<u64>(), any::<u32>()), 0..5),
            message: Vec<u8>,
        ) {
            let right = |(caller, word, hops)| Some(Right { caller: NodeId::new(caller)?, word, hops });
            let head = Head { deadline, replies: replies.into_iter().filter_map(right).collect() };
            let mut bytes = Vec::new();
            head.write(&mut bytes);
            bytes.extend_from_slice(&message);
            prop_assert_eq!(Head::read(&bytes), Some((head, &message[..])));
        }

        #[test]
        fn rubbish_is_no_head_or_some_head(bytes: Vec<u8>) {
            if let Some((_, rest)) = Head::read(&bytes) {
                prop_assert!(rest.len() + 9 <= bytes.len());
            }
        }
    }

    #[test]
    fn a_deadline_travels_as_a_time_of_the_common_clock() {
        assert!(is_over(on_the_clock(Instant::now())));
        assert!(!is_over(on_the_clock(Instant::now() + Duration::from_secs(60))));
        assert!(!is_over(on_the_clock(Instant::now() + Duration::from_secs(u64::from(u32::MAX)))));
    }
}

//! How a message comes to an actor's mailbox, on this node or on another, and what happens without room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::{Address, BodyError, encode_into, limits};

use super::cell::{ActorCell, NotAdded};
use super::context::current;
use super::error::CastError;
use super::handle::{ActorRef, Line, Message};
use super::remote::{End, FirstRoom, NotSent, Remote, RoomThere};
use super::when_full::WhenFull;
use super::wire::{Head, MAX_RIGHTS, NoRoom, on_the_clock};
use crate::hook::Hook;
use crate::process::entry;
use crate::scope;
use crate::scratch::with_scratch;
use crate::standing::Sought;
use crate::wait::Waiter;

/// How long one that does not wait for room waits to hear of it the first time: a round trip, unless that node is stopped.
const FIRST_ROOM_WITHIN: Duration = Duration::from_secs(1);

/// How long room is waited for.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// Not at all.
    Never,
    /// Only for the news of how much there is, of an actor on another node that was not sent to before.
    None,
    Until(Option<Instant>),
}

enum NotCast {
    Encode(BodyError),
    TooLarge,
    NotSent(NotSent),
    /// There was no room, and the actor wants it lost.
    Dropped,
    /// There was no room, and that actor is to get it.
    Divert(Address),
}

impl<M: Message> ActorRef<M> {
    pub(super) fn send(
        &self,
        message: M,
        deadline: Option<Instant>,
        patience: Patience,
    ) -> Result<(), CastError<M>> {
        let is_itself = current() == Some(self.address);
        let patience =
            if is_itself && matches!(patience, Patience::Until(_)) { Patience::None } else { patience };
        match &self.line {
            Line::Here(cell) => self.send_here(cell, message, deadline, patience),
            Line::There(remote) => match &remote.sender {
                Some(_) => self.send_there(remote, message, deadline, patience),
                None => Err(CastError::Disconnected(message)),
            },
            Line::Cut => Err(CastError::Gone(message)),
        }
    }

    fn send_here(
        &self,
        cell: &Arc<ActorCell<M>>,
        message: M,
        deadline: Option<Instant>,
        patience: Patience,
    ) -> Result<(), CastError<M>> {
        let mut message = match cell.push(&self.runtime, message, deadline, None) {
            Ok(()) => return Ok(()),
            Err(NotAdded::Ended(message)) => return Err(CastError::Gone(message)),
            Err(NotAdded::Full(message)) => message,
        };
        let Patience::Until(until) = patience else { return Err(CastError::Full(message)) };
        match cell.when_full() {
            WhenFull::Wait | WhenFull::DropOldest => {}
            WhenFull::Fail => return Err(CastError::Full(message)),
            WhenFull::DropNewest => {
                cell.count_dropped(1);
                return Ok(());
            }
            WhenFull::Divert(to) => {
                if to.send(message, deadline, Patience::None).is_err() {
                    cell.count_dropped(1);
                }
                return Ok(());
            }
        }
        // Woken for each single place, it would wake and sleep as often as the actor handles a few messages.
        self.runtime.try_for_a_moment(until, || cell.has_much_room().then_some(()));
        let waiter = Waiter::new();
        let hook: Hook = Arc::clone(&waiter) as Hook;
        loop {
            message = match cell.push(&self.runtime, message, deadline, Some(&hook)) {
                Ok(()) => return Ok(()),
                Err(NotAdded::Ended(message)) => return Err(CastError::Gone(message)),
                Err(NotAdded::Full(message)) => message,
            };
            let sought = Sought::object("room in the mailbox of", "actor", self.address);
            if !self.runtime.wait(&waiter, until, None, sought) {
                cell.forget(&hook);
                return Err(CastError::Full(message));
            }
            waiter.reset();
        }
    }

    fn send_there(
        &self,
        remote: &Arc<Remote>,
        message: M,
        deadline: Option<Instant>,
        patience: Patience,
    ) -> Result<(), CastError<M>> {
        match with_scratch(|bytes| self.send_encoded(remote, &message, deadline, patience, bytes)) {
            Ok(()) => Ok(()),
            Err(NotCast::Encode(error)) => Err(CastError::Encode(message, error)),
            Err(NotCast::TooLarge) => Err(CastError::TooLarge(message)),
            Err(NotCast::NotSent(NotSent::Full)) => Err(CastError::Full(message)),
            Err(NotCast::NotSent(NotSent::Ended(End::Gone))) => Err(CastError::Gone(message)),
            Err(NotCast::NotSent(NotSent::Ended(End::Disconnected))) => Err(CastError::Disconnected(message)),
            Err(NotCast::Dropped) => Ok(()),
            Err(NotCast::Divert(to)) => {
                let to = Self::of(&self.runtime, to);
                if let (Err(_), Some(sender)) = (to.send(message, deadline, Patience::None), &remote.sender) {
                    sender.count_dropped();
                }
                Ok(())
            }
        }
    }

    fn send_encoded(
        &self,
        remote: &Arc<Remote>,
        message: &M,
        deadline: Option<Instant>,
        patience: Patience,
        bytes: &mut Vec<u8>,
    ) -> Result<(), NotCast> {
        let Some(sender) = &remote.sender else {
            return Err(NotCast::NotSent(NotSent::Ended(End::Disconnected)));
        };
        let (encoded, departing) = scope::collect_to(self.address.node, || encode_into(message, bytes));
        encoded.map_err(NotCast::Encode)?;
        let head = Head { deadline: deadline.map(on_the_clock), replies: departing.replies().to_vec() };
        let is_large = bytes.len() > limits::MAX_VALUE_BYTES || departing.count() > entry::MAX_RIGHTS;
        if is_large || head.replies.len() > MAX_RIGHTS {
            return Err(NotCast::TooLarge);
        }
        if !head.is_empty() {
            let mut headed = Vec::with_capacity(bytes.len() + 32);
            head.write(&mut headed);
            headed.extend_from_slice(bytes);
            *bytes = headed;
        }
        let rights = departing.rights().map_err(NotCast::Encode)?;
        loop {
            match sender.try_send(remote, &head, bytes, &rights) {
                Ok(()) => break,
                Err(NotSent::Full) => {}
                Err(ended) => return Err(NotCast::NotSent(ended)),
            }
            if matches!(patience, Patience::None) && !sender.knows_room() {
                let until = Instant::now() + FIRST_ROOM_WITHIN;
                if self.runtime.wait_until(&FirstRoom(sender), Some(until)) {
                    continue;
                }
            }
            let Patience::Until(until) = patience else { return Err(NotCast::NotSent(NotSent::Full)) };
            match sender.no_room() {
                NoRoom::Wait => {}
                NoRoom::Fail => return Err(NotCast::NotSent(NotSent::Full)),
                NoRoom::Drop => {
                    sender.count_dropped();
                    return Err(NotCast::Dropped);
                }
                NoRoom::Divert(to) => return Err(NotCast::Divert(to)),
            }
            sender.wants_room(&self.runtime);
            if !self.runtime.wait_until(&RoomThere(sender), until) {
                return Err(NotCast::NotSent(NotSent::Full));
            }
        }
        departing.depart();
        Ok(())
    }
}

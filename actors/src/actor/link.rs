//! Links: two actors that share their fate, wherever they are.
//!
//! Each of the two keeps the other's address. Whoever ends tells the other; whose node dies is taken as ended by the other's
//! node. What comes from one that is not linked any more is for nobody.

use std::sync::Arc;

use callboard_core::Address;

use super::cell::ActorCell;
use super::exit::Exit;
use super::handle::{ActorRef, Line, Message};
use super::watch::once_names_are_free;
use super::wire::ToActor;
use crate::call::{self, CallError};
use crate::failure::Failure;
use crate::peer::encoded;

impl<N: Message> ActorRef<N> {
    /// Links the actor at `me` to this one.
    pub(super) fn link_with<M: Message>(&self, me: Address, mine: &Arc<ActorCell<M>>) {
        let other = self.address;
        if other == me || !mine.linked(other) {
            return;
        }
        let runtime = &self.runtime;
        match &self.line {
            Line::Here(cell) => {
                if !cell.linked(me) {
                    mine.exited(runtime, Some(other), Exit::NotThere);
                }
            }
            Line::There(remote) => {
                let mine = Arc::clone(mine);
                let Some(sender) = &remote.sender else {
                    return once_names_are_free(runtime, other.node, move |runtime| {
                        mine.exited(runtime, Some(other), Exit::Disconnected);
                    });
                };
                // Of its node's end the cell is told.
                mine.is_known_to(&sender.peer);
                let on_reply = move |runtime: &_, answer: Result<_, CallError>| match answer
                    .and_then(|answer| call::answered(answer, runtime))
                {
                    Ok(true) => {}
                    Ok(false) | Err(CallError::Gone | CallError::TimedOut | CallError::BadReply(_)) => {
                        mine.exited(runtime, Some(other), Exit::NotThere);
                    }
                    Err(CallError::Disconnected) => {
                        once_names_are_free(runtime, other.node, move |runtime| {
                            mine.exited(runtime, Some(other), Exit::Disconnected);
                        });
                    }
                };
                let link = ToActor::Link { from: me.slot };
                runtime.call_then(&sender.peer, other.slot, &link, on_reply);
                sender.peer.flush_by_need(runtime);
            }
            Line::Cut => mine.exited(runtime, Some(other), Exit::NotThere),
        }
    }

    /// Takes back the link between the actor at `me` and this one.
    pub(super) fn unlink_from<M: Message>(&self, me: Address, mine: &Arc<ActorCell<M>>) {
        mine.unlinked(self.address);
        match &self.line {
            Line::Here(cell) => cell.unlinked(me),
            Line::There(remote) => {
                if let Some(sender) = &remote.sender {
                    let told = encoded(&ToActor::Unlink { from: me.slot });
                    sender.peer.cast(&self.runtime, self.address.slot, &told);
                    sender.peer.flush_by_need(&self.runtime);
                }
            }
            Line::Cut => {}
        }
    }

    /// Has it end at once with [`Exit::Failed`] and that reason; one that traps exits is told instead, in order with messages.
    ///
    /// At most 1,024 of these wait at an actor that traps them; more are dropped, and counted in its figures.
    ///
    /// Source: `exit` of Erlang.
    pub fn exit(&self, why: Failure) {
        let exit = Exit::Failed(why);
        match &self.line {
            Line::Here(cell) => cell.exited(&self.runtime, None, exit),
            Line::There(remote) => {
                if let Some(sender) = &remote.sender {
                    let told = encoded(&ToActor::Exited { from: None, exit });
                    sender.peer.cast(&self.runtime, self.address.slot, &told);
                    sender.peer.flush_by_need(&self.runtime);
                }
            }
            Line::Cut => {}
        }
    }
}

//! The owner of a group: who is in it, and who wants to know.

use std::collections::HashMap;
use std::time::Duration;

use super::wire::{Ask, Told};
use crate::actor::{Actor, ActorRef, CastError, Context, Down, Message, MonitorId};
use crate::failure::Failure;

/// An actor on the node that created the group.
pub(super) struct Owner<M: Message> {
    version: u64,
    /// In the order in which they joined.
    members: Vec<(MonitorId, ActorRef<M>)>,
    mirrors: HashMap<MonitorId, Follower<M>>,
    /// A timer will try again.
    tries_again: bool,
    /// The time it waits.
    pause: Duration,
}

/// A mirror, as its owner sees it.
struct Follower<M: Message> {
    mirror: ActorRef<Told<M>>,
    /// It had no room for a change: next it is told all.
    is_behind: bool,
}

/// When those that had no room are tried again, at first; each time in vain takes twice as long.
const AGAIN_AFTER: Duration = Duration::from_millis(5);
/// At the latest.
const AGAIN_WITHIN: Duration = Duration::from_secs(1);

impl<M: Message> Owner<M> {
    /// Tells all mirrors. One that has no room does not hold up the others: it is told all, later.
    fn tell(&mut self, context: &mut Context<Ask<M>>, told: impl Fn() -> Told<M>) {
        self.version += 1;
        for follower in self.mirrors.values_mut().filter(|follower| !follower.is_behind) {
            follower.is_behind = matches!(follower.mirror.cast_now(told()), Err(CastError::Full(_)));
        }
        self.try_again(context);
    }

    fn all(&self) -> Told<M> {
        let members = self.members.iter().map(|(_, member)| member.clone()).collect();
        Told::All { version: self.version, members }
    }

    fn try_again(&mut self, context: &mut Context<Ask<M>>) {
        let is_one_behind = self.mirrors.values().any(|follower| follower.is_behind);
        if !is_one_behind {
            self.pause = AGAIN_AFTER;
        } else if !self.tries_again {
            self.tries_again = true;
            context.cast_after(self.pause, Ask::Again);
            self.pause = (2 * self.pause).min(AGAIN_WITHIN);
        }
    }

    fn leaves(&mut self, context: &mut Context<Ask<M>>, at: usize) {
        let (_, member) = self.members.remove(at);
        let (version, member) = (self.version + 1, member.address());
        self.tell(context, || Told::Left { version, member });
    }
}

impl<M: Message> Actor for Owner<M> {
    type Message = Ask<M>;
    type Args = ();

    fn start(_: &mut Context<Ask<M>>, (): ()) -> Result<Self, Failure> {
        Ok(Self {
            version: 0,
            members: Vec::new(),
            mirrors: HashMap::new(),
            tries_again: false,
            pause: AGAIN_AFTER,
        })
    }

    fn handle(&mut self, context: &mut Context<Ask<M>>, ask: Ask<M>) -> Result<(), Failure> {
        match ask {
            Ask::Join(member, reply) => {
                if !self.members.iter().any(|(_, other)| *other == member) {
                    self.members.push((context.monitor(&member), member.clone()));
                    let version = self.version + 1;
                    self.tell(context, || Told::Joined { version, member: member.clone() });
                }
                reply.send(self.version)?;
            }
            Ask::Leave(member, reply) => {
                if let Some(at) = self.members.iter().position(|(_, other)| other.address() == member) {
                    context.demonitor(self.members[at].0);
                    self.leaves(context, at);
                }
                reply.send(self.version)?;
            }
            Ask::Mirror(mirror) => {
                let is_behind = matches!(mirror.cast_now(self.all()), Err(CastError::Full(_)));
                self.mirrors.insert(context.monitor(&mirror), Follower { mirror, is_behind });
                self.try_again(context);
            }
            Ask::Again => {
                self.tries_again = false;
                let behind: Vec<_> = self.mirrors.iter().filter(|(_, follower)| follower.is_behind).collect();
                let behind: Vec<_> =
                    behind.into_iter().map(|(id, follower)| (*id, follower.mirror.clone())).collect();
                for (id, mirror) in behind {
                    let is_behind = matches!(mirror.cast_now(self.all()), Err(CastError::Full(_)));
                    self.mirrors.entry(id).and_modify(|follower| follower.is_behind = is_behind);
                }
                self.try_again(context);
            }
        }
        Ok(())
    }

    fn down(&mut self, context: &mut Context<Ask<M>>, monitor: MonitorId, down: Down) -> Result<(), Failure> {
        self.mirrors.remove(&monitor);
        let Some(at) = self.members.iter().position(|(other, _)| *other == monitor) else { return Ok(()) };
        if down.in_place {
            // It lives on at the same address.
            self.members[at].0 = context.monitor(&self.members[at].1);
        } else {
            self.leaves(context, at);
        }
        Ok(())
    }
}

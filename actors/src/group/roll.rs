//! The members of a group in the order in which they joined, and how a copy of them follows the owner's.

use callboard_core::Address;
use serde::{Deserialize, Serialize};

use crate::actor::{ActorRef, Message};

/// A member, which is known by its address.
pub(super) trait Named: Clone {
    fn address(&self) -> Address;
}

impl<M: Message> Named for ActorRef<M> {
    fn address(&self) -> Address {
        ActorRef::address(self)
    }
}

/// In simulations.
#[cfg(any(test, fuzzing))]
impl Named for Address {
    fn address(&self) -> Address {
        *self
    }
}

/// What the owner tells of its members, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum News<R> {
    All { version: u64, members: Vec<R> },
    Joined { version: u64, member: R },
    Left { version: u64, member: Address },
}

/// What has changed in a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change<R> {
    Joined(R),
    Left(R),
}

/// The members as far as they are known here.
pub(super) struct Roll<R> {
    /// None until the owner has told it.
    pub(super) version: Option<u64>,
    pub(super) members: Vec<R>,
}

impl<R> Default for Roll<R> {
    fn default() -> Self {
        Self { version: None, members: Vec::new() }
    }
}

impl<R: Named> Roll<R> {
    /// Follows the owner; what has changed by that. What is known already changes nothing.
    pub(super) fn hears(&mut self, news: News<R>) -> Vec<Change<R>> {
        let (News::All { version, .. } | News::Joined { version, .. } | News::Left { version, .. }) = &news;
        if self.version.is_some_and(|known| known >= *version) {
            return Vec::new();
        }
        self.version = Some(*version);
        match news {
            News::All { members, .. } => {
                let before = std::mem::replace(&mut self.members, members);
                let joined = self.members.iter().filter(|member| !holds(&before, member.address()));
                let joined: Vec<_> = joined.cloned().map(Change::Joined).collect();
                let left = before.into_iter().filter(|member| !holds(&self.members, member.address()));
                left.map(Change::Left).chain(joined).collect()
            }
            News::Joined { member, .. } => {
                self.members.push(member.clone());
                vec![Change::Joined(member)]
            }
            News::Left { member, .. } => {
                let at = self.members.iter().position(|other| other.address() == member);
                at.map(|at| Change::Left(self.members.remove(at))).into_iter().collect()
            }
        }
    }
}

/// Whether one of them has that address.
pub(super) fn holds<R: Named>(members: &[R], address: Address) -> bool {
    members.iter().any(|member| member.address() == address)
}

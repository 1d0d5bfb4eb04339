//! The machine that owns a group: who is in it, and who is told of that. It calls nobody; its world does.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use callboard_core::Address;

use super::roll::{Named, News};
use crate::fault::fault;

/// When those that had no room are tried again, at first; each time in vain takes twice as long.
const AGAIN_AFTER: Duration = Duration::from_millis(5);
/// At the latest.
const AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// What an owner does to members of type `R`, mirrors of type `F`, and watches over them, of which no two are ever the same. A mirror is a
/// copy of the members, kept by somebody who is told of changes.
pub(super) trait World<R, F, K> {
    fn watch_member(&mut self, member: &R) -> K;
    fn watch_mirror(&mut self, mirror: &F) -> K;
    fn unwatch(&mut self, watch: K);
    /// Tells a mirror; false if that has no room. One that has ended needs none.
    fn tell(&mut self, mirror: &F, news: News<R>) -> bool;
    /// Has [`Owner::again`] called after that time, and no more because of what was asked before.
    fn again_in(&mut self, pause: Duration);
}

pub(super) struct Owner<R, F, K> {
    version: u64,
    /// In the order in which they joined.
    members: Vec<(K, R)>,
    mirrors: HashMap<K, Follower<F>>,
    /// A timer will try again.
    tries_again: bool,
    /// The time it waits.
    pause: Duration,
}

/// A mirror, as its owner sees it.
struct Follower<F> {
    mirror: F,
    /// It had no room for a change: next it is told all.
    is_behind: bool,
}

impl<R, F, K> Default for Owner<R, F, K> {
    fn default() -> Self {
        let (members, mirrors) = (Vec::new(), HashMap::new());
        Self { version: 0, members, mirrors, tries_again: false, pause: AGAIN_AFTER }
    }
}

impl<R: Named, F: PartialEq, K: Copy + Eq + Hash> Owner<R, F, K> {
    /// Takes in a member, once; the version from which on it is one.
    pub(super) fn join(&mut self, member: R, world: &mut impl World<R, F, K>) -> u64 {
        let address = member.address();
        if !self.members.iter().any(|(_, other)| other.address() == address) {
            self.members.push((world.watch_member(&member), member.clone()));
            self.version += 1;
            self.tell(world, &News::Joined { version: self.version, member });
        }
        self.version
    }

    /// Takes a member out, if it is one; the version from which on it is none.
    pub(super) fn leave(&mut self, member: Address, world: &mut impl World<R, F, K>) -> u64 {
        if let Some(at) = self.members.iter().position(|(_, other)| other.address() == member) {
            world.unwatch(self.members[at].0);
            self.leaves(at, world);
        }
        self.version
    }

    /// Tells a mirror all, and each change from now on. One that asks again is told all once more.
    pub(super) fn follow(&mut self, mirror: F, world: &mut impl World<R, F, K>) {
        let is_behind = !world.tell(&mirror, self.all());
        match self.mirrors.values_mut().find(|follower| follower.mirror == mirror) {
            Some(known) => known.is_behind = is_behind,
            None => _ = self.mirrors.insert(world.watch_mirror(&mirror), Follower { mirror, is_behind }),
        }
        self.try_again(world);
    }

    /// Those mirrors that had no room may have some.
    pub(super) fn again(&mut self, world: &mut impl World<R, F, K>) {
        self.tries_again = false;
        let all = self.all();
        for follower in self.mirrors.values_mut().filter(|follower| follower.is_behind) {
            follower.is_behind = !world.tell(&follower.mirror, all.clone());
        }
        self.try_again(world);
    }

    /// Somebody who was watched has ended, or, in place, was started again at the same address; the watch is over.
    pub(super) fn down(&mut self, watch: K, in_place: bool, world: &mut impl World<R, F, K>) {
        self.mirrors.remove(&watch);
        let Some(at) = self.members.iter().position(|(other, _)| *other == watch) else { return };
        fault!(DeadMemberKept, return);
        if in_place {
            self.members[at].0 = world.watch_member(&self.members[at].1);
        } else {
            self.leaves(at, world);
        }
    }

    fn leaves(&mut self, at: usize, world: &mut impl World<R, F, K>) {
        let (_, member) = self.members.remove(at);
        self.version += 1;
        self.tell(world, &News::Left { version: self.version, member: member.address() });
    }

    /// Tells all mirrors. One that has no room does not hold up the others: it is told all, later.
    fn tell(&mut self, world: &mut impl World<R, F, K>, news: &News<R>) {
        for follower in self.mirrors.values_mut().filter(|follower| !follower.is_behind) {
            follower.is_behind = !world.tell(&follower.mirror, news.clone());
            fault!(MirrorLeftBehind, follower.is_behind = false);
        }
        self.try_again(world);
    }

    fn all(&self) -> News<R> {
        let members = self.members.iter().map(|(_, member)| member.clone()).collect();
        News::All { version: self.version, members }
    }

    fn try_again(&mut self, world: &mut impl World<R, F, K>) {
        let is_one_behind = self.mirrors.values().any(|follower| follower.is_behind);
        if !is_one_behind {
            self.pause = AGAIN_AFTER;
        } else if !self.tries_again {
            self.tries_again = true;
            world.again_in(self.pause);
            self.pause = (2 * self.pause).min(AGAIN_WITHIN);
        }
    }
}

#[cfg(any(test, fuzzing))]
impl<R: Named, F, K: Copy> Owner<R, F, K> {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The members in their order.
    pub(super) fn members(&self) -> impl Iterator<Item = Address> {
        self.members.iter().map(|(_, member)| member.address())
    }

    /// The mirrors it tells, and whether each is behind.
    pub(super) fn mirrors(&self) -> impl Iterator<Item = (&F, bool)> {
        self.mirrors.values().map(|follower| (&follower.mirror, follower.is_behind))
    }

    /// What it has under watch.
    pub(super) fn watches(&self) -> impl Iterator<Item = K> {
        self.members.iter().map(|(watch, _)| *watch).chain(self.mirrors.keys().copied())
    }

    /// Whether a timer will try again.
    pub(super) fn tries_again(&self) -> bool {
        self.tries_again
    }
}

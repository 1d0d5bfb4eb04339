//! Groups of actors by name: whoever joins is found by all, and leaves when it ends.
//!
//! The owner (`owner`, a pure machine) is at work in an actor of the node that created the group (`host`); each handle has a copy of the
//! members that follows it (`roll`, kept by the actor in `mirror`), so that sending to a member costs no question.

#[cfg(any(test, fuzzing))]
mod fuzzing;
mod host;
mod mirror;
mod owner;
mod roll;
#[cfg(test)]
mod simulated;
mod wire;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use callboard_core::Address;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzing::fuzz;
use self::host::Host;
use self::mirror::{Changes, Mirror, Shared, Until};
use self::wire::{Ask, Told};
use crate::actor::{self, ActorRef, AskError, CastError, Message, ReplyTo};
use crate::fnv::Fnv;
use crate::names::{Object, sealed::Sealed};
use crate::node::Node;
use crate::protocol::travel;
use crate::runtime::Runtime;

/// How long a handle waits for its first copy of the members, and for the answer to a join.
const OWNER_WITHIN: Duration = Duration::from_secs(60);
/// How many changes may be on their way to a copy. One that falls behind is given all of them anew by its next handle.
const MIRROR_CAPACITY: u64 = 65_536;

/// Why a group did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The node that had created the group has ended.
    #[error("the group's node has ended")]
    Disconnected,
    /// Its owner did not answer within 60 s; its node is stopped, or very busy.
    #[error("the group's owner did not answer")]
    Unresponsive,
}

/// Why a message was sent to no member. It has it.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupCastError<M> {
    /// There is no member that lives.
    #[error("the group has no members")]
    Nobody(M),
    /// The member it was for did not take it.
    #[error(transparent)]
    Cast(CastError<M>),
    /// The group can't be asked.
    #[error(transparent)]
    Group(GroupError),
}

impl<M> fmt::Debug for GroupCastError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupCastError::Nobody(_) => f.write_str("Nobody(..)"),
            GroupCastError::Cast(error) => fmt::Debug::fmt(error, f),
            GroupCastError::Group(error) => fmt::Debug::fmt(error, f),
        }
    }
}

/// A change of a group.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupChange<M> {
    /// This one is a member now.
    Joined(ActorRef<M>),
    /// This one is none any more: it left, or has ended.
    Left(ActorRef<M>),
    /// The watch was not looked at for so long that changes were dropped. [`Group::members`] tells who is there.
    Missed,
}

impl<M> Clone for GroupChange<M> {
    fn clone(&self) -> Self {
        match self {
            GroupChange::Joined(member) => GroupChange::Joined(member.clone()),
            GroupChange::Left(member) => GroupChange::Left(member.clone()),
            GroupChange::Missed => GroupChange::Missed,
        }
    }
}

/// What a group is created with: nothing yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupOptions {}

impl GroupOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }
}

/// A group of actors that take the same messages, wherever they live: one handle of it.
///
/// Created and opened by name like any object ([`Node::create`], [`Node::open`]). Members that end leave it; one that its supervisor
/// starts again at the same address stays. What a handle knows of the members follows the group's owner, a moment later.
///
/// ```
/// # callboard::test_door!();
/// use callboard::{Group, GroupCastError, GroupOptions, Node};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::start()?;
/// node.create::<Group<String>>("/ears", GroupOptions::new())?;
/// let ears: Group<String> = node.open("/ears")?; // in any process
/// assert!(matches!(ears.cast("hello".to_owned()), Err(GroupCastError::Nobody(_))));
/// # Ok(())
/// # }
/// ```
///
/// Source: `pg` of Erlang.
pub struct Group<M: Message>(Arc<Inner<M>>);

struct Inner<M: Message> {
    runtime: Arc<Runtime>,
    owner: ActorRef<Ask<M>>,
    /// Made when it is first looked at.
    mirror: OnceLock<Mirrored<M>>,
}

/// What is known here, and the actor that keeps it up to date; none if that could not be started.
type Mirrored<M> = (Arc<Shared<M>>, Option<ActorRef<Told<M>>>);

impl<M: Message> Drop for Inner<M> {
    fn drop(&mut self) {
        if let Some((_, Some(mirror))) = self.mirror.get() {
            mirror.stop();
        }
    }
}

impl<M: Message> Group<M> {
    fn new(runtime: &Arc<Runtime>, owner: ActorRef<Ask<M>>) -> Self {
        Self(Arc::new(Inner { runtime: Arc::clone(runtime), owner, mirror: OnceLock::new() }))
    }

    /// What is known of the group here; waits for it the first time.
    fn shared(&self) -> Result<&Arc<Shared<M>>, GroupError> {
        self.known_of(0, Instant::now().checked_add(OWNER_WITHIN))
    }

    /// What is known of the group here, when that is of the given version at least.
    fn known_of(&self, version: u64, deadline: Option<Instant>) -> Result<&Arc<Shared<M>>, GroupError> {
        let inner = &self.0;
        let (shared, _) = inner.mirror.get_or_init(|| {
            let shared = Arc::new(Shared::new(inner.owner.address()));
            let args = (inner.owner.clone(), Arc::clone(&shared));
            let mirror = actor::start_plain::<Mirror<M>>(&inner.runtime, args, MIRROR_CAPACITY).ok();
            if mirror.is_none() {
                shared.state.lock().is_gone = true;
            }
            (shared, mirror)
        });
        self.until(shared, version, deadline)?;
        Ok(shared)
    }

    fn until(
        &self,
        shared: &Arc<Shared<M>>,
        version: u64,
        deadline: Option<Instant>,
    ) -> Result<(), GroupError> {
        let is_known = {
            let known = shared.state.lock();
            known.roll.version.is_some_and(|known| known >= version) && !known.is_gone
        };
        if is_known {
            return Ok(());
        }
        if !self.0.runtime.wait_until(&Until(shared, version), deadline) {
            return Err(GroupError::Unresponsive);
        }
        if shared.state.lock().is_gone { Err(GroupError::Disconnected) } else { Ok(()) }
    }

    /// Asks the owner, and waits until what it did is known here.
    fn ask(&self, make: impl FnOnce(ReplyTo<u64>) -> Ask<M>) -> Result<(), GroupError> {
        let deadline = Instant::now().checked_add(OWNER_WITHIN);
        match self.0.owner.call_timeout(make, OWNER_WITHIN) {
            Ok(version) => self.known_of(version, deadline).map(drop),
            Err(AskError::TimedOut | AskError::Full) => Err(GroupError::Unresponsive),
            Err(_) => Err(GroupError::Disconnected),
        }
    }

    /// Makes `actor` a member, until it leaves or ends. When this returns this handle knows it, and others hear of it. Once more changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`GroupError`].
    pub fn join(&self, actor: &ActorRef<M>) -> Result<(), GroupError> {
        self.ask(|reply| Ask::Join(actor.clone(), reply))
    }

    /// Takes `actor` out; nothing if it is no member.
    ///
    /// # Errors
    ///
    /// [`GroupError`].
    pub fn leave(&self, actor: &ActorRef<M>) -> Result<(), GroupError> {
        self.ask(|reply| Ask::Leave(actor.address(), reply))
    }

    /// The members as far as it is known here, in the order in which they joined.
    ///
    /// # Errors
    ///
    /// [`GroupError`].
    pub fn members(&self) -> Result<Vec<ActorRef<M>>, GroupError> {
        Ok(self.shared()?.state.lock().roll.members.clone())
    }

    /// The member whose turn it is; none if there is none. Each handle, with its clones, counts turns for itself.
    ///
    /// # Errors
    ///
    /// [`GroupError`].
    pub fn by_turn(&self) -> Result<Option<ActorRef<M>>, GroupError> {
        let mut known = self.shared()?.state.lock();
        let count = known.roll.members.len();
        if count == 0 {
            return Ok(None);
        }
        known.turn = (known.turn + 1) % count;
        Ok(known.roll.members.get(known.turn).cloned())
    }

    /// The member that is in charge of `key`: the same for all handles that know the same members. When one joins or leaves only the
    /// keys that it has, or had, change hands.
    ///
    /// # Errors
    ///
    /// [`GroupError`].
    pub fn by_key(&self, key: &impl Hash) -> Result<Option<ActorRef<M>>, GroupError> {
        let known = self.shared()?.state.lock();
        let weight = |member: &&ActorRef<M>| {
            let mut hasher = Fnv::default();
            (member.address(), key).hash(&mut hasher);
            mixed(hasher.finish())
        };
        Ok(known.roll.members.iter().max_by_key(weight).cloned())
    }

    /// Sends `message` to the member whose turn it is, waiting for room there; to the next if that has ended.
    ///
    /// # Errors
    ///
    /// [`GroupCastError`], with the message. Those who have ended are passed over.
    pub fn cast(&self, mut message: M) -> Result<(), GroupCastError<M>> {
        // Each may have ended, and this handle not know yet.
        let count = self.members().map_err(GroupCastError::Group)?.len();
        for _ in 0..count {
            let Some(member) = self.by_turn().map_err(GroupCastError::Group)? else { break };
            message = match member.cast(message) {
                Ok(()) => return Ok(()),
                Err(CastError::Gone(message) | CastError::Disconnected(message)) => message,
                Err(error) => return Err(GroupCastError::Cast(error)),
            };
        }
        Err(GroupCastError::Nobody(message))
    }

    /// Sends `message` to the member in charge of `key`, waiting for room there.
    ///
    /// # Errors
    ///
    /// [`GroupCastError`], with the message. One who has ended and is a member still, as far as it is known here, is a
    /// [`CastError::Gone`]: sent again a moment later it goes to whoever is in charge then.
    pub fn cast_by_key(&self, key: &impl Hash, message: M) -> Result<(), GroupCastError<M>> {
        match self.by_key(key).map_err(GroupCastError::Group)? {
            Some(member) => member.cast(message).map_err(GroupCastError::Cast),
            None => Err(GroupCastError::Nobody(message)),
        }
    }

    /// Sends what `make` makes to each member, waiting for room at each; how many took it.
    ///
    /// # Errors
    ///
    /// [`GroupError`].
    pub fn cast_to_all(&self, mut make: impl FnMut() -> M) -> Result<usize, GroupError> {
        Ok(self.members()?.iter().filter(|member| member.cast(make()).is_ok()).count())
    }

    /// The changes from now on, after those who are members now.
    ///
    /// # Errors
    ///
    /// [`GroupError`].
    pub fn watch(&self) -> Result<GroupWatch<M>, GroupError> {
        let changes = self.shared()?.watch();
        Ok(GroupWatch { of: self.clone(), changes })
    }
}

/// Mixed, as the largest number decides, and the last bytes alone would otherwise.
fn mixed(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

/// Changes of a group, one after the other. Made by [`Group::watch`].
pub struct GroupWatch<M: Message> {
    of: Group<M>,
    changes: Arc<Changes<M>>,
}

impl<M: Message> GroupWatch<M> {
    /// The next change, waiting up to `timeout`; none if there was none. Zero does not wait.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<GroupChange<M>> {
        self.of.0.runtime.wait_until(&*self.changes, Instant::now().checked_add(timeout));
        self.changes.take()
    }
}

impl<M: Message> fmt::Debug for GroupWatch<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupWatch of {:?}", self.of)
    }
}

impl<M: Message> Clone for Group<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Message> fmt::Debug for Group<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group<{}>({})", std::any::type_name::<M>(), self.0.owner.address())
    }
}

impl<M: Message> Serialize for Group<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize::<Self, S>(self.0.owner.address(), serializer)
    }
}

impl<'de, M: Message> Deserialize<'de> for Group<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (runtime, address) = travel::deserialize::<Self, D>(deserializer)?;
        Ok(Self::new(&runtime, ActorRef::of(&runtime, address)))
    }
}

impl<M: Message> Sealed for Group<M> {}

impl<M: Message> Object for Group<M> {
    type Options = GroupOptions;

    fn build(node: &Node, _: GroupOptions) -> Self {
        let owner = node.actor::<Host<M>>(()).start().expect("its start can't fail");
        Self::new(node.runtime(), owner)
    }

    fn at(node: &Node, address: Address) -> Self {
        Self::new(node.runtime(), ActorRef::of(node.runtime(), address))
    }

    fn address(&self) -> Address {
        self.0.owner.address()
    }

    fn type_name() -> String {
        format!("Group<{}>", std::any::type_name::<M>())
    }

    fn discard(self, _: &Node) {
        self.0.owner.stop();
    }
}

//! A node's side of an object in shared memory: one for all its handles, attached when it is first used.

use std::any::Any;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use callboard_core::Address;
use callboard_ipc::sync::{Block, LockWord, Member, NotTaken};
use parking_lot::Mutex;

use super::attached::Attached;
use super::error::{Holder, LockError, refused};
use super::owner::{Shape, SharedOwner};
use super::wire::{Ask, Place, Reply};
use crate::call::CallError;
use crate::cell;
use crate::protocol::object::{Asked, Handle};
use crate::runtime::Runtime;
use crate::standing::{Known, MAX_NAMED, WaitRole};

/// How long an owner is waited for that answers at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What a wait came to.
pub(crate) enum Found<T> {
    Taken(T),
    TimedOut,
}

pub(crate) struct Face<S: Shape> {
    handle: Handle<SharedOwner<S>>,
    attached: OnceLock<Attached<S>>,
    /// Held while one thread attaches for all.
    attaching: Mutex<()>,
}

impl<S: Shape> Face<S> {
    /// The face of the object at `address`, wherever that is.
    pub(crate) fn of(handle: &Handle<SharedOwner<S>>) -> Arc<Self> {
        let make = || Arc::new(Self::new(handle)) as Arc<dyn cell::Face>;
        let face = handle.runtime.face(handle.address, make);
        // One slot never holds two kinds of objects, but an address may have been made up.
        face.into_any().downcast().unwrap_or_else(|_| Arc::new(Self::new(handle)))
    }

    fn new(handle: &Handle<SharedOwner<S>>) -> Self {
        Self { handle: handle.clone(), attached: OnceLock::new(), attaching: Mutex::new(()) }
    }

    pub(crate) fn address(&self) -> Address {
        self.handle.address
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.handle.runtime
    }

    pub(crate) fn handle(&self) -> &Handle<SharedOwner<S>> {
        &self.handle
    }

    /// The object, if this node has it and its owner is there.
    #[inline]
    pub(crate) fn at_hand(&self) -> Option<&Attached<S>> {
        self.attached.get().filter(|attached| !attached.is_cut_off())
    }

    /// The object, for a verb that does not wait, or waits for ever.
    #[inline]
    pub(crate) fn attached(&self) -> Result<&Attached<S>, LockError> {
        match self.attached.get() {
            Some(attached) if !attached.is_cut_off() => Ok(attached),
            Some(_) => Err(LockError::Disconnected),
            None => self.attach(Instant::now().checked_add(ANSWER_WITHIN)),
        }
    }

    /// The object, for a verb that waits until `deadline`.
    pub(crate) fn attached_by(&self, deadline: Option<Instant>) -> Result<&Attached<S>, LockError> {
        match self.attached.get() {
            Some(_) => self.attached(),
            None => self.attach(deadline),
        }
    }

    #[cold]
    fn attach(&self, deadline: Option<Instant>) -> Result<&Attached<S>, LockError> {
        let attaching = || match deadline {
            Some(deadline) => self.attaching.try_lock_until(deadline),
            None => Some(self.attaching.lock()),
        };
        let _attaching = match self.attaching.try_lock() {
            Some(at_once) => at_once,
            None => {
                let attached = self.handle.runtime.wait_elsewhere(self.handle.sought(), attaching);
                attached.ok_or(LockError::Unresponsive)?
            }
        };
        if self.attached.get().is_some() {
            return self.attached();
        }
        let key = callboard_ipc::random_u64();
        let runtime = &self.handle.runtime;
        // Kept until the answer has come, which relies on them.
        let mapped = runtime.memory.mapped(self.handle.address.node);
        // A descriptor for which there is no room would break the connection.
        callboard_ipc::has_room_for_a_descriptor()?;
        let attach = Ask::Attach { key, mapped: mapped.iter().map(|(number, _)| *number).collect() };
        let hold = self.handle.peer().map(|owner| owner.hold(runtime)).transpose().map_err(not_held)?;
        let stay = self.handle.begin(Ask::Stay { key, node: runtime.id, pid: std::process::id() });
        let place = match self.handle.ask_until(attach, deadline)? {
            Reply::Attached(place) => place,
            Reply::Full { most } => return Err(LockError::TooManyProcesses(most)),
            Reply::Gone | Reply::Members(_) => return Err(LockError::Disconnected),
        };
        let attached = self.open(place, stay, hold)?;
        Ok(self.attached.get_or_init(|| attached))
    }

    fn open(
        &self,
        place: Place<S::Options>,
        stay: Asked<SharedOwner<S>>,
        hold: Option<Arc<OwnedFd>>,
    ) -> Result<Attached<S>, LockError> {
        let Place { slab, slab_bytes, at, bytes, number, entry, options, memory } = place;
        let wrong = || LockError::System("the owner of the lock gave an answer that is none".to_owned());
        let [slab_bytes, at, bytes, entry] = [slab_bytes, at, bytes, entry].map(usize::try_from);
        let (Ok(slab_bytes), Ok(at), Ok(bytes), Ok(entry)) = (slab_bytes, at, bytes, entry) else {
            return Err(wrong());
        };
        if number == 0 {
            return Err(wrong());
        }
        let memory = memory.rights.into_owned()?.pop();
        let runtime = &self.handle.runtime;
        let region = runtime.memory.map(self.handle.address.node, slab, memory.as_ref(), slab_bytes)?;
        let block = Block::new(region, at, bytes).ok_or_else(wrong)?;
        let words = S::open(&options, block).ok_or_else(wrong)?;
        Attached::new(Member { number, entry }, words, options, stay, hold)
    }

    /// Ends the object.
    pub(crate) fn close(&self) -> Result<(), LockError> {
        match self.handle.ask_call(Ask::Close) {
            Ok(_) | Err(CallError::Gone | CallError::Disconnected) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what `take` takes, after it could not be had at once: others' frames leave first, and an actor's thread is replaced.
    pub(crate) fn wait<T>(&self, take: impl FnOnce() -> Result<T, NotTaken>) -> Result<Found<T>, LockError> {
        match self.handle.runtime.wait_elsewhere(self.handle.sought(), take) {
            Ok(taken) => Ok(Found::Taken(taken)),
            Err(NotTaken::TimedOut) => Ok(Found::TimedOut),
            Err(error) => Err(refused(error)),
        }
    }

    /// Who holds that lock; none if nobody does, or who did has just gone.
    pub(crate) fn who_holds(&self, lock: &LockWord) -> Result<Option<Holder>, LockError> {
        let Some(holder) = lock.holder() else { return Ok(None) };
        let found = self.who(vec![(holder.member, holder.thread)])?;
        Ok(found.first().map(|(member, thread)| Holder { thread: *thread, ..*member }))
    }

    /// Who these numbers are, each with what belongs to it; those that have gone are left out.
    pub(crate) fn who(&self, found: Vec<(u32, u32)>) -> Result<Vec<(Holder, u32)>, LockError> {
        self.who_by(found, Instant::now().checked_add(ANSWER_WITHIN))
    }

    fn who_by(
        &self,
        found: Vec<(u32, u32)>,
        deadline: Option<Instant>,
    ) -> Result<Vec<(Holder, u32)>, LockError> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = found.iter().map(|(number, _)| *number).collect();
        let Reply::Members(members) = self.handle.ask_until(Ask::Who { numbers }, deadline)? else {
            return Err(LockError::Disconnected);
        };
        let known = members.into_iter().zip(found).filter_map(|(member, (_, more))| Some((member?, more)));
        Ok(known.map(|((node, pid), more)| (Holder { node, pid, thread: 0 }, more)).collect())
    }
}

/// Why the owner could not be told that its memory will be in hand.
fn not_held(error: io::Error) -> LockError {
    if error.kind() == io::ErrorKind::NotConnected { LockError::Disconnected } else { error.into() }
}

impl<S: Shape> cell::Face for Face<S> {
    fn gone(&self, _: &Arc<Runtime>) {
        if let Some(attached) = self.attached.get() {
            attached.cut_off();
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn holders(&self, by: Instant) -> Result<Vec<Known>, String> {
        let Some(attached) = self.at_hand() else { return Ok(Vec::new()) };
        let mut numbers = S::holders(attached.words());
        numbers.dedup();
        numbers.truncate(MAX_NAMED);
        let found = self.who_by(numbers.into_iter().map(|number| (number, 0)).collect(), Some(by));
        let found = found.map_err(|_| "who holds it only its owner knows, who does not answer".to_owned())?;
        let name = |holder: Holder| Known {
            pid: Some(holder.pid),
            ..self.handle.runtime.known(WaitRole::Holder, holder.node)
        };
        Ok(found.into_iter().map(|(holder, _)| name(holder)).collect())
    }
}

impl<S: Shape> Drop for Face<S> {
    fn drop(&mut self) {
        self.handle.runtime.remove_face(self.handle.address);
    }
}

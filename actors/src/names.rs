//! Creating and opening objects by name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::Address;
use serde::{Deserialize, Serialize};

use crate::call::{CallError, Pending, answered};
use crate::control::{CONTROL, Control};
use crate::node::Node;
use crate::registry::{self, Answer, Ask, Entry, MAX_NAME_BYTES, REGISTRY};
use crate::runtime::Runtime;
use crate::standing::Sought;

/// How long a node waits for the root's registry, which answers at once unless the root is stopped.
const REGISTRY_WITHIN: Duration = Duration::from_secs(60);

/// Why a name gave no object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NameError {
    /// The name already stands for an object of this type.
    #[error("the name {name} is taken by a {found}")]
    Taken {
        /// The name asked for.
        name: String,
        /// What it stands for.
        found: String,
    },
    /// The name stands for nothing, or did not within the timeout.
    #[error("the name {0} stands for nothing")]
    NotFound(String),
    /// The name stands for an object of another type.
    #[error("the name {name} stands for a {found}, not for a {expected}")]
    WrongType {
        /// The name asked for.
        name: String,
        /// The type asked for.
        expected: String,
        /// The type that the object has.
        found: String,
    },
    /// A name is 1 to 255 bytes of text without control characters.
    #[error("{0:?} can't be a name: 1 to 255 bytes of text without control characters were expected")]
    BadName(String),
    /// The object itself could not be made, for the reason given: a [`Region`](crate::Region) for which there is no memory.
    #[error("nothing could be made for the name {name}: {reason}")]
    NotMade {
        /// The name asked for.
        name: String,
        /// What the system said.
        reason: String,
    },
    /// The job's root has ended.
    #[error("the root of the job has ended")]
    Disconnected,
    /// The job's root did not answer within 60 s; it is stopped, or very busy.
    #[error("the root of the job did not answer")]
    Unresponsive,
}

/// Something that can be created, opened by name, and passed to other processes.
///
/// Implemented by the types of this crate only.
pub trait Object: Sized + sealed::Sealed {
    /// What it is created with.
    type Options;

    /// Creates one owned by `node`.
    #[doc(hidden)]
    fn build(node: &Node, options: Self::Options) -> Self;

    /// Creates one that has a name, or nothing.
    #[doc(hidden)]
    fn build_named(node: &Node, name: &str, options: Self::Options) -> Result<Self, Unbuilt> {
        register(node, name, Self::build(node, options))
    }

    /// The handle to the one at `address`.
    #[doc(hidden)]
    fn at(node: &Node, address: Address) -> Self;

    /// Where it lives.
    #[doc(hidden)]
    fn address(&self) -> Address;

    /// What its users call its type, with the types it holds.
    #[doc(hidden)]
    fn type_name() -> String;

    /// Removes one that was just built and that nobody else knows.
    #[doc(hidden)]
    fn discard(self, node: &Node);
}

pub(crate) mod sealed {
    /// Keeps `Object` to this crate, so that it can grow.
    #[expect(unnameable_types, reason = "that is the point")]
    pub trait Sealed {}
}

pub(crate) fn create<O: Object>(node: &Node, name: &str, options: O::Options) -> Result<O, NameError> {
    check(name)?;
    O::build_named(node, name, options).map_err(|unbuilt| match unbuilt {
        Unbuilt::Stands { found, .. } => NameError::Taken { name: name.to_owned(), found },
        Unbuilt::Failed(error) => error,
    })
}

pub(crate) fn get_or_create<O: Object>(node: &Node, name: &str, options: O::Options) -> Result<O, NameError> {
    // An object may be large, and is not to be made for nothing.
    match open(node, name, None) {
        Err(NameError::NotFound(_)) => {}
        found => return found,
    }
    O::build_named(node, name, options).or_else(|unbuilt| match unbuilt {
        Unbuilt::Stands { address, found } => typed(node, name, address, found),
        Unbuilt::Failed(error) => Err(error),
    })
}

pub(crate) fn open<O: Object>(node: &Node, name: &str, timeout: Option<Duration>) -> Result<O, NameError> {
    check(name)?;
    let wait = timeout.is_some_and(|timeout| !timeout.is_zero());
    let look = Ask::Lookup { name: name.to_owned(), wait };
    let within = if wait { timeout.unwrap_or_default() } else { REGISTRY_WITHIN };
    match ask(node.runtime(), look, within) {
        Ok(Answer::Stands(entry)) => typed(node, name, entry.address, entry.type_name),
        Ok(_) => Err(NameError::NotFound(name.to_owned())),
        Err(CallError::TimedOut) if wait => Err(NameError::NotFound(name.to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// Why nothing was created under a name.
#[derive(Debug)]
pub enum Unbuilt {
    /// The name stands for something already.
    Stands {
        /// Where that is.
        address: Address,
        /// Its type.
        found: String,
    },
    /// It could not be done.
    Failed(NameError),
}

impl From<Entry> for Unbuilt {
    fn from(Entry { address, type_name }: Entry) -> Self {
        Self::Stands { address, found: type_name }
    }
}

/// Registers `object`, and discards it unless that went well.
pub(crate) fn register<O: Object>(node: &Node, name: &str, object: O) -> Result<O, Unbuilt> {
    let entry = Entry { address: object.address(), type_name: O::type_name() };
    let request = Ask::Register { name: name.to_owned(), entry, key: 0 };
    let unbuilt = match ask(node.runtime(), request, REGISTRY_WITHIN) {
        Ok(Answer::Registered | Answer::Unknown | Answer::Released) => {
            node.runtime().standing.names.note(object.address(), name);
            return Ok(object);
        }
        Ok(Answer::Stands(entry)) => entry.into(),
        Err(error) => Unbuilt::Failed(error.into()),
    };
    object.discard(node);
    Err(unbuilt)
}

/// Gives a name to what lives at `address` on this node.
pub(crate) fn claim(
    runtime: &Arc<Runtime>,
    name: &str,
    address: Address,
    type_name: String,
    key: u64,
) -> Result<(), NameError> {
    check(name)?;
    let entry = Entry { address, type_name };
    taken(name, ask(runtime, Ask::Register { name: name.to_owned(), entry, key }, REGISTRY_WITHIN)?)
}

fn taken(name: &str, answer: Answer) -> Result<(), NameError> {
    match answer {
        Answer::Stands(entry) => Err(NameError::Taken { name: name.to_owned(), found: entry.type_name }),
        _ => Ok(()),
    }
}

/// Keeps a name for those who know `key`, until it is [let go](unhold) or this node ends.
pub(crate) fn hold(runtime: &Arc<Runtime>, name: &str, key: u64) -> Result<(), NameError> {
    check(name)?;
    let address = Address { node: runtime.id, slot: Default::default() };
    let entry =
        Entry { address, type_name: "child of a supervisor, which is being started again".to_owned() };
    taken(name, ask(runtime, Ask::Hold { name: name.to_owned(), entry, key }, REGISTRY_WITHIN)?)
}

pub(crate) fn unhold(runtime: &Arc<Runtime>, name: &str, key: u64) {
    tell(runtime, Ask::Unhold { name: name.to_owned(), key });
}

/// As [`unhold`]; `then` is run when the name is free for everybody, or the root has ended.
pub(crate) fn unhold_then(
    runtime: &Arc<Runtime>,
    name: &str,
    key: u64,
    then: impl FnOnce(&Arc<Runtime>) + Send + 'static,
) {
    unhold(runtime, name, key);
    match runtime.peer(runtime.root) {
        Some(root) if runtime.registry().is_none() => {
            // Answered when all that came before it has been handled.
            runtime.call_then(&root, CONTROL, &Control::Sync, |runtime, _| then(runtime));
            root.flush_by_need(runtime);
        }
        _ => then(runtime),
    }
}

/// Takes the name back from what lived at `address`.
pub(crate) fn release(runtime: &Arc<Runtime>, name: &str, address: Address) {
    tell(runtime, Ask::Unregister { name: name.to_owned(), address });
}

/// Takes the name back from what lived at `address`; `then` is run when it is free for everybody, or the root has ended.
pub(crate) fn release_then(
    runtime: &Arc<Runtime>,
    name: &str,
    address: Address,
    then: impl FnOnce(&Arc<Runtime>) + Send + 'static,
) {
    match runtime.peer(runtime.root) {
        Some(root) if runtime.registry().is_none() => {
            let ask = Ask::Release { name: name.to_owned(), address };
            runtime.call_then(&root, REGISTRY, &ask, |runtime, _| then(runtime));
            root.flush_by_need(runtime);
        }
        _ => {
            release(runtime, name, address);
            then(runtime);
        }
    }
}

fn typed<O: Object>(node: &Node, name: &str, address: Address, found: String) -> Result<O, NameError> {
    let expected = O::type_name();
    if found == expected {
        node.runtime().standing.names.note(address, name);
        return Ok(O::at(node, address));
    }
    Err(NameError::WrongType { name: name.to_owned(), expected, found })
}

fn check(name: &str) -> Result<(), NameError> {
    let long = name.is_empty() || name.len() > MAX_NAME_BYTES;
    if long || name.chars().any(char::is_control) {
        return Err(NameError::BadName(name.to_owned()));
    }
    Ok(())
}

impl From<CallError> for NameError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TimedOut => NameError::Unresponsive,
            CallError::Gone | CallError::Disconnected | CallError::BadReply(_) => NameError::Disconnected,
        }
    }
}

/// Asks the registry, wherever the root is.
fn ask(runtime: &Arc<Runtime>, ask: Ask, within: Duration) -> Result<Answer, CallError> {
    let taken_back = match &ask {
        Ask::Lookup { name, .. } => Some(TakenBack::Lookup(name.clone())),
        Ask::Register { name, entry, .. } => Some(TakenBack::Register(name.clone(), entry.address)),
        Ask::Hold { name, key, .. } => Some(TakenBack::Hold(name.clone(), *key)),
        Ask::Forget { .. } | Ask::Unregister { .. } | Ask::Release { .. } | Ask::Unhold { .. } => None,
    };
    let sought = Sought::node("the registry of names at", runtime.root);
    let peer = runtime.peer(runtime.root);
    let pending = match (&peer, runtime.registry()) {
        (Some(root), _) => runtime.call_about(root, REGISTRY, &ask, sought),
        (None, Some(registry)) => Pending::begin(runtime, None, sought, |on_reply| {
            let word = runtime.calls.begin(runtime.id, on_reply);
            registry::ask_here(runtime, &registry, word, ask);
            word
        }),
        (None, None) => return Err(CallError::Disconnected),
    };
    let answer = pending.wait(Instant::now().checked_add(within));
    if matches!(answer, Err(CallError::TimedOut)) {
        match taken_back {
            Some(TakenBack::Lookup(name)) => tell(runtime, Ask::Forget { name, word: pending.word() }),
            // The root may come to it later, when the object is no more.
            Some(TakenBack::Register(name, address)) => tell(runtime, Ask::Unregister { name, address }),
            Some(TakenBack::Hold(name, key)) => unhold(runtime, &name, key),
            None => {}
        }
    }
    answered(answer?, runtime)
}

/// What a question that was not answered in time must not lead to.
enum TakenBack {
    Lookup(String),
    Register(String, Address),
    Hold(String, u64),
}

/// Tells the registry something that has no answer.
fn tell(runtime: &Arc<Runtime>, ask: Ask) {
    if let Some(registry) = runtime.registry() {
        registry::ask_here(runtime, &registry, 0, ask);
    } else if let Some(root) = runtime.peer(runtime.root) {
        root.cast(runtime, REGISTRY, &crate::peer::encoded(&ask));
        root.flush_by_need(runtime);
    }
}

//! Which node a value is being encoded or decoded for, and which descriptors travel with it.
//!
//! Handles are plain serde values, and serde passes no context, so the node is named by a scope that lasts as long as
//! the closure given to [`enter`]. Scopes nest; the outer one is restored when the closure has ended, also by a panic.
//!
//! What is not plain, such as an end of a pipe, travels only where somebody takes its descriptors along: while encoding
//! inside [`collect`], while decoding inside [`enter_with`]. Everything that is encoded or decoded meanwhile for another
//! message has a scope of its own, which takes none.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Arc;

use callboard_core::{BodyError, NodeId};

use crate::actor::Right;
use crate::parcel::Rights;
use crate::runtime::Runtime;

thread_local! {
    static CURRENT: Cell<Option<NonNull<Arc<Runtime>>>> = const { Cell::new(None) };
    static DEPARTING: Cell<Option<NonNull<RefCell<Departing>>>> = const { Cell::new(None) };
    static ARRIVED: Cell<Option<NonNull<RefCell<Arrived>>>> = const { Cell::new(None) };
}

/// Something that travels with descriptors and can be held by one process at a time.
pub(crate) trait MoveOnly {
    /// Stands still: from here on it has so many descriptors, until it [departs](Self::depart) or [stays](Self::stay).
    /// None if it has gone already, or stands still for another message.
    fn stand_still(&self) -> Option<usize>;
    /// Copies of them, to try whether the message can leave.
    fn copies(&self) -> io::Result<Vec<OwnedFd>>;
    /// Gives its own up: its message leaves, with the copies.
    fn depart(&self);
    /// Its message does not leave.
    fn stay(&self);
}

/// What leaves with the message that is being encoded.
#[derive(Default)]
pub(crate) struct Departing {
    travellers: Vec<Traveller>,
    count: usize,
    /// The node of the actor that the message is for.
    to: Option<NodeId>,
    replies: Vec<Right>,
}

enum Traveller {
    Moves(Arc<dyn MoveOnly>),
    /// Part of a value that was encoded before: its copies are made already.
    Packed(Rights),
}

impl Departing {
    /// The rights to reply in the message.
    pub(crate) fn replies(&self) -> &[Right] {
        &self.replies
    }

    /// How many descriptors that is.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Copies of the descriptors, in the order of their numbers: nothing has left yet.
    ///
    /// # Errors
    ///
    /// [`BodyError::Encode`] with what the kernel said.
    #[inline]
    pub(crate) fn rights(&self) -> Result<Rights, BodyError> {
        if self.count == 0 {
            return Ok(Rights::default());
        }
        self.copies().map_err(|error| BodyError::Encode(error.to_string()))
    }

    /// The same, with the kernel's own error.
    pub(crate) fn copies(&self) -> io::Result<Rights> {
        let mut all = Vec::new();
        for traveller in &self.travellers {
            match traveller {
                Traveller::Moves(moves) => all.extend(moves.copies()?.into_iter().map(Arc::new)),
                Traveller::Packed(rights) => all.extend_from_slice(rights.as_slice()),
            }
        }
        Ok(all.into_iter().collect())
    }

    /// The message leaves, with the copies.
    #[inline]
    pub(crate) fn depart(mut self) {
        self.all_depart();
    }

    /// The same where it stands: a move of this costs more than most encodings.
    #[inline]
    pub(crate) fn all_depart(&mut self) {
        if self.travellers.is_empty() {
            return;
        }
        for traveller in std::mem::take(&mut self.travellers) {
            if let Traveller::Moves(moves) = traveller {
                moves.depart();
            }
        }
    }
}

/// The message does not leave.
impl Drop for Departing {
    #[inline]
    fn drop(&mut self) {
        for traveller in &self.travellers {
            if let Traveller::Moves(moves) = traveller {
                moves.stay();
            }
        }
    }
}

/// Why an end of a pipe can't be decoded where nothing was sent along with it.
const MISSING: &str = "the descriptors of an end of a pipe are not here: it moves, to one holder, and can't be read, copied or leased";

/// The descriptors that came with the message that is being decoded. Others may have them too, until they are claimed.
enum Arrived {
    Shared(Rights),
    Owned(Vec<Option<OwnedFd>>),
}

/// Restores what a slot of this thread held, also on unwind.
struct Put<T: 'static>(&'static std::thread::LocalKey<Cell<Option<NonNull<T>>>>, Option<NonNull<T>>);

impl<T> Drop for Put<T> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// Encodes by `with`, and collects what departs with the message.
#[inline(always)]
pub(crate) fn collect<R>(with: impl FnOnce() -> R) -> (R, Departing) {
    let departing = RefCell::default();
    (collect_into(&departing, with), departing.into_inner())
}

/// The same for a message to an actor on that node, which may have rights to reply in it.
pub(crate) fn collect_to<R>(to: NodeId, with: impl FnOnce() -> R) -> (R, Departing) {
    let mut departing = Departing::default();
    departing.to = Some(to);
    let departing = RefCell::new(departing);
    (collect_into(&departing, with), departing.into_inner())
}

/// The node of the actor that the message is for that is being encoded.
pub(crate) fn destination() -> Option<NodeId> {
    let departing = DEPARTING.get()?;
    // SAFETY: as in `board_with`.
    let departing = unsafe { departing.as_ref() }.borrow();
    departing.to
}

/// Notes a right to reply in the message that is being encoded.
pub(crate) fn takes_along(right: Right) {
    let Some(departing) = DEPARTING.get() else { return };
    // SAFETY: as in `board_with`.
    let mut departing = unsafe { departing.as_ref() }.borrow_mut();
    departing.replies.push(right);
}

/// Encodes by `with`, and adds what departs with the message.
#[inline(always)]
pub(crate) fn collect_into<R>(departing: &RefCell<Departing>, with: impl FnOnce() -> R) -> R {
    let _put = Put(&DEPARTING, DEPARTING.replace(Some(NonNull::from(departing))));
    with()
}

/// Encodes by `with` a message that takes no descriptors along.
pub(crate) fn plain<R>(with: impl FnOnce() -> R) -> R {
    // Nearly always there is nothing to hide, and this is done for every item.
    if DEPARTING.get().is_none() {
        return with();
    }
    let _put = Put(&DEPARTING, DEPARTING.replace(None));
    with()
}

/// Has `traveller` leave with the message that is being encoded: the number of its first descriptor, and how many it has.
/// None if it can't, with the reason.
pub(crate) fn board(traveller: &Arc<dyn MoveOnly>) -> Result<(usize, usize), &'static str> {
    let add = || {
        let count = traveller.stand_still().ok_or("this end of a pipe has been sent already")?;
        Ok((Traveller::Moves(Arc::clone(traveller)), count))
    };
    board_with(add)
}

/// Has the descriptors of a value that is encoded already leave with the message that it is now part of.
pub(crate) fn board_rights(rights: &Rights) -> Result<(usize, usize), &'static str> {
    board_with(|| Ok((Traveller::Packed(rights.clone()), rights.len())))
}

fn board_with(
    add: impl FnOnce() -> Result<(Traveller, usize), &'static str>,
) -> Result<(usize, usize), &'static str> {
    let departing =
        DEPARTING.get().ok_or("an end of a pipe travels where a value moves, not where it is copied")?;
    let (traveller, count) = add()?;
    // SAFETY: `collect_into` borrows what it points to until `with` has returned or unwound, and takes the pointer away before;
    // it never leaves the thread.
    let mut departing = unsafe { departing.as_ref() }.borrow_mut();
    let first = departing.count;
    departing.count += count;
    departing.travellers.push(traveller);
    Ok((first, count))
}

/// Runs `with` in a scope that names `runtime` and holds the descriptors that came with a message. Those that nobody
/// claims are closed.
pub(crate) fn enter_with<R>(
    runtime: &Arc<Runtime>,
    rights: impl Into<Rights>,
    with: impl FnOnce() -> R,
) -> R {
    let arrived = RefCell::new(Arrived::Shared(rights.into()));
    let _restore = Restore(CURRENT.replace(Some(NonNull::from(runtime))));
    let _put = Put(&ARRIVED, ARRIVED.replace(Some(NonNull::from(&arrived))));
    with()
}

/// Claims `count` descriptors of the message that is being decoded, by the number of the first.
///
/// # Errors
///
/// Why not: it has not so many, they were claimed before, or there is no room for copies of them.
pub(crate) fn claim(first: usize, count: usize) -> Result<Vec<OwnedFd>, String> {
    let missing = || MISSING.to_owned();
    let arrived = ARRIVED.get().ok_or_else(missing)?;
    // SAFETY: as in `board_with`, with `enter_with` in the place of `collect_into`.
    let mut arrived = unsafe { arrived.as_ref() }.borrow_mut();
    let owned = arrived.owned().map_err(|error| error.to_string())?;
    let range = first..first.checked_add(count).ok_or_else(missing)?;
    let claimed = owned.get_mut(range).into_iter().flatten();
    claimed.map(|right| right.take().ok_or_else(missing)).collect()
}

impl Arrived {
    fn owned(&mut self) -> io::Result<&mut Vec<Option<OwnedFd>>> {
        if let Arrived::Shared(rights) = self {
            let owned = std::mem::take(rights).into_owned()?;
            *self = Arrived::Owned(owned.into_iter().map(Some).collect());
        }
        match self {
            Arrived::Owned(owned) => Ok(owned),
            Arrived::Shared(_) => unreachable!("replaced just above"),
        }
    }
}

/// Restores the outer scope, also on unwind.
struct Restore(Option<NonNull<Arc<Runtime>>>);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Runs `with` in a scope that names `runtime`. Costs two writes: it is entered for every item.
#[inline(always)]
pub(crate) fn enter<R>(runtime: &Arc<Runtime>, with: impl FnOnce() -> R) -> R {
    let _restore = Restore(CURRENT.replace(Some(NonNull::from(runtime))));
    if ARRIVED.get().is_none() {
        return with();
    }
    let _put = Put(&ARRIVED, ARRIVED.replace(None));
    with()
}

/// The node of the innermost scope of this thread.
pub(crate) fn current() -> Option<Arc<Runtime>> {
    let current = CURRENT.get()?;
    // SAFETY: `enter` borrows the `Arc` it points to until `with` has returned or unwound, and takes the pointer away
    // before that borrow ends; the pointer never leaves the thread.
    Some(Arc::clone(unsafe { current.as_ref() }))
}

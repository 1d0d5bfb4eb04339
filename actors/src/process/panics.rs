//! What is known of a panic that is caught: the hooks that note it, for tasks of pools and for functions of processes.
//!
//! A payload has no more than the message; place and backtrace are known to the hook alone, while the panic begins. There is one
//! hook for the main thread of a child, which prints nothing, since the parent is told; and one for threads that run a task of a pool,
//! behind whatever hook was there before.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use super::reason::ChildPanic;
use crate::protocol::panic_text;

thread_local! {
    /// This thread is within `caught`. It needs no destructor, so it can be asked about to the thread's very end.
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<ChildPanic>> = const { RefCell::new(None) };
}

/// Restores the mark of an outer `caught`, also when what was called unwinds further.
struct Watched {
    before: bool,
}

impl Watched {
    fn begin() -> Self {
        let before = IS_WATCHED.replace(true);
        // What was caught by others is nobody's.
        LAST_PANIC.take();
        Self { before }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        IS_WATCHED.set(self.before);
    }
}

/// Calls `f`; of a panic all that is known. What `f` leaves behind in that case is its caller's to judge.
pub(crate) fn caught<R>(f: impl FnOnce() -> R) -> Result<R, ChildPanic> {
    let _watched = Watched::begin();
    catch_unwind(AssertUnwindSafe(f)).map_err(known_of)
}

/// What is known of a panic that was caught just now on this thread.
fn known_of(payload: Box<dyn Any + Send>) -> ChildPanic {
    let message = panic_text(payload);
    // One that was thrown again runs no hook, and what was noted before may be another's.
    let noted = LAST_PANIC.take().filter(|noted| noted.message == message);
    noted.unwrap_or_else(|| ChildPanic { message, place: String::new(), backtrace: String::new() })
}

fn note(info: &PanicHookInfo<'_>, backtrace: String) {
    let message = info.payload_as_str().map_or_else(|| panic_text(Box::new(())), str::to_owned);
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    LAST_PANIC.set(Some(ChildPanic { message, place, backtrace }));
}

/// In a child: panics of this thread, its main one, are noted and not printed; other threads' are printed as ever.
pub(super) fn note_those_of_this_thread() {
    let main = std::thread::current().id();
    let before = take_hook();
    set_hook(Box::new(move |info| {
        if std::thread::current().id() != main {
            return before(info);
        }
        note(info, Backtrace::force_capture().to_string());
    }));
}

/// From the first call on, panics of threads within [`caught`] are noted, after whatever hook was there has been called.
pub(crate) fn note_those_of_tasks() {
    static DONE: Once = Once::new();
    if std::thread::panicking() {
        // No hook may be set now; the next pool does it.
        return;
    }
    DONE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !IS_WATCHED.get() {
                return before(info);
            }
            LAST_PANIC.take();
            before(info);
            // The hook of a child's main thread has noted it with more.
            if LAST_PANIC.with_borrow(Option::is_none) {
                let backtrace = Backtrace::capture();
                let is_there = backtrace.status() == BacktraceStatus::Captured;
                note(info, if is_there { backtrace.to_string() } else { String::new() });
            }
        }));
    });
}

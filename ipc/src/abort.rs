//! Whether a child that aborted had been refused memory: noted by itself, in memory that outlives it.
//!
//! A Rust program whose allocation is refused prints so and aborts, which from outside is SIGABRT like any other abort. When
//! that signal comes, the last error of the thread that raised it still is what the allocator was told. So a handler looks, writes
//! one word, and lets the signal do what it does by default: exit status, core file and message are what they were.
//!
//! Nothing is noted if another error came in between: with `RUST_BACKTRACE` the standard library reads files for a backtrace before it
//! aborts. Nothing is noted of a SIGABRT that another process sent, nor in a fork of this process. A program that sets a handler of its own
//! replaces this one, and nothing is noted then. An abort for another reason right after memory was refused looks the same.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Once, OnceLock};

use crate::link::{Link, Side};

/// What the handler needs: the page, for as long as this process lives, and whose it is.
struct Notes {
    link: ManuallyDrop<Link>,
}

static NOTES: OnceLock<Notes> = OnceLock::new();
/// The process that set the handler.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// From here on this process, a child, notes on the page of its connection to its parent whether it aborts for a refused allocation.
/// Once a process; and not if something else handles SIGABRT already.
///
/// # Errors
///
/// What the kernel says when the page can't be mapped once more.
pub fn note_refused_memory(page: &OwnedFd) -> io::Result<()> {
    static DONE: Once = Once::new();
    // A mapping of its own, since connections end.
    let link = Link::open(page, Side::Second)?;
    // Touched now: then writing it needs no memory any more.
    link.clear_refused_memory();
    if NOTES.set(Notes { link: ManuallyDrop::new(link) }).is_ok() {
        OWNER.store(own_pid(), Relaxed);
        DONE.call_once(install);
    }
    Ok(())
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_pid()
}

fn install() {
    if action(ptr::null()).is_none_or(|now| now.sa_sigaction != libc::SIG_DFL) {
        return;
    }
    // SAFETY: all zeros is a `sigaction`: no mask, no flags, the default action.
    let mut new: libc::sigaction = unsafe { std::mem::zeroed() };
    new.sa_sigaction = on_abort as *const () as usize;
    // The action is the default one again before the handler begins.
    new.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
    action(&raw const new);
}

/// The action of SIGABRT that was there before; `new` replaces it, unless that is null.
fn action(new: *const libc::sigaction) -> Option<libc::sigaction> {
    // SAFETY: as in `install`.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `new` is null or points to an action whose handler is `on_abort`, which does only what a handler may do; `before` is
    // written by the call.
    let result = unsafe { libc::sigaction(libc::SIGABRT, new, &raw mut before) };
    (result == 0).then_some(before)
}

/// Does only what may be done in a handler: reads `errno` and statics that were set before it was installed, writes an atomic, and
/// asks the kernel for this process's number and to raise a signal.
extern "C" fn on_abort(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let error = io::Error::last_os_error().raw_os_error();
    // SAFETY: with `SA_SIGINFO` the kernel passes a description of the signal that is valid during this call.
    let code = unsafe { (*info).si_code };
    if code == libc::SI_TKILL
        && error == Some(libc::ENOMEM)
        && own_pid() == OWNER.load(Relaxed)
        && let Some(notes) = NOTES.get()
    {
        notes.link.refused_memory();
    }
    // It is blocked until this returns, and ends the process then, where it was interrupted. Whoever called `abort` would raise it
    // again; who sent it from elsewhere would not.
    // SAFETY: raising a signal is allowed in a handler, and touches no memory of this program.
    unsafe { libc::raise(libc::SIGABRT) };
}

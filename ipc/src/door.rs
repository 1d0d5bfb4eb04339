//! The door of a spawned child in a program whose `main` is not ours: a test binary, a documentation test.
//!
//! [`door!`](crate::door!) puts a function into the list of those that the loader calls before `main`. It only decides: in
//! a process that nobody spawned it returns at once. In a spawned child it runs the given
//! function on the main thread, and `main` is never reached.
//!
//! What holds there, and what does not, since the standard library has not been started (glibc):
//! - threads, panics and catching them, the environment, the arguments, locks, and thread-locals work;
//! - SIGPIPE has been set to be ignored, as before `main`;
//! - the main thread has no name, so its panics are reported as those of `<unnamed>`;
//! - a stack overflow, of any thread, ends the process by SIGSEGV without the usual message (and not by SIGABRT);
//! - descriptors 1 and 2 that were closed by the parent are not opened on `/dev/null`;
//! - other functions in the loader's list, those of other crates and of C++, may not have run yet;
//! - on musl the arguments are empty.
//!
//! A program with a `main` of its own should rather call `take_bootstrap` there, where none of this matters.

use std::error::Error;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bootstrap::{self, Bootstrap};
use crate::process::{exit_now, locate};

/// The exit code of a child that failed before it could tell its parent why; that of a Rust program that panicked.
pub const DOOR_FAILED_CODE: i32 = 101;

/// Lets processes that [`start`](crate::start) makes run `$run`, a `fn(Bootstrap) -> !`, before `main`.
///
/// One line, anywhere in the program's own crate. It does nothing in a shared library, and nothing in a
/// process that was not spawned.
#[macro_export]
macro_rules! door {
    ($run:expr) => {
        const _: () = {
            extern "C" fn enter() {
                $crate::enter_door(enter as *const (), $run);
            }
            #[used]
            #[unsafe(link_section = ".init_array")]
            static DOOR: extern "C" fn() = enter;
        };
    };
}

/// What [`door!`](crate::door!) calls before `main`: returns unless this process is a spawned child and `here` lies in
/// the main program.
#[doc(hidden)]
pub fn enter_door(here: *const (), run: fn(Bootstrap) -> !) {
    // Nothing may unwind out of here: the caller is C. And a panic is no reason to go on to `main`.
    if catch_unwind(AssertUnwindSafe(|| decide(here, run))).is_err() {
        exit_now(DOOR_FAILED_CODE);
    }
}

fn decide(here: *const (), run: fn(Bootstrap) -> !) {
    // The cheap question first: every ordinary start of the program comes through here.
    if !bootstrap::is_announced() || locate(here).is_err() {
        return;
    }
    match bootstrap::take_bootstrap() {
        Ok(None) => {}
        Ok(Some(bootstrap)) => run(bootstrap),
        Err(error) => {
            report(&error);
            exit_now(DOOR_FAILED_CODE);
        }
    }
}

/// Nobody but a reader of standard error can be told: the socket to the parent is what is missing.
fn report(error: &dyn Error) {
    let mut text = format!("callboard: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    // There is no one left to tell if this fails.
    let _ = writeln!(std::io::stderr(), "{text}");
}

//! This program as an executable image, and other processes that run it.
//!
//! A child is this very program again, so a function is passed to it as a place in the image: [`locate`] in the parent,
//! [`resolve`] in the child, and [`image_id`] to prove that both run the same build. [`start`] makes the
//! process and [`Child`] watches it; `bootstrap` is what the child does first. What the two say to each
//! other is decided in the crate above.

mod child;
mod code;
mod executable;
mod image;
mod program;
mod state;
mod steps;

use std::io;

pub(crate) use child::check_directory;
pub use child::{Child, ChildSpec, Exit, SpawnError, StdStream, start};
pub use code::{CodeError, CodeOffset, locate, resolve, type_hash};
pub use executable::{EXECUTABLE_VARIABLE, executable};
pub use image::{ImageId, image_id};
pub use state::{ProcessState, is_stopped, states_of};
pub use steps::{Resource, Step, processors};

/// How many threads this process has, the calling one included.
///
/// A thread that was joined may be counted for some microseconds more, until the kernel has let go of it.
///
/// # Errors
///
/// What the kernel says when `/proc` is not there or descriptors run out.
pub fn thread_count() -> io::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc/self/task")? {
        entry?;
        count += 1;
    }
    Ok(count)
}

/// Whether this process has one thread, for where there is no `/proc` to count them; false also if the kernel may not be asked.
pub(crate) fn has_one_thread() -> bool {
    // SAFETY: to share memory and signals with no other thread is what such a process does already; to others it is refused.
    unsafe { libc::unshare(libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_VM) == 0 }
}

/// Ends this process at once: no exit handlers, no destructors, nothing flushed.
///
/// For a process whose parent is gone: nobody reads what it would still write, and a handler that waits
/// for another thread would keep it alive.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any code and touches nothing of this program.
    unsafe { libc::_exit(code) }
}

/// Makes a write to a closed pipe or socket an error (EPIPE) in the whole process, not a signal that ends it.
///
/// The standard library does so before `main`; this is for code that runs earlier.
pub(crate) fn ignore_broken_pipes() {
    // SAFETY: `SIG_IGN` runs no code of ours, and SIGPIPE may be ignored; the call fails for no such pair.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

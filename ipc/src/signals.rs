//! The signals by which a terminal or an init system asks a program to end, or to say what it is at, as something that can be
//! waited for.
//!
//! Of those that ask for the end the first one is seen by whoever watches; the second does what it does by default: it kills. So a
//! program that does not come to its end can be ended by pressing Ctrl-C again. As process 1 it can too, whom the kernel kills by no signal
//! that comes from its own container: there it exits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

/// Readable once SIGINT or SIGTERM has come. Dropped, it gives the signals their default effect back.
#[derive(Debug)]
pub struct StopSignals {
    reader: UnixStream,
    /// From the first signal on.
    by_default: Arc<AtomicBool>,
    pipes: Vec<SigId>,
}

impl StopSignals {
    /// Catches both signals from here on.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub fn catch() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let by_default = Arc::new(AtomicBool::new(false));
        let mut pipes = Vec::new();
        for signal in [SIGINT, SIGTERM] {
            // In this order: what is set by a signal counts for the next.
            register_default(signal, Arc::clone(&by_default))?;
            flag::register(signal, Arc::clone(&by_default))?;
            pipes.push(low_level::pipe::register(signal, writer.try_clone()?)?);
        }
        Ok(Self { reader, by_default, pipes })
    }
}

impl AsFd for StopSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        self.by_default.store(true, Ordering::SeqCst);
        for id in self.pipes.drain(..) {
            low_level::unregister(id);
        }
    }
}

/// SIGQUIT, caught: each one writes a byte and sets a flag, and does nothing else. When the last of these is dropped, the signal has its
/// default effect again.
#[derive(Debug)]
pub struct QuitSignal {
    came: Arc<AtomicBool>,
    actions: [SigId; 2],
}

/// How this process stands with SIGQUIT, whose handler stays once it is set.
#[derive(Default)]
struct Quit {
    /// Whether the default effect is wanted. None until our handler is set.
    by_default: Option<Arc<AtomicBool>>,
    users: usize,
}

static QUIT: Mutex<Quit> = Mutex::new(Quit { by_default: None, users: 0 });

impl QuitSignal {
    /// Catches the signal from here on; each writes a byte to `bell`, which must not block. None, and nothing is changed, if somebody
    /// else has said what the signal is to do: it has a handler, or is ignored.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn catch(bell: UnixStream) -> io::Result<Option<Self>> {
        let mut quit = QUIT.lock();
        let by_default = match &quit.by_default {
            Some(ours) => Arc::clone(ours),
            None if !has_default_effect(SIGQUIT)? => return Ok(None),
            None => {
                let fresh = Arc::new(AtomicBool::new(true));
                register_default(SIGQUIT, Arc::clone(&fresh))?;
                Arc::clone(quit.by_default.insert(fresh))
            }
        };
        let came = Arc::new(AtomicBool::new(false));
        // In this order: whoever finds the byte finds the flag.
        let flag = flag::register(SIGQUIT, Arc::clone(&came))?;
        let pipe =
            low_level::pipe::register(SIGQUIT, bell).inspect_err(|_| _ = low_level::unregister(flag))?;
        quit.users += 1;
        by_default.store(false, Ordering::SeqCst);
        Ok(Some(Self { came, actions: [flag, pipe] }))
    }

    /// Whether one has come since this was last asked.
    pub fn has_come(&self) -> bool {
        self.came.swap(false, Ordering::SeqCst)
    }
}

impl Drop for QuitSignal {
    fn drop(&mut self) {
        let mut quit = QUIT.lock();
        quit.users -= 1;
        if quit.users == 0
            && let Some(by_default) = &quit.by_default
        {
            by_default.store(true, Ordering::SeqCst);
        }
        for action in self.actions {
            low_level::unregister(action);
        }
    }
}

/// Has that signal end this process, as it does by default, whenever `is_wanted`.
fn register_default(signal: libc::c_int, is_wanted: Arc<AtomicBool>) -> io::Result<SigId> {
    let action = move || {
        if is_wanted.load(Ordering::SeqCst) {
            end_by(signal);
        }
    };
    // SAFETY: in a handler this loads an atomic, asks for the process id, and ends the process by means that are allowed there.
    unsafe { low_level::register(signal, action) }
}

/// Ends this process by a signal that does so by default.
fn end_by(signal: libc::c_int) {
    if std::process::id() == 1 {
        // The first process of a container: the kernel gives it no signal of which it has no handler, not even one that it raises
        // itself, nor that of an abort, which then ends in a fault. So it exits, with what a shell says of that signal.
        low_level::exit(128 + signal);
    }
    // Fails for signals that are not known alone.
    let _ = low_level::emulate_default_handler(signal);
}

/// Whether nobody has said what that signal is to do.
fn has_default_effect(signal: libc::c_int) -> io::Result<bool> {
    // SAFETY: all zeros is a `sigaction`: no mask, no flags, the default action.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with no new action nothing is changed; `now` is written by the call.
    let result = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) };
    if result == 0 { Ok(now.sa_sigaction == libc::SIG_DFL) } else { Err(io::Error::last_os_error()) }
}

//! A pipe whose only use is that its end kills: the kernel ends a child with its parent, whatever state either is in.
//!
//! The parent holds the writing end and never writes. The kernel sends the child SIGKILL when something happens at the
//! reading end, and the one thing that can happen is that the last writer is gone. So a child dies with its parent also
//! while it is stopped, and without running any code; and it does not matter which thread of the parent started it, as
//! it would for a signal by the death of the parent's thread.
//!
//! The reading end is put into the child's socket before the child exists, and the parent names the child as its owner as
//! soon as it has been started. The child has nothing to do but to keep it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

/// Which signal tells of events at a descriptor; `linux/fcntl.h`.
const F_SETSIG: libc::c_int = 10;

/// The two ends, before the child is there.
#[derive(Debug)]
pub struct LifeLine {
    /// The parent's, to be kept as long as the child shall live.
    pub held: OwnedFd,
    /// The child's.
    pub given: OwnedFd,
}

impl LifeLine {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub fn open() -> io::Result<Self> {
        let (given, held) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { held, given })
    }

    /// What goes into the child's socket: its end, and one of those by which this process's group ends. As long as somebody has that, the
    /// kernel ends the group, also when this process has gone before: so the child is not left whatever is killed in which order.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub fn rights(&self) -> io::Result<Vec<OwnedFd>> {
        let given = self.given.as_fd().try_clone_to_owned()?;
        let of_group = group().first().map(|end| end.try_clone()).transpose()?;
        Ok([given].into_iter().chain(of_group).collect())
    }

    /// Binds the process `pid`, a child that has not been reaped and that holds the other end or has it in its socket; the
    /// parent's end.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn bind(self, pid: u32) -> io::Result<OwnedFd> {
        set_owner(&self.given, pid.cast_signed(), libc::SIGKILL)?;
        Ok(self.held)
    }
}

/// Binds process `pid` to the line whose reading end is `given`, for one that is not the parent and has just forked the process; whether the parent's end was
/// still there. If it was not, nobody will be signalled.
///
/// # Errors
///
/// What the kernel says.
pub fn bind_forked(given: &OwnedFd, pid: u32) -> io::Result<bool> {
    set_owner(given, pid.cast_signed(), libc::SIGKILL)?;
    Ok(!has_parted(given)?)
}

/// How often the kernel signals a guarded group.
const PASSES: usize = 3;

/// For the guard of a group, whose life-line's reading end is `given` and who leads the group: at the end of the line the kernel sends SIGKILL to the group,
/// and SIGCONT to the guard, no longer SIGKILL, so that it goes on if it is stopped and does what is left to be done. What is returned is to be kept.
///
/// Linux (6.18, for one) walks a group for such a signal without keeping others from forking meanwhile, unlike for one that a process sends: a child that
/// is just coming to be may be passed over. So it walks several times; and the guard, which must have left the group by then, kills it once more.
///
/// # Errors
///
/// What the kernel says, for instance when there is no `/proc`.
pub fn guard_own_group(given: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let passes = passes(given)?;
    set_owner(given, rustix::process::getpid().as_raw_pid(), libc::SIGCONT)?;
    Ok(passes)
}

/// The reading ends by which this process's group ends with its parent; empty as long as the group is not this process's own.
static GROUP: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// Leads a process group, which ends with the life-line as this process does. For one that is bound.
///
/// What it starts is in this group from before its first instruction until it is bound itself.
pub fn lead_own_group(given: &OwnedFd) {
    // It may lead it already.
    let _ = rustix::process::setpgid(None, None);
    // Without `/proc` there is none: then its children are in groups of their own from their start.
    *group() = passes(given).unwrap_or_default();
}

/// Whether what this process starts is to stay in its group until it is bound. At a root, which may share its group with others, it is not.
pub(crate) fn leads_own_group() -> bool {
    !group().is_empty()
}

fn group() -> MutexGuard<'static, Vec<OwnedFd>> {
    GROUP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Further reading ends, by which the kernel kills the group; several, since it walks a group without keeping that from forking.
fn passes(given: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let path = format!("/proc/self/fd/{}", given.as_raw_fd());
    let leader = rustix::process::getpid().as_raw_pid();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let passes = (0..PASSES).map(|_| {
        // Another open pipe to the kernel, with an owner of its own, and the same end. The latest comes first, and the guard last.
        let again = rustix::fs::open(&path, flags, rustix::fs::Mode::empty())
            .map_err(|error| proc_lacks(&path, error))?;
        set_owner(&again, -leader, libc::SIGKILL)?;
        Ok(again)
    });
    passes.collect()
}

/// Why a path below `/proc` can't be opened; that it is not there says more than its number does.
fn proc_lacks(path: &str, error: Errno) -> io::Error {
    match error {
        Errno::NOENT => {
            let text = format!("no {path}: other programs need /proc, and it is not mounted here");
            io::Error::new(io::ErrorKind::NotFound, text)
        }
        other => other.into(),
    }
}

/// Has `owner`, a process or minus a group's leader, be sent `signal` when the last writer is gone.
fn set_owner(given: &OwnedFd, owner: i32, signal: libc::c_int) -> io::Result<()> {
    let fd = given.as_raw_fd();
    // Properties of the open pipe, whichever process names them.
    for (command, value) in [(libc::F_SETOWN, owner), (F_SETSIG, signal)] {
        // SAFETY: both commands take an integer and touch no memory; `fd` is open, `given` owns it.
        if unsafe { libc::fcntl(fd, command, value) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    let flags = rustix::fs::fcntl_getfl(given)?;
    rustix::fs::fcntl_setfl(given, flags | OFlags::from_bits_retain(libc::O_ASYNC.cast_unsigned()))?;
    Ok(())
}

/// Whether the parent's end is gone: it was before the child was bound, or no signal would be needed.
///
/// # Errors
///
/// What the kernel says, for instance that it is no pipe.
pub fn has_parted(given: &OwnedFd) -> io::Result<bool> {
    match rustix::io::read(given, &mut [0; 1]) {
        Err(Errno::AGAIN) => Ok(false),
        Ok(0) => Ok(true),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "something was written to a life-line")),
        Err(error) => Err(error.into()),
    }
}

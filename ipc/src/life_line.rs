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
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::OFlags;
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

    /// Binds the process `pid`, a child that has not been reaped and that holds the other end or has it in its socket; the
    /// parent's end.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn bind(self, pid: u32) -> io::Result<OwnedFd> {
        let fd = self.given.as_raw_fd();
        // Properties of the open pipe, whichever process names them.
        for (command, value) in [(libc::F_SETOWN, pid.cast_signed()), (F_SETSIG, libc::SIGKILL)] {
            // SAFETY: both commands take an integer and touch no memory; `fd` is open, `self.given` owns it.
            if unsafe { libc::fcntl(fd, command, value) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        let flags = rustix::fs::fcntl_getfl(&self.given)?;
        rustix::fs::fcntl_setfl(
            &self.given,
            flags | OFlags::from_bits_retain(libc::O_ASYNC.cast_unsigned()),
        )?;
        Ok(self.held)
    }
}

/// Whether the parent's end is gone: it was before the child was bound, or no signal would be needed.
///
/// # Errors
///
/// What the kernel says, for instance that it is no pipe.
pub fn has_parted(given: &OwnedFd) -> io::Result<bool> {
    match rustix::io::read(given, &mut [0; 1]) {
        Err(rustix::io::Errno::AGAIN) => Ok(false),
        Ok(0) => Ok(true),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "something was written to a life-line")),
        Err(error) => Err(error.into()),
    }
}

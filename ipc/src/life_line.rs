//! A pipe whose only use is that its end kills: the kernel ends a child with its parent, whatever state either is in.
//!
//! The parent holds the writing end and never writes. The child asks the kernel to send it SIGKILL when something
//! happens at the reading end, and the one thing that can happen is that the last writer is gone. So a child dies with
//! its parent also while it is stopped, and without running any code; and it does not matter which thread of the parent
//! started it, as it would for a signal by the death of the parent's thread.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::pipe::PipeFlags;

/// Which signal tells of events at a descriptor; `linux/fcntl.h`.
const F_SETSIG: libc::c_int = 10;

/// The child's end. As long as it is open, the child lives no longer than its parent.
#[derive(Debug)]
pub struct LifeLine(#[expect(dead_code, reason = "kept open")] OwnedFd);

impl LifeLine {
    /// Makes one: the parent's end, to be kept as long as the child shall live, and the child's.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub fn open() -> io::Result<(OwnedFd, OwnedFd)> {
        let (theirs, ours) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok((ours, theirs))
    }

    /// Binds this process to the other end. None: that has closed already.
    ///
    /// # Errors
    ///
    /// What the kernel says, for instance that it is no pipe.
    pub fn hold(theirs: OwnedFd) -> io::Result<Option<Self>> {
        let fd = theirs.as_raw_fd();
        let pid = rustix::process::getpid().as_raw_pid();
        for (command, value) in [(libc::F_SETOWN, pid), (F_SETSIG, libc::SIGKILL)] {
            // SAFETY: both commands take an integer and touch no memory; `fd` is open, `theirs` owns it.
            if unsafe { libc::fcntl(fd, command, value) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        let flags = rustix::fs::fcntl_getfl(&theirs)?;
        rustix::fs::fcntl_setfl(&theirs, flags | OFlags::from_bits_retain(libc::O_ASYNC.cast_unsigned()))?;
        // An end from before the kernel was asked sends no signal; it shows as the end of the pipe.
        match rustix::io::read(&theirs, &mut [0; 1]) {
            Err(rustix::io::Errno::AGAIN) => Ok(Some(Self(theirs))),
            Ok(0) => Ok(None),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "something was written to a life-line")),
            Err(error) => Err(error.into()),
        }
    }
}

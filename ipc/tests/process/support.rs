//! A child under test and bounded waits for it.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use callboard_ipc::{Child, ChildSpec, Exit, StdStream, start};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The variable that tells a child which of `roles` to play.
pub(crate) const ROLE: &str = "CALLBOARD_TEST_ROLE";

const PATIENCE: Duration = Duration::from_secs(60);

/// A child and the parent's end of its socket; killed and collected when dropped.
pub(crate) struct Kid {
    pub(crate) child: Child,
    pub(crate) socket: Option<UnixStream>,
    reaped: bool,
}

impl Kid {
    pub(crate) fn start(role: &str) -> Self {
        Self::start_with(role, |_| {})
    }

    pub(crate) fn start_with(role: &str, change: impl FnOnce(&mut ChildSpec)) -> Self {
        let (ours, theirs) = socket_pair();
        let mut spec = ChildSpec::new(role, theirs);
        spec.env.push((ROLE.into(), Some(OsString::from(role))));
        change(&mut spec);
        let child = start(spec).unwrap();
        Self { child, socket: Some(ours), reaped: false }
    }

    /// As `start`, for children whose complaints on standard error are no news.
    pub(crate) fn start_quiet(role: &str) -> Self {
        Self::start_with(role, |spec| spec.stderr = StdStream::Null)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.socket.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn read_exact<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.socket.as_mut().unwrap().read_exact(&mut bytes).unwrap();
        bytes
    }

    /// All that the child writes until it ends or closes its end.
    pub(crate) fn read_all(&mut self) -> String {
        let mut text = String::new();
        self.socket.as_mut().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Waits until the child has ended and collects how.
    pub(crate) fn wait(&mut self) -> Exit {
        wait_readable(&self.child);
        self.reaped = true;
        self.child.try_reap().unwrap().expect("its descriptor says that it ended")
    }
}

impl Drop for Kid {
    fn drop(&mut self) {
        if !self.reaped {
            self.child.kill().unwrap();
            self.wait();
        }
    }
}

pub(crate) fn socket_pair() -> (UnixStream, OwnedFd) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    (ours, theirs.into())
}

pub(crate) fn wait_readable(fd: &impl AsFd) {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    let timeout = Timespec::try_from(PATIENCE).unwrap();
    assert_eq!(poll(&mut fds, Some(&timeout)), Ok(1), "nothing came in {PATIENCE:?}");
}

pub(crate) fn eventually(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not so in {PATIENCE:?}");
        std::thread::yield_now();
    }
}

pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many descriptors a program that this process runs would inherit.
pub(crate) fn inheritable_descriptors() -> usize {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let infos = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    let inherited = |text: &String| {
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        u32::from_str_radix(flags.trim(), 8).unwrap() & CLOSE_ON_EXEC == 0
    };
    // Those that another test closes meanwhile are close-on-exec.
    infos.filter_map(|info| std::fs::read_to_string(info.ok()?.path()).ok()).filter(inherited).count()
}

//! Small questions to the kernel that fit nowhere else.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use callboard_core::Wants;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};
use rustix::rand::GetRandomFlags;

/// A random number that is never zero; zero if the kernel has no randomness.
pub fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    loop {
        match rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty()) {
            Ok(8) => {}
            Ok(_) | Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return 0,
        }
        let number = u64::from_ne_bytes(bytes);
        if number != 0 {
            return number;
        }
    }
}

/// Nanoseconds of the system's monotonic clock, which is the same in all processes.
pub fn monotonic_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// As [`monotonic_nanos`], to a few milliseconds, and several times faster.
pub fn coarse_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Waits until `fd` can be read, or has ended; whether it can, within `timeout`. None waits for ever.
///
/// # Errors
///
/// What the kernel says.
pub fn wait_readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        match rustix::event::poll(&mut fds, left.as_ref()) {
            Ok(n) => return Ok(n > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether `fd` is ready for what is wanted, or has ended or failed.
///
/// # Errors
///
/// What the kernel says.
pub fn is_ready(fd: BorrowedFd<'_>, wants: Wants) -> io::Result<bool> {
    let flags = match wants {
        Wants::Reading => PollFlags::IN | PollFlags::RDHUP,
        Wants::Writing => PollFlags::OUT,
        Wants::ReadingAndWriting => PollFlags::IN | PollFlags::RDHUP | PollFlags::OUT,
    };
    let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        match rustix::event::poll(&mut fds, Some(&now)) {
            Ok(n) => return Ok(n > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes `fd` this process's standard input.
///
/// # Errors
///
/// What the kernel says.
pub fn set_stdin(fd: OwnedFd) -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdin(fd)?)
}

/// Sends the signal of that number to a process by its id, which may be another's by now. That there is no such process any more is
/// no error.
///
/// # Errors
///
/// `InvalidInput` if there is no such signal or no such id, else what the kernel says.
pub fn send_signal(pid: u32, signal: i32) -> io::Result<()> {
    let to = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let (Some(to), Some(signal)) = (to, Signal::from_named_raw(signal)) else {
        let text = format!("there is no process {pid} or no signal {signal}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    };
    match rustix::process::kill_process(to, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether this process may open one more descriptor.
///
/// # Errors
///
/// What the kernel says if not.
pub fn has_room_for_a_descriptor() -> io::Result<()> {
    rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?;
    Ok(())
}

/// How much memory of this process is in use now; none if the system does not say.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// How much memory may still be taken before something must give way: by what the system has, swap included, and by what the
/// control groups (version 2) of this process allow it. None if the system does not say.
pub fn memory_left() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().trim_end_matches("kB").trim_end().parse().ok()
    };
    let system = kibibytes("MemAvailable")?.saturating_add(kibibytes("SwapFree").unwrap_or(0)) * 1024;
    Some(groups_leave().into_iter().chain([system]).min().unwrap_or(system))
}

/// What the control group of this process and those above it leave; none without a limit.
fn groups_leave() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let group = Path::new("/sys/fs/cgroup").join(path);
    let folders = group.ancestors().take_while(|folder| folder.starts_with("/sys/fs/cgroup"));
    folders.filter_map(group_leaves).min()
}

fn group_leaves(folder: &Path) -> Option<u64> {
    let number =
        |file| -> Option<u64> { std::fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok() };
    // A group without a limit says "max" there, and the topmost says nothing.
    let most = number("memory.max")?;
    let used = number("memory.current")?;
    // What is only kept of files gives way.
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let of_files = |line: &str| -> Option<u64> {
        let (name, bytes) = line.split_once(' ')?;
        matches!(name, "inactive_file" | "active_file").then(|| bytes.parse().ok())?
    };
    let kept: u64 = stat.lines().filter_map(of_files).sum();
    Some(most.saturating_sub(used.saturating_sub(kept)))
}

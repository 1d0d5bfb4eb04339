//! Small questions to the kernel that fit nowhere else.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
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

/// How much memory of this process is in use now; none if the system does not say.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Holds this thread, and those it starts from now on, to some of the processors, by their numbers.
///
/// # Errors
///
/// What the kernel says, for instance that none of them is there.
pub fn use_processors(numbers: &[usize]) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for number in numbers {
        if *number >= rustix::thread::CpuSet::MAX_CPU {
            let text = format!("there is no processor {number}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        set.set(*number);
    }
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

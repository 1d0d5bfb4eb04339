//! Wall time that processes can compare, and CPU time of this process and the children it has waited for.

use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock, which all processes of a machine share.
pub(crate) fn stamp() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The CPU time used so far, by this process and by its children that have ended.
///
/// A child's whole life counts, its start included: some two milliseconds in a round of half a second.
pub(crate) fn cpu_used() -> Duration {
    used_by(libc::RUSAGE_SELF) + used_by(libc::RUSAGE_CHILDREN)
}

fn used_by(whom: libc::c_int) -> Duration {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is a writable `rusage`, which is all that `getrusage` asks for.
    let answer = unsafe { libc::getrusage(whom, usage.as_mut_ptr()) };
    if answer != 0 {
        return Duration::ZERO;
    }
    // SAFETY: it was zeroed, which is a valid value of a struct of integers, and then filled by the kernel.
    let usage = unsafe { usage.assume_init() };
    duration(usage.ru_utime) + duration(usage.ru_stime)
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}

/// The CPU time that everything on this machine has used, if the system tells.
pub(crate) fn machine_used() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> =
        text.lines().next()?.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
    // User, nice, system, then idle and waiting for a disk, then interrupts twice and what other machines took.
    let ticks: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|index| fields.get(*index)).sum();
    // A tick of this file is a hundredth of a second whatever the kernel's own is.
    Some(Duration::from_millis(ticks * 10))
}

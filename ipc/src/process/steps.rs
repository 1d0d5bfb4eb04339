//! What a process sets for itself: how much it may take, where and how eagerly it runs.
//!
//! Each [`Step`] is one system call or two, and needs no memory: so it can be made by our own children before they
//! start any thread, and between `fork` and `exec` of other programs.

use std::fmt;
use std::io;

use rustix::io::Errno;
use rustix::process::{Rlimit, getrlimit, setrlimit};
use rustix::thread::CpuSet;

/// What can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Bytes of address space.
    AddressSpaceBytes,
    /// Seconds on processors.
    CpuSeconds,
    /// One more than the highest number of a descriptor.
    OpenFiles,
    /// Bytes of a core file.
    CoreBytes,
    /// Bytes of a file that is written.
    FileBytes,
}

impl Resource {
    fn of_the_kernel(self) -> rustix::process::Resource {
        match self {
            Resource::AddressSpaceBytes => rustix::process::Resource::As,
            Resource::CpuSeconds => rustix::process::Resource::Cpu,
            Resource::OpenFiles => rustix::process::Resource::Nofile,
            Resource::CoreBytes => rustix::process::Resource::Core,
            Resource::FileBytes => rustix::process::Resource::Fsize,
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Resource::AddressSpaceBytes => "bytes of address space",
            Resource::CpuSeconds => "seconds on processors",
            Resource::OpenFiles => "open files",
            Resource::CoreBytes => "bytes of a core file",
            Resource::FileBytes => "bytes of a file",
        }
    }
}

/// One thing that a process sets for itself. Printed, it is what was asked for, for a text that says why it was refused.
#[derive(Clone)]
pub enum Step {
    /// At most so much of something, for this process and those it starts; the greatest number is no limit.
    Limit(Resource, u64),
    /// Only some of the processors, for this thread and those it starts.
    Processors(CpuSet),
    /// How much this thread, and those it starts, leave to others: -20, least, to 19.
    Nice(i32),
}

impl Step {
    /// A step that holds the thread to processors, by their numbers.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a number that no processor has.
    pub fn processors(numbers: &[usize]) -> io::Result<Self> {
        let mut set = CpuSet::new();
        for number in numbers {
            if *number >= CpuSet::MAX_CPU {
                let text = format!("there is no processor {number}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            set.set(*number);
        }
        Ok(Step::Processors(set))
    }

    /// Carries it out. Takes no lock and no memory.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn apply(&self) -> io::Result<()> {
        match self {
            Step::Limit(resource, most) => limit(*resource, *most)?,
            Step::Processors(set) => rustix::thread::sched_setaffinity(None, set)?,
            // The kernel would take the nearest that there is.
            Step::Nice(nice) if !(-20..=19).contains(nice) => return Err(Errno::INVAL.into()),
            Step::Nice(nice) => rustix::process::setpriority_process(None, *nice)?,
        }
        Ok(())
    }
}

fn limit(resource: Resource, most: u64) -> rustix::io::Result<()> {
    let of_the_kernel = resource.of_the_kernel();
    let most = Some(most).filter(|most| *most != u64::MAX);
    let maximum = match (resource, most) {
        // At the lower one the kernel sends SIGXCPU, which says what happened; SIGKILL, which does not, a second later.
        (Resource::CpuSeconds, Some(most)) => {
            let before = getrlimit(of_the_kernel).maximum;
            Some(before.map_or(most + 1, |before| before.min(most + 1).max(most)))
        }
        _ => most,
    };
    setrlimit(of_the_kernel, Rlimit { current: most, maximum })
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Limit(resource, u64::MAX) => write!(f, "no limit of {}", resource.unit()),
            Step::Limit(resource, most) => write!(f, "a limit of {most} {}", resource.unit()),
            Step::Processors(set) => {
                let numbers = (0..CpuSet::MAX_CPU).filter(|number| set.is_set(*number));
                write!(f, "processors {:?}", numbers.collect::<Vec<_>>())
            }
            Step::Nice(nice) => write!(f, "niceness {nice}"),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The processors that the calling thread may use, by their numbers, lowest first.
///
/// # Errors
///
/// What the kernel says.
pub fn processors() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|number| set.is_set(*number)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_says_what_it_asks_for() {
        let text = |step: Step| step.to_string();
        assert_eq!(text(Step::Limit(Resource::OpenFiles, 64)), "a limit of 64 open files");
        assert_eq!(text(Step::Limit(Resource::CoreBytes, u64::MAX)), "no limit of bytes of a core file");
        assert_eq!(text(Step::processors(&[1, 3]).unwrap()), "processors [1, 3]");
        assert_eq!(text(Step::Nice(-3)), "niceness -3");
    }

    #[test]
    fn what_there_is_not_is_refused() {
        assert!(Step::processors(&[CpuSet::MAX_CPU]).is_err());
        assert!(Step::processors(&[]).unwrap().apply().is_err(), "no processor at all");
        for nice in [-21, 20, i32::MIN, i32::MAX] {
            assert!(Step::Nice(nice).apply().is_err(), "{nice}");
        }
    }

    #[test]
    fn this_thread_may_use_a_processor() {
        let numbers = processors().unwrap();
        assert!(!numbers.is_empty() && numbers.is_sorted());
        Step::processors(&numbers).unwrap().apply().unwrap();
    }
}

//! What a process sets for itself before it does what it was started for: limits, processors, niceness.

use std::fmt;

use callboard_ipc::{Resource, Step};
use serde::{Deserialize, Serialize};

/// What can be limited for a process, and for those it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Limit {
    /// Bytes of address space. Beyond it memory is refused, and a Rust program aborts: [`JoinError::OutOfMemory`](crate::JoinError::OutOfMemory).
    #[doc(alias = "RLIMIT_AS")]
    AddressSpaceBytes,
    /// Seconds on processors, of all threads together; zero is taken as one. After them SIGXCPU ends the process, or SIGKILL a second later.
    #[doc(alias = "RLIMIT_CPU")]
    CpuSeconds,
    /// One more than the highest number that a descriptor may have. A node has some twenty of its own.
    #[doc(alias = "RLIMIT_NOFILE")]
    OpenFiles,
    /// Bytes of a core file; with zero none is written.
    #[doc(alias = "RLIMIT_CORE")]
    CoreBytes,
    /// Bytes of a file that is written, and of a piece of shared memory. SIGXFSZ ends the process that writes beyond.
    #[doc(alias = "RLIMIT_FSIZE")]
    FileBytes,
}

impl Limit {
    fn resource(self) -> Resource {
        match self {
            Limit::AddressSpaceBytes => Resource::AddressSpaceBytes,
            Limit::CpuSeconds => Resource::CpuSeconds,
            Limit::OpenFiles => Resource::OpenFiles,
            Limit::CoreBytes => Resource::CoreBytes,
            Limit::FileBytes => Resource::FileBytes,
        }
    }
}

/// What was asked for and could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Refused {
    pub(crate) fn new(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self(format!("{what} can't be had: {why}"))
    }
}

/// All that a process sets for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) limits: Vec<(Limit, u64)>,
    /// The processors it may use; none for all.
    pub(crate) processors: Option<Vec<usize>>,
    pub(crate) nice: Option<i32>,
}

impl Setup {
    /// Where and how eagerly it runs. To be carried out before there is another thread, which has it then too.
    pub(crate) fn places(&self) -> Result<Vec<Step>, Refused> {
        let mut steps = Vec::new();
        if let Some(numbers) = &self.processors {
            let step = Step::processors(numbers);
            steps.push(step.map_err(|error| Refused::new(format!("processors {numbers:?}"), error))?);
        }
        steps.extend(self.nice.map(Step::Nice));
        Ok(steps)
    }

    /// How much it may take. To be carried out last.
    pub(crate) fn limits(&self) -> Vec<Step> {
        self.limits.iter().map(|(limit, most)| Step::Limit(limit.resource(), *most)).collect()
    }
}

/// Carries steps out, in order.
pub(crate) fn apply(steps: &[Step]) -> Result<(), Refused> {
    steps.iter().try_for_each(|step| step.apply().map_err(|error| Refused::new(step, error)))
}

/// How many processors this process may use: by its affinity, which [`Spawn::processors`](crate::Spawn::processors) sets, and by the
/// quotas of its control groups (versions 1 and 2), rounded down. At least one.
///
/// So many workers a pool has unless it says otherwise.
#[doc(alias = "cpu_count")]
#[doc(alias = "process_cpu_count")]
pub fn processor_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The numbers of the processors that the calling thread may use, lowest first; empty if the system does not say.
#[doc(alias = "sched_getaffinity")]
pub fn processors() -> Vec<usize> {
    callboard_ipc::processors().unwrap_or_default()
}

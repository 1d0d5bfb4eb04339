//! Which jobs run here, and the addresses at which they are found.
//!
//! A root listens in the kernel's abstract namespace at `callboard/ID`, and one with a name of its user's choice at `callboard/UID/NAME` too. So two users have names of
//! their own, a name is there as long as its root, and nothing is left of one that is killed.

use std::io;
use std::path::PathBuf;

use callboard_ipc::{listeners, user_id};

/// The longest name of a job, in bytes: an abstract address has room for 107.
const MAX_NAME_BYTES: usize = 64;

/// A job that runs on this system, as [`jobs`] finds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct RunningJob {
    /// What [`Node::join`](crate::Node::join) takes: the name that was given to it, or the id that every job has.
    pub name: String,
    /// The process of its root.
    pub pid: u32,
    /// The program that runs there; empty if the system does not say.
    pub program: PathBuf,
}

/// The running jobs of this user, by name; those of other users, and of other network namespaces, are not seen.
///
/// One that has a name is there once, under it. A process that is the root of several jobs is listed only with those that have names, if one of them has.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = callboard::Node::start()?;
/// let all = callboard::jobs()?;
/// assert!(all.iter().any(|job| job.name == node.job() && job.pid == std::process::id()));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What the system says when `/proc` can't be read.
pub fn jobs() -> io::Result<Vec<RunningJob>> {
    let own = format!("{}/", user_id());
    let found = listeners("callboard/")?.into_iter().filter_map(|listener| {
        let name = listener.name.strip_prefix("callboard/")?;
        // That of another user, who may run things here as well, is refused by its root.
        let (name, is_chosen) = name.strip_prefix(&own).map_or((name, false), |name| (name, true));
        let job = RunningJob { name: name.to_owned(), pid: listener.pid, program: listener.program };
        (!name.contains('/')).then_some((job, is_chosen))
    });
    let found: Vec<_> = found.collect();
    let has_name = |pid| found.iter().any(|(job, is_chosen)| *is_chosen && job.pid == pid);
    let mut jobs: Vec<RunningJob> = found
        .iter()
        .filter(|(job, is_chosen)| *is_chosen || !has_name(job.pid))
        .map(|(job, _)| job.clone())
        .collect();
    jobs.sort_unstable();
    Ok(jobs)
}

/// The address of the job that is called so, by its id or the name it was given.
pub(crate) fn address(job: &str) -> String {
    if is_id(job) { format!("callboard/{job}") } else { format!("callboard/{}/{job}", user_id()) }
}

/// What is wrong with a name for a job; none if nothing is.
pub(crate) fn fault_of(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Some("it must have 1 to 64 bytes");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Some("it may consist of ASCII letters, digits, '.', '_' and '-'");
    }
    is_id(name).then_some("sixteen hexadecimal digits are a job's id")
}

fn is_id(job: &str) -> bool {
    job.len() == 16 && job.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_have_addresses_of_their_own() {
        assert_eq!(address("0123456789abcdef"), "callboard/0123456789abcdef");
        assert_eq!(address("orders"), format!("callboard/{}/orders", user_id()));
        assert_eq!(fault_of("Orders-2.eu_west"), None);
        for (name, why) in
            [("", "64 bytes"), ("a/b", "letters"), ("größe", "letters"), ("0123456789abcdef", "id")]
        {
            assert!(fault_of(name).is_some_and(|fault| fault.contains(why)), "{name:?}");
        }
        assert!(fault_of(&"x".repeat(65)).is_some() && fault_of(&"x".repeat(64)).is_none());
    }
}

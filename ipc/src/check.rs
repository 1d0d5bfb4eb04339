//! What this system lacks, found before it hurts: each thing is tried, or its limit read.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{PidfdFlags, Resource};

use crate::listener::Listener;
use crate::{Region, fence, system};

/// Fewer descriptors than this are few: a job of some dozens of processes, each with objects of its own, has no room.
const FEW_DESCRIPTORS: u64 = 256;
/// So many more processes are few.
const FEW_PROCESSES: u64 = 64;
/// So much memory is little, also as the limit of a file, which shared memory is.
const LITTLE_MEMORY: u64 = 64 << 20;

/// Something that this system lacks; its text says what follows from it and what can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lack {
    /// `/proc` is not there, or is something else.
    Proc,
    /// The kernel gives no descriptors of processes.
    ProcessDescriptors(String),
    /// There is no shared memory.
    SharedMemory(String),
    /// Sockets without files can't be listened at.
    Sockets(String),
    /// The kernel makes no fences for others.
    Fences,
    /// A process may open few descriptors.
    Descriptors {
        /// How many it may have open.
        limit: u64,
        /// How many it has; none if the system does not say.
        open: Option<u64>,
    },
    /// The control group of this process has room for few more.
    Processes {
        /// For how many.
        left: u64,
    },
    /// There is little memory left.
    Memory {
        /// How many bytes.
        left: u64,
    },
    /// Files, and so pieces of shared memory, may not be large.
    FileSize {
        /// The most bytes.
        limit: u64,
    },
    /// This process ignores the ends of its children, as its parent may have told it to.
    EndsOfChildren,
    /// This process is the first of its container.
    Init,
}

impl Lack {
    /// Whether nothing works without it; else something is slower, or limited.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Lack::ProcessDescriptors(_) | Lack::SharedMemory(_) | Lack::Sockets(_))
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Proc => f.write_str(
                "no /proc: children are started from the path by which this program was, other programs can't be started, and \
                 neither running jobs nor the use of memory can be told; mount proc",
            ),
            Lack::ProcessDescriptors(why) => {
                write!(f, "no pidfd_open ({why}): no child can be watched, so none is started; Linux 5.4 has it, and a \
                     filter for system calls must let it pass")
            }
            Lack::SharedMemory(why) => {
                write!(f, "no shared memory ({why}): no two processes can be connected; memfd_create, seals and \
                     fallocate must be allowed")
            }
            Lack::Sockets(why) => {
                write!(f, "no abstract Unix sockets ({why}): no job can be founded; a filter must let socket, bind \
                     and listen pass")
            }
            Lack::Fences => f.write_str(
                "no membarrier: whoever is about to sleep waits a millisecond in its place where others have it; a filter for \
                 system calls must let it pass",
            ),
            Lack::Descriptors { limit, open } => {
                write!(f, "few descriptors: a process may open {limit}")?;
                if let Some(open) = open {
                    write!(f, ", and this one has {open}")?;
                }
                f.write_str("; each child and each node it talks to takes some; raise ulimit -n")
            }
            Lack::Processes { left } => {
                write!(f, "few processes: the control group has room for {left} more; raise pids.max")
            }
            Lack::Memory { left } => write!(f, "little memory: {} MiB are left", left >> 20),
            Lack::FileSize { limit } => write!(
                f,
                "small files: none may be larger than {limit} bytes, shared memory included, and whoever writes more is \
                 ended by SIGXFSZ; raise ulimit -f"
            ),
            Lack::EndsOfChildren => f.write_str(
                "SIGCHLD is ignored: how a child ended is lost; the program that started this one ignores it, or this one does",
            ),
            Lack::Init => f.write_str(
                "this is process 1: what others leave behind becomes its child and stays as a zombie; run a small init before it, as \
                 docker run --init does",
            ),
        }
    }
}

/// Looks for what this system lacks of what is needed here; empty if nothing. Takes about a millisecond, and leaves nothing.
///
/// What can't be read is taken to be there: an error later says more.
pub fn check() -> Vec<Lack> {
    let mut found = Vec::new();
    found.extend(fs::symlink_metadata("/proc/self/stat").is_err().then_some(Lack::Proc));
    found.extend(process_descriptor().err().map(|why| Lack::ProcessDescriptors(why.to_string())));
    found.extend(shared_memory().err().map(|why| Lack::SharedMemory(why.to_string())));
    found.extend(listen().err().map(|why| Lack::Sockets(why.to_string())));
    found.extend((!fence::is_offered()).then_some(Lack::Fences));
    found.extend(few_descriptors());
    found.extend(processes_left().filter(|left| *left < FEW_PROCESSES).map(|left| Lack::Processes { left }));
    found
        .extend(system::memory_left().filter(|left| *left < LITTLE_MEMORY).map(|left| Lack::Memory { left }));
    let limit = rustix::process::getrlimit(Resource::Fsize).current;
    found.extend(limit.filter(|limit| *limit < LITTLE_MEMORY).map(|limit| Lack::FileSize { limit }));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    found.extend(ignores(&status, SIGCHLD).then_some(Lack::EndsOfChildren));
    found.extend((std::process::id() == 1).then_some(Lack::Init));
    found
}

fn process_descriptor() -> io::Result<()> {
    rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    Ok(())
}

fn shared_memory() -> io::Result<()> {
    let reserved = Region::reserve(1)?;
    Region::open(&reserved, 1)?;
    Ok(())
}

fn listen() -> io::Result<()> {
    let name = format!("callboard/check-{}-{:x}", std::process::id(), system::random_u64());
    // What listens already under it would be another's; that sockets are there is then known.
    match Listener::bind(&name) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => Err(error),
        _ => Ok(()),
    }
}

fn few_descriptors() -> Option<Lack> {
    let limit = rustix::process::getrlimit(Resource::Nofile).current?;
    // The one by which they are counted is not counted.
    let open = fs::read_dir("/proc/self/fd").ok().map(|all| (all.count() as u64).saturating_sub(1));
    (limit.saturating_sub(open.unwrap_or(0)) < FEW_DESCRIPTORS).then_some(Lack::Descriptors { limit, open })
}

const SIGCHLD: u32 = 17;

/// Whether a signal is ignored, by what `/proc/self/status` says.
fn ignores(status: &str, signal: u32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

/// For how many more processes the control groups have room, of either version; none without a limit.
fn processes_left() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    text.lines().filter_map(pids_folder).filter_map(|(root, group)| group_leaves(&root, &group)).min()
}

/// Of a line of `/proc/self/cgroup`, where the control groups that count processes lie, and which one is meant.
fn pids_folder(line: &str) -> Option<(String, String)> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let root = match controllers {
        "" => "/sys/fs/cgroup",
        of if of.split(',').any(|name| name == "pids") => "/sys/fs/cgroup/pids",
        _ => return None,
    };
    Some((root.to_owned(), format!("{root}{path}")))
}

fn group_leaves(root: &str, group: &str) -> Option<u64> {
    let number = |folder: &Path, file| -> Option<u64> {
        fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
    };
    let folders = Path::new(group).ancestors().take_while(|folder| folder.starts_with(root));
    folders
        .filter_map(|folder| {
            Some(number(folder, "pids.max")?.saturating_sub(number(folder, "pids.current")?))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_ignored_is_seen_in_the_mask() {
        let status = |mask| {
            format!("Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t{mask}\nSigCgt:\t0000000000010000\n")
        };
        assert!(ignores(&status("0000000000010000"), SIGCHLD));
        assert!(ignores(&status("ffffffffffffffff"), SIGCHLD));
        assert!(
            !ignores(&status("0000000000009001"), SIGCHLD)
                && !ignores("", SIGCHLD)
                && !ignores(&status("x"), SIGCHLD)
        );
    }

    #[test]
    fn the_control_group_that_counts_processes_is_found_in_either_version() {
        let at = |line| pids_folder(line).map(|(_, group)| group);
        assert_eq!(at("0::/user.slice/a"), Some("/sys/fs/cgroup/user.slice/a".to_owned()));
        assert_eq!(at("4:cpu,pids:/b"), Some("/sys/fs/cgroup/pids/b".to_owned()));
        assert_eq!(at("3:memory:/b"), None);
        assert_eq!(at("garbage"), None);
    }

    #[test]
    fn the_least_room_of_a_group_and_those_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let write = |folder: &Path, most: &str, now: &str| {
            fs::write(folder.join("pids.max"), most).unwrap();
            fs::write(folder.join("pids.current"), now).unwrap();
        };
        let left = || group_leaves(root.path().to_str().unwrap(), below.to_str().unwrap());
        assert_eq!(left(), None);
        write(&below, "max\n", "3\n");
        assert_eq!(left(), None);
        write(&root.path().join("a"), "10\n", "8\n");
        assert_eq!(left(), Some(2));
        write(&below, "4\n", "9\n");
        assert_eq!(left(), Some(0));
    }

    #[test]
    fn what_is_lacking_is_told_with_what_follows() {
        let text = Lack::Descriptors { limit: 64, open: Some(7) }.to_string();
        assert!(text.contains("may open 64, and this one has 7"), "{text}");
        assert!(Lack::SharedMemory("no".to_owned()).is_fatal() && !Lack::Proc.is_fatal());
    }
}

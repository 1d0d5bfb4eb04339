//! What processes are doing, as the kernel tells it: for whoever wants to know why somebody does not answer.
//!
//! Nothing is asked of the processes themselves, so one that is stopped or stuck is seen like any other. They are named by their
//! numbers: a number that the kernel has given to another process meanwhile tells of that one.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long processes are looked at to see whether they are busy.
const LOOK_FOR: Duration = Duration::from_millis(100);
/// How often in that time.
const LOOKS: u32 = 4;
/// Of how many threads of a process it is seen whether they run. The processor time is that of all.
const MAX_THREADS: usize = 64;

/// What a process was doing when it was [looked at](states_of).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProcessState {
    /// It is there, and sleeps most of the time: it does what comes, or waits itself.
    Runs,
    /// It, or one of its threads, had work for a processor all the time that it was looked at, which is 0.1 s.
    Busy,
    /// It was stopped, by SIGSTOP, a terminal or a debugger, and does nothing until it is continued.
    Stopped,
    /// There is no such process any more, or it has ended and nobody has collected it.
    Gone,
    /// The system does not tell: `/proc` is not mounted here.
    Unknown,
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runs => "runs",
            Self::Busy => "is busy",
            Self::Stopped => "is stopped",
            Self::Gone => "is gone",
            Self::Unknown => "is in a state that can't be told without /proc",
        })
    }
}

/// What those processes are doing. Takes 0.1 s, unless none of them is there or all are stopped; the calling thread does not count.
pub fn states_of(pids: &[u32]) -> Vec<ProcessState> {
    if fs::symlink_metadata("/proc/self/stat").is_err() {
        return vec![ProcessState::Unknown; pids.len()];
    }
    let mut watches: Vec<Watch> = pids.iter().map(|pid| Watch::begin(*pid)).collect();
    let begun = Instant::now();
    for look in 1..LOOKS {
        if watches.iter().all(|watch| watch.over.is_some()) {
            break;
        }
        let at = begun + LOOK_FOR * look / (LOOKS - 1);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        watches.iter_mut().for_each(Watch::look);
    }
    let ticks = begun.elapsed().as_millis() as u64 * rustix::param::clock_ticks_per_second() / 1000;
    watches.iter().map(|watch| watch.state(ticks)).collect()
}

/// Whether that process is stopped just now: by SIGSTOP, a terminal or a debugger. Looks once, which takes some microseconds, and does not
/// wait; one that is not there, or of which the system does not tell, is not.
pub fn is_stopped(pid: u32) -> bool {
    stat(pid).is_ok_and(|seen| seen.is_stopped())
}

/// One process while it is looked at.
struct Watch {
    pid: u32,
    /// Its processor time at first, and now, in ticks.
    ticks: (u64, u64),
    /// Threads that ran at each look.
    running: Vec<u32>,
    /// What needs no further look.
    over: Option<ProcessState>,
}

impl Watch {
    fn begin(pid: u32) -> Self {
        let mut watch = Self { pid, ticks: (0, 0), running: Vec::new(), over: None };
        let Some(seen) = watch.see() else { return watch };
        watch.ticks = (seen.ticks, seen.ticks);
        watch.running = running_threads(pid);
        watch
    }

    fn look(&mut self) {
        if self.over.is_some() {
            return;
        }
        let Some(seen) = self.see() else { return };
        self.ticks.1 = seen.ticks;
        if !self.running.is_empty() {
            let now = running_threads(self.pid);
            self.running.retain(|thread| now.contains(thread));
        }
    }

    /// Looks at the process as a whole; none if there is nothing more to be seen.
    fn see(&mut self) -> Option<Seen> {
        let seen = stat(self.pid);
        match &seen {
            Ok(seen) if seen.is_stopped() => self.over = Some(ProcessState::Stopped),
            // Its first thread may have ended before the others.
            Ok(Seen { letter: b'Z', threads: 0 | 1, .. }) | Ok(Seen { letter: b'X', .. }) => {
                self.over = Some(ProcessState::Gone);
            }
            Ok(_) => {}
            Err(error) => {
                let is_gone = error.kind() == io::ErrorKind::NotFound
                    || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
                self.over = Some(if is_gone { ProcessState::Gone } else { ProcessState::Unknown });
            }
        }
        seen.ok().filter(|_| self.over.is_none())
    }

    fn state(&self, ticks: u64) -> ProcessState {
        self.over.unwrap_or_else(|| {
            let used = self.ticks.1.saturating_sub(self.ticks.0);
            // Ticks are coarse: with none between the looks only what runs at each look counts.
            let most_of_it = ticks > 0 && used * 2 > ticks;
            if most_of_it || !self.running.is_empty() { ProcessState::Busy } else { ProcessState::Runs }
        })
    }
}

/// What a line of `/proc` says.
struct Seen {
    letter: u8,
    /// Processor time, in ticks.
    ticks: u64,
    threads: u64,
}

impl Seen {
    fn is_stopped(&self) -> bool {
        matches!(self.letter, b'T' | b't')
    }
}

fn stat(pid: u32) -> io::Result<Seen> {
    seen(Path::new(&format!("/proc/{pid}/stat")))
}

fn seen(path: &Path) -> io::Result<Seen> {
    let text = fs::read(path)?;
    parsed(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// Reads the fields that follow the program's name, which may hold anything, brackets too.
fn parsed(text: &[u8]) -> Option<Seen> {
    let end_of_name = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&text[end_of_name + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let letter = *fields.first()?.as_bytes().first()?;
    Some(Seen { letter, ticks: number(11)? + number(12)?, threads: number(17)? })
}

/// The threads that run or would, if there were a processor; without the calling one.
fn running_threads(pid: u32) -> Vec<u32> {
    let me = rustix::thread::gettid().as_raw_pid().unsigned_abs();
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let threads = threads.take(MAX_THREADS).flatten().filter(|thread| {
        let stat = seen(&thread.path().join("stat"));
        stat.is_ok_and(|seen| seen.letter == b'R')
    });
    let numbers = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    numbers.filter(|thread| *thread != me).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process that ends with the test.
    struct Other(Child);

    impl Other {
        fn start(program: &str, args: &[&str]) -> Self {
            let mut command = Command::new(program);
            Self(command.args(args).stdin(Stdio::null()).spawn().unwrap())
        }

        fn is(&self, state: ProcessState) -> bool {
            states_of(&[self.0.id()]) == [state]
        }

        /// Waits until it is seen so.
        fn comes_to_be(&self, state: ProcessState) {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !self.is(state) {
                assert!(Instant::now() < deadline, "{:?}", states_of(&[self.0.id()]));
            }
        }

        fn signal(&self, signal: i32) {
            crate::send_signal(self.0.id(), signal).unwrap();
        }
    }

    impl Drop for Other {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_process_that_sleeps_runs_and_one_that_counts_is_busy() {
        let (sleeps, counts) =
            (Other::start("sleep", &["600"]), Other::start("sh", &["-c", "while :; do :; done"]));
        sleeps.comes_to_be(ProcessState::Runs);
        counts.comes_to_be(ProcessState::Busy);
        assert_eq!(states_of(&[]), []);
    }

    #[test]
    fn a_stopped_process_is_stopped_until_it_is_continued_and_a_dead_one_gone() {
        let mut sleeps = Other::start("sleep", &["600"]);
        sleeps.signal(libc::SIGSTOP);
        sleeps.comes_to_be(ProcessState::Stopped);
        assert!(is_stopped(sleeps.0.id()));
        sleeps.signal(libc::SIGCONT);
        sleeps.comes_to_be(ProcessState::Runs);
        assert!(!is_stopped(sleeps.0.id()));
        sleeps.0.kill().unwrap();
        sleeps.comes_to_be(ProcessState::Gone);
        sleeps.0.wait().unwrap();
        assert!(sleeps.is(ProcessState::Gone), "collected too");
        assert!(!is_stopped(sleeps.0.id()));
    }

    #[test]
    fn a_name_full_of_brackets_is_no_field() {
        let line = b"12 (a) R 1 (b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0 7 0 100";
        let seen = parsed(line).unwrap();
        assert_eq!((seen.letter, seen.ticks, seen.threads), (b'S', 42, 7));
        assert!(parsed(b"12 (a").is_none() && parsed(b"12 (a) S 1").is_none());
    }
}

//! Other programs: started by their guard, which is this program again and does nothing else.
//!
//! The program and what it starts are in a process group that has the guard's number. The guard began it and has left it for another of its
//! own, so that it is there to kill the group when the program has ended or its own parent is gone; at that end the kernel does the same by the life-line (see
//! `life_line`). Should the guard alone be killed, the kernel sends SIGKILL to the program, which has asked for that before it began, and
//! the guard's parent kills the group, whose number is nobody else's as long as the guard has not been collected.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use thiserror::Error;

use crate::process::{Child, Exit, Step, check_directory};

/// What a guard is to start.
#[derive(Debug, Default)]
pub struct Foreign {
    /// A name that is looked for in `PATH`, or a path if there is a slash in it.
    pub program: OsString,
    /// Its arguments, without its own name.
    pub args: Vec<OsString>,
    /// Changes to the environment, in order: a value sets a variable, none removes it.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Whether it starts from an empty environment.
    pub clear_env: bool,
    /// Its working directory; none stands for the guard's.
    pub cwd: Option<PathBuf>,
    /// Its standard input; none stands for an empty one. Output and error are the guard's own.
    pub stdin: Option<OwnedFd>,
    /// What it sets for itself before it begins.
    pub steps: Vec<Step>,
}

/// Why a program was not started.
#[derive(Debug, Error)]
pub enum ForeignError {
    /// There is no such file in `PATH`, or at that path.
    #[error("there is no program {program:?} in {searched}")]
    NotFound {
        /// The name asked for.
        program: OsString,
        /// Where it was looked for.
        searched: String,
    },
    /// It could not have what it was to have.
    #[error("{step} can't be had: {source}")]
    Refused {
        /// What that is.
        step: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The working directory can't be used.
    #[error(transparent)]
    Directory(io::Error),
    /// The kernel did not run it: it is no program, or not for this user, or its interpreter is missing.
    #[error("{program:?} can't be run: {source}")]
    Exec {
        /// The name asked for.
        program: OsString,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Errors of steps travel from the new process in the high half of an error number, the step's place plus one: all that the standard
/// library hands on is such a number.
const STEP_SHIFT: u32 = 16;

/// Starts the program in this process's group, to be killed with this thread. For a process of one thread.
///
/// It has three descriptors and no other.
///
/// # Errors
///
/// [`ForeignError`]. Nothing is left then.
pub fn start_foreign(foreign: Foreign) -> Result<Child, ForeignError> {
    let Foreign { program, args, env, clear_env, cwd, stdin, steps } = foreign;
    cwd.as_deref().map_or(Ok(()), check_directory).map_err(ForeignError::Directory)?;
    let exec = |source| ForeignError::Exec { program: program.clone(), source };
    close_for_programs().map_err(exec)?;
    let mut command = Command::new(&program);
    command.args(args).stdin(stdin.map_or_else(Stdio::null, Stdio::from));
    if clear_env {
        command.env_clear();
    }
    for (key, value) in &env {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    if let Some(cwd) = &cwd {
        command.current_dir(cwd);
    }
    let guard = rustix::process::getpid();
    // Ignored, as this process may have inherited it, the kernel would collect this process's children and forget how they ended.
    // SAFETY: the default runs no code of ours.
    let of_children = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let apart = group_apart().map_err(exec)?;
    let its_steps = steps.clone();
    // Kept from the guard before the program is there, which it would leave behind.
    let signals = ignore_requests();
    let prepare = move || become_foreign(guard, &its_steps, &signals, of_children);
    // SAFETY: `become_foreign` makes system calls and nothing else: it takes no lock and no memory. And this process has no other
    // thread.
    unsafe { command.pre_exec(prepare) };
    let spawned = command.spawn();
    drop(command);
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            collect(apart);
            return Err(explain(error, &program, &steps, &env, clear_env, cwd.as_deref()));
        }
    };
    let watched = Pid::from_raw(child.id().cast_signed())
        .ok_or(Errno::SRCH)
        .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()))
        // The program is in the group by now, which goes on without this process.
        .and_then(|pidfd| rustix::process::setpgid(None, Some(apart)).map(|()| pidfd));
    // With this process in it the group needs nobody else, and where the guard's zombies would become those of a process that collects none
    // but its own, this one would stay.
    collect(apart);
    match watched {
        Ok(pidfd) => Ok(Child::watched(child.id(), pidfd)),
        Err(error) => {
            // Both can only say that it has gone already.
            let _ = child.kill();
            let _ = child.wait();
            Err(exec(error.into()))
        }
    }
}

/// Between `fork` and `exec`.
fn become_foreign(
    guard: Pid,
    steps: &[Step],
    signals: &Handlers,
    of_children: libc::sighandler_t,
) -> io::Result<()> {
    let children = (&libc::SIGCHLD, &of_children);
    for (signal, handler) in REQUESTS.iter().zip(signals).chain([children]) {
        // SAFETY: no handler of this program is among them, since it has set none: the default, or to ignore.
        unsafe { libc::signal(*signal, *handler) };
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(guard) {
        // It died before that call. Its group has been killed, or is about to be.
        return Err(Errno::SRCH.into());
    }
    for (at, step) in steps.iter().enumerate() {
        step.apply().map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
            io::Error::from_raw_os_error((at as i32 + 1) << STEP_SHIFT | errno)
        })?;
    }
    Ok(())
}

/// Makes a process group that this process may go into: that of a child that has ended, and that is
/// to be [collected](collect) only when this process is in the group, which stays as long as somebody is in it.
fn group_apart() -> io::Result<Pid> {
    let guard = rustix::process::getpid();
    // SAFETY: this process has no other thread, and the child does nothing but a few system calls.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Before it leaves the group, with which it would end: the guard does, in which it still is.
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if rustix::process::getppid() == Some(guard) {
                let _ = rustix::process::setpgid(None, None);
            }
            crate::exit_now(0)
        }
        child => {
            let child = Pid::from_raw(child).ok_or(Errno::SRCH)?;
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(rustix::process::waitid(WaitId::Pid(child), ended), Err(Errno::INTR)) {}
            Ok(child)
        }
    }
}

/// Collects a child of this process that has ended.
fn collect(child: Pid) {
    while matches!(rustix::process::waitid(WaitId::Pid(child), WaitIdOptions::EXITED), Err(Errno::INTR)) {}
}

/// Signals by which somebody may ask the whole group for something. The kernel does so too: SIGHUP and SIGCONT to a group with stopped
/// processes whose guard's parent has died, and that may be before the life-line breaks. They are for the program, not for its guard.
const REQUESTS: [libc::c_int; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// What was done at each of them.
type Handlers = [libc::sighandler_t; REQUESTS.len()];

/// Ignores them in this process; what was done before.
fn ignore_requests() -> Handlers {
    REQUESTS.map(|signal| {
        // SAFETY: `SIG_IGN` runs no code of ours, and each of these may be ignored.
        unsafe { libc::signal(signal, libc::SIG_IGN) }
    })
}

/// Whatever this process has open, by whomever, is not for programs that it starts; the three standard streams apart.
fn close_for_programs() -> io::Result<()> {
    // SAFETY: the call sets a mark on descriptors of this process and touches no memory.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    // The mark is of Linux 5.11, and filters for system calls may refuse it.
    if done == -1 { close_each_for_programs() } else { Ok(()) }
}

/// The same, descriptor by descriptor. For a process of one thread.
fn close_each_for_programs() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|number| number.parse::<i32>().ok()) else {
            continue;
        };
        // SAFETY: the call sets a mark on a descriptor of this process and touches no memory.
        if fd > 2 && unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// What an error of the start means.
fn explain(
    error: io::Error,
    program: &OsString,
    steps: &[Step],
    env: &[(OsString, Option<OsString>)],
    clear_env: bool,
    cwd: Option<&Path>,
) -> ForeignError {
    let number = error.raw_os_error().unwrap_or(0);
    let step = usize::try_from(number >> STEP_SHIFT).ok().and_then(|at| at.checked_sub(1));
    if let Some(step) = step.and_then(|at| steps.get(at)) {
        let source = io::Error::from_raw_os_error(number & ((1 << STEP_SHIFT) - 1));
        return ForeignError::Refused { step: step.to_string(), source };
    }
    let program = program.clone();
    if number != libc::ENOENT {
        return ForeignError::Exec { program, source: error };
    }
    let (searched, is_there) = search(&program, env, clear_env, cwd);
    if is_there {
        let text = "it is there, but the interpreter or the loader that it names is not";
        return ForeignError::Exec { program, source: io::Error::new(io::ErrorKind::NotFound, text) };
    }
    ForeignError::NotFound { program, searched }
}

/// Where a program is looked for, in words, and whether there is such a file.
fn search(
    program: &OsString,
    env: &[(OsString, Option<OsString>)],
    clear_env: bool,
    cwd: Option<&Path>,
) -> (String, bool) {
    let here = cwd.map(Path::to_owned).or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    if program.as_encoded_bytes().contains(&b'/') {
        return (format!("{}", here.display()), here.join(program).exists());
    }
    let set = env.iter().rev().find(|(key, _)| key == "PATH");
    let path = match set {
        Some((_, value)) => value.clone(),
        None if clear_env => None,
        None => std::env::var_os("PATH"),
    };
    let Some(path) = path else {
        return ("the system's default path: PATH is not set".to_owned(), false);
    };
    let is_there = std::env::split_paths(&path).any(|folder| here.join(folder).join(program).exists());
    (format!("PATH, which is {path:?}"), is_there)
}

/// Waits for the program's end; or, if one of `lines` ends before, ends the group and this process: the life-line, and what tells of the parent's end.
///
/// # Errors
///
/// What the kernel says.
pub fn guard_foreign(child: &Child, lines: &[BorrowedFd<'_>]) -> io::Result<Exit> {
    loop {
        if let Some(exit) = child.try_reap()? {
            return Ok(exit);
        }
        let mut fds = vec![PollFd::from_borrowed_fd(child.as_fd(), PollFlags::IN)];
        fds.extend(lines.iter().map(|line| PollFd::from_borrowed_fd(*line, PollFlags::IN)));
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if fds[1..].iter().any(|fd| !fd.revents().is_empty()) {
            end_group();
        }
    }
}

/// Lets go of standard output and error, of which others are to see the end.
///
/// # Errors
///
/// What the kernel says when descriptors run out.
pub fn let_go_of_outputs() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// Ends all processes of the group with this process's number, by SIGKILL, and then this process.
pub fn end_group() -> ! {
    // That there is none is what is wanted.
    let _ = rustix::process::kill_process_group(rustix::process::getpid(), Signal::KILL);
    crate::exit_now(0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use rustix::io::FdFlags;

    use super::*;

    /// In a process of its own: a descriptor of another test may vanish between its name and its mark.
    #[test]
    fn descriptors_are_closed_one_by_one_where_the_kernel_can_not_do_it_at_once() {
        const ALONE: &str = "CALLBOARD_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let name = std::thread::current().name().unwrap().to_owned();
            let program = std::env::current_exe().unwrap();
            let alone = Command::new(program).args(["--exact", &name]).env(ALONE, "1").output().unwrap();
            assert!(alone.status.success(), "{alone:?}");
            assert!(String::from_utf8_lossy(&alone.stdout).contains("1 passed"), "{alone:?}");
            return;
        }
        let open = std::fs::File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&open, FdFlags::empty()).unwrap();
        let before = rustix::io::fcntl_getfd(io::stdout()).unwrap();
        close_each_for_programs().unwrap();
        assert_eq!(rustix::io::fcntl_getfd(&open).unwrap(), FdFlags::CLOEXEC, "{}", open.as_raw_fd());
        assert_eq!(rustix::io::fcntl_getfd(io::stdout()).unwrap(), before);
    }
}

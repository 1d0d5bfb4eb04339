//! Processes that begin as copies of one that was made early: the server that forks, and its parent whose children they are.
//!
//! A server is a process of one thread, which has come as far as the start of its node. What it forks is a child of its parent and not of itself
//! (`CLONE_PARENT`): it is watched, ended and collected as any other, and nobody depends on the server's living on.
//!
//! The C library's own `fork` can't do that. What it does besides is for programs of several threads, but for three things, which are done here: the
//! kernel writes the new thread's number to where the library keeps it, and clears it at the thread's end; and the list of robust mutexes is named to the
//! kernel again, which forgets it at a fork. Handlers of `pthread_atfork` are not run.
//!
//! Should the server be killed in the instant between the fork and its answer, its parent has a child of which it does not know. Such a child is still in
//! the server's process group, since it is the parent who puts it into one of its own ([`lead_group`]); [`end_server`] ends and collects the whole group.

use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::process::{Child, ChildSpec, StdStream, has_one_thread};

/// Where the C library keeps the number of the calling thread; `linux/prctl.h`.
const PR_GET_TID_ADDRESS: libc::c_int = 40;

/// On which side of a fork one is.
#[derive(Debug)]
pub enum Forked {
    /// In the server: the new process's number and descriptor.
    Server(u32, OwnedFd),
    /// In the new process.
    Child,
}

/// What a process that is forked has of its parent, and not of the server.
#[derive(Debug)]
pub struct Surroundings {
    /// The whole environment: entries as the system has them, `NAME=value`.
    pub env: Vec<OsString>,
    /// The working directory.
    pub cwd: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

/// A process to be forked, as its parent describes it: its surroundings, and its end of the socket.
///
/// # Errors
///
/// `InvalidInput` if the environment has a nul byte; that the working directory can't be used; or what the kernel says when descriptors run out.
pub fn surroundings(spec: ChildSpec) -> io::Result<(Surroundings, OwnedFd)> {
    let ChildSpec { env: changes, clear_env, cwd, stdout, stderr, socket, .. } = spec;
    // By this name it is there also when it has been removed.
    let path = cwd.as_deref().unwrap_or(Path::new("."));
    let cwd = opened_directory(path).map_err(|error| {
        io::Error::new(error.kind(), format!("working directory {}: {error}", path.display()))
    })?;
    let mut env: Vec<_> = if clear_env { Vec::new() } else { std::env::vars_os().collect() };
    for (key, value) in changes {
        env.retain(|(other, _)| *other != key);
        env.extend(value.map(|value| (key, value)));
    }
    let env: Vec<_> = env.into_iter().map(|(key, value)| [&*key, &*value].join(OsStr::new("="))).collect();
    if env.iter().any(|entry| entry.as_bytes().contains(&0)) {
        let text = "nul byte found in the name or value of a variable of the environment";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let stdout = opened(stdout, rustix::stdio::stdout())?;
    let stderr = opened(stderr, rustix::stdio::stderr())?;
    Ok((Surroundings { env, cwd, stdout, stderr }, socket))
}

/// A directory that this process may go to: another that is handed it will be there, whatever becomes of its name.
fn opened_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let found = rustix::fs::open(path, flags, Mode::empty())?;
    // What may not be entered has no name in it that may be looked up.
    drop(rustix::fs::openat(&found, ".", flags, Mode::empty())?);
    Ok(found)
}

fn opened(stream: StdStream, own: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let null = || rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    Ok(match stream {
        StdStream::Fd(fd) => fd,
        StdStream::Null => null()?,
        StdStream::Inherit => match rustix::io::fcntl_dupfd_cloexec(own, 3) {
            // It was closed by whoever started this process.
            Err(Errno::BADF) => null()?,
            copy => copy?,
        },
    })
}

/// Whether this process can be forked by [`fork_sibling`].
///
/// # Errors
///
/// That it has several threads, or that the kernel does not do what is needed here (Linux 5.5, built so that processes can be checkpointed).
pub fn can_be_forked() -> io::Result<()> {
    if !has_one_thread() {
        return Err(io::Error::other("a process of several threads can't be forked"));
    }
    can_fork()
}

/// Waits until `request` can be read. Ends this process if one of `lines`, which tell of the parent's end, comes before.
///
/// # Errors
///
/// What the kernel says.
pub fn wait_for_request(request: BorrowedFd<'_>, lines: &[BorrowedFd<'_>]) -> io::Result<()> {
    loop {
        let all = [request].into_iter().chain(lines.iter().copied());
        let mut fds: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if fds[1..].iter().any(|fd| !fd.revents().is_empty()) {
            crate::exit_now(0);
        }
        if !fds[0].revents().is_empty() {
            return Ok(());
        }
    }
}

/// Forks this process, of one thread: the new one is another child of this one's parent.
///
/// # Errors
///
/// What the kernel says: that there may be no more processes, or that it can't do this.
pub fn fork_sibling() -> io::Result<Forked> {
    let thread_number = thread_number_at()?;
    let robust = robust_list()?;
    let mut pidfd: libc::c_int = -1;
    // SAFETY: numbers and addresses, for which zero stands for none.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    let flags =
        libc::CLONE_PARENT | libc::CLONE_PIDFD | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
    args.flags = u64::from(flags.cast_unsigned());
    args.pidfd = ptr::from_mut(&mut pidfd) as u64;
    args.child_tid = thread_number as u64;
    let (args_at, args_bytes) = (ptr::from_ref(&args), size_of::<libc::clone_args>());
    // SAFETY: the new process has a copy of all memory, this stack included, as by `fork`: no memory is shared. This process has one thread, so nobody
    // else is in the middle of anything that the copy would find half done; and what the C library knows of its thread is set right, see above.
    // The kernel writes to `pidfd` here and to the thread's number there, both of which are there.
    let forked = unsafe { libc::syscall(libc::SYS_clone3, args_at, args_bytes) };
    match forked {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: the same list that the kernel had from the C library before; this thread's, and of this memory.
            unsafe { libc::syscall(libc::SYS_set_robust_list, robust.0, robust.1) };
            Ok(Forked::Child)
        }
        pid => {
            // SAFETY: the kernel has opened it for this process, and nobody else owns it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Forked::Server(pid as u32, pidfd))
        }
    }
}

/// Writes out what is buffered of standard output, by this language's library and by C's: a process that is forked would write it again.
pub fn flush_outputs() {
    // Whoever read it may have gone.
    let _ = io::stdout().flush();
    // SAFETY: none stands for all streams that are written to, of which nobody is in the middle: this process has one thread.
    unsafe { libc::fflush(ptr::null_mut()) };
}

/// Gives a forked process, of one thread, its standard output and error, its environment and its directory.
///
/// # Errors
///
/// What the kernel says.
pub fn settle_in(it: Surroundings) -> io::Result<()> {
    rustix::stdio::dup2_stdout(&it.stdout)?;
    rustix::stdio::dup2_stderr(&it.stderr)?;
    set_environment(it.env)?;
    rustix::process::fchdir(&it.cwd)
        .map_err(|error| io::Error::new(error.kind(), format!("working directory: {error}")))?;
    crate::fence::register();
    Ok(())
}

unsafe extern "C" {
    /// The environment as the C library has it, and by it the standard library: entries, and a null at the end.
    static mut environ: *const *const libc::c_char;
}

/// Has these entries in the place of the environment, whatever they look like: the verbs for single variables refuse some that a process may
/// well be started with. For a process of one thread.
fn set_environment(entries: Vec<OsString>) -> io::Result<()> {
    let entries = entries.into_iter().map(|entry| CString::new(entry.into_vec()));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    // Never given back: whoever reads a variable may keep what it points to.
    let all = entries.into_iter().map(|entry| entry.into_raw().cast_const()).chain([ptr::null()]);
    let all: &'static [_] = Vec::leak(all.collect());
    // SAFETY: this process has one thread, so nobody reads the environment meanwhile; entries and list are there for good, and the C library
    // copies a list that it has not made before it changes it.
    unsafe { environ = all.as_ptr() };
    Ok(())
}

/// How long is slept between two looks for processes that have been killed.
const LOOKS_EVERY: Duration = Duration::from_millis(1);

/// Ends and collects a server, and those it has forked of which its parent, this process, has not heard. What the kernel does not let end by the
/// deadline is left to it.
pub fn end_server(server: &Child, deadline: Instant) {
    // That there is nobody is what is wanted.
    let _ = server.kill_group();
    // As long as somebody in it has not been collected the group's number is its own.
    let group = WaitId::Pgid(Pid::from_raw(server.pid().cast_signed()));
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    loop {
        match rustix::process::waitid(group.clone(), options) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) if Instant::now() < deadline => await_end(server, deadline),
            Ok(None) | Err(_) => break,
        }
    }
    // Killed before it ran the program it has not come to a group of its own.
    while matches!(server.try_reap(), Ok(None)) && Instant::now() < deadline {
        await_end(server, deadline);
    }
}

/// Waits until the server has ended, and if it has for a moment: of the others of its group there are no descriptors.
fn await_end(server: &Child, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    match crate::wait_readable(server.as_fd(), Some(Duration::ZERO)) {
        Ok(false) => _ = crate::wait_readable(server.as_fd(), Some(left)),
        Ok(true) | Err(_) => std::thread::sleep(LOOKS_EVERY),
    }
}

/// Puts a child that was forked into a process group of its own.
pub fn lead_group(child: &Child) {
    let pid = Pid::from_raw(child.pid().cast_signed());
    // It may have ended.
    let _ = rustix::process::setpgid(pid, pid);
}

/// Where the C library keeps this thread's number, which the kernel knows as the place to clear at the thread's end.
fn thread_number_at() -> io::Result<usize> {
    let mut at: usize = 0;
    // SAFETY: the kernel writes an address to the one that is given, which is that of a word here.
    let asked = unsafe { libc::prctl(PR_GET_TID_ADDRESS, ptr::from_mut(&mut at)) };
    match (asked, at) {
        (-1, _) => Err(io::Error::last_os_error()),
        (_, 0) => Err(io::Error::other("the kernel does not know where the thread's number is kept")),
        (_, at) => Ok(at),
    }
}

/// The calling thread's list of robust mutexes, as the kernel knows it.
fn robust_list() -> io::Result<(usize, usize)> {
    let (mut head, mut len) = (0_usize, 0_usize);
    // SAFETY: the kernel writes an address and a length to the two words.
    let asked = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
    if asked == -1 { Err(io::Error::last_os_error()) } else { Ok((head, len)) }
}

/// Whether this system can do all that is needed, asked of the calling thread.
///
/// # Errors
///
/// What it can't.
pub fn can_fork() -> io::Result<()> {
    // Others keep the thread's number elsewhere: musl has the kernel clear a lock of its own at the thread's end.
    if !cfg!(target_env = "gnu") {
        return Err(io::Error::other("the C library is not the one that this is made for, which is GNU's"));
    }
    thread_number_at()?;
    robust_list()?;
    // A call without arguments is refused as such by a kernel that has it.
    // SAFETY: it has nothing to read.
    let asked = unsafe { libc::syscall(libc::SYS_clone3, ptr::null::<libc::clone_args>(), 0_usize) };
    match io::Error::last_os_error() {
        error if asked == -1 && error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        error => Err(error),
    }
}

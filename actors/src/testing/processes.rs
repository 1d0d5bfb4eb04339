//! The processes of one's own job: what state they are in, and signals to them.

use std::fs;

/// State letter, parent and name of a process.
pub(super) struct Stat {
    pub(super) state: char,
    pub(super) parent: u32,
    pub(super) name: String,
}

/// What the system says of a process, if there is one.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything.
    let (head, rest) = text.rsplit_once(") ")?;
    let (_, name) = head.split_once(" (")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some(Stat { state, parent: fields.next()?.parse().ok()?, name: name.to_owned() })
}

/// Whether there is a process of this number that is not just waiting to be reaped.
pub fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|process| process.state != 'Z' && process.state != 'X')
}

/// Whether there is a process of this number that is stopped, as by [`stop`].
pub fn is_stopped(pid: u32) -> bool {
    process_state(pid) == Some('T')
}

/// The letter by which `ps` and `/proc` name the state of a process: `T` for a stopped one, `Z` for one that is to be reaped. None if
/// there is no such process.
pub fn process_state(pid: u32) -> Option<char> {
    stat(pid).map(|process| process.state)
}

/// Kills a process with SIGKILL, and it alone. Returns before it is gone; does nothing if it has gone.
///
/// Meant for processes of one's own job: the number of one that has been joined may be another's by now, so kill first and join then.
/// [`Process::kill`](crate::Process::kill) kills a whole subtree.
///
/// # Panics
///
/// If the system does not permit it.
#[track_caller]
pub fn kill(pid: u32) {
    send_signal(pid, 9);
}

/// Stops a process with SIGSTOP, so that it looks slow to all others. [`is_stopped`] tells when it is.
///
/// # Panics
///
/// As [`kill`].
#[track_caller]
pub fn stop(pid: u32) {
    send_signal(pid, 19);
}

/// Lets a stopped process go on, with SIGCONT.
///
/// # Panics
///
/// As [`kill`].
#[track_caller]
pub fn resume(pid: u32) {
    send_signal(pid, 18);
}

/// Sends a signal, by its number, to a process that the test has started. That it has gone is no mistake.
///
/// # Panics
///
/// If there is no such signal, or the system does not permit it.
#[track_caller]
pub fn send_signal(pid: u32, signal: i32) {
    if let Err(error) = callboard_ipc::send_signal(pid, signal) {
        panic!("signal {signal} can't be sent to process {pid}: {error}");
    }
}

/// Ends this process with SIGKILL, as if somebody else had.
pub fn kill_self() -> ! {
    kill(std::process::id());
    loop {
        std::thread::park();
    }
}

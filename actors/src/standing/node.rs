//! What users ask about waits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::words::{WaitInfo, in_words};
use crate::node::Node;
use crate::runtime::Runtime;

/// After how many seconds waits are told of, on each node of a process that has it in its environment.
const WARN_VARIABLE: &str = "CALLBOARD_WARN_WAIT";
/// Whether the root answers SIGQUIT: `1`, or `0`, which is as if it were not there.
const QUIT_VARIABLE: &str = "CALLBOARD_WAITS_ON_QUIT";

impl Node {
    /// The waits of this process's threads on this node that stand now, the longest first: what is waited for, since when, and what
    /// those are doing on whom it depends.
    ///
    /// Every wait of this crate is told of, once its thread sleeps: takes of queues and pipes, calls, locks, joins, tasks, sets, pipelines. What
    /// a thread waits for by other means is not known here: `std::thread::sleep`, a `Mutex`, a read of a file.
    ///
    /// Takes 0.1 s, in which processes are looked at; up to 0.5 s more if the root has to be asked for names and does not
    /// answer, or the owner of a lock for who holds it. A process that is stopped or stuck is told of as any other: nothing is asked of it.
    #[doc(alias = "stack_dump")]
    #[doc(alias = "faulthandler")]
    pub fn waits(&self) -> Vec<WaitInfo> {
        in_words(self.runtime(), self.runtime().standing.look())
    }

    /// Has a line written to standard error for each wait on this node that lasts longer than `after`, and again each time that has
    /// doubled; none ends it. Waits of threads that have [nothing to do](WaitInfo::is_idle) are left out.
    ///
    /// The shortest time is a millisecond; one of zero stands for it. It is for this node alone. A job
    /// whose processes have the variable `CALLBOARD_WARN_WAIT` in their environment, with a number of seconds, does so on each of its nodes; this
    /// call changes it.
    ///
    /// A thread looks after the waits, at most once in that time, and sleeps while nobody waits. The first wait after that wakes it, which
    /// costs a write to a socket; others that end before they are told of cost nothing more, and those of threads that have nothing to do never wake it.
    ///
    /// # Errors
    ///
    /// What the system says when it has no room for that thread, or no descriptors.
    pub fn warn_after(&self, after: Option<Duration>) -> io::Result<()> {
        let runtime = self.runtime();
        runtime.standing.teller.warn_after(runtime, after)
    }

    /// Has SIGQUIT (Ctrl-\\ at a terminal) answered by lines on standard error, one for each [wait](Self::waits) that stands at that moment, or one
    /// that says that there is none; the program goes on. At the root, all processes of the job write their lines, and of one that does not the root
    /// says so, and whether it is stopped or busy. Whether it is so from now on: false, and nothing has changed, if the program has a
    /// handler of its own for this signal, or ignores it.
    ///
    /// Without this call, Ctrl-\\ does what it does in any program: it ends it, and may leave a core file. A root that has
    /// `CALLBOARD_WAITS_ON_QUIT=1` in its environment begins with this call.
    ///
    /// When the node ends the signal has its default effect again. A handler that the program sets later, by a crate that chains handlers as
    /// `signal-hook` does, runs beside this one; one that is set by other means replaces it.
    ///
    /// # Errors
    ///
    /// What the system says when it has no room for a thread, or no descriptors.
    ///
    /// Source: the thread dump of Java, which goes on as this does; that of Go ends the program.
    #[doc(alias = "dump_on_quit")]
    pub fn print_waits_on_quit(&self) -> io::Result<bool> {
        let runtime = self.runtime();
        runtime.standing.teller.on_quit(runtime)
    }
}

/// Does what the environment says about waits.
pub(crate) fn as_the_environment_says(runtime: &Arc<Runtime>) {
    let complain = |variable: &str, why: &dyn std::fmt::Display| {
        runtime.complain(&format!("{variable} is ignored: {why}"));
    };
    let teller = &runtime.standing.teller;
    if let Some(text) = std::env::var_os(WARN_VARIABLE) {
        let seconds = text.to_str().and_then(|text| text.trim().parse::<f64>().ok());
        let after = seconds.filter(|seconds| *seconds > 0.0).map(Duration::try_from_secs_f64);
        match after {
            Some(Ok(after)) => {
                if let Err(error) = teller.warn_after(runtime, Some(after)) {
                    complain(WARN_VARIABLE, &error);
                }
            }
            _ => complain(WARN_VARIABLE, &format_args!("{text:?} is no number of seconds above zero")),
        }
    }
    if runtime.id != runtime.root {
        return;
    }
    let Some(text) = std::env::var_os(QUIT_VARIABLE) else { return };
    match text.to_str() {
        Some("0" | "") => {}
        Some("1") => {
            if let Err(error) = teller.on_quit(runtime) {
                complain(QUIT_VARIABLE, &error);
            }
        }
        _ => complain(QUIT_VARIABLE, &format_args!("{text:?} is neither 1 nor 0")),
    }
}

//! Dying, stopping and panicking at a named step.
//!
//! What is armed belongs to the whole process, as a signal does: code under test says a step's name and knows nobody.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use super::processes::{kill_self, stop};
use crate::process::Spawn;

/// The variable by which a child is told: a line for each step, as `die 3 the step's name`.
const STEPS: &str = "CALLBOARD_STEPS";

/// The variable has not been read yet.
const UNREAD: u8 = 0;
/// Nobody has asked for anything.
const IDLE: u8 = 1;
const ARMED: u8 = 2;

/// Says whether anybody need look at `ARMS`. Relaxed: it guards nothing, and whoever relies on being armed heard of it in another way.
static STATE: AtomicU8 = AtomicU8::new(UNREAD);
static ARMS: Mutex<Vec<(u64, Arm)>> = Mutex::new(Vec::new());
static NEXT_GUARD: AtomicU64 = AtomicU64::new(1);

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Die,
    Stop,
    Panic,
}

const ACTS: [(&str, Act); 3] = [("die", Act::Die), ("stop", Act::Stop), ("panic", Act::Panic)];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Arm {
    act: Act,
    /// At which time it happens; 1 is the next.
    left: u32,
    step: String,
}

/// Says that this process has come to `step`. That does nothing, at the cost of reading one atomic variable, unless a test has [asked](Steps) for
/// something to happen there.
///
/// The call stands in the code that is tested. Whoever does not want it in what is shipped gives it a name of one's own that is empty there. Mind that
/// tests in the folder `tests/` see a library without `cfg(test)`, so that takes a feature:
///
/// ```
/// #[cfg(feature = "steps")]
/// use callboard::testing::reached;
///
/// #[cfg(not(feature = "steps"))]
/// fn reached(_step: &str) {}
/// # reached("leased");
/// ```
///
/// # Panics
///
/// Where a test has asked for it; and if the variable `CALLBOARD_STEPS` holds something that [`Steps`] has not written.
pub fn reached(step: &str) {
    if STATE.load(Relaxed) == IDLE {
        return;
    }
    match come_to(step) {
        None => {}
        Some(Act::Die) => kill_self(),
        Some(Act::Stop) => stop(std::process::id()),
        Some(Act::Panic) => panic!("a test wanted a panic at step {step:?}"),
    }
}

/// Counts, and says what is to happen now.
fn come_to(step: &str) -> Option<Act> {
    let mut arms = locked();
    for (_, arm) in arms.iter_mut().filter(|(_, arm)| arm.step == step) {
        arm.left = arm.left.saturating_sub(1);
    }
    // Of two that are due at once the second is due again at the next time.
    let at = arms.iter().position(|(_, arm)| arm.step == step && arm.left == 0);
    let act = at.map(|at| arms.remove(at).1.act);
    note(&arms);
    act
}

/// What is armed, the variable included.
fn locked() -> std::sync::MutexGuard<'static, Vec<(u64, Arm)>> {
    let mut arms = ARMS.lock().unwrap_or_else(|e| e.into_inner());
    if STATE.load(Relaxed) == UNREAD {
        let text = std::env::var(STEPS).unwrap_or_default();
        let Some(steps) = Steps::read(&text) else { panic!("{STEPS} can't be read: {text:?}") };
        arms.extend(steps.0.into_iter().map(|arm| (0, arm)));
        note(&arms);
    }
    arms
}

fn note(arms: &[(u64, Arm)]) {
    STATE.store(if arms.is_empty() { IDLE } else { ARMED }, Relaxed);
}

/// Arms this process for good: it will kill itself with SIGKILL when it comes to `step` for the `times`-th time from now.
///
/// For code that a test runs in a child. [`Steps`] arms a child from outside.
///
/// # Panics
///
/// If `times` is zero.
pub fn die_at(step: &str, times: u32) {
    Steps::new().die_at(step, times).add(0);
}

/// At which named steps a process is to die, to stop or to panic: there where its code calls [`reached`].
///
/// A killed process is caught at that very place, each time the test runs. `times` is the time that counts, 1 the first. What has happened
/// does not happen again in the same process.
///
/// What the process has sent before need not have left it then, as with any kill: a step behind a verb that waits for an answer is reached when that
/// is sure.
///
/// ```
/// use callboard::JoinError;
/// use callboard::testing::{Steps, job, reached};
/// # callboard::test_door!();
///
/// fn work(_: &callboard::Node, (): ()) {
///     for _ in 0..3 {
///         reached("half way");
///     }
/// }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let job = job();
/// let dies = Steps::new().die_at("half way", 2).arm(job.process("worker").stderr_null());
/// assert!(matches!(dies.spawn(work, ())?.join(), Err(JoinError::Signalled { signal: 9, .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "nothing is armed before `arm` or `here`"]
pub struct Steps(Vec<Arm>);

impl Steps {
    /// Nothing happens anywhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// The process kills itself with SIGKILL when it comes to `step` for the `times`-th time.
    ///
    /// # Panics
    ///
    /// If `times` is zero, or there is a line break in the step's name.
    #[track_caller]
    pub fn die_at(self, step: &str, times: u32) -> Self {
        self.with(Act::Die, step, times)
    }

    /// The process stops itself with SIGSTOP; [`resume`](super::resume) lets it go on from there.
    ///
    /// # Panics
    ///
    /// As [`die_at`](Self::die_at).
    #[track_caller]
    pub fn stop_at(self, step: &str, times: u32) -> Self {
        self.with(Act::Stop, step, times)
    }

    /// [`reached`] panics.
    ///
    /// # Panics
    ///
    /// As [`die_at`](Self::die_at).
    #[track_caller]
    pub fn panic_at(self, step: &str, times: u32) -> Self {
        self.with(Act::Panic, step, times)
    }

    #[track_caller]
    fn with(mut self, act: Act, step: &str, times: u32) -> Self {
        assert!(times > 0, "the first time that a process comes to {step:?} is 1");
        assert!(!step.contains(['\n', '\r', '\0']), "the name of a step is one line: {step:?}");
        self.0.push(Arm { act, left: times, step: step.to_owned() });
        self
    }

    /// Arms a process that is to be spawned, by the variable `CALLBOARD_STEPS` of its environment. What it spawns itself inherits that, and counts for
    /// itself.
    pub fn arm<'n>(&self, process: Spawn<'n>) -> Spawn<'n> {
        process.env(STEPS, self.written())
    }

    /// Arms this process, until what is returned is dropped: for threads and actors of the test's own.
    pub fn here(&self) -> ArmedSteps {
        let guard = NEXT_GUARD.fetch_add(1, Relaxed);
        self.add(guard);
        ArmedSteps(guard)
    }

    fn add(&self, guard: u64) {
        let mut arms = locked();
        arms.extend(self.0.iter().map(|arm| (guard, arm.clone())));
        note(&arms);
    }

    fn written(&self) -> String {
        let mut text = String::new();
        for Arm { act, left, step } in &self.0 {
            let word = ACTS.iter().find(|(_, other)| other == act).map_or("die", |(word, _)| word);
            text.push_str(&format!("{word} {left} {step}\n"));
        }
        text
    }

    fn read(text: &str) -> Option<Self> {
        let read = |line: &str| {
            let mut parts = line.splitn(3, ' ');
            let word = parts.next()?;
            let (_, act) = ACTS.into_iter().find(|(other, _)| *other == word)?;
            let left = parts.next()?.parse().ok().filter(|left| *left > 0)?;
            Some(Arm { act, left, step: parts.next()?.to_owned() })
        };
        text.lines().map(read).collect::<Option<_>>().map(Self)
    }
}

/// Steps at which something happens in this process, until this is dropped. Made by [`Steps::here`].
#[derive(Debug)]
#[must_use = "nothing is armed any more when it is dropped"]
pub struct ArmedSteps(u64);

impl Drop for ArmedSteps {
    fn drop(&mut self) {
        let mut arms = ARMS.lock().unwrap_or_else(|e| e.into_inner());
        arms.retain(|(guard, _)| *guard != self.0);
        note(&arms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_the_environment_is_read_again() {
        let steps = Steps::new().die_at("a step of  four words", 3).stop_at("", 1).panic_at(" c ", u32::MAX);
        assert_eq!(Steps::read(&steps.written()), Some(steps));
        assert_eq!(Steps::read(""), Some(Steps::new()));
        for bad in
            ["die", "die 3", "die 0 x", "die x y", "live 1 x", "die 1 x\n\ndie 1 y", "die 4294967296 x"]
        {
            assert_eq!(Steps::read(bad), None, "{bad:?}");
        }
    }
}

//! The thread that writes lines about waits to standard error: when it is asked to, and when one lasts too long.
//!
//! It is started when it is first needed and ends with its node. It hears signals, and requests of the root, by a socket of its own, so that it
//! tells also when the node's loop is stuck in somebody's code. At the root it has all nodes of the job tell, and says of those
//! who don't what they are doing.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard_core::NodeId;
use callboard_ipc::{ProcessState, QuitSignal, states_of, wait_readable};
use parking_lot::Mutex;

use super::words::in_words;
use super::{Noted, Standing};
use crate::call::{self, CallError, Pending};
use crate::control::{CONTROL, Control};
use crate::peer::Peer;
use crate::runtime::Runtime;

/// What the thread is called. What it waits for itself is nobody's business.
pub(super) const THREAD: &str = "callboard-waits";
/// How long the root waits for the lines of a node that is not stopped.
const LINES_WITHIN: Duration = Duration::from_secs(5);
/// The longest that a wait can be told to be too long.
const MAX_AFTER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The way to the thread, and what it is to do.
#[derive(Debug, Default)]
pub(crate) struct Teller(Mutex<Orders>);

#[derive(Debug, Default)]
struct Orders {
    bell: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
    quit: Option<QuitSignal>,
    /// Nodes that want to know, each with the number of its call, when the lines have been written.
    asked_by: Vec<(NodeId, u64)>,
    /// After so long a wait is told of, and at each doubling.
    after: Option<Duration>,
    is_over: bool,
}

impl Orders {
    fn start(&mut self, runtime: &Arc<Runtime>) -> io::Result<()> {
        if self.is_over || self.bell.is_some() {
            return Ok(());
        }
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        let (of, standing) = (Arc::downgrade(runtime), Arc::clone(&runtime.standing));
        let thread = std::thread::Builder::new().name(THREAD.to_owned());
        self.thread = Some(thread.spawn(move || tell(&of, &standing, &ear))?);
        self.bell = Some(bell);
        Ok(())
    }

    fn ring(&self) {
        if let Some(mut bell) = self.bell.as_ref() {
            // Full: it has not heard the rings that are there, and will.
            let _ = bell.write(&[0]);
        }
    }
}

impl Teller {
    pub(super) fn wake(&self) {
        self.0.lock().ring();
    }

    /// Has each SIGQUIT answered by lines. False: somebody else has said what that signal is to do.
    pub(super) fn on_quit(&self, runtime: &Arc<Runtime>) -> io::Result<bool> {
        let mut orders = self.0.lock();
        orders.start(runtime)?;
        if let (None, Some(bell)) = (&orders.quit, &orders.bell) {
            orders.quit = QuitSignal::catch(bell.try_clone()?)?;
        }
        Ok(orders.quit.is_some())
    }

    pub(super) fn warn_after(&self, runtime: &Arc<Runtime>, after: Option<Duration>) -> io::Result<()> {
        let mut orders = self.0.lock();
        orders.after = after.map(|after| after.clamp(Duration::from_millis(1), MAX_AFTER));
        if orders.after.is_some() {
            orders.start(runtime)?;
        }
        orders.ring();
        Ok(())
    }

    /// The root wants this node's lines to be written, and to hear when they are.
    pub(crate) fn asked(&self, runtime: &Arc<Runtime>, from: &Arc<Peer>, word: u64) {
        let mut orders = self.0.lock();
        match orders.start(runtime) {
            // There will be no lines any more.
            Ok(()) if orders.is_over => {
                drop(orders);
                call::reply(runtime, from, word, &());
            }
            Ok(()) => {
                orders.asked_by.push((from.id, word));
                orders.ring();
            }
            Err(error) => {
                drop(orders);
                runtime.complain(&format!("no thread for telling of waits could be started: {error}"));
                call::reply(runtime, from, word, &());
            }
        }
    }

    /// The node ends: so does the thread, once it has written what it is about to write.
    pub(crate) fn end(&self) {
        let thread = {
            let mut orders = self.0.lock();
            orders.is_over = true;
            orders.quit = None;
            orders.ring();
            orders.thread.take()
        };
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A panic has been printed by its hook.
            let _ = thread.join();
        }
    }
}

/// When the waits are looked at next, for those that last too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    At(Instant),
    /// After somebody has begun to wait.
    Rung,
}

/// The thread's life.
fn tell(of: &Weak<Runtime>, standing: &Arc<Standing>, mut ear: &UnixStream) {
    let (mut look, mut looks_after) = (Look::Rung, None);
    loop {
        let (is_over, has_quit_come, asked_by, after) = {
            let mut orders = standing.teller.0.lock();
            let has_quit_come = orders.quit.as_ref().is_some_and(QuitSignal::has_come);
            (orders.is_over, has_quit_come, std::mem::take(&mut orders.asked_by), orders.after)
        };
        let Some(runtime) = of.upgrade() else { return };
        if is_over {
            return answer(&runtime, asked_by);
        }
        if has_quit_come {
            tell_of_the_job(&runtime);
        } else if !asked_by.is_empty() {
            write_lines(&runtime, standing.look(), true);
        }
        answer(&runtime, asked_by);
        if after != looks_after {
            (look, looks_after) = (Look::At(Instant::now()), after);
        }
        let timeout = after.and_then(|after| {
            let (due, next) = standing.due_at_last(after, look);
            if !due.is_empty() {
                write_lines(&runtime, due, false);
            }
            look = next;
            match next {
                Look::At(at) => Some(at.saturating_duration_since(Instant::now())),
                Look::Rung => None,
            }
        });
        drop(runtime);
        // An error would come again at once: then it is for the next order, which comes by a ring or not at all.
        if wait_readable(ear.as_fd(), timeout).is_err() {
            std::thread::park_timeout(LINES_WITHIN);
        }
        let mut rings = [0; 64];
        while ear.read(&mut rings).is_ok_and(|count| count == rings.len()) {}
    }
}

/// Tells those who wanted to know that what there was to be written has been.
fn answer(runtime: &Arc<Runtime>, asked_by: Vec<(NodeId, u64)>) {
    for (node, word) in asked_by {
        if let Some(peer) = runtime.peer(node) {
            call::reply(runtime, &peer, word, &());
            peer.flush(runtime);
        }
    }
}

impl Standing {
    /// If it is time to look: the waits that have lasted so long that they are to be told of now. And when to look next.
    fn due_at_last(&self, after: Duration, look: Look) -> (Vec<(String, Noted)>, Look) {
        let now = Instant::now();
        let next = match look {
            Look::Rung if self.nobody_waits.load(Ordering::SeqCst) => Look::Rung,
            // Somebody has rung. What has begun since the last look is not due before, however many begin and end meanwhile.
            Look::Rung => Look::At(now + after),
            Look::At(at) if at > now => look,
            Look::At(_) => {
                let (due, next) = self.due(after);
                return (due, next.map_or(Look::Rung, |next| Look::At(now + next)));
            }
        };
        (Vec::new(), next)
    }

    /// The waits that have lasted so long that they are to be told of now, and when to look again; none: when somebody waits.
    fn due(&self, after: Duration) -> (Vec<(String, Noted)>, Option<Duration>) {
        self.nobody_waits.store(false, Ordering::SeqCst);
        let (mut due, mut next) = self.due_now(after);
        if next.is_none() {
            self.nobody_waits.store(true, Ordering::SeqCst);
            // Whoever came in between may not have seen that.
            (due, next) = self.due_now(after);
        }
        let now = Instant::now();
        (due, next.map(|next| next.saturating_duration_since(now).min(after)))
    }

    /// Those, marked as told of, and when the next of all that stand is due.
    fn due_now(&self, after: Duration) -> (Vec<(String, Noted)>, Option<Instant>) {
        let now = Instant::now();
        let (mut due, mut next) = (Vec::new(), None::<Instant>);
        for place in self.all() {
            let mut noted = place.noted.lock();
            for noted in noted.iter_mut().filter(|noted| !noted.sought.is_idle && place.thread != THREAD) {
                if noted.due_at(after).is_some_and(|at| at <= now) {
                    due.push((place.thread.clone(), noted.clone()));
                }
                while noted.due_at(after).is_some_and(|at| at <= now) {
                    noted.told += 1;
                }
                let at = noted.due_at(after).unwrap_or(now + MAX_AFTER);
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        due.sort_by_key(|(_, noted)| noted.since);
        (due, next)
    }
}

impl Noted {
    /// When the next line about it is due; none: never.
    fn due_at(&self, after: Duration) -> Option<Instant> {
        let doubled = 1_u32.checked_shl(self.told).and_then(|times| after.checked_mul(times));
        doubled.and_then(|lasted| self.since.checked_add(lasted))
    }
}

/// Writes a line for each of those waits; if there is none, and `says_none`, one that says so. All at once, so that lines of several processes don't mix.
fn write_lines(runtime: &Arc<Runtime>, waits: Vec<(String, Noted)>, says_none: bool) {
    let head = format!("callboard: {} (pid {})", runtime.name, std::process::id());
    let mut text: String = in_words(runtime, waits).iter().map(|wait| format!("{head}: {wait}\n")).collect();
    if text.is_empty() && says_none {
        text = format!("{head}: nothing is waited for\n");
    }
    // Whoever read it may have gone.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes this node's lines; at the root, has all nodes of the job write theirs, and says who does not.
fn tell_of_the_job(runtime: &Arc<Runtime>) {
    let is_root = runtime.id == runtime.root;
    let peers = if is_root { runtime.peers() } else { Vec::new() };
    let asked: Vec<(Arc<Peer>, Pending)> = peers
        .into_iter()
        .map(|peer| {
            let pending = runtime.call_pending(&peer, CONTROL, &Control::TellWaits);
            (peer, pending)
        })
        .collect();
    runtime.flush_listed();
    let deadline = Instant::now() + LINES_WITHIN;
    write_lines(runtime, runtime.standing.look(), true);
    // One that is stopped is not waited for.
    let (silent, others): (Vec<_>, Vec<_>) = with_states(runtime, asked)
        .into_iter()
        .partition(|(_, pending, state)| *state == ProcessState::Stopped && pending.is_open());
    let slow = others.into_iter().filter_map(|(peer, pending, _)| {
        matches!(pending.wait(Some(deadline)), Err(CallError::TimedOut)).then_some((peer, pending))
    });
    let slow: Vec<_> = slow.collect();
    let silent = silent.into_iter().chain(with_states(runtime, slow));
    let lines = silent.map(|(peer, _, state)| {
        let (name, pid) = runtime.who_is(peer.id);
        let pid = pid.map_or_else(|| "not known".to_owned(), |pid| pid.to_string());
        format!("callboard: {name} (pid {pid}) {state} and does not say what it waits for\n")
    });
    let text: String = lines.collect();
    let _ = io::stderr().write_all(text.as_bytes());
}

fn with_states(
    runtime: &Runtime,
    asked: Vec<(Arc<Peer>, Pending)>,
) -> Vec<(Arc<Peer>, Pending, ProcessState)> {
    // Zero is nobody's number, and is told to be gone.
    let pids: Vec<u32> = asked.iter().map(|(peer, _)| runtime.who_is(peer.id).1.unwrap_or(0)).collect();
    let states = states_of(&pids);
    asked.into_iter().zip(states).map(|((peer, pending), state)| (peer, pending, state)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Node;

    #[test]
    fn a_node_that_ends_answers_at_once_when_the_root_asks_for_its_lines() {
        let root = Node::start().unwrap();
        let other = root.start_beside("other").unwrap();
        let ask = || {
            let peer = root.runtime().peer(other.id()).unwrap();
            let pending = root.runtime().call_pending(&peer, CONTROL, &Control::TellWaits);
            root.runtime().flush_listed();
            pending.wait(Some(Instant::now() + Duration::from_secs(30))).map(drop)
        };
        assert_eq!(ask(), Ok(()));
        other.runtime().standing.teller.end();
        assert_eq!(ask(), Ok(()));
    }
}

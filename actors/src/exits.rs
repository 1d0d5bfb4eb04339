//! Users' code that is called when a child of this node has ended.
//!
//! It runs on a thread of its own, one call after the other, with nothing locked: so it may wait, join and spawn. Whoever sees an end
//! only says so here, under the lock of the list from which it takes the child: so each end is told once, and none is lost to a
//! node that ends at the same time.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::ThreadId;
use std::time::Duration;

use parking_lot::Mutex;

use crate::node::{Node, WeakNode};
use crate::process::JoinError;
use crate::runtime::{Runtime, complain};

/// How many ends may wait to be told: those of a pool whose workers die all the time, for an hour at some twenty a second. Some 10 MiB.
const MAX_WAITING: usize = 64 << 10;
/// How long a node that ends waits for the calls that are left.
const CALLS_WITHIN: Duration = Duration::from_secs(5);

/// A process of this node that has ended, as those hear of it who asked by [`Node::on_child_exit`].
#[derive(Clone)]
#[non_exhaustive]
pub struct ChildExit {
    /// The name given when it was started.
    pub name: String,
    /// Its process id, which may be another's by now.
    pub pid: u32,
    /// Whether it was another program, started by [`Node::command`].
    pub is_command: bool,
    /// Why it ended; none if its function returned, or the program ended with code 0. A function that returned an error has returned.
    pub reason: Option<JoinError>,
    node: WeakNode,
}

impl ChildExit {
    /// The node whose child it was, to start another; none while that ends. A call that keeps it keeps the node from ending.
    pub fn node(&self) -> Option<Node> {
        self.node.upgrade()
    }
}

impl fmt::Debug for ChildExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, pid, is_command, reason, .. } = self;
        let mut text = f.debug_struct("ChildExit");
        text.field("name", name).field("pid", pid).field("is_command", is_command);
        text.field("reason", reason).finish()
    }
}

type Hook = Box<dyn FnMut(&ChildExit) + Send>;

/// What the thread is told, in order.
enum News {
    Hook(Hook),
    Exit(ChildExit),
}

/// Ends that the thread has not come to.
#[derive(Default)]
struct Backlog {
    /// Raised under the lock of [`Exits`], lowered by the thread. Counted; nothing is ordered by it.
    waiting: AtomicUsize,
    /// Those for which there was no room, since it was last said.
    missed: AtomicUsize,
}

impl Backlog {
    /// Room for one more, if there is.
    fn enter(&self) -> bool {
        let has_room = self.waiting.load(Relaxed) < MAX_WAITING;
        let counted = if has_room { &self.waiting } else { &self.missed };
        counted.fetch_add(1, Relaxed);
        has_room
    }

    fn leave(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    fn tell_missed(&self, name: &str) {
        let missed = self.missed.swap(0, Relaxed);
        if missed > 0 {
            let text = format!(
                "{missed} ends of children were not told, since {MAX_WAITING} waited for calls that take long"
            );
            complain(name, &text);
        }
    }
}

/// The way to the thread.
#[derive(Default)]
pub(crate) struct Exits(Mutex<Option<Calls>>);

struct Calls {
    news: Sender<News>,
    backlog: Arc<Backlog>,
    thread: ThreadId,
    node: WeakNode,
    /// Ends when the thread has.
    over: Receiver<()>,
}

impl Exits {
    fn add(&self, node: &Node, hook: Hook) -> io::Result<()> {
        let mut calls = self.0.lock();
        if calls.is_none() {
            let (news, hears) = channel();
            let (ends, over) = channel();
            let (name, backlog) = (node.name().to_owned(), Arc::default());
            let its = Arc::clone(&backlog);
            let thread = std::thread::Builder::new().name("callboard-exits".to_owned());
            let thread = thread.spawn(move || call(&name, &hears, &its, ends))?;
            let (thread, node) = (thread.thread().id(), node.downgrade());
            *calls = Some(Calls { news, backlog, thread, node, over });
        }
        if let Some(calls) = &*calls {
            // It ends only when `calls` is dropped.
            let _ = calls.news.send(News::Hook(hook));
        }
        Ok(())
    }

    /// A child has ended: `make` says how, if anybody wants to know.
    pub(crate) fn ended(&self, make: impl FnOnce() -> Ended) {
        if let Some(calls) = &*self.0.lock()
            && calls.backlog.enter()
        {
            let Ended { name, pid, is_command, reason } = make();
            let node = calls.node.clone();
            let _ = calls.news.send(News::Exit(ChildExit { name, pid, is_command, reason, node }));
        }
    }

    /// Whether anybody wants to know.
    pub(crate) fn are_told(&self) -> bool {
        self.0.lock().is_some()
    }

    /// The node ends, and all its children have: waits for the calls that are left.
    pub(crate) fn finish(&self, runtime: &Runtime) {
        let Some(Calls { news, backlog, thread, over, .. }) = self.0.lock().take() else { return };
        drop(news);
        if thread == std::thread::current().id() {
            // The call that ends the node goes on when this has returned.
            return;
        }
        if over.recv_timeout(CALLS_WITHIN) == Err(RecvTimeoutError::Timeout) {
            runtime.complain("a call for children that have ended takes longer than 5 s, and the node does not wait for it");
        }
        backlog.tell_missed(&runtime.name);
    }
}

/// How a child ended.
pub(crate) struct Ended {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) is_command: bool,
    pub(crate) reason: Option<JoinError>,
}

/// The thread's life; `_ends` is dropped at its end.
fn call(name: &str, news: &Receiver<News>, backlog: &Backlog, _ends: Sender<()>) {
    let mut hooks: Vec<Hook> = Vec::new();
    for news in news {
        match news {
            News::Hook(hook) => hooks.push(hook),
            News::Exit(exit) => {
                for hook in &mut hooks {
                    // The panic is written to standard error by its hook; a line says whose it was.
                    if catch_unwind(AssertUnwindSafe(|| hook(&exit))).is_err() {
                        let child = format!("{} (pid {})", exit.name, exit.pid);
                        complain(name, &format!("a call for the end of {child} panicked"));
                    }
                }
                backlog.leave();
                backlog.tell_missed(name);
            }
        }
    }
    // What a user's value does when it is dropped may panic too.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(hooks)));
}

impl Node {
    /// Has `call` called for each process of this node that ends from now on: those that were spawned, workers of pools and pipelines, actors in
    /// processes of their own, what supervisors keep, managers, and other programs. Not for what these have started, and not for one whose
    /// start failed.
    ///
    /// Each end is told once, in the order in which they came to be known, on a thread that the node has for that: one call after the other.
    /// So a call may wait, join and spawn; the child that it is called for has ended, and a [`join`](crate::Process::join) of it
    /// returns at once. A join elsewhere may return before the call has begun. A call that takes long holds up the others, and nothing else. One that
    /// panics is told of on standard error, and called again for the next child. While one takes long up to 65,536 ends wait; those for which there is
    /// no room are not told, and a line on standard error says how many these were.
    ///
    /// A node that ends kills the children that it still has, and calls for them too; it waits for the calls that are left, for 5 s at most. Nobody is called in a process
    /// that is killed, or calls [`std::process::exit`] before its node has ended.
    ///
    /// A [`Node`] that `call` keeps would never end: [`ChildExit::node`] is for that.
    ///
    /// # Errors
    ///
    /// What the system says when it has no room for a thread.
    #[doc(alias = "SIGCHLD")]
    pub fn on_child_exit(&self, call: impl FnMut(&ChildExit) + Send + 'static) -> io::Result<()> {
        self.runtime().exits.add(self, Box::new(call))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn ends_beyond_the_limit_are_counted_and_later_ones_are_told_again() {
        let node = Node::start().unwrap();
        let (begun, begins) = channel();
        let (goes_on, waits) = channel::<()>();
        node.on_child_exit(move |exit| {
            begun.send(exit.pid).unwrap();
            let _ = waits.recv();
        })
        .unwrap();
        let exits = &node.runtime().exits;
        let end =
            |pid| exits.ended(|| Ended { name: "child".to_owned(), pid, is_command: false, reason: None });
        end(0);
        assert_eq!(begins.recv(), Ok(0), "the call for the first one takes long");
        let most = MAX_WAITING as u32;
        // The first has its place until its call is over.
        (1..most + 10).for_each(end);
        let missed = || exits.0.lock().as_ref().unwrap().backlog.missed.load(Relaxed);
        assert_eq!(missed(), 10);
        drop(goes_on);
        assert!(begins.iter().take(MAX_WAITING - 1).eq(1..most));
        end(most + 10);
        assert_eq!(begins.recv(), Ok(most + 10));
        assert_eq!(missed(), 0, "it has been said");
    }
}

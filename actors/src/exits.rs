//! Users' code that is called when a child of this node has ended.
//!
//! It runs on a thread of its own, one call after the other, with nothing locked: so it may wait, join and spawn. Whoever sees an end
//! only says so here, under the lock of the list from which it takes the child: so each end is told once, and none is lost to a
//! node that ends at the same time.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::ThreadId;
use std::time::Duration;

use parking_lot::Mutex;

use crate::node::{Node, WeakNode};
use crate::process::JoinError;
use crate::runtime::Runtime;

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

/// The way to the thread.
#[derive(Default)]
pub(crate) struct Exits(Mutex<Option<Calls>>);

struct Calls {
    news: Sender<News>,
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
            let name = node.name().to_owned();
            let thread = std::thread::Builder::new().name("callboard-exits".to_owned());
            let thread = thread.spawn(move || call(&name, &hears, ends))?;
            *calls = Some(Calls { news, thread: thread.thread().id(), node: node.downgrade(), over });
        }
        if let Some(calls) = &*calls {
            // It ends only when `calls` is dropped.
            let _ = calls.news.send(News::Hook(hook));
        }
        Ok(())
    }

    /// A child has ended: `make` says how, if anybody wants to know.
    pub(crate) fn ended(&self, make: impl FnOnce() -> Ended) {
        if let Some(calls) = &*self.0.lock() {
            let Ended { name, pid, is_command, reason } = make();
            let node = calls.node.clone();
            let _ = calls.news.send(News::Exit(ChildExit { name, pid, is_command, reason, node }));
        }
    }

    /// The node ends, and all its children have: waits for the calls that are left.
    pub(crate) fn finish(&self, runtime: &Runtime) {
        let Some(Calls { news, thread, over, .. }) = self.0.lock().take() else { return };
        drop(news);
        if thread == std::thread::current().id() {
            // The call that ends the node goes on when this has returned.
            return;
        }
        if over.recv_timeout(CALLS_WITHIN) == Err(RecvTimeoutError::Timeout) {
            runtime.complain("a call for children that have ended takes longer than 5 s, and the node does not wait for it");
        }
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
fn call(name: &str, news: &Receiver<News>, _ends: Sender<()>) {
    let mut hooks: Vec<Hook> = Vec::new();
    for news in news {
        match news {
            News::Hook(hook) => hooks.push(hook),
            News::Exit(exit) => {
                for hook in &mut hooks {
                    // The panic is written to standard error by its hook; a line says whose it was.
                    if catch_unwind(AssertUnwindSafe(|| hook(&exit))).is_err() {
                        let child = format!("{} (pid {})", exit.name, exit.pid);
                        eprintln!("callboard: {name}: a call for the end of {child} panicked");
                    }
                }
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
    /// panics is told of on standard error, and called again for the next child.
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

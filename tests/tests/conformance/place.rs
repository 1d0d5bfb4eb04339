//! Where the other half of a case runs.

use std::thread::JoinHandle;

use callboard::{Node, PipeReceiver, Process, RecvError};
use callboard_tests::PATIENCE;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The other half of a case runs here; its first half runs at home, on the root of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A thread of the same node: what it is given it gets as it is.
    Thread,
    /// Another node of this process. What it is given is encoded at home and decoded there, as between processes.
    Node,
    /// The same, for a node that nobody spawned and that has joined the job.
    Guest,
    /// A child.
    Process,
}

/// The other half of a case, at work.
pub(crate) enum Part<R> {
    Thread(JoinHandle<R>),
    Node(JoinHandle<()>, PipeReceiver<R>),
    Process(Process<R>),
}

impl Place {
    /// Begins `part` there. Its node ends when it returns, unless it is the one of home.
    pub(crate) fn start<A, R>(self, home: &Node, part: fn(&Node, A) -> R, args: A) -> Part<R>
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        match self {
            Place::Thread => {
                let node = home.clone();
                Part::Thread(std::thread::spawn(move || part(&node, args)))
            }
            Place::Node => on_node(home, home.start_beside("beside").unwrap(), part, args),
            Place::Guest => on_node(home, Node::join(&home.job()).unwrap(), part, args),
            Place::Process => Part::Process(home.spawn("part", part, args).unwrap()),
        }
    }

    /// Runs `part` there to its end.
    pub(crate) fn run<A, R>(self, home: &Node, part: fn(&Node, A) -> R, args: A) -> R
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.start(home, part, args).join()
    }
}

/// A pipe decodes what it carries for the node of its end: so do arguments come to another node of this process, and values
/// back, ends of pipes among them.
fn on_node<A, R>(home: &Node, other: Node, part: fn(&Node, A) -> R, args: A) -> Part<R>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let (there, begins) = other.one_way_pipe::<A>().unwrap();
    let (ends, back) = home.one_way_pipe::<R>().unwrap();
    assert!(there.send(args).is_ok());
    let thread = std::thread::spawn(move || {
        let value = part(&other, begins.recv().unwrap());
        assert!(ends.send(value).is_ok());
    });
    Part::Node(thread, back)
}

impl<R: Serialize + DeserializeOwned> Part<R> {
    /// Waits for what it returns, and for the end of its node.
    #[track_caller]
    pub(crate) fn join(self) -> R {
        match self {
            Part::Thread(thread) => thread.join().unwrap(),
            Part::Node(thread, back) => {
                let value = back.recv_timeout(PATIENCE);
                assert!(!matches!(value, Err(RecvError::TimedOut)), "it has not returned");
                // The panic that ended it says more than that it has sent nothing.
                thread.join().unwrap();
                value.unwrap_or_else(|error| panic!("{error}"))
            }
            Part::Process(process) => process.join_timeout(PATIENCE).unwrap(),
        }
    }
}

//! What actors of all libraries count, so that the last message handled ends the round.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::clock::stamp;
use crate::harness::{Measured, Outcome, Trouble, check};

/// How long a round may take.
const PATIENCE: Duration = Duration::from_secs(170);

/// Several actors' way to say that all is done, each once.
#[derive(Debug)]
pub(crate) struct Finish {
    left: AtomicU64,
    sum: AtomicU64,
    tell: Sender<(u64, u64)>,
}

/// The end of a round, as its beginner waits for it.
#[derive(Debug)]
pub(crate) struct End(Receiver<(u64, u64)>);

/// The end that comes when so many actors have said that they are done.
pub(crate) fn after(actors: u64) -> (Arc<Finish>, End) {
    let (tell, end) = channel();
    (Arc::new(Finish { left: AtomicU64::new(actors), sum: AtomicU64::new(0), tell }), End(end))
}

impl Finish {
    fn done(&self, sum: u64) {
        self.sum.fetch_add(sum, Ordering::AcqRel);
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Ordering: whoever came before had added its part before it counted itself.
            let sum = self.sum.load(Ordering::Acquire);
            // Nobody hears it only if the round has failed already.
            let _ = self.tell.send((stamp(), sum));
        }
    }

    /// One actor's part.
    pub(crate) fn tally(self: &Arc<Self>, messages: u64) -> Tally {
        Tally { left: messages, sum: 0, finish: Arc::clone(self) }
    }
}

impl End {
    /// Waits for the end and checks the sum of all that was handled.
    pub(crate) fn measured(&self, operations: u64, start: u64, sum: u64) -> Outcome {
        let (end, got) = self.0.recv_timeout(PATIENCE).map_err(Trouble::failed)?;
        check("sum of what was handled", &got, &sum)?;
        Ok(Measured::between(operations, start, end))
    }
}

/// What one actor adds up, until it has had all its messages.
#[derive(Debug)]
pub(crate) struct Tally {
    left: u64,
    sum: u64,
    finish: Arc<Finish>,
}

impl Tally {
    /// Handles a message.
    pub(crate) fn add(&mut self, number: u64) {
        self.sum += number;
        self.left -= 1;
        if self.left == 0 {
            self.finish.done(self.sum);
        }
    }
}

//! What children write, passed on to this process's own streams: line by line, each with the child's name.
//!
//! One thread does it for all children of a node, so that lines of several never mix; it is there as long as there is
//! something to be passed on. A write to our own streams may wait for whoever reads them. Then the pipes fill, and the
//! children wait in turn: nothing is kept here but lines that are not whole.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use callboard_ipc::{Bell, OutputPipe, gather};
use parking_lot::{Condvar, Mutex};

use super::lines::LineBuffer;
use crate::runtime::Runtime;

/// How much is read of one child before it is the next one's turn.
const READ_BYTES: usize = 64 << 10;

/// Which stream of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Stdout,
    Stderr,
}

/// One stream of one child.
pub(crate) struct Forward {
    pipe: OutputPipe,
    to: To,
    /// What each line begins with.
    prefix: String,
    lines: LineBuffer,
    over: Box<dyn FnOnce() + Send>,
}

impl Forward {
    /// Of a child with that name and number; `over` is called when the last line has been written.
    pub(crate) fn new(
        pipe: OutputPipe,
        to: To,
        name: &str,
        pid: u32,
        over: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self {
            pipe,
            to,
            prefix: format!("[{name} {pid}] "),
            lines: LineBuffer::default(),
            over: Box::new(over),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
        let mut whole = Vec::new();
        while let Some(line) = self.lines.line() {
            append(&mut whole, &self.prefix, line);
        }
        write(self.to, &whole);
    }

    fn end(mut self) {
        if let Some(rest) = self.lines.rest() {
            let mut line = Vec::new();
            append(&mut line, &self.prefix, &rest);
            write(self.to, &line);
        }
        (self.over)();
    }
}

fn append(to: &mut Vec<u8>, prefix: &str, line: &[u8]) {
    to.extend_from_slice(prefix.as_bytes());
    to.extend_from_slice(line);
    to.push(b'\n');
}

/// Writes whole lines at once, under the stream's own lock, which every `println` takes too.
fn write(to: To, lines: &[u8]) {
    fn put(mut stream: impl Write, lines: &[u8]) -> io::Result<()> {
        stream.write_all(lines)?;
        stream.flush()
    }
    if lines.is_empty() {
        return;
    }
    // Whoever read it may have gone. The child writes on, and need not know.
    let _ = match to {
        To::Stdout => put(io::stdout().lock(), lines),
        To::Stderr => put(io::stderr().lock(), lines),
    };
}

/// What a node passes on.
#[derive(Default)]
pub(crate) struct Forwards {
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    /// Not yet with the thread.
    fresh: Vec<Forward>,
    /// The bell of the thread, while there is one.
    bell: Option<Arc<Bell>>,
}

impl Forwards {
    /// Waits until nothing is left to be passed on, for `patience` at most.
    pub(crate) fn wait_idle(&self, patience: Duration) {
        let mut state = self.state.lock();
        self.idle.wait_while_for(&mut state, |state| state.bell.is_some(), patience);
    }

    /// Passes it on from now on.
    ///
    /// # Errors
    ///
    /// What the system says when there is no room for a thread.
    pub(crate) fn add(runtime: &Arc<Runtime>, forward: Forward) -> io::Result<()> {
        let mut state = runtime.family.forwards.state.lock();
        if let Some(bell) = &state.bell {
            bell.ring();
        } else {
            let bell = Arc::new(Bell::new()?);
            let (its, its_bell) = (Arc::clone(runtime), Arc::clone(&bell));
            // Locked over it: the thread finds the first when it looks.
            std::thread::Builder::new()
                .name("callboard".to_owned())
                .spawn(move || its.family.forwards.run(&its, &its_bell))?;
            state.bell = Some(bell);
        }
        state.fresh.push(forward);
        Ok(())
    }

    fn run(&self, runtime: &Runtime, bell: &Bell) {
        let mut outputs: Vec<Forward> = Vec::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            {
                let mut state = self.state.lock();
                outputs.append(&mut state.fresh);
                if outputs.is_empty() {
                    state.bell = None;
                    self.idle.notify_all();
                    return;
                }
            }
            match gather(bell, &mut outputs, |output| &mut output.pipe, &mut buffer, Forward::take) {
                Ok(over) => over.into_iter().for_each(Forward::end),
                Err(error) => {
                    runtime.complain(&format!("what children write can't be passed on: {error}"));
                    outputs.drain(..).for_each(Forward::end);
                }
            }
        }
    }
}

//! The thread that handles records as they come from all processes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::ThreadId;
use std::time::Duration;

use callboard_core::decode;
use callboard_ipc::{Bell, MAX_RECORD_BYTES, RecordGot, RecordReceiver};
use parking_lot::Mutex;

use super::{Each, LogRecord};
use crate::runtime::complain;

/// How long a node that ends waits until the records that are there have been handled.
const HANDLED_WITHIN: Duration = Duration::from_secs(5);

/// The way to the thread.
pub(super) struct Gatherer {
    orders: Arc<Orders>,
    thread: ThreadId,
    /// Ends when the thread has.
    over: Receiver<()>,
}

/// What the thread is to do.
struct Orders {
    bell: Bell,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// To be called when all records have been handled that are there now.
    marks: Vec<Mark>,
    is_ending: bool,
    is_over: bool,
}

type Mark = Box<dyn FnOnce() + Send>;

impl Gatherer {
    /// Handles what comes from now on, for the node of that name.
    ///
    /// # Errors
    ///
    /// What the system says when it has no room for a descriptor or a thread.
    pub(super) fn start(name: &str, receiver: RecordReceiver, each: Each) -> io::Result<Self> {
        let orders = Arc::new(Orders { bell: Bell::new()?, state: Mutex::default() });
        let (ends, over) = channel();
        let (its_name, its_orders) = (name.to_owned(), Arc::clone(&orders));
        let thread = std::thread::Builder::new().name("callboard-logs".to_owned());
        let thread = thread.spawn(move || gather(&its_name, &receiver, &its_orders, each, ends))?;
        Ok(Self { orders, thread: thread.thread().id(), over })
    }

    /// Has `then` called when all has been handled that is there now; false if nothing is handled any more, and nobody is called.
    pub(super) fn mark(&self, then: Mark) -> bool {
        let mut state = self.orders.state.lock();
        if !state.is_over {
            state.marks.push(then);
            self.orders.bell.ring();
        }
        !state.is_over
    }

    pub(super) fn thread(&self) -> ThreadId {
        self.thread
    }

    /// Waits until what is there has been handled; whether it was in time. What comes later is not.
    pub(super) fn finish(self) -> bool {
        self.tell_end();
        // The call that ends the node goes on when this has returned.
        self.thread == std::thread::current().id()
            || self.over.recv_timeout(HANDLED_WITHIN) != Err(RecvTimeoutError::Timeout)
    }

    fn tell_end(&self) {
        self.orders.state.lock().is_ending = true;
        self.orders.bell.ring();
    }
}

/// One that was not needed after all ends too.
impl Drop for Gatherer {
    fn drop(&mut self) {
        self.tell_end();
    }
}

/// The thread's life; `_ends` is dropped at its end.
fn gather(name: &str, receiver: &RecordReceiver, orders: &Orders, mut each: Each, _ends: Sender<()>) {
    let mut buffer = vec![0; MAX_RECORD_BYTES];
    loop {
        let (marks, is_ending) = {
            let mut state = orders.state.lock();
            (std::mem::take(&mut state.marks), state.is_ending)
        };
        let turned = turn(name, receiver, &mut buffer, &mut each);
        marks.into_iter().for_each(|mark| mark());
        let waited = match turned {
            Ok(true) if !is_ending => receiver.wait(&orders.bell),
            Ok(_) => break,
            Err(error) => Err(error),
        };
        if let Err(error) = waited {
            complain(name, &format!("records can't be gathered any more: {error}"));
            break;
        }
    }
    let left = {
        let mut state = orders.state.lock();
        state.is_over = true;
        std::mem::take(&mut state.marks)
    };
    left.into_iter().for_each(|mark| mark());
    // What a user's value does when it is dropped may panic too.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(each)));
}

/// Handles all records that are there at its beginning; false if no more can come.
fn turn(name: &str, receiver: &RecordReceiver, buffer: &mut [u8], each: &mut Each) -> io::Result<bool> {
    let mut left = receiver.waiting_bytes()?;
    // Nothing there may also be the end.
    loop {
        match receiver.take(buffer)? {
            RecordGot::Record(record) => {
                left = left.saturating_sub(record.len() as u64);
                handle(name, record, each);
            }
            RecordGot::Nothing => return Ok(true),
            RecordGot::End => return Ok(false),
        }
        if left == 0 {
            return Ok(true);
        }
    }
}

fn handle(name: &str, record: &[u8], each: &mut Each) {
    match decode::<LogRecord>(record) {
        Ok(record) => {
            // The panic is written to standard error by its hook; a line says whose it was.
            if catch_unwind(AssertUnwindSafe(|| each(&record))).is_err() {
                let from = format!("{} (pid {})", record.node, record.pid);
                complain(name, &format!("what is called for records panicked at one of {from}"));
            }
        }
        Err(error) => complain(name, &format!("a record can't be read: {error}")),
    }
}

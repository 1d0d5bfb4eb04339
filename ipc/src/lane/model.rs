//! `RUSTFLAGS="--cfg loom" cargo test -p callboard-ipc --lib model`: two threads in every order, and every value that the
//! orderings allow a load to see. A bell stands for the socket, and the fences of both sides are full ones.

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::*;

/// Rung once, it stays rung until it is heard.
#[derive(Default)]
struct Bell(Mutex<bool>, Condvar);

impl Bell {
    fn ring(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }

    fn hear(&self) {
        let mut rung = self.0.lock().unwrap();
        while !*rung {
            rung = self.1.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// A ring that holds one message, which fills it.
#[derive(Default)]
struct Pipe {
    lane: Lane,
    /// The model fails where one side could write this while the other reads or writes it.
    content: UnsafeCell<u64>,
    for_reader: Bell,
    for_writer: Bell,
}

const WHOLE: u64 = RING_BYTES as u64;

impl Pipe {
    fn send(&self, message: u64) {
        let tail = self.lane.tail();
        let has_room = || free(tail, self.lane.seen_head()) >= RING_BYTES;
        while !has_room() {
            self.lane.await_room(RING_BYTES as u32);
            if !has_room() {
                self.for_writer.hear();
            }
        }
        // SAFETY: what the model is to show.
        self.content.with_mut(|content| unsafe { *content = message });
        if self.lane.publish(tail + WHOLE) {
            self.for_reader.ring();
        }
    }

    fn receive(&self) -> u64 {
        let head = self.lane.head();
        let has_more = || self.lane.seen_tail() != head;
        while !has_more() {
            self.lane.await_bytes();
            if !has_more() {
                self.for_reader.hear();
            }
        }
        // SAFETY: what the model is to show.
        let message = self.content.with(|content| unsafe { *content });
        if self.lane.consume(head + WHOLE) {
            self.for_writer.ring();
        }
        message
    }
}

fn model(messages: u64) {
    loom::model(move || {
        let pipe = Arc::new(Pipe::default());
        let sends = Arc::clone(&pipe);
        let sender = thread::spawn(move || (1..=messages).for_each(|message| sends.send(message)));
        (1..=messages).for_each(|message| assert_eq!(pipe.receive(), message));
        sender.join().unwrap();
    });
}

#[test]
fn no_reader_sleeps_beside_a_message() {
    model(1);
}

#[test]
fn no_writer_sleeps_beside_room_and_no_side_reads_what_is_being_written() {
    model(2);
}

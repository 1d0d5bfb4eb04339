//! As `lane/model.rs`: a favourite and another thread, in every order.

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::favourite::Favourite;

/// As [`Turn`](super::Turn), with a lock and a value that the model watches.
#[derive(Default)]
struct Turn {
    favourite: Favourite,
    lock: Mutex<()>,
    value: UnsafeCell<u64>,
}

impl Turn {
    fn add(&self, me: u64) {
        // SAFETY: what the model is to show.
        let add = || self.value.with_mut(|value| unsafe { *value += 1 });
        if self.favourite.enter(me) {
            add();
            return self.favourite.leave();
        }
        let guard = self.lock.lock().unwrap();
        if self.favourite.become_first(me) {
            drop(guard);
            add();
            return self.favourite.leave();
        }
        if self.favourite.end() {
            while self.favourite.is_inside() {
                thread::yield_now();
            }
        }
        add();
    }
}

#[test]
fn never_are_two_threads_inside() {
    loom::model(|| {
        let turn = Arc::new(Turn::default());
        let other = Arc::clone(&turn);
        let thread = thread::spawn(move || other.add(2));
        turn.add(1);
        turn.add(1);
        thread.join().unwrap();
        turn.add(3);
        // SAFETY: nobody else is there any more.
        assert_eq!(turn.value.with(|value| unsafe { *value }), 4);
    });
}

//! A wake-up ends a turn, whenever and from wherever it comes, and costs one event however many there are.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use callboard_core::{EventLoop, Readiness};
use mio::Poll;

/// No test waits longer for what must come.
const SOON: Duration = Duration::from_secs(10);
/// What is there already needs no waiting.
const NOW: Option<Duration> = Some(Duration::ZERO);

fn event_loop() -> EventLoop {
    EventLoop::new(Poll::new().unwrap()).unwrap()
}

#[test]
fn a_wake_up_from_another_thread_ends_a_turn_that_has_no_timeout() {
    let mut event_loop = event_loop();
    let reactor = event_loop.reactor();
    let waker = thread::spawn(move || reactor.wake().unwrap());
    assert_eq!(event_loop.turn(None).unwrap(), 1);
    waker.join().unwrap();
}

#[test]
fn many_wake_ups_before_a_turn_are_one_and_later_ones_count_again() {
    let mut event_loop = event_loop();
    for _ in 0..3 {
        for _ in 0..100 {
            event_loop.reactor().wake().unwrap();
        }
        assert_eq!(event_loop.turn(Some(SOON)).unwrap(), 1);
        assert_eq!(event_loop.turn(NOW).unwrap(), 0);
    }
}

#[test]
fn no_wake_up_is_lost_while_the_loop_turns() {
    const WAKE_UPS: usize = 20_000;
    let mut event_loop = event_loop();
    let (asked, asks) = channel();
    let reactor = event_loop.reactor();
    let (seen, answers) = channel();
    let other = thread::spawn(move || {
        for number in 0..WAKE_UPS {
            asked.send(number).unwrap();
            reactor.wake().unwrap();
            // Now and then it lets the loop fall asleep, otherwise it meets it anywhere in its turn.
            if number % 3 == 0 {
                while answers.recv_timeout(SOON).unwrap() < number {}
            }
        }
    });
    let mut last = None;
    while last != Some(WAKE_UPS - 1) {
        let count = event_loop.turn(Some(SOON)).unwrap();
        assert_ne!(count, 0, "a wake-up after {last:?} was lost");
        for number in asks.try_iter() {
            last = Some(number);
            // The other thread ends without hearing of the last ones.
            let _ = seen.send(number);
        }
    }
    other.join().unwrap();
}

#[test]
fn a_wake_up_that_another_thread_got_is_passed_on() {
    let mut event_loop = event_loop();
    // The number that a thread beside the loop finds in its event.
    let nothing = Readiness { readable: true, writable: false, ended: false };
    event_loop.reactor().dispatch(usize::MAX, nothing);
    assert_eq!(event_loop.turn(Some(SOON)).unwrap(), 1);
    assert_eq!(event_loop.turn(NOW).unwrap(), 0);
}

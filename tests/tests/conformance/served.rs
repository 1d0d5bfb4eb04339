//! What only served objects do: a call waits for its method. `WaitAny` waits for the reply to a call, not for an object, so
//! `waiting.rs` leaves them out.

use std::time::{Duration, Instant};

use callboard::{Event, EventOptions, Node, Serve, Served, ServedError};
use callboard_tests::PATIENCE;

use crate::place::Place;

type Numbers = Vec<u64>;

const SHORT: Duration = Duration::from_millis(20);

/// Keeps the object busy until `go` is set.
fn waits(numbers: &mut Numbers, (begun, go): (Event, Event)) {
    begun.set().unwrap();
    go.wait().unwrap();
    numbers.push(0);
}

fn a_call_keeps_its_timeout_and_waits_for_the_one_before(place: Place) {
    fn calls(_: &Node, (object, go): (Served<Numbers>, Event)) {
        let call = Instant::now();
        let late = object.call_timeout(Vec::push, 9, SHORT);
        assert!(matches!(late, Err(ServedError::TimedOut)), "{late:?}");
        assert!(call.elapsed() >= SHORT);
        go.set().unwrap();
        object.call(Vec::push, 1).unwrap();
    }
    let home = Node::start().unwrap();
    let object: Served<Numbers> = home.anonymous(Serve::new(Vec::new()));
    let (begun, go): (Event, Event) =
        (home.anonymous(EventOptions::new()), home.anonymous(EventOptions::new()));
    let busy = std::thread::spawn({
        let (object, begun, go) = (object.clone(), begun.clone(), go.clone());
        move || object.call(waits, (begun, go))
    });
    assert_eq!(begun.wait_timeout(PATIENCE), Ok(true));
    place.run(&home, calls, (object.clone(), go));
    busy.join().unwrap().unwrap();
    let numbers = object.call_timeout(|numbers, ()| numbers.clone(), (), PATIENCE).unwrap();
    assert_eq!(numbers, [0, 1], "the call that timed out before it began is not made");
}

in_every_place!(a_call_keeps_its_timeout_and_waits_for_the_one_before);

fn a_panic_in_a_method_is_told_to_its_caller_alone(place: Place) {
    fn calls(_: &Node, object: Served<Numbers>) {
        let failed = object.call(|numbers, at: usize| numbers[at], 5);
        assert!(matches!(&failed, Err(ServedError::Panicked(text)) if text.contains("5")), "{failed:?}");
        object.call(Vec::push, 1).unwrap();
    }
    let home = Node::start().unwrap();
    let object: Served<Numbers> = home.anonymous(Serve::new(Vec::new()));
    place.run(&home, calls, object.clone());
    assert_eq!(object.call(|numbers, ()| numbers.clone(), ()).unwrap(), [1]);
}

in_every_place!(a_panic_in_a_method_is_told_to_its_caller_alone);

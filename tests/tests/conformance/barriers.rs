//! What CPython holds of its barriers: five parties, four of them in every place.

use std::collections::BTreeSet;
use std::time::Duration;

use callboard::{
    Barrier, BarrierError, BarrierOptions, BrokenBy, Counter, CounterOptions, List, ListOptions, Node, Object,
};
use callboard_tests::{PATIENCE, eventually};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::place::Place;

const PARTIES: usize = 5;
const SHORT: Duration = Duration::from_millis(20);

fn barrier(node: &Node) -> Barrier {
    node.anonymous(BarrierOptions::new(PARTIES).unwrap())
}

fn anonymous<O: Object<Options: Default>>(node: &Node) -> O {
    node.anonymous(O::Options::default())
}

/// Runs `part` by five parties, four of them there; what each returned.
fn by_all<A, R>(home: &Node, place: Place, part: fn(&Node, A) -> R, args: &A) -> Vec<R>
where
    A: Serialize + DeserializeOwned + Clone + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let parts: Vec<_> = (1..PARTIES).map(|_| place.start(home, part, args.clone())).collect();
    let own = part(home, args.clone());
    parts.into_iter().map(|part| part.join()).chain([own]).collect()
}

/// In each round all add a mark to a first list, meet, and add one to a second: nobody is a round ahead.
fn in_step(_: &Node, (barrier, rounds, before, after): (Barrier, usize, Counter, Counter)) {
    let parties = barrier.parties().unwrap();
    for round in 0..rounds {
        before.add(1).unwrap();
        barrier.wait_timeout(PATIENCE).unwrap();
        assert_eq!(before.get().unwrap() as usize, (round + 1) * parties);
        after.add(1).unwrap();
        barrier.wait_timeout(PATIENCE).unwrap();
        assert_eq!(after.get().unwrap() as usize, (round + 1) * parties);
        // Nobody begins the next round before all have looked.
        barrier.wait_timeout(PATIENCE).unwrap();
    }
    assert_eq!(barrier.is_broken(), Ok(false));
}

/// > A barrier lets nobody through before all its parties are there, again and again.
fn all_go_in_lockstep(place: Place) {
    let home = Node::start().unwrap();
    for rounds in [1, 10] {
        let (before, after) = (anonymous::<Counter>(&home), anonymous::<Counter>(&home));
        let barrier = barrier(&home);
        by_all(&home, place, in_step, &(barrier.clone(), rounds, before, after));
        assert_eq!(barrier.waiting(), Ok(0));
    }
}

in_every_place!(all_go_in_lockstep);

/// > Of those who meet at a barrier each has another number, from zero up.
fn each_party_has_a_number_of_its_own(place: Place) {
    fn waits(_: &Node, barrier: Barrier) -> u64 {
        barrier.wait_timeout(PATIENCE).unwrap() as u64
    }
    let home = Node::start().unwrap();
    let numbers = by_all(&home, place, waits, &barrier(&home));
    assert!(numbers.into_iter().collect::<BTreeSet<u64>>().into_iter().eq(0..PARTIES as u64));
}

in_every_place!(each_party_has_a_number_of_its_own);

/// > An action is run once in each round, before anybody goes on.
fn an_action_is_run_once_before_anybody_goes_on(place: Place) {
    fn waits(_: &Node, (barrier, marks): (Barrier, List<u64>)) {
        let own = marks.clone();
        barrier.wait_with_timeout(|| assert_eq!(own.push(1), Ok(1)), PATIENCE).unwrap();
        assert_eq!(marks.len(), Ok(1));
    }
    let home = Node::start().unwrap();
    let marks: List<u64> = home.anonymous(ListOptions::new());
    by_all(&home, place, waits, &(barrier(&home), marks.clone()));
    assert_eq!(marks.snapshot().unwrap(), [1]);
}

in_every_place!(an_action_is_run_once_before_anybody_goes_on);

/// > An abort breaks a barrier for all who wait, and for whoever comes.
fn an_abort_breaks_it_for_all_others(place: Place) {
    /// The one who comes third aborts instead of waiting.
    fn aborts(_: &Node, (barrier, came): (Barrier, Counter)) -> Option<BrokenBy> {
        if came.add(1).unwrap() as usize == PARTIES / 2 + 1 {
            barrier.abort().unwrap();
            return None;
        }
        match barrier.wait_timeout(PATIENCE) {
            Err(BarrierError::Broken(by)) => Some(by),
            other => panic!("{other:?}"),
        }
    }
    let home = Node::start().unwrap();
    let barrier = barrier(&home);
    let told = by_all(&home, place, aborts, &(barrier.clone(), anonymous::<Counter>(&home)));
    assert_eq!(told.iter().flatten().collect::<Vec<_>>(), [&BrokenBy::Aborted; PARTIES - 1]);
    assert_eq!(barrier.broken_by(), Ok(Some(BrokenBy::Aborted)));
}

in_every_place!(an_abort_breaks_it_for_all_others);

/// All but one wait; that one breaks it when all these are there. Then all meet as if nothing had been.
fn breaks_and_meets(_: &Node, (barrier, came, meets, by_reset): (Barrier, Counter, Barrier, bool)) -> bool {
    let is_last = came.add(1).unwrap() as usize == PARTIES;
    if is_last {
        eventually("the others wait", || barrier.waiting() == Ok(PARTIES - 1));
        if by_reset { barrier.reset().unwrap() } else { barrier.abort().unwrap() }
    } else {
        let by = if by_reset { BrokenBy::Reset } else { BrokenBy::Aborted };
        assert_eq!(barrier.wait_timeout(PATIENCE), Err(BarrierError::Broken(by)));
    }
    // Another barrier, so that one resets when all have been told.
    if meets.wait_with_timeout(|| barrier.reset().unwrap(), PATIENCE).is_err() {
        return false;
    }
    barrier.wait_timeout(PATIENCE).unwrap();
    barrier.is_broken() == Ok(false)
}

/// > A reset tells those who wait, and makes the barrier whole.
fn a_reset_lets_those_who_wait_go_and_makes_it_whole(place: Place) {
    let home = Node::start().unwrap();
    for by_reset in [true, false] {
        let args = (barrier(&home), anonymous::<Counter>(&home), barrier(&home), by_reset);
        assert_eq!(by_all(&home, place, breaks_and_meets, &args), [true; PARTIES]);
    }
}

in_every_place!(a_reset_lets_those_who_wait_go_and_makes_it_whole);

/// The first to come waits for a moment only, or for as long as the barrier says, and one never comes.
fn is_missing(_: &Node, (barrier, came, by_default): (Barrier, Counter, bool)) -> Option<BrokenBy> {
    let number = came.add(1).unwrap();
    let told = match (number, by_default) {
        (1, _) => return None,
        (2, false) => barrier.wait_timeout(SHORT),
        (_, false) => barrier.wait_timeout(PATIENCE),
        (_, true) => barrier.wait(),
    };
    match told {
        Err(BarrierError::Broken(by)) => Some(by),
        other => panic!("{other:?}"),
    }
}

/// > A wait's timeout, or else the barrier's own, breaks it for all.
fn a_timeout_breaks_it_for_all(place: Place) {
    let home = Node::start().unwrap();
    for by_default in [false, true] {
        let options = BarrierOptions::new(PARTIES).unwrap();
        let barrier: Barrier = home.anonymous(if by_default { options.timeout(SHORT) } else { options });
        let told = by_all(&home, place, is_missing, &(barrier.clone(), anonymous(&home), by_default));
        assert_eq!(told.iter().flatten().collect::<Vec<_>>(), [&BrokenBy::TimedOut; PARTIES - 1]);
        assert_eq!((barrier.is_broken(), barrier.waiting()), (Ok(true), Ok(0)));
    }
}

in_every_place!(a_timeout_breaks_it_for_all);

fn a_single_party_passes_alone(place: Place) {
    let home = Node::start().unwrap();
    let barrier: Barrier = home.anonymous(BarrierOptions::new(1).unwrap());
    let passes = |_: &Node, barrier: Barrier| {
        assert_eq!((barrier.wait(), barrier.wait_timeout(Duration::ZERO)), (Ok(0), Ok(0)));
    };
    place.run(&home, passes, barrier.clone());
    assert_eq!(barrier.wait_with(|| ()), Ok(0));
    assert!(BarrierOptions::new(0).is_err());
}

in_every_place!(a_single_party_passes_alone);

fn a_thousand_passes(place: Place) {
    fn passes(_: &Node, (barrier, sum): (Barrier, Counter)) {
        for _ in 0..1_000 {
            let number = barrier.wait_timeout(PATIENCE).unwrap();
            sum.cast_add(number as i64).unwrap();
        }
        sum.flush().unwrap();
    }
    let home = Node::start().unwrap();
    let sum: Counter = home.anonymous(CounterOptions::new());
    by_all(&home, place, passes, &(barrier(&home), sum.clone()));
    assert_eq!(sum.get(), Ok(1_000 * (0..PARTIES as i64).sum::<i64>()));
}

in_every_place!(a_thousand_passes);

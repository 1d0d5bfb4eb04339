//! Semaphores in every order, as in `sync/model.rs`: no look is repeated there and nobody wakes by itself.

use loom::sync::Arc;
use loom::thread;

use super::super::model::{caller, explore, member};
use super::super::{Cut, NotTaken};
use super::state::Number;
use super::words::{Claims, Entry, Head, Words};

/// The words, and what each process has of its own; the last is the owner's.
type Shared = Arc<(Head, [Entry; 3], [Claims; 4])>;

/// With two or three members.
fn semaphore(permits: u32, most: u32, members: u32) -> Shared {
    let shared = Shared::default();
    owner(&shared).begin(permits, most);
    (1..=members).for_each(|number| assert!(owner(&shared).join(member(number))));
    shared
}

/// As a process has them.
fn words(shared: &Shared, number: u32) -> Words<'_> {
    Words { head: &shared.0, entries: &shared.1, claims: &shared.2[number as usize - 1] }
}

fn owner(shared: &Shared) -> Words<'_> {
    words(shared, 4)
}

fn takes(shared: &Shared, number: u32, count: u32) {
    words(shared, number).take(caller(number, &Cut::default()), count, None).unwrap();
}

fn gives_back(shared: &Shared, number: u32, count: u32) {
    words(shared, number).give_back(caller(number, &Cut::default()), count, false);
}

fn begin(shared: &Shared, does: impl FnOnce(&Shared) + Send + 'static) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || does(&shared))
}

/// How many are free, and who holds some: nobody else is at it.
fn counts(shared: &Shared) -> (u32, Vec<(u32, u32)>) {
    (shared.0.state().free(), owner(shared).holders())
}

/// Becomes the tenant as far as it comes before it is killed: so many steps.
fn is_killed_after(shared: &Shared, number: u32, steps: u32) {
    let words = words(shared, number);
    let me = Number::of_entry(number as usize - 1).unwrap();
    let seen = shared.0.state();
    if steps == 0 || seen.tenant() == me {
        return;
    }
    let Some(claimed) = words.claim(me, seen) else { return };
    if steps > 1 {
        words.write_down(claimed, claimed.held());
    }
}

#[test]
fn nobody_sleeps_beside_a_free_permit() {
    explore(|| {
        let shared = semaphore(1, 9, 2);
        let other = begin(&shared, |shared| {
            takes(shared, 2, 1);
            gives_back(shared, 2, 1);
        });
        takes(&shared, 1, 1);
        gives_back(&shared, 1, 1);
        other.join().unwrap();
        assert_eq!(counts(&shared), (1, vec![]));
    });
}

#[test]
fn two_processes_that_take_by_turns_keep_count() {
    explore(|| {
        let shared = semaphore(3, 9, 2);
        let other = begin(&shared, |shared| {
            takes(shared, 2, 1);
            takes(shared, 2, 1);
            gives_back(shared, 2, 1);
        });
        takes(&shared, 1, 1);
        gives_back(&shared, 1, 1);
        takes(&shared, 1, 1);
        other.join().unwrap();
        assert_eq!(counts(&shared), (1, vec![(1, 1), (2, 1)]));
    });
}

#[test]
fn three_processes_keep_count() {
    explore(|| {
        let shared = semaphore(4, 9, 3);
        takes(&shared, 1, 1);
        let others = [2, 3].map(|number| begin(&shared, move |shared| takes(shared, number, 1)));
        gives_back(&shared, 1, 1);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(counts(&shared), (2, vec![(2, 1), (3, 1)]));
    });
}

#[test]
fn who_wants_several_keeps_nobody_asleep_who_wants_one() {
    explore(|| {
        let shared = semaphore(0, 9, 3);
        let many = begin(&shared, |shared| {
            takes(shared, 2, 2);
            gives_back(shared, 2, 2);
        });
        let one = begin(&shared, |shared| {
            takes(shared, 3, 1);
            gives_back(shared, 3, 1);
        });
        let make = || words(&shared, 1).make(caller(1, &Cut::default()), 1).unwrap().unwrap();
        make();
        // With the only one there is.
        one.join().unwrap();
        make();
        many.join().unwrap();
        assert_eq!(counts(&shared), (2, vec![]));
    });
}

#[test]
fn whoever_is_killed_in_a_switch_is_helped_by_the_next() {
    for steps in 0..3 {
        explore(move || {
            let shared = semaphore(2, 9, 2);
            takes(&shared, 1, 1);
            let dies = begin(&shared, move |shared| {
                is_killed_after(shared, 2, steps);
                owner(shared).recover(member(2));
            });
            gives_back(&shared, 1, 1);
            takes(&shared, 1, 2);
            dies.join().unwrap();
            assert_eq!(counts(&shared), (0, vec![(1, 2)]));
        });
    }
}

#[test]
fn whoever_is_killed_in_a_switch_holds_what_it_held_until_that_is_taken_back() {
    for steps in 0..3 {
        explore(move || {
            let shared = semaphore(3, 9, 3);
            takes(&shared, 2, 1);
            takes(&shared, 1, 1);
            let dies = begin(&shared, move |shared| {
                is_killed_after(shared, 2, steps);
                owner(shared).recover(member(2));
            });
            takes(&shared, 3, 1);
            gives_back(&shared, 1, 1);
            dies.join().unwrap();
            assert_eq!(counts(&shared), (2, vec![(3, 1)]));
        });
    }
}

#[test]
fn permits_of_a_dead_holder_go_to_one_who_waits() {
    explore(|| {
        let shared = semaphore(1, 9, 2);
        takes(&shared, 1, 1);
        let other = begin(&shared, |shared| takes(shared, 2, 1));
        owner(&shared).recover(member(1));
        other.join().unwrap();
        assert_eq!(counts(&shared), (0, vec![(2, 1)]));
    });
}

#[test]
fn a_wake_that_went_to_somebody_who_died_is_not_lost() {
    explore(|| {
        let shared = semaphore(0, 9, 3);
        let waits = begin(&shared, |shared| takes(shared, 2, 1));
        let over = Arc::new(Cut::default());
        let cut = Arc::clone(&over);
        let dies = begin(&shared, move |shared| {
            let words = words(shared, 3);
            let seen = shared.0.turn.load(std::sync::atomic::Ordering::SeqCst);
            if words.say_waiting(1) && !cut.is_set() {
                shared.0.turn.sleep(seen, None);
            }
            owner(shared).recover(member(3));
        });
        words(&shared, 1).make(caller(1, &Cut::default()), 1).unwrap().unwrap();
        waits.join().unwrap();
        // If the other one was chosen, this one sleeps still.
        over.set();
        owner(&shared).nudge();
        dies.join().unwrap();
    });
}

#[test]
fn permits_are_never_made_beyond_the_most() {
    explore(|| {
        let shared = semaphore(1, 2, 2);
        let makes = |shared: &Shared, number| {
            takes(shared, number, 1);
            let made = words(shared, number).make(caller(number, &Cut::default()), 1).unwrap();
            gives_back(shared, number, 1);
            made.is_ok()
        };
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || makes(&other, 2));
        let mine = makes(&shared, 1);
        assert!(mine != thread.join().unwrap(), "one of them was the second");
        assert_eq!(counts(&shared), (2, vec![]));
    });
}

#[test]
fn who_is_cut_off_while_it_goes_to_sleep_for_a_permit_is_told() {
    explore(|| {
        let shared = semaphore(0, 9, 1);
        let cut = Arc::new(Cut::default());
        let (other, its_cut) = (Arc::clone(&shared), Arc::clone(&cut));
        let thread = thread::spawn(move || words(&other, 1).take(caller(1, &its_cut), 1, None));
        cut.set();
        owner(&shared).nudge();
        assert_eq!(thread.join().unwrap(), Err(NotTaken::CutOff));
    });
}

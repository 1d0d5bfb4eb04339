//! Threads stand for processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use super::super::Cut;
use super::state::State;
use super::*;
use crate::region::Region;

static CUT: Cut = Cut::new();

fn semaphore(permits: u32, most: u32) -> RobustSemaphore {
    let region = Arc::new(Region::create(4096).unwrap().0);
    let semaphore =
        RobustSemaphore::new(Block::new(region, 0, RobustSemaphore::bytes(8).unwrap()).unwrap()).unwrap();
    semaphore.begin(permits, most);
    for number in 1..=8 {
        assert!(semaphore.join(member(number)));
    }
    semaphore
}

fn member(number: u32) -> Member {
    Member { number, entry: number as usize - 1 }
}

fn me(number: u32) -> Caller<'static> {
    Caller { member: member(number), thread: 1, cut: &CUT }
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(5))
}

#[test]
fn permits_are_taken_given_back_made_and_used_up() {
    let semaphore = semaphore(2, 3);
    assert_eq!(semaphore.take(me(1), 1, None), Ok(()));
    assert_eq!(semaphore.try_take(me(2), 2), Ok(false));
    assert_eq!(semaphore.take(me(2), 2, soon()), Err(NotTaken::TimedOut));
    assert_eq!(semaphore.try_take(me(2), 1), Ok(true));
    assert_eq!((semaphore.free(), semaphore.holders()), (0, vec![(1, 1), (2, 1)]));
    assert_eq!(semaphore.make(me(3), 2), Ok(Err(TooManyPermits)));
    assert_eq!(semaphore.make(me(3), 1), Ok(Ok(())));
    assert_eq!(semaphore.free(), 1);
    semaphore.use_up(me(1), 1);
    semaphore.give_back(me(2), 1);
    semaphore.give_back(me(2), 1);
    assert_eq!((semaphore.free(), semaphore.holders()), (2, vec![]), "what is not held can't be given back");
    assert_eq!(semaphore.make(me(3), 1), Ok(Ok(())), "one was used up");
    assert_eq!(semaphore.make(me(3), 1), Ok(Err(TooManyPermits)));
}

#[test]
fn what_the_dead_held_comes_back_and_what_they_made_and_used_up_stays_so() {
    let semaphore = semaphore(3, 100);
    semaphore.take(me(1), 2, None).unwrap();
    semaphore.take(me(2), 1, None).unwrap();
    semaphore.make(me(1), 5).unwrap().unwrap();
    semaphore.use_up(me(1), 1);
    semaphore.recover(member(1));
    assert_eq!((semaphore.free(), semaphore.holders()), (6, vec![(2, 1)]));
    semaphore.recover(member(1));
    assert_eq!(semaphore.free(), 6);
    assert_eq!(semaphore.take(me(1), 1, None), Err(NotTaken::CutOff), "it counts as dead");
    assert!(semaphore.join(Member { number: 9, entry: 0 }));
    assert_eq!(semaphore.try_take(me(1), 1), Err(NotTaken::CutOff));
    assert_eq!(semaphore.free(), 6);
}

/// A semaphore for eight, as each of them has it; the first is the owner's.
fn semaphores(permits: u32, most: u32) -> Vec<RobustSemaphore> {
    let first = semaphore(permits, most);
    (0..9).map(|_| RobustSemaphore::new(first.block.clone()).unwrap()).collect()
}

/// Becomes the tenant as far as it comes before it is killed, or stopped: so many steps.
fn stops_after(semaphore: &RobustSemaphore, number: u32, steps: u32) {
    let words = semaphore.words();
    let me = Number::of_entry(number as usize - 1).unwrap();
    let seen = words.head.state();
    if steps == 0 || seen.tenant() == me {
        return;
    }
    let Some(claimed) = words.claim(me, seen) else { return };
    if steps > 1 {
        words.write_down(claimed, claimed.held());
    }
}

#[test]
fn whoever_stands_still_in_a_switch_keeps_nobody_waiting() {
    for steps in 0..=2 {
        let all = semaphores(3, 100);
        assert_eq!(all[1].try_take(me(1), 1), Ok(true));
        stops_after(&all[2], 2, steps);
        assert_eq!(all[1].try_take(me(1), 1), Ok(true));
        stops_after(&all[2], 2, steps);
        assert_eq!(all[3].try_take(me(3), 1), Ok(true));
        stops_after(&all[2], 2, steps);
        all[1].give_back(me(1), 1);
        stops_after(&all[2], 2, steps);
        all[0].recover(member(1));
        assert_eq!((all[0].free(), all[0].holders()), (2, vec![(3, 1)]));
        all[0].recover(member(2));
        assert_eq!((all[0].free(), all[0].holders()), (2, vec![(3, 1)]));
    }
}

#[test]
fn one_that_goes_on_late_in_a_switch_changes_nothing() {
    let all = semaphores(4, 100);
    assert_eq!(all[1].try_take(me(1), 1), Ok(true));
    let words = all[2].words();
    let two = Number::of_entry(1).unwrap();
    let claimed = words.claim(two, words.head.state()).unwrap();
    // Others come and go, until the word is again as it was before the claim, and claimed by another.
    assert_eq!(all[3].try_take(me(3), 1), Ok(true));
    all[1].give_back(me(1), 1);
    assert_eq!(all[3].try_take(me(3), 1), Ok(true));
    all[3].give_back(me(3), 2);
    assert_eq!(all[1].try_take(me(1), 1), Ok(true));
    assert!(words.head.state().is_same(claimed.with_next(Number::NOBODY)));
    assert!(!words.write_down(claimed, claimed.held()));
    assert!(words.finish(claimed, State::new(0, 0, two)).is_none());
    assert_eq!((all[0].free(), all[0].holders()), (3, vec![(1, 1)]));
}

#[test]
fn one_that_was_killed_while_it_waited_costs_no_call_for_ever() {
    let semaphore = semaphore(0, 100);
    for count in [1, 2] {
        assert!(semaphore.words().say_waiting(count));
        assert!(semaphore.head().state().has_waiters());
        semaphore.make(me(1), 1).unwrap().unwrap();
        assert!(!semaphore.head().state().has_waiters());
        assert_eq!(semaphore.try_take(me(1), 1), Ok(true));
    }
}

#[test]
fn there_are_no_more_members_and_permits_than_a_word_can_tell() {
    assert!(RobustSemaphore::bytes(RobustSemaphore::MOST_MEMBERS).is_some());
    assert_eq!(RobustSemaphore::bytes(RobustSemaphore::MOST_MEMBERS + 1), None);
    let most = RobustSemaphore::MOST;
    let semaphore = semaphore(most - 1, most);
    assert_eq!(semaphore.try_take(me(1), most), Ok(false));
    assert_eq!(semaphore.try_take(me(1), u32::MAX), Ok(false));
    assert_eq!(semaphore.try_take(me(1), most - 1), Ok(true));
    assert_eq!(semaphore.make(me(2), 2), Ok(Err(TooManyPermits)));
    assert_eq!(semaphore.make(me(2), u32::MAX), Ok(Err(TooManyPermits)));
    assert_eq!(semaphore.make(me(2), 1), Ok(Ok(())));
    semaphore.give_back(me(1), most - 1);
    assert_eq!(semaphore.try_take(me(3), most), Ok(true));
    assert_eq!((semaphore.free(), semaphore.holders()), (0, vec![(3, most)]));
    assert!(!semaphore.join(Member { number: 20, entry: RobustSemaphore::MOST_MEMBERS }));
}

/// Each takes, gives back, makes and uses up, and knows what it has; now and then one is killed in the middle of a switch, and another gets its entry.
#[test]
fn whoever_is_killed_at_whatever_step_the_permits_are_as_many_as_they_are() {
    const ROUNDS: u32 = 3_000;
    let all = semaphores(3, 5);
    let used_up = AtomicU32::new(0);
    let made = AtomicU32::new(0);
    let owner = std::sync::Mutex::new((all[0].clone(), 8));
    std::thread::scope(|scope| {
        for place in 1..=4_u32 {
            let (all, used_up, made, owner) = (&all, &used_up, &made, &owner);
            scope.spawn(move || {
                let (mut number, mut mine, mut semaphore) = (place, 0, all[place as usize].clone());
                let mut seed = u64::from(place);
                for _ in 0..ROUNDS {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let me = me_of(place, number);
                    match seed >> 60 {
                        0..=6 => mine += u32::from(semaphore.try_take(me, 1).unwrap()),
                        7 if mine == 0 => {
                            semaphore.take(me, 1, None).unwrap();
                            mine += 1;
                        }
                        8..=12 if mine > 0 => {
                            semaphore.give_back(me, 1);
                            mine -= 1;
                        }
                        13 if mine > 0 => {
                            semaphore.use_up(me, 1);
                            used_up.fetch_add(1, SeqCst);
                            mine -= 1;
                        }
                        14 => drop(made.fetch_add(semaphore.make(me, 1).unwrap().is_ok().into(), SeqCst)),
                        15 => {
                            stops_after(&semaphore, place, (seed >> 40) as u32 % 3);
                            let mut owner = owner.lock().unwrap();
                            owner.0.recover(me.member);
                            owner.1 += 1;
                            (number, mine) = (owner.1, 0);
                            assert!(owner.0.join(Member { number, ..member(place) }));
                            semaphore = RobustSemaphore::new(semaphore.block.clone()).unwrap();
                        }
                        _ => {}
                    }
                    if mine > 0 && seed >> 50 & 3 != 0 {
                        semaphore.give_back(me_of(place, number), mine);
                        mine = 0;
                    }
                    // So that nobody waits for ever, all having been used up.
                    if semaphore.free() == 0 && semaphore.make(me_of(place, number), 1).unwrap().is_ok() {
                        made.fetch_add(1, SeqCst);
                    }
                }
                semaphore.give_back(me_of(place, number), mine);
            });
        }
    });
    let left = 3 + made.load(SeqCst) - used_up.load(SeqCst);
    assert!(left <= 5);
    assert_eq!((all[0].free(), all[0].holders()), (left, vec![]));
}

fn me_of(place: u32, number: u32) -> Caller<'static> {
    Caller { member: Member { number, ..member(place) }, ..me(place) }
}

#[test]
fn there_are_never_more_inside_than_permits_and_nobody_sleeps_for_ever() {
    let all = semaphores(3, 100);
    let inside = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (1..=6)
        .map(|number| {
            let (semaphore, inside) = (all[number as usize].clone(), Arc::clone(&inside));
            std::thread::spawn(move || {
                for round in 0..5_000 {
                    let count = if number == 6 { 1 + round % 3 } else { 1 };
                    semaphore.take(me(number), count, None).unwrap();
                    assert!(inside.fetch_add(count, SeqCst) + count <= 3);
                    inside.fetch_sub(count, SeqCst);
                    semaphore.give_back(me(number), count);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((all[0].free(), all[0].holders()), (3, vec![]));
}

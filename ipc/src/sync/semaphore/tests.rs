//! Threads stand for processes.

use std::sync::Arc;
use std::time::Duration;

use super::super::Cut;
use super::*;
use crate::region::Region;

static CUT: Cut = Cut::new();
const OWNER: Holder = Holder { member: 99, thread: 1 };

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
    assert!(semaphore.recover(member(1), OWNER));
    assert_eq!((semaphore.free(), semaphore.holders()), (6, vec![(2, 1)]));
    assert!(semaphore.recover(member(1), OWNER), "again, it changes nothing");
    assert_eq!(semaphore.free(), 6);
    assert_eq!(semaphore.take(me(1), 1, None), Err(NotTaken::CutOff), "it counts as dead");
    assert!(semaphore.join(Member { number: 9, entry: 0 }));
    assert_eq!(semaphore.try_take(me(1), 1), Err(NotTaken::CutOff));
    assert_eq!(semaphore.free(), 6);
}

#[test]
fn whoever_dies_inside_is_made_up_for_by_the_next() {
    let semaphore = semaphore(1, 100);
    let words = semaphore.words();
    // What a process leaves that is killed between its own entry and the sum.
    words.head.guard.take(me(1).holder(), &CUT, None).unwrap();
    words.entries[0].held.store(1, Relaxed);
    assert!(Inside::try_enter(&words.head.guard, OWNER).is_none());
    assert!(semaphore.recover(member(1), OWNER));
    assert_eq!(semaphore.try_take(me(2), 1), Ok(true));
    assert_eq!(semaphore.try_take(me(3), 1), Ok(false));
    // The same, and somebody comes in before the owner has cleared the entry of the dead.
    words.head.guard.take(me(2).holder(), &CUT, None).unwrap();
    words.entries[1].held.store(0, Relaxed);
    words.head.guard.recover(2);
    assert_eq!(semaphore.try_take(me(3), 1), Ok(true));
    assert!(semaphore.recover(member(2), OWNER));
    assert_eq!(semaphore.free(), 0);
}

#[test]
fn while_somebody_stands_still_inside_a_try_says_so_and_the_owner_comes_again() {
    let semaphore = semaphore(5, 100);
    semaphore.words().head.guard.take(me(1).holder(), &CUT, None).unwrap();
    assert_eq!(semaphore.try_take(me(2), 1), Err(NotTaken::TimedOut));
    assert_eq!(semaphore.take(me(2), 1, soon()), Err(NotTaken::TimedOut));
    assert!(!semaphore.recover(member(2), OWNER));
    semaphore.words().head.guard.give_back(me(1).holder());
    assert!(semaphore.recover(member(2), OWNER));
}

#[test]
fn there_are_never_more_inside_than_permits_and_nobody_sleeps_for_ever() {
    let semaphore = semaphore(3, 100);
    let inside = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let threads: Vec<_> = (1..=6)
        .map(|number| {
            let (semaphore, inside) = (semaphore.clone(), Arc::clone(&inside));
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
    assert_eq!((semaphore.free(), semaphore.holders()), (3, vec![]));
}

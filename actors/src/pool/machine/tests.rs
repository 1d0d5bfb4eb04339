//! The table against a world of workers that begin, work, tell late, give back, stop, and die at any moment.
//!
//! Whatever happens, each task is settled once, runs no more often than its terms allow, and none is forgotten.

mod chance;
mod fake;
mod simulated;
mod world;

use std::time::Duration;

use self::world::{Play, Seen};
use super::{Cancel, Rules, State};
use crate::pool::error::TaskError;
use crate::pool::retry::Retries;
use crate::pool::work::Terms;

fn rules(min: usize, max: usize) -> Rules {
    Rules {
        min,
        max,
        idle_for: (min < max).then_some(Duration::from_secs(1)),
        tasks_a_life: None,
        life: None,
        capacity: 1 << 20,
        capacity_bytes: 1 << 30,
    }
}

/// How many plays of chance there are; more by hand.
fn plays(few: u64) -> u64 {
    std::env::var("STORM_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}

/// Plays of chance, in which the first number names the play.
fn storm(plays: u64, steps: u32, rules: impl Fn(u64) -> Rules, deadly: bool) {
    for seed in 0..plays {
        let mut play = Play::new(rules(seed), seed);
        for _ in 0..steps {
            play.step(deadly);
            play.check();
        }
        play.settle_all();
    }
}

#[test]
fn every_task_is_settled_once_whatever_happens_to_the_workers() {
    storm(plays(3_000), 120, |seed| rules((seed % 3) as usize, 1 + (seed % 4) as usize + 2), true);
}

#[test]
fn every_task_is_settled_once_when_workers_are_recycled() {
    let few = |seed: u64| Rules {
        tasks_a_life: Some(1 + seed % 5),
        life: seed.is_multiple_of(2).then_some(Duration::from_millis(300)),
        ..rules(1, 1 + (seed % 3) as usize)
    };
    storm(plays(2_000), 120, few, true);
}

#[test]
fn without_deaths_every_task_has_its_value_and_ran_once() {
    for seed in 0..plays(1_000) {
        let mut play = Play::new(rules(1, 3), seed);
        for _ in 0..100 {
            play.step(false);
            play.check();
        }
        play.settle_all();
        for (task, seen) in &play.world.seen {
            assert!(matches!(seen, Seen::Value), "play {seed}: {task:?} came to {seen:?}");
            assert_eq!(play.world.runs[task], 1, "play {seed}: {task:?}");
        }
    }
}

#[test]
fn of_a_dead_workers_tasks_only_the_one_in_hand_fails() {
    let mut play = Play::new(rules(1, 1), 1);
    let worker = play.start_worker();
    // It learns that they are light, and holds more than one.
    for _ in 0..8 {
        play.submit(1, Terms::default());
        play.work_off(worker);
    }
    let first = play.submit(1, Terms::default());
    let second = play.submit(1, Terms::default());
    let third = play.submit(1, Terms::default());
    play.deliver_all(worker);
    play.begin(worker);
    play.die(worker);
    assert!(matches!(
        play.world.seen.get(&(first, 0)),
        Some(Seen::Error(TaskError::Died { had_returned: false, .. }))
    ));
    assert!(!play.world.seen.contains_key(&(second, 0)) && !play.world.seen.contains_key(&(third, 0)));
    play.settle_all();
    assert!(matches!(play.world.seen[&(second, 0)], Seen::Value));
    assert!(matches!(play.world.seen[&(third, 0)], Seen::Value));
}

#[test]
fn a_value_that_its_worker_had_written_down_outlives_it() {
    let mut play = Play::new(rules(1, 1), 3);
    let worker = play.start_worker();
    let task = play.submit(1, Terms::default());
    play.deliver_all(worker);
    play.begin(worker);
    play.finish(worker);
    play.die(worker);
    assert!(matches!(play.world.seen.get(&(task, 0)), Some(Seen::Value)));
}

#[test]
fn a_value_that_went_with_its_worker_is_an_error_and_the_task_does_not_run_again() {
    let mut play = Play::new(rules(1, 1), 2);
    let worker = play.start_worker();
    let task = play.submit(1, Terms::default());
    play.deliver_all(worker);
    play.begin(worker);
    play.finish(worker);
    play.die(worker);
    let seen = play.world.seen.get(&(task, 0));
    assert!(matches!(seen, Some(Seen::Error(TaskError::Died { had_returned: true, .. }))), "{seen:?}");
    play.settle_all();
    assert_eq!(play.world.runs[&(task, 0)], 1);
}

#[test]
fn a_task_is_ended_at_its_time_limit_and_not_before() {
    let mut play = Play::new(rules(1, 1), 3);
    let worker = play.start_worker();
    let limit = Duration::from_millis(100);
    let task = play.submit(1, Terms { limit: Some(limit), ..Terms::default() });
    play.deliver_all(worker);
    play.begin(worker);
    play.pass(limit - Duration::from_millis(1));
    assert!(play.world.dooms.is_empty(), "not before");
    play.pass(Duration::from_millis(1));
    assert_eq!(play.world.dooms, [worker]);
    play.pass(Duration::from_millis(60));
    play.die(worker);
    assert!(matches!(play.world.seen.get(&(task, 0)), Some(Seen::Error(TaskError::TimedOut(_)))));
}

#[test]
fn a_worker_that_does_not_begin_is_replaced_and_the_task_waits_again() {
    let mut play = Play::new(rules(1, 1), 4);
    let worker = play.start_worker();
    let limit = Duration::from_millis(100);
    let task = play.submit(1, Terms { limit: Some(limit), ..Terms::default() });
    play.pass(limit + Duration::from_millis(49));
    assert!(play.world.dooms.is_empty(), "it has a little longer than the task");
    play.pass(Duration::from_millis(60));
    assert!(play.world.killed.contains(&worker));
    play.die(worker);
    assert!(!play.world.seen.contains_key(&(task, 0)));
    play.settle_all();
    assert!(matches!(play.world.seen[&(task, 0)], Seen::Value));
}

#[test]
fn an_idle_worker_gets_what_another_hoards() {
    let mut play = Play::new(rules(2, 2), 5);
    let (one, other) = (play.start_worker(), play.start_worker());
    for _ in 0..12 {
        play.submit(1, Terms::default());
        play.work_off(one);
        play.work_off(other);
    }
    for _ in 0..8 {
        play.submit(1, Terms::default());
    }
    let (busy, idle) = if play.holds(one) > 1 { (one, other) } else { (other, one) };
    assert!(play.holds(busy) > 1, "light tasks go to one worker");
    play.deliver_all(busy);
    play.begin(busy);
    // The task in its hand is not light.
    play.work_off(idle);
    play.pass(Duration::from_millis(5));
    play.deliver_all(busy);
    play.hear_all(busy);
    assert!(play.holds(idle) > 0, "it got some of them");
}

#[test]
fn a_chunk_that_was_asked_for_before_it_was_begun_is_asked_for_again() {
    let mut play = Play::new(rules(2, 2), 5);
    let (one, other) = (play.start_worker(), play.start_worker());
    play.submit(4, Terms::default());
    let (busy, idle) = if play.holds(one) > 0 { (one, other) } else { (other, one) };
    play.deliver_all(busy);
    play.hear_all(busy);
    play.begin(busy);
    for _ in 0..3 {
        play.pass(Duration::from_millis(5));
        play.deliver_all(busy);
        play.finish(busy);
        play.begin(busy);
        play.hear_all(busy);
    }
    assert!(play.holds(idle) > 0, "it got some of them");
}

#[test]
fn seven_failed_starts_in_a_row_break_the_pool_unless_somebody_works() {
    let mut play = Play::new(rules(2, 2), 6);
    let task = play.submit(1, Terms::default());
    for _ in 0..7 {
        play.fail_start("no licence");
        play.pass(Duration::from_secs(2));
    }
    assert_eq!(play.machine.state, State::Broken("no licence".to_owned()));
    assert!(
        matches!(&play.world.seen[&(task, 0)], Seen::Error(TaskError::Broken(why)) if why == "no licence")
    );
    let mut play = Play::new(rules(2, 2), 7);
    play.start_worker();
    for _ in 0..20 {
        play.fail_start("no licence");
        play.pass(Duration::from_secs(2));
    }
    assert_eq!(play.machine.state, State::Open);
}

#[test]
fn tries_wait_and_count_by_the_kind_of_failure() {
    let mut play = Play::new(rules(1, 1), 8);
    let backoff = crate::Backoff::new(Duration::from_secs(1), Duration::from_secs(1)).jitter(0.0);
    let retries = Retries::up_to(2).on_panic(false).backoff(backoff);
    let task = play.submit(1, Terms { retries, ..Terms::default() });
    for tries in 1..=3 {
        let worker = play.start_worker();
        play.deliver_all(worker);
        play.begin(worker);
        play.die(worker);
        assert_eq!(play.world.runs[&(task, 0)], tries);
        assert_eq!(play.world.seen.contains_key(&(task, 0)), tries == 3);
        play.pass(Duration::from_millis(900));
        assert_eq!(play.waits(), 0, "not before its time");
        play.pass(Duration::from_millis(200));
    }
}

/// > A task that waits to be tried again takes room among those that wait, by number and by bytes, until it is given to a worker or cancelled.
#[test]
fn a_task_that_is_tried_again_later_takes_room_until_it_is_cancelled_or_given() {
    let year = Duration::from_secs(365 * 24 * 3600);
    // A task's arguments take 17 bytes here.
    for (capacity, capacity_bytes) in [(1, 1 << 20), (1 << 20, 17)] {
        let mut play = Play::new(Rules { capacity, capacity_bytes, ..rules(1, 1) }, 14);
        for wait in [year, Duration::from_secs(1)] {
            let retries = Retries::up_to(1).backoff(crate::Backoff::new(wait, wait).jitter(0.0));
            let task = play.submit(1, Terms { retries, ..Terms::default() });
            let worker = play.start_worker();
            play.deliver_all(worker);
            play.begin(worker);
            assert!(play.machine.has_room(), "what a worker has takes none");
            play.die(worker);
            assert!(!play.machine.has_room());
            if wait == year {
                assert_eq!(play.cancel(task, false), Cancel::Cancelled);
            } else {
                let worker = play.start_worker();
                play.pass(wait);
                assert_eq!(play.holds(worker), 1);
            }
            assert!(play.machine.has_room());
        }
    }
}

#[test]
fn tasks_that_were_cancelled_while_they_waited_to_be_tried_again_leave_nothing() {
    let year = Duration::from_secs(365 * 24 * 3600);
    let mut play = Play::new(rules(1, 1), 15);
    let retries = Retries::up_to(1).backoff(crate::Backoff::new(year, year));
    for _ in 0..1000 {
        let worker = play.start_worker();
        let task = play.submit(1, Terms { retries, ..Terms::default() });
        play.deliver_all(worker);
        play.begin(worker);
        play.die(worker);
        assert_eq!(play.cancel(task, false), Cancel::Cancelled);
    }
    assert!(play.machine.later.len() < 100, "{} are kept", play.machine.later.len());
}

#[test]
fn what_waits_is_cancelled_at_once_and_what_runs_when_its_worker_is_killed() {
    let mut play = Play::new(rules(1, 1), 9);
    let worker = play.start_worker();
    let runs = play.submit(1, Terms::default());
    let waits = play.submit(1, Terms::default());
    play.deliver_all(worker);
    play.begin(worker);
    assert_eq!(play.cancel(waits, false), Cancel::Cancelled);
    assert_eq!(play.cancel(runs, false), Cancel::Runs);
    assert_eq!(play.cancel(runs, true), Cancel::Asked);
    play.pass(Duration::from_millis(60));
    assert!(play.world.killed.contains(&worker));
    play.die(worker);
    for task in [runs, waits] {
        assert!(matches!(play.world.seen[&(task, 0)], Seen::Error(TaskError::Cancelled)));
    }
}

/// > A task that has not begun when its worker dies, and that was being cancelled, is cancelled, however many workers have died of it.
#[test]
fn a_task_that_is_being_taken_back_when_its_worker_dies_is_cancelled_however_many_have_died_of_it() {
    let mut play = Play::new(rules(1, 1), 12);
    let task = play.submit(1, Terms::default());
    for death in 1..=5 {
        let worker = play.start_worker();
        play.deliver_all(worker);
        if death == 5 {
            assert_eq!(play.cancel(task, false), Cancel::Asked);
        }
        play.die(worker);
        play.pass(Duration::from_secs(2));
    }
    let seen = play.world.seen.get(&(task, 0));
    assert!(matches!(seen, Some(Seen::Error(TaskError::Cancelled))), "{seen:?}");
}

/// > A task that is to be ended by all means is cancelled, whoever kills its worker meanwhile, unless it has returned.
#[test]
fn a_task_that_is_to_end_is_cancelled_whoever_kills_its_worker() {
    let mut play = Play::new(rules(1, 1), 13);
    let worker = play.start_worker();
    let retries = Retries::up_to(3);
    let task = play.submit(1, Terms { retries, ..Terms::default() });
    play.deliver_all(worker);
    assert_eq!(play.cancel(task, true), Cancel::Asked);
    // It begins before it is asked for, and dies before anybody has looked.
    play.begin(worker);
    play.die(worker);
    let seen = play.world.seen.get(&(task, 0));
    assert!(matches!(seen, Some(Seen::Error(TaskError::Cancelled))), "{seen:?}");
}

#[test]
fn higher_priorities_are_given_first_and_equal_ones_in_order() {
    let mut play = Play::new(rules(1, 1), 10);
    let tasks: Vec<(i32, u64)> = [0, 5, -1, 5, 0]
        .into_iter()
        .map(|priority| (priority, play.submit(1, Terms { priority, ..Terms::default() })))
        .collect();
    let worker = play.start_worker();
    while play.world.seen.len() < tasks.len() {
        play.work_off(worker);
    }
    let mut wanted = tasks;
    wanted.sort_by_key(|(priority, task)| (-priority, *task));
    assert_eq!(play.world.order, wanted.into_iter().map(|(_, task)| task).collect::<Vec<_>>());
}

#[test]
fn workers_come_with_the_work_and_go_when_they_idle() {
    let mut play = Play::new(rules(0, 3), 11);
    assert_eq!(play.machine.live(), 0);
    for _ in 0..10 {
        play.submit(1, Terms::default());
    }
    assert_eq!(play.machine.live(), 3);
    play.settle_all();
    play.pass(Duration::from_secs(2));
    assert_eq!(play.machine.live(), 0);
}

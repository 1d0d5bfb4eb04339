//! Waits before a child is started again.

use super::*;
use crate::supervisor::backoff::{Backoff, BackoffError};

/// 100, 200, 400, 800, 1,000, 1,000 ms, with nothing left to chance; a life of 10 s begins anew.
pub(super) fn exact() -> Backoff {
    Backoff::new(ms(100), ms(1_000)).jitter(0.0).reset_after(ms(10_000))
}

fn unlimited(strategy: Strategy) -> Settings {
    Settings { max_restarts: u32::MAX, ..of(strategy) }
}

fn one(backoff: Backoff) -> Scene {
    let plan = Plan { backoff: Some(backoff), ..permanent("a") };
    Scene::running(unlimited(Strategy::OneForOne), vec![plan])
}

/// It fails: how long it waits. Then it has been started again.
fn wait(scene: &mut Scene) -> Duration {
    assert_eq!(scene.fails("a"), "restarting a");
    let until = scene.wake_at.unwrap();
    let wait = until - (scene.now - scene.origin);
    assert_eq!(scene.pass(wait - Duration::from_nanos(1)), "", "not a moment too early");
    assert_eq!(scene.pass(Duration::from_nanos(1)), "restart a");
    assert_eq!(scene.started("a"), "");
    wait
}

#[test]
fn without_a_back_off_a_child_is_started_again_at_once() {
    let mut scene = Scene::running(Settings::default(), all_permanent("a"));
    assert_eq!(scene.fails("a"), "restarting a, restart a");
    assert_eq!(scene.wake_at, None);
}

#[test]
fn waits_grow_by_the_factor_up_to_the_longest() {
    let mut scene = one(exact());
    let waits: Vec<Duration> = (0..6).map(|_| wait(&mut scene)).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000].map(ms));
    let mut scene = one(exact().factor(1.0));
    assert_eq!([wait(&mut scene), wait(&mut scene)], [ms(100); 2]);
}

#[test]
fn failed_starts_are_failures_in_a_row() {
    let mut scene = one(exact());
    scene.fails("a");
    scene.pass(ms(100));
    assert_eq!(scene.start_fails("a"), "restarting a");
    assert_eq!(scene.pass(ms(199)), "");
    assert_eq!(scene.pass(ms(1)), "restart a");
    assert_eq!(scene.reports[1], r#"child "a" did not start (no luck); it is started again in 200ms"#);
}

#[test]
fn a_life_that_is_long_enough_begins_anew_and_one_a_millisecond_shorter_does_not() {
    let mut scene = one(exact());
    wait(&mut scene);
    scene.pass(ms(9_999));
    assert_eq!(wait(&mut scene), ms(200));
    scene.pass(ms(10_000));
    assert_eq!(wait(&mut scene), ms(100));
}

#[test]
fn a_long_start_is_no_long_life() {
    let mut scene = one(exact());
    scene.fails("a");
    scene.pass(ms(100));
    scene.pass(ms(50_000));
    scene.started("a");
    assert_eq!(wait(&mut scene), ms(200));
}

#[test]
fn a_long_life_that_a_sibling_ended_begins_anew_too() {
    let plans = vec![Plan { backoff: Some(exact()), ..permanent("a") }, permanent("b")];
    let mut scene = Scene::running(unlimited(Strategy::OneForAll), plans);
    scene.fails("a");
    scene.is_gone("b");
    scene.pass(ms(100));
    scene.started("a");
    scene.started("b");
    scene.pass(ms(10_000));
    scene.fails_among_good_ones("b");
    assert_eq!(scene.fails("a"), "restarting a, stop b");
    scene.is_gone("b");
    assert_eq!(scene.pass(ms(100)), "restart a");
}

#[test]
fn a_restart_by_command_begins_anew() {
    let mut scene = one(exact());
    wait(&mut scene);
    scene.fails("a");
    scene.terminate("a");
    assert_eq!(scene.restart("a"), "start a");
    scene.started("a");
    assert_eq!(wait(&mut scene), ms(100));
}

#[test]
fn chance_shortens_a_wait_by_no_more_than_its_share() {
    let backoff = exact().jitter(0.25);
    let mut chance = fastrand::Rng::with_seed(1);
    let waits: Vec<Duration> = (0..1_000).map(|_| backoff.wait(1, &mut chance)).collect();
    let (shortest, longest) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
    assert!(shortest >= ms(75) && longest <= ms(100), "{shortest:?} to {longest:?}");
    assert!(shortest < ms(76) && longest > ms(99), "all of the share is used");
    let waits: Vec<Duration> = (0..1_000).map(|_| exact().jitter(1.0).wait(9, &mut chance)).collect();
    assert!(*waits.iter().max().unwrap() <= ms(1_000), "chance adds nothing to the longest");
    assert!(*waits.iter().min().unwrap() < ms(10));
}

#[test]
fn the_same_seed_gives_the_same_waits() {
    let waits = |seed| {
        let mut chance = fastrand::Rng::with_seed(seed);
        (1..9).map(|failures| exact().jitter(0.5).wait(failures, &mut chance)).collect::<Vec<_>>()
    };
    assert_eq!(waits(3), waits(3));
    assert_ne!(waits(3), waits(4));
}

#[test]
fn no_number_of_failures_and_no_length_overflows() {
    let mut chance = fastrand::Rng::with_seed(1);
    assert_eq!(exact().wait(u32::MAX, &mut chance), ms(1_000));
    let endless = Backoff::new(ms(1), Duration::MAX).jitter(0.0).factor(f64::MAX);
    assert_eq!(endless.check(), Ok(()));
    assert_eq!(endless.wait(u32::MAX, &mut chance), Duration::MAX);
    let mut scene = one(endless);
    scene.fails("a");
    scene.pass(Duration::from_secs(3_600));
    assert!(scene.wake_at.is_some(), "a time in the future, however far");
}

#[test]
fn a_group_goes_down_at_once_and_waits_as_a_whole() {
    let plans = vec![permanent("a"), Plan { backoff: Some(exact()), ..permanent("b") }, permanent("c")];
    let mut scene = Scene::running(unlimited(Strategy::OneForAll), plans.clone());
    assert_eq!(scene.fails("b"), "restarting b, stop c");
    assert_eq!(scene.is_gone("c"), "restarting c, stop a");
    assert_eq!(scene.is_gone("a"), "restarting a");
    assert_eq!(scene.pass(ms(99)), "");
    assert_eq!(scene.pass(ms(1)), "restart a");

    let mut scene = Scene::running(unlimited(Strategy::RestForOne), plans);
    assert_eq!(scene.fails("b"), "restarting b, stop c");
    assert_eq!(scene.is_gone("c"), "restarting c");
    assert_eq!(scene.fails("a"), "restarting a, restart a", "it does not depend on b");
    assert_eq!(scene.started("a"), "");
    assert_eq!(scene.pass(ms(100)), "restart b");
}

#[test]
fn the_time_a_group_needs_to_go_down_is_part_of_the_wait() {
    let plans = vec![Plan { backoff: Some(exact()), ..permanent("a") }, permanent("b")];
    let mut scene = Scene::running(unlimited(Strategy::OneForAll), plans);
    scene.fails("a");
    assert_eq!(scene.pass(ms(3_000)), "");
    assert_eq!(scene.is_gone("b"), "restarting b, restart a");
}

#[test]
fn a_back_off_holds_up_nobody_else() {
    let plans = vec![Plan { backoff: Some(exact()), ..permanent("a") }, permanent("b")];
    let mut scene = Scene::running(of(Strategy::OneForOne), plans);
    assert_eq!(scene.fails("a"), "restarting a");
    assert_eq!(scene.fails("b"), "restarting b, restart b");
    assert_eq!(scene.add(permanent("c")), "start c");
}

#[test]
fn whoever_ticks_too_early_is_told_the_time_again() {
    let mut scene = one(exact());
    scene.fails("a");
    scene.wake_at = None;
    assert_eq!(scene.pass(ms(50)), "");
    assert_eq!(scene.wake_at, Some(ms(100)));
}

#[test]
fn what_is_wrong_with_a_back_off_is_named() {
    let no_reset = exact().reset_after(Duration::ZERO);
    let wrong = [
        (Backoff::new(ms(0), ms(10)), BackoffError::NoInitial),
        (Backoff::new(ms(11), ms(10)), BackoffError::MaxBelowInitial),
        (exact().factor(0.9), BackoffError::Factor),
        (exact().factor(f64::NAN), BackoffError::Factor),
        (exact().factor(f64::INFINITY), BackoffError::Factor),
        (exact().jitter(-0.1), BackoffError::Jitter),
        (exact().jitter(1.1), BackoffError::Jitter),
        (exact().jitter(f64::NAN), BackoffError::Jitter),
        (no_reset, BackoffError::NoReset),
    ];
    for (backoff, error) in wrong {
        assert_eq!(backoff.check(), Err(error));
    }
    assert_eq!(exact().jitter(1.0).factor(1.0).check(), Ok(()));
}

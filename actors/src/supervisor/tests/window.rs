//! How many restarts are too many, and what happens then.

use super::*;

/// One child that fails at once after each restart, at these times.
fn failures_at(settings: Settings, times: &[u64]) -> Vec<bool> {
    let mut scene = Scene::running(settings, all_permanent("a"));
    let origin = scene.now;
    let ends = times.iter().map(|time| {
        scene.now = origin + ms(*time);
        scene.fails_among_good_ones("a").contains("ended: too many restarts")
    });
    ends.collect()
}

#[test]
fn three_restarts_within_five_seconds_are_allowed_unless_it_is_set_and_the_fourth_ends_the_supervisor() {
    assert_eq!(failures_at(Settings::default(), &[0, 1, 2, 3]), [false, false, false, true]);
}

#[test]
fn a_restart_at_the_very_end_of_the_window_still_counts() {
    assert_eq!(failures_at(Settings::default(), &[0, 1, 2, 4_999]), [false, false, false, true]);
    assert_eq!(failures_at(Settings::default(), &[0, 1, 2, 5_000]), [false, false, false, true]);
}

#[test]
fn a_restart_a_millisecond_past_the_window_does_not_count() {
    assert_eq!(failures_at(Settings::default(), &[0, 1, 2, 5_001]), [false; 4]);
}

#[test]
fn the_window_slides_and_does_not_begin_anew() {
    // A window that begins anew at 5,000 would let the last ones pass.
    let times = [0, 4_000, 4_900, 5_001, 5_100];
    assert_eq!(failures_at(Settings::default(), &times), [false, false, false, false, true]);
    let times = [0, 2_000, 4_000, 5_001, 7_001, 9_001, 10_002, 12_002, 14_002];
    assert_eq!(failures_at(Settings::default(), &times), [false; 9]);
}

#[test]
fn without_any_restart_allowed_the_first_failure_ends_the_supervisor() {
    let settings = Settings { max_restarts: 0, ..Settings::default() };
    assert_eq!(failures_at(settings, &[0]), [true]);
}

#[test]
fn restarts_of_different_children_count_together() {
    let mut scene = Scene::running(of(Strategy::OneForOne), all_permanent("a b c d"));
    for name in ["a", "b", "c"] {
        scene.fails_among_good_ones(name);
    }
    let said = scene.fails("d");
    assert_eq!(said, "final d, forget d, stop c");
}

#[test]
fn ends_that_no_restart_follows_do_not_count() {
    let plans = vec![transient("a"), temporary("b"), temporary("c"), permanent("d")];
    let settings = Settings { max_restarts: 1, ..Settings::default() };
    let mut scene = Scene::running(settings, plans);
    scene.ends("a", How::Normal);
    scene.fails("b");
    scene.fails("c");
    assert_eq!(scene.fails("d"), "restarting d, restart d");
}

#[test]
fn each_failed_start_at_a_restart_counts() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = Scene::running(of(strategy), all_permanent("a"));
        scene.fails("a");
        assert_eq!(scene.start_fails("a"), "restarting a, restart a");
        assert_eq!(scene.start_fails("a"), "restarting a, restart a");
        assert_eq!(scene.start_fails("a"), "final a, forget a, ended: too many restarts");
    }
}

#[test]
fn a_transient_child_that_does_not_start_at_a_restart_is_tried_again() {
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![transient("a")]);
    scene.fails("a");
    assert_eq!(scene.start_fails("a"), "restarting a, restart a");
}

#[test]
fn starts_that_somebody_asked_for_do_not_count() {
    let settings = Settings { max_restarts: 0, ..Settings::default() };
    let mut scene = Scene::running(settings, all_permanent("a"));
    scene.add(permanent("b"));
    scene.start_fails("b");
    scene.terminate("a");
    scene.is_gone("a");
    scene.restart("a");
    assert_eq!(scene.start_fails("a"), "final a, 3 is refused: the child did not start");
}

#[test]
fn too_many_restarts_stop_the_others_in_reverse_by_each_strategy() {
    let said = |strategy, failing| {
        let settings = Settings { strategy, max_restarts: 0, ..Settings::default() };
        Scene::running(settings, all_permanent("a b c")).fails_among_good_ones(failing)
    };
    let expected =
        "final b, forget b, stop c, final c, forget c, stop a, final a, forget a, ended: too many restarts";
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        assert_eq!(said(strategy, "b"), expected, "{strategy:?}");
    }
    let at_once =
        "final b, forget b, stop c, stop a, final c, forget c, final a, forget a, ended: too many restarts";
    assert_eq!(said(Strategy::SimpleOneForOne, "b"), at_once);
}

#[test]
fn too_many_restarts_while_a_group_goes_down_end_the_supervisor() {
    let settings = Settings { strategy: Strategy::RestForOne, max_restarts: 1, ..Settings::default() };
    let mut scene = Scene::running(settings, all_permanent("a b c"));
    assert_eq!(scene.fails("b"), "restarting b, stop c");
    assert_eq!(scene.fails("a"), "final a, final b, forget b, forget a");
    assert_eq!(scene.is_gone("c"), "final c, forget c, ended: too many restarts");
}

#[test]
fn the_last_failure_is_reported_as_too_many() {
    let settings = Settings { max_restarts: 0, ..Settings::default() };
    let mut scene = Scene::running(settings, all_permanent("a"));
    scene.fails("a");
    assert_eq!(scene.reports, [r#"child "a" failed (over); too many restarts, so all are stopped"#]);
}

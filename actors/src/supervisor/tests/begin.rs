//! The beginning: one after the other, all or none.

use super::*;

#[test]
fn children_are_started_from_left_to_right_each_once_the_one_before_runs() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = Scene::new(of(strategy), all_permanent("a b c"));
        assert_eq!(scene.begin(), "start a");
        assert_eq!(scene.started("a"), "start b");
        assert_eq!(scene.started("b"), "start c");
        assert_eq!(scene.started("c"), "begun");
    }
}

#[test]
fn a_supervisor_without_children_has_begun_at_once() {
    for strategy in [Strategy::OneForOne, Strategy::SimpleOneForOne] {
        let mut scene = Scene::new(of(strategy), Vec::new());
        assert_eq!(scene.begin(), "begun");
        assert_eq!(scene.begin(), "", "it begins once");
        assert_eq!(scene.stop(), "ended: asked");
    }
}

#[test]
fn a_start_that_fails_at_the_beginning_stops_the_started_ones_in_reverse_and_ends_the_supervisor() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = Scene::new(of(strategy), all_permanent("a b c d"));
        scene.begin();
        scene.started("a");
        scene.started("b");
        assert_eq!(scene.start_fails("c"), "final c, forget d, forget c, stop b");
        assert_eq!(scene.is_gone("b"), "final b, forget b, stop a");
        assert_eq!(scene.is_gone("a"), "final a, forget a, ended: c did not start, no luck");
        assert_eq!(scene.reports, [r#"child "c" did not start (no luck); all are stopped"#]);
    }
}

#[test]
fn also_a_temporary_child_that_does_not_start_at_the_beginning_ends_the_supervisor() {
    let mut scene = Scene::new(of(Strategy::OneForOne), vec![temporary("a")]);
    scene.begin();
    assert_eq!(scene.start_fails("a"), "final a, forget a, ended: a did not start, no luck");
}

#[test]
fn a_child_that_hangs_at_its_start_keeps_nobody_from_stopping_the_supervisor() {
    let mut scene = Scene::new(of(Strategy::OneForOne), all_permanent("a b c"));
    scene.begin();
    scene.started("a");
    assert_eq!(scene.stop(), "forget c, stop b");
    assert_eq!(scene.pass(ms(4_999)), "");
    assert_eq!(scene.pass(ms(1)), "kill b");
    assert_eq!(scene.is_gone("b"), "final b, forget b, stop a");
    assert_eq!(scene.is_gone("a"), "final a, forget a, ended: asked");
}

#[test]
fn a_supervisor_that_is_stopped_before_it_begins_starts_nobody() {
    let mut scene = Scene::new(of(Strategy::OneForOne), all_permanent("a b"));
    assert_eq!(scene.stop(), "forget b, forget a, ended: asked");
    assert_eq!(scene.begin(), "");
}

#[test]
fn a_child_that_fails_before_the_last_has_started_is_started_again_in_its_turn() {
    let mut scene = Scene::new(of(Strategy::OneForOne), all_permanent("a b c"));
    scene.begin();
    scene.started("a");
    assert_eq!(scene.fails("a"), "restarting a");
    assert_eq!(scene.started("b"), "restart a");
    assert_eq!(scene.start_fails("a"), "restarting a, restart a", "it had started once");
    assert_eq!(scene.started("a"), "start c");
    assert_eq!(scene.started("c"), "begun");
}

#[test]
fn a_child_stopped_by_a_sibling_during_its_first_start_still_has_to_start_for_the_supervisor_to_begin() {
    let mut scene = Scene::new(of(Strategy::OneForAll), all_permanent("a b"));
    scene.begin();
    scene.started("a");
    assert_eq!(scene.fails("a"), "restarting a, stop b");
    assert_eq!(scene.is_gone("b"), "restarting b, restart a");
    assert_eq!(scene.started("a"), "restart b");
    assert_eq!(scene.start_fails("b"), "final b, forget b, stop a");
    assert_eq!(scene.is_gone("a"), "final a, forget a, ended: b did not start, no luck");
}

#[test]
fn a_back_off_during_the_beginning_holds_up_the_others_only_where_they_are_one_group() {
    let delayed = || Plan { backoff: Some(super::backoff::exact()), ..permanent("a") };
    let mut scene = Scene::new(of(Strategy::OneForOne), vec![delayed(), permanent("b")]);
    scene.begin();
    scene.started("a");
    scene.fails("a");
    assert_eq!(scene.started("b"), "begun");
    assert_eq!(scene.pass(ms(100)), "restart a");

    let mut scene = Scene::new(of(Strategy::OneForAll), vec![delayed(), permanent("b")]);
    scene.begin();
    scene.started("a");
    scene.fails("a");
    assert_eq!(scene.is_gone("b"), "restarting b");
    assert_eq!(scene.pass(ms(100)), "restart a");
    assert_eq!(scene.started("a"), "restart b");
    assert_eq!(scene.started("b"), "begun");
}

#[test]
fn what_is_added_before_the_beginning_is_over_has_its_turn_and_can_not_spoil_it() {
    let mut scene = Scene::new(of(Strategy::OneForOne), all_permanent("a b"));
    assert_eq!(scene.add(permanent("early")), "");
    scene.begin();
    assert_eq!(scene.add(permanent("late")), "");
    scene.started("a");
    assert_eq!(scene.started("b"), "begun, start early, start late");
    assert_eq!(
        scene.start_fails("early"),
        "final early, forget early, 1 is refused: the child did not start"
    );
    assert_eq!(scene.started("late"), "2 is done");
}

#[test]
fn a_child_terminated_before_its_turn_is_not_started_and_not_waited_for() {
    let mut scene = Scene::new(of(Strategy::OneForOne), all_permanent("a b c"));
    scene.begin();
    assert_eq!(scene.terminate("b"), "1 is done");
    assert_eq!(scene.terminate("c"), "2 is done");
    assert_eq!(scene.started("a"), "begun");
    assert_eq!(scene.restart("b"), "start b");
    assert_eq!(scene.started("b"), "3 is done");
}

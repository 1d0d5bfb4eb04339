//! Children that are stopped and started again because of another.

use super::*;

#[test]
fn all_are_stopped_from_right_to_left_then_started_from_left_to_right() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a b c"));
    assert_eq!(scene.fails("b"), "restarting b, stop c");
    assert_eq!(scene.is_gone("c"), "restarting c, stop a", "one at a time");
    assert_eq!(scene.is_gone("a"), "restarting a, restart a", "only once all are gone");
    assert_eq!(scene.started("a"), "restart b");
    assert_eq!(scene.started("b"), "restart c");
    assert_eq!(scene.started("c"), "");
}

#[test]
fn rest_for_one_does_not_touch_those_before() {
    let mut scene = Scene::running(of(Strategy::RestForOne), all_permanent("a b c d"));
    assert_eq!(scene.fails("b"), "restarting b, stop d");
    assert_eq!(scene.is_gone("d"), "restarting d, stop c");
    assert_eq!(scene.is_gone("c"), "restarting c, restart b");
    assert_eq!(scene.started("b"), "restart c");
    assert_eq!(scene.started("c"), "restart d");
    let mut scene = Scene::running(of(Strategy::RestForOne), all_permanent("a b"));
    assert_eq!(scene.fails("b"), "restarting b, restart b", "the last has nobody after it");
}

#[test]
fn a_temporary_bystander_goes_down_with_the_others_and_never_comes_back() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = Scene::running(of(strategy), vec![permanent("a"), temporary("b"), transient("c")]);
        let said = scene.fails_among_good_ones("a");
        let expected = "restarting a, stop c, restarting c, stop b, final b, forget b, restart a, restart c";
        assert_eq!(said, expected);
        assert_eq!(scene.state("b"), None);
    }
}

#[test]
fn a_child_that_is_stopped_with_the_others_may_end_as_it_likes_and_it_is_no_failure() {
    for how in [How::Normal, How::Shutdown, How::Abnormal] {
        let settings = Settings { strategy: Strategy::OneForAll, max_restarts: 1, ..Settings::default() };
        let mut scene = Scene::running(settings, vec![permanent("a"), transient("b")]);
        assert_eq!(scene.fails("a"), "restarting a, stop b");
        assert_eq!(scene.ends("b", how), "restarting b, restart a");
    }
}

#[test]
fn siblings_that_fail_while_the_group_goes_down_are_the_same_failure() {
    let settings = Settings { strategy: Strategy::OneForAll, max_restarts: 1, ..Settings::default() };
    let mut scene = Scene::running(settings, all_permanent("a b c"));
    assert_eq!(scene.fails("b"), "restarting b, stop c");
    assert_eq!(scene.fails("a"), "restarting a", "its turn had not come");
    assert_eq!(scene.is_gone("c"), "restarting c, restart a");
}

#[test]
fn a_child_that_fails_before_the_group_that_goes_down_makes_it_larger() {
    let mut scene = Scene::running(of(Strategy::RestForOne), all_permanent("a b c d"));
    assert_eq!(scene.fails("c"), "restarting c, stop d");
    assert_eq!(scene.fails("a"), "restarting a", "the one that is being stopped is waited for");
    assert_eq!(scene.is_gone("d"), "restarting d, stop b");
    assert_eq!(scene.is_gone("b"), "restarting b, restart a");
}

#[test]
fn a_child_that_fails_while_the_group_comes_up_takes_down_what_is_up() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a b c"));
    scene.fails_among_good_ones("c");
    scene.fails("a");
    scene.is_gone("c");
    assert_eq!(scene.is_gone("b"), "restarting b, restart a");
    assert_eq!(scene.started("a"), "restart b");
    assert_eq!(scene.fails("a"), "restarting a, stop b", "it is starting, and has to be told");
    assert_eq!(scene.is_gone("b"), "restarting b, restart a");
}

#[test]
fn a_start_that_fails_at_a_restart_is_tried_again_with_the_whole_group() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a b c"));
    scene.fails("c");
    scene.is_gone("b");
    scene.is_gone("a");
    assert_eq!(scene.started("a"), "restart b");
    assert_eq!(scene.start_fails("b"), "restarting b, stop a");
    assert_eq!(scene.is_gone("a"), "restarting a, restart a");
    assert_eq!(scene.started("a"), "restart b");
    assert_eq!(scene.started("b"), "restart c");
}

#[test]
fn a_start_that_fails_at_a_restart_is_tried_again_from_there_on() {
    let mut scene = Scene::running(of(Strategy::RestForOne), all_permanent("a b c d"));
    scene.fails("b");
    scene.is_gone("d");
    scene.is_gone("c");
    assert_eq!(scene.started("b"), "restart c");
    assert_eq!(scene.start_fails("c"), "restarting c, restart c", "b runs, and stays up");
    assert_eq!(scene.started("c"), "restart d");
}

#[test]
fn a_restart_of_the_group_brings_back_children_that_were_down() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = Scene::running(of(strategy), vec![permanent("a"), transient("b"), permanent("c")]);
        assert_eq!(scene.ends("b", How::Normal), "final b");
        let said = scene.fails_among_good_ones("a");
        assert_eq!(said, "restarting a, stop c, restarting c, restart a, start b, restart c");
    }
}

#[test]
fn a_restart_of_the_group_brings_back_a_child_that_is_just_being_terminated() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = Scene::running(of(strategy), vec![permanent("a"), permanent("b"), temporary("c")]);
        assert_eq!(scene.terminate("b"), "stop b");
        assert_eq!(scene.terminate("c"), "stop c");
        assert_eq!(scene.fails("a"), "restarting a", "they are waited for like all others");
        assert_eq!(scene.is_gone("c"), "final c, forget c, 2 is done");
        assert_eq!(scene.is_gone("b"), "restarting b, 1 is done, restart a");
        assert_eq!(scene.started("a"), "restart b", "as if it had been down a moment before");
    }
}

#[test]
fn the_others_run_on_while_a_child_of_one_for_one_hangs_at_its_restart() {
    let mut scene = Scene::running(of(Strategy::OneForOne), all_permanent("a b"));
    assert_eq!(scene.fails("a"), "restarting a, restart a");
    assert_eq!(scene.fails("b"), "restarting b, restart b", "a has not been heard of");
    assert_eq!(scene.started("b"), "");
    assert_eq!(scene.terminate("a"), "stop a");
    assert_eq!(scene.pass(ms(5_000)), "kill a");
    assert_eq!(scene.is_gone("a"), "final a, 1 is done");
}

#[test]
fn a_child_terminated_while_its_group_waits_stays_down_and_the_others_come_up() {
    let delayed = Plan { backoff: Some(super::backoff::exact()), ..permanent("a") };
    let mut scene = Scene::running(of(Strategy::OneForAll), vec![delayed, permanent("b")]);
    scene.fails("a");
    assert_eq!(scene.is_gone("b"), "restarting b");
    assert_eq!(scene.terminate("a"), "final a, 1 is done, restart b", "nothing else is waited for");
    assert_eq!(scene.state("a"), Some(State::Down));
}

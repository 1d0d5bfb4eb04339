//! News in another order than expected, of lives that are over, and of nobody.

use super::*;

#[test]
fn an_end_that_overtakes_its_start_is_that_of_a_child_that_had_started() {
    let mut scene = Scene::new(of(Strategy::OneForOne), vec![transient("a"), permanent("b")]);
    scene.begin();
    assert_eq!(scene.ends("a", How::Normal), "final a, start b");
    assert_eq!(scene.started("a"), "", "too late");
    assert_eq!(scene.fails("b"), "restarting b, begun, restart b");
}

#[test]
fn an_added_child_whose_end_overtakes_its_start_was_added() {
    let mut scene = Scene::running(of(Strategy::OneForOne), Vec::new());
    scene.add(temporary("a"));
    assert_eq!(scene.ends("a", How::Normal), "1 is done, final a, forget a");
}

#[test]
fn news_of_a_former_life_change_nothing() {
    let mut scene = Scene::running(of(Strategy::OneForOne), all_permanent("a"));
    scene.fails("a");
    scene.started("a");
    for attempt in [0, 1, 3] {
        let effects = scene.machine.ended(ChildId(1), attempt, How::Abnormal, "old", scene.now);
        assert_eq!(effects, []);
        assert_eq!(scene.machine.started(ChildId(1), attempt, scene.now), []);
        assert_eq!(scene.machine.start_failed(ChildId(1), attempt, "old", scene.now), []);
    }
    assert_eq!(scene.state("a"), Some(State::Running));
}

#[test]
fn news_told_twice_count_once() {
    let plan = Plan { backoff: Some(super::backoff::exact()), ..permanent("a") };
    let mut scene = Scene::running(Settings { max_restarts: 1, ..Settings::default() }, vec![plan]);
    assert_eq!(scene.started("a"), "");
    assert_eq!(scene.fails("a"), "restarting a");
    assert_eq!(scene.fails("a"), "");
    assert_eq!(scene.start_fails("a"), "");
    assert_eq!(scene.pass(ms(100)), "restart a");
    assert_eq!(scene.started("a"), "");
}

#[test]
fn news_of_a_child_that_is_not_known_change_nothing() {
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![temporary("a")]);
    scene.fails("a");
    assert_eq!(scene.fails("a"), "");
    assert_eq!(scene.started("a"), "");
    assert_eq!(scene.start_fails("a"), "");
}

#[test]
fn a_start_told_while_the_child_is_being_stopped_changes_nothing() {
    let mut scene = Scene::new(of(Strategy::OneForOne), all_permanent("a"));
    scene.begin();
    assert_eq!(scene.stop(), "stop a");
    assert_eq!(scene.started("a"), "");
    assert_eq!(scene.is_gone("a"), "final a, forget a, ended: asked");
}

#[test]
fn a_child_forgotten_and_added_again_under_its_name_is_another() {
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![temporary("a")]);
    scene.fails("a");
    scene.add(temporary("a"));
    scene.started("a");
    assert_eq!(scene.machine.ended(ChildId(1), 1, How::Abnormal, "old", scene.now), []);
    assert_eq!(scene.state("a"), Some(State::Running));
}

#[test]
fn a_time_before_the_latest_is_taken_for_the_latest() {
    let mut scene = Scene::running(of(Strategy::OneForOne), all_permanent("a"));
    scene.pass(ms(1_000));
    scene.now -= ms(500);
    assert_eq!(scene.stop(), "stop a");
    assert_eq!(scene.wake_at, Some(ms(6_000)));
}

#[test]
fn lives_are_numbered_from_one_on_without_a_gap() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a b"));
    assert_eq!([scene.attempt("a"), scene.attempt("b")], [1, 1]);
    scene.fails_among_good_ones("a");
    assert_eq!([scene.attempt("a"), scene.attempt("b")], [2, 2]);
}

#[test]
fn nothing_comes_of_news_after_the_end() {
    let mut scene = Scene::running(of(Strategy::OneForOne), all_permanent("a"));
    scene.stop();
    scene.is_gone("a");
    assert_eq!(scene.fails("a"), "");
    assert_eq!(scene.pass(ms(100_000)), "");
    assert_eq!(scene.stop(), "");
    assert_eq!(scene.kill(), "");
    assert_eq!(scene.begin(), "");
}

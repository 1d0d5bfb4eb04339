//! Significant children, whose own end may be the supervisor's.

use super::*;
use crate::supervisor::spec::AutoShutdown;

fn significant(plan: Plan) -> Plan {
    Plan { is_significant: true, ..plan }
}

fn auto(auto_shutdown: AutoShutdown, strategy: Strategy) -> Settings {
    Settings { auto_shutdown, ..of(strategy) }
}

fn any() -> Settings {
    auto(AutoShutdown::AnySignificant, Strategy::OneForOne)
}

fn all() -> Settings {
    auto(AutoShutdown::AllSignificant, Strategy::OneForOne)
}

/// Two significant children, transient and temporary, and one that is not.
fn two() -> Vec<Plan> {
    vec![permanent("a"), significant(transient("b")), significant(temporary("c"))]
}

#[test]
fn any_significant_child_that_ends_by_itself_ends_the_supervisor() {
    for how in [How::Normal, How::Shutdown] {
        let mut scene = Scene::running(any(), two());
        assert_eq!(scene.ends("b", how), "final b, forget b, stop c");
        assert_eq!(scene.is_gone("c"), "final c, forget c, stop a");
        assert_eq!(scene.is_gone("a"), "final a, forget a, ended: significant");
    }
}

#[test]
fn a_temporary_significant_child_that_fails_ends_the_supervisor_too() {
    let mut scene = Scene::running(any(), two());
    assert_eq!(scene.fails("c"), "final c, forget c, stop b");
}

#[test]
fn a_significant_child_that_is_started_again_does_not_end_the_supervisor() {
    for settings in [any(), all()] {
        let mut scene = Scene::running(settings, vec![significant(transient("b"))]);
        assert_eq!(scene.fails("b"), "restarting b, restart b");
    }
}

#[test]
fn a_child_that_is_not_significant_does_not_end_the_supervisor() {
    let plans = vec![transient("a"), significant(transient("b"))];
    let mut scene = Scene::running(any(), plans);
    assert_eq!(scene.ends("a", How::Normal), "final a");
}

#[test]
fn never_is_the_default_and_ends_for_nobody() {
    let mut scene = Scene::running(Settings::default(), vec![transient("a")]);
    assert_eq!(scene.ends("a", How::Normal), "final a");
    assert_eq!(scene.stop(), "forget a, ended: asked");
}

#[test]
fn the_last_of_all_significant_children_ends_the_supervisor() {
    let mut scene = Scene::running(all(), two());
    assert_eq!(scene.ends("c", How::Normal), "final c, forget c");
    assert_eq!(scene.ends("b", How::Normal), "final b, forget b, stop a");
}

#[test]
fn a_significant_child_that_waits_to_be_started_again_is_not_gone() {
    let delayed = Plan { backoff: Some(super::backoff::exact()), ..significant(transient("a")) };
    let mut scene = Scene::running(all(), vec![delayed, significant(temporary("b"))]);
    scene.fails("a");
    assert_eq!(scene.ends("b", How::Normal), "final b, forget b");
    assert_eq!(scene.pass(ms(100)), "restart a");
    scene.started("a");
    assert_eq!(scene.ends("a", How::Normal), "final a, forget a, ended: significant");
}

#[test]
fn a_significant_child_that_is_terminated_does_not_end_the_supervisor() {
    for settings in [any(), all()] {
        let mut scene = Scene::running(settings, two());
        for name in ["b", "c"] {
            scene.terminate(name);
            scene.ends(name, How::Normal);
        }
        assert_eq!(scene.state("a"), Some(State::Running));
        assert_eq!(scene.stop(), "forget b, stop a");
    }
}

#[test]
fn one_that_was_terminated_is_not_waited_for_when_the_last_ends_by_itself() {
    let mut scene = Scene::running(all(), two());
    scene.terminate("b");
    assert_eq!(scene.ends("b", How::Normal), "final b, 1 is done");
    assert_eq!(scene.ends("c", How::Normal), "final c, forget c, forget b, stop a");
}

#[test]
fn a_significant_child_taken_down_by_a_sibling_does_not_end_the_supervisor() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        for kind in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
            let plans = vec![permanent("a"), significant(transient("b")), significant(temporary("c"))];
            let mut scene = Scene::running(auto(kind, strategy), plans);
            assert_eq!(scene.fails("a"), "restarting a, stop c");
            assert_eq!(scene.ends("b", How::Normal), "restarting b", "its turn had not come");
            assert_eq!(scene.ends("c", How::Normal), "final c, forget c, restart a");
            assert_eq!(scene.started("a"), "restart b");
        }
    }
}

#[test]
fn a_significant_child_outside_the_group_that_goes_down_ends_the_supervisor() {
    let plans = vec![significant(transient("a")), permanent("b"), permanent("c")];
    let mut scene = Scene::running(auto(AutoShutdown::AnySignificant, Strategy::RestForOne), plans);
    assert_eq!(scene.fails("b"), "restarting b, stop c");
    assert_eq!(scene.ends("a", How::Normal), "final a, final b, forget b, forget a");
    assert_eq!(scene.is_gone("c"), "final c, forget c, ended: significant");
}

#[test]
fn an_added_significant_child_that_does_not_start_does_not_end_the_supervisor() {
    let mut scene = Scene::running(any(), Vec::new());
    scene.add(significant(temporary("a")));
    assert_eq!(scene.start_fails("a"), "final a, forget a, 1 is refused: the child did not start");
}

#[test]
fn added_children_can_be_the_significant_ones() {
    let settings = auto(AutoShutdown::AllSignificant, Strategy::SimpleOneForOne);
    let plans = vec![significant(temporary("a")), significant(temporary("b"))];
    let mut scene = Scene::running(settings, plans);
    assert_eq!(scene.fails("a"), "final a, forget a");
    assert_eq!(scene.ends("b", How::Normal), "final b, forget b, ended: significant");
}

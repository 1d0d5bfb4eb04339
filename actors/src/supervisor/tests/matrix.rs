//! Every kind of child, every kind of end, every strategy: who is started again.

use super::*;

const HOWS: [How; 3] = [How::Normal, How::Shutdown, How::Abnormal];

/// The second of three children ends: what happens for each way to end. The others are permanent.
fn cells(strategy: Strategy, child: Plan) -> [String; 3] {
    HOWS.map(|how| {
        let plans = vec![permanent("a"), child.clone(), permanent("c")];
        Scene::running(of(strategy), plans).ends_among_good_ones("b", how)
    })
}

const ALONE: &str = "restarting b, restart b";
const REST: &str = "restarting b, stop c, restarting c, restart b, restart c";
const ALL: &str = "restarting b, stop c, restarting c, stop a, restarting a, restart a, restart b, restart c";
const DOWN: &str = "final b";
const FORGOTTEN: &str = "final b, forget b";

#[test]
fn one_for_one_starts_a_permanent_child_again_however_it_ended() {
    assert_eq!(cells(Strategy::OneForOne, permanent("b")), [ALONE; 3]);
}

#[test]
fn one_for_one_starts_a_transient_child_again_only_if_it_failed() {
    assert_eq!(cells(Strategy::OneForOne, transient("b")), [DOWN, DOWN, ALONE]);
}

#[test]
fn one_for_one_forgets_a_temporary_child_however_it_ended() {
    assert_eq!(cells(Strategy::OneForOne, temporary("b")), [FORGOTTEN; 3]);
}

#[test]
fn one_for_all_starts_all_again_however_a_permanent_child_ended() {
    assert_eq!(cells(Strategy::OneForAll, permanent("b")), [ALL; 3]);
}

#[test]
fn one_for_all_starts_all_again_only_if_a_transient_child_failed() {
    assert_eq!(cells(Strategy::OneForAll, transient("b")), [DOWN, DOWN, ALL]);
}

#[test]
fn one_for_all_leaves_the_others_alone_however_a_temporary_child_ended() {
    assert_eq!(cells(Strategy::OneForAll, temporary("b")), [FORGOTTEN; 3]);
}

#[test]
fn rest_for_one_starts_the_later_ones_again_however_a_permanent_child_ended() {
    assert_eq!(cells(Strategy::RestForOne, permanent("b")), [REST; 3]);
}

#[test]
fn rest_for_one_starts_the_later_ones_again_only_if_a_transient_child_failed() {
    assert_eq!(cells(Strategy::RestForOne, transient("b")), [DOWN, DOWN, REST]);
}

#[test]
fn rest_for_one_leaves_the_others_alone_however_a_temporary_child_ended() {
    assert_eq!(cells(Strategy::RestForOne, temporary("b")), [FORGOTTEN; 3]);
}

#[test]
fn simple_one_for_one_starts_a_permanent_child_again_however_it_ended() {
    assert_eq!(cells(Strategy::SimpleOneForOne, permanent("b")), [ALONE; 3]);
}

#[test]
fn simple_one_for_one_starts_a_transient_child_again_if_it_failed_and_forgets_it_otherwise() {
    assert_eq!(cells(Strategy::SimpleOneForOne, transient("b")), [FORGOTTEN, FORGOTTEN, ALONE]);
}

#[test]
fn simple_one_for_one_forgets_a_temporary_child_however_it_ended() {
    assert_eq!(cells(Strategy::SimpleOneForOne, temporary("b")), [FORGOTTEN; 3]);
}

#[test]
fn a_failure_is_reported_with_what_is_done_about_it() {
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![permanent("a"), temporary("b")]);
    scene.fails("a");
    scene.ends("b", How::Abnormal);
    let lines =
        [r#"child "a" failed (over); it is started again"#, r#"child "b" failed (over); it stays down"#];
    assert_eq!(scene.reports, lines);
}

#[test]
fn an_end_in_order_is_reported_only_of_a_permanent_child() {
    let plans = vec![permanent("a"), transient("b"), temporary("c")];
    let mut scene = Scene::running(of(Strategy::OneForOne), plans);
    for name in ["a", "b", "c"] {
        scene.ends(name, How::Normal);
    }
    assert_eq!(scene.reports, [r#"child "a" ended (over); it is started again"#]);
}

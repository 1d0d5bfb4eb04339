//! How children are stopped, and the supervisor with them.

use super::*;
use crate::supervisor::spec::Shutdown;

fn stopped_by(shutdown: Shutdown) -> Plan {
    Plan { shutdown, ..permanent("a") }
}

#[test]
fn a_supervisor_stops_its_children_from_right_to_left_each_once_the_one_after_it_is_gone() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = Scene::running(of(strategy), all_permanent("a b c"));
        assert_eq!(scene.stop(), "stop c");
        assert_eq!(scene.is_gone("c"), "final c, forget c, stop b");
        assert_eq!(scene.is_gone("b"), "final b, forget b, stop a");
        assert_eq!(scene.is_gone("a"), "final a, forget a, ended: asked");
    }
}

#[test]
fn simple_one_for_one_stops_all_at_once_each_within_its_own_time() {
    let slow = Plan { shutdown: Shutdown::Within(ms(200)), ..permanent("b") };
    let deadly = Plan { shutdown: Shutdown::Kill, ..permanent("c") };
    let mut scene = Scene::running(
        of(Strategy::SimpleOneForOne),
        vec![stopped_by(Shutdown::Within(ms(100))), slow, deadly],
    );
    assert_eq!(scene.stop(), "kill c, stop b, stop a");
    assert_eq!(scene.pass(ms(100)), "kill a");
    assert_eq!(scene.pass(ms(100)), "kill b");
    scene.is_gone("b");
    scene.is_gone("a");
    assert_eq!(scene.is_gone("c"), "final c, forget c, ended: asked");
}

#[test]
fn a_worker_has_five_seconds_and_a_supervisor_has_any_time_unless_it_is_set() {
    assert_eq!(Plan::worker("a").shutdown, Shutdown::Within(Duration::from_secs(5)));
    assert_eq!(Plan::supervisor("a").shutdown, Shutdown::Unlimited);
}

#[test]
fn a_child_that_is_to_be_killed_is_not_asked() {
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![stopped_by(Shutdown::Kill)]);
    assert_eq!(scene.stop(), "kill a");
    assert_eq!(scene.wake_at, None);
    assert_eq!(scene.fails("a"), "final a, forget a, ended: asked");
    assert_eq!(scene.reports, [""; 0], "it did what it should");
}

#[test]
fn a_child_that_does_not_end_is_killed_exactly_when_its_time_is_over_and_then_waited_for() {
    let plans = vec![permanent("z"), stopped_by(Shutdown::Within(ms(1_000)))];
    let mut scene = Scene::running(of(Strategy::OneForOne), plans);
    assert_eq!(scene.stop(), "stop a");
    assert_eq!(scene.wake_at, Some(ms(1_000)));
    assert_eq!(scene.pass(ms(999)), "");
    assert_eq!(scene.pass(ms(1)), "kill a");
    assert_eq!(scene.pass(ms(100_000)), "", "it is killed once");
    assert_eq!(scene.fails("a"), "final a, forget a, stop z");
    assert_eq!(scene.reports, [r#"child "a" did not end in time; it is killed"#]);
}

#[test]
fn a_child_that_ends_in_time_is_not_killed() {
    let plans = vec![permanent("z"), stopped_by(Shutdown::Within(ms(1_000)))];
    let mut scene = Scene::running(of(Strategy::OneForOne), plans);
    scene.stop();
    scene.pass(ms(999));
    assert_eq!(scene.is_gone("a"), "final a, forget a, stop z");
    assert_eq!(scene.wake_at, Some(ms(999 + 5_000)), "the time of z begins when z is asked");
    assert_eq!(scene.pass(ms(1)), "");
}

#[test]
fn the_end_counts_if_it_is_told_before_the_time_is_noticed_to_be_over() {
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![stopped_by(Shutdown::Within(ms(10)))]);
    scene.stop();
    scene.now += ms(20);
    assert_eq!(scene.is_gone("a"), "final a, forget a, ended: asked");
}

#[test]
fn a_child_with_no_time_at_all_is_asked_and_killed_at_once() {
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![stopped_by(Shutdown::Within(ms(0)))]);
    assert_eq!(scene.stop(), "stop a, kill a");
}

#[test]
fn a_child_with_unlimited_time_is_never_killed() {
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![stopped_by(Shutdown::Unlimited)]);
    assert_eq!(scene.stop(), "stop a");
    assert_eq!(scene.wake_at, None);
    assert_eq!(scene.pass(Duration::from_secs(1_000_000)), "");
    assert_eq!(scene.is_gone("a"), "final a, forget a, ended: asked");
}

#[test]
fn a_time_beyond_all_clocks_is_as_good_as_unlimited() {
    let mut scene =
        Scene::running(of(Strategy::OneForOne), vec![stopped_by(Shutdown::Within(Duration::MAX))]);
    assert_eq!(scene.stop(), "stop a");
    assert_eq!(scene.pass(Duration::from_secs(1_000_000)), "");
}

#[test]
fn a_kill_takes_all_at_once_and_waits_for_them() {
    for strategy in [Strategy::OneForOne, Strategy::SimpleOneForOne] {
        let mut scene = Scene::running(of(strategy), all_permanent("a b"));
        assert_eq!(scene.kill(), "kill b, kill a");
        assert_eq!(scene.kill(), "");
        assert_eq!(scene.fails("a"), "final a, forget a");
        assert_eq!(scene.fails("b"), "final b, forget b, ended: killed");
        assert_eq!(scene.reports, [""; 0]);
    }
}

#[test]
fn a_kill_does_not_wait_for_a_stop_in_order() {
    let mut scene =
        Scene::running(of(Strategy::OneForOne), vec![permanent("b"), stopped_by(Shutdown::Unlimited)]);
    assert_eq!(scene.stop(), "stop a");
    assert_eq!(scene.kill(), "kill a, kill b");
    scene.fails("b");
    assert_eq!(scene.fails("a"), "final a, forget a, ended: killed");
}

#[test]
fn a_stop_after_a_stop_or_a_kill_changes_nothing() {
    let mut scene = Scene::running(of(Strategy::OneForOne), all_permanent("a b"));
    assert_eq!(scene.stop(), "stop b");
    assert_eq!(scene.stop(), "");
    assert_eq!(scene.kill(), "kill b, kill a");
    assert_eq!(scene.stop(), "");
}

#[test]
fn children_that_fail_while_the_supervisor_ends_are_not_started_again() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a b c"));
    assert_eq!(scene.stop(), "stop c");
    assert_eq!(scene.fails("a"), "final a, forget a");
    assert_eq!(scene.reports, [r#"child "a" failed (over); it stays down"#]);
    assert_eq!(scene.fails("c"), "final c, forget c, stop b");
    assert_eq!(scene.fails("b"), "final b, forget b, ended: asked");
}

#[test]
fn a_stop_waits_for_no_back_off() {
    let delayed = Plan { backoff: Some(super::backoff::exact()), ..permanent("a") };
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![delayed]);
    assert_eq!(scene.fails("a"), "restarting a");
    assert_eq!(scene.stop(), "final a, forget a, ended: asked");
}

#[test]
fn a_stop_while_a_group_goes_down_goes_on_with_the_one_that_is_being_stopped() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a b c"));
    assert_eq!(scene.fails("b"), "restarting b, stop c");
    assert_eq!(scene.stop(), "final b, forget b");
    assert_eq!(scene.is_gone("c"), "final c, forget c, stop a");
    assert_eq!(scene.is_gone("a"), "final a, forget a, ended: asked");
}

#[test]
fn a_stop_while_a_group_comes_up_stops_what_is_up_and_starting() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a b c"));
    scene.fails("c");
    scene.is_gone("b");
    scene.is_gone("a");
    assert_eq!(scene.started("a"), "restart b");
    assert_eq!(scene.stop(), "final c, forget c, stop b");
    assert_eq!(scene.start_fails("b"), "final b, forget b, stop a");
    assert_eq!(scene.is_gone("a"), "final a, forget a, ended: asked");
}

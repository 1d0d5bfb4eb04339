//! Commands about single children, in every state of these.

use super::*;

/// One child that is known and not there.
fn down() -> Scene {
    let mut scene = Scene::running(of(Strategy::OneForOne), all_permanent("a"));
    scene.terminate("a");
    scene.is_gone("a");
    assert_eq!(scene.state("a"), Some(State::Down));
    scene
}

/// One that waits for its back-off.
fn delayed() -> Scene {
    let plan = Plan { backoff: Some(super::backoff::exact()), ..permanent("a") };
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![plan]);
    scene.fails("a");
    assert_eq!(scene.state("a"), Some(State::Restarting));
    scene
}

/// One that starts for the first time.
fn starting() -> Scene {
    let mut scene = Scene::new(of(Strategy::OneForOne), all_permanent("a"));
    scene.begin();
    assert_eq!(scene.state("a"), Some(State::Starting));
    scene
}

/// One that is being stopped by command 1.
fn stopping() -> Scene {
    let mut scene = Scene::running(of(Strategy::OneForOne), all_permanent("a"));
    assert_eq!(scene.terminate("a"), "stop a");
    assert_eq!(scene.state("a"), Some(State::Stopping));
    scene
}

fn running() -> Scene {
    Scene::running(of(Strategy::OneForOne), all_permanent("a"))
}

#[test]
fn an_added_child_is_started_after_all_others_and_answered_when_it_runs() {
    let mut scene = running();
    assert_eq!(scene.add(permanent("b")), "start b");
    assert_eq!(scene.started("b"), "1 is done");
    assert_eq!(scene.stop(), "stop b");
}

#[test]
fn an_added_child_that_does_not_start_is_forgotten_and_its_name_free() {
    let mut scene = running();
    scene.add(permanent("b"));
    assert_eq!(scene.start_fails("b"), "final b, forget b, 1 is refused: the child did not start");
    assert_eq!(scene.state("b"), None);
    assert_eq!(scene.add(permanent("b")), "start b");
}

#[test]
fn a_name_is_taken_as_long_as_its_child_is_known() {
    for mut scene in [down(), delayed(), starting(), stopping(), running()] {
        assert!(scene.add(permanent("a")).ends_with(r#"refused: there is a child "a" already"#));
    }
    let mut scene = down();
    assert_eq!(scene.delete("a"), "forget a, 2 is done");
    assert_eq!(scene.add(permanent("a")), "start a");
    assert_eq!(scene.id("a"), ChildId(2), "it is another child");
}

#[test]
fn added_children_of_a_group_are_part_of_it() {
    let mut scene = Scene::running(of(Strategy::RestForOne), all_permanent("a"));
    scene.add(permanent("b"));
    assert_eq!(scene.add(permanent("c")), "", "one after the other");
    assert_eq!(scene.started("b"), "1 is done, start c");
    assert_eq!(scene.fails("a"), "restarting a, stop c");
    assert_eq!(scene.is_gone("c"), "restarting c, stop b", "its first start was to be stopped");
    assert_eq!(scene.is_gone("b"), "restarting b, restart a");
    assert_eq!(scene.started("a"), "restart b");
    assert_eq!(scene.started("b"), "restart c");
    assert_eq!(scene.started("c"), "2 is done");
}

#[test]
fn a_child_added_while_a_group_goes_down_is_started_with_it() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a b"));
    assert_eq!(scene.fails("a"), "restarting a, stop b");
    assert_eq!(scene.add(temporary("c")), "");
    assert_eq!(scene.is_gone("b"), "restarting b, restart a");
    assert_eq!(scene.started("a"), "restart b");
    assert_eq!(scene.started("b"), "start c");
    assert_eq!(scene.start_fails("c"), "final c, forget c, 1 is refused: the child did not start");
}

#[test]
fn a_temporary_child_taken_down_during_its_first_start_is_forgotten_and_its_command_answered() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a"));
    scene.add(temporary("b"));
    assert_eq!(scene.fails("a"), "restarting a, stop b");
    let said = scene.is_gone("b");
    let refused = "1 is refused: the child was stopped before it had started";
    assert_eq!(said, format!("final b, forget b, {refused}, restart a"));
}

#[test]
fn terminate_stops_a_running_child_alone_and_is_answered_when_it_is_gone() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = Scene::running(of(strategy), all_permanent("a b c"));
        assert_eq!(scene.terminate("b"), "stop b");
        assert_eq!(scene.pass(ms(5_000)), "kill b");
        assert_eq!(scene.fails("b"), "final b, 1 is done");
        assert_eq!(scene.state("b"), Some(State::Down));
        assert_eq!(scene.state("c"), Some(State::Running));
    }
}

#[test]
fn terminate_of_a_temporary_child_or_of_one_of_simple_one_for_one_forgets_it() {
    let mut scene = Scene::running(of(Strategy::OneForOne), vec![temporary("a")]);
    scene.terminate("a");
    assert_eq!(scene.is_gone("a"), "final a, forget a, 1 is done");
    let mut scene = Scene::running(of(Strategy::SimpleOneForOne), all_permanent("a"));
    assert_eq!(scene.terminate("a"), "stop a");
    assert_eq!(scene.is_gone("a"), "final a, forget a, 2 is done");
    assert_eq!(scene.restart("a"), "3 is refused: there is no such child");
}

#[test]
fn terminate_of_a_child_that_starts_stops_the_start() {
    let mut scene = starting();
    assert_eq!(scene.terminate("a"), "stop a, begun", "it is not waited for any more");
    assert_eq!(scene.started("a"), "", "too late");
    assert_eq!(scene.is_gone("a"), "final a, 1 is done");
    let mut scene = starting();
    scene.terminate("a");
    assert_eq!(scene.start_fails("a"), "final a, 1 is done");
    assert_eq!(scene.reports, [""; 0]);
}

#[test]
fn terminate_of_a_child_that_is_added_refuses_the_one_who_adds_and_forgets_it() {
    let mut scene = running();
    scene.add(permanent("b"));
    assert_eq!(scene.terminate("b"), "stop b");
    let refused = "1 is refused: the child was stopped before it had started";
    assert_eq!(scene.is_gone("b"), format!("final b, forget b, {refused}, 2 is done"));
}

#[test]
fn terminate_of_a_child_that_waits_for_its_back_off_ends_the_wait() {
    let mut scene = delayed();
    assert_eq!(scene.terminate("a"), "final a, 1 is done");
    assert_eq!(scene.pass(ms(1_000_000)), "");
    assert_eq!(scene.state("a"), Some(State::Down));
}

#[test]
fn terminate_of_a_child_that_is_being_stopped_is_answered_with_the_first() {
    let mut scene = stopping();
    assert_eq!(scene.terminate("a"), "");
    assert_eq!(scene.is_gone("a"), "final a, 1 is done, 2 is done");
}

#[test]
fn terminate_of_a_child_that_is_stopped_because_of_another_keeps_it_down() {
    let mut scene = Scene::running(of(Strategy::OneForAll), all_permanent("a b"));
    scene.fails("a");
    assert_eq!(scene.terminate("b"), "");
    assert_eq!(scene.is_gone("b"), "final b, 1 is done, restart a");
    assert_eq!(scene.started("a"), "");
}

#[test]
fn terminate_of_a_child_that_is_down_is_done() {
    assert_eq!(down().terminate("a"), "2 is done");
}

#[test]
fn several_children_are_terminated_independently() {
    let mut scene = Scene::running(of(Strategy::OneForOne), all_permanent("a b"));
    assert_eq!(scene.terminate("a"), "stop a");
    assert_eq!(scene.terminate("b"), "stop b");
    assert_eq!(scene.stop(), "", "both are being stopped already");
    assert_eq!(scene.is_gone("a"), "final a, forget a, 1 is done");
    assert_eq!(scene.is_gone("b"), "final b, forget b, 2 is done, ended: asked");
}

#[test]
fn restart_starts_a_child_that_is_down_and_is_answered_when_it_runs() {
    let mut scene = down();
    assert_eq!(scene.restart("a"), "start a");
    assert_eq!(scene.state("a"), Some(State::Starting));
    assert_eq!(scene.started("a"), "2 is done");
    assert_eq!(scene.state("a"), Some(State::Running));
}

#[test]
fn restart_that_fails_leaves_the_child_down_and_tells_why() {
    let mut scene = down();
    scene.restart("a");
    assert_eq!(scene.start_fails("a"), "final a, 2 is refused: the child did not start");
    assert_eq!(scene.restart("a"), "start a");
}

#[test]
fn restart_is_refused_unless_the_child_is_down() {
    assert_eq!(running().restart("a"), "1 is refused: the child is running");
    assert_eq!(starting().restart("a"), "1 is refused: the child is starting");
    assert_eq!(delayed().restart("a"), "1 is refused: the child is restarting");
    assert_eq!(stopping().restart("a"), "2 is refused: the child is stopping");
    assert_eq!(running().restart("x"), "1 is refused: there is no such child");
}

#[test]
fn delete_is_refused_unless_the_child_is_down() {
    assert_eq!(running().delete("a"), "1 is refused: the child is running");
    assert_eq!(starting().delete("a"), "1 is refused: the child is starting");
    assert_eq!(delayed().delete("a"), "1 is refused: the child is restarting");
    assert_eq!(stopping().delete("a"), "2 is refused: the child is stopping");
    assert_eq!(running().delete("x"), "1 is refused: there is no such child");
    let mut scene = down();
    assert_eq!(scene.delete("a"), "forget a, 2 is done");
    assert_eq!(scene.delete("a"), "3 is refused: there is no such child");
}

#[test]
fn a_child_is_found_by_its_number_too() {
    let mut scene = running();
    let effects = scene.machine.terminate(Which::Id(ChildId(1)), Ticket(8), scene.now);
    assert_eq!(scene.tell(&effects), "stop a");
    let effects = scene.machine.terminate(Which::Id(ChildId(9)), Ticket(9), scene.now);
    assert_eq!(scene.tell(&effects), "9 is refused: there is no such child");
}

#[test]
fn commands_are_refused_while_the_supervisor_ends_and_after() {
    let mut scene = running();
    scene.stop();
    for has_ended in [false, true] {
        if has_ended {
            assert_eq!(scene.is_gone("a"), "final a, forget a, ended: asked");
        }
        assert!(scene.terminate("a").ends_with("refused: the supervisor is ending"));
        assert!(scene.restart("a").ends_with("refused: the supervisor is ending"));
        assert!(scene.delete("a").ends_with("refused: the supervisor is ending"));
        assert!(scene.add(permanent("b")).ends_with("refused: the supervisor is ending"));
    }
}

#[test]
fn commands_that_wait_when_the_supervisor_begins_to_end_are_answered() {
    let mut scene = running();
    scene.add(permanent("b"));
    scene.add(permanent("c"));
    scene.terminate("a");
    let refused = "2 is refused: the supervisor is ending, 1 is refused: the supervisor is ending";
    assert_eq!(scene.stop(), format!("{refused}, stop c"));
    scene.is_gone("c");
    scene.is_gone("b");
    assert_eq!(scene.is_gone("a"), "final a, forget a, 3 is done, ended: asked", "it is gone indeed");
}

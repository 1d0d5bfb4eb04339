//! A supervisor of supervisors.

use super::*;

/// A supervisor whose one child is a supervisor, which has one child.
struct Nest {
    outer: Scene,
    inner_settings: Settings,
    inner: Scene,
    has_ended: bool,
}

impl Nest {
    fn new(outer_restarts: u32, inner_restarts: u32, restart: Restart) -> Nest {
        let settings = |max_restarts| Settings { max_restarts, ..Settings::default() };
        let plan = Plan { restart, ..Plan::supervisor("inner") };
        let inner_settings = settings(inner_restarts);
        Nest {
            outer: Scene::running(settings(outer_restarts), vec![plan]),
            inner_settings,
            inner: Scene::running(inner_settings, all_permanent("worker")),
            has_ended: false,
        }
    }

    /// The worker fails: what the outer supervisor does about it.
    fn worker_fails(&mut self) -> String {
        let (id, attempt) = (self.inner.id("worker"), self.inner.attempt("worker"));
        let effects = self.inner.machine.ended(id, attempt, How::Abnormal, "over", self.inner.now);
        self.inner.play(effects.clone());
        let ended = effects.into_iter().find_map(|effect| match effect {
            Effect::Ended { why } => Some(why.how()),
            _ => None,
        });
        let Some(how) = ended else { return String::new() };
        let said = self.outer.ends("inner", how);
        if said.ends_with("restart inner") {
            self.inner = Scene::running(self.inner_settings, all_permanent("worker"));
            self.outer.started("inner");
        }
        self.has_ended = said.ends_with("ended: too many restarts");
        said
    }
}

#[test]
fn the_restarts_that_a_tree_bears_are_the_product_of_what_each_level_bears() {
    for (outer, inner) in [(3, 3), (0, 2), (2, 0), (9, 9)] {
        let mut nest = Nest::new(outer, inner, Restart::Permanent);
        let mut failures = 0;
        while !nest.has_ended {
            nest.worker_fails();
            failures += 1;
        }
        assert_eq!(failures, (outer + 1) * (inner + 1), "{outer} times {inner}");
    }
}

#[test]
fn a_supervisor_that_gave_up_has_ended_in_order_for_the_one_above() {
    let mut nest = Nest::new(3, 0, Restart::Transient);
    assert_eq!(nest.worker_fails(), "final inner", "so a transient one stays down");
    let mut nest = Nest::new(3, 0, Restart::Permanent);
    assert_eq!(nest.worker_fails(), "restarting inner, restart inner");
}

#[test]
fn a_supervisor_that_ended_because_of_a_significant_child_or_was_asked_to_has_ended_in_order() {
    assert_eq!(Conclusion::<&str>::Significant { child: ChildId(1) }.how(), How::Shutdown);
    assert_eq!(Conclusion::<&str>::Asked.how(), How::Shutdown);
    assert_eq!(Conclusion::<&str>::TooManyRestarts.how(), How::Shutdown);
}

#[test]
fn a_supervisor_that_was_killed_or_could_not_begin_has_failed() {
    assert_eq!(Conclusion::<&str>::Killed.how(), How::Abnormal);
    let could_not = Conclusion::StartFailed { child: ChildId(1), name: "a".to_owned(), why: "no luck" };
    assert_eq!(could_not.how(), How::Abnormal);
}

#[test]
fn a_supervisor_below_has_all_the_time_it_needs_to_stop_its_own() {
    let mut nest = Nest::new(3, 3, Restart::Permanent);
    assert_eq!(nest.outer.stop(), "stop inner");
    assert_eq!(nest.inner.stop(), "stop worker");
    assert_eq!(nest.outer.pass(ms(60_000)), "");
    assert_eq!(nest.inner.pass(ms(60_000)), "kill worker");
    assert_eq!(nest.inner.is_gone("worker"), "final worker, forget worker, ended: asked");
    assert_eq!(nest.outer.is_gone("inner"), "final inner, forget inner, ended: asked");
}

//! Plans that can't be carried out.

use super::*;
use crate::supervisor::backoff::Backoff;
use crate::supervisor::spec::AutoShutdown;

fn refused(settings: Settings, plans: Vec<Plan>) -> String {
    match Scene::try_new(settings, plans) {
        Ok(_) => "nothing".to_owned(),
        Err(faulty) => faulty.to_string(),
    }
}

#[test]
fn plans_without_fault_are_accepted() {
    assert_eq!(refused(Settings::default(), all_permanent("a b")), "nothing");
    assert_eq!(refused(of(Strategy::SimpleOneForOne), Vec::new()), "nothing");
}

#[test]
fn two_children_of_one_name_are_refused() {
    assert_eq!(refused(Settings::default(), all_permanent("a b a")), r#"there is a child "a" already"#);
}

#[test]
fn a_significant_child_must_not_be_permanent() {
    let settings = Settings { auto_shutdown: AutoShutdown::AnySignificant, ..Settings::default() };
    let plans = vec![Plan { is_significant: true, ..permanent("a") }];
    let expected = r#"child "a" is significant and permanent, so it could never end the supervisor"#;
    assert_eq!(refused(settings, plans), expected);
}

#[test]
fn a_significant_child_needs_an_automatic_shutdown() {
    let plans = vec![Plan { is_significant: true, ..transient("a") }];
    let expected = r#"child "a" is significant, and the supervisor's automatic shutdown is `Never`"#;
    assert_eq!(refused(Settings::default(), plans), expected);
}

#[test]
fn a_window_of_no_time_is_refused() {
    let settings = Settings { within: Duration::ZERO, ..Settings::default() };
    assert_eq!(refused(settings, Vec::new()), "the time within which restarts count is zero");
}

#[test]
fn simple_one_for_one_begins_without_children() {
    let expected = "a supervisor with `SimpleOneForOne` begins without children; add them";
    assert_eq!(refused(of(Strategy::SimpleOneForOne), all_permanent("a")), expected);
}

#[test]
fn a_faulty_back_off_is_refused_with_its_child() {
    let plans = vec![Plan { backoff: Some(Backoff::new(ms(0), ms(1))), ..permanent("a") }];
    assert_eq!(refused(Settings::default(), plans), r#"the back-off of child "a" can't be"#);
}

#[test]
fn faulty_children_are_not_added_either() {
    let mut scene = Scene::running(Settings::default(), all_permanent("a"));
    let said = scene.add(Plan { is_significant: true, ..permanent("b") });
    let expected =
        r#"1 is refused: child "b" is significant and permanent, so it could never end the supervisor"#;
    assert_eq!(said, expected);
    assert_eq!(scene.state("b"), None);
}

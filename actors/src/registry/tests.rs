//! The registry by itself.

use super::*;

fn node(id: u64) -> NodeId {
    NodeId::new(id).unwrap()
}

fn entry(id: u64) -> Entry {
    let slot = Slot { index: 5, generation: 1 };
    Entry { address: Address { node: node(id), slot }, type_name: "Queue<u64>".into() }
}

fn register(registry: &mut Registry, id: u64, name: &str) -> Vec<(Asker, Answer)> {
    registry.ask((node(id), 1), Ask::Register { name: name.into(), entry: entry(id), key: 0 })
}

/// > The first to register a name wins, the second learns who did.
#[test]
fn the_first_to_register_a_name_wins_and_the_second_learns_who_did() {
    let mut registry = Registry::default();
    assert_eq!(register(&mut registry, 1, "/a"), [((node(1), 1), Answer::Registered)]);
    assert_eq!(register(&mut registry, 2, "/a"), [((node(2), 1), Answer::Stands(entry(1)))]);
}

#[test]
fn a_lookup_that_waits_is_answered_when_the_name_comes() {
    let mut registry = Registry::default();
    let waits = Ask::Lookup { name: "/a".into(), wait: true };
    assert!(registry.ask((node(3), 9), waits).is_empty());
    let answers = register(&mut registry, 1, "/a");
    assert_eq!(answers[1], ((node(3), 9), Answer::Stands(entry(1))));
}

#[test]
fn a_lookup_given_up_or_whose_asker_died_is_not_answered() {
    let mut registry = Registry::default();
    for id in [3, 4] {
        let waits = Ask::Lookup { name: "/a".into(), wait: true };
        assert!(registry.ask((node(id), 9), waits).is_empty());
    }
    registry.ask((node(3), 0), Ask::Forget { name: "/a".into(), word: 9 });
    registry.node_ended(node(4));
    assert!(registry.waiting.is_empty());
    assert_eq!(register(&mut registry, 1, "/a").len(), 1);
}

#[test]
fn names_are_free_after_their_node_ended_and_others_stay() {
    let mut registry = Registry::default();
    register(&mut registry, 1, "/a");
    register(&mut registry, 2, "/b");
    registry.node_ended(node(1));
    let look = |name: &str| Ask::Lookup { name: name.into(), wait: false };
    assert_eq!(registry.ask((node(2), 1), look("/a"))[0].1, Answer::Unknown);
    assert_eq!(registry.ask((node(2), 1), look("/b"))[0].1, Answer::Stands(entry(2)));
}

#[test]
fn a_name_that_is_held_is_free_for_who_knows_the_key_until_it_is_let_go() {
    let mut registry = Registry::default();
    let hold = |id, key| Ask::Hold { name: "/a".into(), entry: entry(id), key };
    assert_eq!(registry.ask((node(1), 1), hold(1, 7)), [((node(1), 1), Answer::Registered)]);
    assert_eq!(registry.ask((node(2), 1), hold(2, 8)), [((node(2), 1), Answer::Stands(entry(1)))]);
    assert_eq!(register(&mut registry, 2, "/a"), [((node(2), 1), Answer::Stands(entry(1)))]);
    for _ in 0..2 {
        let known = Ask::Register { name: "/a".into(), entry: entry(3), key: 7 };
        assert_eq!(registry.ask((node(3), 1), known), [((node(3), 1), Answer::Registered)]);
        registry.node_ended(node(3));
        assert_eq!(register(&mut registry, 2, "/a"), [((node(2), 1), Answer::Stands(entry(1)))]);
    }
    registry.ask((node(1), 0), Ask::Unhold { name: "/a".into(), key: 8 });
    assert_eq!(register(&mut registry, 2, "/a"), [((node(2), 1), Answer::Stands(entry(1)))]);
    registry.ask((node(1), 0), Ask::Unhold { name: "/a".into(), key: 7 });
    assert_eq!(register(&mut registry, 2, "/a"), [((node(2), 1), Answer::Registered)]);
    registry.node_ended(node(2));
    registry.ask((node(1), 1), hold(1, 7));
    registry.node_ended(node(1));
    assert_eq!(register(&mut registry, 2, "/a"), [((node(2), 1), Answer::Registered)]);
}

#[test]
fn only_the_address_that_holds_a_name_can_give_it_up() {
    let mut registry = Registry::default();
    register(&mut registry, 1, "/a");
    let other = Ask::Unregister { name: "/a".into(), address: entry(2).address };
    registry.ask((node(2), 0), other);
    assert_eq!(registry.names.len(), 1);
    registry.ask((node(1), 0), Ask::Unregister { name: "/a".into(), address: entry(1).address });
    assert!(registry.names.is_empty());
}

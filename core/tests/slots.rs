//! Slots against a model: a `HashMap` by key. A stale key reaches nobody, whoever sits at its index.

use std::collections::HashMap;

use callboard_core::{Address, NodeId, Slot, Slots};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Step {
    Insert,
    InsertWith,
    /// Any key that was ever handed out, also those that are stale.
    Remove(Index),
    Change(Index),
    /// A key that perhaps nobody was given.
    Guess(Slot),
}

fn any_slot() -> impl Strategy<Value = Slot> {
    let part = || prop_oneof![8 => 0..6_u32, 1 => Just(u32::MAX), 1 => any::<u32>()];
    (part(), part()).prop_map(|(index, generation)| Slot { index, generation })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Insert),
        1 => Just(Step::InsertWith),
        4 => any::<Index>().prop_map(Step::Remove),
        1 => any::<Index>().prop_map(Step::Change),
        2 => any_slot().prop_map(Step::Guess),
    ]
}

fn pick(keys: &[Slot], index: Index) -> Slot {
    // The default is nobody's, so it serves while no key exists.
    if keys.is_empty() { Slot::default() } else { *index.get(keys) }
}

proptest! {
    #[test]
    fn slots_do_what_the_model_does(steps in vec(any_step(), 0..150)) {
        let mut slots = Slots::default();
        let mut model: HashMap<Slot, usize> = HashMap::new();
        let mut keys: Vec<Slot> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert | Step::InsertWith => {
                    let key = if matches!(step, Step::Insert) {
                        slots.insert(number)
                    } else {
                        let mut told = None;
                        let key = slots.insert_with(|key| {
                            told = Some(key);
                            number
                        });
                        prop_assert_eq!(told, Some(key));
                        key
                    };
                    prop_assert!(!keys.contains(&key), "{} was handed out before", key);
                    keys.push(key);
                    model.insert(key, number);
                }
                Step::Remove(index) => {
                    let key = pick(&keys, index);
                    prop_assert_eq!(slots.remove(key), model.remove(&key));
                }
                Step::Change(index) => {
                    let key = pick(&keys, index);
                    let changed = slots.get_mut(key).map(|value| *value = number);
                    prop_assert_eq!(changed, model.get_mut(&key).map(|value| *value = number));
                }
                Step::Guess(key) => {
                    prop_assert_eq!(slots.get(key), model.get(&key));
                    prop_assert_eq!(slots.remove(key), model.remove(&key));
                }
            }
            for key in &keys {
                prop_assert_eq!(slots.get(*key), model.get(key));
            }
            prop_assert_eq!(slots.len(), model.len());
            prop_assert_eq!(slots.is_empty(), model.is_empty());
            let listed: Vec<(Slot, usize)> = slots.iter().map(|(key, value)| (key, *value)).collect();
            prop_assert!(listed.is_sorted_by_key(|(key, _)| key.index));
            prop_assert_eq!(listed.into_iter().collect::<HashMap<_, _>>(), model.clone());
        }
    }
}

#[test]
fn a_stale_key_does_not_reach_the_next_at_its_index() {
    let mut slots = Slots::default();
    let old = slots.insert("old");
    assert_eq!(slots.remove(old), Some("old"));
    let new = slots.insert("new");
    assert_eq!(new, Slot { index: old.index, generation: old.generation + 1 });
    assert_eq!(slots.get(old), None);
    assert_eq!(slots.get_mut(old), None);
    assert_eq!(slots.remove(old), None);
    assert_eq!(slots.get(new), Some(&"new"));
}

#[test]
fn generation_zero_is_nobodys() {
    let mut slots = Slots::default();
    let first = slots.insert(());
    assert_eq!(first, Slot { index: 0, generation: 1 });
    assert_eq!(slots.get(Slot::default()), None);
}

#[test]
fn a_key_may_be_of_a_table_that_never_was_so_long() {
    let mut slots = Slots::default();
    slots.insert(());
    let far = Slot { index: u32::MAX, generation: 1 };
    assert_eq!(slots.get(far), None);
    assert_eq!(slots.remove(far), None);
}

#[test]
fn a_value_that_panics_while_it_is_made_is_not_in_the_table() {
    let mut slots: Slots<u8> = Slots::default();
    let mut known = None;
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        slots.insert_with(|key| {
            known = Some(key);
            panic!("no value")
        })
    }));
    assert!(made.is_err());
    assert!(slots.is_empty());
    let key = slots.insert(5);
    assert_eq!(slots.get(key), Some(&5));
    assert_eq!(slots.get(known.unwrap()), None, "its key reaches somebody else");
}

#[test]
fn addresses_read_as_node_index_and_generation() {
    assert_eq!(NodeId::new(0), None);
    let node = NodeId::new(0xab).unwrap();
    let slot = Slot { index: 3, generation: 2 };
    assert_eq!(Address { node, slot }.to_string(), "00000000000000ab/3.2");
}

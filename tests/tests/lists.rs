//! Lists between processes: each method beside a vector, counts and order under contention, iteration under change.

use std::time::Duration;

use callboard::{FunctionError, List, ListError, ListOptions, Node, Queue, QueueOptions, Swap};
use callboard_tests::{PATIENCE, eventually};
use serde::{Deserialize, Serialize};

callboard::test_door!();

fn options() -> ListOptions<u64> {
    ListOptions::new()
        .capacity(10_000)
        .function("add", |element: u64, by: u64| (element + by, element))
        .function("panic", |element: u64, text: String| -> (u64, ()) { panic!("{text} at {element}") })
        .list_function("sort", |mut elements: Vec<u64>, (): ()| {
            elements.sort_unstable();
            let sum: u64 = elements.iter().sum();
            (elements, sum)
        })
        .list_function("double", |elements: Vec<u64>, (): ()| ([elements.clone(), elements].concat(), ()))
}

fn own(node: &Node, name: String) {
    let _list: List<u64> = node.create(&name, options()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// Runs `test` with a list of this process and with one of another.
fn here_and_there(test: impl Fn(&Node, List<u64>)) {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    test(&node, node.anonymous(options()));
    test(&node, node.open_timeout("/theirs", PATIENCE).unwrap());
}

/// > Each method of a list does in one step what that of a vector does, wherever the list is.
#[test]
fn a_list_does_what_a_vector_does_wherever_it_is() {
    here_and_there(|_, list| {
        assert_eq!(
            (list.pop(), list.pop_front(), list.first(), list.last()),
            (Ok(None), Ok(None), Ok(None), Ok(None))
        );
        assert_eq!((list.push(2), list.push(3), list.push_front(1)), (Ok(1), Ok(2), Ok(3)));
        assert_eq!(list.extend([4, 5, 1]), Ok(6));
        assert_eq!(list.extend([]), Ok(6));
        assert_eq!(list.snapshot(), Ok(vec![1, 2, 3, 4, 5, 1]));
        assert_eq!((list.get(2), list.get(6)), (Ok(Some(3)), Ok(None)));
        assert_eq!((list.first(), list.last()), (Ok(Some(1)), Ok(Some(1))));
        assert_eq!((list.position(&1), list.position(&7)), (Ok(Some(0)), Ok(None)));
        assert_eq!((list.count(&1), list.contains(&5), list.contains(&6)), (Ok(2), Ok(true), Ok(false)));
        assert_eq!((list.remove_value(&1), list.remove_value(&7)), (Ok(true), Ok(false)));
        assert_eq!((list.set(0, 20), list.insert(1, 25), list.insert(6, 9)), (Ok(2), Ok(()), Ok(())));
        assert_eq!(list.slice(..), Ok(vec![20, 25, 3, 4, 5, 1, 9]));
        assert_eq!((list.slice(2..4), list.slice(5..=99)), (Ok(vec![3, 4]), Ok(vec![1, 9])));
        assert_eq!((list.slice(99..), list.slice(3..3)), (Ok(vec![]), Ok(vec![])));
        let out = |index, len| ListError::OutOfBounds { index, len };
        assert_eq!((list.set(7, 0), list.insert(8, 0)), (Err(out(7, 7)), Err(out(8, 7))));
        assert_eq!((list.remove(7), list.swap(0, 9)), (Err(out(7, 7)), Err(out(9, 7))));
        assert_eq!(list.compare_and_swap(7, &0, 0), Err(out(7, 7)));
        assert_eq!(list.compare_and_swap(0, &21, 0), Ok(Swap::Differs(20)));
        assert_eq!(list.compare_and_swap(0, &20, 21), Ok(Swap::Done));
        assert_eq!((list.swap(0, 6), list.reverse(), list.remove(1)), (Ok(()), Ok(()), Ok(1)));
        assert_eq!(list.iter().collect::<Result<Vec<_>, _>>(), Ok(vec![21, 5, 4, 3, 25, 9]));
        assert_eq!((list.pop(), list.pop_front(), list.len()), (Ok(Some(9)), Ok(Some(21)), Ok(4)));
        assert_eq!((list.truncate(9), list.truncate(3)), (Ok(()), Ok(())));
        assert_eq!(list.take_all(), Ok(vec![5, 4, 3]));
        assert_eq!((list.take_all(), list.is_empty()), (Ok(vec![]), Ok(true)));
        list.push(1).unwrap();
        assert_eq!((list.clear(), list.len(), list.iter().count()), (Ok(()), Ok(0), 0));
    });
}

/// > A full list is an error, and nothing was done: not half of what was to be appended.
#[test]
fn a_full_list_is_an_error_and_nothing_was_done() {
    let node = Node::start().unwrap();
    let list: List<String> = node.anonymous(ListOptions::new().capacity(3).capacity_bytes(20));
    let text = |n: usize| "x".repeat(n);
    assert_eq!(list.extend([text(1), text(1)]), Ok(2));
    assert_eq!(list.extend([text(1), text(1)]), Err(ListError::Full));
    assert_eq!((list.push(text(30)), list.push(text(17))), (Err(ListError::TooLarge), Err(ListError::Full)));
    assert_eq!(list.push(text(15)), Ok(3));
    assert_eq!(
        (list.push(String::new()), list.push_front(text(1))),
        (Err(ListError::Full), Err(ListError::Full))
    );
    assert_eq!((list.insert(1, text(1)), list.set(0, text(2))), (Err(ListError::Full), Err(ListError::Full)));
    assert_eq!(list.compare_and_swap(0, &text(1), text(2)), Err(ListError::Full));
    assert_eq!(list.snapshot(), Ok(vec![text(1), text(1), text(15)]));
    assert_eq!((list.set(2, text(1)), list.set(0, text(14))), (Ok(text(15)), Ok(text(1))));
}

/// What can be encoded only if it is even, and decoded only if it is divisible by four.
#[derive(Debug, PartialEq)]
struct Fussy(u64);

impl Serialize for Fussy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 2 == 1 {
            return Err(serde::ser::Error::custom("odd"));
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fussy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        if number % 4 != 0 {
            return Err(serde::de::Error::custom("not divisible by four"));
        }
        Ok(Self(number))
    }
}

/// > A value that can't be encoded or decoded is an error of that call alone.
#[test]
fn a_value_that_can_not_be_encoded_or_decoded_is_an_error_of_that_call() {
    let node = Node::start().unwrap();
    let list: List<Fussy> = node.anonymous(ListOptions::new());
    assert!(matches!(list.push(Fussy(1)), Err(ListError::Encode(_))));
    assert!(matches!(list.extend([Fussy(4), Fussy(1)]), Err(ListError::Encode(_))));
    assert!(matches!(list.cast_push(Fussy(1)), Err(ListError::Encode(_))));
    assert_eq!(list.extend([Fussy(4), Fussy(2), Fussy(8)]), Ok(3));
    assert!(matches!(list.get(1), Err(ListError::Decode(_))));
    assert!(matches!(list.snapshot(), Err(ListError::Decode(_))));
    let each: Vec<_> = list.iter().collect();
    assert_eq!((&each[0], &each[2]), (&Ok(Fussy(4)), &Ok(Fussy(8))));
    assert!(each.len() == 3 && matches!(each[1], Err(ListError::Decode(_))));
    assert!(matches!(list.remove(1), Err(ListError::Decode(_))));
    assert_eq!(list.take_all(), Ok(vec![Fussy(4), Fussy(8)]));
}

/// > Pushes of several processes all come, and each process's in its order.
#[test]
fn pushes_of_several_processes_all_come_and_each_ones_in_order() {
    fn pushes(_: &Node, (list, who): (List<u64>, u64)) {
        for i in 0..2000 {
            list.push(who * 10_000 + i).unwrap();
        }
    }
    here_and_there(|node, list| {
        let pushing: Vec<_> =
            (0..4).map(|who| node.spawn("pushes", pushes, (list.clone(), who)).unwrap()).collect();
        pushing.into_iter().for_each(|child| child.join().unwrap());
        let all = list.snapshot().unwrap();
        assert_eq!(all.len(), 8000);
        for who in 0..4 {
            let own: Vec<u64> = all.iter().filter(|v| *v / 10_000 == who).map(|v| v % 10_000).collect();
            assert_eq!(own, (0..2000).collect::<Vec<_>>());
        }
    });
}

/// > What several processes change by compare-and-swap or by a registered function is exact.
#[test]
fn changes_by_compare_and_swap_and_by_functions_are_exact() {
    fn changes(_: &Node, list: List<u64>) {
        for _ in 0..200 {
            list.update::<u64, u64>(1, "add", 3).unwrap();
            let mut seen = list.get(0).unwrap().unwrap();
            while let Swap::Differs(other) = list.compare_and_swap(0, &seen, seen + 1).unwrap() {
                seen = other;
            }
        }
    }
    here_and_there(|node, list| {
        list.extend([0, 0]).unwrap();
        let children: Vec<_> =
            (0..4).map(|_| node.spawn("changes", changes, list.clone()).unwrap()).collect();
        children.into_iter().for_each(|child| child.join().unwrap());
        assert_eq!(list.snapshot(), Ok(vec![800, 2400]));
    });
}

/// > All that is pushed while several take the whole list is taken once.
#[test]
fn what_is_taken_with_the_whole_list_is_taken_once() {
    fn takes(_: &Node, (list, taken): (List<u64>, Queue<Vec<u64>>)) {
        loop {
            let all = list.take_all().unwrap();
            let is_end = all.contains(&u64::MAX);
            taken.put(all).unwrap();
            if is_end {
                return;
            }
        }
    }
    here_and_there(|node, list| {
        let taken: Queue<Vec<u64>> = node.anonymous(QueueOptions::new());
        let takers: Vec<_> =
            (0..2).map(|_| node.spawn("takes", takes, (list.clone(), taken.clone())).unwrap()).collect();
        for i in 0..1000 {
            list.push(i).unwrap();
        }
        for taker in takers {
            // Whoever takes the end ends; the other one goes on until there is another.
            eventually("an end is taken", || {
                let _ = list.push(u64::MAX).unwrap();
                taker.join_timeout(Duration::from_millis(5)).is_ok()
            });
        }
        let rest = list.take_all().unwrap();
        taken.close().unwrap();
        let mut all: Vec<u64> = taken.iter().flatten().chain(rest).filter(|v| *v != u64::MAX).collect();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
    });
}

/// > An iteration gives each element that stays once, whatever comes and goes; a list put into another order ends it.
#[test]
fn an_iteration_gives_each_element_that_stays_once() {
    here_and_there(|_, list| {
        // Those that stay are divisible by ten.
        list.extend((0..5000).map(|i| i * 10)).unwrap();
        let mut seen = Vec::new();
        for (i, element) in list.iter().enumerate() {
            seen.push(element.unwrap());
            match i % 512 {
                0 => list.insert(i.min(list.len().unwrap()), 1).map(drop).unwrap(),
                100 => list.push_front(2).map(drop).unwrap(),
                200 => drop(list.remove_value(&1).unwrap()),
                300 => drop(list.push(3).unwrap()),
                400 => list.insert(3, 4).unwrap(),
                _ => {}
            }
        }
        seen.retain(|v| v % 10 == 0);
        assert_eq!(seen, (0..5000).map(|i| i * 10).collect::<Vec<_>>());
        for reorder in [List::reverse, |list: &List<u64>| list.apply("sort", ()).map(|_: u64| ())] {
            let mut iter = list.iter();
            assert!(iter.next().is_some_and(|element| element.is_ok()));
            reorder(&list).unwrap();
            assert_eq!(iter.find(Result::is_err), Some(Err(ListError::Changed)));
            assert_eq!(iter.next(), None);
        }
    });
}

/// > A registered function changes what it is given in one step; if it panics, is not there or takes other types, nothing.
#[test]
fn a_registered_function_changes_what_it_is_given_or_nothing() {
    here_and_there(|_, list| {
        list.extend([3, 1, 2]).unwrap();
        assert_eq!(list.apply("sort", ()), Ok(6_u64));
        assert_eq!(list.update(0, "add", 9_u64), Ok(1_u64));
        let why = FunctionError::Panicked("boo at 10".to_owned());
        assert_eq!(list.update::<_, ()>(0, "panic", "boo"), Err(ListError::Function(why)));
        let why = FunctionError::Unknown("none".to_owned());
        assert_eq!(list.update::<_, ()>(0, "none", ()), Err(ListError::Function(why.clone())));
        assert_eq!(list.apply::<_, ()>("none", ()), Err(ListError::Function(why)));
        let other = list.update::<_, u64>(0, "add", "text");
        assert!(matches!(other, Err(ListError::Function(FunctionError::Input(_)))), "{other:?}");
        assert_eq!(list.update::<_, ()>(3, "panic", ""), Err(ListError::OutOfBounds { index: 3, len: 3 }));
        assert_eq!(list.snapshot(), Ok(vec![10, 2, 3]));
        assert!(matches!(list.update::<_, String>(0, "add", 1_u64), Err(ListError::Decode(_))));
        assert_eq!(list.snapshot(), Ok(vec![11, 2, 3]));
        list.extend(0..4998).unwrap();
        assert_eq!(list.apply::<_, ()>("double", ()), Err(ListError::Full));
        assert_eq!(list.len(), Ok(5001));
        list.clear().unwrap();
    });
}

/// > A function that asks an object, or waits, is ended with an error, and its list goes on.
#[test]
fn a_function_that_asks_an_object_or_waits_is_ended_and_its_list_goes_on() {
    fn own_queue(node: &Node, name: String) {
        let _queue: Queue<u64> = node.create(&name, QueueOptions::new()).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own_queue, "/queue".to_owned()).unwrap();
    let queue: Queue<u64> = node.open_timeout("/queue", PATIENCE).unwrap();
    let other: List<u64> = node.anonymous(ListOptions::new());
    let inside = other.clone();
    let options = ListOptions::new()
        .function("asks", move |element: u64, (): ()| (element, inside.len().unwrap_or_default()))
        .function("gets", move |element: u64, (): ()| (element, queue.get().is_ok()));
    let list: List<u64> = node.anonymous(options);
    list.push(1).unwrap();
    for name in ["asks", "gets", "gets"] {
        let ended = list.update::<_, usize>(0, name, ());
        assert!(matches!(ended, Err(ListError::Function(FunctionError::Panicked(_)))), "{ended:?}");
    }
    assert_eq!((list.len(), other.len()), (Ok(1), Ok(0)));
}

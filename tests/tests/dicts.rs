//! Dicts and sets between processes: single entries, many at once, updates where the dict is, casts, expiry.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use callboard::{
    Dict, DictError, DictOptions, FunctionError, Node, Queue, QueueOptions, Set, SetOptions, Swap,
};
use callboard_tests::{PATIENCE, eventually};
use serde::{Deserialize, Serialize};

callboard::test_door!();

type Counts = Dict<String, u64>;

fn own<K: 'static, V: 'static>(node: &Node, name: String) {
    let _dict: Dict<K, V> = node.create(&name, DictOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// Runs `with` on a dict of this node and on one of another process.
fn here_and_there<K: 'static, V: 'static>(node: &Node, with: impl Fn(Dict<K, V>)) {
    with(node.anonymous(DictOptions::new()));
    let owner = node.spawn("owner", own::<K, V>, "/theirs".to_owned()).unwrap();
    with(node.open_timeout("/theirs", PATIENCE).unwrap());
    owner.kill().unwrap();
    let _ = owner.join();
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// > A dict answers for every process as a map would, in the order of insertion; a new value keeps its key's place.
#[test]
fn a_dict_answers_as_a_map_would_in_the_order_of_insertion() {
    fn sees(_: &Node, dict: Counts) -> (Option<u64>, bool, Vec<String>) {
        (dict.get("b").unwrap(), dict.contains_key("x").unwrap(), dict.keys().unwrap())
    }
    let node = Node::start().unwrap();
    here_and_there(&node, |dict: Counts| {
        assert_eq!((dict.get("b"), dict.is_empty()), (Ok(None), Ok(true)));
        for (key, value) in [("c", 3), ("a", 1), ("b", 2)] {
            assert_eq!(dict.insert(text(key), value), Ok(None));
        }
        assert_eq!(dict.insert(text("a"), 10), Ok(Some(1)));
        assert_eq!((dict.get("a"), dict.len()), (Ok(Some(10)), Ok(3)));
        assert_eq!((dict.get_or_insert(text("a"), 7), dict.get_or_insert(text("d"), 4)), (Ok(10), Ok(4)));
        assert_eq!((dict.remove("c"), dict.remove("c")), (Ok(Some(3)), Ok(None)));
        let seen = node.spawn("sees", sees, dict.clone()).unwrap().join().unwrap();
        assert_eq!(seen, (Some(2), false, vec![text("a"), text("b"), text("d")]));
        assert_eq!(dict.values(), Ok(vec![10, 2, 4]));
        assert_eq!((dict.pop(), dict.clear(), dict.pop()), (Ok(Some((text("d"), 4))), Ok(()), Ok(None)));
    });
}

/// > Many entries are read, put or removed in one step; a snapshot is one moment.
#[test]
fn many_entries_are_read_put_and_removed_in_one_step() {
    /// Puts pairs of equal numbers until it is told to stop.
    fn turns(_: &Node, (dict, stop): (Dict<u8, u64>, Queue<u64>)) {
        let mut number = 0;
        while stop.try_get().is_err() {
            number += 1;
            dict.insert_many([(1, number), (2, number)]).unwrap();
        }
    }
    let node = Node::start().unwrap();
    here_and_there(&node, |dict: Dict<u8, u64>| {
        assert_eq!(dict.insert_many([(1, 0), (3, 3), (2, 0)]), Ok(()));
        let stop: Queue<u64> = node.anonymous(QueueOptions::new());
        let child = node.spawn("turns", turns, (dict.clone(), stop.clone())).unwrap();
        eventually("it turns", || dict.get(&1).unwrap() > Some(5));
        for _ in 0..200 {
            let pair = dict.get_many(&[1, 2, 9]).unwrap();
            assert_eq!((pair[0], pair[2]), (pair[1], None));
            let all = dict.snapshot().unwrap();
            assert_eq!((all.len(), all[0].1), (3, all[2].1));
        }
        stop.put(0).unwrap();
        child.join().unwrap();
        assert_eq!((dict.remove_many(&[1, 9, 2]), dict.snapshot()), (Ok(2), Ok(vec![(3, 3)])));
    });
}

/// > An iteration sees each entry that is there all the time exactly once, also while others change the dict, and ends.
#[test]
fn an_iteration_under_change_sees_each_lasting_entry_once() {
    fn changes(_: &Node, (dict, stop): (Dict<u64, u64>, Queue<u64>)) {
        let mut number = 0;
        while stop.try_get().is_err() {
            number += 1;
            let odd = (number * 2 + 1) % 10_000;
            dict.remove(&odd).unwrap();
            dict.insert(odd, number).unwrap();
            dict.insert(number * 2 % 10_000, number).unwrap();
        }
    }
    let node = Node::start().unwrap();
    here_and_there(&node, |dict: Dict<u64, u64>| {
        dict.insert_many((0..10_000).map(|number| (number, 0))).unwrap();
        let stop: Queue<u64> = node.anonymous(QueueOptions::new());
        let child = node.spawn("changes", changes, (dict.clone(), stop.clone())).unwrap();
        eventually("it changes", || dict.get(&4).unwrap() > Some(0));
        for _ in 0..5 {
            let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
            for entry in &dict {
                *seen.entry(entry.unwrap().0).or_default() += 1;
            }
            assert!(seen.values().all(|times| *times == 1));
            assert_eq!(seen.keys().filter(|key| **key % 2 == 0).count(), 5_000);
        }
        stop.put(0).unwrap();
        child.join().unwrap();
    });
}

/// > Read-modify-write where the dict is, by `add`, `compare_and_swap` or a function, is exact with any number of processes.
#[test]
fn counts_of_several_processes_are_exact() {
    fn adds(_: &Node, (dict, times): (Counts, u64)) {
        for time in 0..times {
            dict.add("sum", 1).unwrap();
            dict.max("most", time).unwrap();
        }
    }
    fn swaps(_: &Node, (dict, times): (Counts, u64)) {
        for _ in 0..times {
            let mut found = dict.get("swapped").unwrap();
            while let Swap::Differs(other) =
                dict.compare_and_swap("swapped", found.as_ref(), Some(found.unwrap_or(0) + 1)).unwrap()
            {
                found = other;
            }
        }
    }
    let node = Node::start().unwrap();
    here_and_there(&node, |dict: Counts| {
        let mut children: Vec<_> =
            (0..4).map(|_| node.spawn("adds", adds, (dict.clone(), 2_000)).unwrap()).collect();
        children.extend((0..4).map(|_| node.spawn("swaps", swaps, (dict.clone(), 300)).unwrap()));
        children.iter().for_each(|child| child.join().unwrap());
        assert_eq!((dict.get("sum"), dict.get("most")), (Ok(Some(8_000)), Ok(Some(1_999))));
        assert_eq!((dict.get("swapped"), dict.min("most", 5)), (Ok(Some(1_200)), Ok(5)));
        assert_eq!(dict.compare_and_swap("most", Some(&5), None), Ok(Swap::Done));
        assert_eq!(dict.compare_and_swap("most", Some(&5), Some(1)), Ok(Swap::Differs(None)));
    });
}

/// > A number out of its type's range is an error and changes nothing.
#[test]
fn a_number_out_of_range_is_an_error_and_changes_nothing() {
    let node = Node::start().unwrap();
    let small: Dict<u8, i8> = node.anonymous(DictOptions::new());
    assert_eq!((small.add(&1, 100), small.add(&1, 27)), (Ok(100), Ok(127)));
    assert_eq!((small.add(&1, 1), small.get(&1)), (Err(DictError::Overflow), Ok(Some(127))));
    assert_eq!((small.add(&1, -128), small.add(&1, -127)), (Ok(-1), Ok(-128)));
    let real: Dict<u8, f32> = node.anonymous(DictOptions::new());
    assert_eq!((real.add(&1, 0.5), real.add(&1, 0.25)), (Ok(0.5), Ok(0.75)));
    assert_eq!((real.max(&1, 3e38), real.add(&1, 3e38)), (Ok(3e38), Err(DictError::Overflow)));
}

/// > Lists and texts in a dict grow by what several processes append, without losing any of it.
#[test]
fn lists_and_texts_grow_by_what_several_processes_append() {
    fn appends(_: &Node, (lists, texts, number): (Dict<String, Vec<u64>>, Dict<u8, String>, u64)) {
        for time in 0..300 {
            lists.append("all", &(number * 1_000 + time)).unwrap();
            lists.extend("pairs", [number, number]).unwrap();
            texts.push_str(&1, &format!("line {number}\n")).unwrap();
        }
    }
    let node = Node::start().unwrap();
    let texts: Dict<u8, String> = node.anonymous(DictOptions::new());
    here_and_there(&node, |lists: Dict<String, Vec<u64>>| {
        texts.clear().unwrap();
        let spawn = |number| node.spawn("appends", appends, (lists.clone(), texts.clone(), number)).unwrap();
        let children: Vec<_> = (0..4).map(spawn).collect();
        children.iter().for_each(|child| child.join().unwrap());
        let mut all = lists.get("all").unwrap().unwrap();
        assert!((0..4).all(|number| all.iter().filter(|n| **n / 1_000 == number).is_sorted()));
        all.sort_unstable();
        let expected: Vec<u64> = (0..4).flat_map(|n| (0..300).map(move |time| n * 1_000 + time)).collect();
        assert_eq!(all, expected);
        let pairs = lists.get("pairs").unwrap().unwrap();
        assert_eq!((pairs.len(), pairs.chunks(2).all(|pair| pair[0] == pair[1])), (2_400, true));
        assert_eq!(texts.get(&1).unwrap().unwrap().lines().count(), 1_200);
        assert_eq!((lists.extend("none", []), lists.get("none")), (Ok(0), Ok(Some(vec![]))));
    });
}

/// > A function given to a dict runs in one step where the dict is; its panic is an error and changes nothing.
#[test]
fn a_function_runs_where_the_dict_is_and_its_panic_changes_nothing() {
    fn options() -> DictOptions<String, u64> {
        DictOptions::new()
            .function("put", |value: Option<u64>, (times, by): (u64, u64)| {
                (Some(value.unwrap_or(1) * times + by), std::process::id())
            })
            .function("drop", |value: Option<u64>, (): ()| (None, value))
            .function("panics", |_, text: String| -> (Option<u64>, ()) { panic!("{text}") })
    }
    fn owns(node: &Node, name: String) {
        let _dict: Counts = node.create(&name, options()).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", owns, "/functions".to_owned()).unwrap();
    let remote: Counts = node.open_timeout("/functions", PATIENCE).unwrap();
    for (dict, pid) in [(remote, owner.pid()), (node.anonymous(options()), std::process::id())] {
        assert_eq!(dict.update("a", "put", (3u64, 4u64)), Ok(pid));
        assert_eq!(dict.get("a"), Ok(Some(7)));
        let panicked = dict.update::<_, _, ()>("a", "panics", "no luck");
        assert_eq!(panicked, Err(DictError::Function(FunctionError::Panicked(text("no luck")))));
        match dict.update::<_, _, ()>("a", "panics", "ä".repeat(100_000)) {
            Err(DictError::Function(FunctionError::Panicked(message))) => assert_eq!(message.len(), 16 << 10),
            other => panic!("{other:?}"),
        }
        let unknown = dict.update::<_, _, ()>("a", "x", ());
        assert_eq!(unknown, Err(DictError::Function(FunctionError::Unknown(text("x")))));
        let other = dict.update::<_, _, u32>("a", "put", "args");
        assert!(matches!(other, Err(DictError::Function(FunctionError::Input(_)))));
        assert_eq!(dict.get("a"), Ok(Some(7)));
        assert_eq!(dict.update("a", "drop", ()), Ok(Some(7u64)));
        assert_eq!((dict.update("a", "drop", ()), dict.len()), (Ok(None::<u64>), Ok(0)));
    }
}

/// > What a dict has no room for is refused, and changes nothing.
#[test]
fn what_there_is_no_room_for_is_refused() {
    let node = Node::start().unwrap();
    let dict: Dict<u8, String> = node.anonymous(DictOptions::new().capacity(2).capacity_bytes(100));
    assert_eq!(dict.insert_many([(1, text("a")), (2, text("b"))]), Ok(()));
    assert_eq!(dict.insert(3, text("c")), Err(DictError::Full));
    assert_eq!(dict.insert_many([(1, text("x")), (3, text("c"))]), Err(DictError::Full));
    assert_eq!(dict.push_str(&1, &"long".repeat(30)), Err(DictError::TooLarge));
    assert_eq!(dict.push_str(&1, &"x".repeat(80)), Ok(81));
    assert_eq!(
        (dict.push_str(&2, &"x".repeat(80)), dict.get(&2)),
        (Err(DictError::Full), Ok(Some(text("b"))))
    );
    assert_eq!(dict.batch().remove(&1).insert(3, text("c")).apply(), Ok(true));
    assert_eq!(dict.snapshot(), Ok(vec![(2, text("b")), (3, text("c"))]));
}

/// > A snapshot beyond what a message carries is an error; an iteration still goes.
#[test]
fn a_snapshot_beyond_a_message_is_an_error_and_an_iteration_goes() {
    type Large = Dict<u8, serde_bytes::ByteBuf>;
    let node = Node::start().unwrap();
    let dict: Large = node.anonymous(DictOptions::new().capacity_bytes(1 << 30));
    let value = serde_bytes::ByteBuf::from(vec![7; 52 << 20]);
    for key in 0..5 {
        dict.insert(key, value.clone()).unwrap();
    }
    assert_eq!(dict.get_many(&[0, 1, 2, 3, 4]), Err(DictError::TooLarge));
    assert_eq!((dict.snapshot(), dict.keys()), (Err(DictError::TooLarge), Ok(vec![0, 1, 2, 3, 4])));
    let whole = dict.iter().filter(|entry| entry.as_ref().unwrap().1 == value).count();
    assert_eq!((whole, dict.remove(&4)), (5, Ok(Some(value))));
    assert_eq!(dict.values().map(|values| values.len()), Ok(4));
}

/// > A key or a value that can't be encoded or decoded costs that call only.
#[test]
fn what_can_not_be_encoded_or_decoded_costs_that_call_only() {
    #[derive(Debug, PartialEq)]
    struct Picky(u8);
    impl Serialize for Picky {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 == 0 { Err(serde::ser::Error::custom("zero")) } else { self.0.serialize(serializer) }
        }
    }
    impl<'de> Deserialize<'de> for Picky {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match u8::deserialize(deserializer)? {
                1 => Err(serde::de::Error::custom("one")),
                other => Ok(Picky(other)),
            }
        }
    }
    let node = Node::start().unwrap();
    here_and_there(&node, |dict: Dict<u8, Picky>| {
        assert!(matches!(dict.insert(1, Picky(0)), Err(DictError::Encode(_))));
        assert!(matches!(dict.cast_insert(1, Picky(0)), Err(DictError::Encode(_))));
        assert_eq!(dict.insert_many([(1, Picky(1)), (2, Picky(2))]), Ok(()));
        assert!(matches!(dict.get(&1), Err(DictError::Decode(_))));
        assert!(matches!(dict.snapshot(), Err(DictError::Decode(_))));
        let seen: Vec<_> = dict.iter().map(|entry| entry.ok()).collect();
        assert_eq!(seen, [None, Some((2, Picky(2)))]);
        let batch = dict.batch().insert(2, Picky(0)).insert(3, Picky(3)).apply();
        assert!(matches!(batch, Err(DictError::Encode(_))));
        assert_eq!((dict.get(&2), dict.len()), (Ok(Some(Picky(2))), Ok(2)));
    });
}

/// > What is cast is done in order; `flush` waits for it and tells how much was refused.
#[test]
fn casts_are_done_in_order_and_flush_tells_what_was_refused() {
    /// How many were refused.
    fn casts(_: &Node, dict: Dict<u64, u64>) -> u64 {
        for number in 0..20_000 {
            dict.cast_insert(number % 10, number).unwrap();
            dict.cast_add(&100, 1).unwrap();
        }
        dict.cast_remove(&5).unwrap();
        match dict.flush() {
            Err(DictError::Lost(count)) => count,
            other => other.map(|()| 0).unwrap(),
        }
    }
    let node = Node::start().unwrap();
    here_and_there(&node, |dict: Dict<u64, u64>| {
        assert_eq!(node.spawn("casts", casts, dict.clone()).unwrap().join().unwrap(), 0);
        assert_eq!(casts(&node, dict.clone()), 0);
        assert_eq!(
            (dict.get(&9), dict.get(&100), dict.get(&5)),
            (Ok(Some(19_999)), Ok(Some(40_000)), Ok(None))
        );
    });
    let dict: Dict<u64, u64> = node.anonymous(DictOptions::new().capacity(5));
    let refused = node.spawn("casts", casts, dict.clone()).unwrap().join().unwrap();
    // There is room for the sum and the first four of ten numbers.
    assert_eq!((refused, dict.flush()), (6 * 2_000, Ok(())));
}

/// > An entry with a time is gone for every question from then on, and a later insert stays.
#[test]
fn an_entry_with_a_time_is_gone_from_then_on() {
    let node = Node::start().unwrap();
    here_and_there(&node, |dict: Counts| {
        let begun = Instant::now();
        let lasting = Duration::from_millis(40);
        dict.insert_for(text("a"), 1, lasting).unwrap();
        dict.insert_for(text("b"), 2, PATIENCE).unwrap();
        dict.insert_for(text("c"), 3, Duration::MAX).unwrap();
        dict.insert_for(text("d"), 4, lasting).unwrap();
        dict.insert(text("d"), 5).unwrap();
        assert_eq!((dict.expire("b", Some(lasting)), dict.expire("x", None)), (Ok(true), Ok(false)));
        let mut watch = dict.watch("a").unwrap();
        if dict.contains_key("a").unwrap() {
            assert_eq!(watch.next(), Ok(None));
        }
        assert!(begun.elapsed() >= lasting);
        eventually("b is gone", || dict.get("b") == Ok(None));
        assert_eq!(dict.keys(), Ok(vec![text("c"), text("d")]));
    });
}

/// > A handle in a dict leads to the same object from every process.
#[test]
fn handles_in_a_dict_lead_to_the_same_object() {
    fn uses(_: &Node, (queues, dicts): (Dict<String, Queue<u64>>, Dict<u8, Counts>)) {
        queues.get("jobs").unwrap().unwrap().put_confirmed(7).unwrap();
        dicts.get(&1).unwrap().unwrap().add("seen", 2).unwrap();
        dicts.get(&1).unwrap().unwrap().insert(text("more"), 1).unwrap();
    }
    let node = Node::start().unwrap();
    let queues: Dict<String, Queue<u64>> = node.anonymous(DictOptions::new());
    queues.insert(text("jobs"), node.anonymous(QueueOptions::new())).unwrap();
    here_and_there(&node, |dicts: Dict<u8, Counts>| {
        dicts.insert(1, node.anonymous(DictOptions::new())).unwrap();
        node.spawn("uses", uses, (queues.clone(), dicts.clone())).unwrap().join().unwrap();
        assert_eq!(queues.get("jobs").unwrap().unwrap().get(), Ok(7));
        let inner = dicts.get(&1).unwrap().unwrap();
        assert_eq!(inner.snapshot(), Ok(vec![(text("seen"), 2), (text("more"), 1)]));
    });
}

/// > A set has each member once, for every process.
#[test]
fn a_set_has_each_member_once() {
    fn fills(_: &Node, set: Set<String>) -> usize {
        (0..500).filter(|number| set.insert(number.to_string()).unwrap()).count()
    }
    fn owns(node: &Node, name: String) {
        let _set: Set<String> = node.create(&name, SetOptions::new()).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", owns, "/set".to_owned()).unwrap();
    let remote: Set<String> = node.open_timeout("/set", PATIENCE).unwrap();
    for set in [node.anonymous(SetOptions::new().capacity(1_000)), remote] {
        let children: Vec<_> = (0..3).map(|_| node.spawn("fills", fills, set.clone()).unwrap()).collect();
        let added: usize = children.iter().map(|child| child.join().unwrap()).sum();
        assert_eq!((added, set.len(), set.is_empty()), (500, Ok(500), Ok(false)));
        assert_eq!((set.contains("7"), set.remove("7"), set.remove("7")), (Ok(true), Ok(true), Ok(false)));
        assert_eq!((set.insert_many([text("7"), text("8")]), set.pop()), (Ok(1), Ok(Some(text("7")))));
        set.cast_insert(text("cast")).unwrap();
        set.cast_remove("8").unwrap();
        assert_eq!((set.flush(), set.contains("cast"), set.contains("8")), (Ok(()), Ok(true), Ok(false)));
        let all = set.snapshot().unwrap();
        assert_eq!(set.iter().collect::<Result<Vec<String>, DictError>>(), Ok(all.clone()));
        assert_eq!((set.remove_many(&all), set.clear(), set.len()), (Ok(all.len()), Ok(()), Ok(0)));
    }
}

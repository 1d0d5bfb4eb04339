//! Watching dicts, and dicts whose owner, users or bystanders are killed or stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use callboard::{
    Dict, DictError, DictOptions, DictWatchError, NameError, Node, Queue, QueueOptions, Set, SetOptions,
    WaitAny, wait_any,
};
use callboard_tests::{PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

callboard::test_door!();

type Numbers = Dict<u64, u64>;

fn own(node: &Node, name: String) {
    let _dict: Numbers = node.create(&name, DictOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// A dict of this node and one of another process.
fn here_and_there(node: &Node) -> [Numbers; 2] {
    node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    [node.anonymous(DictOptions::new()), node.open_timeout("/theirs", PATIENCE).unwrap()]
}

/// > A watch is told after every change, and of the last value always; in between it may pass values over.
#[test]
fn a_watch_sees_the_last_value_always() {
    fn writes(_: &Node, (dict, from): (Numbers, u64)) {
        for number in from..from + 500 {
            dict.insert(1, number).unwrap();
            dict.cast_insert(2, number).unwrap();
        }
        dict.flush().unwrap();
    }
    let node = Node::start().unwrap();
    for dict in here_and_there(&node) {
        for round in 0..rounds(10) {
            let from = round * 1_000 + 1;
            let (mut one, mut two) = (dict.watch(&1).unwrap(), dict.watch(&2).unwrap());
            assert_eq!((one.try_next(), one.next_timeout(Duration::from_millis(1))), (Ok(None), Ok(None)));
            let child = node.spawn("writes", writes, (dict.clone(), from)).unwrap();
            let mut seen = vec![one.next().unwrap().unwrap()];
            while *seen.last().unwrap() < from + 499 {
                seen.push(one.next_timeout(PATIENCE).unwrap().expect("a change").unwrap());
            }
            assert!(seen[0] >= from && seen.is_sorted());
            let mut any = WaitAny::new(&node);
            let member = any.add(&two);
            let mut last = 0;
            while last < from + 499 {
                assert_eq!(any.wait_timeout(PATIENCE), Some(member));
                last = two.try_next().unwrap().expect("it was ready").unwrap();
            }
            child.join().unwrap();
            dict.remove(&1).unwrap();
            assert_eq!((one.try_next(), two.try_next()), (Ok(Some(None)), Ok(None)));
        }
    }
}

/// > A watch of all keys tells every change, removals too; when it lags behind it says so, and a snapshot makes it whole.
#[test]
fn a_copy_kept_by_a_watch_of_all_keys_is_the_dict() {
    fn writes(_: &Node, (dict, seed): (Numbers, u64)) {
        for step in 0..1_500u64 {
            let key = (step * 7 + seed * 13) % 97 + 1;
            if (step + seed) % 3 == 0 {
                dict.remove(&key).unwrap();
            } else {
                dict.insert(key, step).unwrap();
            }
        }
    }
    let node = Node::start().unwrap();
    for dict in here_and_there(&node) {
        let mut watch = dict.watch_all().unwrap();
        let spawn = |seed| node.spawn("writes", writes, (dict.clone(), seed)).unwrap();
        let children = [spawn(1), spawn(2)];
        let ends = std::thread::spawn({
            let dict = dict.clone();
            move || {
                children.iter().for_each(|child| child.join().unwrap());
                dict.insert(0, 0).unwrap();
            }
        });
        let mut copy = BTreeMap::new();
        while !copy.contains_key(&0) {
            match watch.next_timeout(PATIENCE) {
                Ok(Some(change)) => match change.value {
                    Some(value) => copy.insert(change.key, value),
                    None => copy.remove(&change.key),
                },
                Err(DictWatchError::Lagged) => {
                    copy = dict.snapshot().unwrap().into_iter().collect();
                    None
                }
                other => panic!("{other:?}"),
            };
        }
        ends.join().unwrap();
        assert_eq!(copy.into_iter().collect::<Vec<_>>(), {
            let mut all = dict.snapshot().unwrap();
            all.sort_unstable();
            all
        });
        let many: Vec<u64> = (1_000..2_100).collect();
        dict.insert_many(many.iter().map(|key| (*key, 1))).unwrap();
        assert_eq!(dict.remove_many(&many), Ok(1_100));
        assert_eq!((watch.try_next(), watch.try_next()), (Err(DictWatchError::Lagged), Ok(None)));
    }
}

/// > A wait for a change keeps its timeout, also with the owner stopped.
#[test]
fn a_wait_for_a_change_keeps_its_timeout_also_with_the_owner_stopped() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let dict: Numbers = node.open_timeout("/theirs", PATIENCE).unwrap();
    let (mut watch, all) = (dict.watch(&1).unwrap(), dict.watch_all().unwrap());
    let begun = Instant::now();
    send_signal(owner.pid(), 19);
    eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
    assert_eq!(watch.next_timeout(Duration::from_millis(30)), Ok(None));
    assert_eq!(wait_any(&[&watch, &all], Some(Duration::from_millis(30))), None);
    assert!(begun.elapsed() >= Duration::from_millis(60));
    dict.cast_insert(1, 1).unwrap();
    send_signal(owner.pid(), 18);
    assert_eq!(watch.next(), Ok(Some(1)));
    assert_eq!(wait_any(&[&watch, &all], Some(PATIENCE)), Some(1));
}

/// > A wait for a change goes on when another wait for it is given up.
#[test]
fn a_wait_for_a_change_goes_on_when_another_for_it_is_given_up() {
    let node = Node::start().unwrap();
    for dict in here_and_there(&node) {
        let mut watch = dict.watch(&1).unwrap();
        let (mut any, mut other) = (WaitAny::new(&node), WaitAny::new(&node));
        let (member, given_up) = (any.add(&watch), other.add(&watch));
        assert_eq!((any.try_wait(), other.try_wait()), (None, None));
        let waits = std::thread::spawn(move || any.wait_timeout(PATIENCE) == Some(member));
        assert!(other.remove(given_up));
        drop(other);
        dict.insert(1, 1).unwrap();
        assert!(waits.join().unwrap());
        assert_eq!(watch.next(), Ok(Some(1)));
    }
}

/// Moves numbers between keys in batches, so that their sum stays.
fn moves(_: &Node, (dict, seed): (Numbers, u64)) {
    for step in seed.. {
        let (from, to) = (step * 7 % 10, step * 3 % 10 + 10);
        let [a, b] = dict.get_many(&[from, to]).unwrap()[..] else { panic!() };
        let (a, b) = (a.unwrap(), b.unwrap());
        let amount = if step % 2 == 0 { a / 2 } else { 0 };
        let batch = dict.batch().expect(&from, Some(&a)).expect(&to, Some(&b));
        batch.insert(from, a - amount + b / 3).insert(to, b - b / 3 + amount).apply().unwrap();
    }
}

/// > A batch is applied whole or not at all, whoever is killed.
#[test]
fn a_batch_is_applied_whole_or_not_at_all_whoever_is_killed() {
    /// Puts the same large number of bytes under several keys, again and again.
    fn fills(_: &Node, dict: Dict<u64, serde_bytes::ByteBuf>) {
        for number in 0u8.. {
            let value = serde_bytes::ByteBuf::from(vec![number; 200_000]);
            dict.insert_many((0..3).map(|key| (key, value.clone()))).unwrap();
        }
    }
    let node = Node::start().unwrap();
    let mut random = Random::new();
    let large: Dict<u64, serde_bytes::ByteBuf> = node.anonymous(DictOptions::new());
    for dict in here_and_there(&node) {
        dict.insert_many((0..20).map(|key| (key, 1_000))).unwrap();
        for round in 0..rounds(15) {
            let spawn = |seed| {
                let child = node.process("moves").stderr_null();
                child.spawn(moves, (dict.clone(), round + seed)).unwrap()
            };
            let children = [spawn(0), spawn(1)];
            let filler = node.process("fills").stderr_null().spawn(fills, large.clone()).unwrap();
            let before = large.get(&0).unwrap();
            eventually("it fills", || large.get(&0).unwrap() != before);
            pause(random.time(Duration::from_millis(3)));
            for pid in [children[0].pid(), filler.pid()] {
                send_signal(pid, if random.below(2) == 0 { 9 } else { 19 });
                send_signal(pid, 9);
            }
            assert!(children[0].join().is_err() && filler.join().is_err());
            assert_eq!(dict.values().unwrap().iter().sum::<u64>(), 20_000);
            children[1].kill().unwrap();
            assert!(children[1].join().is_err());
            assert_eq!(dict.values().unwrap().iter().sum::<u64>(), 20_000);
            let values = large.values().unwrap();
            assert!(values.len() == 3 && values.iter().all(|value| *value == values[0]));
            assert!(values[0].iter().all(|byte| *byte == values[0][0]));
        }
    }
}

/// Says that it is about to wait, and waits for a change.
fn waits(_: &Node, (dict, told): (Numbers, Queue<u64>)) -> Option<u64> {
    let mut watch = dict.watch(&1_000).unwrap();
    told.put_confirmed(1).unwrap();
    watch.next().unwrap()
}

fn adds(_: &Node, dict: Numbers) {
    loop {
        dict.add(&1, 1).unwrap();
        dict.cast_add(&2, 1).unwrap();
    }
}

/// > The death of a dict's owner reaches everyone who asks, casts or watches; that of anybody else nobody.
#[test]
fn whoever_is_killed_nobody_waits_for_a_dead_dict() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(30) {
        let name = format!("/owned/{round}");
        let owner = node.process("owner").stderr_null().spawn(own, name.clone()).unwrap();
        let dict: Numbers = node.open_timeout(&name, PATIENCE).unwrap();
        let told: Queue<u64> = node.anonymous(QueueOptions::new());
        let quiet = |name| node.process(name).stderr_null();
        let waiter = || quiet("waits").spawn(waits, (dict.clone(), told.clone())).unwrap();
        let waiters = [waiter(), waiter()];
        let bystander = quiet("adds").spawn(adds, dict.clone()).unwrap();
        (0..2).for_each(|_| assert_eq!(told.get(), Ok(1)));
        let (mut watch, all) = (dict.watch(&1_000).unwrap(), dict.watch_all().unwrap());
        let waits = std::thread::spawn(move || watch.next());
        let asks = std::thread::spawn({
            let dict = dict.clone();
            move || (0..).find_map(|number| dict.insert(3, number).err())
        });
        pause(random.time(Duration::from_micros(500)));
        let kind = random.below(3);
        let victim = [owner.pid(), waiters[0].pid(), bystander.pid()][kind as usize];
        if random.below(2) == 0 {
            send_signal(victim, 19);
        }
        send_signal(victim, 9);
        if kind != 0 {
            dict.insert(1_000, 7).unwrap();
            assert_eq!(waits.join().unwrap(), Ok(Some(7)));
            assert_eq!(waiters[1].join(), Ok(Some(7)));
            assert_eq!(waiters[0].join().is_err(), kind == 1);
            assert_eq!(wait_any(&[&all], Some(PATIENCE)), Some(0));
            owner.kill().unwrap();
        } else {
            assert_eq!(waits.join().unwrap(), Err(DictWatchError::Disconnected));
            assert!(waiters.iter().all(|waiter| waiter.join().is_err()), "their waits fail, and they panic");
            assert_eq!(wait_any(&[&all], Some(PATIENCE)), Some(0));
        }
        assert_eq!(asks.join().unwrap(), Some(DictError::Disconnected));
        assert!(bystander.join().is_err());
        assert_eq!(
            (dict.get(&1), dict.flush()),
            (Err(DictError::Disconnected), Err(DictError::Disconnected))
        );
        assert_eq!(dict.iter().next(), Some(Err(DictError::Disconnected)));
    }
}

/// > Who casts more than a stopped owner takes waits for it, and is told of its death.
#[test]
fn casts_to_an_owner_that_is_stopped_and_killed_end_with_an_error() {
    fn own_set(node: &Node, name: String) {
        let _set: Set<String> = node.create(&name, SetOptions::new()).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let node = Node::start().unwrap();
    for round in 0..rounds(5) {
        let name = format!("/owned/{round}");
        let owner = node.process("owner").stderr_null().spawn(own_set, name.clone()).unwrap();
        let set: Set<String> = node.open_timeout(&name, PATIENCE).unwrap();
        set.insert("first".to_owned()).unwrap();
        send_signal(owner.pid(), 19);
        eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
        let told: Queue<u64> = node.anonymous(QueueOptions::new());
        let casts = std::thread::spawn({
            let (set, told) = (set.clone(), told.clone());
            move || {
                for number in 0u64.. {
                    if let Err(error) = set.cast_insert(format!("{number:0>10000}")) {
                        return (number, error);
                    }
                    told.put(number).unwrap();
                }
                unreachable!()
            }
        });
        (0..500).for_each(|_| _ = told.get().unwrap());
        send_signal(owner.pid(), 9);
        let (number, error) = casts.join().unwrap();
        assert_eq!(error, DictError::Disconnected);
        // Ten kilobytes each, and eight mebibytes may be on the way.
        assert!(number < 1_000, "{number} casts were taken from it");
        assert_eq!(set.flush(), Err(DictError::Disconnected));
        assert!(matches!(node.open::<Set<String>>(&name), Err(NameError::NotFound(_))));
    }
}

/// > A watch of a set tells what comes and what goes, in that order, also among other things that are waited for.
#[test]
fn a_copy_kept_by_a_watch_of_a_set_is_the_set() {
    fn writes(_: &Node, (set, seed): (Set<u64>, u64)) {
        for step in 0..500u64 {
            let member = (step * 7 + seed * 13) % 97 + 1;
            if (step + seed) % 3 == 0 {
                set.remove(&member).unwrap();
            } else {
                set.insert(member).unwrap();
            }
        }
    }
    let node = Node::start().unwrap();
    let set: Set<u64> = node.anonymous(SetOptions::new());
    let mut watch = set.watch().unwrap();
    assert_eq!(watch.try_next(), Ok(None));
    let mut any = WaitAny::new(&node);
    any.add(&watch);
    let children = [1, 2].map(|seed| node.spawn("writes", writes, (set.clone(), seed)).unwrap());
    let last = std::thread::spawn({
        let set = set.clone();
        move || {
            children.iter().for_each(|child| child.join().unwrap());
            set.insert(0).unwrap();
        }
    });
    let mut copy = BTreeSet::new();
    while !copy.contains(&0) {
        assert!(any.wait_timeout(PATIENCE).is_some(), "a change is not told");
        let change = watch.next_timeout(PATIENCE).unwrap().unwrap();
        if change.is_member {
            copy.insert(change.member)
        } else {
            copy.remove(&change.member)
        };
    }
    last.join().unwrap();
    assert_eq!(copy, set.snapshot().unwrap().into_iter().collect());
    assert_eq!((watch.try_next(), watch.next_timeout(Duration::from_millis(1))), (Ok(None), Ok(None)));
}
